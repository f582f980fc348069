"""SMB2 SET_INFO  [MS-SMB2 2.2.39, 2.2.40]."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING, Final, Self

from smbcore.wire.header import HEADER_SIZE
from smbcore.wire.writer import BodyWriter

if TYPE_CHECKING:
    from smbcore.wire.reader import BodyReader
    from smbcore.wire.types import Buffer

_REQUEST = Struct("<HBBIHxxI16s")
_REQUEST_END: Final = HEADER_SIZE + _REQUEST.size
_RESPONSE = Struct("<H")
EMPTY_SET_INFO: Final = _RESPONSE.pack(2)


@dataclass(slots=True)
class SetInfoRequest:
    """SMB2 SET_INFO Request  [MS-SMB2 2.2.39].

    info_type               query_info.InfoType
    info_class              nt.info.classes; 0 for security
    data                    the structure to set
    additional_information  SECURITY_INFORMATION mask for security
    """

    info_type: int
    info_class: int
    file_id: bytes
    data: Buffer
    additional_information: int = 0

    @classmethod
    def decode(cls, r: BodyReader) -> Self:
        """Read the body; raises WireError."""
        info_type, info_class, length, offset, additional, file_id = r.fixed(_REQUEST, 33)
        return cls(
            info_type,
            info_class,
            file_id,
            r.block(offset, length, _REQUEST_END),
            additional,
        )

    def encode(self) -> bytes:
        """Return the body."""
        w = BodyWriter(_REQUEST.size)
        offset, length = w.block(self.data)
        w.fixed(
            _REQUEST, 33, self.info_type, self.info_class, length, offset, self.additional_information, self.file_id,
        )  # fmt: skip
        return w.bytes(_REQUEST.size + 1)


@dataclass(slots=True)
class SetInfoResponse:
    """SMB2 SET_INFO Response  [MS-SMB2 2.2.40]: nothing but its StructureSize."""

    @classmethod
    def decode(cls, r: BodyReader) -> Self:
        """Check the body; raises WireError."""
        r.fixed(_RESPONSE, 2)
        return cls()

    def encode(self) -> bytes:
        """Return the body."""
        return EMPTY_SET_INFO
