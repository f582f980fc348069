"""NTLM as a mechanism: flags, old responses, keys, MIC; messages built by hand as several clients build them."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from struct import pack, unpack_from

import pytest

from smbcore.auth.acceptor import Authenticator, Exchange, Step
from smbcore.crypto.md4 import nt_hash
from smbcore.nt.clock import ManualClock
from smbcore.nt.status import NtError, Status

Make = Callable[..., Authenticator]
UNICODE, OEM, SIGN, SEAL, LM_KEY, NTLM, ALWAYS_SIGN = 1, 2, 0x10, 0x20, 0x80, 0x200, 0x8000
ESS, TARGET_INFO, VERSION, KEY_128, KEY_EXCH, KEY_56 = 0x80000, 0x800000, 0x2000000, 0x20000000, 0x40000000, 0x80000000
DATAGRAM = 0x40
USUAL = UNICODE | SIGN | NTLM | ALWAYS_SIGN | ESS | KEY_128 | KEY_56
SECRET = nt_hash("Secret")


def md5_mac(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "md5")


def negotiate(flags: int, size: int = 32) -> bytes:
    return (b"NTLMSSP\0" + pack("<II", 1, flags)).ljust(size, b"\0")


def challenge_of(reply: bytes) -> tuple[int, bytes, bytes]:
    """Flags, server challenge, target info."""
    length, offset = unpack_from("<H2xI", reply, 40)
    return unpack_from("<I", reply, 20)[0], reply[24:32], reply[offset : offset + length]


def ntlmv2(
    challenge: bytes, pairs: bytes, user: str = "BOB", domain: str = "", secret: bytes = SECRET
) -> tuple[bytes, bytes]:
    """The NT response and the key exchange key."""
    key = md5_mac(secret, (user + domain).encode("utf-16-le"))
    blob = b"\x01\x01" + bytes(14) + b"clientch" + bytes(4) + pairs
    proof = md5_mac(key, challenge + blob)
    return proof + blob, md5_mac(key, proof)


def authenticate(
    flags: int, nt: bytes, lm: bytes = bytes(24), user: str = "bob", domain: str = "", key: bytes = b"", head: int = 64
) -> bytes:
    """AUTHENTICATE_MESSAGE; `head` 64 has neither version nor MIC, 72 no MIC, 88 both."""
    coding = "utf-16-le" if flags & UNICODE else "cp1252"
    fields, payload = b"", b""
    for value in (lm, nt, domain.encode(coding), user.encode(coding), b"", key):
        fields += pack("<HHI", len(value), len(value), head + len(payload))
        payload += value
    return (b"NTLMSSP\0" + pack("<I", 3) + fields + pack("<I", flags)).ljust(head, b"\0") + payload


def start(auth: Authenticator, flags: int = USUAL) -> tuple[Exchange, int, bytes, bytes]:
    exchange = auth.begin()
    return exchange, *challenge_of(exchange.step(negotiate(flags)).reply)


def status_of(exchange: Exchange, token: bytes) -> Status:
    with pytest.raises(NtError) as caught:
        exchange.step(token)
    return caught.value.status


def test_bare_ntlmv2_without_mic_or_version_as_libsmb2_sends_it(authenticator: Make) -> None:
    exchange, _, challenge, info = start(authenticator())
    nt, key = ntlmv2(challenge, info)
    step = exchange.step(authenticate(USUAL, nt))
    assert step.done
    assert step.reply == b""
    assert step.session_key == key
    assert step.identity is not None
    assert step.identity.name == "bob"


@pytest.mark.parametrize("tail", [b"", bytes(4), bytes(8), b"what ever"])
def test_whatever_follows_the_last_av_pair_is_under_the_proof(authenticator: Make, tail: bytes) -> None:
    exchange, _, challenge, info = start(authenticator())
    nt, _ = ntlmv2(challenge, info + tail)
    assert exchange.step(authenticate(USUAL, nt)).done


def test_oem_client_gets_an_oem_challenge(authenticator: Make) -> None:
    flags = USUAL & ~UNICODE | OEM
    exchange = authenticator().begin()
    reply = exchange.step(negotiate(flags)).reply
    got, challenge, info = challenge_of(reply)
    assert got & (UNICODE | OEM) == OEM
    length, offset = unpack_from("<H2xI", reply, 12)
    assert reply[offset : offset + length] == b"HOLDFAST"
    nt, _ = ntlmv2(challenge, info)
    assert exchange.step(authenticate(flags, nt)).done


@pytest.mark.parametrize(("offered", "unicode"), [(UNICODE, True), (UNICODE | OEM, True), (OEM, False), (0, True)])
def test_challenge_is_unicode_unless_only_oem_is_offered(authenticator: Make, offered: int, unicode: bool) -> None:
    flags = start(authenticator(), USUAL & ~UNICODE | offered)[1]
    assert flags & (UNICODE | OEM) == (UNICODE if unicode else OEM)


def test_challenge_takes_over_what_is_offered_and_nothing_else(authenticator: Make) -> None:
    """MS-NLMP 3.2.5.1.1."""
    auth = authenticator()
    for flag in (SIGN, SEAL, ESS, KEY_128, KEY_EXCH, KEY_56, VERSION):
        assert start(auth, UNICODE | NTLM | flag)[1] & flag
        assert not start(auth, UNICODE | NTLM)[1] & flag
    assert not start(auth, USUAL | LM_KEY | DATAGRAM)[1] & (LM_KEY | DATAGRAM)
    assert start(auth)[1] & TARGET_INFO


def test_challenge_names_the_server_and_the_time(authenticator: Make) -> None:
    clock = ManualClock()
    info = start(authenticator(clock=clock))[3]
    pairs, at = {}, 0
    while at < len(info):
        av_id, length = unpack_from("<HH", info, at)
        pairs[av_id] = info[at + 4 : at + 4 + length]
        at += 4 + length
    assert pairs.pop(7) == pack("<Q", clock.now())
    assert pairs.pop(0) == b""
    assert {k: v.decode("utf-16-le") for k, v in pairs.items()} == {
        1: "HOLDFAST",
        2: "WORKGROUP",
        3: "holdfast.example.org",
        4: "example.org",
    }


def test_challenge_is_what_the_injected_source_gives(authenticator: Make) -> None:
    assert start(authenticator(urandom=lambda size: b"12345678"[:size]))[2] == b"12345678"


@pytest.mark.parametrize("size", [0, 1, 16, 23, 24, 43])
def test_lm_and_ntlmv1_are_refused_even_with_the_right_password(authenticator: Make, size: int) -> None:
    exchange = start(authenticator(allow_anonymous=True))[0]
    assert status_of(exchange, authenticate(USUAL, b"r" * size, lm=b"l" * 24)) is Status.LOGON_FAILURE


@pytest.mark.parametrize("types", [b"\0\0", b"\x01\0", b"\x02\x01", b"\x02\x02"])
def test_response_of_another_type_is_refused(authenticator: Make, types: bytes) -> None:
    exchange, _, challenge, info = start(authenticator())
    blob = types + bytes(14) + b"clientch" + bytes(4) + info
    proof = md5_mac(md5_mac(SECRET, "BOB".encode("utf-16-le")), challenge + blob)
    assert status_of(exchange, authenticate(USUAL, proof + blob)) is Status.LOGON_FAILURE


@pytest.mark.parametrize("pairs", [b"", b"\x07\0\x08\0", b"\x07\0\x08\0\0\0", b"\x01\0\x02\0aa\x01\0\x02\0bb\0\0\0\0"])
def test_av_pairs_without_end_or_twice_are_malformed(authenticator: Make, pairs: bytes) -> None:
    exchange, _, challenge, _ = start(authenticator())
    nt, _ = ntlmv2(challenge, pairs)
    assert status_of(exchange, authenticate(USUAL, nt)) is Status.INVALID_PARAMETER


def test_anonymous_is_no_name_no_response_and_an_lm_response_of_one_zero(authenticator: Make) -> None:
    """MS-NLMP 3.2.5.1.2."""
    auth = authenticator(allow_anonymous=True)
    for lm in (b"", b"\0"):
        step = start(auth)[0].step(authenticate(USUAL, b"", lm=lm, user=""))
        assert (step.anonymous, step.session_key) == (True, bytes(16))
    assert status_of(start(auth)[0], authenticate(USUAL, b"", lm=b"\x01", user="")) is Status.LOGON_FAILURE
    assert status_of(start(auth)[0], authenticate(USUAL, b"", lm=b"\0", user="bob")) is Status.LOGON_FAILURE


def finish_with_key(auth: Authenticator, flags: int, key: bytes) -> Step:
    exchange, _, challenge, info = start(auth, USUAL | flags)
    nt, _ = ntlmv2(challenge, info)
    return exchange.step(authenticate(flags, nt, key=key))


@pytest.mark.parametrize("size", [0, 1, 15, 17, 32])
def test_exchanged_key_must_be_16_bytes(authenticator: Make, size: int) -> None:
    with pytest.raises(NtError) as caught:
        finish_with_key(authenticator(), USUAL | KEY_EXCH, b"k" * size)
    assert caught.value.status is Status.INVALID_PARAMETER


def test_key_is_exchanged_only_where_signing_or_sealing_is_agreed(authenticator: Make) -> None:
    auth = authenticator()
    neither = USUAL & ~SIGN | KEY_EXCH
    exchange, _, challenge, info = start(auth, neither)
    nt, base = ntlmv2(challenge, info)
    assert exchange.step(authenticate(neither, nt, key=b"\0")).session_key == base
    assert finish_with_key(auth, USUAL | KEY_EXCH, b"k" * 16).session_key not in (base, b"k" * 16)


def mic_pair(info: bytes) -> bytes:
    """The target info with MsvAvFlags saying that there is a MIC."""
    return pack("<HHI", 6, 4, 2) + info


@pytest.mark.parametrize("head", [80, 88], ids=["without version", "with version"])
def test_announced_mic_is_verified(authenticator: Make, head: int) -> None:
    auth = authenticator()
    for good in (True, False):
        exchange = auth.begin()
        first = negotiate(USUAL)
        reply = exchange.step(first).reply
        _, challenge, info = challenge_of(reply)
        nt, key = ntlmv2(challenge, mic_pair(info))
        message = bytearray(authenticate(USUAL, nt, head=head))
        mic = md5_mac(key, first + reply + message)
        message[head - 16 : head] = mic if good else mic[:-1] + bytes([mic[-1] ^ 1])
        if good:
            assert exchange.step(message).done
        else:
            assert status_of(exchange, bytes(message)) is Status.LOGON_FAILURE


@pytest.mark.parametrize("head", [64, 72, 88])
def test_announced_mic_must_be_there(authenticator: Make, head: int) -> None:
    exchange, _, challenge, info = start(authenticator())
    nt, _ = ntlmv2(challenge, mic_pair(info))
    assert status_of(exchange, authenticate(USUAL, nt, head=head)) is Status.LOGON_FAILURE


def test_mic_that_is_not_announced_is_not_looked_at(authenticator: Make) -> None:
    exchange, _, challenge, info = start(authenticator())
    nt, _ = ntlmv2(challenge, info)
    assert exchange.step(authenticate(USUAL, nt, head=88)).done


def test_all_zero_channel_bindings_do_not_pass_for_the_right_ones(authenticator: Make) -> None:
    data = b"tls-server-end-point:x"
    good = hashlib.md5(bytes(16) + pack("<I", len(data)) + data).digest()
    for value, works in ((good, True), (bytes(16), False), (b"", False)):
        exchange = authenticator().begin(data)
        _, challenge, info = challenge_of(exchange.step(negotiate(USUAL)).reply)
        nt, _ = ntlmv2(challenge, pack("<HH", 10, len(value)) + value + info)
        if works:
            assert exchange.step(authenticate(USUAL, nt)).done
        else:
            assert status_of(exchange, authenticate(USUAL, nt)) is Status.LOGON_FAILURE


def test_type_3_first_and_type_1_twice_are_malformed(authenticator: Make) -> None:
    nt, _ = ntlmv2(bytes(8), bytes(4))
    assert status_of(authenticator().begin(), authenticate(USUAL, nt)) is Status.INVALID_PARAMETER
    assert status_of(start(authenticator())[0], negotiate(USUAL)) is Status.INVALID_PARAMETER


def test_domain_is_under_the_proof(authenticator: Make) -> None:
    exchange, _, challenge, info = start(authenticator())
    nt, _ = ntlmv2(challenge, info, domain="ONE")
    assert status_of(exchange, authenticate(USUAL, nt, domain="TWO")) is Status.LOGON_FAILURE
