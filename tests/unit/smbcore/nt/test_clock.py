from __future__ import annotations

import asyncio

from smbcore.nt import filetime
from smbcore.nt.clock import Clock, ManualClock, SystemClock


def test_manual_clock_moves_only_when_told():
    clock: Clock = ManualClock(start=1000)
    assert (clock.now(), clock.monotonic()) == (1000, 0.0)
    assert isinstance(clock, ManualClock)
    clock.advance(1.5)
    assert (clock.now(), clock.monotonic()) == (1000 + 15_000_000, 1.5)


def test_timers_run_in_order_of_time_then_creation():
    clock, calls = ManualClock(), []
    clock.call_later(2, calls.append, "two")
    clock.call_later(1, calls.append, "one")
    clock.call_later(1, calls.append, "one again")
    clock.advance(0.9)
    assert calls == []
    clock.advance(5)
    assert calls == ["one", "one again", "two"]
    assert clock.pending == 0


def test_cancelled_timer_does_not_run():
    clock, calls = ManualClock(), []
    timer = clock.call_later(1, calls.append, "never")
    timer.cancel()
    timer.cancel()
    assert clock.pending == 0
    clock.advance(2)
    assert calls == []


def test_a_timer_sees_its_own_time_and_may_start_another():
    clock, seen = ManualClock(), []

    def again():
        seen.append(clock.monotonic())
        if len(seen) < 3:
            clock.call_later(1, again)

    clock.call_later(1, again)
    clock.advance(10)
    assert seen == [1.0, 2.0, 3.0]
    assert clock.monotonic() == 10


async def test_sleepers_wake_when_the_clock_passes_them():
    clock, woken = ManualClock(), []

    async def sleeper(seconds):
        await clock.sleep(seconds)
        woken.append(seconds)

    tasks = [asyncio.ensure_future(sleeper(s)) for s in (2, 1, 0)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    clock.advance(1)
    await asyncio.gather(*tasks[1:])
    assert sorted(woken) == [0, 1]
    clock.advance(1)
    await tasks[0]
    assert sorted(woken) == [0, 1, 2]


async def test_cancelled_sleeper_leaves_no_timer():
    clock = ManualClock()
    task = asyncio.ensure_future(clock.sleep(5))
    await asyncio.sleep(0)
    assert clock.pending == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert clock.pending == 0


async def test_system_clock_is_a_clock():
    clock: Clock = SystemClock()
    assert clock.now() > filetime.from_unix_ns(1_600_000_000 * 10**9)
    assert clock.monotonic() <= clock.monotonic()
    called = asyncio.Event()
    clock.call_later(0, called.set)
    await called.wait()
    await clock.sleep(0)
