"""Names shared by the message modules."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, Self, TypeAlias

if TYPE_CHECKING:
    from smbcore.wire.reader import BodyReader

Buffer: TypeAlias = bytes | bytearray | memoryview

FILE_ID_SIZE: Final = 16
ANY_FILE_ID: Final = b"\xff" * FILE_ID_SIZE
"""All ones: no file, or in a related compound "the file of the previous request"  [MS-SMB2 3.3.5.2.7.2]."""


_FILE_ID: Final = Struct("<QQ")


def file_id(persistent: int, volatile: int) -> bytes:
    """Return an SMB2_FILEID  [MS-SMB2 2.2.14.1]."""
    return _FILE_ID.pack(persistent, volatile)


class Message(Protocol):
    """The body of one SMB2 request or response."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @classmethod
    def decode(cls, r: BodyReader) -> Self:
        """Read the body; raises WireError."""

    def encode(self) -> bytes:
        """Return the body, as it stands 64 bytes behind the start of the header."""
