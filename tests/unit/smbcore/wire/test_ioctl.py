"""IOCTL  [MS-SMB2 2.2.31, 2.2.32]."""

from __future__ import annotations

from typing import Any

import pytest

from smbcore.wire.ioctl import IoctlRequest, IoctlResponse

FILE_ID = bytes(range(1, 17))

CASES = [
    pytest.param(
        IoctlRequest(0x140078, FILE_ID, b"\xaa\xbb", 0x10000),
        "3900 0000 78001400 01020304 05060708 090a0b0c 0d0e0f10"
        "78000000 02000000 00000000"
        "00000000 00000000 00000100 01000000 00000000 aabb",
        0,
        id="request",
    ),
    pytest.param(
        IoctlRequest(0x140204, FILE_ID, b"", 0x18, 0, 5),
        "3900 0000 04021400 01020304 05060708 090a0b0c 0d0e0f10"
        "78000000 00000000 05000000"
        "00000000 00000000 18000000 00000000 00000000 00",
        1,
        id="request without input",
    ),
    pytest.param(
        IoctlRequest(0x140078, FILE_ID, b"\xaa\xbb", 1, output=b"\xcc"),
        "3900 0000 78001400 01020304 05060708 090a0b0c 0d0e0f10"
        "78000000 02000000 00000000"
        "80000000 01000000 01000000 01000000 00000000 aabb 000000000000 cc",
        0,
        id="request with output",
    ),
    pytest.param(
        IoctlResponse(0x140078, FILE_ID, b"\xaa\xbb", 1),
        "3100 0000 78001400 01020304 05060708 090a0b0c 0d0e0f10"
        "70000000 00000000 70000000 02000000 01000000 00000000 aabb",
        0,
        id="response",
    ),
    pytest.param(
        IoctlResponse(0x140078, FILE_ID, b"\xaa\xbb", 0, b"\x01\x02\x03"),
        "3100 0000 78001400 01020304 05060708 090a0b0c 0d0e0f10"
        "70000000 03000000 78000000 02000000 00000000 00000000 010203 0000000000 aabb",
        0,
        id="response with input",
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
        pytest.param(0, 24, "77000000", id="input in the fixed part"),
        pytest.param(0, 24, "79000000", id="input behind the end"),
        pytest.param(0, 28, "03000000", id="input too long"),
        pytest.param(0, 24, "ffffffffffffffff", id="largest"),
        pytest.param(2, 36, "70000000", id="output in the fixed part"),
        pytest.param(2, 36, "81000000", id="output behind the end"),
        pytest.param(3, 32, "6f000000", id="response output in the fixed part"),
        pytest.param(3, 36, "03000000", id="response output too long"),
        pytest.param(4, 24, "40000000", id="response input in the fixed part"),
        pytest.param(4, 28, "ff000000", id="response input too long"),
    ],
)
def test_bad_offsets_and_lengths_are_refused(codec: Any, case: int, at: int, patch: str) -> None:
    value, wire, _slack = CASES[case].values
    codec.refuses_patch(value, wire, at, patch)


def test_head_and_output_make_the_response() -> None:
    response = IoctlResponse(0x140078, FILE_ID, memoryview(b"payload"), 1)
    assert IoctlResponse.encode_head(0x140078, FILE_ID, 7, 1) + b"payload" == response.encode()
    padded = IoctlResponse.encode_head(0x140078, FILE_ID, 7, padding=8)
    assert padded[32:36] == bytes([64 + 48 + 8, 0, 0, 0])
