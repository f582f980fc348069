"""File system information of a volume  [MS-FSA 2.1.5.13, 2.1.5.16]."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from smbcore.fsa import quota
from smbcore.fsa.backend import VolumeInfo
from smbcore.fsa.space_rules import NO_LIMIT
from smbcore.nt.info import classes as ic
from smbcore.nt.info import fs
from smbcore.nt.status import NtError, Status

if TYPE_CHECKING:
    from smbcore.fsa.open import Open
    from smbcore.fsa.space import Space
    from smbcore.fsa.volume import Volume
    from smbcore.nt.token import Token


def query(volume: Volume, info_class: int, max_length: int, token: Token | None = None) -> bytes:
    """Return a file system information structure.

    token  who asks, for what is left for him
    Errors: INVALID_INFO_CLASS;  INFO_LENGTH_MISMATCH;  BUFFER_OVERFLOW the name was cut (data: what fits).
    """
    encoder = _QUERIES.get(info_class)
    if encoder is None:
        raise NtError(Status.INVALID_INFO_CLASS, f"query of file system information class {info_class}")
    fixed = ic.fs_fixed_size(info_class)
    facts = volume.volume_info()
    if volume.space is not None:
        _limit(facts, volume.space, token)
    return ic.fit(encoder(volume, facts), fixed, max_length)


def _limit(facts: VolumeInfo, space: Space, token: Token | None) -> None:
    """Show no more space than the volume, and the user, may take  [MS-FSA 2.1.5.13.3, 2.1.5.13.7].

    What is free on the disk may be less than what is allowed; then that is what shows.
    """
    if space.rules.size_limit is not None:
        left = max(0, space.rules.size_limit - space.used)
        facts.total = min(facts.total, space.rules.size_limit)
        facts.free = min(facts.free, left)
        facts.available = min(facts.available, left)
    limit = NO_LIMIT if token is None or not space.rules.tracks else space.rules.entry(token.user).limit
    if token is not None and limit != NO_LIMIT:
        facts.total = min(facts.total, limit)
        facts.available = min(facts.available, max(0, limit - space.by_owner[token.user]))


def _volume(volume: Volume, facts: VolumeInfo) -> bytes:
    del volume
    return fs.VolumeInformation(facts.creation_time, facts.serial, facts.label, supports_objects=True).encode()


def _units(facts: VolumeInfo) -> tuple[int, int]:
    return facts.cluster_size, max(1, facts.cluster_size // facts.sector_size)


def _size(volume: Volume, facts: VolumeInfo) -> bytes:
    del volume
    unit, sectors = _units(facts)
    return fs.SizeInformation(facts.total // unit, facts.available // unit, sectors, facts.sector_size).encode()


def _full_size(volume: Volume, facts: VolumeInfo) -> bytes:
    del volume
    unit, sectors = _units(facts)
    return fs.FullSizeInformation(
        facts.total // unit, facts.available // unit, facts.free // unit, sectors, facts.sector_size
    ).encode()


def _full_size_ex(volume: Volume, facts: VolumeInfo) -> bytes:
    """The class is not in MS-FSCC; Windows asks for it, and ntddk.h has it."""
    unit, sectors = _units(facts)
    whole = volume.volume_info()
    return fs.FullSizeInformationEx(
        actual_total_units=whole.total // unit,
        actual_available_units=whole.free // unit,
        caller_total_units=facts.total // unit,
        caller_available_units=facts.available // unit,
        used_units=(whole.total - whole.free) // unit,
        reserved_units=(whole.free - whole.available) // unit,
        sectors_per_unit=sectors,
        bytes_per_sector=facts.sector_size,
    ).encode()


def _device(volume: Volume, facts: VolumeInfo) -> bytes:
    del facts
    read_only = fs.FILE_READ_ONLY_DEVICE if volume.read_only else 0
    return fs.DeviceInformation(fs.FILE_DEVICE_DISK, fs.FILE_DEVICE_IS_MOUNTED | read_only).encode()


def attributes(volume: Volume, facts: VolumeInfo) -> int:
    """Return the FILE_* capability flags; only what holds is claimed."""
    flags = (
        fs.FILE_CASE_SENSITIVE_SEARCH
        | fs.FILE_CASE_PRESERVED_NAMES
        | fs.FILE_UNICODE_ON_DISK
        | fs.FILE_PERSISTENT_ACLS
        | fs.FILE_SUPPORTS_REPARSE_POINTS
        | fs.FILE_SUPPORTS_OBJECT_IDS
        | fs.FILE_SUPPORTS_HARD_LINKS
        | fs.FILE_SUPPORTS_EXTENDED_ATTRIBUTES
        | fs.FILE_VOLUME_QUOTAS
    )
    flags |= fs.FILE_SUPPORTS_SPARSE_FILES if facts.supports_sparse else 0
    flags |= fs.FILE_NAMED_STREAMS if facts.supports_streams and volume.config.named_streams else 0
    flags |= fs.FILE_FILE_COMPRESSION if facts.supports_compression else 0
    flags |= fs.FILE_SUPPORTS_BLOCK_REFCOUNTING if facts.supports_reflink else 0
    return flags | (fs.FILE_READ_ONLY_VOLUME if volume.read_only else 0)


def _attribute(volume: Volume, facts: VolumeInfo) -> bytes:
    return fs.AttributeInformation(attributes(volume, facts)).encode()


def _control(volume: Volume, facts: VolumeInfo) -> bytes:
    del facts
    return quota.control(volume.config.space).encode()


def _object_id(volume: Volume, facts: VolumeInfo) -> bytes:
    del volume
    return fs.ObjectIdInformation(facts.volume_id.to_bytes(8, "little") + facts.serial.to_bytes(8, "little")).encode()


def _sector_size(volume: Volume, facts: VolumeInfo) -> bytes:
    del volume
    physical = max(facts.sector_size, min(facts.cluster_size, 4096))
    return fs.SectorSizeInformation(facts.sector_size, physical, physical, physical).encode()


_QUERIES: dict[int, Callable[[Volume, VolumeInfo], bytes]] = {
    ic.FILE_FS_VOLUME_INFORMATION: _volume,
    ic.FILE_FS_SIZE_INFORMATION: _size,
    ic.FILE_FS_DEVICE_INFORMATION: _device,
    ic.FILE_FS_ATTRIBUTE_INFORMATION: _attribute,
    ic.FILE_FS_CONTROL_INFORMATION: _control,
    ic.FILE_FS_FULL_SIZE_INFORMATION: _full_size,
    ic.FILE_FS_FULL_SIZE_INFORMATION_EX: _full_size_ex,
    ic.FILE_FS_OBJECT_ID_INFORMATION: _object_id,
    ic.FILE_FS_SECTOR_SIZE_INFORMATION: _sector_size,
}


async def set_information(volume: Volume, opened: Open, info_class: int, data: bytes) -> None:
    """Set the quotas' control information; label and object id are the appliance's to set.

    Errors: ACCESS_DENIED a class that could be set by an administrator of the volume;  INFO_LENGTH_MISMATCH;
            MEDIA_WRITE_PROTECTED;  INVALID_INFO_CLASS.
    """
    settable = (ic.FILE_FS_LABEL_INFORMATION, ic.FILE_FS_CONTROL_INFORMATION, ic.FILE_FS_OBJECT_ID_INFORMATION)
    if info_class not in settable:
        raise NtError(Status.INVALID_INFO_CLASS, f"set of file system information class {info_class}")
    if len(data) < ic.fs_fixed_size(info_class):
        raise NtError(Status.INFO_LENGTH_MISMATCH, f"{len(data)} bytes")
    if volume.read_only:
        raise NtError(Status.MEDIA_WRITE_PROTECTED, "volume")
    if info_class == ic.FILE_FS_CONTROL_INFORMATION:
        await quota.set_control(opened, data)
        return
    raise NtError(Status.ACCESS_DENIED, f"{opened.token.name} may not change the volume")
