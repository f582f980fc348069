"""Time passed in: the only place below `__main__` that asks what time it is.

Wall time (`now`) is for time stamps that leave the process; `monotonic` is for
timeouts. Code that waits takes a `Clock`, so tests advance a `ManualClock`
instead of waiting.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Callable
from typing import Protocol

from smbcore.nt import filetime


class TimerHandle(Protocol):
    """A pending call that can be called off."""

    def cancel(self) -> None:
        """Call it off; harmless after the call ran or was cancelled."""


class Clock(Protocol):
    """What time it is, and how to be called later."""

    def now(self) -> int:
        """Return the wall time as FILETIME."""

    def monotonic(self) -> float:
        """Return seconds on a clock that never goes back."""

    def call_later(self, delay: float, callback: Callable[..., object], *args: object) -> TimerHandle:
        """Call `callback(*args)` on the event loop after `delay` seconds."""

    async def sleep(self, delay: float) -> None:
        """Wait `delay` seconds."""


class SystemClock:
    """The real clock, over the running asyncio event loop."""

    __slots__ = ()

    def now(self) -> int:
        """Return the wall time as FILETIME."""
        return time.time_ns() // 100 + filetime.UNIX_EPOCH

    def monotonic(self) -> float:
        """Return seconds on a clock that never goes back."""
        return time.monotonic()

    def call_later(self, delay: float, callback: Callable[..., object], *args: object) -> TimerHandle:
        """Call `callback(*args)` on the running loop after `delay` seconds."""
        return asyncio.get_running_loop().call_later(delay, callback, *args)

    async def sleep(self, delay: float) -> None:
        """Wait `delay` seconds."""
        await asyncio.sleep(delay)


class _ManualTimer:
    """One pending call of a `ManualClock`; ordered by due time, then by creation."""

    __slots__ = ("args", "callback", "due", "order")

    def __init__(
        self,
        due: float,
        order: int,
        callback: Callable[..., object],
        args: tuple[object, ...],
    ) -> None:
        self.due = due
        self.order = order
        self.callback: Callable[..., object] | None = callback
        self.args = args

    def __lt__(self, other: _ManualTimer) -> bool:
        return (self.due, self.order) < (other.due, other.order)

    def cancel(self) -> None:
        """Call it off."""
        self.callback = None
        self.args = ()


class ManualClock:
    """A clock that moves only when a test says so."""

    __slots__ = ("_count", "_seconds", "_start", "_timers")

    def __init__(self, start: int = 132_223_104_000_000_000) -> None:
        """Begin at FILETIME `start` (2020-01-01 unless given)."""
        self._start = start
        self._seconds = 0.0
        self._timers: list[_ManualTimer] = []
        self._count = 0

    def now(self) -> int:
        """Return the wall time as FILETIME."""
        return self._start + round(self._seconds * filetime.TICKS_PER_SECOND)

    def monotonic(self) -> float:
        """Return the seconds advanced so far."""
        return self._seconds

    def call_later(self, delay: float, callback: Callable[..., object], *args: object) -> TimerHandle:
        """Call `callback(*args)` once the clock was advanced by `delay` seconds."""
        self._count += 1
        timer = _ManualTimer(self._seconds + max(delay, 0.0), self._count, callback, args)
        heapq.heappush(self._timers, timer)
        return timer

    async def sleep(self, delay: float) -> None:
        """Wait until the clock was advanced by `delay` seconds; 0 yields to the loop once."""
        if delay <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = self.call_later(delay, _wake, future)
        try:
            await future
        finally:
            timer.cancel()

    def advance(self, seconds: float) -> None:
        """Move the clock and run, in order, every timer that becomes due.

        Sleepers are woken; they run when the event loop next gets control.
        """
        end = self._seconds + seconds
        while self._timers and self._timers[0].due <= end:
            timer = heapq.heappop(self._timers)
            self._seconds = max(self._seconds, timer.due)
            callback, args = timer.callback, timer.args
            timer.cancel()
            if callback is not None:
                callback(*args)
        self._seconds = end

    @property
    def pending(self) -> int:
        """The number of timers that wait."""
        return sum(timer.callback is not None for timer in self._timers)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
