"""Reparse points: symbolic links, mount points, anything else as bytes  [MS-FSCC 2.1.2]."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Final, Self

from smbcore.nt.attributes import (
    IO_REPARSE_TAG_MOUNT_POINT,
    IO_REPARSE_TAG_SYMLINK,
    SYMLINK_FLAG_RELATIVE,
)
from smbcore.nt.errors import WireError
from smbcore.nt.info.buffers import Buffer, to_utf16, unpack, utf16
from smbcore.nt.status import NtError, Status

_HEADER = Struct("<IHH")  # ReparseTag, ReparseDataLength, Reserved
_NAMES = Struct("<HHHH")  # substitute and print name: offset, length each
_FLAGS = Struct("<I")

MAXIMUM_REPARSE_DATA: Final = 16384
"""Bytes of a whole reparse buffer  [MS-FSCC 2.1.2.2]."""

_MICROSOFT: Final = 0x8000_0000
_GUID_SIZE: Final = 16


@dataclass(slots=True)
class ReparsePoint:
    """REPARSE_DATA_BUFFER, or REPARSE_GUID_DATA_BUFFER for a tag not Microsoft's.

    guid  16 bytes for a tag without the Microsoft bit, else empty
    """

    tag: int
    data: bytes
    guid: bytes = b""

    def encode(self) -> bytes:
        """Return the wire form; NtError(IO_REPARSE_DATA_INVALID) beyond 16 KiB."""
        result = _HEADER.pack(self.tag, len(self.data), 0) + self.guid + self.data
        if len(result) > MAXIMUM_REPARSE_DATA:
            raise NtError(Status.IO_REPARSE_DATA_INVALID, f"reparse data of {len(result)} bytes")
        return result

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Decode; the length has to be exact. Raises WireError (IO_REPARSE_DATA_INVALID)."""
        tag, length, _ = unpack(_HEADER, data)
        start = _HEADER.size + (0 if tag & _MICROSOFT else _GUID_SIZE)
        if len(data) != start + length or len(data) > MAXIMUM_REPARSE_DATA:
            msg = f"reparse data of {length} in {len(data)} bytes"
            raise WireError(msg)
        return cls(tag, bytes(data[start:]), bytes(data[_HEADER.size : start]))


@dataclass(slots=True)
class SymbolicLink:
    """Content of a symbolic link's reparse point  [MS-FSCC 2.1.2.4].

    substitute_name  where it leads, an NT path unless relative
    print_name       the same for people
    relative         True if the target is relative to the link's directory
    """

    substitute_name: str
    print_name: str
    relative: bool = False

    def encode(self) -> bytes:
        """Return the data behind the reparse header."""
        flags = SYMLINK_FLAG_RELATIVE if self.relative else 0
        return _encode_names(self.substitute_name, self.print_name, _FLAGS.pack(flags))

    def reparse_point(self) -> ReparsePoint:
        """Return it with its tag."""
        return ReparsePoint(IO_REPARSE_TAG_SYMLINK, self.encode())

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Decode the data behind the reparse header. Raises WireError."""
        substitute, printed = _decode_names(data, _NAMES.size + _FLAGS.size)
        flags = unpack(_FLAGS, data, _NAMES.size)[0]
        return cls(substitute, printed, bool(flags & SYMLINK_FLAG_RELATIVE))


@dataclass(slots=True)
class MountPoint:
    """Content of a mount point's (junction's) reparse point  [MS-FSCC 2.1.2.5]."""

    substitute_name: str
    print_name: str

    def encode(self) -> bytes:
        """Return the data behind the reparse header."""
        return _encode_names(self.substitute_name, self.print_name, b"", terminator=b"\0\0")

    def reparse_point(self) -> ReparsePoint:
        """Return it with its tag."""
        return ReparsePoint(IO_REPARSE_TAG_MOUNT_POINT, self.encode())

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Decode the data behind the reparse header. Raises WireError."""
        return cls(*_decode_names(data, _NAMES.size))


def _encode_names(substitute: str, printed: str, extra: bytes, terminator: bytes = b"") -> bytes:
    """Lay out both names, substitute first; mount points end each with a NUL."""
    first, second = to_utf16(substitute), to_utf16(printed)
    head = _NAMES.pack(0, len(first), len(first) + len(terminator), len(second))
    return head + extra + first + terminator + second + terminator


def _decode_names(data: Buffer, start: int) -> tuple[str, str]:
    """Return substitute and print name; offsets count from `start`."""
    sub_at, sub_length, print_at, print_length = unpack(_NAMES, data)
    if len(data) < start:
        msg = f"reparse data of {len(data)} bytes"
        raise WireError(msg)
    return utf16(data, start + sub_at, sub_length), utf16(data, start + print_at, print_length)
