"""One open file description for all nodes of a file, on volumes that get along with programs of this machine.

The kernel grants a lease only to whoever alone has the file open, and takes a second description of ours for a stranger
that breaks it. So a file that is open already is not opened again: the new node gets a duplicate of the descriptor. It
is looked up without opening it (O_PATH breaks no lease), at the price of two more system calls for each open. The
description is open for reading only until the first node wants to write; then it is replaced under all nodes at once.
"""

from __future__ import annotations

import errno
import logging
import os
import stat
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

from smbcore.vfs.posix.local_programs import READING, WRITING, Lease, LocalPrograms

if TYPE_CHECKING:
    from smbcore.vfs.posix.node import PosixNode
    from smbcore.vfs.posix.openat2 import Resolver

_log = logging.getLogger(__name__)

_CANNOT_WRITE = frozenset({errno.EACCES, errno.EROFS, errno.ETXTBSY})
_AGAIN = os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK


class SharedFile:
    """A file that is open: its nodes, and the lease that keeps others away.

    carries_locks  the description has locks, which go with it
    """

    __slots__ = ("carries_locks", "lease", "nodes", "writable")

    def __init__(self, *, writable: bool) -> None:
        self.nodes: dict[PosixNode, None] = {}
        self.writable = writable
        self.carries_locks = False
        self.lease: Lease | None = None

    def descriptor(self) -> int:
        """Return one of the descriptors of the description; -1 when there is none any more."""
        return next(iter(self.nodes)).descriptor if self.nodes else -1

    def make_writable(self) -> None:
        """Replace the description by one that can write. Raises OSError, and nothing has changed then."""
        if self.writable:
            return
        lease = self.lease
        if lease is not None:
            lease.pause()
        try:
            again = os.open(b"/proc/self/fd/%d" % self.descriptor(), _AGAIN)
        except OSError:
            if lease is not None:
                lease.resume(READING)
            raise
        try:
            for node in self.nodes:
                os.dup2(again, node.descriptor, inheritable=False)
        finally:
            os.close(again)
        self.writable = True
        if self.carries_locks:
            _log.warning("locks of clients are not shown to local programs any more: the file was not writable before")
        if lease is not None:
            lease.resume(WRITING)


class SharedFiles:
    """The open files of a volume by (device, inode)."""

    __slots__ = ("_files", "_programs", "_resolver")

    def __init__(self, resolver: Resolver, programs: LocalPrograms) -> None:
        self._resolver = resolver
        self._files: dict[Hashable, SharedFile] = {}
        self._programs = programs

    def open(self, path: bytes, flags: int) -> int:
        """Open `path` as `Resolver.open` does, or duplicate what is open of that file. Raises OSError."""
        handle = self._resolver.open(path, os.O_PATH)
        try:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                return self._resolver.open(path, flags)
            known = self._files.get((status.st_dev, status.st_ino))
            if known is None:
                return os.open(b"/proc/self/fd/%d" % handle, flags | os.O_CLOEXEC)
            if flags & os.O_RDWR:
                known.make_writable()
            return os.dup(known.descriptor())
        finally:
            os.close(handle)

    def join(self, node: PosixNode, *, writable: bool) -> None:
        """A node of a regular file has been made."""
        known = self._files.get(node.key)
        if known is None:
            known = self._files[node.key] = SharedFile(writable=writable)
        known.nodes[node] = None

    def leave(self, node: PosixNode) -> None:
        """A node is being closed."""
        known = self._files.get(node.key)
        if known is None or node not in known.nodes:
            return
        if len(known.nodes) == 1:
            if known.lease is not None:
                known.lease.release()
            del self._files[node.key]
        del known.nodes[node]

    def make_writable(self, node: PosixNode) -> None:
        """Let all nodes of the file of `node` write. Raises OSError."""
        self._files[node.key].make_writable()

    def for_locks(self, node: PosixNode) -> tuple[int, bool]:
        """Return the descriptor for locks of the file, and whether it can carry exclusive ones. Raises OSError."""
        known = self._files[node.key]
        try:
            known.make_writable()
        except OSError as error:
            if error.errno not in _CANNOT_WRITE:
                raise
        known.carries_locks = True
        return known.descriptor(), known.writable

    def guard(self, node: PosixNode, wanted: Callable[[float], None]) -> Lease | None:
        """Keep the programs of this machine away from the file of `node`; None where the kernel does not do it."""
        known = self._files[node.key]
        if known.lease is not None:
            known.lease.release()
        known.lease = self._programs.take(known.descriptor, WRITING if known.writable else READING, wanted)
        return known.lease
