"""Lock and unlock requests of an open  [MS-FSA 2.1.5.8, 2.1.5.9]."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smbcore.fsa import mirrored_locks
from smbcore.fsa.api import LockElement
from smbcore.fsa.byte_ranges import check_range
from smbcore.nt.access import FILE_APPEND_DATA, FILE_EXECUTE, FILE_READ_DATA, FILE_WRITE_DATA
from smbcore.nt.status import NtError, Status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from smbcore.fsa.byte_ranges import ByteRange, ByteRanges
    from smbcore.fsa.open import Open

_ASK_AGAIN = 0.1
_DATA = FILE_READ_DATA | FILE_EXECUTE | FILE_WRITE_DATA | FILE_APPEND_DATA


async def lock(opened: Open, elements: list[LockElement], *, fail_immediately: bool) -> None:
    """Lock every element in order; on failure or cancellation those taken by this call are given back.

    Errors: LOCK_NOT_GRANTED taken by another;  INVALID_LOCK_RANGE;  ACCESS_DENIED neither reading nor writing;
            INVALID_PARAMETER a directory;  RANGE_NOT_LOCKED closed while waiting.
    """
    _check(opened)
    ranges = opened.stream_state.ensure_ranges()
    taken: list[ByteRange] = []
    try:
        for element in elements:
            check_range(element.offset, element.length)
            await _break_caches(opened)
            _check_open(opened)
            if not fail_immediately:
                taken.append(await _wait(opened, ranges, element))
                continue
            held = _try(opened, ranges, element)
            if held is None:
                raise NtError(Status.LOCK_NOT_GRANTED, f"{element.offset:#x}+{element.length:#x} is locked")
            taken.append(held)
    except BaseException:
        for held in reversed(taken):
            if ranges.drop(held):
                _show_released(opened, ranges, [(held.offset, held.end)])
        raise


def _try(opened: Open, ranges: ByteRanges, element: LockElement) -> ByteRange | None:
    """Lock one element if it can be had now."""
    held = ranges.try_lock(opened, element.offset, element.length, exclusive=element.exclusive)
    return held if held is not None and _take_outside(opened, ranges, held) else None


async def _wait(opened: Open, ranges: ByteRanges, element: LockElement) -> ByteRange:
    """Lock one element, however long it takes; what programs outside of this server hold is asked for again and again.

    Errors: RANGE_NOT_LOCKED closed meanwhile
    """
    while True:
        held = await ranges.lock(opened, element.offset, element.length, exclusive=element.exclusive)
        _check_open(opened)  # it may have closed since the lock was granted
        if _take_outside(opened, ranges, held):
            return held
        await ranges.pause(opened, opened.volume.clock, _ASK_AGAIN)
        _check_open(opened)  # or since the pause was over


def _check_open(opened: Open) -> None:
    if opened.closed:
        raise NtError(Status.RANGE_NOT_LOCKED, f"{opened.path!r} was closed before it was locked")


def _take_outside(opened: Open, ranges: ByteRanges, held: ByteRange) -> bool:
    """Show outside what was just locked, where the volume does so; give it up if it is taken there."""
    if not mirrored_locks.applies(opened):
        return True
    try:
        taken = mirrored_locks.take(opened, ranges, held)
    except NtError:
        ranges.drop(held)
        raise
    if not taken:
        ranges.drop(held)
    return taken


def _release(opened: Open, ranges: ByteRanges, element: LockElement) -> bool:
    if not ranges.unlock(opened, element.offset, element.length):
        return False
    _show_released(opened, ranges, [(element.offset, element.offset + element.length)])
    return True


def _show_released(opened: Open, ranges: ByteRanges, released: list[tuple[int, int]]) -> None:
    """Show outside what was released, [offset, end) each, where the volume shows what is locked."""
    if released and mirrored_locks.applies(opened):
        mirrored_locks.give_back(opened, ranges, released)


def release_all(opened: Open, ranges: ByteRanges) -> None:
    """Give back what an open holds, because it closes."""
    held = [(offset, offset + length) for offset, length, _ in opened.held_ranges()]
    ranges.release(opened)
    _show_released(opened, ranges, held)


def restore(opened: Open, elements: Iterable[LockElement]) -> None:
    """Lock again what an open held in an earlier run.

    Errors: LOCK_NOT_GRANTED  another has it
    """
    ranges = opened.stream_state.ensure_ranges()
    for element in elements:
        if _try(opened, ranges, element) is None:
            raise NtError(Status.LOCK_NOT_GRANTED, f"{element.offset:#x}+{element.length:#x} of {opened.path!r}")


def unlock(opened: Open, elements: list[LockElement]) -> None:
    """Unlock every element in order; those before a failing one stay unlocked.

    Errors: RANGE_NOT_LOCKED no lock of this open at just this place;  INVALID_PARAMETER a directory.
    """
    _check(opened)
    ranges = opened.stream_state.ranges
    for element in elements:
        if ranges is None or not _release(opened, ranges, element):
            raise NtError(Status.RANGE_NOT_LOCKED, f"{element.offset:#x}+{element.length:#x}")


def _check(opened: Open) -> None:
    if opened.is_directory:
        raise NtError(Status.INVALID_PARAMETER, "locking a directory")
    if not opened.granted_access & _DATA:
        raise NtError(Status.ACCESS_DENIED, f"locking {opened.path!r}")


async def _break_caches(opened: Open) -> None:
    """Others who cache must see locks  [MS-FSA 2.1.5.8]."""
    oplocks = opened.stream_state.oplocks
    if oplocks is not None and oplocks.holders:
        await oplocks.break_all_first(opened, opened.oplock_key)
