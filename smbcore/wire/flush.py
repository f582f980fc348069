"""SMB2 FLUSH  [MS-SMB2 2.2.17, 2.2.18]."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING, Self

from smbcore.wire.empty import EmptyMessage

if TYPE_CHECKING:
    from smbcore.wire.reader import BodyReader

_REQUEST = Struct("<H6x16s")


@dataclass(slots=True)
class FlushRequest:
    """SMB2 FLUSH Request  [MS-SMB2 2.2.17]."""

    file_id: bytes

    @classmethod
    def decode(cls, r: BodyReader) -> Self:
        """Read the body; raises WireError."""
        return cls(*r.fixed(_REQUEST, 24))

    def encode(self) -> bytes:
        """Return the body."""
        return _REQUEST.pack(24, self.file_id)


@dataclass(slots=True)
class FlushResponse(EmptyMessage):
    """SMB2 FLUSH Response  [MS-SMB2 2.2.18]."""
