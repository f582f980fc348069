"""SMB2 ERROR Response and what it may carry  [MS-SMB2 2.2.2]."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address
from struct import Struct
from typing import TYPE_CHECKING, Final, Self, TypeAlias

from smbcore.wire.errors import WireError
from smbcore.wire.header import HEADER_SIZE
from smbcore.wire.reader import block, decode_utf16, unpack
from smbcore.wire.writer import encode_utf16, padding

if TYPE_CHECKING:
    from smbcore.wire.reader import BodyReader
    from smbcore.wire.types import Buffer

STRUCTURE_SIZE: Final = 9
DIALECT_WITH_CONTEXTS: Final = 0x0311
SYMLINK_FLAG_RELATIVE: Final = 1
_FIXED = Struct("<HBxI")  # StructureSize, ErrorContextCount, Reserved, ByteCount
_CONTEXT = Struct("<II")  # ErrorDataLength, ErrorId
_SYMLINK = Struct("<IIIHHHHHHI")
_SYMLINK_TAG: Final = 0x4C4D_5953
_REPARSE_TAG_SYMLINK: Final = 0xA000_000C
_NEEDED = Struct("<I")
_REDIRECT = Struct("<IIIIHHI")
_ADDRESS = Struct("<I4x16s")
_REDIRECT_SIZE: Final = 48  # the fixed part with one address, whatever their number
_SHARE_MOVE: Final = 3
_IPV4: Final = 1
_IPV6: Final = 2

EMPTY_ERROR: Final = _FIXED.pack(STRUCTURE_SIZE, 0, 0) + b"\0"
"""The body of an error that carries nothing: what almost every failure and every interim response sends."""


class ErrorId(IntEnum):
    """What an error context holds."""

    DEFAULT = 0x0000_0000
    SHARE_REDIRECT = 0x7264_5253


@dataclass(slots=True)
class ErrorContext:
    """SMB2 ERROR Context Response  [MS-SMB2 2.2.2.1]; dialect 3.1.1."""

    data: Buffer
    error_id: int = ErrorId.DEFAULT


@dataclass(slots=True)
class ErrorResponse:
    """SMB2 ERROR Response  [MS-SMB2 2.2.2].

    data      error data of dialects below 3.1.1
    contexts  error data of dialect 3.1.1, instead
    """

    data: Buffer = b""
    contexts: list[ErrorContext] = field(default_factory=list)

    @classmethod
    def for_dialect(cls, dialect: int, data: Buffer) -> Self:
        """Wrap `data` as this dialect wants it: in an error context from 3.1.1 on."""
        if data and dialect >= DIALECT_WITH_CONTEXTS:
            return cls(contexts=[ErrorContext(data)])
        return cls(data)

    @property
    def payload(self) -> Buffer:
        """The error data, whether it came in a context or not."""
        return self.contexts[0].data if self.contexts else self.data

    @classmethod
    def decode(cls, r: BodyReader) -> Self:
        """Read the body; raises WireError."""
        count, length = r.fixed(_FIXED, STRUCTURE_SIZE)
        data = r.block(HEADER_SIZE + _FIXED.size, length)
        if count:
            return cls(contexts=_decode_contexts(data, count))
        return cls(data)

    def encode(self) -> bytes:
        """Return the body: at least one byte follows the fixed part, even when ByteCount is 0."""
        data = _encode_contexts(self.contexts) if self.contexts else bytes(self.data)
        return _FIXED.pack(STRUCTURE_SIZE, len(self.contexts), len(data)) + (data or b"\0")


def _decode_contexts(data: memoryview, count: int) -> list[ErrorContext]:
    contexts = []
    offset = 0
    for _ in range(count):
        length, error_id = unpack(_CONTEXT, data, offset)
        offset += _CONTEXT.size
        contexts.append(ErrorContext(block(data, offset, length), error_id))
        offset += length + padding(length)
    return contexts


def _encode_contexts(contexts: list[ErrorContext]) -> bytes:
    out = bytearray()
    for context in contexts:
        out += bytes(padding(len(out)))
        out += _CONTEXT.pack(len(context.data), context.error_id)
        out += context.data
    return bytes(out)


@dataclass(slots=True)
class SymlinkError:
    """Symbolic Link Error Response, the data of STATUS_STOPPED_ON_SYMLINK  [MS-SMB2 2.2.2.2.1].

    unparsed_path_length  bytes of the requested name, as UTF-16, behind the link
    substitute_name       the target; print_name is its form for people
    flags                 SYMLINK_FLAG_RELATIVE or 0 for an absolute target
    """

    unparsed_path_length: int
    substitute_name: str
    print_name: str
    flags: int = 0

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Read the error data; raises WireError."""
        view = memoryview(data)
        fields = unpack(_SYMLINK, view)
        length, tag, reparse_tag, _reparse_length, unparsed, *names, flags = fields
        if tag != _SYMLINK_TAG or reparse_tag != _REPARSE_TAG_SYMLINK:
            raise WireError(f"no symbolic link error: tags {tag:#x}, {reparse_tag:#x}")
        if length + 4 < _SYMLINK.size:
            raise WireError(f"symbolic link error of {length} bytes")
        paths = block(view, 0, length + 4)[_SYMLINK.size :]
        substitute = decode_utf16(block(paths, names[0], names[1]))
        return cls(unparsed, substitute, decode_utf16(block(paths, names[2], names[3])), flags)

    def encode(self) -> bytes:
        """Return the error data."""
        substitute = encode_utf16(self.substitute_name)
        print_name = encode_utf16(self.print_name)
        size = len(substitute) + len(print_name)
        head = _SYMLINK.pack(
            _SYMLINK.size - 4 + size, _SYMLINK_TAG, _REPARSE_TAG_SYMLINK, 12 + size, self.unparsed_path_length,
            0, len(substitute), len(substitute), len(print_name), self.flags,
        )  # fmt: skip
        return head + substitute + print_name


@dataclass(slots=True)
class BufferNeeded:
    """Error data of STATUS_BUFFER_TOO_SMALL: how many bytes the answer needs  [MS-SMB2 2.2.2.2]."""

    size: int

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Read the error data; raises WireError."""
        return cls(*unpack(_NEEDED, data))

    def encode(self) -> bytes:
        """Return the error data."""
        return _NEEDED.pack(self.size)


IpAddress: TypeAlias = IPv4Address | IPv6Address


@dataclass(slots=True)
class ShareRedirect:
    """Share Redirect Error Context Response, with STATUS_BAD_NETWORK_NAME  [MS-SMB2 2.2.2.2.2]."""

    resource_name: str
    addresses: list[IpAddress]

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Read the context's data; raises WireError."""
        view = memoryview(data)
        size, kind, offset, length, _flags, _target, count = unpack(_REDIRECT, view)
        if size < _REDIRECT_SIZE or kind != _SHARE_MOVE:
            raise WireError(f"no share redirect: size {size}, type {kind}")
        table = block(view, _REDIRECT.size, count * _ADDRESS.size)
        addresses = [_decode_address(*fields) for fields in _ADDRESS.iter_unpack(table)]
        return cls(
            decode_utf16(block(view, offset, length, _REDIRECT.size + len(table))),
            addresses,
        )

    def encode(self) -> bytes:
        """Return the context's data."""
        name = encode_utf16(self.resource_name)
        table = b"".join(_encode_address(address) for address in self.addresses)
        offset = _REDIRECT.size + len(table)
        return (
            _REDIRECT.pack(
                _REDIRECT_SIZE,
                _SHARE_MOVE,
                offset,
                len(name),
                0,
                0,
                len(self.addresses),
            )
            + table
            + name
        )


def _decode_address(kind: int, raw: bytes) -> IpAddress:
    if kind == _IPV4:
        return IPv4Address(raw[:4])
    if kind == _IPV6:
        return IPv6Address(raw)
    raise WireError(f"address of type {kind}")


def _encode_address(address: IpAddress) -> bytes:
    return _ADDRESS.pack(_IPV4 if address.version == 4 else _IPV6, address.packed)
