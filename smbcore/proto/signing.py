"""Signing and verifying single messages in place  [MS-SMB2 3.1.4.1, 3.1.5.1]."""

from __future__ import annotations

import hmac
from struct import Struct

from smbcore.crypto.mac import AesCmac, AesGmac, HmacSha256, Mac
from smbcore.proto.keys import SIGNING_AES_CMAC, SIGNING_AES_GMAC, SIGNING_HMAC_SHA256

SIGNATURE_OFFSET = 48
SIGNATURE_END = 64
_FLAGS_OFFSET = 16
_MESSAGE_ID_OFFSET = 24
_FLAG_SIGNED = 0x00000008
_CANCEL = 0x000C
_ZEROS = bytes(16)
_FLAGS = Struct("<I")
_COMMAND = Struct("<H")
_NONCE = Struct("<QI")
_MESSAGE_ID = Struct("<Q")

_MACS = {SIGNING_HMAC_SHA256: HmacSha256, SIGNING_AES_CMAC: AesCmac, SIGNING_AES_GMAC: AesGmac}
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
        flags = _FLAGS.unpack_from(message, _FLAGS_OFFSET)[0]
        _FLAGS.pack_into(message, _FLAGS_OFFSET, flags | _FLAG_SIGNED)
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
    message_id = _MESSAGE_ID.unpack_from(message, _MESSAGE_ID_OFFSET)[0]
    cancel = 2 if _COMMAND.unpack_from(message, 12)[0] == _CANCEL else 0
    return _NONCE.pack(message_id, int(is_server) | cancel)
