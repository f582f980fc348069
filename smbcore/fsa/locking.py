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

    from smbcore.fsa.byte_ranges import ByteRanges
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
    taken: list[LockElement] = []
    try:
        for element in elements:
            check_range(element.offset, element.length)
            await _break_caches(opened)
            if not fail_immediately:
                await _wait(opened, ranges, element)
            elif not _try(opened, ranges, element):
                raise NtError(Status.LOCK_NOT_GRANTED, f"{element.offset:#x}+{element.length:#x} is locked")
            taken.append(element)
    except BaseException:
        for element in reversed(taken):
            _release(opened, ranges, element)
        raise


def _try(opened: Open, ranges: ByteRanges, element: LockElement) -> bool:
    """Lock one element if it can be had now."""
    if not ranges.try_lock(opened, element.offset, element.length, exclusive=element.exclusive):
        return False
    return not mirrored_locks.applies(opened) or _take_outside(opened, ranges, element)


async def _wait(opened: Open, ranges: ByteRanges, element: LockElement) -> None:
    """Lock one element, however long it takes; what programs outside of this server hold is asked for again and again.

    Errors: RANGE_NOT_LOCKED closed meanwhile
    """
    while True:
        await ranges.lock(opened, element.offset, element.length, exclusive=element.exclusive)
        if not mirrored_locks.applies(opened) or _take_outside(opened, ranges, element):
            return
        await ranges.pause(opened, opened.volume.clock, _ASK_AGAIN)


def _take_outside(opened: Open, ranges: ByteRanges, element: LockElement) -> bool:
    """Show an element that was just locked outside; give it up if it is taken there."""
    held = ranges.newest(opened, element.offset, element.offset + element.length, exclusive=element.exclusive)
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
    if mirrored_locks.applies(opened):
        mirrored_locks.give_back(opened, ranges, [(element.offset, element.offset + element.length)])
    return True


def release_all(opened: Open, ranges: ByteRanges) -> None:
    """Give back what an open holds, because it closes."""
    held = [(offset, offset + length) for offset, length, _ in opened.held_ranges()]
    ranges.release(opened)
    if held and mirrored_locks.applies(opened):
        mirrored_locks.give_back(opened, ranges, held)


def restore(opened: Open, elements: Iterable[LockElement]) -> None:
    """Lock again what an open held in an earlier run.

    Errors: LOCK_NOT_GRANTED  another has it
    """
    ranges = opened.stream_state.ensure_ranges()
    for element in elements:
        if not _try(opened, ranges, element):
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
