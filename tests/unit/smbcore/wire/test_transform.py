"""Transform and compression headers  [MS-SMB2 2.2.41, 2.2.42]."""

from __future__ import annotations

from typing import Any

import pytest

from smbcore.wire.errors import WireError
from smbcore.wire.transform import (
    AAD_OFFSET,
    SIGNATURE_OFFSET,
    TRANSFORM_SIZE,
    ChainedCompression,
    ChainedPayload,
    CompressionTransform,
    PatternPayload,
    TransformHeader,
    decode_compressed,
)

NONCE = bytes(range(12)) + bytes(4)
TAG = bytes(range(0x30, 0x40))
TRANSFORM = TransformHeader(0x1122334455667788, 0x1000, NONCE, TAG)
TRANSFORM_WIRE = (
    "fd534d42 303132333435363738393a3b3c3d3e3f 000102030405060708090a0b00000000 00100000 0000 0100 8877665544332211"
)
UNCHAINED = CompressionTransform(0x1000, 2, b"\xaa\xbb", b"\xcc")
UNCHAINED_WIRE = "fc534d42 00100000 0200 0000 02000000 aabb cc"
CHAINED = ChainedCompression(
    0x1000, [ChainedPayload(0, b"\xaa\xbb\xcc"), ChainedPayload(4, PatternPayload(0x20, 0x300).encode())]
)
CHAINED_WIRE = "fc534d42 00100000 0000 0100 03000000 aabbcc 0400 0000 08000000 20 00 0000 00030000"
SIZED = ChainedCompression(0x1000, [ChainedPayload(2, b"\xdd", 0x900), ChainedPayload(5, b"\xee", 0x700)])
SIZED_WIRE = "fc534d42 00100000 0200 0100 05000000 00090000 dd 0500 0000 05000000 00070000 ee"


def test_transform_both_ways(data_codec: Any) -> None:
    data_codec.both_ways(TRANSFORM, TRANSFORM_WIRE)
    data_codec.refuses_truncations(TRANSFORM, TRANSFORM_WIRE)
    assert TRANSFORM_SIZE == len(TRANSFORM.encode())


def test_transform_is_written_in_place() -> None:
    buf = bytearray(60)
    TRANSFORM.encode_into(buf, 4)
    assert buf == bytes(4) + TRANSFORM.encode() + bytes(4)


def test_authenticated_part_runs_from_the_nonce_to_the_end() -> None:
    raw = TRANSFORM.encode()
    assert len(raw[AAD_OFFSET:]) == 32
    assert raw[AAD_OFFSET:].startswith(NONCE)
    assert raw[SIGNATURE_OFFSET:AAD_OFFSET] == TAG


@pytest.mark.parametrize("magic", ["fe", "fc", "ff", "00"])
def test_other_magic_is_refused(data_codec: Any, magic: str) -> None:
    data_codec.refuses_patch(TRANSFORM, TRANSFORM_WIRE, 0, magic)
    with pytest.raises(WireError, match="ProtocolId"):
        decode_compressed(memoryview(bytes.fromhex("fd" + UNCHAINED_WIRE[2:])))


@pytest.mark.parametrize(("value", "wire"), [(UNCHAINED, UNCHAINED_WIRE), (CHAINED, CHAINED_WIRE), (SIZED, SIZED_WIRE)])
def test_compressed_both_ways(data_codec: Any, value: Any, wire: str) -> None:
    data_codec.both_ways(value, wire)
    assert decode_compressed(memoryview(bytes.fromhex(wire))) == value


def test_compressed_header_cut_short_is_refused() -> None:
    raw = bytes.fromhex(UNCHAINED_WIRE)
    for length in range(18):  # two plain bytes are announced
        with pytest.raises(WireError):
            decode_compressed(memoryview(raw)[:length])


@pytest.mark.parametrize(("wire", "whole"), [(CHAINED_WIRE, (19,)), (SIZED_WIRE, (21,))])
def test_chain_cut_inside_a_payload_is_refused(wire: str, whole: tuple[int, ...]) -> None:
    raw = bytes.fromhex(wire)
    for length in range(len(raw)):
        if length not in whole:
            with pytest.raises(WireError):
                decode_compressed(memoryview(raw)[:length])


@pytest.mark.parametrize(
    ("wire", "at", "patch"),
    [
        pytest.param(UNCHAINED_WIRE, 12, "04000000", id="plain part too long"),
        pytest.param(UNCHAINED_WIRE, 12, "ffffffff", id="offset that would wrap"),
        pytest.param(UNCHAINED_WIRE, 10, "0200", id="unknown flags"),
        pytest.param(CHAINED_WIRE, 12, "ffffffff", id="payload much too long"),
        pytest.param(SIZED_WIRE, 12, "03000000", id="no room for the original size"),
    ],
)
def test_bad_lengths_are_refused(wire: str, at: int, patch: str) -> None:
    raw = bytearray.fromhex(wire)
    raw[at : at + len(patch) // 2] = bytes.fromhex(patch)
    with pytest.raises(WireError):
        decode_compressed(memoryview(raw))


def test_pattern_both_ways(data_codec: Any) -> None:
    data_codec.both_ways(PatternPayload(0x20, 0x300), "20 00 0000 00030000")
    data_codec.refuses_truncations(PatternPayload(0x20, 0x300), "20 00 0000 00030000")
