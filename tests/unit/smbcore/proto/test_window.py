from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from smbcore.proto.window import CommandWindow, credit_charge


class Model:
    """Every id is listed: what the specification says, word by word."""

    def __init__(self, maximum):
        self.maximum = maximum
        self.high = 1
        self.free = {0}
        self.withheld = 0

    def consume(self, message_id, charge):
        wanted = set(range(message_id, message_id + max(charge, 1)))
        if not wanted <= self.free:
            return False
        self.free -= wanted
        return True

    def grant(self, requested):
        span = self.high - min(self.free, default=self.high) + self.withheld
        room = self.maximum - len(self.free) - self.withheld
        granted = max(0, min(max(requested, 1), room, 2 * self.maximum - span))
        if not granted and not self.free:
            granted = 1
        self.open(granted)
        return granted

    def open(self, granted):
        self.free |= set(range(self.high, self.high + granted))
        self.high += granted

    def withhold(self, granted):
        self.high -= granted
        self.free = {i for i in self.free if i < self.high}
        self.withheld += granted


class WindowMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.window, self.model = CommandWindow(16), Model(16)
        self.waiting = []

    @rule(back=st.integers(-3, 40), charge=st.integers(0, 6))
    def consume(self, back, charge):
        message_id = max(0, self.model.high - back)
        assert self.window.consume(message_id, charge) == self.model.consume(message_id, charge)

    @rule(charge=st.integers(0, 4))
    def consume_lowest(self, charge):
        message_id = min(self.model.free, default=self.model.high)
        assert self.window.consume(message_id, charge) == self.model.consume(message_id, charge)

    @rule(requested=st.integers(0, 40))
    def grant(self, requested):
        assert self.window.grant(requested) == self.model.grant(requested)

    @rule(requested=st.integers(0, 40))
    def grant_to_one_that_waits(self, requested):
        granted = self.window.grant(requested)
        assert granted == self.model.grant(requested)
        self.window.withhold(granted)
        self.model.withhold(granted)
        self.waiting.append(granted)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def answer(self, data):
        granted = self.waiting.pop(data.draw(st.integers(0, len(self.waiting) - 1)))
        self.window.open(granted)
        self.model.withheld -= granted
        self.model.open(granted)

    @invariant()
    def same_number_of_credits(self):
        assert self.window.available == len(self.model.free)

    @invariant()
    def disorder_is_bounded(self):
        assert len(self.window._used) <= 2 * self.window.maximum


TestWindow = WindowMachine.TestCase
TestWindow.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)


def test_first_message_must_be_zero():
    window = CommandWindow()
    assert not window.consume(1, 1)
    assert window.consume(0, 1)
    assert not window.consume(0, 1)


def test_multi_credit_request_needs_all_of_its_ids():
    window = CommandWindow()
    window.grant(3)
    assert not window.consume(1, 4)
    assert window.consume(1, 3)
    assert window.consume(0, 1)


def test_gap_in_the_middle_is_no_room_for_a_large_request():
    window = CommandWindow()
    window.grant(9)
    assert window.consume(4, 1)
    assert not window.consume(2, 3)
    assert window.consume(2, 2)


def test_a_client_without_credits_gets_one_whatever_it_asks():
    window = CommandWindow(1)
    assert window.consume(0, 1)
    assert window.grant(0) == 1


def test_grants_end_at_the_maximum():
    window = CommandWindow(10)
    assert window.consume(0, 1)
    assert window.grant(65535) == 10
    assert window.grant(5) == 0


@given(st.integers(0, 1 << 64))
def test_far_ids_are_refused_without_work(message_id):
    assert CommandWindow().consume(message_id, 65535) is False


def test_id_that_is_never_used_stops_the_grants():
    window = CommandWindow(8)
    window.grant(7)
    used = 1
    for _ in range(100):
        if window.consume(used, 1):
            used += 1
            window.grant(8)
    assert used <= 16
    assert window.consume(0, 1)
    assert window.grant(8) > 0


@pytest.mark.parametrize("payload, response, charge", [
    (0, 0, 1), (1, 0, 1), (65536, 0, 1), (65537, 0, 2), (0, 65537, 2), (131072, 1, 2), (8 << 20, 0, 128),
])  # fmt: skip
def test_charge_is_one_for_each_64_kib_begun(payload, response, charge):
    assert credit_charge(payload, response) == charge
