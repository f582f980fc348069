"""System calls that the standard library does not offer, through ctypes with prepared signatures.

Every function raises OSError with the kernel's errno, like those of `os`.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import platform
import struct
import time

_LIBC = ctypes.CDLL(None, use_errno=True)

_OTHER_NUMBERS = {"alpha": 110, "mips": 4000, "mips64": 5000}.get(platform.machine(), 0)
"""Newer calls have one number on every architecture but these."""
_OPENAT2_NUMBER = 437 + _OTHER_NUMBERS
_CACHESTAT_NUMBER = 451 + _OTHER_NUMBERS

RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08

FALLOC_FL_KEEP_SIZE = 0x01
FALLOC_FL_PUNCH_HOLE = 0x02

RENAME_NOREPLACE = 0x01
RENAME_EXCHANGE = 0x02

_SUBVOL_INFO = 0x81F8_943C  # BTRFS_IOC_GET_SUBVOL_INFO
_SUBVOL_INFO_SIZE = 504
_CREATED = struct.Struct("=QI")
_CREATED_AT = 392
FS_COMPR_FL = 0x04
_FS_IOC_GETFLAGS = 0x8008_6601
_FS_IOC_SETFLAGS = 0x4008_6602
_FLAGS = struct.Struct("=l")

_CLOCK_REALTIME_COARSE = 5
"""The clock of time stamps, which `time` has no name for  [clock_gettime(2)]."""

_AT_SYMLINK_NOFOLLOW = 0x100
_AT_EMPTY_PATH = 0x1000
_STATX_BTIME = 0x800
_FICLONERANGE = 0x4020940D
_HOW = struct.Struct("=QQQ")
_CLONE = struct.Struct("=qQQQ")
_RANGE = struct.Struct("=QQ")
_PAGES = struct.Struct("=QQQQQ")  # cached, dirty, in writeback, evicted, recently evicted
_PAGE_SIZE = os.sysconf("SC_PAGE_SIZE")


class _StatxTime(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_int64), ("nanoseconds", ctypes.c_uint32), ("reserved", ctypes.c_int32))


class _Statx(ctypes.Structure):
    """struct statx up to the birth time, padded to its full size."""

    _fields_ = (
        ("mask", ctypes.c_uint32),
        ("skipped", ctypes.c_uint8 * 76),
        ("birth", _StatxTime),
        ("rest", ctypes.c_uint8 * 160),
    )


_SYSCALL = _LIBC["syscall"]
_SYSCALL.restype = ctypes.c_long
_SYSCALL.argtypes = (ctypes.c_long, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_size_t)

_RENAMEAT2 = _LIBC["renameat2"]
_RENAMEAT2.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)

_SYSCALL_OF_TWO = _LIBC["syscall"]  # a second object of the same function, with other arguments
_SYSCALL_OF_TWO.restype = ctypes.c_long
_SYSCALL_OF_TWO.argtypes = (ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint)

_STATX = _LIBC["statx"]
_STATX.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_uint, ctypes.POINTER(_Statx))

_FALLOCATE = _LIBC["fallocate64"] if hasattr(_LIBC, "fallocate64") else _LIBC["fallocate"]
_FALLOCATE.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)


class OpenHow:
    """A prepared struct open_how: the same flags serve every call."""

    __slots__ = ("_buffer", "address")

    def __init__(self, flags: int, resolve: int) -> None:
        self._buffer = ctypes.create_string_buffer(_HOW.pack(flags, 0, resolve), _HOW.size)
        self.address = ctypes.addressof(self._buffer)


class PageCounter:
    """cachestat with prepared structures: how much of a range is in the page cache."""

    __slots__ = ("_pages", "_range", "_where_pages", "_where_range")

    def __init__(self) -> None:
        self._range = ctypes.create_string_buffer(_RANGE.size)
        self._pages = ctypes.create_string_buffer(_PAGES.size)
        self._where_range = ctypes.addressof(self._range)
        self._where_pages = ctypes.addressof(self._pages)

    def missing(self, descriptor: int, offset: int, length: int) -> int:
        """Return how many pages of the range are not cached.

        Raises OSError: ENOSYS before Linux 6.5;  EPERM for a file that is neither ours nor open for writing.
        """
        _RANGE.pack_into(self._range, 0, offset, length)
        if _SYSCALL_OF_TWO(_CACHESTAT_NUMBER, descriptor, self._where_range, self._where_pages, 0) != 0:
            raise _failure()
        cached: int = _PAGES.unpack_from(self._pages)[0]
        return (offset + length - 1) // _PAGE_SIZE - offset // _PAGE_SIZE + 1 - cached


def kernel_time_ns() -> int:
    """Return the time that the kernel would stamp on a change now; not for anything that a client sees."""
    return time.clock_gettime_ns(_CLOCK_REALTIME_COARSE)


def openat2(directory: int, path: bytes, how: OpenHow) -> int:
    """Open `path` relative to the descriptor `directory` under the rules of `how`."""
    descriptor: int = _SYSCALL(_OPENAT2_NUMBER, directory, path, how.address, _HOW.size)
    if descriptor < 0:
        raise _failure()
    return descriptor


def renameat2(from_directory: int, old: bytes, to_directory: int, new: bytes, flags: int) -> None:
    """Rename with flags (RENAME_NOREPLACE, RENAME_EXCHANGE)."""
    if _RENAMEAT2(from_directory, old, to_directory, new, flags) != 0:
        raise _failure()


def birth_time_ns(descriptor: int) -> int | None:
    """Return when the file was born (ns since 1970), None where the file system does not know."""
    return _birth_time(descriptor, b"", _AT_EMPTY_PATH)


def birth_time_at(directory: int, name: bytes) -> int | None:
    """Return when the child `name` (itself, were it a link) was born, as `birth_time_ns`."""
    return _birth_time(directory, name, _AT_SYMLINK_NOFOLLOW)


def _birth_time(descriptor: int, path: bytes, flags: int) -> int | None:
    result = _Statx()
    if _STATX(descriptor, path, flags, _STATX_BTIME, ctypes.byref(result)) != 0:
        error = _failure()
        if error.errno in (errno.ENOSYS, errno.EINVAL):
            return None
        raise error
    if not result.mask & _STATX_BTIME:
        return None
    return int(result.birth.seconds) * 1_000_000_000 + int(result.birth.nanoseconds)


def fallocate(descriptor: int, mode: int, offset: int, length: int) -> None:
    """Reserve or (PUNCH_HOLE) free a range."""
    if _FALLOCATE(descriptor, mode, offset, length) != 0:
        raise _failure()


def clone_range(source: int, source_offset: int, descriptor: int, offset: int, length: int) -> None:
    """Share the blocks of a range of `source` with `descriptor`."""
    fcntl.ioctl(descriptor, _FICLONERANGE, _CLONE.pack(source, source_offset, length, offset))


def subvolume_created_ns(descriptor: int) -> int | None:
    """Return when the btrfs subvolume of the file was made (ns since 1970), None on another file system."""
    answer = bytearray(_SUBVOL_INFO_SIZE)
    try:
        fcntl.ioctl(descriptor, _SUBVOL_INFO, answer)
    except OSError:
        return None
    seconds, nanoseconds = _CREATED.unpack_from(answer, _CREATED_AT)
    return int(seconds) * 1_000_000_000 + int(nanoseconds)


def set_compression(descriptor: int, *, compressed: bool) -> None:
    """Let the file system compress what is written to the file from now on, or stop that."""
    answer = fcntl.ioctl(descriptor, _FS_IOC_GETFLAGS, _FLAGS.pack(0))
    flags = _FLAGS.unpack(answer)[0]
    wanted = flags | FS_COMPR_FL if compressed else flags & ~FS_COMPR_FL
    if wanted != flags:
        fcntl.ioctl(descriptor, _FS_IOC_SETFLAGS, _FLAGS.pack(wanted))


def is_compressed(descriptor: int) -> bool:
    """Tell whether the file is marked for compression."""
    return bool(_FLAGS.unpack(fcntl.ioctl(descriptor, _FS_IOC_GETFLAGS, _FLAGS.pack(0)))[0] & FS_COMPR_FL)


def _failure() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
