"""Opening, creating and overwriting, phase by phase  [MS-FSA 2.1.5.1].

An open that has to wait for an oplock break starts over from the look-up afterwards: while it waited, the file may have
been renamed, deleted or replaced. Between the last decision and `state.add` nothing suspends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smbcore.fsa import notify, overwrite, reparse, reserved, sharing, space
from smbcore.fsa.access import decide_access, open_parent
from smbcore.fsa.api import OpenParameters
from smbcore.fsa.backend import HeldOutsideError, Look, Node
from smbcore.fsa.open import Open
from smbcore.fsa.parameters import check_parameters, needed_to_overwrite, overwrites
from smbcore.fsa.path import Target, parse_path
from smbcore.nt import attributes as fa
from smbcore.nt import create as c
from smbcore.nt.access import (
    ACCESS_SYSTEM_SECURITY,
    DELETE,
    FILE_ADD_FILE,
    FILE_ADD_SUBDIRECTORY,
    FILE_ALL_ACCESS,
    FILE_APPEND_DATA,
    FILE_WRITE_DATA,
    MAXIMUM_ALLOWED,
)
from smbcore.nt.names import upcase
from smbcore.nt.status import NtError, Status
from smbcore.nt.token import SE_SECURITY

if TYPE_CHECKING:
    from smbcore.fsa.file_table import FileState, StreamState
    from smbcore.fsa.oplock import Oplocks
    from smbcore.fsa.tunnel import Gone
    from smbcore.fsa.volume import Volume

_WRITES_DATA = FILE_WRITE_DATA | FILE_APPEND_DATA
_MAY_BE_BEHIND_A_LINK = frozenset(
    {Status.OBJECT_NAME_NOT_FOUND, Status.OBJECT_PATH_NOT_FOUND, Status.STOPPED_ON_SYMLINK}
)
_CREATING = frozenset({c.FILE_SUPERSEDE, c.FILE_CREATE, c.FILE_OPEN_IF, c.FILE_OVERWRITE_IF})
_TRY_AGAIN = 0.1
_ACTION = {
    c.FILE_SUPERSEDE: c.FILE_SUPERSEDED,
    c.FILE_OVERWRITE: c.FILE_OVERWRITTEN,
    c.FILE_OVERWRITE_IF: c.FILE_OVERWRITTEN,
}


async def open_file(volume: Volume, p: OpenParameters) -> Open:
    """Server Requests an Open of a File  [MS-FSA 2.1.5.1]."""
    target = parse_path(p.path)
    desired = check_parameters(p, target)
    volume.check_open(p, desired)
    if target.is_data and not volume.config.named_streams:
        raise NtError(Status.OBJECT_NAME_INVALID, "the volume has no named streams")
    backend = volume.backend
    disposition = p.create_disposition
    writable = bool(desired & _WRITES_DATA) or overwrites(disposition)
    follow = not p.create_options & c.FILE_OPEN_REPARSE_POINT
    try_create_first = disposition == c.FILE_CREATE and not target.stream and bool(target.names)
    asked_for = 0.0
    while True:
        try:
            if try_create_first:
                try_create_first = False
                created = await _create(volume, p, target, desired)
                if created is not None:
                    return created
            node = await backend.open(target.names, writable=writable, follow=follow)
        except HeldOutsideError:
            asked_for = await _wait_outside(volume, asked_for)
            continue
        except NtError as error:
            creating = error.status is Status.OBJECT_NAME_NOT_FOUND and disposition in _CREATING
            if len(target.names) > 1 and error.status in _MAY_BE_BEHIND_A_LINK and not creating:
                absent = error.status is Status.OBJECT_NAME_NOT_FOUND
                await reparse.stop_on_the_way(backend, p.path, target.names, parent_only=absent)
            if not creating or not target.names:
                raise
            created = await _create(volume, p, target, desired)
            if created is not None:
                return created
            continue
        try:
            opened = await _open_existing(volume, p, target, desired, node)
        except BaseException:
            node.close()
            raise
        if opened is not None:
            return opened


async def _wait_outside(volume: Volume, seconds: float) -> float:
    """Wait a little for a program outside of this server to let go of the file; return how long it took by now.

    Errors: SHARING_VIOLATION it keeps the file longer than anybody may take to answer a break.
    """
    if seconds >= volume.config.break_timeout:
        raise NtError(Status.SHARING_VIOLATION, f"a program outside of this server kept the file for {seconds:.0f} s")
    await volume.clock.sleep(_TRY_AGAIN)
    return seconds + _TRY_AGAIN


# -- an existing file --
async def _open_existing(volume: Volume, p: OpenParameters, target: Target, desired: int, node: Node) -> Open | None:
    """Open of an Existing File  [MS-FSA 2.1.5.1.2]; None to start over. The node is taken over or closed on return."""
    state = volume.table.find(node.key)
    if state is not None and state.deleting is not None and node.path in state.deleting:
        raise NtError(Status.DELETE_PENDING, f"{p.path!r} is being deleted")
    _check_type(p, target, node)
    if target.stream:
        return await _open_stream(volume, p, target, desired, node)
    if p.create_disposition == c.FILE_CREATE:
        raise NtError(Status.OBJECT_NAME_COLLISION, f"{p.path!r} exists")
    seen = node.look()
    granted = await _check_existing(volume, p, desired, node, seen)
    return await _admit(volume, p, node, seen, granted, "")


def _check_type(p: OpenParameters, target: Target, node: Node) -> None:
    """Check directory against file  [MS-FSA 2.1.5.1.2]."""
    options = p.create_options
    if node.is_directory:
        if target.stream:
            return
        if options & c.FILE_NON_DIRECTORY_FILE or target.is_data:
            _collide_or(p, Status.FILE_IS_A_DIRECTORY)
        if overwrites(p.create_disposition):
            status = Status.OBJECT_NAME_COLLISION if target.names else Status.ACCESS_DENIED
            raise NtError(status, "a directory cannot be overwritten")
    elif options & c.FILE_DIRECTORY_FILE:
        _collide_or(p, Status.NOT_A_DIRECTORY)
    elif target.is_directory:
        raise NtError(Status.OBJECT_NAME_INVALID, "a file's name ends with a backslash")


def _collide_or(p: OpenParameters, status: Status) -> None:
    raise NtError(Status.OBJECT_NAME_COLLISION if p.create_disposition == c.FILE_CREATE else status, p.path)


async def _check_existing(volume: Volume, p: OpenParameters, desired: int, node: Node, seen: Look) -> int:
    """Check attributes and access; return the granted access  [MS-FSA 2.1.5.1.2.1]."""
    info, descriptor = seen
    attributes = info.attributes
    options = p.create_options
    if info.reparse_tag and not options & c.FILE_OPEN_REPARSE_POINT:
        volume.stop_on_reparse(node, info)
    readonly = attributes & fa.FILE_ATTRIBUTE_READONLY
    needed = 0
    if overwrites(p.create_disposition):
        needed = needed_to_overwrite(p.create_disposition)
        if not node.stream:
            kept = attributes & (fa.FILE_ATTRIBUTE_HIDDEN | fa.FILE_ATTRIBUTE_SYSTEM)
            if kept & ~p.file_attributes:
                raise NtError(Status.ACCESS_DENIED, "overwriting would drop HIDDEN or SYSTEM")
    read_only_data = bool(readonly) and not node.is_directory
    granted = await decide_access(volume, p, desired, needed, node, descriptor, read_only_data)
    if readonly:
        if read_only_data and (desired | needed) & _WRITES_DATA:
            raise NtError(Status.ACCESS_DENIED, f"{p.path!r} is read-only")
        if options & c.FILE_DELETE_ON_CLOSE and not volume.config.delete_readonly:
            raise NtError(Status.CANNOT_DELETE, f"{p.path!r} is read-only")
    if options & c.FILE_DELETE_ON_CLOSE:
        _check_delete_on_close(p, granted, is_root=not node.path and not node.stream)
    return granted


def _check_delete_on_close(p: OpenParameters, granted: int, *, is_root: bool) -> None:
    if not granted & DELETE:
        raise NtError(Status.ACCESS_DENIED, "delete on close without DELETE")
    if is_root:
        raise NtError(Status.CANNOT_DELETE, f"{p.path!r} is the root")


async def _admit(volume: Volume, p: OpenParameters, node: Node, seen: Look, granted: int, folded: str) -> Open | None:
    """Check sharing, break oplocks, register the open, overwrite; None after a wait."""
    state = volume.table.file(node.key)
    async with state:
        stream = state.stream(folded) if folded else state.main
        replaces = overwrites(p.create_disposition)
        if state.count:
            access = granted | needed_to_overwrite(p.create_disposition) & FILE_WRITE_DATA
            if volume.reserved and reserved.must_wait(stream, p, access, overwrites=replaces):
                node.close()
                await reserved.wait(volume)
                return None
            breaking = _check_others(state, stream, p, access)
            if breaking is not None:
                node.close()
                await breaking.wait(p.token.name)
                return None
        opened = Open(volume, node, stream, p, granted, c.FILE_OPENED, seen)
        if replaces:
            opened.create_action = _ACTION[p.create_disposition]
            try:
                await overwrite.replace_content(opened, p, seen[0])
            except BaseException:
                opened.delete_on_close = False  # the client never had it; what others marked goes with its last open
                await opened.close()
                raise
        return opened


def _check_others(state: FileState, stream: StreamState, p: OpenParameters, access: int) -> Oplocks | None:
    """Check share modes and break oplocks  [MS-FSA 2.1.5.1.2.2, 2.1.4.12]; return the oplocks to wait for, if any.

    Errors: SHARING_VIOLATION;  DELETE_PENDING for a named stream.
    """
    if stream.delete_pending:
        raise NtError(Status.DELETE_PENDING, "the stream is being deleted")
    share = p.share_access
    in_conflict = sharing.conflicts(access, share, stream.opens)
    in_the_way = [] if in_conflict or state.streams is None else _streams_in_the_way(state, stream, access, share)
    for blocker in in_the_way or (stream,):
        oplocks = blocker.oplocks
        if oplocks is None or not oplocks.holders:
            continue
        replaces = blocker is stream and overwrites(p.create_disposition)
        conflict = in_conflict or blocker is not stream
        if oplocks.break_for_open(p.oplock_key, access, overwrites=replaces, in_conflict=conflict):
            return oplocks
    if in_conflict or in_the_way:
        raise NtError(Status.SHARING_VIOLATION, f"{p.path!r} access {access:#x} share {share:#x}")
    return None


def _streams_in_the_way(state: FileState, stream: StreamState, access: int, share: int) -> list[StreamState]:
    """Return the other streams of the file whose opens do not admit that it is deleted, or are made to delete it."""
    is_main = stream is state.main
    others = (state.streams or {}).values() if is_main else (state.main,)
    return [o for o in others if sharing.delete_conflicts(access, share, is_main=is_main, others=o.opens)]


# -- named streams --
async def _open_stream(volume: Volume, p: OpenParameters, target: Target, desired: int, node: Node) -> Open | None:
    """Open or create a named stream of an existing file; closes `node`."""
    disposition = p.create_disposition
    seen = node.look()
    granted = await _check_existing(volume, p, desired, node, seen)
    may_create = disposition in _CREATING
    if may_create and volume.read_only:
        may_create = False
    stream, created = node.open_stream(target.stream, create=may_create, exclusive=disposition == c.FILE_CREATE)
    node.close()
    try:
        if not created:
            return await _admit(volume, p, stream, seen, granted, upcase(stream.stream))
        return _created_stream(volume, p, stream, granted)
    except BaseException:
        stream.close()
        raise


def _created_stream(volume: Volume, p: OpenParameters, stream: Node, granted: int) -> Open:
    state = volume.table.file(stream.key).stream(upcase(stream.stream))
    opened = Open(volume, stream, state, p, granted, c.FILE_CREATED, None)
    volume.report(opened, notify.ADDED_STREAM, notify.STREAM_NAME)
    return opened


# -- a new file --
async def _create(volume: Volume, p: OpenParameters, target: Target, desired: int) -> Open | None:
    """Creation of a New File  [MS-FSA 2.1.5.1.1]; None if somebody else created it meanwhile."""
    names = target.names
    directory = bool(p.create_options & c.FILE_DIRECTORY_FILE) and not target.stream
    _check_creation(volume, p, target, desired, directory=directory)
    parent = await open_parent(volume, names)
    volume.passing.add(parent)
    try:
        info, descriptor = parent.look()
        if info.reparse_tag:
            await reparse.stop_on_the_way(volume.backend, p.path, names, parent_only=True)
        _check_parent(volume, p, parent, descriptor, names[-1], directory=directory)
        stored = volume.security.inherited(descriptor, p.security, p.token, is_directory=directory)
        attributes = p.file_attributes & fa.SETTABLE
        if directory:
            attributes &= ~(fa.FILE_ATTRIBUTE_ARCHIVE | fa.FILE_ATTRIBUTE_TEMPORARY)
        else:
            attributes |= fa.FILE_ATTRIBUTE_ARCHIVE
        attributes &= ~fa.FILE_ATTRIBUTE_NOT_CONTENT_INDEXED
        attributes |= info.attributes & fa.FILE_ATTRIBUTE_NOT_CONTENT_INDEXED
        if volume.compresses and not p.create_options & c.FILE_NO_COMPRESSION:
            attributes |= info.attributes & fa.FILE_ATTRIBUTE_COMPRESSED
        name = names[-1]
        gone = None if directory else volume.tunnel.take(parent.path, name, volume.clock.now())
        if gone is not None and upcase(gone.name) != upcase(name):
            name = gone.name
        try:
            node = await volume.backend.create(
                parent, name, directory=directory, attributes=attributes, security=stored
            )
        except NtError as error:
            if error.status is Status.OBJECT_NAME_COLLISION:
                return None
            raise
    finally:
        volume.passing.discard(parent)
        parent.close()
    return await _finish_creation(volume, p, target, desired, node, gone)


def _check_creation(volume: Volume, p: OpenParameters, target: Target, desired: int, *, directory: bool) -> None:
    if volume.read_only:
        raise NtError(Status.MEDIA_WRITE_PROTECTED, p.path)
    if target.is_directory and not directory:
        raise NtError(Status.OBJECT_NAME_INVALID, "a file's name ends with a backslash")
    if desired & ACCESS_SYSTEM_SECURITY and SE_SECURITY not in p.token.privileges:
        raise NtError(Status.PRIVILEGE_NOT_HELD, "ACCESS_SYSTEM_SECURITY")
    readonly = p.file_attributes & fa.FILE_ATTRIBUTE_READONLY
    if p.create_options & c.FILE_DELETE_ON_CLOSE and readonly and not volume.config.delete_readonly:
        raise NtError(Status.CANNOT_DELETE, "created read-only, to be deleted on close")


def _check_parent(
    volume: Volume, p: OpenParameters, parent: Node, descriptor: bytes | None, name: str, *, directory: bool
) -> None:
    """Check that the directory, whose security is `descriptor`, takes a new entry from this user."""
    if not parent.is_directory:
        raise NtError(Status.OBJECT_PATH_NOT_FOUND, f"parent of {p.path!r} is a file")
    state = volume.table.find(parent.key)
    if state is not None and state.is_deleting(parent.path):
        raise NtError(Status.DELETE_PENDING, f"parent of {p.path!r} is being deleted")
    if volume.snapshot_folder and volume.is_protected((*parent.path, name)):
        raise NtError(Status.ACCESS_DENIED, "the folder of the snapshots is only to be read")
    needed = FILE_ADD_SUBDIRECTORY if directory else FILE_ADD_FILE
    missing = needed & ~(volume.security.maximal_access(descriptor, p.token) & p.access_limit)
    if missing and missing & ~volume.security.privileged(
        descriptor, p.token, missing, backup_intent=bool(p.create_options & c.FILE_OPEN_FOR_BACKUP_INTENT)
    ):
        raise NtError(Status.ACCESS_DENIED, f"may not add {p.path!r}")


async def _stream_of_new(volume: Volume, name: str, base: Node) -> Node:
    """Make the first stream of a file that was made for it; closes `base`, and removes it where that fails."""
    try:
        stream, _ = base.open_stream(name, create=True)
    except NtError:
        await volume.backend.remove(base)
        raise
    finally:
        base.close()
    return stream


async def _finish_creation(
    volume: Volume, p: OpenParameters, target: Target, desired: int, node: Node, gone: Gone | None
) -> Open:
    """Register the open of a created file; give it what the client sent along and what tunnels from `gone`."""
    granted = desired & ~MAXIMUM_ALLOWED
    if desired & MAXIMUM_ALLOWED:
        granted |= FILE_ALL_ACCESS & p.access_limit
    if target.stream:
        node = await _stream_of_new(volume, target.stream, node)
    state = volume.table.file(node.key)
    stream = state.stream(upcase(node.stream)) if node.stream else state.main
    opened = Open(volume, node, stream, p, granted, c.FILE_CREATED, None)
    if not opened.is_directory:
        state.archive_known = True
    try:
        if gone is not None and volume.config.keep_creation_time:
            node.set_times(creation=gone.creation_time)
        for name, value in p.extended_attributes:
            node.set_extended_attribute(name, value)
        if p.allocation_size and not opened.is_directory:
            await space.set_allocation(opened, p.allocation_size)
        is_as_made = gone is None and not p.extended_attributes and not p.allocation_size and not target.stream
        seen = node.look() if is_as_made else None
    except BaseException:
        await opened.undo_creation()
        raise
    volume.entry_changed(opened, notify.ADDED)
    if target.stream:
        volume.report(opened, notify.ADDED_STREAM, notify.STREAM_NAME)
    if seen is not None:
        opened.saw(seen)
    return opened
