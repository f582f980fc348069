"""Signing and verifying single messages in place  [MS-SMB2 3.1.4.1, 3.1.5.1]."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from struct import Struct

from smbcore.crypto.mac import AesCmac, AesGmac, HmacSha256, Mac
from smbcore.proto.keys import SIGNING_AES_CMAC, SIGNING_AES_GMAC, SIGNING_HMAC_SHA256
from smbcore.wire.header import CANCEL, SIGNATURE_END, SIGNATURE_OFFSET, mark_signed, unpack_signed_fields

_ZEROS = bytes(16)
_NONCE = Struct("<QI")
_SERVER = 1
_CANCELS = 2

_MACS: dict[int, Callable[[bytes], Mac]] = {
    SIGNING_HMAC_SHA256: HmacSha256,
    SIGNING_AES_CMAC: AesCmac,
    SIGNING_AES_GMAC: AesGmac,
}
ALGORITHM_NAMES = {
    SIGNING_HMAC_SHA256: "HMAC-SHA256",
    SIGNING_AES_CMAC: "AES-128-CMAC",
    SIGNING_AES_GMAC: "AES-128-GMAC",
}


class Signer:
    """One key of one channel, for both directions."""

    __slots__ = ("_mac", "algorithm")

    def __init__(self, algorithm: int, key: bytes) -> None:
        self.algorithm = algorithm
        self._mac: Mac = _MACS[algorithm](key)

    def sign(self, message: bytearray | memoryview, *, is_server: bool, payload: memoryview | None = None) -> None:
        """Set the SIGNED flag and the signature of `message` in place; `payload` is signed as if it followed."""
        mark_signed(message)
        message[SIGNATURE_OFFSET:SIGNATURE_END] = _ZEROS
        parts = (message,) if payload is None else (message, payload)
        message[SIGNATURE_OFFSET:SIGNATURE_END] = self._mac.sign(parts, _nonce(message, is_server=is_server))

    def verify(self, message: memoryview, *, from_server: bool) -> bool:
        """Tell whether the signature of `message` is right, in constant time."""
        parts = (message[:SIGNATURE_OFFSET], _ZEROS, message[SIGNATURE_END:])
        wanted = self._mac.sign(parts, _nonce(message, is_server=from_server))
        return hmac.compare_digest(wanted, bytes(message[SIGNATURE_OFFSET:SIGNATURE_END]))


def _nonce(message: bytearray | memoryview, *, is_server: bool) -> bytes:
    """Return the GMAC nonce: the message id, then who sends it and whether it cancels  [MS-SMB2 3.1.4.1]."""
    command, message_id = unpack_signed_fields(message)
    return _NONCE.pack(message_id, (_SERVER if is_server else 0) | (_CANCELS if command == CANCEL else 0))
