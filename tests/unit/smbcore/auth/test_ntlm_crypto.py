"""NTLMv2 computations against the example of MS-NLMP 4.2.4."""

from __future__ import annotations

import pytest

from smbcore.auth.ntlm_crypto import av_pairs, exported_session_key, md5_mac, ntowfv2, uses_key_exchange
from smbcore.crypto.md4 import nt_hash
from smbcore.nt.errors import WireError

SERVER_CHALLENGE = bytes.fromhex("0123456789abcdef")
TEMP = bytes.fromhex(
    "01010000000000000000000000000000aaaaaaaaaaaaaaaa00000000"
    "02000c0044006f006d00610069006e00"
    "01000c005300650072007600650072000000000000000000"
)
SIGN, SEAL, KEY_EXCH = 0x10, 0x20, 0x40000000


def test_key_of_a_user_is_that_of_the_specification() -> None:
    """4.2.4.1.1."""
    assert ntowfv2(nt_hash("Password"), "User", "Domain").hex() == "0c868a403bfd7a93a3001ef22ef02e3f"


def test_proof_and_session_keys_are_those_of_the_specification() -> None:
    """4.2.4.1.2, 4.2.4.2.2, 4.2.4.2.3."""
    key = ntowfv2(nt_hash("Password"), "User", "Domain")
    proof = md5_mac(key, SERVER_CHALLENGE + TEMP)
    assert proof.hex() == "68cd0ab851e51c96aabc927bebef6a1c"
    base = md5_mac(key, proof)
    assert base.hex() == "8de40ccadbc14a82f15cb0ad0de95ca3"
    encrypted = bytes.fromhex("c5dad2544fc9799094ce1ce90bc9d03e")
    assert exported_session_key(KEY_EXCH | SIGN | SEAL, base, encrypted) == b"U" * 16


def test_upper_case_is_one_letter_for_one() -> None:
    assert ntowfv2(bytes(16), "straße", "") == ntowfv2(bytes(16), "STRAßE", "")
    assert ntowfv2(bytes(16), "straße", "") != ntowfv2(bytes(16), "STRASSE", "")
    assert ntowfv2(bytes(16), "müller", "") == ntowfv2(bytes(16), "MÜLLER", "")
    assert ntowfv2(bytes(16), "a", "dom") != ntowfv2(bytes(16), "a", "DOM"), "the domain keeps its case"


def test_av_pairs_end_at_the_mark() -> None:
    assert av_pairs(TEMP[28:]) == {2: "Domain".encode("utf-16-le"), 1: "Server".encode("utf-16-le")}
    assert av_pairs(bytes(4) + b"anything") == {}


def test_every_cut_of_av_pairs_is_a_wire_error() -> None:
    data = TEMP[28:-4]
    assert av_pairs(data)
    for size in range(len(data)):
        with pytest.raises(WireError):
            av_pairs(data[:size])


def test_an_av_pair_twice_is_a_wire_error() -> None:
    with pytest.raises(WireError):
        av_pairs(bytes.fromhex("0600040000000000060004000200000000000000"))


@pytest.mark.parametrize(
    ("flags", "used"), [(0, False), (KEY_EXCH, False), (SIGN, False), (KEY_EXCH | SIGN, True), (KEY_EXCH | SEAL, True)]
)
def test_keys_are_exchanged_only_with_integrity_or_confidentiality(flags: int, used: bool) -> None:
    assert uses_key_exchange(flags) is used


@pytest.mark.parametrize("encrypted", [None, b"", b"k" * 15, b"k" * 17])
def test_a_missing_or_odd_key_is_a_wire_error(encrypted: bytes | None) -> None:
    with pytest.raises(WireError):
        exported_session_key(KEY_EXCH | SIGN, bytes(16), encrypted)
