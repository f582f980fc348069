"""WRITE  [MS-SMB2 2.2.21, 2.2.22]."""

from __future__ import annotations

from typing import Any

import pytest

from smbcore.wire.errors import WireError
from smbcore.wire.reader import BodyReader
from smbcore.wire.write import DATA_OFFSET, FLAG_WRITE_THROUGH, WriteRequest, WriteResponse, peek_data

FILE_ID = bytes(range(1, 17))

CASES = [
    pytest.param(
        WriteRequest(FILE_ID, 0x1000, b"\xaa\xbb\xcc", FLAG_WRITE_THROUGH, 0, 0x20),
        "3100 7000 03000000 0010000000000000"
        "01020304 05060708 090a0b0c 0d0e0f10"
        "00000000 20000000 0000 0000 01000000 aabbcc",
        0,
        id="request",
    ),
    pytest.param(
        WriteRequest(FILE_ID, 0, b""),
        "3100 7000 00000000 000000000000000001020304 05060708 090a0b0c 0d0e0f1000000000 00000000 0000 0000 00000000 00",
        1,
        id="empty request",
    ),
    pytest.param(
        WriteRequest(FILE_ID, 0, b"\xaa", 0, 1, 0, b"\x77" * 16),
        "3100 8000 01000000 0000000000000000"
        "01020304 05060708 090a0b0c 0d0e0f10"
        "01000000 00000000 7000 1000 00000000 77777777777777777777777777777777"
        "aa",
        0,
        id="request with channel information",
    ),
    pytest.param(
        WriteResponse(3),
        "1100 0000 03000000 00000000 0000 0000",
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
        pytest.param(0, 2, "3f00", id="data in the header"),
        pytest.param(0, 2, "6f00", id="data in the fixed part"),
        pytest.param(0, 2, "7100", id="data behind the end"),
        pytest.param(0, 4, "04000000", id="data too long"),
        pytest.param(0, 4, "ffffffff", id="data much too long"),
        pytest.param(0, 2, "ffff", id="largest offset"),
        pytest.param(2, 40, "6f00", id="channel information in the fixed part"),
        pytest.param(2, 40, "7200", id="channel information behind the end"),
        pytest.param(2, 42, "1200", id="channel information too long"),
    ],
)
def test_bad_offsets_and_lengths_are_refused(codec: Any, case: int, at: int, patch: str) -> None:
    value, wire, _slack = CASES[case].values
    codec.refuses_patch(value, wire, at, patch)


def test_data_is_a_view_into_the_frame() -> None:
    frame = bytearray(64) + WriteRequest(FILE_ID, 0, b"abc").encode()
    data = WriteRequest.decode(BodyReader(memoryview(frame))).data
    frame[DATA_OFFSET] = ord("x")
    assert bytes(data) == b"xbc"


def test_head_and_data_make_the_request() -> None:
    request = WriteRequest(FILE_ID, 7, b"payload")
    assert request.encode_head(7) + b"payload" == request.encode()


def test_place_of_the_data_is_known_before_it_arrives() -> None:
    message = bytes(64) + WriteRequest(FILE_ID, 0, b"x" * 1000).encode()
    assert peek_data(message[:112]) == (DATA_OFFSET, 1000)
    for short in range(112):
        with pytest.raises(WireError):
            peek_data(message[:short])
    with pytest.raises(WireError, match="StructureSize"):
        peek_data(bytes(112))
