"""The access check of an open: the file's descriptor, its parent's say, privileges  [MS-FSA 2.1.5.1.2.1]."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smbcore.fsa import reparse
from smbcore.fsa.api import OpenParameters
from smbcore.fsa.backend import Node
from smbcore.nt import create as c
from smbcore.nt.access import (
    ACCESS_SYSTEM_SECURITY,
    DELETE,
    FILE_APPEND_DATA,
    FILE_DELETE_CHILD,
    FILE_LIST_DIRECTORY,
    FILE_READ_ATTRIBUTES,
    FILE_WRITE_DATA,
    MAXIMUM_ALLOWED,
    words,
)
from smbcore.nt.status import NtError, Status

if TYPE_CHECKING:
    from smbcore.fsa.volume import Volume

_NOT_ON_READONLY = FILE_WRITE_DATA | FILE_APPEND_DATA | FILE_DELETE_CHILD
_FROM_PARENT = DELETE | FILE_READ_ATTRIBUTES


async def decide_access(
    volume: Volume,
    p: OpenParameters,
    desired: int,
    needed: int,
    node: Node,
    descriptor: bytes | None,
    readonly: bool,
) -> int:
    """Return the access that the open is granted.

    needed      access that the disposition takes but the open does not get
    descriptor  the node's, as of now
    readonly    the file is READONLY: MAXIMUM_ALLOWED then leaves out writing
    Errors: ACCESS_DENIED;  PRIVILEGE_NOT_HELD.
    """
    limit = (p.access_limit | ACCESS_SYSTEM_SECURITY) & volume.grantable(node.path)  # no share's list speaks of it
    maximum = volume.security.maximal_access(descriptor, p.token) & limit
    wanted = (desired | needed) & ~MAXIMUM_ALLOWED
    missing = wanted & ~maximum
    if not missing and not desired & MAXIMUM_ALLOWED:
        return desired
    if missing:
        backup = bool(p.create_options & c.FILE_OPEN_FOR_BACKUP_INTENT)
        missing &= ~(volume.security.privileged(descriptor, p.token, missing, backup_intent=backup) & limit)
    asked_of_parent = (missing | (~maximum if desired & MAXIMUM_ALLOWED else 0)) & _FROM_PARENT & limit
    if asked_of_parent and node.path:
        by_parent = await _granted_by_parent(volume, p, node.path) & asked_of_parent
        missing &= ~by_parent
        maximum |= by_parent
    if missing:
        if missing == ACCESS_SYSTEM_SECURITY:
            raise NtError(Status.PRIVILEGE_NOT_HELD, "ACCESS_SYSTEM_SECURITY")
        raise NtError(Status.ACCESS_DENIED, f"{p.path!r}: {words(missing)} not granted")
    granted = desired & ~MAXIMUM_ALLOWED
    if desired & MAXIMUM_ALLOWED:
        granted |= maximum & ~_NOT_ON_READONLY if readonly else maximum
        if not granted:
            raise NtError(Status.ACCESS_DENIED, f"{p.path!r}: nothing granted")
    return granted


async def _granted_by_parent(volume: Volume, p: OpenParameters, path: tuple[str, ...]) -> int:
    """Return what rights on the parent directory say about its child: DELETE_CHILD lets delete, listing shows
    attributes.
    """
    parent = await open_parent(volume, path)
    try:
        held = volume.security.maximal_access(parent.security(), p.token)
    finally:
        parent.close()
    granted = DELETE if held & FILE_DELETE_CHILD else 0
    return granted | (FILE_READ_ATTRIBUTES if held & FILE_LIST_DIRECTORY else 0)


async def open_parent(volume: Volume, path: tuple[str, ...]) -> Node:
    """Open the directory that holds `path`.

    Errors: OBJECT_PATH_NOT_FOUND it is not there;  STOPPED_ON_SYMLINK, IO_REPARSE_TAG_NOT_HANDLED on the way.
    """
    try:
        return await volume.backend.open(path[:-1])
    except NtError as error:
        await reparse.stop_on_the_way(volume.backend, "\\".join(path), path)
        if error.status is Status.OBJECT_NAME_NOT_FOUND:
            raise NtError(Status.OBJECT_PATH_NOT_FOUND, error.why) from error
        raise
