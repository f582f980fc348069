"""Message authentication codes for signing: HMAC-SHA256, AES-CMAC, AES-GMAC  [MS-SMB2 3.1.4.1].

A message comes as a sequence of parts, so that header and payload need not lie in one buffer. Which path
computes the code depends on the size, the result never does; the limits below were measured.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import Protocol

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.cmac import CMAC

Buffer = bytes | bytearray | memoryview

MAC_SIZE = 16
_BLOCK = 16
_CMAC_LIMIT = 8 * 1024  # above it the CMAC class would hold the interpreter lock for too long
_CHUNK = 32 * 1024  # what the CBC path encrypts at once: the scratch output stays in the L1/L2 cache
_JOIN_LIMIT = 16 * 1024  # up to here joining the parts is cheaper than an incremental context


class Mac(Protocol):
    """One signing key."""

    def sign(self, parts: Sequence[Buffer], nonce12: bytes) -> bytes:
        """The 16-byte code over the concatenated `parts`; `nonce12` is used by GMAC only."""
        ...


def _one(parts: Sequence[Buffer]) -> Buffer:
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _total(parts: Sequence[Buffer]) -> int:
    return sum(map(len, parts))


class HmacSha256:
    """HMAC-SHA256 cut to 16 bytes: dialects 2.0.2 and 2.1, and 3.1.1 when negotiated."""

    __slots__ = ("_keyed",)

    def __init__(self, key: bytes) -> None:
        self._keyed = hmac.new(key, digestmod="sha256")

    def sign(self, parts: Sequence[Buffer], nonce12: bytes = b"") -> bytes:
        code = self._keyed.copy()
        for part in parts:
            code.update(part)
        return code.digest()[:MAC_SIZE]


class AesCmac:
    """AES-128-CMAC (RFC 4493): dialects 3.0 and 3.0.2, and the default of 3.1.1."""

    __slots__ = ("_cbc", "_k1", "_k2", "_keyed", "_scratch")

    def __init__(self, key: bytes) -> None:
        aes = algorithms.AES(key)
        self._keyed = CMAC(aes)
        self._cbc = Cipher(aes, modes.CBC(bytes(_BLOCK)))
        # The AES of one block equals CBC with a zero IV, so the subkeys need no ECB.
        self._k1 = _double(self._cbc.encryptor().update(bytes(_BLOCK)))
        self._k2 = _double(self._k1)
        # Write-only; threads sharing it cannot disturb each other, the code is read from a buffer of its own.
        self._scratch = bytearray()

    def sign(self, parts: Sequence[Buffer], nonce12: bytes = b"") -> bytes:
        total = _total(parts)
        if total > _CMAC_LIMIT:
            return self._sign_large(parts, total)
        code = self._keyed.copy()
        for part in parts:
            code.update(part)  # type: ignore[arg-type]  # takes any buffer, says bytes
        return code.finalize()

    def _sign_large(self, parts: Sequence[Buffer], total: int) -> bytes:
        """CMAC is CBC-MAC whose last block is masked: encrypt all but that, drop the output, then the last block."""
        if not self._scratch:
            self._scratch = bytearray(_CHUNK + _BLOCK)
        cbc, scratch = self._cbc.encryptor(), self._scratch
        body = total - (total % _BLOCK or _BLOCK)
        tail = b""
        for part in parts:
            view = memoryview(part)
            for start in range(0, min(len(view), body), _CHUNK):
                cbc.update_into(view[start : min(start + _CHUNK, body)], scratch)
            if len(view) > body:
                tail += bytes(view[body:])
            body = max(0, body - len(view))
        return cbc.update(self._masked(tail))

    def _masked(self, tail: bytes) -> bytes:
        if len(tail) == _BLOCK:
            return _xor(tail, self._k1)
        return _xor((tail + b"\x80").ljust(_BLOCK, b"\0"), self._k2)


class AesGmac:
    """AES-128-GMAC (SP800-38D): GCM that encrypts nothing and authenticates the message."""

    __slots__ = ("_aes", "_gcm")

    def __init__(self, key: bytes) -> None:
        self._aes = algorithms.AES(key)
        self._gcm = AESGCM(key)

    def sign(self, parts: Sequence[Buffer], nonce12: bytes) -> bytes:
        if len(parts) == 1 or _total(parts) <= _JOIN_LIMIT:
            return self._gcm.encrypt(nonce12, b"", _one(parts))
        code = Cipher(self._aes, modes.GCM(nonce12)).encryptor()
        for part in parts:
            code.authenticate_additional_data(part)
        code.finalize()
        return code.tag


def _double(block: bytes) -> bytes:
    """Multiply by x in GF(2^128), the subkey step of RFC 4493 2.3."""
    value = int.from_bytes(block, "big") << 1
    if value >> 128:
        value = (value & ((1 << 128) - 1)) ^ 0x87
    return value.to_bytes(_BLOCK, "big")


def _xor(a: bytes, b: bytes) -> bytes:
    return (int.from_bytes(a, "big") ^ int.from_bytes(b, "big")).to_bytes(_BLOCK, "big")
