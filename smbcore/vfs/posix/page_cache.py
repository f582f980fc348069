"""Asking the kernel what of a file is in memory, so that nothing on the loop's thread waits for a disk."""

from __future__ import annotations

import errno
import os

from smbcore.vfs.posix import kernel

_PROBE_EVERY = 64 * 1024
_CANNOT_TELL = frozenset({errno.EAGAIN, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS})


class PageCache:
    """Looks into the page cache with prepared buffers; used on the loop's thread only."""

    __slots__ = ("_byte", "_count")

    def __init__(self) -> None:
        self._byte = [bytearray(1)]
        self._count: kernel.PageCounter | None = kernel.PageCounter()

    def holds(self, descriptor: int, offset: int, length: int) -> bool:
        """Tell whether all of `length` (> 0) bytes at `offset` exist and are in memory. Raises OSError.

        The last byte is read: that shows in one call that the file is long enough and that reading ahead has come to
        the end of the range. Kernels that do not count cached pages (before 6.5) are asked for a byte here and there.
        """
        last = offset + length - 1
        if not self._has(descriptor, last):
            return False
        if self._count is not None:
            try:
                return self._count.missing(descriptor, offset, length) == 0
            except OSError as error:
                if error.errno == errno.ENOSYS:
                    self._count = None
                elif error.errno != errno.EPERM:  # not our file, and not open for writing
                    raise
        return all(self._has(descriptor, at) for at in range(offset, last, _PROBE_EVERY))

    def _has(self, descriptor: int, at: int) -> bool:
        """Tell whether the byte at `at` exists and is in memory."""
        try:
            return os.preadv(descriptor, self._byte, at, os.RWF_NOWAIT) == 1
        except OSError as error:
            if error.errno in _CANNOT_TELL:
                return False
            raise
