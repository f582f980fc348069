"""Directory entries of QUERY_DIRECTORY  [MS-FSCC 2.4, the ...DirectoryInformation classes].

This is a hot path: each class has one precompiled `Struct` for everything before the
name and one small function that feeds it; `Packer` appends to one bytearray.
"""

from __future__ import annotations

from codecs import utf_16_le_encode
from collections.abc import Callable
from dataclasses import dataclass
from struct import Struct
from types import MappingProxyType
from typing import Any, Final, Protocol

from smbcore.nt.attributes import FILE_ATTRIBUTE_NORMAL, FILE_ATTRIBUTE_REPARSE_POINT
from smbcore.nt.errors import WireError
from smbcore.nt.info import classes as c
from smbcore.nt.info.buffers import Buffer, next_entry, unpack, utf16
from smbcore.nt.status import NtError, Status

# NextEntryOffset, FileIndex, four times, EndOfFile, AllocationSize, FileAttributes, FileNameLength
_COMMON = "<IIqqqqqqII"
_DIRECTORY = Struct(_COMMON)
_FULL = Struct(_COMMON + "I")  # EaSize
_ID_FULL = Struct(_COMMON + "IIQ")  # EaSize, Reserved, FileId
_BOTH = Struct(_COMMON + "IBB24s")  # EaSize, ShortNameLength, Reserved, ShortName
_ID_BOTH = Struct(_COMMON + "IBB24sHQ")  # the same, Reserved2, FileId
_NAMES = Struct("<III")  # NextEntryOffset, FileIndex, FileNameLength
_ID_EXTD = Struct(_COMMON + "IIQQ")  # EaSize, ReparsePointTag, FileId of 128 bits
_ID_EXTD_BOTH = Struct(_COMMON + "IIQQBB24s")
_ID_64_EXTD = Struct(_COMMON + "IIQ")  # EaSize, ReparsePointTag, FileId
_ID_64_EXTD_BOTH = Struct(_COMMON + "IIQBB24s")
_ID_ALL_EXTD = Struct(_COMMON + "IIQQQ")  # EaSize, ReparsePointTag, FileId, FileId128
_ID_ALL_EXTD_BOTH = Struct(_COMMON + "IIQQQBB24s")
_NEXT = Struct("<I")
_MAX_SHORT = 24


@dataclass(slots=True)
class DirectoryEntry:
    """One name in a directory.

    attributes   FILE_ATTRIBUTE_*; 0 is sent as NORMAL
    short_name   8.3 name, "" where the name needs none
    file_index   position in the directory, 0 where that means nothing
    file_id      64 bits; the 128-bit classes carry it zero-extended
    ea_size      as FileEaInformation; replaced by the reparse tag in the older classes
                 when REPARSE_POINT is set
    """

    name: str
    short_name: str = ""
    file_index: int = 0
    creation_time: int = 0
    last_access_time: int = 0
    last_write_time: int = 0
    change_time: int = 0
    end_of_file: int = 0
    allocation_size: int = 0
    attributes: int = 0
    ea_size: int = 0
    file_id: int = 0
    reparse_tag: int = 0


class EntryFacts(Protocol):
    """What a directory entry tells beside its names, as in DirectoryEntry; so other records of a file serve as well."""

    creation_time: int
    last_access_time: int
    last_write_time: int
    change_time: int
    end_of_file: int
    allocation_size: int
    attributes: int
    ea_size: int
    file_id: int
    reparse_tag: int


_Facts = EntryFacts
_Encoder = Callable[[EntryFacts, int, int, bytes], bytes]
"""Packs the facts, the file index, the length of the name and the short name, in bytes and encoded."""


def _short(name: str) -> bytes:
    short = utf_16_le_encode(name, "surrogatepass")[0]
    if len(short) > _MAX_SHORT:
        raise NtError(Status.INTERNAL_ERROR, f"short name {name!r}")
    return short


def _directory(e: _Facts, index: int, n: int, _: bytes) -> bytes:
    return _DIRECTORY.pack(
        0,
        index,
        e.creation_time,
        e.last_access_time,
        e.last_write_time,
        e.change_time,
        e.end_of_file,
        e.allocation_size,
        e.attributes or FILE_ATTRIBUTE_NORMAL,
        n,
    )


def _full(e: _Facts, index: int, n: int, _: bytes) -> bytes:
    return _FULL.pack(
        0,
        index,
        e.creation_time,
        e.last_access_time,
        e.last_write_time,
        e.change_time,
        e.end_of_file,
        e.allocation_size,
        e.attributes or FILE_ATTRIBUTE_NORMAL,
        n,
        e.reparse_tag if e.attributes & FILE_ATTRIBUTE_REPARSE_POINT else e.ea_size,
    )


def _id_full(e: _Facts, index: int, n: int, _: bytes) -> bytes:
    return _ID_FULL.pack(
        0,
        index,
        e.creation_time,
        e.last_access_time,
        e.last_write_time,
        e.change_time,
        e.end_of_file,
        e.allocation_size,
        e.attributes or FILE_ATTRIBUTE_NORMAL,
        n,
        e.reparse_tag if e.attributes & FILE_ATTRIBUTE_REPARSE_POINT else e.ea_size,
        0,
        e.file_id,
    )


def _both(e: _Facts, index: int, n: int, short: bytes) -> bytes:
    return _BOTH.pack(
        0,
        index,
        e.creation_time,
        e.last_access_time,
        e.last_write_time,
        e.change_time,
        e.end_of_file,
        e.allocation_size,
        e.attributes or FILE_ATTRIBUTE_NORMAL,
        n,
        e.reparse_tag if e.attributes & FILE_ATTRIBUTE_REPARSE_POINT else e.ea_size,
        len(short),
        0,
        short,
    )


def _id_both(e: _Facts, index: int, n: int, short: bytes) -> bytes:
    return _ID_BOTH.pack(
        0,
        index,
        e.creation_time,
        e.last_access_time,
        e.last_write_time,
        e.change_time,
        e.end_of_file,
        e.allocation_size,
        e.attributes or FILE_ATTRIBUTE_NORMAL,
        n,
        e.reparse_tag if e.attributes & FILE_ATTRIBUTE_REPARSE_POINT else e.ea_size,
        len(short),
        0,
        short,
        0,
        e.file_id,
    )


def _names(_facts: _Facts, index: int, n: int, _: bytes) -> bytes:
    return _NAMES.pack(0, index, n)


def _extended(struct: Struct, e: _Facts, index: int, n: int, *tail: object) -> bytes:
    """Pack one of the Extd classes, which share all but what follows the reparse tag."""
    return struct.pack(
        0,
        index,
        e.creation_time,
        e.last_access_time,
        e.last_write_time,
        e.change_time,
        e.end_of_file,
        e.allocation_size,
        e.attributes or FILE_ATTRIBUTE_NORMAL,
        n,
        e.ea_size,
        e.reparse_tag,
        *tail,
    )


def _id_extd(e: _Facts, index: int, n: int, _: bytes) -> bytes:
    return _extended(_ID_EXTD, e, index, n, e.file_id, 0)


def _id_extd_both(e: _Facts, index: int, n: int, short: bytes) -> bytes:
    return _extended(_ID_EXTD_BOTH, e, index, n, e.file_id, 0, len(short), 0, short)


def _id_64_extd(e: _Facts, index: int, n: int, _: bytes) -> bytes:
    return _extended(_ID_64_EXTD, e, index, n, e.file_id)


def _id_64_extd_both(e: _Facts, index: int, n: int, short: bytes) -> bytes:
    return _extended(_ID_64_EXTD_BOTH, e, index, n, e.file_id, len(short), 0, short)


def _id_all_extd(e: _Facts, index: int, n: int, _: bytes) -> bytes:
    return _extended(_ID_ALL_EXTD, e, index, n, e.file_id, e.file_id, 0)


def _id_all_extd_both(e: _Facts, index: int, n: int, short: bytes) -> bytes:
    return _extended(_ID_ALL_EXTD_BOTH, e, index, n, e.file_id, e.file_id, 0, len(short), 0, short)


@dataclass(slots=True, frozen=True)
class _Layout:
    """How one class looks: what packs it, and where a decoder finds the optional fields.

    Field positions count in the unpacked tuple, -1 for absent ones; the short name comes
    as length, reserved, bytes.
    """

    struct: Struct
    encode: _Encoder
    ea_size: int = -1
    reparse_tag: int = -1
    short: int = -1
    file_id: int = -1


_LAYOUTS: Final = MappingProxyType(
    {
        c.FILE_DIRECTORY_INFORMATION: _Layout(_DIRECTORY, _directory),
        c.FILE_FULL_DIRECTORY_INFORMATION: _Layout(_FULL, _full, ea_size=10),
        c.FILE_ID_FULL_DIRECTORY_INFORMATION: _Layout(_ID_FULL, _id_full, ea_size=10, file_id=12),
        c.FILE_BOTH_DIRECTORY_INFORMATION: _Layout(_BOTH, _both, ea_size=10, short=11),
        c.FILE_ID_BOTH_DIRECTORY_INFORMATION: _Layout(_ID_BOTH, _id_both, ea_size=10, short=11, file_id=15),
        c.FILE_NAMES_INFORMATION: _Layout(_NAMES, _names),
        c.FILE_ID_EXTD_DIRECTORY_INFORMATION: _Layout(_ID_EXTD, _id_extd, ea_size=10, reparse_tag=11, file_id=12),
        c.FILE_ID_EXTD_BOTH_DIRECTORY_INFORMATION: _Layout(
            _ID_EXTD_BOTH, _id_extd_both, ea_size=10, reparse_tag=11, file_id=12, short=14
        ),
        c.FILE_ID_64_EXTD_DIRECTORY_INFORMATION: _Layout(
            _ID_64_EXTD, _id_64_extd, ea_size=10, reparse_tag=11, file_id=12
        ),
        c.FILE_ID_64_EXTD_BOTH_DIRECTORY_INFORMATION: _Layout(
            _ID_64_EXTD_BOTH, _id_64_extd_both, ea_size=10, reparse_tag=11, file_id=12, short=13
        ),
        c.FILE_ID_ALL_EXTD_DIRECTORY_INFORMATION: _Layout(
            _ID_ALL_EXTD, _id_all_extd, ea_size=10, reparse_tag=11, file_id=12
        ),
        c.FILE_ID_ALL_EXTD_BOTH_DIRECTORY_INFORMATION: _Layout(
            _ID_ALL_EXTD_BOTH, _id_all_extd_both, ea_size=10, reparse_tag=11, file_id=12, short=15
        ),
    }
)

CLASSES: Final = frozenset(_LAYOUTS)
"""The information classes that a directory query may ask for."""


def _layout(info_class: int) -> _Layout:
    layout = _LAYOUTS.get(info_class)
    if layout is None:
        raise NtError(Status.INVALID_INFO_CLASS, f"directory information class {info_class}")
    return layout


def encode_entry(info_class: int, entry: DirectoryEntry) -> bytes:
    """Return one entry with NextEntryOffset 0, unpadded.

    Raises NtError(INVALID_INFO_CLASS) for a class that is none of directories.
    """
    name = utf_16_le_encode(entry.name, "surrogatepass")[0]
    return _layout(info_class).encode(entry, entry.file_index, len(name), _short(entry.short_name)) + name


class Packer:
    """Collects entries for one reply buffer; each begins at a multiple of 8.

    info_class  one of CLASSES, else NtError(INVALID_INFO_CLASS)
    max_length  bytes that the client accepts
    """

    __slots__ = ("_buffer", "_encode", "_fixed", "_last", "count", "max_length")

    def __init__(self, info_class: int, max_length: int) -> None:
        layout = _layout(info_class)
        self._encode = layout.encode
        self._fixed = layout.struct.size
        self._buffer = bytearray()
        self._last = 0
        self.count = 0
        self.max_length = max_length

    def add(self, entry: DirectoryEntry) -> bool:
        """Append `entry`; False, and nothing changed, if it does not fit any more."""
        return self.put(entry.name, entry.short_name, entry, entry.file_index)

    def put(self, entry_name: str, short_name: str, facts: EntryFacts, file_index: int = 0) -> bool:
        """Append an entry that is made of its names and `facts`, as `add`."""
        name = utf_16_le_encode(entry_name, "surrogatepass")[0]
        size = len(name)
        buffer = self._buffer
        end = len(buffer)
        padding = -end & 7
        start = end + padding
        if start + self._fixed + size > self.max_length:
            return False
        encoded = self._encode(facts, file_index, size, _short(short_name) if short_name else b"")
        if self.count:
            _NEXT.pack_into(buffer, self._last, start - self._last)
            if padding:
                buffer += bytes(padding)
        buffer += encoded
        buffer += name
        self._last = start
        self.count += 1
        return True

    def bytes(self) -> bytes:
        """Return the buffer: last NextEntryOffset 0, last entry not padded."""
        return bytes(self._buffer)


def decode_entries(info_class: int, data: Buffer) -> list[DirectoryEntry]:
    """Decode a reply buffer; empty data gives no entries.

    Raises WireError; NtError(INVALID_INFO_CLASS) for a class that is none of directories.
    """
    layout = _layout(info_class)
    entries: list[DirectoryEntry] = []
    offset = 0 if len(data) else -1
    while offset >= 0:
        fields = unpack(layout.struct, data, offset)
        name_at = offset + layout.struct.size
        name_length = fields[2] if layout.struct is _NAMES else fields[9]
        name = utf16(data, name_at, name_length)
        entries.append(_decode_fields(layout, fields, name))
        offset = next_entry(data, offset, fields[0], layout.struct.size + name_length)
    return entries


def _decode_fields(layout: _Layout, fields: tuple[Any, ...], name: str) -> DirectoryEntry:
    """Build an entry from an unpacked fixed part."""
    if layout.struct is _NAMES:
        return DirectoryEntry(name, file_index=fields[1])
    entry = DirectoryEntry(name, "", fields[1], *fields[2:9])
    if layout.ea_size >= 0:
        entry.ea_size = fields[layout.ea_size]
    if layout.reparse_tag >= 0:
        entry.reparse_tag = fields[layout.reparse_tag]
    elif entry.attributes & FILE_ATTRIBUTE_REPARSE_POINT:
        entry.reparse_tag, entry.ea_size = entry.ea_size, 0
    if layout.file_id >= 0:
        entry.file_id = fields[layout.file_id]
    if layout.short >= 0:
        length, _, short = fields[layout.short : layout.short + 3]
        if length > _MAX_SHORT:
            msg = f"short name of {length} bytes"
            raise WireError(msg)
        entry.short_name = utf16(short, 0, length)
    return entry
