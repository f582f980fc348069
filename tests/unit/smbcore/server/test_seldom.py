from __future__ import annotations

from smbcore.nt.clock import ManualClock
from smbcore.server.seldom import _MOST, Seldom


def test_once_a_minute_for_each_thing() -> None:
    clock = ManualClock()
    seldom = Seldom(clock)
    assert [seldom.is_due("dropped", "192.0.2.1") for _ in range(3)] == [True, False, False]
    assert seldom.is_due("dropped", "192.0.2.2")
    clock.advance(59)
    assert not seldom.is_due("dropped", "192.0.2.1")
    clock.advance(1)
    assert [seldom.is_due("dropped", "192.0.2.1") for _ in range(3)] == [True, False, False]


def test_what_it_remembers_is_bounded() -> None:
    clock = ManualClock()
    seldom = Seldom(clock)
    for number in range(3 * _MOST):
        assert seldom.is_due(number)
        assert len(seldom._told) <= _MOST
    clock.advance(61)
    assert seldom.is_due("something else")
    assert len(seldom._told) <= _MOST


def test_the_old_makes_room_first() -> None:
    clock = ManualClock()
    seldom = Seldom(clock)
    for number in range(_MOST - 1):
        seldom.is_due(number)
    clock.advance(60)
    assert seldom.is_due("new")
    assert seldom.is_due("newer")
    assert not seldom.is_due("new")
    assert len(seldom._told) == 2
