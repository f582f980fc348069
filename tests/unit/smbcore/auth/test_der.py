"""The look at a token's ASN.1: everything real passes, everything costly does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from smbcore.auth.der import MAX_ELEMENTS, MAX_OID, check_token
from smbcore.nt.errors import WireError

RECORDED = json.loads((Path(__file__).parents[3] / "data" / "auth" / "recorded.json").read_text())
TOKENS = [t for e in RECORDED["exchanges"] for t in e["tokens"] + e["replies"] if t]
SPNEGO = bytes.fromhex("06062b0601050502")


def element(tag: int, content: bytes) -> bytes:
    size = len(content)
    return bytes([tag]) + (bytes([size]) if size < 128 else b"\x84" + size.to_bytes(4, "big")) + content


def init(mechs: bytes) -> bytes:
    return element(0x60, SPNEGO + element(0xA0, element(0x30, element(0xA0, element(0x30, mechs)))))


@pytest.mark.parametrize("token", TOKENS)
def test_recorded_tokens_pass(token: str) -> None:
    check_token(bytes.fromhex(token))


def test_a_bare_token_of_another_mechanism_passes_unread() -> None:
    check_token(element(0x60, bytes.fromhex("06092a864886f712010202") + b"\x01\x00 whatever it is"))


@pytest.mark.parametrize(
    "token",
    [
        b"",
        b"\x60",
        b"\x60\x80",
        b"\x60\x85" + bytes(5),
        b"\x60\x84\xff\xff\xff\xff",
        b"\x60\x05abc",
        b"\x7f" + b"\xff" * 1000,
        element(0x60, b""),
        element(0x60, element(0x06, b"")),
        element(0x60, element(0x04, b"text")),
        element(0x60, element(0x06, b"\x2b" * (MAX_OID + 1))),
        init(element(0x06, b"\x2b" * (MAX_OID + 1))),
        init(element(0x06, b"\x2b\x01") * MAX_ELEMENTS),
        b"\xa0\x80" * 50,
        element(0xA1, element(0x30, b"\xa0\x05\x0a")),
    ],
)
def test_cut_endless_or_costly_tokens_are_wire_errors(token: bytes) -> None:
    with pytest.raises(WireError):
        check_token(token)


def test_nesting_has_a_limit() -> None:
    token = b""
    for _ in range(20):
        token = element(0xA0, token)
    with pytest.raises(WireError):
        check_token(token)
