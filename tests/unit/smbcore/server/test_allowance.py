"""Counting, with values alone; what clients see of it is in tests/protocol/test_allowance.py."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from smbcore.nt.sid import Sid
from smbcore.server.allowance import Allowance, Reached
from smbcore.server.config import Limits
from smbcore.server.record import OpenRecord

ALICE, BOB = Sid.parse("S-1-5-21-1-2-3-1000"), Sid.parse("S-1-5-21-1-2-3-1001")
CLIENT, OTHER = b"a" * 16, b"b" * 16
LIMITS = Limits(kept_per_client=2, kept_per_user=3, kept_per_session=4)


def session(user=ALICE, kept=0):
    return SimpleNamespace(token=SimpleNamespace(user=user), kept=kept)


@pytest.mark.parametrize(("taken", "of", "client", "expected"), [
    ([], session(), CLIENT, None),
    ([], session(kept=3), CLIENT, None),
    ([], session(kept=4), CLIENT, Reached.SESSION),
    ([(CLIENT, ALICE)], session(), CLIENT, None),
    ([(CLIENT, ALICE), (CLIENT, BOB)], session(), CLIENT, Reached.CLIENT),
    ([(CLIENT, ALICE), (CLIENT, BOB)], session(), OTHER, None),
    ([(CLIENT, ALICE), (CLIENT, ALICE), (OTHER, ALICE)], session(), OTHER, Reached.USER),
    ([(CLIENT, ALICE), (CLIENT, ALICE), (OTHER, ALICE)], session(BOB), OTHER, None),
    ([(bytes(16), ALICE), (bytes(16), ALICE)], session(BOB), bytes(16), None),
])  # fmt: skip
def test_limits(taken, of, client, expected):
    allowance = Allowance()
    for guid, owner in taken:
        allowance.take(OpenRecord(guid, owner), None)
    assert allowance.reached(LIMITS, of, client) is expected


def test_each_open_counts_once():
    allowance, record, owner = Allowance(), OpenRecord(CLIENT, ALICE), session()
    for _ in range(3):
        allowance.take(record, owner)
    assert owner.kept == 1
    assert allowance._clients == {CLIENT: 1}
    for _ in range(3):
        allowance.give_back(record)
    assert allowance._clients == allowance._users == {}
