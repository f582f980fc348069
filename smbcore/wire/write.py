"""SMB2 WRITE  [MS-SMB2 2.2.21, 2.2.22]."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from struct import Struct
from struct import error as StructError
from typing import TYPE_CHECKING, Final, Self

from smbcore.wire.errors import WireError
from smbcore.wire.header import HEADER_SIZE
from smbcore.wire.read import RDMA_CHANNELS
from smbcore.wire.reader import fixed_error

if TYPE_CHECKING:
    from smbcore.wire.reader import BodyReader
    from smbcore.wire.types import Buffer

REQUEST_SIZE: Final = 49
RESPONSE_SIZE: Final = 17
_REQUEST = Struct("<HHIQ16sIIHHI")
_REQUEST_END: Final = HEADER_SIZE + _REQUEST.size
_RESPONSE = Struct("<HxxIIHH")
_unpack_request = _REQUEST.unpack_from
_pack_response = _RESPONSE.pack

DATA_OFFSET: Final = _REQUEST_END
"""Where the data of a request stands, from the header, when no channel information comes first: 0x70."""


class WriteFlags(IntFlag):
    """Flags of the request."""

    WRITE_THROUGH = 0x0000_0001
    WRITE_UNBUFFERED = 0x0000_0002


FLAG_WRITE_THROUGH: Final = 0x0000_0001
FLAG_WRITE_UNBUFFERED: Final = 0x0000_0002


@dataclass(slots=True)
class WriteRequest:
    """SMB2 WRITE Request  [MS-SMB2 2.2.21].

    file_id          16 bytes
    offset           bytes from the start of the stream; all ones appends, where that is allowed
    data             a view into the frame when decoded
    flags            FLAG_WRITE_THROUGH (2.1 and later), FLAG_WRITE_UNBUFFERED (3.0.2 and later)
    channel          read.Channel
    remaining_bytes  of the application's write behind this one; with a channel, bytes that go by RDMA
    channel_info     buffer descriptors of an RDMA channel; without one the fields may hold anything
    """

    file_id: bytes
    offset: int
    data: Buffer
    flags: int = 0
    channel: int = 0
    remaining_bytes: int = 0
    channel_info: Buffer = b""

    @classmethod
    def decode(cls, r: BodyReader) -> Self:
        """Read the body; raises WireError, also when the data is outside of the message."""
        view = r.view
        try:
            (
                size,
                data_at,
                length,
                offset,
                file_id,
                channel,
                remaining,
                info_at,
                info_length,
                flags,
            ) = _unpack_request(view, HEADER_SIZE)
        except StructError:
            raise fixed_error(view, REQUEST_SIZE) from None
        end = data_at + length
        if size != REQUEST_SIZE:
            raise fixed_error(view, REQUEST_SIZE)
        if length and (data_at < _REQUEST_END or end > len(view)):
            raise WireError(f"{length} bytes of data at {data_at}, message ends at {len(view)}")
        info = r.block(info_at, info_length, _REQUEST_END) if info_length and channel in RDMA_CHANNELS else b""
        return cls(
            file_id,
            offset,
            view[data_at:end] if length else b"",
            flags,
            channel,
            remaining,
            info,
        )

    def encode_head(self, data_length: int) -> bytes:
        """Return what comes in front of the data, for a sender that keeps the data apart."""
        info = self.channel_info
        return _REQUEST.pack(
            REQUEST_SIZE, DATA_OFFSET + len(info), data_length, self.offset, self.file_id, self.channel,
            self.remaining_bytes, _REQUEST_END if info else 0, len(info), self.flags,
        ) + bytes(info)  # fmt: skip

    def encode(self) -> bytes:
        """Return the body, data included."""
        return b"".join((self.encode_head(len(self.data)), self.data or b"\0"))


def peek_data(view: Buffer) -> tuple[int, int]:
    """Return (offset from the header, length) of the data of the WRITE request that starts `view`.

    The view may end anywhere behind the fixed part: this serves the receiver that reads the head first, to
    place the data in a buffer of its own. Nothing is checked but StructureSize; raises WireError.
    """
    try:
        size, data_at, length, *_ = _unpack_request(view, HEADER_SIZE)
    except StructError:
        raise fixed_error(memoryview(view), REQUEST_SIZE) from None
    if size != REQUEST_SIZE:
        raise fixed_error(memoryview(view), REQUEST_SIZE)
    return data_at, length


@dataclass(slots=True)
class WriteResponse:
    """SMB2 WRITE Response  [MS-SMB2 2.2.22]; count is in bytes."""

    count: int
    remaining: int = 0

    @classmethod
    def decode(cls, r: BodyReader) -> Self:
        """Read the body; raises WireError."""
        count, remaining, _info_at, _info_length = r.fixed(_RESPONSE, RESPONSE_SIZE)
        return cls(count, remaining)

    def encode(self) -> bytes:
        """Return the body."""
        return _pack_response(RESPONSE_SIZE, self.count, self.remaining, 0, 0)
