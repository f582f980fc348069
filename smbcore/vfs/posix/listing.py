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
from smbcore.vfs.posix.names import encode, is_reserved
from smbcore.vfs.posix.xattr import Stored

if TYPE_CHECKING:
    from smbcore.vfs.posix.backend import PosixBackend

_INLINE = 512
"""Names whose status is taken on the loop's thread; more of them go to the pool."""
_INLINE_READS = 64
"""Records read on the loop's thread; more of them go to the pool first."""
_REGULAR, _DIRECTORY, _SYMLINK = 0o100000, 0o040000, 0o120000

Child = tuple[str, bytes, os.stat_result]


async def entries(backend: PosixBackend, directory: int, names: Sequence[str]) -> list[tuple[str, NodeInfo]]:
    """Return (name, metadata) for the `names` that exist, in order. Raises OSError."""
    if len(names) <= _INLINE:
        children = look_up(directory, names)
    else:
        children = await backend.pool.run(look_up, directory, names)
    unknown = [child for child in children if not backend.xattrs.knows(child[2])]
    if len(unknown) > _INLINE_READS:
        await backend.pool.run(warm, directory, unknown)
    found = []
    for name, raw, status in children:
        stored = _carried(backend, directory, raw, status)
        if stored is not None:
            found.append((name, node.describe(backend, status, stored)))
    return found


def look_up(directory: int, names: Sequence[str]) -> list[Child]:
    """Take the status of each name, leaving out those that are gone or cannot be names."""
    found = []
    stat = os.stat
    for name in names:
        try:
            raw = encode(name)
            if not is_reserved(name):
                found.append((name, raw, stat(raw, dir_fd=directory, follow_symlinks=False)))
        except (FileNotFoundError, NtError):
            continue
    return found


def warm(directory: int, children: Sequence[Child]) -> None:
    """Read the records of `children` so that the kernel has them in memory; the results are not used."""
    for _, raw, status in children:
        if status.st_mode & 0o170000 in (_REGULAR, _DIRECTORY):
            xattr.read_if_there(b"/proc/self/fd/%d/%s" % (directory, raw), xattr.DOS)


def linked(status: os.stat_result) -> Stored:
    """Return what stands for the attributes of a symbolic link."""
    return Stored(creation=from_unix_ns(xattr.earliest(status)), reparse_tag=IO_REPARSE_TAG_SYMLINK)


def _carried(backend: PosixBackend, directory: int, raw: bytes, status: os.stat_result) -> Stored | None:
    """Return what a child carries, None if it vanished meanwhile."""
    kind = status.st_mode & 0o170000
    if kind not in (_REGULAR, _DIRECTORY):
        if kind == _SYMLINK:
            return linked(status)
        return Stored(creation=from_unix_ns(xattr.earliest(status)))
    try:
        return backend.xattrs.current_by_name(directory, raw, status)
    except FileNotFoundError:
        return None
