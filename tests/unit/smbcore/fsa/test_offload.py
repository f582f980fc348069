"""The table of tokens; what they are good for is in behaviour/test_offload.py."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from smbcore.fsa import offload
from smbcore.fsa.offload import Token, TokenTable
from smbcore.nt.clock import ManualClock
from smbcore.nt.sid import EVERYONE, NETWORK
from smbcore.nt.status import NtError, Status


def make(table: TokenTable, owner: object, milliseconds: int = 0, *, opens: tuple[object, ...] = (1,)) -> bytes:
    stream = SimpleNamespace(opens=list(opens))
    token = Token(stream, owner, EVERYONE, 0, 512, 512, (0, 0, 0), table.expiry(milliseconds))  # type: ignore[arg-type]
    return table.issue(token)


def is_known(table: TokenTable, identity: bytes) -> bool:
    try:
        table.find(identity, EVERYONE)
    except NtError as error:
        return error.status is not Status.INVALID_TOKEN
    return True


def test_identities_are_long_and_never_alike():
    table = TokenTable(ManualClock())
    identities = {make(table, number) for number in range(100)}
    assert len(identities) == 100
    assert {len(identity) for identity in identities} == {32}


@pytest.mark.parametrize(("asked", "seconds"), [(0, 30.0), (500, 0.5), (10_000, 10.0), (0xFFFFFFFF, 300.0)])
def test_a_token_lives_as_long_as_was_asked_within_limits(asked, seconds):
    clock = ManualClock()
    table = TokenTable(clock)
    identity = make(table, "open", asked)
    clock.advance(seconds - 0.25)
    assert is_known(table, identity)
    clock.advance(0.25)
    assert not is_known(table, identity)
    assert len(table) == 0


def test_a_token_is_of_no_use_to_another_user():
    table = TokenTable(ManualClock())
    identity = make(table, "open")
    with pytest.raises(NtError, match="no such token"):
        table.find(identity, NETWORK)
    assert is_known(table, identity)


def test_an_open_that_makes_too_many_loses_its_oldest():
    table = TokenTable(ManualClock())
    other = make(table, "other")
    mine = [make(table, "mine") for _ in range(offload.PER_OPEN + 3)]
    assert [is_known(table, identity) for identity in mine] == [False] * 3 + [True] * offload.PER_OPEN
    assert is_known(table, other)


def test_a_full_table_loses_its_oldest():
    table = TokenTable(ManualClock())
    made = [make(table, number) for number in range(offload.CAPACITY + 2)]
    assert len(table) == offload.CAPACITY
    assert not is_known(table, made[0])
    assert not is_known(table, made[1])
    assert is_known(table, made[2])


def test_tokens_that_are_good_for_nothing_make_room():
    clock = ManualClock()
    table = TokenTable(clock)
    make(table, "closed", opens=())
    make(table, "late")
    clock.advance(31)
    make(table, "now")
    assert len(table) == 1
