"""Copying between opens inside of the server  [MS-SMB2 3.3.5.15.6, MS-FSA 2.1.5.10.4 duplicate extents]."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smbcore.fsa import space
from smbcore.nt.access import FILE_APPEND_DATA, FILE_EXECUTE, FILE_READ_DATA, FILE_WRITE_DATA
from smbcore.nt.attributes import FILE_ATTRIBUTE_SPARSE_FILE
from smbcore.nt.info.fsctl import CopyChunkResponse
from smbcore.nt.status import NtError, Status

if TYPE_CHECKING:
    from smbcore.fsa.open import Open

MAX_CHUNKS = 256
MAX_CHUNK_SIZE = 1 << 20
MAX_TOTAL = 16 << 20
_MAX_OFFSET = 0x7FFF_FFFF_FFFF_FFFF


async def copy_chunks(
    opened: Open, source: Open, chunks: list[tuple[int, int, int]], *, require_read: bool = False
) -> tuple[int, int, int]:
    """Copy (source offset, target offset, length) pieces in order; return (pieces done, 0, bytes done).

    require_read  the control is COPYCHUNK and not COPYCHUNK_WRITE: the target must be readable too
    Errors: INVALID_PARAMETER no piece, or more than the limits (data: SRV_COPYCHUNK_RESPONSE with the limits);
            ACCESS_DENIED;  INVALID_VIEW_SIZE a piece goes beyond the end of the source;  FILE_LOCK_CONFLICT;
            DISK_FULL. An error of a piece carries what was done (data: SRV_COPYCHUNK_RESPONSE).
    """
    _check_limits(chunks)
    _check_ends(opened, source)
    if require_read and not opened.granted_access & FILE_READ_DATA:
        raise NtError(Status.ACCESS_DENIED, "target is not readable")
    done = total = 0
    for source_offset, offset, length in chunks:
        try:
            copied = await _copy(opened, source, source_offset, offset, length)
        except NtError as error:
            error.data = CopyChunkResponse(done, 0, total).encode()
            raise
        done += 1
        total += copied
    return done, 0, total


async def duplicate_extents(opened: Open, source: Open, source_offset: int, offset: int, length: int) -> None:
    """Let both files share the blocks of a range  [MS-FSCC 2.3 FSCTL_DUPLICATE_EXTENTS_TO_FILE].

    Locked ranges do not stand in the way, and a sparse target grows; smbtorture smb2.ioctl.dup_extents_* show both.
    Errors: NOT_SUPPORTED the store cannot, a directory, beyond the end of the source or of a target that is not sparse,
            a sparse source for one that is not, overlapping ranges of one file;  ACCESS_DENIED;
            INVALID_PARAMETER not on cluster boundaries, or not of one volume;  MEDIA_WRITE_PROTECTED.
    """
    if opened.is_directory or source.is_directory:
        raise NtError(Status.NOT_SUPPORTED, "a directory has no blocks to share")
    _check_ends(opened, source)
    facts = opened.volume.volume_info()
    if not facts.supports_reflink:
        raise NtError(Status.NOT_SUPPORTED, "the store shares no blocks")
    if min(offset, source_offset, length) < 0 or (offset | source_offset | length) % facts.cluster_size:
        raise NtError(Status.INVALID_PARAMETER, "not on cluster boundaries")
    if not length:
        return
    if source.volume is not opened.volume:
        raise NtError(Status.INVALID_PARAMETER, "not of one volume")
    origin, target = source.node.info(), opened.node.info()
    sparse = target.attributes & FILE_ATTRIBUTE_SPARSE_FILE
    if source_offset + length > origin.end_of_file or (offset + length > target.end_of_file and not sparse):
        raise NtError(Status.NOT_SUPPORTED, "beyond the end of a file")
    if origin.attributes & FILE_ATTRIBUTE_SPARSE_FILE and not sparse:
        raise NtError(Status.NOT_SUPPORTED, "a sparse source for a target that is not")
    if source.stream_state is opened.stream_state and abs(source_offset - offset) < length:
        raise NtError(Status.NOT_SUPPORTED, "overlapping ranges of one file")
    await _copy(opened, source, source_offset, offset, length, clone=True)


def _check_limits(chunks: list[tuple[int, int, int]]) -> None:
    sizes = [length for _, _, length in chunks]
    if (
        not chunks
        or len(chunks) > MAX_CHUNKS
        or sum(sizes) > MAX_TOTAL
        or not all(0 < s <= MAX_CHUNK_SIZE for s in sizes)
    ):
        limits = CopyChunkResponse(MAX_CHUNKS, MAX_CHUNK_SIZE, MAX_TOTAL).encode()
        raise NtError(Status.INVALID_PARAMETER, f"{len(chunks)} chunks", limits)


def _check_ends(opened: Open, source: Open) -> None:
    if not opened.granted_access & (FILE_WRITE_DATA | FILE_APPEND_DATA):
        raise NtError(Status.ACCESS_DENIED, "target is not writable")
    if not source.granted_access & (FILE_READ_DATA | FILE_EXECUTE):
        raise NtError(Status.ACCESS_DENIED, "source is not readable")
    if opened.is_directory or source.is_directory:
        raise NtError(Status.INVALID_DEVICE_REQUEST, "copying a directory")
    opened.check_writable_volume()


def _check_ranges(opened: Open, source: Open, source_offset: int, offset: int, length: int) -> None:
    ranges = source.stream_state.ranges
    if ranges is not None:
        ranges.check_read(source, source_offset, length)
    ranges = opened.stream_state.ranges
    if ranges is not None:
        ranges.check_write(opened, offset, length)


async def _copy(
    opened: Open, source: Open, source_offset: int, offset: int, length: int, *, clone: bool = False
) -> int:
    """Copy one checked piece."""
    if offset + length > _MAX_OFFSET:
        raise NtError(Status.INVALID_PARAMETER, f"target offset {offset:#x}")
    if source_offset + length > source.node.info().end_of_file:
        raise NtError(Status.INVALID_VIEW_SIZE, f"source ends before {source_offset + length:#x}")
    await opened.prepare_change()
    if not clone:
        _check_ranges(opened, source, source_offset, offset, length)
    copied = await transfer(opened, source, source_offset, offset, length, clone=clone)
    opened.after_write()
    return copied


async def transfer(
    opened: Open, source: Open, source_offset: int, offset: int, length: int, *, clone: bool = False
) -> int:
    """Move the bytes of a copy whose checks are done; return how many there were, less at the end of the source."""

    async def move() -> int:
        if source.volume is opened.volume:
            return await opened.node.copy_range(source.node, source_offset, offset, length, clone=clone)
        buffer = memoryview(bytearray(length))
        copied = await source.node.read_into(source_offset, buffer)
        await opened.node.write(offset, buffer[:copied])
        return copied

    return await space.change_to(opened, offset + length, move)
