"""LOCK  [MS-SMB2 2.2.26, 2.2.27]."""

from __future__ import annotations

from typing import Any

import pytest

from smbcore.wire.lock import LOCK_EXCLUSIVE, LOCK_FAIL_IMMEDIATELY, LOCK_UNLOCK, LockElement, LockRequest, LockResponse

FILE_ID = bytes(range(1, 17))

CASES = [
    pytest.param(
        LockRequest(
            FILE_ID,
            [LockElement(0, 10, LOCK_EXCLUSIVE | LOCK_FAIL_IMMEDIATELY), LockElement(0x100000000, 1, LOCK_UNLOCK)],
            0x25,
        ),
        "3000 0200 25000000 01020304 05060708 090a0b0c 0d0e0f10"
        "0000000000000000 0a00000000000000 12000000 00000000"
        "0000000001000000 0100000000000000 04000000 00000000",
        0,
        id="request",
    ),
    pytest.param(
        LockRequest(FILE_ID, []),
        "3000 0000 00000000 01020304 05060708 090a0b0c 0d0e0f10",
        0,
        id="no locks",
    ),
    pytest.param(
        LockResponse(),
        "0400 0000",
        0,
        id="response",
    ),
]


@pytest.mark.parametrize(("value", "wire", "slack"), CASES)
def test_both_ways(codec: Any, value: Any, wire: str, slack: int) -> None:
    codec.both_ways(value, wire)


@pytest.mark.parametrize(("value", "wire", "slack"), CASES)
def test_every_truncation_is_refused(codec: Any, value: Any, wire: str, slack: int) -> None:
    codec.refuses_truncations(value, wire, slack)


@pytest.mark.parametrize(("value", "wire", "slack"), CASES)
def test_other_structure_sizes_are_refused(codec: Any, value: Any, wire: str, slack: int) -> None:
    codec.refuses_other_sizes(value, wire)


@pytest.mark.parametrize(
    ("case", "at", "patch"),
    [
        pytest.param(0, 2, "0300", id="too many locks"),
        pytest.param(0, 2, "ffff", id="far too many locks"),
    ],
)
def test_bad_offsets_and_lengths_are_refused(codec: Any, case: int, at: int, patch: str) -> None:
    value, wire, _slack = CASES[case].values
    codec.refuses_patch(value, wire, at, patch)


def test_lock_sequence_has_a_number_and_an_index() -> None:
    request = LockRequest(FILE_ID, [], 0x0000_0405)
    assert (request.lock_sequence_number, request.lock_sequence_index) == (5, 64)
