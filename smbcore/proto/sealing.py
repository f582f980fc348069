"""Sealing and opening whole frames with the transform header  [MS-SMB2 2.2.41, 3.1.4.3, 3.1.5.1].

A nonce is never used twice with one key: each direction has its own key, and the sealing side counts up from zero; a
session shares one `Sealer` between all its channels. The counter has 64 bits and refuses to wrap.

Long before that, a key has protected as much as one key should: the more blocks it encrypts, the better ciphertext can
be told from noise. Whoever owns the key is told once it has done `KEY_LIMIT`; a reserve is left for what is under way
(docs/decisions/0008-keys-wear-out.md). What a peer sealed counts against its key in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from smbcore.crypto.aead import TAG_SIZE, InvalidTag, make_aead
from smbcore.proto.errors import ProtocolViolation
from smbcore.wire.errors import WireError
from smbcore.wire.transform import (
    AAD_OFFSET,
    FLAG_ENCRYPTED,
    SIGNATURE_END,
    SIGNATURE_OFFSET,
    TRANSFORM_SIZE,
    pack_transform_into,
    unpack_transform,
)

KEY_LIMIT: Final = 1 << 52
"""Bytes that one key protects (4 PiB); a message counts as `_OVERHEAD` more, for its header, tag and counter blocks."""
_RESERVE: Final = 1 << 32
_OVERHEAD: Final = 128
_LAST_NONCE = 2**64 - 1
CIPHER_NAMES = {1: "AES-128-CCM", 2: "AES-128-GCM", 3: "AES-256-CCM", 4: "AES-256-GCM"}
_SCRATCH = 16 * 1024


class _LimitedKey:
    """A key that knows how much it may still protect.

    on_spent  called once, when it has done `limit` bytes
    """

    __slots__ = ("_left", "_on_spent")

    def __init__(self, limit: int, on_spent: Callable[[], None] | None) -> None:
        self._left = limit
        self._on_spent = on_spent

    def _spent(self) -> None:
        """The limit is behind us.  Raises ProtocolViolation once the reserve is used up, too."""
        if self._left < -_RESERVE:
            raise ProtocolViolation("the encryption key is used up")
        if self._on_spent is not None:
            on_spent, self._on_spent = self._on_spent, None
            on_spent()


class Sealer(_LimitedKey):
    """Seal frames of one session in one direction.

    limit, on_spent  bytes that the key may protect, and what is called when it has
    """

    __slots__ = ("_aead", "_counter", "_nonce_size", "_session_id", "cipher")

    def __init__(
        self,
        cipher: int,
        key: bytes,
        session_id: int,
        limit: int = KEY_LIMIT,
        on_spent: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(limit, on_spent)
        self.cipher = cipher
        self._aead = make_aead(cipher, key)
        self._nonce_size = self._aead.nonce_size
        self._session_id = session_id
        self._counter = 0

    def seal(self, parts: Sequence[bytes | bytearray | memoryview]) -> bytearray:
        """Return a transform message (header and ciphertext) of the concatenated `parts`.

        Raises ProtocolViolation once the key is used up.
        """
        size = sum(map(len, parts))
        message = bytearray(TRANSFORM_SIZE + size + TAG_SIZE)
        with memoryview(message) as view:
            if len(parts) == 1:
                self._seal(view, TRANSFORM_SIZE, size, parts[0])
            else:
                at = TRANSFORM_SIZE
                for part in parts:
                    view[at : at + len(part)] = part
                    at += len(part)
                self._seal(view, TRANSFORM_SIZE, size, view[TRANSFORM_SIZE:at])
        del message[TRANSFORM_SIZE + size :]
        return message

    def seal_in_place(self, buffer: bytearray, start: int, length: int) -> memoryview:
        """Seal `length` bytes at `start` of `buffer` where they lie; return the view of the transform message.

        There must be room of TRANSFORM_SIZE bytes before `start` for the header, and of TAG_SIZE bytes behind the data,
        which are overwritten. Raises ProtocolViolation once the key is used up.
        """
        view = memoryview(buffer)
        self._seal(view, start, length, view[start : start + length])
        return view[start - TRANSFORM_SIZE : start + length]

    def _seal(self, view: memoryview, start: int, size: int, plaintext: bytes | bytearray | memoryview) -> None:
        """Encrypt `plaintext` to `start` of `view`, and write header and tag before it."""
        counter = self._counter
        if counter >= _LAST_NONCE:
            raise ProtocolViolation("encryption nonces are used up")
        self._counter = counter + 1
        self._left = left = self._left - size - _OVERHEAD
        if left < 0:
            self._spent()
        nonce = counter.to_bytes(self._nonce_size, "little")
        head = start - TRANSFORM_SIZE
        pack_transform_into(view, head, nonce, size, self._session_id)
        end = start + size
        self._aead.encrypt_into(nonce, plaintext, view[head + AAD_OFFSET : start], view[start : end + TAG_SIZE])
        view[head + SIGNATURE_OFFSET : head + SIGNATURE_END] = view[end : end + TAG_SIZE]


class PlaintextBuffer:
    """Where plaintext lies until the next frame is opened.

    Fresh memory for every large frame costs more than the decryption, and a buffer for each session would let a client
    with many of them hold much memory: all sessions of a process share one, frames are worked on one by one.
    """

    __slots__ = ("_view",)

    def __init__(self) -> None:
        self._view = memoryview(bytearray(_SCRATCH))

    def room(self, size: int) -> memoryview:
        """Return `size` bytes to write to; what was returned before is overwritten unless detached."""
        if size > len(self._view):
            self._view = memoryview(bytearray(1 << (size - 1).bit_length()))
        return self._view[:size]

    def detach(self) -> None:
        """Leave the current plaintext to those who hold views of it."""
        self._view = memoryview(bytearray(_SCRATCH))


class Unsealer(_LimitedKey):
    """Open frames of one session in one direction.

    buffer  where the plaintext goes, a new one unless given. Whoever keeps a view of it longer than to the next `open`
            (a request that waits) calls `detach()`
    limit, on_spent  as for a `Sealer`
    """

    __slots__ = ("_aead", "_buffer", "_nonce_size")

    def __init__(
        self,
        cipher: int,
        key: bytes,
        buffer: PlaintextBuffer | None = None,
        limit: int = KEY_LIMIT,
        on_spent: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(limit, on_spent)
        self._aead = make_aead(cipher, key)
        self._nonce_size = self._aead.nonce_size
        self._buffer = PlaintextBuffer() if buffer is None else buffer

    def detach(self) -> None:
        """Leave the current plaintext to those who hold views of it."""
        self._buffer.detach()

    def open(self, frame: memoryview) -> memoryview:
        """Return the plaintext of a transform message, valid until the next call unless detached.

        Raises ProtocolViolation where the header lies or the tag does not match, or once the key is used up.
        """
        nonce, size, flags, _ = _header(frame)
        if flags != FLAG_ENCRYPTED or size != len(frame) - TRANSFORM_SIZE:
            raise ProtocolViolation(f"transform header: flags {flags}, {size} of {len(frame) - TRANSFORM_SIZE} bytes")
        sealed = self._buffer.room(size + TAG_SIZE)
        sealed[:size] = frame[TRANSFORM_SIZE:]
        sealed[size:] = frame[SIGNATURE_OFFSET:SIGNATURE_END]
        plain = sealed[:size]
        try:
            self._aead.decrypt_into(nonce[: self._nonce_size], sealed, frame[AAD_OFFSET:TRANSFORM_SIZE], plain)
        except InvalidTag as error:
            raise ProtocolViolation("decryption failed") from error
        self._left = left = self._left - size - _OVERHEAD
        if left < 0:
            self._spent()
        return plain


def transform_session_id(frame: memoryview) -> int:
    """Return the session id that a transform header names.  Raises ProtocolViolation where it is cut short."""
    return _header(frame)[3]


def _header(frame: memoryview) -> tuple[bytes, int, int, int]:
    try:
        return unpack_transform(frame)
    except WireError as error:
        raise ProtocolViolation(f"transform message of {len(frame)} bytes") from error
