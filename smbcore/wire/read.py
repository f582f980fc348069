"""SMB2 READ  [MS-SMB2 2.2.19, 2.2.20]."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from struct import Struct
from struct import error as StructError
from typing import TYPE_CHECKING, Final, Self

from smbcore.wire.header import HEADER_SIZE
from smbcore.wire.reader import fixed_error
from smbcore.wire.writer import BodyWriter

if TYPE_CHECKING:
    from smbcore.wire.reader import BodyReader
    from smbcore.wire.types import Buffer

REQUEST_SIZE: Final = 49
RESPONSE_SIZE: Final = 17
_REQUEST = Struct("<HBBIQ16sIIIHH")
_REQUEST_END: Final = HEADER_SIZE + _REQUEST.size
_RESPONSE = Struct("<HBxIII")
_RESPONSE_END: Final = HEADER_SIZE + _RESPONSE.size
_unpack_request = _REQUEST.unpack_from
_pack_response = _RESPONSE.pack

DATA_OFFSET: Final = _RESPONSE_END
"""Where the data of a response stands, from the header: 0x50."""


class ReadFlags(IntFlag):
    """Flags of the request."""

    READ_UNBUFFERED = 0x01
    REQUEST_COMPRESSED = 0x02


class Channel(IntEnum):
    """How the data travels, READ and WRITE."""

    NONE = 0x0000_0000
    RDMA_V1 = 0x0000_0001
    RDMA_V1_INVALIDATE = 0x0000_0002
    RDMA_TRANSFORM = 0x0000_0003


RDMA_CHANNELS: Final = frozenset({0x0000_0001, 0x0000_0002, 0x0000_0003})

FLAG_READ_UNBUFFERED: Final = 0x01
FLAG_REQUEST_COMPRESSED: Final = 0x02
RESPONSE_FLAG_RDMA_TRANSFORM: Final = 0x0000_0001


@dataclass(slots=True)
class ReadRequest:
    """SMB2 READ Request  [MS-SMB2 2.2.19].

    file_id          16 bytes
    offset, length   bytes
    minimum_count    bytes; fewer make END_OF_FILE
    padding          where the client would like the data to stand in the response, from its header
    flags            FLAG_READ_UNBUFFERED (3.0.2 and later), FLAG_REQUEST_COMPRESSED (3.1.1)
    channel          Channel
    remaining_bytes  of the application's read behind this one; a hint
    channel_info     buffer descriptors of an RDMA channel; without one the fields may hold anything
    """

    file_id: bytes
    offset: int
    length: int
    minimum_count: int = 0
    padding: int = DATA_OFFSET
    flags: int = 0
    channel: int = 0
    remaining_bytes: int = 0
    channel_info: Buffer = b""

    @classmethod
    def decode(cls, r: BodyReader) -> Self:
        """Read the body; raises WireError."""
        try:
            (
                size,
                padding,
                flags,
                length,
                offset,
                file_id,
                minimum,
                channel,
                remaining,
                info_at,
                info_length,
            ) = _unpack_request(r.view, HEADER_SIZE)
        except StructError:
            raise fixed_error(r.view, REQUEST_SIZE) from None
        if size != REQUEST_SIZE:
            raise fixed_error(r.view, REQUEST_SIZE)
        info = r.block(info_at, info_length, _REQUEST_END) if info_length and channel in RDMA_CHANNELS else b""
        return cls(file_id, offset, length, minimum, padding, flags, channel, remaining, info)

    def encode(self) -> bytes:
        """Return the body."""
        w = BodyWriter(_REQUEST.size)
        info = w.block(self.channel_info) if self.channel_info else (0, 0)
        w.fixed(
            _REQUEST, REQUEST_SIZE, self.padding, self.flags, self.length, self.offset, self.file_id,
            self.minimum_count, self.channel, self.remaining_bytes, *info,
        )  # fmt: skip
        return w.bytes(REQUEST_SIZE)


@dataclass(slots=True)
class ReadResponse:
    """SMB2 READ Response  [MS-SMB2 2.2.20].

    data            a view into the frame when decoded
    data_remaining  bytes sent by an RDMA channel, else 0
    flags           RESPONSE_FLAG_RDMA_TRANSFORM or 0; reserved below 3.1.1
    """

    data: Buffer
    data_remaining: int = 0
    flags: int = 0

    @classmethod
    def decode(cls, r: BodyReader) -> Self:
        """Read the body; raises WireError."""
        offset, length, remaining, flags = r.fixed(_RESPONSE, RESPONSE_SIZE)
        return cls(r.block(offset, length, _RESPONSE_END), remaining, flags)

    @staticmethod
    def encode_head(
        data_length: int,
        data_offset: int = DATA_OFFSET,
        data_remaining: int = 0,
        flags: int = 0,
    ) -> bytes:
        """Return the 16 bytes in front of the data, for a sender that keeps the data apart."""
        return _pack_response(RESPONSE_SIZE, data_offset, data_length, data_remaining, flags)

    def encode(self) -> bytes:
        """Return the body, data included."""
        head = self.encode_head(len(self.data), DATA_OFFSET, self.data_remaining, self.flags)
        return b"".join((head, self.data))
