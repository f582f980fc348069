"""What is done to the bytes of an open descriptor: plain blocking functions, most of them for the pool.

Each raises OSError; positions are explicit, so that nobody depends on the descriptor's own.
"""

from __future__ import annotations

import errno
import os

from smbcore.vfs.posix import kernel

CHUNK = 1024 * 1024
_UNSUPPORTED = frozenset({errno.EOPNOTSUPP, errno.ENOSYS, errno.ENOTTY})
_COPY_ELSEWHERE = _UNSUPPORTED | {errno.EXDEV, errno.EINVAL, errno.EBADF, errno.ETXTBSY}
_ZEROS = bytes(64 * 1024)


def read_cached(descriptor: int, offset: int, into: memoryview) -> int:
    """Read what is in the page cache; -1 when nothing of it is, or the file system cannot tell."""
    try:
        return os.preadv(descriptor, [into], offset, os.RWF_NOWAIT)
    except BlockingIOError:
        return -1
    except OSError as error:
        if error.errno in _UNSUPPORTED or error.errno == errno.EINVAL:
            return -1
        raise


def read_all(descriptor: int, offset: int, into: memoryview) -> int:
    """Read until `into` is full or the file ends; return the bytes read."""
    done = 0
    while done < len(into):
        count = os.preadv(descriptor, [into[done:]], offset + done)
        if count == 0:
            break
        done += count
    return done


def write_all(descriptor: int, offset: int, data: bytes | memoryview) -> int:
    """Write all of `data`; return its length."""
    count = os.pwrite(descriptor, data, offset)
    length = len(data)
    if count == length:
        return count
    view = memoryview(data)
    while count < length:
        count += os.pwrite(descriptor, view[count:], offset + count)
    return length


def reserve(descriptor: int, size: int) -> None:
    """Reserve blocks up to `size` without moving the end; a store that cannot is let off, for it is a hint."""
    try:
        kernel.fallocate(descriptor, kernel.FALLOC_FL_KEEP_SIZE, 0, size)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise


def zero(descriptor: int, offset: int, beyond: int) -> None:
    """Make [offset, beyond) zeros within the file, with a hole where the file system has them."""
    beyond = min(beyond, os.fstat(descriptor).st_size)
    if offset >= beyond:
        return
    try:
        mode = kernel.FALLOC_FL_PUNCH_HOLE | kernel.FALLOC_FL_KEEP_SIZE
        kernel.fallocate(descriptor, mode, offset, beyond - offset)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        write_zeros(descriptor, offset, beyond)


def write_zeros(descriptor: int, offset: int, beyond: int) -> None:
    """Overwrite [offset, beyond) with zeros."""
    while offset < beyond:
        offset += write_all(descriptor, offset, _ZEROS[: beyond - offset])


def allocated_ranges(descriptor: int, offset: int, length: int) -> list[tuple[int, int]]:
    """Return (offset, length) of the data between holes, inside the range."""
    end = min(offset + length, os.fstat(descriptor).st_size)
    found = []
    at = offset
    while at < end:
        try:
            start = os.lseek(descriptor, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # only a hole is left
                break
            if error.errno in _UNSUPPORTED or error.errno == errno.EINVAL:
                return [(offset, end - offset)]
            raise
        if start >= end:
            break
        at = min(os.lseek(descriptor, start, os.SEEK_HOLE), end)
        found.append((start, at - start))
    return found


def copy(source: int, source_offset: int, descriptor: int, offset: int, length: int) -> int:
    """Copy up to `length` bytes, inside the kernel where it can; short at the end of the source."""
    done = 0
    while done < length:
        try:
            count = os.copy_file_range(source, descriptor, length - done, source_offset + done, offset + done)
        except OSError as error:
            if error.errno not in _COPY_ELSEWHERE:
                raise
            return done + copy_buffered(source, source_offset + done, descriptor, offset + done, length - done)
        if count == 0:
            break
        done += count
    return done


def copy_buffered(source: int, source_offset: int, descriptor: int, offset: int, length: int) -> int:
    """Copy through a buffer; right for overlapping ranges of one file too."""
    length = max(0, min(length, os.fstat(source).st_size - source_offset))
    buffer = memoryview(bytearray(min(CHUNK, length)))
    starts = range(0, length, CHUNK)
    for start in reversed(starts) if offset > source_offset else starts:
        piece = buffer[: min(CHUNK, length - start)]
        count = read_all(source, source_offset + start, piece)
        write_all(descriptor, offset + start, piece[:count])
    return length


def clone(source: int, source_offset: int, descriptor: int, offset: int, length: int) -> int:
    """Share the blocks; a range up to the source's end goes to the end."""
    kernel.clone_range(source, source_offset, descriptor, offset, length)
    return length
