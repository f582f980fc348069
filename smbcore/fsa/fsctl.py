"""File-system controls that concern one open  [MS-FSA 2.1.5.10, MS-FSCC 2.3]."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from smbcore.fsa import notify, offload, reparse
from smbcore.fsa.set_info import STORED
from smbcore.nt import attributes as fa
from smbcore.nt.access import FILE_APPEND_DATA, FILE_READ_DATA, FILE_WRITE_ATTRIBUTES, FILE_WRITE_DATA
from smbcore.nt.errors import WireError
from smbcore.nt.guid import new_guid
from smbcore.nt.info import file
from smbcore.nt.info import fsctl as codes
from smbcore.nt.status import NtError, Status
from smbcore.nt.token import SE_RESTORE

if TYPE_CHECKING:
    from smbcore.fsa.open import Open

_OBJECT_ID = "object_id"
_OBJECT_ID_SIZE = 64
_EXTENDED_SIZE = 48
_RANGE_SIZE = 16
_REGION_HEADER = 16
_SNAPSHOT_ARRAY = 16
_REGION_SIZE = 24
_FORMATS = (file.COMPRESSION_FORMAT_NONE, file.COMPRESSION_FORMAT_DEFAULT, file.COMPRESSION_FORMAT_LZNT1)
_TRIMMED_SIZE = 4
_MAX_OFFSET = 0x7FFF_FFFF_FFFF_FFFF
_MAX_UNSIGNED = 0xFFFF_FFFF_FFFF_FFFF


async def run(opened: Open, code: int, data: bytes, max_output: int) -> bytes:
    """Run a control.

    Errors: INVALID_DEVICE_REQUEST a control that this file system does not have;  INVALID_PARAMETER malformed;
            those of the control.
    """
    control = _CONTROLS.get(code)
    if control is None:
        raise NtError(Status.INVALID_DEVICE_REQUEST, f"control {code:#x}")
    try:
        return await control(opened, data, max_output)
    except WireError as error:
        raise NtError(Status.INVALID_PARAMETER, str(error)) from error


def _need_one_of(opened: Open, access: int) -> None:
    if not opened.granted_access & access:
        raise NtError(Status.ACCESS_DENIED, f"control needs one of {access:#x}")


def _need_data_stream(opened: Open) -> None:
    if opened.is_directory:
        raise NtError(Status.INVALID_PARAMETER, "control of a directory")


# -- sparse files --
async def _set_sparse(opened: Open, data: bytes, max_output: int) -> bytes:
    """FSCTL_SET_SPARSE; a file that is sparse no more has no holes  [MS-FSA 2.1.5.10.38].

    FILE_APPEND_DATA will do too, smbtorture smb2.ioctl.sparse_perms shows it.
    """
    del max_output
    _need_data_stream(opened)
    opened.check_writable_volume()
    _need_one_of(opened, FILE_WRITE_DATA | FILE_WRITE_ATTRIBUTES | FILE_APPEND_DATA)
    sparse = codes.decode_set_sparse(data)
    info = opened.node.info()
    if not sparse and info.attributes & fa.FILE_ATTRIBUTE_SPARSE_FILE:
        await opened.node.set_allocation(info.end_of_file)
    _set_attribute(opened, fa.FILE_ATTRIBUTE_SPARSE_FILE, on=sparse)
    return b""


def _set_attribute(opened: Open, bit: int, *, on: bool) -> None:
    """Set or clear an attribute that is a control's to change."""
    current = opened.node.info().attributes
    new = current | bit if on else current & ~bit
    if new != current:
        opened.node.set_attributes(new & STORED)
        opened.forget_info()
        opened.volume.content_changed(opened, notify.ATTRIBUTES)


async def _set_zero_data(opened: Open, data: bytes, max_output: int) -> bytes:
    """FSCTL_SET_ZERO_DATA  [MS-FSA 2.1.5.10.39]."""
    del max_output
    _need_data_stream(opened)
    _need_one_of(opened, FILE_WRITE_DATA)
    zero = codes.ZeroData.decode(data)
    if zero.offset < 0 or zero.beyond < zero.offset:
        raise NtError(Status.INVALID_PARAMETER, f"zero {zero.offset:#x}..{zero.beyond:#x}")
    opened.check_writable_volume()
    if opened.delete_pending:
        raise NtError(Status.FILE_DELETED, f"{opened.path!r} is being deleted")
    beyond = min(zero.beyond, opened.node.info().end_of_file)
    if beyond > zero.offset:
        await opened.prepare_change()
        ranges = opened.stream_state.ranges
        if ranges is not None:
            ranges.check_write(opened, zero.offset, beyond - zero.offset)
        await opened.node.zero_range(zero.offset, beyond)
        opened.after_write()
    return b""


async def _query_allocated_ranges(opened: Open, data: bytes, max_output: int) -> bytes:
    """FSCTL_QUERY_ALLOCATED_RANGES  [MS-FSA 2.1.5.10.22].

    Room is needed only for ranges that there are, smbtorture smb2.ioctl.sparse_qar_malformed shows it.
    """
    _need_data_stream(opened)
    _need_one_of(opened, FILE_READ_DATA)
    asked = codes.AllocatedRange.decode(data)
    if asked.offset < 0 or asked.length < 0 or asked.offset + asked.length > _MAX_OFFSET:
        raise NtError(Status.INVALID_PARAMETER, f"ranges at {asked.offset:#x}")
    if not asked.length:
        return b""
    info = opened.node.info()
    length = min(asked.length, info.end_of_file - asked.offset)
    if length <= 0:
        return b""
    if info.attributes & fa.FILE_ATTRIBUTE_SPARSE_FILE:
        found = opened.node.allocated_ranges(asked.offset, length)
    else:
        found = [(asked.offset, length)]
    room = max_output // _RANGE_SIZE
    if found and not room:
        raise NtError(Status.BUFFER_TOO_SMALL, f"{max_output} bytes for ranges")
    encoded = codes.encode_ranges(codes.AllocatedRange(*pair) for pair in found[:room])
    if len(found) > room:
        raise NtError(Status.BUFFER_OVERFLOW, f"{len(found)} ranges", encoded)
    return encoded


async def _query_file_regions(opened: Open, data: bytes, max_output: int) -> bytes:
    """FSCTL_QUERY_FILE_REGIONS: everything below the end of file is valid  [MS-FSA 2.1.5.10.23]."""
    _need_data_stream(opened)
    if 0 < len(data) < codes.REGION_INPUT_SIZE:
        raise NtError(Status.BUFFER_TOO_SMALL, f"{len(data)} bytes ask for regions")
    asked = codes.FileRegion.decode(data) if data else codes.FileRegion(0, _MAX_OFFSET)
    if asked.offset < 0 or not 0 < asked.length <= _MAX_OFFSET - asked.offset:
        raise NtError(Status.INVALID_PARAMETER, f"regions at {asked.offset:#x}")
    if not asked.usage & codes.FILE_REGION_USAGE_VALID_CACHED_DATA:
        raise NtError(Status.INVALID_PARAMETER, f"usage {asked.usage:#x}")
    if max_output < _REGION_HEADER + _REGION_SIZE:
        raise NtError(Status.BUFFER_TOO_SMALL, f"{max_output} bytes for regions")
    size = opened.node.info().end_of_file
    if asked.offset >= size > 0 or asked.offset > size:
        return b""
    region = codes.FileRegion(asked.offset, min(asked.length, size - asked.offset), asked.usage if size else 0)
    return codes.encode_regions([region], 1)


async def _trim(opened: Open, data: bytes, max_output: int) -> bytes:
    """FSCTL_FILE_LEVEL_TRIM: give the space of ranges back; they read as zeros afterwards  [MS-FSA 2.1.5.10.6].

    Ranges that hold no whole cluster are passed over, and are not among those that the answer counts.
    """
    _need_data_stream(opened)
    _need_one_of(opened, FILE_WRITE_DATA)
    opened.check_writable_volume()
    info = opened.node.info()
    if info.attributes & (fa.FILE_ATTRIBUTE_COMPRESSED | fa.FILE_ATTRIBUTE_ENCRYPTED):
        raise NtError(Status.INVALID_PARAMETER, "trimming a compressed file")
    request = codes.TrimRequest.decode(data)
    if not request.ranges or 0 < max_output < _TRIMMED_SIZE:
        raise NtError(Status.INVALID_PARAMETER, f"{len(request.ranges)} ranges, {max_output} bytes for the answer")
    size = info.end_of_file
    cluster = opened.volume.volume_info().cluster_size
    done = 0
    for offset, length in request.ranges:
        if offset + length > _MAX_UNSIGNED or offset + cluster > _MAX_UNSIGNED:
            raise NtError(Status.INTEGER_OVERFLOW, f"range at {offset:#x} of {length:#x} bytes")
        start = -(-offset // cluster) * cluster
        end = min(offset + length, size) // cluster * cluster
        if end > start:
            await opened.prepare_change()
            ranges = opened.stream_state.ranges
            if ranges is not None:
                ranges.check_write(opened, start, end - start)
            await opened.node.zero_range(start, end)
            opened.after_write()
            done += 1
    return codes.encode_trimmed(done) if max_output else b""


# -- compression --
async def _get_compression(opened: Open, data: bytes, max_output: int) -> bytes:
    """FSCTL_GET_COMPRESSION  [MS-FSA 2.1.5.10.9]."""
    del data
    if max_output < 2:
        raise NtError(Status.INVALID_PARAMETER, f"{max_output} bytes")
    compressed = opened.node.info().attributes & fa.FILE_ATTRIBUTE_COMPRESSED
    return codes.encode_compression(file.COMPRESSION_FORMAT_LZNT1 if compressed else file.COMPRESSION_FORMAT_NONE)


async def _set_compression(opened: Open, data: bytes, max_output: int) -> bytes:
    """FSCTL_SET_COMPRESSION; where the store does not compress, only "none" is taken  [MS-FSA 2.1.5.10.30].

    Errors: ACCESS_DENIED;  INVALID_PARAMETER an unknown format;  NOT_SUPPORTED.
    """
    del max_output
    _need_one_of(opened, FILE_WRITE_DATA)
    wanted = codes.decode_compression(data)
    if wanted not in _FORMATS:
        raise NtError(Status.INVALID_PARAMETER, f"compression format {wanted}")
    if not opened.volume.compresses:
        if wanted != file.COMPRESSION_FORMAT_NONE:
            raise NtError(Status.NOT_SUPPORTED, "compression")
        return b""
    opened.check_writable_volume()
    _set_attribute(opened, fa.FILE_ATTRIBUTE_COMPRESSED, on=wanted != file.COMPRESSION_FORMAT_NONE)
    return b""


# -- object ids --
async def _get_object_id(opened: Open, data: bytes, max_output: int) -> bytes:
    """FSCTL_GET_OBJECT_ID  [MS-FSA 2.1.5.10.13]."""
    del data
    _check_object_id_buffer(max_output)
    stored = opened.node.object_metadata(_OBJECT_ID)
    if stored is None:
        raise NtError(Status.OBJECTID_NOT_FOUND, opened.path)
    return stored


async def _create_or_get_object_id(opened: Open, data: bytes, max_output: int) -> bytes:
    """FSCTL_CREATE_OR_GET_OBJECT_ID  [MS-FSA 2.1.5.10.1]."""
    del data
    _check_object_id_buffer(max_output)
    stored = opened.node.object_metadata(_OBJECT_ID)
    if stored is not None:
        return stored
    opened.check_writable_volume()
    new = new_guid()
    facts = opened.volume.volume_info()
    birth_volume = facts.volume_id.to_bytes(8, "little") + facts.serial.to_bytes(8, "little")
    encoded = codes.ObjectId(new, birth_volume, new).encode()
    opened.node.set_object_metadata(_OBJECT_ID, encoded)
    return encoded


def _check_object_id_buffer(max_output: int) -> None:
    if max_output < _OBJECT_ID_SIZE:
        raise NtError(Status.INVALID_PARAMETER, f"{max_output} bytes for an object id")


async def _set_object_id(opened: Open, data: bytes, max_output: int) -> bytes:
    """FSCTL_SET_OBJECT_ID: for those who restore backups  [MS-FSA 2.1.5.10.35]."""
    del max_output
    if len(data) != _OBJECT_ID_SIZE:
        raise NtError(Status.INVALID_PARAMETER, f"object id of {len(data)} bytes")
    opened.check_writable_volume()
    if SE_RESTORE not in opened.token.privileges:
        raise NtError(Status.ACCESS_DENIED, "setting an object id without SeRestorePrivilege")
    if opened.node.object_metadata(_OBJECT_ID) is not None:
        raise NtError(Status.OBJECT_NAME_COLLISION, "has an object id")
    opened.node.set_object_metadata(_OBJECT_ID, codes.ObjectId.decode(data).encode())
    return b""


async def _set_object_id_extended(opened: Open, data: bytes, max_output: int) -> bytes:
    """FSCTL_SET_OBJECT_ID_EXTENDED: where a file comes from, and not what it is called  [MS-FSA 2.1.5.10.36]."""
    del max_output
    if len(data) != _EXTENDED_SIZE:
        raise NtError(Status.INVALID_PARAMETER, f"extended object id of {len(data)} bytes")
    opened.check_writable_volume()
    _need_one_of(opened, FILE_WRITE_DATA | FILE_WRITE_ATTRIBUTES)
    stored = opened.node.object_metadata(_OBJECT_ID)
    if stored is None:
        raise NtError(Status.OBJECTID_NOT_FOUND, opened.path)
    opened.node.set_object_metadata(_OBJECT_ID, stored[:-_EXTENDED_SIZE] + data)
    return b""


async def _delete_object_id(opened: Open, data: bytes, max_output: int) -> bytes:
    """FSCTL_DELETE_OBJECT_ID  [MS-FSA 2.1.5.10.2]."""
    del data, max_output
    _need_one_of(opened, FILE_WRITE_DATA | FILE_WRITE_ATTRIBUTES)
    opened.check_writable_volume()
    if opened.node.object_metadata(_OBJECT_ID) is not None:
        opened.node.set_object_metadata(_OBJECT_ID, None)
    return b""


# -- others --
async def _enumerate_snapshots(opened: Open, data: bytes, max_output: int) -> bytes:
    """FSCTL_SRV_ENUMERATE_SNAPSHOTS  [MS-SMB2 3.3.5.15.1].  Errors: INVALID_PARAMETER no room for the counts."""
    del data
    if max_output < _SNAPSHOT_ARRAY:
        raise NtError(Status.INVALID_PARAMETER, f"{max_output} bytes for snapshots")
    return codes.SnapshotArray.fit(opened.volume.snapshots.tokens(), max_output).encode()


async def _get_reparse_point(opened: Open, data: bytes, max_output: int) -> bytes:
    return reparse.get(opened, data, max_output)


async def _is_pathname_valid(opened: Open, data: bytes, max_output: int) -> bytes:
    """FSCTL_IS_PATHNAME_VALID: paths are checked when they are used  [MS-FSCC 2.3.35]."""
    del opened, data, max_output
    return b""


_CONTROLS: dict[int, Callable[[Open, bytes, int], Awaitable[bytes]]] = {
    codes.FSCTL_SET_SPARSE: _set_sparse,
    codes.FSCTL_SET_ZERO_DATA: _set_zero_data,
    codes.FSCTL_QUERY_ALLOCATED_RANGES: _query_allocated_ranges,
    codes.FSCTL_QUERY_FILE_REGIONS: _query_file_regions,
    codes.FSCTL_FILE_LEVEL_TRIM: _trim,
    codes.FSCTL_OFFLOAD_READ: offload.read,
    codes.FSCTL_OFFLOAD_WRITE: offload.write,
    codes.FSCTL_GET_COMPRESSION: _get_compression,
    codes.FSCTL_SET_COMPRESSION: _set_compression,
    codes.FSCTL_GET_OBJECT_ID: _get_object_id,
    codes.FSCTL_CREATE_OR_GET_OBJECT_ID: _create_or_get_object_id,
    codes.FSCTL_SET_OBJECT_ID: _set_object_id,
    codes.FSCTL_SET_OBJECT_ID_EXTENDED: _set_object_id_extended,
    codes.FSCTL_DELETE_OBJECT_ID: _delete_object_id,
    codes.FSCTL_GET_REPARSE_POINT: _get_reparse_point,
    codes.FSCTL_SET_REPARSE_POINT: reparse.set_point,
    codes.FSCTL_DELETE_REPARSE_POINT: reparse.delete_point,
    codes.FSCTL_SRV_ENUMERATE_SNAPSHOTS: _enumerate_snapshots,
    codes.FSCTL_IS_PATHNAME_VALID: _is_pathname_valid,
}
