"""SMB2 QUERY_INFO  [MS-SMB2 2.2.37, 2.2.38]."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from struct import Struct
from struct import error as StructError
from typing import TYPE_CHECKING, Final, Self

from smbcore.wire.errors import WireError
from smbcore.wire.header import HEADER_SIZE
from smbcore.wire.output import OutputResponse
from smbcore.wire.reader import fixed_error
from smbcore.wire.writer import BodyWriter

if TYPE_CHECKING:
    from smbcore.wire.reader import BodyReader
    from smbcore.wire.types import Buffer

REQUEST_SIZE: Final = 41
_REQUEST = Struct("<HBBIHxxIII16s")
_REQUEST_END: Final = HEADER_SIZE + _REQUEST.size
_unpack_request = _REQUEST.unpack_from


class InfoType(IntEnum):
    """InfoType of QUERY_INFO and SET_INFO."""

    FILE = 0x01
    FILESYSTEM = 0x02
    SECURITY = 0x03
    QUOTA = 0x04


class QueryInfoFlags(IntFlag):
    """Flags of an EA query."""

    RESTART_SCAN = 0x0000_0001
    RETURN_SINGLE_ENTRY = 0x0000_0002
    INDEX_SPECIFIED = 0x0000_0004


INFO_FILE: Final = 0x01
INFO_FILESYSTEM: Final = 0x02
INFO_SECURITY: Final = 0x03
INFO_QUOTA: Final = 0x04

_QUOTA = Struct("<??HIII")


@dataclass(slots=True)
class QueryInfoRequest:
    """SMB2 QUERY_INFO Request  [MS-SMB2 2.2.37].

    info_type               InfoType
    info_class              nt.info.classes; 0 for security and quota
    output_length           bytes the client takes
    additional_information  SECURITY_INFORMATION mask for security, an index for EAs
    flags                   QueryInfoFlags
    """

    info_type: int
    info_class: int
    file_id: bytes
    output_length: int
    additional_information: int = 0
    flags: int = 0
    input: Buffer = b""

    @classmethod
    def decode(cls, r: BodyReader) -> Self:
        """Read the body; raises WireError."""
        try:
            (
                size,
                info_type,
                info_class,
                output_length,
                in_at,
                in_length,
                additional,
                flags,
                file_id,
            ) = _unpack_request(r.view, HEADER_SIZE)
        except StructError:
            raise fixed_error(r.view, REQUEST_SIZE) from None
        if size != REQUEST_SIZE:
            raise fixed_error(r.view, REQUEST_SIZE)
        data = r.block(in_at, in_length, _REQUEST_END) if in_length else b""
        return cls(info_type, info_class, file_id, output_length, additional, flags, data)

    def encode(self) -> bytes:
        """Return the body."""
        w = BodyWriter(_REQUEST.size)
        w.fixed(
            _REQUEST, REQUEST_SIZE, self.info_type, self.info_class, self.output_length, *w.block(self.input),
            self.additional_information, self.flags, self.file_id,
        )  # fmt: skip
        return w.bytes(REQUEST_SIZE)


@dataclass(slots=True)
class QueryQuotaInfo:
    """SMB2_QUERY_QUOTA_INFO, the input of a query for quotas  [MS-SMB2 2.2.37.1].

    single, restart  return one entry; begin with the first
    sid_list         FILE_GET_QUOTA_INFORMATION entries, empty for a listing;  start_sid  where a listing begins
    """

    single: bool = False
    restart: bool = False
    sid_list: bytes = b""
    start_sid: bytes = b""

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Read the structure; raises WireError. Of both a list and a start only the list counts."""
        if len(data) < _QUOTA.size:
            msg = f"{len(data)} bytes of {_QUOTA.size} and the SIDs"
            raise WireError(msg)
        single, restart, _, list_length, start_length, start_offset = _QUOTA.unpack_from(data)
        sids = bytes(data[_QUOTA.size :])
        if list_length:
            start_offset, start_length = 0, list_length
        if start_length > len(sids) or start_offset > len(sids) - start_length:
            msg = f"SIDs of {start_length} bytes at {start_offset} of {len(sids)}"
            raise WireError(msg)
        part = sids[start_offset : start_offset + start_length]
        return cls(single, restart, part, b"") if list_length else cls(single, restart, b"", part)

    def encode(self) -> bytes:
        """Return the structure."""
        fixed = _QUOTA.pack(self.single, self.restart, 0, len(self.sid_list), len(self.start_sid), 0)
        return fixed + (self.sid_list or self.start_sid)


@dataclass(slots=True)
class QueryInfoResponse(OutputResponse):
    """SMB2 QUERY_INFO Response  [MS-SMB2 2.2.38]; output is the structure that was asked for."""
