"""QUERY_DIRECTORY  [MS-SMB2 2.2.33, 2.2.34]."""

from __future__ import annotations

from typing import Any

import pytest

from smbcore.wire.query_directory import INDEX_SPECIFIED, RESTART_SCANS, QueryDirectoryRequest, QueryDirectoryResponse

FILE_ID = bytes(range(1, 17))

CASES = [
    pytest.param(
        QueryDirectoryRequest(0x25, FILE_ID, "*", 0x10000, RESTART_SCANS),
        "2100 25 01 00000000 01020304 05060708 090a0b0c 0d0e0f10 6000 0200 00000100 2a00",
        0,
        id="request",
    ),
    pytest.param(
        QueryDirectoryRequest(0x25, FILE_ID, "", 0x10000, INDEX_SPECIFIED, 9),
        "2100 25 04 09000000 01020304 05060708 090a0b0c 0d0e0f10 6000 0000 00000100 00",
        1,
        id="request with index",
    ),
    pytest.param(
        QueryDirectoryResponse(b"\xaa\xbb\xcc"),
        "0900 4800 03000000 aabbcc",
        0,
        id="response",
    ),
    pytest.param(
        QueryDirectoryResponse(),
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
        pytest.param(0, 24, "3e00", id="pattern in the header"),
        pytest.param(0, 24, "5e00", id="pattern in the fixed part"),
        pytest.param(0, 24, "6200", id="pattern behind the end"),
        pytest.param(0, 26, "0400", id="pattern too long"),
        pytest.param(0, 26, "0100", id="odd pattern"),
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
    assert QueryDirectoryResponse.encode_head(7) + b"payload" == QueryDirectoryResponse(memoryview(b"payload")).encode()
    assert QueryDirectoryResponse.encode_head(0) == QueryDirectoryResponse().encode()
