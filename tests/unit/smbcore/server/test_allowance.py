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


@pytest.mark.parametrize(("taken", "kept", "client", "user", "expected"), [
    ([], 0, CLIENT, ALICE, None),
    ([], 3, CLIENT, ALICE, None),
    ([], 4, CLIENT, ALICE, Reached.SESSION),
    ([(CLIENT, ALICE)], 0, CLIENT, ALICE, None),
    ([(CLIENT, ALICE), (CLIENT, BOB)], 0, CLIENT, ALICE, Reached.CLIENT),
    ([(CLIENT, ALICE), (CLIENT, BOB)], 0, OTHER, ALICE, None),
    ([(CLIENT, ALICE), (CLIENT, ALICE), (OTHER, ALICE)], 0, OTHER, ALICE, Reached.USER),
    ([(CLIENT, ALICE), (CLIENT, ALICE), (OTHER, ALICE)], 0, OTHER, BOB, None),
    ([(bytes(16), ALICE), (bytes(16), ALICE)], 0, bytes(16), BOB, None),
])  # fmt: skip
def test_limits(taken, kept, client, user, expected):
    allowance = Allowance()
    for guid, owner in taken:
        allowance.take(OpenRecord(guid, owner), None)
    assert allowance.reached(LIMITS, SimpleNamespace(kept=kept), OpenRecord(client, user)) is expected


def test_each_open_counts_once():
    allowance, record, owner = Allowance(), OpenRecord(CLIENT, ALICE), SimpleNamespace(kept=0)
    for _ in range(3):
        allowance.take(record, owner)
    assert owner.kept == 1
    assert allowance._clients == {CLIENT: 1}
    for _ in range(3):
        allowance.give_back(record)
    assert allowance._clients == allowance._users == {}
