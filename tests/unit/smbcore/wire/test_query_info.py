"""QUERY_INFO  [MS-SMB2 2.2.37, 2.2.38]."""

from __future__ import annotations

from typing import Any

import pytest

from smbcore.wire.errors import WireError
from smbcore.wire.query_info import InfoType, QueryInfoRequest, QueryInfoResponse, QueryQuotaInfo

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


QUOTA_CASES = [
    pytest.param(QueryQuotaInfo(single=True), "01 00 0000 00000000 00000000 00000000", id="all, one at a time"),
    pytest.param(
        QueryQuotaInfo(restart=True, sid_list=b"sids"), "00 01 0000 04000000 00000000 00000000 73696473", id="list"
    ),
    pytest.param(QueryQuotaInfo(start_sid=b"sid"), "00 00 0000 00000000 03000000 00000000 736964", id="start"),
]


@pytest.mark.parametrize(("value", "wire"), QUOTA_CASES)
def test_quota_queries_both_ways(value: QueryQuotaInfo, wire: str) -> None:
    assert value.encode() == bytes.fromhex(wire)
    assert QueryQuotaInfo.decode(bytes.fromhex(wire)) == value


@pytest.mark.parametrize(("value", "wire"), QUOTA_CASES)
def test_every_truncation_of_a_quota_query_is_refused(value: QueryQuotaInfo, wire: str) -> None:
    data = bytes.fromhex(wire)
    for length in range(len(data)):
        with pytest.raises(WireError):
            QueryQuotaInfo.decode(data[:length])


def test_a_start_sid_may_lie_anywhere_in_the_buffer_and_counts_only_without_a_list() -> None:
    fixed = "00 00 0000 {} 03000000 02000000"
    alone = QueryQuotaInfo.decode(bytes.fromhex(fixed.format("00000000")) + b"..sid")
    assert alone == QueryQuotaInfo(start_sid=b"sid")
    beside = QueryQuotaInfo.decode(bytes.fromhex(fixed.format("04000000")) + b"sids")
    assert beside == QueryQuotaInfo(sid_list=b"sids")
