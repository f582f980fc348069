"""Sealing and opening whole frames with the transform header  [MS-SMB2 2.2.41, 3.1.4.3, 3.1.5.1].

A nonce is never used twice with one key: each direction has its own key, and the sealing side counts up from zero; a
session shares one `Sealer` between all its channels. The counter has 64 bits and refuses to wrap.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct

from smbcore.crypto.aead import make_aead
from smbcore.proto.errors import ProtocolViolation

TRANSFORM_SIZE = 52
_PROTOCOL_ID = b"\xfdSMB"
_SIGNATURE_END = 20
_TAIL = Struct("<16sIHHQ")  # Nonce, OriginalMessageSize, Reserved, Flags = 1 (encrypted), SessionId
_TAG = 16
_LAST_NONCE = 2**64 - 1
CIPHER_NAMES = {1: "AES-128-CCM", 2: "AES-128-GCM", 3: "AES-256-CCM", 4: "AES-256-GCM"}


class Sealer:
    """Seal frames of one session in one direction."""

    __slots__ = ("_aead", "_counter", "_nonce_size", "_session_id", "cipher")

    def __init__(self, cipher: int, key: bytes, session_id: int) -> None:
        self.cipher = cipher
        self._aead = make_aead(cipher, key)
        self._nonce_size = self._aead.nonce_size
        self._session_id = session_id
        self._counter = 0

    def seal(self, parts: Sequence[bytes | bytearray | memoryview]) -> bytearray:
        """Return a transform message (header and ciphertext) of the concatenated `parts`.

        Raises ProtocolViolation once every nonce of the key has been used.
        """
        if self._counter >= _LAST_NONCE:
            raise ProtocolViolation("encryption nonces are used up")
        nonce = self._counter.to_bytes(self._nonce_size, "little")
        self._counter += 1
        plaintext = parts[0] if len(parts) == 1 else b"".join(parts)
        size = len(plaintext)
        message = bytearray(TRANSFORM_SIZE + size + _TAG)
        message[0:4] = _PROTOCOL_ID
        _TAIL.pack_into(message, _SIGNATURE_END, nonce, size, 0, 1, self._session_id)
        view = memoryview(message)
        self._aead.encrypt_into(nonce, plaintext, view[_SIGNATURE_END:TRANSFORM_SIZE], view[TRANSFORM_SIZE:])
        view[4:_SIGNATURE_END] = view[TRANSFORM_SIZE + size :]
        view.release()
        del message[TRANSFORM_SIZE + size :]
        return message


class Unsealer:
    """Open frames of one session in one direction."""

    __slots__ = ("_aead", "_nonce_size")

    def __init__(self, cipher: int, key: bytes) -> None:
        self._aead = make_aead(cipher, key)
        self._nonce_size = self._aead.nonce_size

    def open(self, frame: memoryview) -> memoryview:
        """Return the plaintext of a transform message.

        Raises ProtocolViolation where the header lies or the tag does not match.
        """
        _, size, _, flags, _ = _TAIL.unpack_from(frame, _SIGNATURE_END)
        if flags != 1 or size != len(frame) - TRANSFORM_SIZE:
            raise ProtocolViolation(f"transform header: flags {flags}, {size} of {len(frame) - TRANSFORM_SIZE} bytes")
        nonce = bytes(frame[_SIGNATURE_END : _SIGNATURE_END + self._nonce_size])
        sealed = bytearray(size + _TAG)
        sealed[:size] = frame[TRANSFORM_SIZE:]
        sealed[size:] = frame[4:_SIGNATURE_END]
        try:
            return memoryview(self._aead.decrypt(nonce, sealed, bytes(frame[_SIGNATURE_END:TRANSFORM_SIZE])))
        except Exception as error:
            raise ProtocolViolation(f"decryption failed: {error!r}") from error


def transform_session_id(frame: memoryview) -> int:
    """Return the session id that a transform header names.  Raises ProtocolViolation where it is cut short."""
    if len(frame) < TRANSFORM_SIZE:
        raise ProtocolViolation(f"transform message of {len(frame)} bytes")
    session_id: int = _TAIL.unpack_from(frame, _SIGNATURE_END)[4]
    return session_id
