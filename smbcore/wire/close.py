"""SMB2 CLOSE  [MS-SMB2 2.2.15, 2.2.16]."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from struct import error as StructError
from typing import TYPE_CHECKING, Final, Self

from smbcore.wire.header import HEADER_SIZE
from smbcore.wire.reader import fixed_error

if TYPE_CHECKING:
    from smbcore.wire.reader import BodyReader

_REQUEST = Struct("<HH4x16s")
_RESPONSE = Struct("<HH4xQQQQQQI")
_unpack_request = _REQUEST.unpack_from

FLAG_POSTQUERY_ATTRIB: Final = 0x0001
"""Answer with times, sizes and attributes as they are at the close."""


@dataclass(slots=True)
class CloseRequest:
    """SMB2 CLOSE Request  [MS-SMB2 2.2.15]; flags FLAG_POSTQUERY_ATTRIB or 0."""

    file_id: bytes
    flags: int = 0

    @classmethod
    def decode(cls, r: BodyReader) -> Self:
        """Read the body; raises WireError."""
        try:
            size, flags, file_id = _unpack_request(r.view, HEADER_SIZE)
        except StructError:
            raise fixed_error(r.view, 24) from None
        if size != 24:
            raise fixed_error(r.view, 24)
        return cls(file_id, flags)

    def encode(self) -> bytes:
        """Return the body."""
        return _REQUEST.pack(24, self.flags, self.file_id)


@dataclass(slots=True)
class CloseResponse:
    """SMB2 CLOSE Response  [MS-SMB2 2.2.16].

    flags  FLAG_POSTQUERY_ATTRIB when the other fields hold something; without it they are zero
    times  FILETIME
    """

    flags: int = 0
    creation_time: int = 0
    last_access_time: int = 0
    last_write_time: int = 0
    change_time: int = 0
    allocation_size: int = 0
    end_of_file: int = 0
    file_attributes: int = 0

    @classmethod
    def decode(cls, r: BodyReader) -> Self:
        """Read the body; raises WireError."""
        return cls(*r.fixed(_RESPONSE, 60))

    def encode(self) -> bytes:
        """Return the body."""
        return _RESPONSE.pack(
            60, self.flags, self.creation_time, self.last_access_time, self.last_write_time, self.change_time,
            self.allocation_size, self.end_of_file, self.file_attributes,
        )  # fmt: skip


EMPTY_CLOSE: Final = CloseResponse().encode()
"""The answer to a close that asked for no attributes."""
