"""Metadata of many children of one directory, without opening them: the hot path of QUERY_DIRECTORY."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from smbcore.fsa.backend import NodeInfo
from smbcore.nt.attributes import IO_REPARSE_TAG_SYMLINK
from smbcore.nt.filetime import from_unix_ns
from smbcore.nt.status import NtError
from smbcore.vfs.posix import node, xattr
from smbcore.vfs.posix.names import for_lookup, is_reserved
from smbcore.vfs.posix.xattr import Fetched, Stored, fetch_by_name

if TYPE_CHECKING:
    from smbcore.vfs.posix.backend import PosixBackend

_INLINE = 512
"""Names whose status is taken on the loop's thread; more of them go to the pool."""
_INLINE_READS = 64
"""Records read on the loop's thread; more of them go to the pool."""
_REGULAR, _DIRECTORY, _SYMLINK = 0o100000, 0o040000, 0o120000

Child = tuple[str, bytes | str, os.stat_result]


async def entries(backend: PosixBackend, directory: int, names: Sequence[str]) -> list[tuple[str, NodeInfo]]:
    """Return (name, metadata) for the `names` that exist, in order. Raises OSError."""
    if len(names) <= _INLINE:
        children = look_up(directory, names)
    else:
        children = await backend.pool.run(look_up, directory, names)
    if any(device != backend.device for device in {child[2].st_dev for child in children}):
        meet_devices(backend, directory, children)
    known = backend.xattrs.known
    carried = [_special(child[2]) or known(child[2]) for child in children]
    unknown = [child for child, stored in zip(children, carried, strict=True) if stored is None]
    if len(unknown) <= _INLINE_READS:
        fetched = iter(fetch(directory, unknown))
    else:
        fetched = iter(await backend.pool.run(fetch, directory, unknown))
    found = []
    for (name, _, status), stored in zip(children, carried, strict=True):
        if stored is None:
            record = next(fetched)
            if record is None:
                continue
            found.append((name, node.describe(backend, status, backend.xattrs.adopt(status, record))))
        else:
            found.append((name, node.describe(backend, status, stored)))
    return found


def meet_devices(backend: PosixBackend, directory: int, children: Sequence[Child]) -> None:
    """Look at what is mounted at some of `children`, before their file ids are asked for."""
    met = {backend.device, os.fstat(directory).st_dev}
    for _, as_stored, status in children:
        if status.st_dev not in met:
            backend.devices.number(status.st_dev, b"/proc/self/fd/%d/%s" % (directory, os.fsencode(as_stored)))


def look_up(directory: int, names: Sequence[str]) -> list[Child]:
    """Take the status of each name, leaving out those that are gone or cannot be names."""
    found = []
    stat = os.stat
    for name in names:
        try:
            as_stored = for_lookup(name)
            if not is_reserved(name):
                found.append((name, as_stored, stat(as_stored, dir_fd=directory, follow_symlinks=False)))
        except (FileNotFoundError, NtError):
            continue
    return found


def fetch(directory: int, children: Sequence[Child]) -> list[Fetched | None]:
    """Read the records of `children`, None for those that vanished."""
    return [fetch_by_name(directory, os.fsencode(as_stored), status) for _, as_stored, status in children]


def linked(status: os.stat_result) -> Stored:
    """Return what stands for the attributes of a symbolic link."""
    return Stored(creation=from_unix_ns(xattr.earliest(status)), reparse_tag=IO_REPARSE_TAG_SYMLINK)


def _special(status: os.stat_result) -> Stored | None:
    """Return what stands for the attributes of a file that can carry none; None for one that can."""
    kind = status.st_mode & 0o170000
    if kind in (_REGULAR, _DIRECTORY):
        return None
    return linked(status) if kind == _SYMLINK else Stored(creation=from_unix_ns(xattr.earliest(status)))
