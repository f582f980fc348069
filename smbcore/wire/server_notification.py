"""SMB2 SERVER_TO_CLIENT_NOTIFICATION  [MS-SMB2 2.2.44], for clients that negotiated NOTIFICATIONS."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING, Final, Self

from smbcore.wire.header import HEADER_SIZE

if TYPE_CHECKING:
    from smbcore.wire.reader import BodyReader
    from smbcore.wire.types import Buffer

_FIXED = Struct("<HxxI")  # StructureSize, Reserved, NotificationType
_FIXED_END: Final = HEADER_SIZE + _FIXED.size

NOTIFY_SESSION_CLOSED: Final = 0x0000_0000
"""The server has closed the session that the header names; the notification is four reserved bytes."""


@dataclass(slots=True)
class ServerNotification:
    """SMB2_SERVER_TO_CLIENT_NOTIFICATION  [MS-SMB2 2.2.44.1]."""

    notification_type: int = NOTIFY_SESSION_CLOSED
    notification: Buffer = bytes(4)

    @classmethod
    def decode(cls, r: BodyReader) -> Self:
        """Read the body, whose notification is all that follows the fixed part; raises WireError."""
        (kind,) = r.fixed(_FIXED, 4)
        return cls(kind, r.view[_FIXED_END:])

    def encode(self) -> bytes:
        """Return the body."""
        return _FIXED.pack(4, self.notification_type) + self.notification
