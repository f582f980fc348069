"""Renaming files and directories, and making hard links  [MS-FSA 2.1.5.15.10, 2.1.5.15.11].

A rename takes H from every other holder of what moves, of what is below it and of what is replaced, and waits; whoever
then still has something below the directory, or the replaced file, open makes it fail with ACCESS_DENIED. After each
wait everything is decided anew.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from smbcore.fsa import notify, reparse, reserved, space
from smbcore.fsa.access import open_parent
from smbcore.fsa.backend import Node
from smbcore.fsa.path import parse_path
from smbcore.fsa.sharing import conflicts
from smbcore.fsa.stream_rename import rename_stream
from smbcore.nt.access import DELETE, FILE_ADD_FILE, FILE_ADD_SUBDIRECTORY, FILE_DELETE_CHILD
from smbcore.nt.attributes import FILE_ATTRIBUTE_READONLY
from smbcore.nt.create import FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE
from smbcore.nt.info.rename import FILE_RENAME_IGNORE_READONLY_ATTRIBUTE, FILE_RENAME_POSIX_SEMANTICS
from smbcore.nt.status import NtError, Status

if TYPE_CHECKING:
    from smbcore.fsa.open import Open
    from smbcore.fsa.reserved import Blocker
    from smbcore.nt.token import Token

log = logging.getLogger(__name__)

_SHARE_OF_PARENT = FILE_SHARE_READ | FILE_SHARE_WRITE
_Action = Callable[["Open", Node, str, int], Awaitable[None]]


async def rename(opened: Open, name: str, flags: int) -> None:
    """Rename what is open to the share-relative `name`, or to `:stream`.

    Errors: ACCESS_DENIED without DELETE, no right to add to the new parent, something below or the target is open;
            OBJECT_NAME_COLLISION the target exists and is not to be replaced;  INVALID_PARAMETER the root, or a
            stream's name for a file;  FILE_NOT_AVAILABLE what is in the way is reserved for a client that is away;
            those of paths and of the backend.
    """
    if not opened.granted_access & DELETE:
        raise NtError(Status.ACCESS_DENIED, "rename without DELETE")
    opened.check_writable_volume()
    replace = bool(flags & 1)
    if name.startswith(":"):
        await rename_stream(opened, name, replace=replace)
        return
    if opened.node.stream:
        await _check_parent_alone(opened, name)  # Windows opens it before it looks at the name (smb2.streams.rename2)
    if opened.node.stream or not opened.node.path:
        raise NtError(Status.INVALID_PARAMETER, f"{opened.path!r} cannot become {name!r}")
    if opened.delete_pending:
        raise NtError(Status.ACCESS_DENIED, f"{opened.path!r} is being deleted")
    target = parse_path(name)
    if target.is_data or not target.names or (target.is_directory and not opened.is_directory):
        raise NtError(Status.OBJECT_NAME_INVALID, name)
    actor = opened.actor
    while (blocker := _find_blocker(opened)) is not None:
        await blocker.wait(actor.name)
    await _place(opened, actor, target.names, flags, _move)


async def link(opened: Open, name: str, flags: int) -> None:
    """Make a hard link `name` to the open file.

    Errors: FILE_IS_A_DIRECTORY;  OBJECT_NAME_COLLISION;  ACCESS_DENIED;  INVALID_PARAMETER a stream;  TOO_MANY_LINKS.
    """
    opened.check_writable_volume()
    if opened.is_directory:
        raise NtError(Status.FILE_IS_A_DIRECTORY, "a hard link to a directory")
    if opened.node.stream or name.startswith(":"):
        raise NtError(Status.INVALID_PARAMETER, "a hard link to a stream")
    if opened.delete_pending:
        raise NtError(Status.ACCESS_DENIED, f"{opened.path!r} is being deleted")
    target = parse_path(name)
    if target.is_data or target.is_directory or not target.names:
        raise NtError(Status.OBJECT_NAME_INVALID, name)
    await _place(opened, opened.actor, target.names, flags, _link)


# -- who is in the way --
def _find_blocker(opened: Open) -> Blocker | None:
    """Break H of others on what moves; return what to wait for, None when the way is free.

    Errors: ACCESS_DENIED somebody has a stream of the file, or something below the directory, open.
    """
    blocker = reserved.make_way(opened.stream_state, opened.oplock_key, opened)
    if blocker is not None:
        return blocker
    open_streams = [stream for stream in (opened.file.streams or {}).values() if stream.opens]
    for stream in open_streams:
        blocker = reserved.make_way(stream, opened.oplock_key, opened)
        if blocker is not None:
            return blocker
    if open_streams:
        raise NtError(Status.ACCESS_DENIED, f"{opened.path!r} has an open stream")
    if not opened.is_directory:
        return None
    below = opened.volume.opens_below(opened.node.path)
    for other in below:
        blocker = reserved.make_way(other.stream_state, opened.oplock_key, opened)
        if blocker is not None:
            return blocker
    if below:
        raise NtError(Status.ACCESS_DENIED, f"{below[0].path!r} below is open")
    return None


# -- the target --
async def _place(opened: Open, actor: Token, names: tuple[str, ...], flags: int, action: _Action) -> None:
    """Check what `actor` may do in the new parent and with an existing target, then run `action`."""
    volume = opened.volume
    while True:
        parent = await open_parent(volume, names)
        try:
            blocker = _check_new_parent(opened, actor, parent, names[-1])
            if blocker is None:
                blocker = await _check_target(opened, actor, parent, names, flags)
            if blocker is None:
                await action(opened, parent, names[-1], flags)
                return
        finally:
            parent.close()
        await blocker.wait(actor.name)


def _check_new_parent(opened: Open, actor: Token, parent: Node, name: str) -> Blocker | None:
    """Check that the new parent takes the name; return oplocks to wait for.

    Windows opens the parent for it, be it the old one, to add a file and sharing reading and writing: who may not add
    there may not rename there, and who has the directory open for DELETE, or shares no writing, is in the way. From
    Windows Server 2025 on it shares deletion too (`rename_beside_delete`)  [MS-FSA 2.1.5.15.11].
    """
    volume = opened.volume
    if not parent.is_directory:
        raise NtError(Status.OBJECT_PATH_NOT_FOUND, "the new parent is a file")
    info = parent.info()
    if info.reparse_tag:
        reparse.stop(parent, info, f"\\{name}")
    if opened.is_directory and parent.path[: len(opened.node.path)] == opened.node.path:
        raise NtError(Status.INVALID_PARAMETER, "a directory cannot move below itself")
    state = volume.table.find(parent.key)
    if state is not None and state.is_deleting(parent.path):
        raise NtError(Status.DELETE_PENDING, "the new parent is being deleted")
    if volume.snapshot_folder and volume.is_protected((*parent.path, name)):
        raise NtError(Status.ACCESS_DENIED, "the folder of the snapshots is only to be read")
    share = _SHARE_OF_PARENT | (FILE_SHARE_DELETE if volume.config.rename_beside_delete else 0)
    if state is not None and conflicts(FILE_ADD_FILE, share, state.main.opens):
        oplocks = state.main.oplocks
        if oplocks is not None and oplocks.break_handle_caching(opened.oplock_key):
            return oplocks
        raise NtError(Status.SHARING_VIOLATION, "the new parent is open for deletion, or shares no writing")
    needed = FILE_ADD_SUBDIRECTORY if opened.is_directory else FILE_ADD_FILE
    if needed & ~volume.security.maximal_access(parent.security(), actor):
        raise NtError(Status.ACCESS_DENIED, "may not add to the new parent")
    return None


async def _check_parent_alone(opened: Open, name: str) -> None:
    """Raise what the parent directory of `name` has against the rename."""
    names = parse_path(name).names
    parent = await open_parent(opened.volume, names or ("",))
    try:
        _check_new_parent(opened, opened.actor, parent, names[-1] if names else "")
    finally:
        parent.close()


async def _check_target(opened: Open, actor: Token, parent: Node, names: tuple[str, ...], flags: int) -> Blocker | None:
    """Check what already has the new name; return oplocks to wait for."""
    backend = opened.volume.backend
    try:
        target = await backend.open(names, follow=False)
    except NtError as error:
        if error.status is Status.OBJECT_NAME_NOT_FOUND:
            return None
        raise
    try:
        if target.key == opened.file.key and target.path == opened.node.path:
            return None  # the same link: a change of case, or of nothing
        if not flags & 1:
            raise NtError(Status.OBJECT_NAME_COLLISION, f"{'/'.join(names)!r} exists")
        if target.is_directory or opened.is_directory:
            raise NtError(Status.ACCESS_DENIED, "a directory is not replaced, nor replaces")
        readonly = target.info().attributes & FILE_ATTRIBUTE_READONLY
        if readonly and not flags & FILE_RENAME_IGNORE_READONLY_ATTRIBUTE:
            raise NtError(Status.ACCESS_DENIED, "the target is read-only")
        held = opened.volume.security.maximal_access(target.security(), actor)
        by_parent = opened.volume.security.maximal_access(parent.security(), actor) & FILE_DELETE_CHILD
        if not held & DELETE and not by_parent:
            raise NtError(Status.ACCESS_DENIED, "may not delete the target")
        state = opened.volume.table.find(target.key)
        if state is not None and state.is_deleting(target.path):
            raise NtError(Status.DELETE_PENDING, "the target is being deleted")
        return _check_target_opens(opened, target, flags)
    finally:
        target.close()


def _check_target_opens(opened: Open, target: Node, flags: int) -> Blocker | None:
    state = opened.volume.table.find(target.key)
    if state is None:
        return None
    blocker = reserved.make_way(state.main, opened.oplock_key, opened)
    if blocker is not None:
        return blocker
    others = [other for other in state.opens() if other.node.path == target.path]
    if others and not flags & FILE_RENAME_POSIX_SEMANTICS:
        raise NtError(Status.ACCESS_DENIED, "the target is open")
    return None


# -- doing it --
async def _move(opened: Open, parent: Node, name: str, flags: int) -> None:
    volume = opened.volume
    old = opened.node.path
    if old == (*parent.path, name):
        return

    async def move() -> None:
        await volume.backend.rename(opened.node, parent, name, replace=bool(flags & 1))

    await space.replacing(opened, (*parent.path, name), move)
    new = opened.node.path
    for other in opened.file.opens():
        if other.node.path == old:
            other.node.path = new  # type: ignore[misc]  # a slot of every implementation
    deleting = opened.file.deleting
    if deleting is not None and old in deleting:
        deleting.discard(old)
        deleting.add(new)
    opened.forget_info()
    if opened.is_directory:
        volume.directory_moved(old, new)
    else:
        _tunnel(opened, old, new)
    _report_move(opened, old, new)


def _tunnel(opened: Open, old: tuple[str, ...], new: tuple[str, ...]) -> None:
    """The old name went; what had the new one lately passes on its creation time  [MS-FSA 2.1.5.15.11]."""
    volume, node = opened.volume, opened.node
    now = volume.clock.now()
    gone = volume.tunnel.take(new[:-1], new[-1], now)
    volume.tunnel.add(old[:-1], old[-1], node.info().creation_time, now)
    if gone is None or not volume.config.keep_creation_time:
        return
    try:
        node.set_times(creation=gone.creation_time)
    except NtError as error:
        log.warning("creation time of %r not tunneled: %s", opened.path, error)  # the rename itself succeeded


def _report_move(opened: Open, old: tuple[str, ...], new: tuple[str, ...]) -> None:
    """Tell watchers: one pair inside of a directory, else a removal and an addition; of a file's attributes later."""
    volume = opened.volume
    key = opened.parent_oplock_key
    change = notify.DIR_NAME if opened.is_directory else notify.FILE_NAME
    if old[:-1] == new[:-1]:
        volume.changed([(notify.RENAMED_OLD_NAME, old, ""), (notify.RENAMED_NEW_NAME, new, "")], change, key)
    else:
        volume.changed([(notify.REMOVED, old, "")], change, key)
        volume.changed([(notify.ADDED, new, "")], change, key)
    if not opened.is_directory:
        # Windows tells of attributes and creation time of a renamed file too, once the open that renamed it closes:
        # smbtorture smb2.notify.mask-change (closed) and smb2.notify.rec (still open) show it.
        opened.told_at_close |= notify.ATTRIBUTES | notify.CREATION


async def _link(opened: Open, parent: Node, name: str, flags: int) -> None:
    async def make() -> None:
        await opened.volume.backend.link(opened.node, parent, name, replace=bool(flags & 1))

    await space.replacing(opened, (*parent.path, name), make)
    opened.forget_info()
    opened.volume.changed([(notify.ADDED, (*parent.path, name), "")], notify.FILE_NAME, opened.parent_oplock_key)
