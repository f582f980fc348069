"""Byte-range locks of one stream  [MS-FSA 2.1.4.10, 2.1.5.7, 2.1.5.8].

A range belongs to an open. An exclusive range collides with every overlapping one, also of the same open; a shared
range only with exclusive ones of other opens, so shared ranges stack, also on an own exclusive range. Reading
collides with exclusive ranges of others; writing also with every shared range, the open's own included. A range of no
bytes collides only where it lies strictly inside of another.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from smbcore.nt.status import NtError, Status

if TYPE_CHECKING:
    from smbcore.fsa.open import Open
    from smbcore.nt.clock import Clock

_END_OF_SPACE = 1 << 64


class ByteRange:
    """One lock: [offset, end) of `owner`; end == offset for a lock of no bytes."""

    __slots__ = ("end", "exclusive", "offset", "owner")

    def __init__(self, owner: Open, offset: int, end: int, *, exclusive: bool) -> None:
        self.owner = owner
        self.offset = offset
        self.end = end
        self.exclusive = exclusive


class _Waiter:
    """A lock that cannot be had yet."""

    __slots__ = ("future", "wanted")

    def __init__(self, wanted: ByteRange, future: asyncio.Future[None]) -> None:
        self.wanted = wanted
        self.future = future


def _end(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def overlaps(first: ByteRange, second: ByteRange) -> bool:
    """Tell whether two ranges collide by place."""
    return first.offset < second.end and second.offset < first.end


def conflicts(held: ByteRange, wanted: ByteRange) -> bool:
    """Tell whether `held` keeps `wanted` from being locked."""
    if not held.exclusive and not wanted.exclusive:
        return False
    if held.exclusive and not wanted.exclusive and held.owner is wanted.owner:
        return False
    return overlaps(held, wanted)


def check_range(offset: int, length: int) -> None:
    """Raise INVALID_LOCK_RANGE if the range goes beyond 2**64 bytes."""
    if offset + length > _END_OF_SPACE:
        raise NtError(Status.INVALID_LOCK_RANGE, f"lock at {offset:#x} of {length:#x} bytes")


class ByteRanges:
    """The locks of one stream and those who wait for one, first come first served."""

    __slots__ = ("_pauses", "_waiters", "ranges")

    def __init__(self) -> None:
        self.ranges: list[ByteRange] = []
        self._waiters: list[_Waiter] = []
        self._pauses: list[_Waiter] = []

    def try_lock(self, owner: Open, offset: int, length: int, *, exclusive: bool) -> ByteRange | None:
        """Lock a checked range and return it, None if something collides."""
        wanted = ByteRange(owner, offset, offset + length, exclusive=exclusive)
        if any(conflicts(held, wanted) for held in self.ranges):
            return None
        self.ranges.append(wanted)
        return wanted

    async def lock(self, owner: Open, offset: int, length: int, *, exclusive: bool) -> ByteRange:
        """Lock a checked range and return it, waiting as long as it takes.

        Errors: RANGE_NOT_LOCKED the owner was closed meanwhile.  Cancellation leaves nothing behind.
        """
        held = self.try_lock(owner, offset, length, exclusive=exclusive)
        if held is not None:
            return held
        wanted = ByteRange(owner, offset, offset + length, exclusive=exclusive)
        waiter = _Waiter(wanted, asyncio.get_running_loop().create_future())
        self._waiters.append(waiter)
        try:
            await waiter.future
        except BaseException:
            if wanted in self.ranges:  # granted, and cancelled before the waiter ran
                self.ranges.remove(wanted)
                self._serve()
            raise
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
        return wanted

    async def pause(self, owner: Open, clock: Clock, seconds: float) -> None:
        """Wait before asking once more for what is held elsewhere.  Errors: RANGE_NOT_LOCKED closed meanwhile."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiter = _Waiter(ByteRange(owner, 0, 0, exclusive=False), future)
        self._pauses.append(waiter)
        timer = clock.call_later(seconds, _end, future)
        try:
            await future
        finally:
            timer.cancel()
            self._pauses.remove(waiter)

    def unlock(self, owner: Open, offset: int, length: int) -> bool:
        """Release one lock of just this place, an exclusive one first; tell whether there was one."""
        end = offset + length
        found = None
        for held in self.ranges:
            if held.owner is owner and held.offset == offset and held.end == end:
                if found is None or held.exclusive:
                    found = held
                if held.exclusive:
                    break
        if found is None:
            return False
        self.ranges.remove(found)
        self._serve()
        return True

    def drop(self, held: ByteRange) -> bool:
        """Release just this lock; False if it went with its open before."""
        if held not in self.ranges:
            return False
        self.ranges.remove(held)
        self._serve()
        return True

    def held_by(self, owner: Open) -> int:
        """Count the ranges that `owner` holds."""
        return sum(held.owner is owner for held in self.ranges)

    def release(self, owner: Open) -> None:
        """Release every lock of `owner`; what it still waits for fails with RANGE_NOT_LOCKED."""
        self.fail_waits(owner)
        kept = [held for held in self.ranges if held.owner is not owner]
        if len(kept) != len(self.ranges):
            self.ranges = kept
            self._serve()

    def fail_waits(self, owner: Open) -> None:
        """End what `owner` waits for with RANGE_NOT_LOCKED."""
        for waiter in (*self._waiters, *self._pauses):
            if waiter.wanted.owner is owner and not waiter.future.done():
                waiter.future.set_exception(NtError(Status.RANGE_NOT_LOCKED, "closed while waiting for a lock"))

    def _serve(self) -> None:
        """Grant what has become possible, in the order of asking."""
        for waiter in list(self._waiters):
            if waiter.future.done() or any(conflicts(held, waiter.wanted) for held in self.ranges):
                continue
            self.ranges.append(waiter.wanted)
            self._waiters.remove(waiter)
            waiter.future.set_result(None)

    def check_read(self, owner: Open, offset: int, length: int) -> None:
        """Raise FILE_LOCK_CONFLICT if reading touches an exclusive range of another open."""
        end = offset + length
        for held in self.ranges:
            if held.exclusive and held.owner is not owner and held.offset < end and offset < held.end:
                raise NtError(Status.FILE_LOCK_CONFLICT, f"read of {offset:#x}..{end:#x} is locked")

    def check_write(self, owner: Open, offset: int, length: int) -> None:
        """Raise FILE_LOCK_CONFLICT if writing touches a shared range, or an exclusive one of another open."""
        end = offset + length
        for held in self.ranges:
            if held.offset < end and offset < held.end and not (held.exclusive and held.owner is owner):
                raise NtError(Status.FILE_LOCK_CONFLICT, f"write of {offset:#x}..{end:#x} is locked")
