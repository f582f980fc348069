"""CLOSE  [MS-SMB2 2.2.15, 2.2.16]."""

from __future__ import annotations

from typing import Any

import pytest

from smbcore.wire.close import EMPTY_CLOSE, FLAG_POSTQUERY_ATTRIB, CloseRequest, CloseResponse

FILE_ID = bytes(range(1, 17))

CASES = [
    pytest.param(
        CloseRequest(FILE_ID, FLAG_POSTQUERY_ATTRIB),
        "1800 0100 00000000 01020304 05060708 090a0b0c 0d0e0f10",
        0,
        id="request",
    ),
    pytest.param(
        CloseResponse(1, 1, 2, 3, 4, 0x1000, 0xFF, 0x20),
        "3c00 0100 00000000 0100000000000000 0200000000000000 0300000000000000 0400000000000000"
        "0010000000000000 ff00000000000000 20000000",
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


def test_prepared_answer_is_an_empty_response() -> None:
    assert bytes.fromhex("3c00") + bytes(58) == EMPTY_CLOSE
