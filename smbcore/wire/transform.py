"""What stands in front of an encrypted or compressed message  [MS-SMB2 2.2.41, 2.2.42].

Only the headers: ciphers are in `crypto`, algorithms in `compress`.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING, Final, Self

from smbcore.wire.errors import WireError
from smbcore.wire.negotiate_contexts import CompressionAlgorithm
from smbcore.wire.reader import block, unpack

if TYPE_CHECKING:
    from smbcore.wire.types import Buffer

TRANSFORM_SIZE: Final = 52
TRANSFORM_PROTOCOL_ID: Final = b"\xfdSMB"
COMPRESSION_PROTOCOL_ID: Final = b"\xfcSMB"
AAD_OFFSET: Final = 20
"""From here to the end of the transform header the bytes are authenticated: Nonce to SessionId, 32 bytes."""
SIGNATURE_OFFSET: Final = 4
SIGNATURE_END: Final = AAD_OFFSET
FLAG_ENCRYPTED: Final = 0x0001
"""TransformHeader.flags of 3.1.1; in 3.0 and 3.0.2 the same value names AES-128-CCM."""
COMPRESSION_FLAG_CHAINED: Final = 0x0001

_TRANSFORM = Struct("<4s16s16sIxxHQ")
_AUTHENTICATED = Struct("<16sIHHQ")  # Nonce, OriginalMessageSize, Reserved, Flags, SessionId
_UNCHAINED = Struct("<4sIHHI")
_CHAINED = Struct("<4sI")
_PAYLOAD = Struct("<HHI")  # CompressionAlgorithm, Flags, Length
_ORIGINAL_SIZE = Struct("<I")
_PATTERN = Struct("<BxxxI")  # Pattern, Reserved1, Reserved2, Repetitions
_SIZED: Final = frozenset(
    (
        CompressionAlgorithm.LZNT1,
        CompressionAlgorithm.LZ77,
        CompressionAlgorithm.LZ77_HUFFMAN,
        CompressionAlgorithm.LZ4,
    )
)


def pack_transform_into(buf: bytearray | memoryview, offset: int, nonce: bytes, size: int, session_id: int) -> None:
    """Write the header of an encrypted message at `offset` of `buf`, all but its signature.

    nonce  as the cipher takes it, up to 16 bytes;  size  bytes of the message before encryption
    """
    buf[offset : offset + SIGNATURE_OFFSET] = TRANSFORM_PROTOCOL_ID
    _AUTHENTICATED.pack_into(buf, offset + AAD_OFFSET, nonce, size, 0, FLAG_ENCRYPTED, session_id)


def unpack_transform(view: Buffer) -> tuple[bytes, int, int, int]:
    """Return (nonce, original_message_size, flags, session_id) of the header at the start of `view`.

    Neither ProtocolId nor Signature is looked at. Raises WireError where the header is cut short.
    """
    nonce, size, _, flags, session_id = unpack(_AUTHENTICATED, view, AAD_OFFSET)
    return nonce, size, flags, session_id


@dataclass(slots=True)
class TransformHeader:
    """SMB2 TRANSFORM_HEADER  [MS-SMB2 2.2.41].

    signature              16 bytes, the AEAD's tag
    nonce                  16 bytes, of which CCM uses 11 and GCM 12
    original_message_size  bytes of the encrypted message
    flags                  FLAG_ENCRYPTED
    """

    session_id: int
    original_message_size: int
    nonce: bytes
    signature: bytes = bytes(16)
    flags: int = FLAG_ENCRYPTED

    @classmethod
    def decode(cls, view: Buffer) -> Self:
        """Read the header at the start of `view`; raises WireError."""
        protocol, signature, nonce, size, flags, session_id = unpack(_TRANSFORM, view)
        if protocol != TRANSFORM_PROTOCOL_ID:
            raise WireError(f"no transform header: ProtocolId {protocol.hex()}")
        return cls(session_id, size, nonce, signature, flags)

    def encode(self) -> bytes:
        """Return the 52 bytes of the header."""
        return _TRANSFORM.pack(
            TRANSFORM_PROTOCOL_ID, self.signature, self.nonce, self.original_message_size, self.flags, self.session_id,
        )  # fmt: skip

    def encode_into(self, buf: bytearray | memoryview, offset: int = 0) -> None:
        """Write the header at `offset` of `buf`."""
        _TRANSFORM.pack_into(
            buf, offset, TRANSFORM_PROTOCOL_ID, self.signature, self.nonce, self.original_message_size, self.flags,
            self.session_id,
        )  # fmt: skip


@dataclass(slots=True)
class CompressionTransform:
    """SMB2_COMPRESSION_TRANSFORM_HEADER_UNCHAINED and its data  [MS-SMB2 2.2.42.1].

    original_size  bytes of `data` before compression
    algorithm      CompressionAlgorithm
    plain          the start of the message, which is not compressed
    data           the compressed rest
    """

    original_size: int
    algorithm: int
    plain: Buffer
    data: Buffer

    @classmethod
    def decode(cls, view: memoryview) -> Self:
        """Read a whole compressed message; raises WireError."""
        _protocol, original_size, algorithm, _flags, offset = unpack(_UNCHAINED, view)
        content = view[_UNCHAINED.size :]
        plain = block(content, 0, offset)
        return cls(original_size, algorithm, plain, content[offset:])

    def encode(self) -> bytes:
        """Return the whole compressed message."""
        head = _UNCHAINED.pack(COMPRESSION_PROTOCOL_ID, self.original_size, self.algorithm, 0, len(self.plain))
        return b"".join((head, self.plain, self.data))


@dataclass(slots=True)
class ChainedPayload:
    """SMB2_COMPRESSION_CHAINED_PAYLOAD_HEADER and its data  [MS-SMB2 2.2.42.2.1].

    original_size  bytes before compression; only the LZ algorithms carry it, elsewhere it is 0
    """

    algorithm: int
    data: Buffer
    original_size: int = 0

    def encode(self, *, first: bool) -> bytes:
        """Return the payload with its header; only the first of a chain is flagged."""
        sized = _ORIGINAL_SIZE.pack(self.original_size) if self.algorithm in _SIZED else b""
        flags = COMPRESSION_FLAG_CHAINED if first else 0
        return b"".join((_PAYLOAD.pack(self.algorithm, flags, len(sized) + len(self.data)), sized, self.data))


@dataclass(slots=True)
class ChainedCompression:
    """SMB2_COMPRESSION_TRANSFORM_HEADER_CHAINED  [MS-SMB2 2.2.42.2]; original_size of the whole message."""

    original_size: int
    payloads: list[ChainedPayload]

    @classmethod
    def decode(cls, view: memoryview) -> Self:
        """Read a whole compressed message; raises WireError."""
        _protocol, original_size = unpack(_CHAINED, view)
        payloads = []
        offset = _CHAINED.size
        while offset < len(view):
            algorithm, _flags, length = unpack(_PAYLOAD, view, offset)
            offset += _PAYLOAD.size
            payloads.append(_decode_payload(algorithm, block(view, offset, length)))
            offset += length
        return cls(original_size, payloads)

    def encode(self) -> bytes:
        """Return the whole compressed message."""
        head = _CHAINED.pack(COMPRESSION_PROTOCOL_ID, self.original_size)
        return head + b"".join(payload.encode(first=not index) for index, payload in enumerate(self.payloads))


def _decode_payload(algorithm: int, data: memoryview) -> ChainedPayload:
    if algorithm not in _SIZED:
        return ChainedPayload(algorithm, data)
    (original_size,) = unpack(_ORIGINAL_SIZE, data)
    return ChainedPayload(algorithm, data[_ORIGINAL_SIZE.size :], original_size)


@dataclass(slots=True)
class PatternPayload:
    """SMB2_COMPRESSION_PATTERN_PAYLOAD_V1  [MS-SMB2 2.2.42.2.2]: one byte, repeated."""

    pattern: int
    repetitions: int

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Read the data of a PATTERN_V1 payload; raises WireError."""
        return cls(*unpack(_PATTERN, data))

    def encode(self) -> bytes:
        """Return the data of a PATTERN_V1 payload."""
        return _PATTERN.pack(self.pattern, self.repetitions)


def decode_compressed(view: memoryview) -> CompressionTransform | ChainedCompression:
    """Read a compressed message of either form, by the Flags behind its first algorithm; raises WireError."""
    protocol, _size, _algorithm, flags, _offset = unpack(_UNCHAINED, view)
    if protocol != COMPRESSION_PROTOCOL_ID:
        raise WireError(f"no compression transform: ProtocolId {protocol.hex()}")
    if flags == COMPRESSION_FLAG_CHAINED:
        return ChainedCompression.decode(view)
    if flags:
        raise WireError(f"compression flags {flags:#x}")
    return CompressionTransform.decode(view)
