"""SMB2 QUERY_DIRECTORY  [MS-SMB2 2.2.33, 2.2.34]."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from struct import Struct
from typing import TYPE_CHECKING, Final, Self

from smbcore.wire.header import HEADER_SIZE
from smbcore.wire.output import OutputResponse
from smbcore.wire.writer import BodyWriter

if TYPE_CHECKING:
    from smbcore.wire.reader import BodyReader

_REQUEST = Struct("<HBBI16sHHI")
_REQUEST_END: Final = HEADER_SIZE + _REQUEST.size


class QueryDirectoryFlags(IntFlag):
    """Flags of the request."""

    RESTART_SCANS = 0x01
    RETURN_SINGLE_ENTRY = 0x02
    INDEX_SPECIFIED = 0x04
    REOPEN = 0x10


RESTART_SCANS: Final = 0x01
RETURN_SINGLE_ENTRY: Final = 0x02
INDEX_SPECIFIED: Final = 0x04
REOPEN: Final = 0x10


@dataclass(slots=True)
class QueryDirectoryRequest:
    """SMB2 QUERY_DIRECTORY Request  [MS-SMB2 2.2.33].

    info_class     FileInformationClass of the entries, nt.info.classes
    pattern        name or wildcard expression; empty is allowed
    output_length  bytes the client takes
    flags          QueryDirectoryFlags
    file_index     where to resume, with INDEX_SPECIFIED
    """

    info_class: int
    file_id: bytes
    pattern: str
    output_length: int
    flags: int = 0
    file_index: int = 0

    @classmethod
    def decode(cls, r: BodyReader) -> Self:
        """Read the body; raises WireError."""
        info_class, flags, index, file_id, name_at, name_length, output_length = r.fixed(_REQUEST, 33)
        return cls(
            info_class,
            file_id,
            r.utf16(name_at, name_length, _REQUEST_END),
            output_length,
            flags,
            index,
        )

    def encode(self) -> bytes:
        """Return the body."""
        w = BodyWriter(_REQUEST.size)
        w.fixed(
            _REQUEST, 33, self.info_class, self.flags, self.file_index, self.file_id, *w.utf16(self.pattern),
            self.output_length,
        )  # fmt: skip
        return w.bytes(_REQUEST.size + 1)


@dataclass(slots=True)
class QueryDirectoryResponse(OutputResponse):
    """SMB2 QUERY_DIRECTORY Response  [MS-SMB2 2.2.34]; output is the packed entries, nt.info.directory."""
