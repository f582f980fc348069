"""CREATE and the chain of create contexts  [MS-SMB2 2.2.13, 2.2.14]."""

from __future__ import annotations

from typing import Any

import pytest

from smbcore.wire.create import (
    CreateContext,
    CreateRequest,
    CreateResponse,
    OplockLevel,
    decode_contexts,
    encode_contexts,
)
from smbcore.wire.errors import WireError
from smbcore.wire.reader import BodyReader

FILE_ID = bytes(range(1, 17))
CONTEXTS = [CreateContext(b"MxAc"), CreateContext(b"RqLs", b"\x11" * 32)]

CASES = [
    pytest.param(
        CreateRequest(OplockLevel.LEASE, 2, 0x120089, 0x80, 7, 1, 0x40, "ab"),
        "3900 00 ff 02000000 0000000000000000 0000000000000000 89001200 80000000 07000000 01000000 40000000 7800 0400 00000000 00000000 61006200",
        0,
        id="request",
    ),
    pytest.param(
        CreateRequest(0xFF, 2, 0x120089, 0x80, 7, 1, 0x40, ""),
        "3900 00 ff 02000000 0000000000000000 0000000000000000 89001200 80000000 07000000 01000000 40000000 7800 0000 00000000 00000000 00",
        1,
        id="share root",
    ),
    pytest.param(
        CreateRequest(0xFF, 2, 0x120089, 0x80, 7, 1, 0x40, "a\ud800"),
        "3900 00 ff 02000000 0000000000000000 0000000000000000 89001200 80000000 07000000 01000000 40000000 7800 0400 00000000 00000000 610000d8",
        0,
        id="lone surrogate",
    ),
    pytest.param(
        CreateRequest(0xFF, 2, 0x120089, 0x80, 7, 1, 0x40, "ab", CONTEXTS),
        "3900 00 ff 02000000 0000000000000000 0000000000000000 89001200 80000000 07000000 01000000 40000000 7800 0400 80000000 50000000 61006200 00000000"
        "18000000 1000 0400 0000 0000 00000000 4d784163 00000000"
        "00000000 1000 0400 0000 1800 20000000 52714c73 00000000 1111111111111111111111111111111111111111111111111111111111111111",
        0,
        id="request with contexts",
    ),
    pytest.param(
        CreateResponse(9, 0, 1, 1, 2, 3, 4, 0x1000, 0xFF, 0x20, FILE_ID),
        "5900 09 00 01000000 0100000000000000 0200000000000000 0300000000000000 0400000000000000"
        "0010000000000000 ff00000000000000 20000000 00000000"
        "01020304 05060708 090a0b0c 0d0e0f10 00000000 00000000",
        0,
        id="response",
    ),
    pytest.param(
        CreateResponse(
            0xFF, 1, 2, 1, 2, 3, 4, 0x1000, 0xFF, 0x20, FILE_ID, [CreateContext(b"MxAc", b"\0" * 4 + b"\xff\x01\x1f\0")]
        ),
        "5900 ff 01 02000000 0100000000000000 0200000000000000 0300000000000000 0400000000000000"
        "0010000000000000 ff00000000000000 20000000 00000000"
        "01020304 05060708 090a0b0c 0d0e0f10 98000000 20000000"
        "00000000 1000 0400 0000 1800 08000000 4d784163 00000000 00000000ff011f00",
        0,
        id="response with context",
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
        pytest.param(0, 44, "3e00", id="name in the header"),
        pytest.param(0, 44, "7600", id="name in the fixed part"),
        pytest.param(0, 44, "7a00", id="name behind the end"),
        pytest.param(0, 46, "0600", id="name too long"),
        pytest.param(0, 46, "0300", id="odd name"),
        pytest.param(3, 48, "70000000", id="contexts in the fixed part"),
        pytest.param(3, 48, "88000000", id="contexts behind the end"),
        pytest.param(3, 52, "51000000", id="contexts too long"),
        pytest.param(3, 52, "4f000000", id="contexts cut short"),
        pytest.param(3, 52, "01000000", id="contexts of one byte"),
        pytest.param(3, 48, "ffffffff", id="largest offset"),
        pytest.param(3, 52, "ffffffff", id="largest length"),
        pytest.param(3, 64, "19000000", id="next unaligned"),
        pytest.param(3, 64, "58000000", id="next behind the end"),
        pytest.param(3, 64, "08000000", id="next inside this context"),
        pytest.param(3, 70, "0900", id="name of context too long"),
        pytest.param(3, 70, "0300", id="name of context too short"),
        pytest.param(3, 68, "0f00", id="name of context in the fixed part"),
        pytest.param(3, 68, "5000", id="name of context behind the end"),
        pytest.param(3, 98, "1300", id="data inside the name"),
        pytest.param(3, 98, "1900", id="data behind the end"),
        pytest.param(3, 100, "21000000", id="data too long"),
        pytest.param(3, 100, "ffffffff", id="data much too long"),
        pytest.param(5, 80, "90000000", id="response contexts in the fixed part"),
    ],
)
def test_bad_offsets_and_lengths_are_refused(codec: Any, case: int, at: int, patch: str) -> None:
    value, wire, _slack = CASES[case].values
    codec.refuses_patch(value, wire, at, patch)


@pytest.mark.parametrize(
    "contexts",
    [
        [CreateContext(b"QFid")],
        [CreateContext(bytes(range(16)), b"abc"), CreateContext(b"QFid", b"x" * 9), CreateContext(bytes(range(16)))],
        [CreateContext(b"odd name", b"1"), CreateContext(b"other", b"")],
    ],
)
def test_context_chains_come_back(contexts: list[CreateContext]) -> None:
    wire = encode_contexts(contexts)
    assert decode_contexts(memoryview(wire)) == contexts


def test_data_of_a_context_must_not_reach_into_the_next_one() -> None:
    wire = bytearray(encode_contexts([CreateContext(b"AlSi", bytes(8)), CreateContext(b"QFid")]))
    wire[12:16] = (9).to_bytes(4, "little")
    with pytest.raises(WireError):
        decode_contexts(memoryview(wire))


def test_contexts_are_views_into_the_frame() -> None:
    body = CreateRequest(0, 2, 1, 0, 7, 1, 0, "x", [CreateContext(b"AlSi", bytes(8))]).encode()
    assert isinstance(CreateRequest.decode(BodyReader.over_body(body)).contexts[0].data, memoryview)


def test_reserved_fields_are_kept_for_a_client_that_sends_them() -> None:
    sent = CreateRequest(0, 2, 1, 0, 7, 1, 0, "x", [], 1, 0x1122334455667788)
    assert CreateRequest.decode(BodyReader.over_body(sent.encode())) == sent
