"""Handles of files as the kernel names them: an inode number and what tells it from every other use of that number.

Anybody may ask for the handle of an open file; to open one takes CAP_DAC_READ_SEARCH. A handle that is stale proves
that the file is gone for good, on file systems of this machine that keep all their inodes findable.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct

_MOST = 128  # MAX_HANDLE_SZ
_HEAD = struct.Struct("=Ii")  # handle_bytes, handle_type
_AT_EMPTY_PATH = 0x1000
_RELIABLE = frozenset({0xEF53, 0x5846_5342, 0x9123_683E, 0xF2F5_2010, 0x0102_1994})
"""Magic numbers of ext2 to ext4, XFS, btrfs, F2FS and tmpfs  [statfs(2)]."""

_LIBC = ctypes.CDLL(None, use_errno=True)
_NAME_TO_HANDLE = _LIBC["name_to_handle_at"]
_NAME_TO_HANDLE.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int)
_OPEN_BY_HANDLE = _LIBC["open_by_handle_at"]
_OPEN_BY_HANDLE.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int)
_FSTATFS = _LIBC["fstatfs"]
_FSTATFS.argtypes = (ctypes.c_int, ctypes.c_char_p)


def handle_of(descriptor: int) -> bytes | None:
    """Return the handle of the open file, None where the file system has none."""
    buffer = ctypes.create_string_buffer(_HEAD.pack(_MOST, 0), _HEAD.size + _MOST)
    mount = ctypes.c_int()
    if _NAME_TO_HANDLE(descriptor, b"", buffer, ctypes.addressof(mount), _AT_EMPTY_PATH) != 0:
        return None
    length, _ = _HEAD.unpack_from(buffer.raw)
    return buffer.raw[: _HEAD.size + length]


def is_gone(descriptor: int, handle: bytes) -> bool | None:
    """Tell whether no file of the file system that `descriptor` is on has the handle any more.

    None where that cannot be told: the kernel does not let us ask, or the file system's answer proves nothing.
    """
    if not _is_reliable(descriptor):
        return None
    found = _OPEN_BY_HANDLE(descriptor, handle, os.O_PATH | os.O_CLOEXEC)
    if found >= 0:
        os.close(found)
        return False
    return True if ctypes.get_errno() == errno.ESTALE else None


def _is_reliable(descriptor: int) -> bool:
    answer = ctypes.create_string_buffer(512)
    if _FSTATFS(descriptor, answer) != 0:
        return False
    return int(ctypes.c_long.from_buffer(answer).value) in _RELIABLE
