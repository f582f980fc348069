"""SET_INFO  [MS-SMB2 2.2.39, 2.2.40]."""

from __future__ import annotations

from typing import Any

import pytest

from smbcore.wire.query_info import InfoType
from smbcore.wire.set_info import SetInfoRequest, SetInfoResponse

FILE_ID = bytes(range(1, 17))

CASES = [
    pytest.param(
        SetInfoRequest(InfoType.SECURITY, 0, FILE_ID, b"\x01\x02\x03", 4),
        "2100 03 00 03000000 6000 0000 04000000 01020304 05060708 090a0b0c 0d0e0f10 010203",
        0,
        id="request",
    ),
    pytest.param(
        SetInfoRequest(InfoType.FILE, 0x14, FILE_ID, b""),
        "2100 01 14 00000000 6000 0000 00000000 01020304 05060708 090a0b0c 0d0e0f10 00",
        1,
        id="empty request",
    ),
    pytest.param(
        SetInfoResponse(),
        "0200",
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
        pytest.param(0, 8, "3f00", id="data in the header"),
        pytest.param(0, 8, "5f00", id="data in the fixed part"),
        pytest.param(0, 8, "6100", id="data behind the end"),
        pytest.param(0, 4, "04000000", id="data too long"),
        pytest.param(0, 4, "ffffffff", id="data much too long"),
    ],
)
def test_bad_offsets_and_lengths_are_refused(codec: Any, case: int, at: int, patch: str) -> None:
    value, wire, _slack = CASES[case].values
    codec.refuses_patch(value, wire, at, patch)
