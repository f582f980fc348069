"""QUERY_INFO  [MS-SMB2 2.2.37, 2.2.38]."""

from __future__ import annotations

from typing import Any

import pytest

from smbcore.wire.query_info import InfoType, QueryInfoRequest, QueryInfoResponse

FILE_ID = bytes(range(1, 17))

CASES = [
    pytest.param(
        QueryInfoRequest(InfoType.FILE, 0x12, FILE_ID, 0x1000),
        "2900 01 12 00100000 6800 0000 00000000 00000000 00000000 01020304 05060708 090a0b0c 0d0e0f10 00",
        1,
        id="request",
    ),
    pytest.param(
        QueryInfoRequest(InfoType.FILE, 0xF, FILE_ID, 0x1000, 7, 1, b"\xaa\xbb"),
        "2900 01 0f 00100000 6800 0000 02000000 07000000 01000000 01020304 05060708 090a0b0c 0d0e0f10 aabb",
        0,
        id="request with input",
    ),
    pytest.param(
        QueryInfoResponse(b"\xaa\xbb\xcc"),
        "0900 4800 03000000 aabbcc",
        0,
        id="response",
    ),
    pytest.param(
        QueryInfoResponse(),
        "0900 0000 00000000",
        0,
        id="empty response",
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
        pytest.param(1, 8, "3f00", id="input in the header"),
        pytest.param(1, 8, "6700", id="input in the fixed part"),
        pytest.param(1, 8, "6900", id="input behind the end"),
        pytest.param(1, 12, "03000000", id="input too long"),
        pytest.param(1, 12, "ffffffff", id="input much too long"),
        pytest.param(2, 2, "3f00", id="output in the header"),
        pytest.param(2, 2, "4700", id="output in the fixed part"),
        pytest.param(2, 2, "4900", id="output behind the end"),
        pytest.param(2, 4, "04000000", id="output too long"),
        pytest.param(2, 4, "ffffffff", id="output much too long"),
    ],
)
def test_bad_offsets_and_lengths_are_refused(codec: Any, case: int, at: int, patch: str) -> None:
    value, wire, _slack = CASES[case].values
    codec.refuses_patch(value, wire, at, patch)


def test_head_and_output_make_the_response() -> None:
    assert QueryInfoResponse.encode_head(7) + b"payload" == QueryInfoResponse(memoryview(b"payload")).encode()
    assert QueryInfoResponse.encode_head(0) == QueryInfoResponse().encode()
