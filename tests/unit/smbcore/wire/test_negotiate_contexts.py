"""Data of the negotiate contexts  [MS-SMB2 2.2.3.1]."""

from __future__ import annotations

from typing import Any

import pytest

from smbcore.wire.errors import WireError
from smbcore.wire.negotiate_contexts import (
    Cipher,
    Compression,
    CompressionAlgorithm,
    CompressionFlags,
    Encryption,
    HashAlgorithm,
    NegotiateContext,
    Netname,
    Preauth,
    RdmaTransform,
    Signing,
    SigningAlgorithm,
    Transport,
    Unknown,
    decode_contexts,
    encode_contexts,
)

CASES = [
    (Preauth([HashAlgorithm.SHA_512], b"\xaa\xbb"), "0100 0200 0100 aabb"),
    (Preauth([]), "0000 0000"),
    (Encryption([Cipher.AES_128_GCM, Cipher.AES_128_CCM]), "0200 0200 0100"),
    (
        Compression([CompressionAlgorithm.LZ77, CompressionAlgorithm.PATTERN_V1], CompressionFlags.CHAINED),
        "0200 0000 01000000 0200 0400",
    ),
    (Transport(1), "01000000"),
    (RdmaTransform([1, 2]), "0200 0000 00000000 0100 0200"),
    (Signing([SigningAlgorithm.AES_GMAC, SigningAlgorithm.HMAC_SHA256]), "0200 0200 0000"),
]


@pytest.mark.parametrize(("value", "wire"), CASES)
def test_data_both_ways(data_codec: Any, value: Any, wire: str) -> None:
    data_codec.both_ways(value, wire)


@pytest.mark.parametrize(("value", "wire"), CASES)
def test_every_truncation_of_data_is_refused(data_codec: Any, value: Any, wire: str) -> None:
    data_codec.refuses_truncations(value, wire)


def test_netname_is_text(data_codec: Any) -> None:
    data_codec.both_ways(Netname("nas"), "6e00 6100 7300")
    with pytest.raises(WireError):
        Netname.decode(b"n")


@pytest.mark.parametrize(
    ("value", "wire", "at", "patch"),
    [
        (*CASES[0], 0, "0200"),
        (*CASES[0], 0, "ffff"),
        (*CASES[0], 2, "0300"),
        (*CASES[2], 0, "0300"),
        (*CASES[3], 0, "0300"),
        (*CASES[5], 0, "ffff"),
        (*CASES[6], 0, "0300"),
    ],
)
def test_counts_that_do_not_fit_are_refused(data_codec: Any, value: Any, wire: str, at: int, patch: str) -> None:
    data_codec.refuses_patch(value, wire, at, patch)


CHAIN: list[NegotiateContext] = [
    Preauth([1], b"\x01\x02\x03"),
    Encryption([2]),
    Netname("nas"),
    Unknown(0x0100, b"\x01"),
    Signing([1]),
]


def test_chain_comes_back_in_order() -> None:
    wire = encode_contexts(CHAIN)
    assert decode_contexts(memoryview(wire), len(CHAIN)) == CHAIN


def test_contexts_of_a_chain_are_aligned_and_the_last_one_is_not_padded() -> None:
    wire = encode_contexts([Signing([1]), Unknown(0x1234, b"\xaa")])
    assert wire.hex() == "0800040000000000" + "0100010000000000" + "3412010000000000" + "aa"


def test_every_truncation_of_a_chain_is_refused() -> None:
    wire = encode_contexts(CHAIN)
    for length in range(len(wire)):
        with pytest.raises(WireError):
            decode_contexts(memoryview(wire)[:length], len(CHAIN))


def test_more_contexts_than_there_are_is_refused() -> None:
    wire = encode_contexts(CHAIN)
    with pytest.raises(WireError):
        decode_contexts(memoryview(wire), len(CHAIN) + 1)
