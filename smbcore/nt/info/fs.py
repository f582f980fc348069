"""File system information  [MS-FSCC 2.5]."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Self

from smbcore.nt.info.buffers import Buffer, to_utf16, unpack, utf16

_VOLUME = Struct("<qIIBx")
_SIZE = Struct("<qqII")
_FULL_SIZE = Struct("<qqqII")
_FULL_SIZE_EX = Struct("<11QII")
_DEVICE = Struct("<II")
_ATTRIBUTE = Struct("<IiI")
_CONTROL = Struct("<qqqQQI4x")
_OBJECT_ID = Struct("<16s48s")
_SECTOR_SIZE = Struct("<7I")
_LENGTH = Struct("<I")

# FileFsAttributeInformation flags  [MS-FSCC 2.5.1].
FILE_CASE_SENSITIVE_SEARCH = 0x0000_0001
FILE_CASE_PRESERVED_NAMES = 0x0000_0002
FILE_UNICODE_ON_DISK = 0x0000_0004
FILE_PERSISTENT_ACLS = 0x0000_0008
FILE_FILE_COMPRESSION = 0x0000_0010
FILE_VOLUME_QUOTAS = 0x0000_0020
FILE_SUPPORTS_SPARSE_FILES = 0x0000_0040
FILE_SUPPORTS_REPARSE_POINTS = 0x0000_0080
FILE_SUPPORTS_REMOTE_STORAGE = 0x0000_0100
FILE_RETURNS_CLEANUP_RESULT_INFO = 0x0000_0200
FILE_SUPPORTS_POSIX_UNLINK_RENAME = 0x0000_0400
FILE_VOLUME_IS_COMPRESSED = 0x0000_8000
FILE_SUPPORTS_OBJECT_IDS = 0x0001_0000
FILE_SUPPORTS_ENCRYPTION = 0x0002_0000
FILE_NAMED_STREAMS = 0x0004_0000
FILE_READ_ONLY_VOLUME = 0x0008_0000
FILE_SEQUENTIAL_WRITE_ONCE = 0x0010_0000
FILE_SUPPORTS_TRANSACTIONS = 0x0020_0000
FILE_SUPPORTS_HARD_LINKS = 0x0040_0000
FILE_SUPPORTS_EXTENDED_ATTRIBUTES = 0x0080_0000
FILE_SUPPORTS_OPEN_BY_FILE_ID = 0x0100_0000
FILE_SUPPORTS_USN_JOURNAL = 0x0200_0000
FILE_SUPPORTS_INTEGRITY_STREAMS = 0x0400_0000
FILE_SUPPORTS_BLOCK_REFCOUNTING = 0x0800_0000
FILE_SUPPORTS_SPARSE_VDL = 0x1000_0000

# FileFsDeviceInformation  [MS-FSCC 2.5.10].
FILE_DEVICE_CD_ROM = 0x0000_0002
FILE_DEVICE_DISK = 0x0000_0007
FILE_DEVICE_NAMED_PIPE = 0x0000_0011
FILE_REMOVABLE_MEDIA = 0x0000_0001
FILE_READ_ONLY_DEVICE = 0x0000_0002
FILE_REMOTE_DEVICE = 0x0000_0010
FILE_DEVICE_IS_MOUNTED = 0x0000_0020

# FileFsControlInformation flags  [MS-FSCC 2.5.2].
FILE_VC_QUOTA_TRACK = 0x0000_0001
FILE_VC_QUOTA_ENFORCE = 0x0000_0002
FILE_VC_CONTENT_INDEX_DISABLED = 0x0000_0008

NO_QUOTA_LIMIT = 0xFFFF_FFFF_FFFF_FFFF

# FileFsSectorSizeInformation flags  [MS-FSCC 2.5.7].
SSINFO_FLAGS_ALIGNED_DEVICE = 0x0000_0001
SSINFO_FLAGS_PARTITION_ALIGNED_ON_DEVICE = 0x0000_0002
SSINFO_FLAGS_NO_SEEK_PENALTY = 0x0000_0004
SSINFO_FLAGS_TRIM_ENABLED = 0x0000_0008


@dataclass(slots=True)
class VolumeInformation:
    """FileFsVolumeInformation: creation time, 32-bit serial number, label  [MS-FSCC 2.5.9]."""

    creation_time: int
    serial_number: int
    label: str = ""
    supports_objects: bool = False

    def encode(self) -> bytes:
        """Return 18 bytes and the label."""
        label = to_utf16(self.label)
        return _VOLUME.pack(self.creation_time, self.serial_number, len(label), self.supports_objects) + label

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Decode. Raises WireError."""
        created, serial, length, objects = unpack(_VOLUME, data)
        return cls(created, serial, utf16(data, _VOLUME.size, length), bool(objects))


@dataclass(slots=True)
class SizeInformation:
    """FileFsSizeInformation: space in allocation units  [MS-FSCC 2.5.8]."""

    total_units: int
    available_units: int
    sectors_per_unit: int
    bytes_per_sector: int

    def encode(self) -> bytes:
        """Return the 24 bytes."""
        return _SIZE.pack(self.total_units, self.available_units, self.sectors_per_unit, self.bytes_per_sector)

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Decode. Raises WireError."""
        return cls(*unpack(_SIZE, data))


@dataclass(slots=True)
class FullSizeInformation:
    """FileFsFullSizeInformation: space for the caller and in all, in allocation units  [MS-FSCC 2.5.4]."""

    total_units: int
    caller_available_units: int
    actual_available_units: int
    sectors_per_unit: int
    bytes_per_sector: int

    def encode(self) -> bytes:
        """Return the 32 bytes."""
        return _FULL_SIZE.pack(
            self.total_units,
            self.caller_available_units,
            self.actual_available_units,
            self.sectors_per_unit,
            self.bytes_per_sector,
        )

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Decode. Raises WireError."""
        return cls(*unpack(_FULL_SIZE, data))


@dataclass(slots=True)
class FullSizeInformationEx:
    """FILE_FS_FULL_SIZE_INFORMATION_EX: space in allocation units, as ntddk.h of the Windows driver kit has it.

    actual  of the volume;  caller  what the user may see and use of it;  used  of the volume
    reserved  kept back by the file system;  there are no pools, so nothing is unavailable or committed in one
    """

    actual_total_units: int
    actual_available_units: int
    caller_total_units: int
    caller_available_units: int
    used_units: int
    reserved_units: int
    sectors_per_unit: int
    bytes_per_sector: int

    def encode(self) -> bytes:
        """Return the 96 bytes."""
        return _FULL_SIZE_EX.pack(
            self.actual_total_units, self.actual_available_units, 0,
            self.caller_total_units, self.caller_available_units, 0,
            self.used_units, self.reserved_units, 0, 0, self.actual_available_units,
            self.sectors_per_unit, self.bytes_per_sector,
        )  # fmt: skip

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Decode. Raises WireError."""
        total, available, _, caller_total, caller_available, _, used, reserved, _, _, _, sectors, sector = unpack(
            _FULL_SIZE_EX, data
        )
        return cls(total, available, caller_total, caller_available, used, reserved, sectors, sector)


@dataclass(slots=True)
class DeviceInformation:
    """FileFsDeviceInformation: kind of device and its properties  [MS-FSCC 2.5.10]."""

    device_type: int = FILE_DEVICE_DISK
    characteristics: int = FILE_DEVICE_IS_MOUNTED

    def encode(self) -> bytes:
        """Return the 8 bytes."""
        return _DEVICE.pack(self.device_type, self.characteristics)

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Decode. Raises WireError."""
        return cls(*unpack(_DEVICE, data))


@dataclass(slots=True)
class AttributeInformation:
    """FileFsAttributeInformation: what the file system can do  [MS-FSCC 2.5.1].

    maximum_component_length  UTF-16 code units
    """

    attributes: int
    file_system_name: str = "NTFS"
    maximum_component_length: int = 255

    def encode(self) -> bytes:
        """Return 12 bytes and the name."""
        name = to_utf16(self.file_system_name)
        return _ATTRIBUTE.pack(self.attributes, self.maximum_component_length, len(name)) + name

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Decode. Raises WireError."""
        attributes, component, length = unpack(_ATTRIBUTE, data)
        return cls(attributes, utf16(data, _ATTRIBUTE.size, length), component)


@dataclass(slots=True)
class ControlInformation:
    """FileFsControlInformation: quota defaults in bytes  [MS-FSCC 2.5.2]."""

    free_space_start_filtering: int = 0
    free_space_threshold: int = 0
    free_space_stop_filtering: int = 0
    default_quota_threshold: int = NO_QUOTA_LIMIT
    default_quota_limit: int = NO_QUOTA_LIMIT
    flags: int = 0

    def encode(self) -> bytes:
        """Return the 48 bytes."""
        return _CONTROL.pack(
            self.free_space_start_filtering,
            self.free_space_threshold,
            self.free_space_stop_filtering,
            self.default_quota_threshold,
            self.default_quota_limit,
            self.flags,
        )

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Decode. Raises WireError."""
        return cls(*unpack(_CONTROL, data))


@dataclass(slots=True)
class ObjectIdInformation:
    """FileFsObjectIdInformation: the volume's GUID and 48 bytes of its owner's  [MS-FSCC 2.5.6]."""

    object_id: bytes
    extended_info: bytes = bytes(48)

    def encode(self) -> bytes:
        """Return the 64 bytes."""
        return _OBJECT_ID.pack(self.object_id, self.extended_info)

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Decode. Raises WireError."""
        return cls(*unpack(_OBJECT_ID, data))


@dataclass(slots=True)
class SectorSizeInformation:
    """FileFsSectorSizeInformation: sector sizes and alignment in bytes  [MS-FSCC 2.5.7]."""

    logical: int = 512
    physical_atomicity: int = 4096
    physical_performance: int = 4096
    effective_atomicity: int = 4096
    flags: int = SSINFO_FLAGS_ALIGNED_DEVICE | SSINFO_FLAGS_PARTITION_ALIGNED_ON_DEVICE
    sector_alignment: int = 0
    partition_alignment: int = 0

    def encode(self) -> bytes:
        """Return the 28 bytes."""
        return _SECTOR_SIZE.pack(
            self.logical,
            self.physical_atomicity,
            self.physical_performance,
            self.effective_atomicity,
            self.flags,
            self.sector_alignment,
            self.partition_alignment,
        )

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Decode. Raises WireError."""
        return cls(*unpack(_SECTOR_SIZE, data))


@dataclass(slots=True)
class LabelInformation:
    """FileFsLabelInformation: a new volume label  [MS-FSCC 2.5.5]."""

    label: str

    def encode(self) -> bytes:
        """Return the wire form."""
        label = to_utf16(self.label)
        return _LENGTH.pack(len(label)) + label

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Decode. Raises WireError."""
        return cls(utf16(data, _LENGTH.size, unpack(_LENGTH, data)[0]))
