"""Setting file information  [MS-FSA 2.1.5.15]."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from smbcore.fsa import delete, notify, rename, space, times
from smbcore.nt import attributes as fa
from smbcore.nt import create as c
from smbcore.nt.access import FILE_WRITE_ATTRIBUTES, FILE_WRITE_DATA, FILE_WRITE_EA
from smbcore.nt.errors import WireError
from smbcore.nt.info import classes as ic
from smbcore.nt.info import ea, file
from smbcore.nt.info import rename as targets
from smbcore.nt.status import NtError, Status
from smbcore.nt.token import SE_MANAGE_VOLUME

if TYPE_CHECKING:
    from smbcore.fsa.open import Open

STORED = ~(fa.FILE_ATTRIBUTE_DIRECTORY | fa.FILE_ATTRIBUTE_REPARSE_POINT | fa.FILE_ATTRIBUTE_NORMAL)
"""Attributes that a backend keeps; the others follow from what the file is."""

_SETTABLE_MODE = (
    c.FILE_WRITE_THROUGH | c.FILE_SEQUENTIAL_ONLY | c.FILE_SYNCHRONOUS_IO_ALERT | c.FILE_SYNCHRONOUS_IO_NONALERT
)
_BOTH_SYNCHRONOUS = c.FILE_SYNCHRONOUS_IO_ALERT | c.FILE_SYNCHRONOUS_IO_NONALERT
_MAX_SIZE = 0x7FFF_FFFF_FFFF_FFFF


async def set_information(opened: Open, info_class: int, data: bytes) -> None:
    """Apply an information structure.

    Errors: INVALID_INFO_CLASS;  NOT_SUPPORTED a class that cannot be set;  INFO_LENGTH_MISMATCH too short;
            those of the class: ACCESS_DENIED, INVALID_PARAMETER, MEDIA_WRITE_PROTECTED, DISK_FULL ...
    """
    setter = _SETTERS.get(info_class)
    if setter is None:
        known = info_class in ic.FILE_FIXED_SIZES
        status = Status.NOT_SUPPORTED if known else Status.INVALID_INFO_CLASS
        raise NtError(status, f"set of file information class {info_class}")
    if len(data) < ic.fixed_size(info_class):
        raise NtError(Status.INFO_LENGTH_MISMATCH, f"{len(data)} bytes of class {info_class}")
    try:
        await setter(opened, data)
    except WireError as error:
        raise NtError(Status.INVALID_PARAMETER, str(error)) from error


# -- times and attributes --
async def _basic(opened: Open, data: bytes) -> None:
    """Set times and attributes  [MS-FSA 2.1.5.15.2]."""
    opened.check_access(FILE_WRITE_ATTRIBUTES)
    basic = file.BasicInformation.decode(data)
    for value in (basic.creation_time, basic.last_access_time, basic.last_write_time, basic.change_time):
        times.check_time(value)
    _check_attributes(opened, basic.attributes)
    opened.check_writable_volume()
    times.settle_write_time(opened)
    changed = _set_times(opened, basic)
    times.settle_write_time(opened)
    if basic.attributes:
        changed |= _set_attributes(opened, basic.attributes)
    opened.forget_info()
    if changed:
        opened.volume.content_changed(opened, changed)


def _check_attributes(opened: Open, attributes: int) -> None:
    if attributes & fa.FILE_ATTRIBUTE_DIRECTORY and not opened.is_directory:
        raise NtError(Status.INVALID_PARAMETER, "DIRECTORY on a file")
    if attributes & fa.FILE_ATTRIBUTE_TEMPORARY and opened.is_directory:
        raise NtError(Status.INVALID_PARAMETER, "TEMPORARY on a directory")


def _set_attributes(opened: Open, attributes: int) -> int:
    """Replace the settable attributes; return what watchers are told."""
    current = opened.node.info().attributes
    wanted = attributes & fa.SETTABLE
    new = current & STORED & ~fa.SETTABLE | wanted
    sticky = opened.sticky
    if new == current & STORED:
        return 0
    opened.node.set_attributes(new)
    opened.file.archive_known = bool(wanted & fa.FILE_ATTRIBUTE_ARCHIVE)
    if sticky is not None:
        sticky.after_write(opened.node)
    return notify.ATTRIBUTES


def _set_times(opened: Open, basic: file.BasicInformation) -> int:
    """Set, freeze and thaw times; return what watchers are told."""
    requested = (basic.last_access_time, basic.last_write_time, basic.change_time)
    if not any(requested) and not basic.creation_time:
        return 0
    sticky = opened.sticky or times.StickyTimes()
    info = opened.node.info()
    access, still_access, touches_access = times.settle(basic.last_access_time, info.last_access_time)
    write, still_write, touches_write = times.settle(basic.last_write_time, info.last_write_time)
    change, still_change, touches_change = times.settle(basic.change_time, info.change_time)
    creation = basic.creation_time if basic.creation_time > 0 else None
    if touches_access:
        sticky.last_access = still_access
    if touches_write:
        sticky.last_write = still_write
    if touches_change:
        sticky.change = still_change
    if any(value is not None for value in (creation, access, write, change)):
        opened.node.set_times(
            creation=creation,
            last_access=access,
            last_write=write,
            change=change if change is not None else sticky.change,
        )
    frozen = sticky.last_access is not None or sticky.last_write is not None or sticky.change is not None
    opened.sticky = sticky if frozen else None
    changed = notify.CREATION if creation is not None else 0
    changed |= notify.LAST_ACCESS if access is not None else 0
    return changed | (notify.LAST_WRITE if write is not None else 0)


# -- sizes --
def _check_size(opened: Open, size: int) -> None:
    opened.check_access(FILE_WRITE_DATA)
    if opened.is_directory or not 0 <= size <= _MAX_SIZE:
        raise NtError(Status.INVALID_PARAMETER, f"size {size:#x}")
    opened.check_writable_volume()


async def set_end_of_file(opened: Open, size: int) -> None:
    """Truncate or extend  [MS-FSA 2.1.5.15.4].  Errors: ACCESS_DENIED;  INVALID_PARAMETER;  DISK_FULL."""
    _check_size(opened, size)
    await opened.prepare_change()
    await space.set_end_of_file(opened, size)
    _size_changed(opened)


def _size_changed(opened: Open) -> None:
    opened.stream_state.changed += 1
    opened.forget_info()
    times.settle_write_time(opened)
    if opened.sticky is not None:
        opened.sticky.after_write(opened.node)
    # smbtorture smb2.notify.mask: a new size counts as a change of attributes too.
    opened.volume.content_changed(opened, notify.SIZE | notify.ATTRIBUTES)


async def _end_of_file(opened: Open, data: bytes) -> None:
    await set_end_of_file(opened, file.EndOfFileInformation.decode(data).value)


async def _allocation(opened: Open, data: bytes) -> None:
    """Reserve or give up space; less than the size truncates  [MS-FSA 2.1.5.15.1]."""
    size = file.AllocationInformation.decode(data).value
    _check_size(opened, size)
    await opened.prepare_change()
    if size < opened.node.info().end_of_file:
        await space.set_end_of_file(opened, size)
    else:
        await space.set_allocation(opened, size)
    _size_changed(opened)


async def _valid_data_length(opened: Open, data: bytes) -> None:
    """Everything reads as written already, so only the checks remain  [MS-FSA 2.1.5.15.14]."""
    length = file.ValidDataLengthInformation.decode(data).value
    opened.check_access(FILE_WRITE_DATA)
    if SE_MANAGE_VOLUME not in opened.token.privileges:
        raise NtError(Status.PRIVILEGE_NOT_HELD, "valid data length")
    if opened.is_directory or not 0 <= length <= opened.node.info().end_of_file:
        raise NtError(Status.INVALID_PARAMETER, f"valid data length {length:#x}")


# -- names and deletion --
async def _disposition(opened: Open, data: bytes) -> None:
    flags = delete.DISPOSITION_DELETE if file.DispositionInformation.decode(data).value else 0
    await delete.set_disposition(opened, flags)


async def _disposition_ex(opened: Open, data: bytes) -> None:
    await delete.set_disposition(opened, file.DispositionInformationEx.decode(data).value)


async def _rename(opened: Open, data: bytes) -> None:
    await _rename_to(opened, targets.RenameInformation.decode(data))


async def _rename_ex(opened: Open, data: bytes) -> None:
    await _rename_to(opened, targets.RenameInformationEx.decode(data))


async def _rename_to(opened: Open, target: targets.RenameInformation | targets.RenameInformationEx) -> None:
    if target.root_directory or not target.name:
        raise NtError(Status.INVALID_PARAMETER, "rename relative to a handle, or to nothing")
    await rename.rename(opened, target.name, target.flags)


async def _link(opened: Open, data: bytes) -> None:
    await _link_to(opened, targets.LinkInformation.decode(data))


async def _link_ex(opened: Open, data: bytes) -> None:
    await _link_to(opened, targets.LinkInformationEx.decode(data))


async def _link_to(opened: Open, target: targets.LinkInformation | targets.LinkInformationEx) -> None:
    if target.root_directory or not target.name:
        raise NtError(Status.INVALID_PARAMETER, "link relative to a handle, or to nothing")
    await rename.link(opened, target.name, target.flags)


async def _short_name(opened: Open, data: bytes) -> None:
    del data
    raise NtError(Status.NOT_SUPPORTED, f"short name of {opened.path!r}")


# -- of the open --
async def _position(opened: Open, data: bytes) -> None:
    position = file.PositionInformation.decode(data).value
    if position < 0:
        raise NtError(Status.INVALID_PARAMETER, f"position {position}")
    opened.position = position


async def _mode(opened: Open, data: bytes) -> None:
    """Change how this open works  [MS-FSA 2.1.5.15.8]."""
    mode = file.ModeInformation.decode(data).value
    if mode & ~_SETTABLE_MODE or mode & _BOTH_SYNCHRONOUS == _BOTH_SYNCHRONOUS:
        raise NtError(Status.INVALID_PARAMETER, f"mode {mode:#x}")
    opened.mode = mode | opened.mode & ~_SETTABLE_MODE


# -- extended attributes --
async def _full_ea(opened: Open, data: bytes) -> None:
    """Set or (empty value) remove extended attributes  [MS-FSA 2.1.5.15.5]."""
    opened.check_access(FILE_WRITE_EA)
    try:
        attributes = ea.decode_attributes(data)
    except WireError as error:
        raise NtError(Status.EA_LIST_INCONSISTENT, str(error)) from error
    opened.check_writable_volume()
    for attribute in attributes:
        if not ea.is_legal_name(attribute.name):
            raise NtError(Status.INVALID_EA_NAME, repr(attribute.name))
        if attribute.name.upper() in opened.volume.config.hidden_eas:
            raise NtError(Status.ACCESS_DENIED, f"EA {attribute.name!r} is not for clients")
    _set_all(opened, attributes)
    opened.forget_info()
    opened.volume.content_changed(opened, notify.EA)


def _set_all(opened: Open, attributes: list[ea.ExtendedAttribute]) -> None:
    """Set every one of `attributes`, or none where one of them fails."""
    node = opened.node
    before = node.extended_attributes() if len(attributes) > 1 else {}
    done: list[bytes] = []
    try:
        for attribute in attributes:
            node.set_extended_attribute(attribute.name.upper(), attribute.value)
            done.append(attribute.name.upper())
    except NtError:
        for name in reversed(done):
            with suppress(NtError):  # the disk refuses even what was there before; the first refusal is what counts
                node.set_extended_attribute(name, before.get(name, b""))
        raise


_SETTERS: dict[int, Callable[[Open, bytes], Awaitable[None]]] = {
    ic.FILE_BASIC_INFORMATION: _basic,
    ic.FILE_RENAME_INFORMATION: _rename,
    ic.FILE_RENAME_INFORMATION_EX: _rename_ex,
    ic.FILE_LINK_INFORMATION: _link,
    ic.FILE_LINK_INFORMATION_EX: _link_ex,
    ic.FILE_DISPOSITION_INFORMATION: _disposition,
    ic.FILE_DISPOSITION_INFORMATION_EX: _disposition_ex,
    ic.FILE_POSITION_INFORMATION: _position,
    ic.FILE_MODE_INFORMATION: _mode,
    ic.FILE_FULL_EA_INFORMATION: _full_ea,
    ic.FILE_ALLOCATION_INFORMATION: _allocation,
    ic.FILE_END_OF_FILE_INFORMATION: _end_of_file,
    ic.FILE_VALID_DATA_LENGTH_INFORMATION: _valid_data_length,
    ic.FILE_SHORT_NAME_INFORMATION: _short_name,
}
