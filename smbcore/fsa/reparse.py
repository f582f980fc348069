"""Reparse points: stopping at one, reading, setting and removing its data  [MS-FSA 2.1.5.10, MS-SMB2 2.2.2.2.1]."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, NoReturn

from smbcore.fsa import notify
from smbcore.fsa.backend import Backend, Node, NodeInfo
from smbcore.nt import attributes as fa
from smbcore.nt.access import FILE_WRITE_ATTRIBUTES, FILE_WRITE_DATA
from smbcore.nt.errors import WireError
from smbcore.nt.info.reparse import ReparsePoint, SymbolicLink
from smbcore.nt.names import utf16_length
from smbcore.nt.status import NtError, Status

if TYPE_CHECKING:
    from smbcore.fsa.open import Open

METADATA = "reparse"
"""Where a REPARSE_DATA_BUFFER is kept with its file."""

STORE_LINK = "posix.symlink"
"""Where a backend shows the target of a symbolic link of the store, UTF-8 with slashes."""

_ESCAPED = {0xDC00 + byte: 0xF000 + byte for byte in range(0x80, 0x100)}
"""Bytes of a link's target that are not UTF-8, as names show them: clients do not take lone surrogates."""

_SYMLINK_ERROR = Struct("<IIIHH")  # SymLinkLength, SymLinkErrorTag, ReparseTag, ReparseDataLength, UnparsedPathLength
_ABSENT = frozenset({Status.OBJECT_NAME_NOT_FOUND, Status.OBJECT_PATH_NOT_FOUND})
_SYMLINK_ERROR_TAG = 0x4C4D_5953


def stop(node: Node, info: NodeInfo, behind: str = "") -> NoReturn:
    """Refuse to open a reparse point as what it stands for, or something `behind` it, as the client spelled that.

    Raises NtError: STOPPED_ON_SYMLINK, data = Symbolic Link Error Response, so that the client goes on by itself;
    IO_REPARSE_TAG_NOT_HANDLED for every other tag.
    """
    if info.reparse_tag != fa.IO_REPARSE_TAG_SYMLINK:
        raise NtError(Status.IO_REPARSE_TAG_NOT_HANDLED, f"reparse tag {info.reparse_tag:#x}")
    point = load(node)
    if point is None:
        raise NtError(Status.IO_REPARSE_DATA_INVALID, "a symbolic link without its data")
    raise NtError(Status.STOPPED_ON_SYMLINK, "\\".join(node.path), symlink_error(point, 2 * utf16_length(behind)))


async def stop_on_the_way(backend: Backend, path: str, names: tuple[str, ...], *, parent_only: bool = False) -> None:
    """Raise what a reparse point among the directories of a path means, if there is one  [MS-FSA 2.1.5.1, phase 6].

    Asked for paths that could not be opened: nothing is found behind a reparse point.
    path         as the client spelled it;  names  its components
    parent_only  everything before the last directory is known to be there
    """
    parts = path.replace("/", "\\").split("\\")
    spelled = parts if len(parts) == len(names) else list(names)
    for depth in range(len(names) - 1 if parent_only else 1, len(names)):
        try:
            node = await backend.open(names[:depth], follow=False)
        except NtError as error:
            if error.status in _ABSENT:
                return
            raise
        try:
            info = node.info()
            if info.reparse_tag:
                stop(node, info, "\\" + "\\".join(spelled[depth:]))
        finally:
            node.close()


def symlink_error(point: ReparsePoint, unparsed: int) -> bytes:
    """Return the Symbolic Link Error Response  [MS-SMB2 2.2.2.2.1].

    unparsed  bytes (UTF-16) of the path behind the link, its leading backslash included
    """
    size = _SYMLINK_ERROR.size + len(point.data) - 4
    return _SYMLINK_ERROR.pack(size, _SYMLINK_ERROR_TAG, point.tag, len(point.data), unparsed) + point.data


def load(node: Node) -> ReparsePoint | None:
    """Return the reparse data of a file, None if it has none.

    Errors: IO_REPARSE_DATA_INVALID stored data is damaged.
    """
    data = node.object_metadata(METADATA)
    if data is not None:
        try:
            return ReparsePoint.decode(data)
        except WireError as error:
            raise NtError(Status.IO_REPARSE_DATA_INVALID, str(error)) from error
    target = node.object_metadata(STORE_LINK)
    if target is None:
        return None
    name = target.decode("utf-8", "surrogateescape").translate(_ESCAPED).replace("/", "\\")
    return SymbolicLink(name, name, relative=not name.startswith("\\")).reparse_point()


def get(opened: Open, data: bytes, max_output: int) -> bytes:
    """FSCTL_GET_REPARSE_POINT  [MS-FSA 2.1.5.10.8].

    Errors: NOT_A_REPARSE_POINT;  BUFFER_TOO_SMALL;  BUFFER_OVERFLOW.
    """
    del data
    point = load(opened.node)
    if point is None:
        raise NtError(Status.NOT_A_REPARSE_POINT, opened.path)
    encoded = point.encode()
    if max_output < len(encoded):
        if max_output < 8:
            raise NtError(Status.BUFFER_TOO_SMALL, f"{max_output} bytes for reparse data")
        raise NtError(Status.BUFFER_OVERFLOW, f"{max_output} bytes for reparse data", encoded[:max_output])
    return encoded


def _check_change(opened: Open, data: bytes) -> ReparsePoint:
    if not opened.granted_access & (FILE_WRITE_DATA | FILE_WRITE_ATTRIBUTES):
        raise NtError(Status.ACCESS_DENIED, "reparse point without write access")
    if opened.stream:
        raise NtError(Status.INVALID_PARAMETER, "reparse point of a stream")
    opened.check_writable_volume()
    try:
        point = ReparsePoint.decode(data)
    except WireError as error:
        raise NtError(Status.IO_REPARSE_DATA_INVALID, str(error)) from error
    if point.tag <= fa.IO_REPARSE_TAG_RESERVED_TWO:
        raise NtError(Status.IO_REPARSE_TAG_INVALID, f"reparse tag {point.tag:#x}")
    stored = load(opened.node)
    if stored is not None and stored.tag != point.tag:
        raise NtError(Status.IO_REPARSE_TAG_MISMATCH, f"is {stored.tag:#x}, not {point.tag:#x}")
    if stored is not None and stored.guid != point.guid:
        raise NtError(Status.REPARSE_ATTRIBUTE_CONFLICT, "another owner's reparse point")
    return point


def _check_file(opened: Open, point: ReparsePoint) -> None:
    """Check that the file can be what `point` says."""
    if point.tag == fa.IO_REPARSE_TAG_MOUNT_POINT and not opened.is_directory:
        raise NtError(Status.NOT_A_DIRECTORY, "a file cannot be a mount point")
    info = opened.node.info()
    if point.tag == fa.IO_REPARSE_TAG_SYMLINK and info.end_of_file:
        raise NtError(Status.IO_REPARSE_DATA_INVALID, "a symbolic link that has data")
    if not info.reparse_tag and info.ea_size:
        raise NtError(Status.EAS_NOT_SUPPORTED, "a reparse point with extended attributes")


async def set_point(opened: Open, data: bytes, max_output: int) -> bytes:
    """FSCTL_SET_REPARSE_POINT  [MS-FSA 2.1.5.10.37].

    Errors: ACCESS_DENIED;  IO_REPARSE_DATA_INVALID;  IO_REPARSE_TAG_INVALID;  IO_REPARSE_TAG_MISMATCH;
            REPARSE_ATTRIBUTE_CONFLICT another owner's;  DIRECTORY_NOT_EMPTY;  NOT_A_DIRECTORY a mount point in place of
            a file;  EAS_NOT_SUPPORTED a file with extended attributes.
    """
    del max_output
    point = _check_change(opened, data)
    _check_file(opened, point)
    if opened.is_directory and not await opened.volume.backend.is_empty(opened.node):
        raise NtError(Status.DIRECTORY_NOT_EMPTY, opened.path)
    opened.node.set_object_metadata(METADATA, point.encode())
    if not opened.is_directory:
        opened.set_archive()
    _changed(opened)
    return b""


async def delete_point(opened: Open, data: bytes, max_output: int) -> bytes:
    """FSCTL_DELETE_REPARSE_POINT  [MS-FSA 2.1.5.10.2].  Errors: as `set_point`, and NOT_A_REPARSE_POINT."""
    del max_output
    point = _check_change(opened, data)
    if point.data:
        raise NtError(Status.IO_REPARSE_DATA_INVALID, "data with a removal")
    if opened.node.object_metadata(METADATA) is None:
        raise NtError(Status.NOT_A_REPARSE_POINT, opened.path)
    opened.node.set_object_metadata(METADATA, None)
    _changed(opened)
    return b""


def _changed(opened: Open) -> None:
    opened.forget_info()
    opened.volume.content_changed(opened, notify.ATTRIBUTES)
