"""Lock and unlock requests of an open  [MS-FSA 2.1.5.8, 2.1.5.9]."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smbcore.fsa.api import LockElement
from smbcore.fsa.byte_ranges import check_range
from smbcore.nt.access import FILE_APPEND_DATA, FILE_EXECUTE, FILE_READ_DATA, FILE_WRITE_DATA
from smbcore.nt.status import NtError, Status

if TYPE_CHECKING:
    from smbcore.fsa.open import Open

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
            _break_caches(opened)
            if not fail_immediately:
                await ranges.lock(opened, element.offset, element.length, exclusive=element.exclusive)
            elif not ranges.try_lock(opened, element.offset, element.length, exclusive=element.exclusive):
                raise NtError(Status.LOCK_NOT_GRANTED, f"{element.offset:#x}+{element.length:#x} is locked")
            taken.append(element)
    except BaseException:
        for element in reversed(taken):
            ranges.unlock(opened, element.offset, element.length)
        raise


def unlock(opened: Open, elements: list[LockElement]) -> None:
    """Unlock every element in order; those before a failing one stay unlocked.

    Errors: RANGE_NOT_LOCKED no lock of this open at just this place;  INVALID_PARAMETER a directory.
    """
    _check(opened)
    ranges = opened.stream_state.ranges
    for element in elements:
        if ranges is None or not ranges.unlock(opened, element.offset, element.length):
            raise NtError(Status.RANGE_NOT_LOCKED, f"{element.offset:#x}+{element.length:#x}")


def _check(opened: Open) -> None:
    if opened.is_directory:
        raise NtError(Status.INVALID_PARAMETER, "locking a directory")
    if not opened.granted_access & _DATA:
        raise NtError(Status.ACCESS_DENIED, f"locking {opened.path!r}")


def _break_caches(opened: Open) -> None:
    """Others who cache must see locks  [MS-FSA 2.1.5.8]."""
    oplocks = opened.stream_state.oplocks
    if oplocks is not None and oplocks.holders:
        oplocks.break_all(opened, opened.oplock_key)
