"""Breaks that no operation asks for: an administrator wants a file given back  [MS-FSA 2.1.4.12]."""

from __future__ import annotations

from typing import Any

import pytest

from smbcore.fsa.api import OplockLevel

ONE = b"1" * 32
READ, HANDLE = 1, 2


async def leased(lab: Any, state: str) -> tuple[Any, Any]:
    listener = lab.listener()
    opened = await lab.create("a", oplock_key=ONE)
    lab.lease(opened, state, ONE, listener)
    return opened, listener


@pytest.mark.parametrize(
    ("held", "keep", "left", "answer"),
    [
        ("RWH", 0, "", True),
        ("RWH", READ | HANDLE, "RH", True),
        ("RW", READ | HANDLE, "R", True),
        ("RH", READ, "R", True),
        ("R", 0, "", False),
    ],
)
async def test_holder_is_told_what_it_may_keep(lab: Any, held: str, keep: int, left: str, answer: bool) -> None:
    opened, listener = await leased(lab, held)
    assert opened.holder.oplocks.take_back(opened.holder, keep) is answer
    assert listener.last() == (held, left, answer)
    if answer:
        lab.acknowledge(opened, left)
    assert lab.held(opened) == left
    await opened.close()


async def test_nothing_is_taken_that_is_kept_anyway(lab: Any) -> None:
    opened, listener = await leased(lab, "RH")
    assert not opened.holder.oplocks.take_back(opened.holder, READ | HANDLE)
    assert listener.notices == []
    await opened.close()


async def test_legacy_oplock_goes_to_none(lab: Any) -> None:
    listener = lab.listener()
    opened = await lab.create("a")
    lab.oplock(opened, OplockLevel.BATCH, listener)
    assert opened.holder.oplocks.take_back(opened.holder, 0)
    assert listener.notices.pop().new_level is OplockLevel.NONE
    opened.acknowledge_break(OplockLevel.NONE)
    assert opened.holder is None
    await opened.close()


async def test_waiting_ends_with_the_answer(lab: Any) -> None:
    opened, _ = await leased(lab, "RWH")
    oplocks, holder = opened.holder.oplocks, opened.holder
    oplocks.take_back(holder, 0)
    waiting = await lab.start(oplocks.wait_for(holder, 10.0))
    assert not waiting.done()
    lab.acknowledge(opened, "")
    assert await waiting is True
    await opened.close()


async def test_waiting_ends_with_the_time_and_the_break_goes_on(lab: Any) -> None:
    opened, _ = await leased(lab, "RWH")
    oplocks, holder = opened.holder.oplocks, opened.holder
    oplocks.take_back(holder, 0)
    waiting = await lab.start(oplocks.wait_for(holder, 10.0))
    lab.clock.advance(9.9)
    await lab.settle()
    assert not waiting.done()
    lab.clock.advance(0.2)
    assert await waiting is False
    assert holder.breaking
    lab.acknowledge(opened, "")
    await opened.close()


class Hasty:
    """A clock whose timers ring a moment early, as uvloop's do: it counts from when the loop's turn began."""

    def __init__(self, clock: Any) -> None:
        self._clock = clock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._clock, name)

    def call_later(self, delay: float, callback: Any, *args: Any) -> Any:
        return self._clock.call_later(delay - 0.003, callback, *args)


async def test_waiting_ends_with_a_timer_that_rings_early(lab: Any) -> None:
    opened, _ = await leased(lab, "RWH")
    oplocks, holder = opened.holder.oplocks, opened.holder
    oplocks.take_back(holder, 0)
    oplocks._clock = Hasty(lab.clock)
    waiting = await lab.start(oplocks.wait_for(holder, 10.0))
    lab.clock.advance(9.998)
    assert await waiting is False
    lab.acknowledge(opened, "")
    await opened.close()


async def test_who_waits_for_a_break_is_known_by_name(lab: Any) -> None:
    opened, _ = await leased(lab, "RWH")
    oplocks = opened.holder.oplocks
    assert oplocks.waiting == []
    opening = await lab.start(lab.open("a", token=lab.bob))
    assert oplocks.waiting == ["bob"]
    lab.acknowledge(opened, "RH")
    await (await opening).close()
    assert oplocks.waiting == []
    await opened.close()


@pytest.mark.parametrize(("keep", "off"), [(0, False), (READ, True), (READ | HANDLE, True)])
async def test_who_takes_everything_means_it(lab: Any, keep: int, off: bool) -> None:
    opened, _ = await leased(lab, "RWH")
    opened.holder.oplocks.take_back(opened.holder, keep)
    assert opened.holder.oplocks.call_off(opened.holder) is off
    assert opened.holder.breaking is not off
    assert lab.held(opened) == "RWH"
    await opened.close()


async def test_what_somebody_waits_for_can_be_called_off(lab: Any) -> None:
    opened, _ = await leased(lab, "RH")
    other = await lab.open("a")
    moving = await lab.start(lab.rename(other, "b"))
    assert opened.holder.breaking
    assert opened.holder.oplocks.call_off(opened.holder)
    assert not opened.holder.breaking
    assert lab.held(opened) == "RH"
    assert not moving.done()
    moving.cancel()
    await other.close()
    await opened.close()


@pytest.mark.parametrize("waits_too", [False, True])
async def test_what_somebody_goes_by_is_not_called_off(lab: Any, waits_too: bool) -> None:
    """1 RH  2 a rename may wait  3 a write does not wait: what was read before is not true any more"""
    opened, _ = await leased(lab, "RH")
    other = await lab.open("a")
    moving = await lab.start(lab.rename(other, "b")) if waits_too else None
    await other.write(0, b"new")
    assert opened.holder.breaking
    assert not opened.holder.oplocks.call_off(opened.holder)
    assert opened.holder.breaking
    lab.acknowledge(opened, "")
    if moving:
        await moving
    await other.close()
    await opened.close()


async def test_calling_off_where_nothing_breaks(lab: Any) -> None:
    opened, _ = await leased(lab, "RWH")
    assert not opened.holder.oplocks.call_off(opened.holder)
    await opened.close()
