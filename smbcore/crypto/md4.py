"""MD4 (RFC 1320): OpenSSL 3 no longer offers it, and an NT hash is the MD4 of the password in UTF-16LE."""

from __future__ import annotations

from struct import Struct

_MASK = 0xFFFFFFFF
_WORDS = Struct("<16I")
_STATE = Struct("<4I")
_INITIAL = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476)

# Per round: the order in which it reads the 16 words, its four rotations, its additive constant (RFC 1320 3.4).
_ORDER_1 = tuple(range(16))
_ORDER_2 = (0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15)
_ORDER_3 = (0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15)
_SHIFTS_1 = (3, 7, 11, 19) * 4
_SHIFTS_2 = (3, 5, 9, 13) * 4
_SHIFTS_3 = (3, 9, 11, 15) * 4


def md4(data: bytes) -> bytes:
    """The 16-byte MD4 digest of `data`. Broken as a hash; here only because NTLM is built on it."""
    padding = b"\x80" + bytes(-(len(data) + 9) % 64)
    message = data + padding + (8 * len(data) & (2**64 - 1)).to_bytes(8, "little")
    state: tuple[int, ...] = _INITIAL
    for block in _WORDS.iter_unpack(message):
        state = _compress(state, block)
    return _STATE.pack(*state)


def _compress(state: tuple[int, ...], words: tuple[int, ...]) -> tuple[int, ...]:
    # Each step computes the new `a`; renaming the four registers replaces the RFC's permuted calls.
    a, b, c, d = state
    for k, s in zip(_ORDER_1, _SHIFTS_1, strict=True):
        t = (a + (b & c | ~b & d) + words[k]) & _MASK
        a, b, c, d = d, (t << s | t >> (32 - s)) & _MASK, b, c
    for k, s in zip(_ORDER_2, _SHIFTS_2, strict=True):
        t = (a + (b & c | b & d | c & d) + words[k] + 0x5A827999) & _MASK
        a, b, c, d = d, (t << s | t >> (32 - s)) & _MASK, b, c
    for k, s in zip(_ORDER_3, _SHIFTS_3, strict=True):
        t = (a + (b ^ c ^ d) + words[k] + 0x6ED9EBA1) & _MASK
        a, b, c, d = d, (t << s | t >> (32 - s)) & _MASK, b, c
    return tuple((x + y) & _MASK for x, y in zip(state, (a, b, c, d), strict=True))


def nt_hash(password: str) -> bytes:
    """NTOWFv1: the MD4 of the password in UTF-16LE  [MS-NLMP 3.3.1]."""
    return md4(password.encode("utf-16-le", "surrogatepass"))
