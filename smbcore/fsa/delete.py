"""Deletion: who asks for it, when it happens  [MS-FSA 2.1.5.5, 2.1.5.15.3].

A link or stream is marked (delete token) by the disposition of an open, or when an open that was made with
DELETE_ON_CLOSE closes; from then on it cannot be opened; it goes with its last open. Hard links of a file are marked
each for itself.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from smbcore.fsa import notify, reserved, space
from smbcore.nt.access import DELETE
from smbcore.nt.attributes import FILE_ATTRIBUTE_READONLY
from smbcore.nt.status import NtError, Status

if TYPE_CHECKING:
    from smbcore.fsa.backend import Node
    from smbcore.fsa.open import Open
    from smbcore.fsa.volume import Volume

log = logging.getLogger(__name__)

# Flags of FileDispositionInformationEx  [MS-FSCC 2.4.12].
DISPOSITION_DELETE = 0x01
DISPOSITION_POSIX_SEMANTICS = 0x02
DISPOSITION_ON_CLOSE = 0x08
DISPOSITION_IGNORE_READONLY = 0x10


async def set_disposition(opened: Open, flags: int) -> None:
    """Mark or unmark what `opened` is for deletion.

    Errors: ACCESS_DENIED without DELETE;  CANNOT_DELETE what is read-only, the root;  DIRECTORY_NOT_EMPTY;
            FILE_NOT_AVAILABLE reserved for a client that is away.
    """
    if not opened.granted_access & DELETE:
        raise NtError(Status.ACCESS_DENIED, "disposition without DELETE")
    if flags & DISPOSITION_DELETE:
        _check_deletable(opened, ignore_readonly=bool(flags & DISPOSITION_IGNORE_READONLY))
    if flags & DISPOSITION_ON_CLOSE:
        opened.delete_on_close = bool(flags & DISPOSITION_DELETE)
        return
    if not flags & DISPOSITION_DELETE:
        _unmark(opened)
        return
    await _check_empty(opened)
    while (blocker := reserved.make_way(opened.stream_state, opened.oplock_key, opened)) is not None:
        await blocker.wait(opened.token.name)
    await _check_empty(opened)
    opened.posix_delete = bool(flags & DISPOSITION_POSIX_SEMANTICS)
    mark(opened)


def _check_deletable(opened: Open, *, ignore_readonly: bool) -> None:
    """Raise unless what is open may be deleted at all."""
    volume = opened.volume
    if volume.read_only:
        raise NtError(Status.MEDIA_WRITE_PROTECTED, opened.path)
    node = opened.node
    if not node.path and not node.stream:
        raise NtError(Status.CANNOT_DELETE, "the root stays")
    readonly = node.info().attributes & FILE_ATTRIBUTE_READONLY
    if readonly and not (ignore_readonly or volume.config.delete_readonly):
        raise NtError(Status.CANNOT_DELETE, f"{opened.path!r} is read-only")


async def _check_empty(opened: Open) -> None:
    if opened.is_directory and not await opened.volume.backend.is_empty(opened.node):
        raise NtError(Status.DIRECTORY_NOT_EMPTY, opened.path)


def mark(opened: Open) -> None:
    """Put the delete token on the link or stream of `opened`."""
    if opened.node.stream:
        opened.stream_state.delete_pending = True
        return
    state = opened.file
    if state.deleting is None:
        state.deleting = set()
    state.deleting.add(opened.node.path)
    if opened.is_directory:
        opened.volume.notifier.fail(opened.node.path, Status.DELETE_PENDING)


def _unmark(opened: Open) -> None:
    if opened.node.stream:
        opened.stream_state.delete_pending = False
    elif opened.file.deleting is not None:
        opened.file.deleting.discard(opened.node.path)
    opened.posix_delete = False


async def on_close(opened: Open) -> None:
    """Do what the closing of `opened` (already marked closed, still registered) means for deletion.

    A directory that is not empty is not even marked. Removal can fail (a directory got entries meanwhile, the store
    refuses); closing does not, so that is logged and the mark taken off. A mark that is set only now takes H from the
    other holders and waits for them, as the disposition of an open handle does: what they keep open for nobody would
    keep the name (smbtorture smb2.lease.unlink).
    """
    cancelled = None
    if opened.delete_on_close and not opened.delete_pending and await _goes_now(opened):
        mark(opened)
        cancelled = await _wait_for_handles(opened)
    await _remove_what_is_due(opened)
    if cancelled is not None:
        raise cancelled


async def _goes_now(opened: Open) -> bool:
    """Tell whether what was opened to be deleted on close can be; the log has why not."""
    try:
        await _check_empty(opened)
    except NtError as error:
        log.warning("deleting %r at close: %s", opened.path, error)
        return False
    return True


async def _wait_for_handles(opened: Open) -> asyncio.CancelledError | None:
    """Break H of others and wait for it; a wait that is cancelled ends, for the deletion is still due."""
    oplocks = opened.stream_state.oplocks
    if oplocks is None or not oplocks.break_handle_caching(opened.oplock_key, opened):
        return None
    try:
        await oplocks.wait(opened.token.name)
    except asyncio.CancelledError as error:
        return error
    return None


async def _remove_what_is_due(opened: Open) -> None:
    """Remove the stream and the link of `opened` if they are marked and nobody else has them open."""
    stream = opened.stream_state
    try:
        if stream.delete_pending and opened.node.stream and _is_last(opened, stream.opens):
            await _remove_stream(opened)
        path = opened.node.path
        if opened.file.is_deleting(path) and (opened.posix_delete or _is_last_of_link(opened, path)):
            await _remove_link(opened, path)
    except NtError as error:
        log.warning("deleting %r at close: %s", opened.path, error)
        if opened.file.deleting is not None:
            opened.file.deleting.discard(opened.node.path)
        stream.delete_pending = False


def _is_last(opened: Open, opens: list[Open]) -> bool:
    return all(other is opened or other.closed for other in opens)


def _is_last_of_link(opened: Open, path: tuple[str, ...]) -> bool:
    return all(other is opened or other.closed or other.node.path != path for other in opened.file.opens())


async def _remove_stream(opened: Open) -> None:
    volume, node = opened.volume, opened.node
    await space.giving_back(volume, node, lambda: volume.backend.remove(node))
    opened.stream_state.delete_pending = False
    opened.volume.report(opened, notify.REMOVED_STREAM, notify.STREAM_NAME)


async def _remove(volume: Volume, node: Node) -> None:
    await space.giving_back(volume, node, lambda: volume.backend.remove(node), removes=node.is_directory)


async def _remove_link(opened: Open, path: tuple[str, ...]) -> None:
    backend = opened.volume.backend
    if opened.node.stream:
        node = await backend.open(path, follow=False)
        try:
            if node.key != opened.file.key:
                raise NtError(Status.OBJECT_NAME_NOT_FOUND, "the name leads elsewhere by now")
            directory = node.is_directory
            await _remove(opened.volume, node)
        finally:
            node.close()
    else:
        directory = opened.is_directory
        born = 0 if directory else opened.node.info().creation_time
        await _remove(opened.volume, opened.node)
        if not directory:
            opened.volume.tunnel.add(path[:-1], path[-1], born, opened.volume.clock.now())
    if opened.file.deleting is not None:
        opened.file.deleting.discard(path)
    opened.volume.name_changed(path, directory, notify.REMOVED, opened.parent_oplock_key)
