"""SMB2 CHANGE_NOTIFY  [MS-SMB2 2.2.35, 2.2.36]."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from struct import Struct
from typing import TYPE_CHECKING, Final, Self

from smbcore.wire.output import OutputResponse

if TYPE_CHECKING:
    from smbcore.wire.reader import BodyReader

_REQUEST = Struct("<HHI16sI4x")

FLAG_WATCH_TREE: Final = 0x0001
"""Report changes in the whole tree below the directory."""


class CompletionFilter(IntFlag):
    """Which changes complete the request."""

    FILE_NAME = 0x0000_0001
    DIR_NAME = 0x0000_0002
    ATTRIBUTES = 0x0000_0004
    SIZE = 0x0000_0008
    LAST_WRITE = 0x0000_0010
    LAST_ACCESS = 0x0000_0020
    CREATION = 0x0000_0040
    EA = 0x0000_0080
    SECURITY = 0x0000_0100
    STREAM_NAME = 0x0000_0200
    STREAM_SIZE = 0x0000_0400
    STREAM_WRITE = 0x0000_0800


@dataclass(slots=True)
class ChangeNotifyRequest:
    """SMB2 CHANGE_NOTIFY Request  [MS-SMB2 2.2.35].

    output_length      bytes the client takes
    completion_filter  CompletionFilter
    flags              FLAG_WATCH_TREE or 0
    """

    file_id: bytes
    output_length: int
    completion_filter: int
    flags: int = 0

    @classmethod
    def decode(cls, r: BodyReader) -> Self:
        """Read the body; raises WireError."""
        flags, output_length, file_id, completion_filter = r.fixed(_REQUEST, 32)
        return cls(file_id, output_length, completion_filter, flags)

    def encode(self) -> bytes:
        """Return the body."""
        return _REQUEST.pack(32, self.flags, self.output_length, self.file_id, self.completion_filter)


@dataclass(slots=True)
class ChangeNotifyResponse(OutputResponse):
    """SMB2 CHANGE_NOTIFY Response  [MS-SMB2 2.2.36]; output is FILE_NOTIFY_INFORMATION, nt.info.notify."""
