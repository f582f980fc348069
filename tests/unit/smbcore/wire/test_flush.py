"""FLUSH  [MS-SMB2 2.2.17, 2.2.18]."""

from __future__ import annotations

from typing import Any

import pytest

from smbcore.wire.flush import FlushRequest, FlushResponse

FILE_ID = bytes(range(1, 17))

CASES = [
    pytest.param(
        FlushRequest(FILE_ID),
        "1800 0000 00000000 01020304 05060708 090a0b0c 0d0e0f10",
        0,
        id="request",
    ),
    pytest.param(
        FlushResponse(),
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
