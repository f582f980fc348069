"""The response that QUERY_DIRECTORY, CHANGE_NOTIFY and QUERY_INFO share: one buffer."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING, Final, Self

from smbcore.wire.header import HEADER_SIZE

if TYPE_CHECKING:
    from smbcore.wire.reader import BodyReader
    from smbcore.wire.types import Buffer

_RESPONSE = Struct("<HHI")  # StructureSize, OutputBufferOffset, OutputBufferLength
_pack_response = _RESPONSE.pack

OUTPUT_OFFSET: Final = HEADER_SIZE + _RESPONSE.size
"""Where the output stands, from the header: 0x48."""


@dataclass(slots=True)
class OutputResponse:
    """A body of StructureSize 9 with an output buffer; a view into the frame when decoded."""

    output: Buffer = b""

    @classmethod
    def decode(cls, r: BodyReader) -> Self:
        """Read the body; raises WireError."""
        offset, length = r.fixed(_RESPONSE, 9)
        return cls(r.block(offset, length, OUTPUT_OFFSET))

    @staticmethod
    def encode_head(output_length: int) -> bytes:
        """Return the 8 bytes in front of the output, for a sender that keeps the output apart."""
        return _pack_response(9, OUTPUT_OFFSET if output_length else 0, output_length)

    def encode(self) -> bytes:
        """Return the body, output included."""
        output = self.output
        if not output:
            return _pack_response(9, 0, 0)
        return b"".join((_pack_response(9, OUTPUT_OFFSET, len(output)), output))
