"""SMB2 SESSION_SETUP  [MS-SMB2 2.2.5, 2.2.6]."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from struct import Struct
from typing import TYPE_CHECKING, Final, Self

from smbcore.wire.header import HEADER_SIZE
from smbcore.wire.writer import BodyWriter

if TYPE_CHECKING:
    from smbcore.wire.reader import BodyReader
    from smbcore.wire.types import Buffer

_REQUEST = Struct("<HBBIIHHQ")
_REQUEST_END: Final = HEADER_SIZE + _REQUEST.size
_RESPONSE = Struct("<HHHH")
_RESPONSE_END: Final = HEADER_SIZE + _RESPONSE.size

FLAG_BINDING: Final = 0x01
"""Request flag: bind an existing session to this connection (3.x)."""


class SessionFlags(IntFlag):
    """SessionFlags of the response."""

    IS_GUEST = 0x0001
    IS_NULL = 0x0002
    ENCRYPT_DATA = 0x0004


@dataclass(slots=True)
class SessionSetupRequest:
    """SMB2 SESSION_SETUP Request  [MS-SMB2 2.2.5].

    flags                FLAG_BINDING or 0
    security_mode        negotiate.SecurityMode, one byte
    capabilities         negotiate.Capabilities; only DFS has a meaning here
    previous_session_id  session of an earlier connection that the server should end, or 0
    channel              reserved
    """

    security_buffer: Buffer
    flags: int = 0
    security_mode: int = 0
    capabilities: int = 0
    previous_session_id: int = 0
    channel: int = 0

    @classmethod
    def decode(cls, r: BodyReader) -> Self:
        """Read the body; raises WireError."""
        flags, mode, capabilities, channel, offset, length, previous = r.fixed(_REQUEST, 25)
        return cls(
            r.block(offset, length, _REQUEST_END),
            flags,
            mode,
            capabilities,
            previous,
            channel,
        )

    def encode(self) -> bytes:
        """Return the body."""
        w = BodyWriter(_REQUEST.size)
        w.fixed(
            _REQUEST, 25, self.flags, self.security_mode, self.capabilities, self.channel,
            *w.block(self.security_buffer), self.previous_session_id,
        )  # fmt: skip
        return w.bytes(_REQUEST.size + 1)


@dataclass(slots=True)
class SessionSetupResponse:
    """SMB2 SESSION_SETUP Response  [MS-SMB2 2.2.6]; session_flags SessionFlags."""

    session_flags: int = 0
    security_buffer: Buffer = b""

    @classmethod
    def decode(cls, r: BodyReader) -> Self:
        """Read the body; raises WireError."""
        flags, offset, length = r.fixed(_RESPONSE, 9)
        return cls(flags, r.block(offset, length, _RESPONSE_END))

    def encode(self) -> bytes:
        """Return the body."""
        w = BodyWriter(_RESPONSE.size)
        w.fixed(_RESPONSE, 9, self.session_flags, *w.block(self.security_buffer))
        return w.bytes()
