"""Renaming files and directories, and making hard links  [MS-FSA 2.1.5.15.10, 2.1.5.15.11].

A rename takes H from every other holder of what moves, of what is below it and of what is replaced, and waits; whoever
then still has something below the directory, or the replaced file, open makes it fail with ACCESS_DENIED. After each
wait everything is decided anew; and because the store may take its time too, once more right before the name changes.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Hashable
from typing import TYPE_CHECKING

from smbcore.fsa import notify, reparse, reserved, space
from smbcore.fsa.access import open_parent
from smbcore.fsa.backend import Check, Node
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
_MOST_OVERTAKEN = 16
_Action = Callable[["Open", Node, str, int, Check], Awaitable[None]]
_Look = Callable[["Open"], "Blocker | None"]


class _OvertakenError(Exception):
    """What was decided is not so any more; it is decided anew, after waiting for `blocker` if there is one."""

    def __init__(self, blocker: Blocker | None = None) -> None:
        super().__init__()
        self.blocker = blocker


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
    _check_kept(opened)
    target = parse_path(name)
    if target.is_data or not target.names or (target.is_directory and not opened.is_directory):
        raise NtError(Status.OBJECT_NAME_INVALID, name)
    await _place(opened, target.names, flags, _find_blocker, _move)


async def link(opened: Open, name: str, flags: int) -> None:
    """Make a hard link `name` to the open file.

    Errors: FILE_IS_A_DIRECTORY;  OBJECT_NAME_COLLISION;  ACCESS_DENIED;  INVALID_PARAMETER a stream;  TOO_MANY_LINKS.
    """
    opened.check_writable_volume()
    if opened.is_directory:
        raise NtError(Status.FILE_IS_A_DIRECTORY, "a hard link to a directory")
    if opened.node.stream or name.startswith(":"):
        raise NtError(Status.INVALID_PARAMETER, "a hard link to a stream")
    _check_kept(opened)
    target = parse_path(name)
    if target.is_data or target.is_directory or not target.names:
        raise NtError(Status.OBJECT_NAME_INVALID, name)
    await _place(opened, target.names, flags, _check_kept, _link)


# -- who is in the way --
def _check_kept(opened: Open) -> None:
    if opened.delete_pending:
        raise NtError(Status.ACCESS_DENIED, f"{opened.path!r} is being deleted")


def _find_blocker(opened: Open) -> Blocker | None:
    """Break H of others on what moves; return what to wait for, None when the way is free.

    Errors: ACCESS_DENIED somebody has a stream of the file, or something below the directory, open; it is being deleted
    """
    _check_kept(opened)
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
async def _place(opened: Open, names: tuple[str, ...], flags: int, look: _Look, action: _Action) -> None:
    """Run `action` once nobody is in the way: neither of what moves, as `look` tells, nor of where it goes."""
    actor, overtaken = opened.actor, 0
    while overtaken < _MOST_OVERTAKEN:
        try:
            blocker = look(opened)
            if blocker is None:
                await _try_to_place(opened, actor, names, flags, look, action)
                return
        except _OvertakenError as error:
            blocker = error.blocker
        if blocker is not None:
            await blocker.wait(actor.name)
        else:
            overtaken += 1
    raise NtError(Status.ACCESS_DENIED, f"what has the name {names[-1]!r} changes all the time")


async def _try_to_place(
    opened: Open, actor: Token, names: tuple[str, ...], flags: int, look: _Look, action: _Action
) -> None:
    """Check what `actor` may do in the new parent and with an existing target, then run `action`.

    Raises _OvertakenError where somebody is in the way who makes room, or the target is another one by now.
    """
    volume, old = opened.volume, opened.node.path
    parent = await open_parent(volume, names)
    volume.passing.add(parent)
    try:
        _check_new_parent(opened, actor, parent, names[-1])
        blocker = _parent_in_the_way(opened, parent)
        if blocker is not None:
            raise _OvertakenError(blocker)
        target = await _find_target(opened, actor, parent, names, flags)

        def in_the_way() -> Blocker | None:
            key, path = target
            if key is None:
                return _parent_in_the_way(opened, parent)
            return _parent_in_the_way(opened, parent) or _target_in_the_way(opened, key, path, flags)

        def check(replaced: Hashable | None) -> None:
            blocker = look(opened) or in_the_way()
            if blocker is not None or replaced != target[0] or opened.node.path != old:
                raise _OvertakenError(blocker)

        blocker = in_the_way()
        if blocker is not None:
            raise _OvertakenError(blocker)
        await action(opened, parent, names[-1], flags, check)
    finally:
        volume.passing.discard(parent)
        parent.close()


def _check_new_parent(opened: Open, actor: Token, parent: Node, name: str) -> None:
    """Check that the new parent takes the name. Windows opens the parent for it, be it the old one, to add a file: who
    may not add there may not rename there  [MS-FSA 2.1.5.15.11].
    """
    volume = opened.volume
    if not parent.is_directory:
        raise NtError(Status.OBJECT_PATH_NOT_FOUND, "the new parent is a file")
    info = parent.info()
    if info.reparse_tag:
        reparse.stop(parent, info, f"\\{name}")
    if opened.is_directory and parent.path[: len(opened.node.path)] == opened.node.path:
        raise NtError(Status.INVALID_PARAMETER, "a directory cannot move below itself")
    if volume.snapshot_folder and volume.is_protected((*parent.path, name)):
        raise NtError(Status.ACCESS_DENIED, "the folder of the snapshots is only to be read")
    needed = FILE_ADD_SUBDIRECTORY if opened.is_directory else FILE_ADD_FILE
    if needed & ~volume.security.maximal_access(parent.security(), actor):
        raise NtError(Status.ACCESS_DENIED, "may not add to the new parent")


def _parent_in_the_way(opened: Open, parent: Node) -> Blocker | None:
    """Return oplocks to wait for, None when the new parent can be opened to add the name.

    That shares reading and writing: who has the directory open for DELETE, or shares no writing, is in the way. In
    newer versions of Windows it shares deletion too (`rename_beside_delete`)  [MS-FSA 2.1.5.15.11].
    """
    volume = opened.volume
    state = volume.table.find(parent.key)
    if state is None:
        return None
    if state.is_deleting(parent.path):
        raise NtError(Status.DELETE_PENDING, "the new parent is being deleted")
    share = _SHARE_OF_PARENT | (FILE_SHARE_DELETE if volume.config.rename_beside_delete else 0)
    if not conflicts(FILE_ADD_FILE, share, state.main.opens):
        return None
    oplocks = state.main.oplocks
    if oplocks is not None and oplocks.break_handle_caching(opened.oplock_key):
        return oplocks
    raise NtError(Status.SHARING_VIOLATION, "the new parent is open for deletion, or shares no writing")


async def _check_parent_alone(opened: Open, name: str) -> None:
    """Raise what the parent directory of `name` has against the rename."""
    names = parse_path(name).names
    parent = await open_parent(opened.volume, names or ("",))
    try:
        _check_new_parent(opened, opened.actor, parent, names[-1] if names else "")
        _parent_in_the_way(opened, parent)
    finally:
        parent.close()


async def _find_target(
    opened: Open, actor: Token, parent: Node, names: tuple[str, ...], flags: int
) -> tuple[Hashable | None, tuple[str, ...]]:
    """Check what already has the new name; return key and path of what is to be replaced, None and () for nothing."""
    backend = opened.volume.backend
    try:
        target = await backend.open(names, follow=False)
    except NtError as error:
        if error.status is Status.OBJECT_NAME_NOT_FOUND:
            return None, ()
        raise
    try:
        if target.key == opened.file.key and target.path == opened.node.path:
            return None, ()  # the same link: a change of case, or of nothing
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
        return target.key, target.path
    finally:
        target.close()


def _target_in_the_way(opened: Open, key: Hashable, path: tuple[str, ...], flags: int) -> Blocker | None:
    """Return oplocks to wait for, None when nobody has open what is to be replaced."""
    state = opened.volume.table.find(key)
    if state is None:
        return None
    if state.is_deleting(path):
        raise NtError(Status.DELETE_PENDING, "the target is being deleted")
    blocker = reserved.make_way(state.main, opened.oplock_key, opened)
    if blocker is not None:
        return blocker
    others = [other for other in state.opens() if other.node.path == path]
    if others and not flags & FILE_RENAME_POSIX_SEMANTICS:
        raise NtError(Status.ACCESS_DENIED, "the target is open")
    return None


# -- doing it --
async def _move(opened: Open, parent: Node, name: str, flags: int, check: Check) -> None:
    volume = opened.volume
    old = opened.node.path
    if old == (*parent.path, name):
        return

    async def move() -> None:
        await volume.backend.rename(opened.node, parent, name, replace=bool(flags & 1), check=check)

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


async def _link(opened: Open, parent: Node, name: str, flags: int, check: Check) -> None:
    async def make() -> None:
        await opened.volume.backend.link(opened.node, parent, name, replace=bool(flags & 1), check=check)

    await space.replacing(opened, (*parent.path, name), make)
    opened.forget_info()
    opened.volume.changed([(notify.ADDED, (*parent.path, name), "")], notify.FILE_NAME, opened.parent_oplock_key)
