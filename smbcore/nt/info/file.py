"""File information that is queried, and the fixed-size part of what is set  [MS-FSCC 2.4].

Each class is a slots dataclass with `encode()` and `decode()`; `decode` raises WireError.
Times are FILETIME, sizes and offsets bytes. Structures that only a server sends write
attributes 0 as FILE_ATTRIBUTE_NORMAL; BasicInformation does not, because a client sets
attributes with it and 0 means "leave them": use `answer()` there. Names of targets
(rename, link) are in `rename.py`, stream and hard link lists in `links.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import ClassVar, Self

from smbcore.nt.attributes import FILE_ATTRIBUTE_NORMAL
from smbcore.nt.info.buffers import Buffer, cut, to_utf16, unpack, utf16

_BASIC = Struct("<qqqqII")
_STANDARD = Struct("<qqIBBH")
_STANDARD_LINK = Struct("<IIBBH")
_ALL = Struct("<qqqqIIqqIBBHQIIqIII")
_NETWORK_OPEN = Struct("<qqqqqqII")
_COMPRESSION = Struct("<qHBBB3x")
_ATTRIBUTE_TAG = Struct("<II")
_ID = Struct("<Q16s")
_PIPE = Struct("<II")
_PIPE_LOCAL = Struct("<10I")
_PIPE_REMOTE = Struct("<qI")
_LENGTH = Struct("<I")

# Times of a set that are not times  [MS-FSCC 2.4].
TIME_UNCHANGED = 0
TIME_FREEZE = -1
TIME_THAW = -2

# FileDispositionInformationEx flags.
FILE_DISPOSITION_DO_NOT_DELETE = 0x0
FILE_DISPOSITION_DELETE = 0x1
FILE_DISPOSITION_POSIX_SEMANTICS = 0x2
FILE_DISPOSITION_FORCE_IMAGE_SECTION_CHECK = 0x4
FILE_DISPOSITION_ON_CLOSE = 0x8
FILE_DISPOSITION_IGNORE_READONLY_ATTRIBUTE = 0x10

# FileAlignmentInformation.
FILE_BYTE_ALIGNMENT = 0x0

# FileCompressionInformation formats.
COMPRESSION_FORMAT_NONE = 0x0000
COMPRESSION_FORMAT_DEFAULT = 0x0001
COMPRESSION_FORMAT_LZNT1 = 0x0002

FILE_CS_FLAG_CASE_SENSITIVE_DIR = 0x1


@dataclass(slots=True)
class BasicInformation:
    """FileBasicInformation: times and attributes  [MS-FSCC 2.4].

    When set, a time of TIME_UNCHANGED, TIME_FREEZE or TIME_THAW and attributes of 0 have
    their own meaning.
    """

    creation_time: int
    last_access_time: int
    last_write_time: int
    change_time: int
    attributes: int

    def encode(self) -> bytes:
        """Return the 40 bytes, attributes as they are."""
        return _BASIC.pack(
            self.creation_time,
            self.last_access_time,
            self.last_write_time,
            self.change_time,
            self.attributes,
            0,
        )

    def answer(self) -> bytes:
        """Return the 40 bytes of a query's answer, attributes 0 as NORMAL."""
        return _BASIC.pack(
            self.creation_time,
            self.last_access_time,
            self.last_write_time,
            self.change_time,
            self.attributes or FILE_ATTRIBUTE_NORMAL,
            0,
        )

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Decode; data behind the structure is ignored. Raises WireError."""
        return cls(*unpack(_BASIC, data)[:5])


@dataclass(slots=True)
class StandardInformation:
    """FileStandardInformation: sizes, links and what kind it is  [MS-FSCC 2.4]."""

    allocation_size: int
    end_of_file: int
    number_of_links: int = 1
    delete_pending: bool = False
    directory: bool = False

    def encode(self) -> bytes:
        """Return the 24 bytes."""
        return _STANDARD.pack(
            self.allocation_size,
            self.end_of_file,
            self.number_of_links,
            self.delete_pending,
            self.directory,
            0,
        )

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Decode. Raises WireError."""
        allocation, end, links, pending, directory, _ = unpack(_STANDARD, data)
        return cls(allocation, end, links, bool(pending), bool(directory))


@dataclass(slots=True)
class StandardLinkInformation:
    """FileStandardLinkInformation: hard link counts  [MS-FSCC 2.4]."""

    accessible_links: int
    total_links: int
    delete_pending: bool = False
    directory: bool = False

    def encode(self) -> bytes:
        """Return the 12 bytes."""
        return _STANDARD_LINK.pack(self.accessible_links, self.total_links, self.delete_pending, self.directory, 0)

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Decode. Raises WireError."""
        accessible, total, pending, directory, _ = unpack(_STANDARD_LINK, data)
        return cls(accessible, total, bool(pending), bool(directory))


@dataclass(slots=True)
class _Number:
    """A structure of one number."""

    value: int

    _struct: ClassVar[Struct]

    def encode(self) -> bytes:
        """Return the wire form."""
        return self._struct.pack(self.value)

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Decode; data behind the number is ignored. Raises WireError."""
        return cls(unpack(cls._struct, data)[0])


class InternalInformation(_Number):
    """FileInternalInformation: the 64-bit file id  [MS-FSCC 2.4]."""

    __slots__ = ()
    _struct = Struct("<Q")


class EaInformation(_Number):
    """FileEaInformation: bytes of extended attributes  [MS-FSCC 2.4]."""

    __slots__ = ()
    _struct = Struct("<I")


class AccessInformation(_Number):
    """FileAccessInformation: granted access mask  [MS-FSCC 2.4]."""

    __slots__ = ()
    _struct = Struct("<I")


class PositionInformation(_Number):
    """FilePositionInformation: current byte offset  [MS-FSCC 2.4]."""

    __slots__ = ()
    _struct = Struct("<q")


class ModeInformation(_Number):
    """FileModeInformation: create options that stay in effect  [MS-FSCC 2.4]."""

    __slots__ = ()
    _struct = Struct("<I")


class AlignmentInformation(_Number):
    """FileAlignmentInformation: buffer alignment of the device  [MS-FSCC 2.4]."""

    __slots__ = ()
    _struct = Struct("<I")


class EndOfFileInformation(_Number):
    """FileEndOfFileInformation: new size in bytes  [MS-FSCC 2.4]."""

    __slots__ = ()
    _struct = Struct("<q")


class AllocationInformation(_Number):
    """FileAllocationInformation: new allocation in bytes  [MS-FSCC 2.4]."""

    __slots__ = ()
    _struct = Struct("<q")


class ValidDataLengthInformation(_Number):
    """FileValidDataLengthInformation: bytes that hold data  [MS-FSCC 2.4]."""

    __slots__ = ()
    _struct = Struct("<q")


class DispositionInformation(_Number):
    """FileDispositionInformation: nonzero deletes on close  [MS-FSCC 2.4]."""

    __slots__ = ()
    _struct = Struct("<B")


class DispositionInformationEx(_Number):
    """FileDispositionInformationEx: FILE_DISPOSITION_* flags  [MS-FSCC 2.4]."""

    __slots__ = ()
    _struct = Struct("<I")


class CaseSensitiveInformation(_Number):
    """FileCaseSensitiveInformation: FILE_CS_FLAG_* of a directory  [MS-FSCC 2.4]."""

    __slots__ = ()
    _struct = Struct("<I")


@dataclass(slots=True)
class NameInformation:
    """A length and a name: FileName, AlternateName, NormalizedName, ShortName  [MS-FSCC 2.4]."""

    name: str

    def encode(self) -> bytes:
        """Return the wire form."""
        name = to_utf16(self.name)
        return _LENGTH.pack(len(name)) + name

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Decode. Raises WireError."""
        return cls(utf16(data, _LENGTH.size, unpack(_LENGTH, data)[0]))


def pack_all_information(
    creation_time: int,
    last_access_time: int,
    last_write_time: int,
    change_time: int,
    attributes: int,
    allocation_size: int,
    end_of_file: int,
    number_of_links: int,
    delete_pending: bool,
    directory: bool,
    file_id: int,
    ea_size: int,
    access: int,
    position: int,
    mode: int,
    alignment: int,
    name: str,
) -> bytes:
    """Return FileAllInformation as AllInformation encodes it, without making one: clients ask for it all the time."""
    encoded = to_utf16(name)
    return (
        _ALL.pack(
            creation_time,
            last_access_time,
            last_write_time,
            change_time,
            attributes or FILE_ATTRIBUTE_NORMAL,
            0,
            allocation_size,
            end_of_file,
            number_of_links,
            delete_pending,
            directory,
            0,
            file_id,
            ea_size,
            access,
            position,
            mode,
            alignment,
            len(encoded),
        )
        + encoded
    )


@dataclass(slots=True)
class AllInformation:
    """FileAllInformation: everything in one answer  [MS-FSCC 2.4].

    name  full path from the root of the share with a leading backslash
    """

    creation_time: int
    last_access_time: int
    last_write_time: int
    change_time: int
    attributes: int
    allocation_size: int
    end_of_file: int
    number_of_links: int
    delete_pending: bool
    directory: bool
    file_id: int
    ea_size: int
    access: int
    position: int
    mode: int
    alignment: int
    name: str

    def encode(self) -> bytes:
        """Return the wire form: 100 bytes and the name; attributes 0 as NORMAL."""
        return pack_all_information(
            self.creation_time,
            self.last_access_time,
            self.last_write_time,
            self.change_time,
            self.attributes,
            self.allocation_size,
            self.end_of_file,
            self.number_of_links,
            self.delete_pending,
            self.directory,
            self.file_id,
            self.ea_size,
            self.access,
            self.position,
            self.mode,
            self.alignment,
            self.name,
        )

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Decode. Raises WireError."""
        fields = unpack(_ALL, data)
        pending, directory = bool(fields[9]), bool(fields[10])
        name = utf16(data, _ALL.size, fields[18])
        return cls(*(*fields[:5], *fields[6:9], pending, directory, *fields[12:18], name))


@dataclass(slots=True)
class NetworkOpenInformation:
    """FileNetworkOpenInformation: what a client wants of a new handle  [MS-FSCC 2.4]."""

    creation_time: int
    last_access_time: int
    last_write_time: int
    change_time: int
    allocation_size: int
    end_of_file: int
    attributes: int

    def encode(self) -> bytes:
        """Return the 56 bytes; attributes 0 as NORMAL."""
        return _NETWORK_OPEN.pack(
            self.creation_time,
            self.last_access_time,
            self.last_write_time,
            self.change_time,
            self.allocation_size,
            self.end_of_file,
            self.attributes or FILE_ATTRIBUTE_NORMAL,
            0,
        )

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Decode. Raises WireError."""
        return cls(*unpack(_NETWORK_OPEN, data)[:7])


@dataclass(slots=True)
class AttributeTagInformation:
    """FileAttributeTagInformation: attributes and reparse tag  [MS-FSCC 2.4]."""

    attributes: int
    reparse_tag: int = 0

    def encode(self) -> bytes:
        """Return the 8 bytes; attributes 0 as NORMAL."""
        return _ATTRIBUTE_TAG.pack(self.attributes or FILE_ATTRIBUTE_NORMAL, self.reparse_tag)

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Decode. Raises WireError."""
        return cls(*unpack(_ATTRIBUTE_TAG, data))


@dataclass(slots=True)
class CompressionInformation:
    """FileCompressionInformation: compressed size and how  [MS-FSCC 2.4].

    The shifts are binary logarithms of unit, chunk and cluster sizes.
    """

    compressed_size: int
    compression_format: int = COMPRESSION_FORMAT_NONE
    unit_shift: int = 0
    chunk_shift: int = 0
    cluster_shift: int = 0

    def encode(self) -> bytes:
        """Return the 16 bytes."""
        return _COMPRESSION.pack(
            self.compressed_size,
            self.compression_format,
            self.unit_shift,
            self.chunk_shift,
            self.cluster_shift,
        )

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Decode. Raises WireError."""
        return cls(*unpack(_COMPRESSION, data))


@dataclass(slots=True)
class IdInformation:
    """FileIdInformation: volume serial number and 128-bit file id  [MS-FSCC 2.4].

    file_id  16 bytes, little-endian
    """

    volume_serial_number: int
    file_id: bytes

    def encode(self) -> bytes:
        """Return the 24 bytes."""
        return _ID.pack(self.volume_serial_number, self.file_id)

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Decode. Raises WireError."""
        return cls(*unpack(_ID, data))


@dataclass(slots=True)
class PipeInformation:
    """FilePipeInformation: read and completion mode, both 0 or 1  [MS-FSCC 2.4]."""

    read_mode: int = 0
    completion_mode: int = 0

    def encode(self) -> bytes:
        """Return the 8 bytes."""
        return _PIPE.pack(self.read_mode, self.completion_mode)

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Decode. Raises WireError."""
        return cls(*unpack(_PIPE, data))


@dataclass(slots=True)
class PipeLocalInformation:
    """FilePipeLocalInformation: type, quotas and state of a pipe  [MS-FSCC 2.4].

    Sizes in bytes; the defaults are those of a message pipe's connected server end.
    """

    named_pipe_type: int = 1
    configuration: int = 2
    maximum_instances: int = 0xFFFF_FFFF
    current_instances: int = 1
    inbound_quota: int = 4096
    read_data_available: int = 0
    outbound_quota: int = 4096
    write_quota_available: int = 4096
    state: int = 3
    end: int = 0

    def encode(self) -> bytes:
        """Return the 40 bytes."""
        return _PIPE_LOCAL.pack(
            self.named_pipe_type,
            self.configuration,
            self.maximum_instances,
            self.current_instances,
            self.inbound_quota,
            self.read_data_available,
            self.outbound_quota,
            self.write_quota_available,
            self.state,
            self.end,
        )

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Decode. Raises WireError."""
        return cls(*unpack(_PIPE_LOCAL, data))


@dataclass(slots=True)
class PipeRemoteInformation:
    """FilePipeRemoteInformation: how writes are collected  [MS-FSCC 2.4]."""

    collect_data_time: int = 0
    maximum_collection_count: int = 0

    def encode(self) -> bytes:
        """Return the 12 bytes."""
        return _PIPE_REMOTE.pack(self.collect_data_time, self.maximum_collection_count)

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Decode. Raises WireError."""
        return cls(*unpack(_PIPE_REMOTE, data))


def file_id_128(file_id: int) -> bytes:
    """Widen a 64-bit file id to the 16 bytes of IdInformation."""
    return file_id.to_bytes(16, "little")


def decode_file_id_128(data: Buffer) -> int:
    """Return the number in a 16-byte file id; WireError if it is cut off."""
    return int.from_bytes(cut(data, 0, 16), "little")
