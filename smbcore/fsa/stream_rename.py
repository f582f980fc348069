"""Renaming a stream within its file, to the main stream and away from it too  [MS-FSA 2.1.5.15.12.1].

A named stream gets another name by an entry in the file's list. The main stream is the file itself in every store below
(its links, its number, what is open of it), so that what becomes the main stream, or stops being it, is moved there and
removed here; while that goes on nobody else gets at the side that is filled. Every open of the stream then gets a node
of where its data is now.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smbcore.fsa import notify, reserved, space, times
from smbcore.fsa.backend import Node
from smbcore.nt.attributes import FILE_ATTRIBUTE_DIRECTORY
from smbcore.nt.names import split_stream, upcase
from smbcore.nt.status import NtError, Status

if TYPE_CHECKING:
    from smbcore.fsa.file_table import StreamState
    from smbcore.fsa.open import Open

_PIECE = 16 << 20
_SMALL = 64 << 10
_MOST_COLONS = 2


async def rename_stream(opened: Open, name: str, *, replace: bool) -> None:
    """Give the stream that is open the name `:stream` or `:stream:$DATA`; "::$DATA" is the main one.

    Before: the open has DELETE, the volume can be written.
    Errors: INVALID_PARAMETER a malformed name, no main stream in a directory, a target that is open or not empty;
            OBJECT_TYPE_MISMATCH another type than $DATA;  OBJECT_NAME_COLLISION the target exists and is not to be
            replaced;  ACCESS_DENIED the stream is being deleted;  SHARING_VIOLATION somebody writes while data moves;
            FILE_NOT_AVAILABLE reserved for a client that is away.
    """
    new = _parse(name, opened)
    if upcase(new) == upcase(opened.node.stream):
        return
    if opened.delete_pending:
        raise NtError(Status.ACCESS_DENIED, f"{opened!r} is being deleted")
    while (blocker := reserved.make_way(opened.stream_state, opened.oplock_key, opened)) is not None:
        await blocker.wait(opened.token.name)
    old, state = opened.node.stream, opened.stream_state
    nodes: list[Node] = []

    async def move() -> None:
        if new and old:
            _check_target(opened, new, replace=replace)
            await opened.volume.backend.rename_stream(opened.node, new, replace=replace)
        else:
            await (
                _leave_main(opened, new, nodes, replace=replace)
                if new
                else _become_main(opened, nodes, replace=replace)
            )
        opened.file.rename_stream(state, upcase(new))

    try:
        await space.giving_back(opened.volume, opened.node, move)
        if nodes:
            await _reopen_all(opened, new, nodes)  # some may have come while data moved
            for other in state.opens:
                _swap(other, nodes.pop())
    finally:
        for node in nodes:
            node.close()
    opened.forget_info()
    _report(opened, old, new)


def _parse(name: str, opened: Open) -> str:
    """Return the stream that `name` means, "" for the main one."""
    parts = name.split(":")
    if len(parts) - 1 > _MOST_COLONS or name.endswith(":"):
        raise NtError(Status.INVALID_PARAMETER, f"stream name {name!r}")
    new = parts[1]
    kind = upcase(parts[2]) if len(parts) > _MOST_COLONS else "$DATA"
    try:
        split_stream(f":{new}:$DATA")
    except NtError as error:
        raise NtError(Status.INVALID_PARAMETER, error.why) from error
    if not new and opened.node.info().attributes & FILE_ATTRIBUTE_DIRECTORY:
        raise NtError(Status.INVALID_PARAMETER, "a directory has no main stream")
    if kind != ("$INDEX_ALLOCATION" if opened.is_directory else "$DATA"):
        raise NtError(Status.OBJECT_TYPE_MISMATCH, f"stream type {kind!r}")
    if opened.is_directory:
        raise NtError(Status.INVALID_PARAMETER, "a directory itself is no stream")
    return new


def _check_target(opened: Open, new: str, *, replace: bool) -> bool:
    """Check the named stream that is in the place already; tell whether there is one."""
    folded = upcase(new)
    found = next((stream for stream in opened.node.streams() if upcase(stream.name) == folded), None)
    if found is None:
        return False
    state = (opened.file.streams or {}).get(folded)
    _check_replaceable(state, found.end_of_file, replace=replace)
    return True


def _check_replaceable(state: StreamState | None, size: int, *, replace: bool) -> None:
    if not replace:
        raise NtError(Status.OBJECT_NAME_COLLISION, "the target stream exists")
    if (state is not None and state.opens) or size:
        raise NtError(Status.INVALID_PARAMETER, "the target stream is open, or not empty")


# -- to and from the main stream --
async def _become_main(opened: Open, nodes: list[Node], *, replace: bool) -> None:
    """Move the data of the named stream to the main one and remove the stream; `nodes` gets one for every open."""
    await _reopen_all(opened, "", nodes)
    main = await _reopen(opened, "")
    _take_empty_main(opened, main, replace=replace)
    guard = opened.volume.keep_others_away(opened, main, opened.file.main)
    try:
        await _carry(opened, guard)
        try:
            await opened.volume.backend.remove(opened.node)
        except BaseException:
            await main.set_end_of_file(0)
            raise
    finally:
        guard.discard()


def _take_empty_main(opened: Open, main: Node, *, replace: bool) -> None:
    """Check that the main stream can be replaced; closes `main` if not."""
    try:
        if main.key != opened.file.key:
            raise NtError(Status.OBJECT_NAME_NOT_FOUND, f"{opened.path!r} is another file by now")
        _check_replaceable(opened.file.main, main.info().end_of_file, replace=replace)
    except BaseException:
        main.close()
        raise


async def _reopen(opened: Open, stream: str) -> Node:
    """Return a new node of a stream of the file; the main one must exist under the name that it was opened by."""
    if stream:
        return opened.node.open_stream(stream, create=False)[0]
    return await opened.volume.backend.open(opened.node.path, follow=False)


async def _reopen_all(opened: Open, stream: str, nodes: list[Node]) -> None:
    while len(nodes) < len(opened.stream_state.opens):
        nodes.append(await _reopen(opened, stream))


async def _leave_main(opened: Open, new: str, nodes: list[Node], *, replace: bool) -> None:
    """Move the data of the main stream to a named one, an empty main one stays; `nodes` gets one for every open."""
    node = opened.node
    existed = _check_target(opened, new, replace=replace)
    target, _ = node.open_stream(new, create=True)
    guard = opened.volume.keep_others_away(opened, target, opened.file.stream(upcase(new)))
    try:
        try:
            await _reopen_all(opened, new, nodes)
            await _carry(opened, guard)
            await node.set_end_of_file(0)
        except BaseException:
            await (target.set_end_of_file(0) if existed else opened.volume.backend.remove(target))
            raise
    finally:
        guard.discard()


async def _carry(opened: Open, guard: Open) -> None:
    """Copy the whole stream of `opened` to that of `guard`, which is empty; on failure it is empty again."""
    source, target = opened.node, guard.node
    size = source.info().end_of_file
    before = opened.stream_state.data_changes()
    try:
        if size <= _SMALL:
            buffer = memoryview(bytearray(size))
            await target.write(0, buffer[: await source.read_into(0, buffer)])
        for offset in range(0, size if size > _SMALL else 0, _PIECE):
            await target.copy_range(source, offset, offset, min(_PIECE, size - offset))
        if opened.stream_state.data_changes() != before:
            raise NtError(Status.SHARING_VIOLATION, f"{opened.path!r} was written to while its stream was renamed")
    except BaseException:
        await target.set_end_of_file(0)
        raise


def _swap(opened: Open, node: Node) -> None:
    """Let an open go on with another node of its file."""
    old, opened.node = opened.node, node
    times.follow(opened.file, old, node)
    old.close()


# -- telling --
def _report(opened: Open, old: str, new: str) -> None:
    path = opened.node.path
    changes = [
        (action, path, f":{stream}:$DATA")
        for action, stream in ((notify.REMOVED_STREAM, old), (notify.ADDED_STREAM, new))
        if stream
    ]
    opened.volume.changed(changes, notify.STREAM_NAME, opened.parent_oplock_key)
    if not (old and new):
        opened.volume.changed([(notify.MODIFIED, path, "")], notify.SIZE | notify.LAST_WRITE, opened.parent_oplock_key)
