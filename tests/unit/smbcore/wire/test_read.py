"""READ  [MS-SMB2 2.2.19, 2.2.20]."""

from __future__ import annotations

from typing import Any

import pytest

from smbcore.wire.read import DATA_OFFSET, FLAG_READ_UNBUFFERED, Channel, ReadRequest, ReadResponse
from smbcore.wire.reader import BodyReader

FILE_ID = bytes(range(1, 17))

CASES = [
    pytest.param(
        ReadRequest(FILE_ID, 0x100000000, 0x10000, 1, 0x50, FLAG_READ_UNBUFFERED, 0, 0x30),
        "3100 50 01 00000100 0000000001000000"
        "01020304 05060708 090a0b0c 0d0e0f10"
        "01000000 00000000 30000000 0000 0000 00",
        1,
        id="request",
    ),
    pytest.param(
        ReadRequest(FILE_ID, 0, 0x10, channel=Channel.RDMA_V1, channel_info=b"\x77" * 16),
        "3100 50 00 10000000 0000000000000000"
        "01020304 05060708 090a0b0c 0d0e0f10"
        "00000000 01000000 00000000 7000 1000 77777777777777777777777777777777",
        0,
        id="request by RDMA",
    ),
    pytest.param(
        ReadResponse(b"\xaa\xbb\xcc", 5),
        "1100 50 00 03000000 05000000 00000000 aabbcc",
        0,
        id="response",
    ),
    pytest.param(
        ReadResponse(b""),
        "1100 50 00 00000000 00000000 00000000",
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
        pytest.param(1, 44, "6f00", id="channel information in the fixed part"),
        pytest.param(1, 44, "7100", id="channel information behind the end"),
        pytest.param(1, 46, "1100", id="channel information too long"),
        pytest.param(2, 2, "3f", id="data in the header"),
        pytest.param(2, 2, "4f", id="data in the fixed part"),
        pytest.param(2, 2, "51", id="data behind the end"),
        pytest.param(2, 4, "04000000", id="data too long"),
        pytest.param(2, 4, "ffffffff", id="data much too long"),
    ],
)
def test_bad_offsets_and_lengths_are_refused(codec: Any, case: int, at: int, patch: str) -> None:
    value, wire, _slack = CASES[case].values
    codec.refuses_patch(value, wire, at, patch)


def test_data_is_a_view_into_the_frame() -> None:
    frame = bytearray(64) + ReadResponse(b"abc").encode()
    data = ReadResponse.decode(BodyReader(memoryview(frame))).data
    frame[DATA_OFFSET] = ord("x")
    assert bytes(data) == b"xbc"


def test_head_and_data_make_the_response() -> None:
    data = b"payload"
    assert ReadResponse.encode_head(len(data)) + data == ReadResponse(memoryview(data)).encode()
    assert ReadResponse.encode_head(3, 0x58)[2] == 0x58
