"""Byte ranges that clients hold, shown to programs of this machine as locks of theirs, and the other way round.

One open file description per file carries all of them (F_OFD_SETLK), so that the kernel sees this server as one: what
its clients have against each other is not the kernel's business. NT counts to 2**64, the kernel to 2**63: what lies
beyond is nobody's but ours, and is not shown. Of a file that nobody can write, an exclusive range shows as shared.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Hashable
from typing import TYPE_CHECKING

from smbcore.fsa.backend import CLAIM_EXCLUSIVE, CLAIM_NONE, CLAIM_SHARED

if TYPE_CHECKING:
    from smbcore.vfs.posix.node import PosixNode
    from smbcore.vfs.posix.shared import SharedFiles

_FLOCK = struct.Struct("hhqqi4x")
_BEYOND = 1 << 63
_TYPES = {CLAIM_NONE: fcntl.F_UNLCK, CLAIM_SHARED: fcntl.F_RDLCK, CLAIM_EXCLUSIVE: fcntl.F_WRLCK}
_CANNOT_WRITE = frozenset({errno.EACCES, errno.EROFS, errno.ETXTBSY})
_TAKEN = frozenset({errno.EAGAIN, errno.EACCES})


class Claims:
    """The descriptions that carry the locks of a volume's files, by (device, inode).

    A description is opened with the first claim and closed with the last, which drops all of its locks; on a volume
    whose files have one description each, that one carries them.
    """

    __slots__ = ("_descriptors", "_shared")

    def __init__(self, shared: SharedFiles | None) -> None:
        self._shared = shared
        self._descriptors: dict[Hashable, int] = {}

    def claim(self, node: PosixNode, offset: int, beyond: int, kind: int) -> bool:
        """Lock or unlock a range, as `Node.claim` says. Raises OSError."""
        if kind == CLAIM_NONE and offset == 0 and beyond > _BEYOND:
            self._drop(node)
            return True
        if offset >= _BEYOND or offset == beyond:
            return True
        is_first = self._shared is None and node.key not in self._descriptors
        descriptor, can_exclude = self._descriptor(node)
        if kind == CLAIM_EXCLUSIVE and not can_exclude:
            kind = CLAIM_SHARED
        try:
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _lock(kind, offset, beyond))
        except OSError as error:
            if is_first:
                self._drop(node)
            if error.errno in _TAKEN:
                return False
            raise
        return True

    def close(self) -> None:
        """Drop every claim."""
        for descriptor in self._descriptors.values():
            os.close(descriptor)
        self._descriptors.clear()

    def _descriptor(self, node: PosixNode) -> tuple[int, bool]:
        """Return the descriptor that carries the locks, and whether it can carry exclusive ones. Raises OSError."""
        if self._shared is not None:
            return self._shared.for_locks(node)
        descriptor = self._descriptors.get(node.key)
        if descriptor is None:
            descriptor = self._descriptors[node.key] = _open_again(node.descriptor)
        return descriptor, fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_RDWR != 0

    def _drop(self, node: PosixNode) -> None:
        if self._shared is not None:
            fcntl.fcntl(node.descriptor, fcntl.F_OFD_SETLK, _lock(CLAIM_NONE, 0, _BEYOND))
            return
        descriptor = self._descriptors.pop(node.key, -1)
        if descriptor >= 0:
            os.close(descriptor)


def _open_again(descriptor: int) -> int:
    """Open the file once more, for both kinds of locks where that can be: what carries locks cannot be exchanged."""
    path, flags = b"/proc/self/fd/%d" % descriptor, os.O_CLOEXEC | os.O_NONBLOCK
    try:
        return os.open(path, flags | os.O_RDWR)
    except OSError as error:
        if error.errno not in _CANNOT_WRITE:
            raise
        return os.open(path, flags | os.O_RDONLY)


def _lock(kind: int, offset: int, beyond: int) -> bytes:
    """Return the struct flock of a range; a length of 0 reaches as far as the kernel counts."""
    length = 0 if beyond >= _BEYOND else beyond - offset
    return _FLOCK.pack(_TYPES[kind], os.SEEK_SET, offset, length, 0)
