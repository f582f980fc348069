"""Answering queries for file information and extended attributes  [MS-FSA 2.1.5.12]."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from smbcore.fsa.backend import Node
from smbcore.nt import create as c
from smbcore.nt.access import FILE_READ_ATTRIBUTES, FILE_READ_EA
from smbcore.nt.info import classes as ic
from smbcore.nt.info import ea, file, links
from smbcore.nt.names import is_8dot3
from smbcore.nt.status import NtError, Status

if TYPE_CHECKING:
    from smbcore.fsa.open import Open

T = TypeVar("T")

MODE_BITS = (
    c.FILE_WRITE_THROUGH
    | c.FILE_SEQUENTIAL_ONLY
    | c.FILE_NO_INTERMEDIATE_BUFFERING
    | c.FILE_SYNCHRONOUS_IO_ALERT
    | c.FILE_SYNCHRONOUS_IO_NONALERT
    | c.FILE_DELETE_ON_CLOSE
)
"""Create options that FileModeInformation shows  [MS-FSCC 2.4.26]."""


def query_information(opened: Open, info_class: int, max_length: int, *, position: int = 0) -> bytes:
    """Return an information structure.

    position  what to report as the current position if the open has none of its own
    Errors: INVALID_INFO_CLASS;  NOT_SUPPORTED a class that is not offered over SMB2;  INFO_LENGTH_MISMATCH below the
    fixed
            part (data: needed size);  BUFFER_OVERFLOW the name was cut, or not all streams fit (data: what does);
            ACCESS_DENIED.
    """
    row = _ROWS.get(info_class)
    if row is None:
        known = info_class in ic.FILE_FIXED_SIZES or info_class in _NOT_OFFERED
        status = Status.NOT_SUPPORTED if known else Status.INVALID_INFO_CLASS
        raise NtError(status, f"query of file information class {info_class}")
    encoder, fixed, needed = row
    if max_length < fixed:
        raise NtError(Status.INFO_LENGTH_MISMATCH, f"{max_length} bytes, need {fixed}", fixed.to_bytes(4, "little"))
    if needed & ~opened.granted_access:
        raise NtError(Status.ACCESS_DENIED, "query without READ_ATTRIBUTES")
    if info_class == ic.FILE_ALL_INFORMATION:
        data = _all(opened, opened.position or position)
    elif info_class == ic.FILE_POSITION_INFORMATION:
        data = file.PositionInformation(opened.position or position).encode()
    else:
        data = encoder(opened)
    if len(data) <= max_length:
        return data
    if info_class == ic.FILE_STREAM_INFORMATION:
        whole = links.whole_streams(data, max_length)
        raise NtError(Status.BUFFER_OVERFLOW, f"{len(data)} bytes of streams in {max_length}", whole)
    return ic.fit(data, fixed, max_length)


def _basic(opened: Open) -> bytes:
    info = opened.info()
    return file.BasicInformation(
        info.creation_time, info.last_access_time, info.last_write_time, info.change_time, info.attributes
    ).answer()


def _links(opened: Open, number: int) -> int:
    """Return the count of links without the one that is being deleted  [MS-FSA 2.1.5.12.28]."""
    count = 1 if opened.is_directory else number
    return count - 1 if count and opened.delete_pending else count


def _standard(opened: Open) -> bytes:
    info = opened.info()
    return file.StandardInformation(
        info.allocation_size,
        info.end_of_file,
        _links(opened, info.number_of_links),
        opened.delete_pending,
        opened.is_directory,
    ).encode()


def _standard_link(opened: Open) -> bytes:
    number = opened.info().number_of_links
    pending = opened.delete_pending
    return file.StandardLinkInformation(_links(opened, number), number, pending, opened.is_directory).encode()


def _all(opened: Open, position: int = 0) -> bytes:
    info = opened.info()
    return file.pack_all_information(
        info.creation_time,
        info.last_access_time,
        info.last_write_time,
        info.change_time,
        info.attributes,
        info.allocation_size,
        info.end_of_file,
        _links(opened, info.number_of_links),
        opened.delete_pending,
        opened.is_directory,
        info.file_id,
        info.ea_size,
        opened.granted_access,
        position,
        opened.mode,
        file.FILE_BYTE_ALIGNMENT,
        full_name(opened),
    )


def _network_open(opened: Open) -> bytes:
    info = opened.info()
    return file.NetworkOpenInformation(
        info.creation_time,
        info.last_access_time,
        info.last_write_time,
        info.change_time,
        info.allocation_size,
        info.end_of_file,
        info.attributes,
    ).encode()


def full_name(opened: Open) -> str:
    """Return the path with a leading backslash, and the stream."""
    name = "\\" + opened.path
    return f"{name}:{opened.stream}" if opened.stream else name


def _compression(opened: Open) -> bytes:
    info = opened.info()
    compressed = info.attributes & 0x800 and not opened.is_directory
    form = file.COMPRESSION_FORMAT_LZNT1 if compressed else file.COMPRESSION_FORMAT_NONE
    return file.CompressionInformation(info.allocation_size if compressed else info.end_of_file, form).encode()


def _attribute_tag(opened: Open) -> bytes:
    info = opened.info()
    return file.AttributeTagInformation(info.attributes, info.reparse_tag).encode()


def _internal(opened: Open) -> bytes:
    return file.InternalInformation(opened.file_id).encode()


def _ea_size(opened: Open) -> bytes:
    return file.EaInformation(opened.info().ea_size).encode()


def _access(opened: Open) -> bytes:
    return file.AccessInformation(opened.granted_access).encode()


def _name(opened: Open) -> bytes:
    return file.NameInformation(full_name(opened)).encode()


def _position(opened: Open) -> bytes:
    return file.PositionInformation(opened.position).encode()


def _mode(opened: Open) -> bytes:
    return file.ModeInformation(opened.mode).encode()


def _alignment(opened: Open) -> bytes:
    return file.AlignmentInformation(file.FILE_BYTE_ALIGNMENT).encode()


def _id(opened: Open) -> bytes:
    volume_id = opened.volume.volume_info().volume_id
    return file.IdInformation(volume_id, file.file_id_128(opened.file_id)).encode()


def _normalized_name(opened: Open) -> bytes:
    return file.NameInformation(full_name(opened)[1:]).encode()


def _alternate_name(opened: Open) -> bytes:
    """Return the 8.3 name  [MS-FSA 2.1.5.12.4].

    Errors: OBJECT_NAME_NOT_FOUND the root has none, nor has a long name in a directory that is too large for them.
    """
    path = opened.node.path
    if not path:
        raise NtError(Status.OBJECT_NAME_NOT_FOUND, "the root has no short name")
    name = path[-1]
    if is_8dot3(name):
        return file.NameInformation(name.upper()).encode()
    parent = run_now(opened.volume.backend.open(path[:-1]))
    try:
        short = parent.short_name(name)
    finally:
        parent.close()
    if not short:
        raise NtError(Status.OBJECT_NAME_NOT_FOUND, f"{name!r} has no short name")
    return file.NameInformation(short).encode()


def _streams(opened: Open) -> bytes:
    """List the streams, the main one first  [MS-FSA 2.1.5.12.29]."""
    main: Node | None = None
    node = opened.node
    entries = []
    if not opened.is_directory:
        if node.stream:
            main = run_now(opened.volume.backend.open(node.path))
        try:
            if main is None or not main.is_directory:
                info = (main or node).info()
                entries.append(links.StreamEntry(links.MAIN_STREAM, info.end_of_file, info.allocation_size))
        finally:
            if main is not None:
                main.close()
    entries += [
        links.StreamEntry(f":{stream.name}:$DATA", stream.end_of_file, stream.allocation_size)
        for stream in node.streams()
    ]
    return links.encode_streams(entries)


def run_now(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run to its end a look-up of what is cached because a file below it is open.

    Raises NtError(IO_TIMEOUT) if it has to wait all the same: queries do not wait.
    """
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    coroutine.close()
    raise NtError(Status.IO_TIMEOUT, "a cached look-up had to wait")


_QUERIES: dict[int, Callable[[Open], bytes]] = {
    ic.FILE_BASIC_INFORMATION: _basic,
    ic.FILE_STANDARD_INFORMATION: _standard,
    ic.FILE_STANDARD_LINK_INFORMATION: _standard_link,
    ic.FILE_INTERNAL_INFORMATION: _internal,
    ic.FILE_EA_INFORMATION: _ea_size,
    ic.FILE_ACCESS_INFORMATION: _access,
    ic.FILE_NAME_INFORMATION: _name,
    ic.FILE_POSITION_INFORMATION: _position,
    ic.FILE_MODE_INFORMATION: _mode,
    ic.FILE_ALIGNMENT_INFORMATION: _alignment,
    ic.FILE_ALL_INFORMATION: _all,
    ic.FILE_ALTERNATE_NAME_INFORMATION: _alternate_name,
    ic.FILE_STREAM_INFORMATION: _streams,
    ic.FILE_COMPRESSION_INFORMATION: _compression,
    ic.FILE_NETWORK_OPEN_INFORMATION: _network_open,
    ic.FILE_ATTRIBUTE_TAG_INFORMATION: _attribute_tag,
    ic.FILE_NORMALIZED_NAME_INFORMATION: _normalized_name,
    ic.FILE_ID_INFORMATION: _id,
}

_LEAST_BUFFER = {
    ic.FILE_NAME_INFORMATION: 8,
    ic.FILE_ALTERNATE_NAME_INFORMATION: 8,
    ic.FILE_NORMALIZED_NAME_INFORMATION: 8,
    ic.FILE_STREAM_INFORMATION: 32,
}
"""Least buffers of structures with a name: their C size, as smbtorture smb2.getinfo.qfile_buffercheck wants it."""

_NEED_READ_ATTRIBUTES = frozenset(
    {
        ic.FILE_BASIC_INFORMATION,
        ic.FILE_ALL_INFORMATION,
        ic.FILE_NETWORK_OPEN_INFORMATION,
        ic.FILE_ATTRIBUTE_TAG_INFORMATION,
    }
)

_ROWS = {
    number: (
        encoder,
        _LEAST_BUFFER.get(number) or ic.fixed_size(number),
        FILE_READ_ATTRIBUTES if number in _NEED_READ_ATTRIBUTES else 0,
    )
    for number, encoder in _QUERIES.items()
}
"""By information class: what answers, the least buffer, the access that it takes."""

_NOT_OFFERED = frozenset(
    {
        ic.FILE_OBJECT_ID_INFORMATION,
        ic.FILE_MOVE_CLUSTER_INFORMATION,
        ic.FILE_QUOTA_INFORMATION,
        ic.FILE_REPARSE_POINT_INFORMATION,
        ic.FILE_TRACKING_INFORMATION,
        ic.FILE_SFIO_RESERVE_INFORMATION,
        ic.FILE_SFIO_VOLUME_INFORMATION,
        ic.FILE_MAILSLOT_QUERY_INFORMATION,
        ic.FILE_MAILSLOT_SET_INFORMATION,
    }
)


def query_extended_attributes(
    opened: Open,
    names: list[bytes] | None,
    max_length: int,
    *,
    restart: bool = False,
    single: bool = False,
    index: int = 0,
) -> bytes:
    """Return FILE_FULL_EA_INFORMATION entries  [MS-FSA 2.1.5.12.14].

    names    only these, in this order, absent ones with an empty value; None: all, going on where the last call ended
    index    1-based number of the first one wanted, 0 for not given
    Errors: ACCESS_DENIED;  NO_EAS_ON_FILE;  NO_MORE_EAS;  NONEXISTENT_EA_ENTRY a bad index;  BUFFER_TOO_SMALL the
    first does
            not fit;  BUFFER_OVERFLOW not all of the named ones fit (data: those that do).
    """
    if not opened.granted_access & FILE_READ_EA:
        raise NtError(Status.ACCESS_DENIED, "query without READ_EA")
    hidden = opened.volume.config.hidden_eas
    stored = {name: value for name, value in opened.node.extended_attributes().items() if name not in hidden}
    if names is not None:
        wanted = [ea.ExtendedAttribute(name.upper(), stored.get(name.upper(), b"")) for name in names]
        data, taken = _fit_attributes(wanted[:1] if single else wanted, max_length)
        if taken < len(wanted) and not single:
            raise NtError(Status.BUFFER_OVERFLOW, "not all named EAs fit", data)
        return data
    if not stored:
        raise NtError(Status.NO_EAS_ON_FILE, opened.path)
    everything = [ea.ExtendedAttribute(name, value) for name, value in stored.items()]
    if index:
        if index > len(everything) + 1:
            raise NtError(Status.NONEXISTENT_EA_ENTRY, f"EA number {index}")
        opened.ea_index = index - 1
    elif restart:
        opened.ea_index = 0
    rest = everything[opened.ea_index :]
    if not rest:
        raise NtError(Status.NO_MORE_EAS, opened.path)
    data, taken = _fit_attributes(rest[:1] if single else rest, max_length)
    opened.ea_index += taken
    return data


def _fit_attributes(attributes: list[ea.ExtendedAttribute], max_length: int) -> tuple[bytes, int]:
    """Encode as many of `attributes` as fit; return them and how many."""
    for count in range(len(attributes), 0, -1):
        data = ea.encode_attributes(attributes[:count])
        if len(data) <= max_length:
            return data, count
    if attributes:
        raise NtError(Status.BUFFER_TOO_SMALL, f"{max_length} bytes for an EA")
    return b"", 0
