"""Negotiate contexts of dialect 3.1.1  [MS-SMB2 2.2.3.1, 2.2.4.1].

Each class decodes and encodes the Data of one ContextType. Whether lists are empty, doubled or useless is for
the negotiation to judge; here they only must fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from struct import Struct
from typing import TYPE_CHECKING, ClassVar, Final, Self, TypeAlias

from smbcore.wire.reader import block, decode_utf16, unpack
from smbcore.wire.writer import encode_utf16, padding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smbcore.wire.types import Buffer

_CONTEXT = Struct("<HH4x")  # ContextType, DataLength, Reserved
_COUNT = Struct("<H")
_PREAUTH = Struct("<HH")  # HashAlgorithmCount, SaltLength
_COMPRESSION = Struct("<HxxI")  # CompressionAlgorithmCount, Padding, Flags
_RDMA = Struct("<H6x")  # TransformCount, Reserved1, Reserved2
_FLAGS = Struct("<I")


class ContextType(IntEnum):
    """ContextType of a negotiate context."""

    PREAUTH_INTEGRITY_CAPABILITIES = 0x0001
    ENCRYPTION_CAPABILITIES = 0x0002
    COMPRESSION_CAPABILITIES = 0x0003
    NETNAME_NEGOTIATE_CONTEXT_ID = 0x0005
    TRANSPORT_CAPABILITIES = 0x0006
    RDMA_TRANSFORM_CAPABILITIES = 0x0007
    SIGNING_CAPABILITIES = 0x0008


class HashAlgorithm(IntEnum):
    """Preauthentication integrity hashes."""

    SHA_512 = 0x0001


class Cipher(IntEnum):
    """Encryption algorithms; NONE answers that there is no common one."""

    NONE = 0x0000
    AES_128_CCM = 0x0001
    AES_128_GCM = 0x0002
    AES_256_CCM = 0x0003
    AES_256_GCM = 0x0004


class CompressionAlgorithm(IntEnum):
    """Compression algorithms."""

    NONE = 0x0000
    LZNT1 = 0x0001
    LZ77 = 0x0002
    LZ77_HUFFMAN = 0x0003
    PATTERN_V1 = 0x0004
    LZ4 = 0x0005


class CompressionFlags(IntFlag):
    """Flags of the compression capabilities."""

    NONE = 0x0000_0000
    CHAINED = 0x0000_0001


class TransportFlags(IntFlag):
    """Flags of the transport capabilities."""

    ACCEPT_TRANSPORT_LEVEL_SECURITY = 0x0000_0001


class RdmaTransformId(IntEnum):
    """Transforms of data that goes by RDMA."""

    NONE = 0x0000
    ENCRYPTION = 0x0001
    SIGNING = 0x0002


class SigningAlgorithm(IntEnum):
    """Signing algorithms."""

    HMAC_SHA256 = 0x0000
    AES_CMAC = 0x0001
    AES_GMAC = 0x0002


def _decode_ids(view: memoryview, offset: int, count: int) -> list[int]:
    return list(unpack(Struct(f"<{count}H"), view, offset))


def _encode_ids(ids: Sequence[int]) -> bytes:
    return Struct(f"<{len(ids)}H").pack(*ids)


@dataclass(slots=True)
class Preauth:
    """SMB2_PREAUTH_INTEGRITY_CAPABILITIES  [MS-SMB2 2.2.3.1.1]."""

    context_type: ClassVar[int] = ContextType.PREAUTH_INTEGRITY_CAPABILITIES
    hash_algorithms: list[int]
    salt: Buffer = b""

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Read the context's data; raises WireError."""
        view = memoryview(data)
        count, salt_length = unpack(_PREAUTH, view)
        hashes = _decode_ids(view, _PREAUTH.size, count)
        return cls(hashes, block(view, _PREAUTH.size + 2 * count, salt_length))

    def encode(self) -> bytes:
        """Return the context's data."""
        head = _PREAUTH.pack(len(self.hash_algorithms), len(self.salt))
        return head + _encode_ids(self.hash_algorithms) + self.salt


@dataclass(slots=True)
class Encryption:
    """SMB2_ENCRYPTION_CAPABILITIES  [MS-SMB2 2.2.3.1.2]; ciphers in order of preference."""

    context_type: ClassVar[int] = ContextType.ENCRYPTION_CAPABILITIES
    ciphers: list[int]

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Read the context's data; raises WireError."""
        view = memoryview(data)
        return cls(_decode_ids(view, _COUNT.size, *unpack(_COUNT, view)))

    def encode(self) -> bytes:
        """Return the context's data."""
        return _COUNT.pack(len(self.ciphers)) + _encode_ids(self.ciphers)


@dataclass(slots=True)
class Compression:
    """SMB2_COMPRESSION_CAPABILITIES  [MS-SMB2 2.2.3.1.3]; flags CompressionFlags."""

    context_type: ClassVar[int] = ContextType.COMPRESSION_CAPABILITIES
    algorithms: list[int]
    flags: int = 0

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Read the context's data; raises WireError."""
        view = memoryview(data)
        count, flags = unpack(_COMPRESSION, view)
        return cls(_decode_ids(view, _COMPRESSION.size, count), flags)

    def encode(self) -> bytes:
        """Return the context's data."""
        return _COMPRESSION.pack(len(self.algorithms), self.flags) + _encode_ids(self.algorithms)


@dataclass(slots=True)
class Netname:
    """SMB2_NETNAME_NEGOTIATE_CONTEXT_ID  [MS-SMB2 2.2.3.1.4]: the server name the client was given."""

    context_type: ClassVar[int] = ContextType.NETNAME_NEGOTIATE_CONTEXT_ID
    name: str

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Read the context's data; raises WireError."""
        return cls(decode_utf16(data))

    def encode(self) -> bytes:
        """Return the context's data."""
        return encode_utf16(self.name)


@dataclass(slots=True)
class Transport:
    """SMB2_TRANSPORT_CAPABILITIES  [MS-SMB2 2.2.3.1.5]; flags TransportFlags."""

    context_type: ClassVar[int] = ContextType.TRANSPORT_CAPABILITIES
    flags: int = 0

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Read the context's data; raises WireError."""
        return cls(*unpack(_FLAGS, data))

    def encode(self) -> bytes:
        """Return the context's data."""
        return _FLAGS.pack(self.flags)


@dataclass(slots=True)
class RdmaTransform:
    """SMB2_RDMA_TRANSFORM_CAPABILITIES  [MS-SMB2 2.2.3.1.6]."""

    context_type: ClassVar[int] = ContextType.RDMA_TRANSFORM_CAPABILITIES
    transforms: list[int]

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Read the context's data; raises WireError."""
        view = memoryview(data)
        return cls(_decode_ids(view, _RDMA.size, *unpack(_RDMA, view)))

    def encode(self) -> bytes:
        """Return the context's data."""
        return _RDMA.pack(len(self.transforms)) + _encode_ids(self.transforms)


@dataclass(slots=True)
class Signing:
    """SMB2_SIGNING_CAPABILITIES  [MS-SMB2 2.2.3.1.7]; algorithms in order of preference."""

    context_type: ClassVar[int] = ContextType.SIGNING_CAPABILITIES
    algorithms: list[int]

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Read the context's data; raises WireError."""
        view = memoryview(data)
        return cls(_decode_ids(view, _COUNT.size, *unpack(_COUNT, view)))

    def encode(self) -> bytes:
        """Return the context's data."""
        return _COUNT.pack(len(self.algorithms)) + _encode_ids(self.algorithms)


@dataclass(slots=True)
class Unknown:
    """A context of a type that has no class here; receivers ignore it."""

    context_type: int
    data: Buffer

    def encode(self) -> bytes:
        """Return the context's data."""
        return bytes(self.data)


NegotiateContext: TypeAlias = (
    Preauth | Encryption | Compression | Netname | Transport | RdmaTransform | Signing | Unknown
)

_KNOWN: Final = {
    kind.context_type: kind.decode
    for kind in (
        Preauth,
        Encryption,
        Compression,
        Netname,
        Transport,
        RdmaTransform,
        Signing,
    )
}


def decode_contexts(data: memoryview, count: int) -> list[NegotiateContext]:
    """Read `count` contexts, each 8-byte aligned, from the start of `data`; raises WireError."""
    contexts: list[NegotiateContext] = []
    offset = 0
    for _ in range(count):
        kind, length = unpack(_CONTEXT, data, offset)
        offset += _CONTEXT.size
        content = block(data, offset, length)
        decode = _KNOWN.get(kind)
        contexts.append(decode(content) if decode else Unknown(kind, content))
        offset += length + padding(length)
    return contexts


def encode_contexts(contexts: Sequence[NegotiateContext]) -> bytes:
    """Return the contexts, padded in between to 8 bytes."""
    out = bytearray()
    for context in contexts:
        data = context.encode()
        out += bytes(padding(len(out)))
        out += _CONTEXT.pack(context.context_type, len(data)) + data
    return bytes(out)
