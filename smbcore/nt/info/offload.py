"""Copying by token: FSCTL_OFFLOAD_READ and FSCTL_OFFLOAD_WRITE  [MS-FSCC 2.1.11, 2.3.41-2.3.44].

Offsets and lengths are bytes; every `decode` raises WireError. A token is the one structure here that is big-endian.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Final, Self

from smbcore.nt.errors import WireError
from smbcore.nt.info.buffers import Buffer, unpack

TOKEN_TYPE_ZERO_DATA: Final = 0xFFFF_0001
ALL_ZERO_BEYOND_CURRENT_RANGE: Final = 0x1

_TOKEN = Struct(">I2xH504s")  # TokenType, Reserved, TokenIdLength, TokenId
_READ = Struct("<IIIIQQ")  # Size, Flags, TokenTimeToLive, Reserved, FileOffset, CopyLength
_READ_RESULT = Struct("<IIQ512s")  # Size, Flags, TransferLength, Token
_WRITE = Struct("<IIQQQ512s")  # Size, Flags, FileOffset, CopyLength, TransferOffset, Token
_WRITE_RESULT = Struct("<IIQ")  # Size, Flags, LengthWritten

READ_SIZE: Final = _READ.size
READ_RESULT_SIZE: Final = _READ_RESULT.size
WRITE_SIZE: Final = _WRITE.size
WRITE_RESULT_SIZE: Final = _WRITE_RESULT.size


@dataclass(slots=True)
class OffloadToken:
    """STORAGE_OFFLOAD_TOKEN: names data without holding it  [MS-FSCC 2.1.11].

    kind      TOKEN_TYPE_ZERO_DATA, or whatever its maker chose;  identity  opaque, at most 504 bytes
    """

    kind: int
    identity: bytes = b""

    def encode(self) -> bytes:
        """Return the 512 bytes."""
        return _TOKEN.pack(self.kind, len(self.identity), self.identity)

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Decode. Raises WireError."""
        kind, length, identity = unpack(_TOKEN, data)
        if length > len(identity):
            msg = f"token id of {length} bytes"
            raise WireError(msg)
        return cls(kind, identity[:length])


@dataclass(slots=True)
class OffloadRead:
    """FSCTL_OFFLOAD_READ_INPUT  [MS-FSCC 2.3.41].

    time_to_live  milliseconds, 0 for the server's choice;  size  what the client says that the structure takes
    """

    offset: int
    length: int
    time_to_live: int = 0
    size: int = READ_SIZE

    def encode(self) -> bytes:
        """Return the 32 bytes."""
        return _READ.pack(self.size, 0, self.time_to_live, 0, self.offset, self.length)

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Decode. Raises WireError."""
        size, _, time_to_live, _, offset, length = unpack(_READ, data)
        return cls(offset, length, time_to_live, size)


@dataclass(slots=True)
class OffloadReadResult:
    """FSCTL_OFFLOAD_READ_OUTPUT: what `token` stands for, from the offset asked for on  [MS-FSCC 2.3.42].

    flags  ALL_ZERO_BEYOND_CURRENT_RANGE nothing but zeros follows
    """

    length: int
    token: OffloadToken
    flags: int = 0

    def encode(self) -> bytes:
        """Return the 528 bytes."""
        return _READ_RESULT.pack(_READ_RESULT.size, self.flags, self.length, self.token.encode())

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Decode. Raises WireError."""
        _, flags, length, token = unpack(_READ_RESULT, data)
        return cls(length, OffloadToken.decode(token), flags)


@dataclass(slots=True)
class OffloadWrite:
    """FSCTL_OFFLOAD_WRITE_INPUT  [MS-FSCC 2.3.43].

    token            512 bytes as they came, for they may mean nothing to us
    transfer_offset  where to start inside of what the token stands for
    """

    offset: int
    length: int
    transfer_offset: int
    token: bytes
    size: int = WRITE_SIZE

    def encode(self) -> bytes:
        """Return the 544 bytes."""
        return _WRITE.pack(self.size, 0, self.offset, self.length, self.transfer_offset, self.token)

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Decode. Raises WireError."""
        size, _, offset, length, transfer_offset, token = unpack(_WRITE, data)
        return cls(offset, length, transfer_offset, token, size)


@dataclass(slots=True)
class OffloadWriteResult:
    """FSCTL_OFFLOAD_WRITE_OUTPUT  [MS-FSCC 2.3.44]."""

    length_written: int

    def encode(self) -> bytes:
        """Return the 16 bytes."""
        return _WRITE_RESULT.pack(_WRITE_RESULT.size, 0, self.length_written)

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Decode. Raises WireError."""
        return cls(unpack(_WRITE_RESULT, data)[2])
