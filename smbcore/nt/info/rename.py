"""Rename and link requests, in the form that SMB2 sends  [MS-FSCC 2.4]."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import ClassVar, Self

from smbcore.nt.info.buffers import Buffer, to_utf16, unpack, utf16

_PLAIN = Struct("<B7xQI")  # ReplaceIfExists, Reserved, RootDirectory, FileNameLength
_EXTENDED = Struct("<I4xQI")  # Flags, Reserved, RootDirectory, FileNameLength
_LEAST = 24

FILE_RENAME_REPLACE_IF_EXISTS = 0x0000_0001
FILE_RENAME_POSIX_SEMANTICS = 0x0000_0002
FILE_RENAME_SUPPRESS_PIN_STATE_INHERITANCE = 0x0000_0004
FILE_RENAME_IGNORE_READONLY_ATTRIBUTE = 0x0000_0040

FILE_LINK_REPLACE_IF_EXISTS = 0x0000_0001
FILE_LINK_POSIX_SEMANTICS = 0x0000_0002
FILE_LINK_IGNORE_READONLY_ATTRIBUTE = 0x0000_0040


@dataclass(slots=True)
class _Target:
    """The new name of a file.

    name            share-relative path, or ":stream" to rename a stream
    flags           FILE_RENAME_* or FILE_LINK_*; the older classes know only bit 0
    root_directory  must be 0 over SMB2 (INVALID_PARAMETER otherwise)
    """

    name: str
    flags: int = 0
    root_directory: int = 0

    _struct: ClassVar[Struct]

    @property
    def replace(self) -> bool:
        """True if an existing target may be replaced."""
        return bool(self.flags & FILE_RENAME_REPLACE_IF_EXISTS)

    def encode(self) -> bytes:
        """Return the wire form, at least the 24 bytes that Windows insists on."""
        name = to_utf16(self.name)
        flags = self.flags if self._struct is _EXTENDED else self.flags & 1
        data = self._struct.pack(flags, self.root_directory, len(name)) + name
        return data + bytes(max(0, _LEAST - len(data)))

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Decode; bytes behind the name are ignored. Raises WireError."""
        flags, root, length = unpack(cls._struct, data)
        if cls._struct is _PLAIN:
            flags = FILE_RENAME_REPLACE_IF_EXISTS if flags else 0
        return cls(utf16(data, cls._struct.size, length), flags, root)


class RenameInformation(_Target):
    """FileRenameInformation  [MS-FSCC 2.4]."""

    __slots__ = ()
    _struct = _PLAIN


class RenameInformationEx(_Target):
    """FileRenameInformationEx: with FILE_RENAME_* flags  [MS-FSCC 2.4]."""

    __slots__ = ()
    _struct = _EXTENDED


class LinkInformation(_Target):
    """FileLinkInformation: make a hard link  [MS-FSCC 2.4]."""

    __slots__ = ()
    _struct = _PLAIN


class LinkInformationEx(_Target):
    """FileLinkInformationEx: with FILE_LINK_* flags  [MS-FSCC 2.4]."""

    __slots__ = ()
    _struct = _EXTENDED
