"""The AAPL create context by which macOS asks for Apple's extensions.

Apple publishes the format with its SMB client (smbfs, `smb_2.h`), not as a specification. Every message starts
with a command code and four reserved bytes; integers are little-endian.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from struct import Struct
from typing import TYPE_CHECKING, ClassVar, Final, Self

from smbcore.wire.create_contexts import APPLE
from smbcore.wire.errors import WireError
from smbcore.wire.reader import block, decode_utf16, unpack
from smbcore.wire.writer import encode_utf16

if TYPE_CHECKING:
    from smbcore.wire.types import Buffer

_HEAD = Struct("<I4x")
_QUERY = Struct("<I4xQQ")  # command, reserved, request bitmap, client capabilities
_REPLY = Struct("<I4xQ")  # command, reserved, reply bitmap
_U64 = Struct("<Q")
_MODEL = Struct("<4xI")  # padding, length of the model in bytes


class AppleCommand(IntEnum):
    """What the context asks."""

    SERVER_QUERY = 1
    RESOLVE_ID = 2


class AppleQueryBits(IntFlag):
    """Which parts a server query asks for and its reply holds."""

    SERVER_CAPS = 0x01
    VOLUME_CAPS = 0x02
    MODEL_INFO = 0x04


class AppleServerCaps(IntFlag):
    """Capabilities of either side."""

    SUPPORTS_READ_DIR_ATTR = 0x01
    SUPPORTS_OSX_COPYFILE = 0x02
    UNIX_BASED = 0x04
    SUPPORTS_NFS_ACE = 0x08


class AppleVolumeCaps(IntFlag):
    """Capabilities of the share."""

    SUPPORT_RESOLVE_ID = 0x01
    CASE_SENSITIVE = 0x02
    SUPPORTS_FULL_SYNC = 0x04


_SERVER_CAPS: Final = 0x01
_VOLUME_CAPS: Final = 0x02
_MODEL_INFO: Final = 0x04


def apple_command(data: Buffer) -> int:
    """Return the AppleCommand of an AAPL context; raises WireError."""
    return int(unpack(_HEAD, data)[0])


def _expect(command: int, wanted: AppleCommand) -> None:
    if command != wanted:
        raise WireError(f"AAPL command {command}, not {wanted.name}")


@dataclass(slots=True)
class AppleServerQuery:
    """A client's server query: AppleQueryBits it wants, and its own AppleServerCaps."""

    NAME: ClassVar[bytes] = APPLE
    request_bitmap: int
    client_capabilities: int

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Read the data; raises WireError."""
        command, bitmap, capabilities = unpack(_QUERY, data)
        _expect(command, AppleCommand.SERVER_QUERY)
        return cls(bitmap, capabilities)

    def encode(self) -> bytes:
        """Return the data."""
        return _QUERY.pack(AppleCommand.SERVER_QUERY, self.request_bitmap, self.client_capabilities)


@dataclass(slots=True)
class AppleServerReply:
    """The answer to a server query; a part that is None was not asked for and is not sent.

    server_capabilities  AppleServerCaps
    volume_capabilities  AppleVolumeCaps
    model                machine model, which picks the icon in the Finder
    """

    NAME: ClassVar[bytes] = APPLE
    server_capabilities: int | None = None
    volume_capabilities: int | None = None
    model: str | None = None

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Read the data; raises WireError."""
        view = memoryview(data)
        command, bitmap = unpack(_REPLY, view)
        _expect(command, AppleCommand.SERVER_QUERY)
        reply = cls()
        offset = _REPLY.size
        if bitmap & _SERVER_CAPS:
            (reply.server_capabilities,) = unpack(_U64, view, offset)
            offset += _U64.size
        if bitmap & _VOLUME_CAPS:
            (reply.volume_capabilities,) = unpack(_U64, view, offset)
            offset += _U64.size
        if bitmap & _MODEL_INFO:
            (length,) = unpack(_MODEL, view, offset)
            reply.model = decode_utf16(block(view, offset + _MODEL.size, length))
        return reply

    def encode(self) -> bytes:
        """Return the data."""
        bitmap = 0
        parts = b""
        if self.server_capabilities is not None:
            bitmap |= _SERVER_CAPS
            parts += _U64.pack(self.server_capabilities)
        if self.volume_capabilities is not None:
            bitmap |= _VOLUME_CAPS
            parts += _U64.pack(self.volume_capabilities)
        if self.model is not None:
            bitmap |= _MODEL_INFO
            model = encode_utf16(self.model)
            parts += _MODEL.pack(len(model)) + model
        return _REPLY.pack(AppleCommand.SERVER_QUERY, bitmap) + parts


@dataclass(slots=True)
class AppleResolveId:
    """A client's question for the path of a file id."""

    NAME: ClassVar[bytes] = APPLE
    file_id: int

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Read the data; raises WireError."""
        command, file_id = unpack(_REPLY, data)
        _expect(command, AppleCommand.RESOLVE_ID)
        return cls(file_id)

    def encode(self) -> bytes:
        """Return the data."""
        return _REPLY.pack(AppleCommand.RESOLVE_ID, self.file_id)
