"""SMB2 IOCTL  [MS-SMB2 2.2.31, 2.2.32]; the codes and their structures are in `nt.info.fsctl`."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING, Final, Self

from smbcore.wire.header import HEADER_SIZE
from smbcore.wire.writer import BodyWriter

if TYPE_CHECKING:
    from smbcore.wire.reader import BodyReader
    from smbcore.wire.types import Buffer

_REQUEST = Struct("<HxxI16sIIIIIII4x")
_REQUEST_END: Final = HEADER_SIZE + _REQUEST.size
_RESPONSE = Struct("<HxxI16sIIIII4x")
_RESPONSE_END: Final = HEADER_SIZE + _RESPONSE.size

FLAG_IS_FSCTL: Final = 0x0000_0001
"""The code is an FSCTL; other ones (IOCTLs, flags 0) are not supported."""

OUTPUT_OFFSET: Final = _RESPONSE_END
"""Where the output of a response stands, from the header, when it echoes no input: 0x70."""


@dataclass(slots=True)
class IoctlRequest:
    """SMB2 IOCTL Request  [MS-SMB2 2.2.31].

    ctl_code             FSCTL_*
    file_id              all ones where the code concerns no file
    input                the request's data
    max_output_response  bytes the client takes as output; max_input_response likewise, nearly always 0
    flags                FLAG_IS_FSCTL
    output               no known client sends any
    """

    ctl_code: int
    file_id: bytes
    input: Buffer = b""
    max_output_response: int = 0
    flags: int = FLAG_IS_FSCTL
    max_input_response: int = 0
    output: Buffer = b""

    @classmethod
    def decode(cls, r: BodyReader) -> Self:
        """Read the body; raises WireError."""
        code, file_id, in_at, in_count, max_in, out_at, out_count, max_out, flags = r.fixed(_REQUEST, 57)
        data = r.block(in_at, in_count, _REQUEST_END)
        output = r.block(out_at, out_count, _REQUEST_END)
        return cls(code, file_id, data, max_out, flags, max_in, output)

    def encode(self) -> bytes:
        """Return the body."""
        w = BodyWriter(_REQUEST.size)
        data = w.block(self.input)
        output = (0, 0)
        if self.output:
            w.align()
            output = w.block(self.output)
        w.fixed(
            _REQUEST, 57, self.ctl_code, self.file_id, *data, self.max_input_response, *output,
            self.max_output_response, self.flags,
        )  # fmt: skip
        return w.bytes(_REQUEST.size + 1)


@dataclass(slots=True)
class IoctlResponse:
    """SMB2 IOCTL Response  [MS-SMB2 2.2.32].

    output  the answer's data
    input   an echo of the request's data, which Windows sends for pass-through codes only
    """

    ctl_code: int
    file_id: bytes
    output: Buffer = b""
    flags: int = 0
    input: Buffer = b""

    @classmethod
    def decode(cls, r: BodyReader) -> Self:
        """Read the body; raises WireError."""
        code, file_id, in_at, in_count, out_at, out_count, flags = r.fixed(_RESPONSE, 49)
        data = r.block(in_at, in_count, _RESPONSE_END)
        return cls(code, file_id, r.block(out_at, out_count, _RESPONSE_END), flags, data)

    @staticmethod
    def encode_head(ctl_code: int, file_id: bytes, output_length: int, flags: int = 0, padding: int = 0) -> bytes:
        """Return the 48 bytes in front of the output, for a sender that keeps the output apart.

        padding  bytes that the sender puts between the two
        """
        output_at = OUTPUT_OFFSET + padding
        return _RESPONSE.pack(49, ctl_code, file_id, OUTPUT_OFFSET, 0, output_at, output_length, flags)

    def encode(self) -> bytes:
        """Return the body, output included."""
        if not self.input:
            return b"".join(
                (
                    self.encode_head(self.ctl_code, self.file_id, len(self.output), self.flags),
                    self.output,
                )
            )
        w = BodyWriter(_RESPONSE.size)
        data = w.block(self.input)
        w.align()
        output = w.block(self.output)
        w.fixed(_RESPONSE, 49, self.ctl_code, self.file_id, *data, *output, self.flags)
        return w.bytes()
