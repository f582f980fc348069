"""Making opens anew that existed before a restart, with what they reserved.

They existed beside each other, so nothing is checked against share modes or access again; only that the file is still
the same one. Order: all opens of a volume first, then their oplocks and leases, then their byte ranges, because each
of these looks at the ones before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from smbcore.fsa import delete, locking
from smbcore.fsa.api import LockElement, OpenParameters
from smbcore.fsa.open import Open
from smbcore.nt import create as c
from smbcore.nt.access import FILE_APPEND_DATA, FILE_WRITE_DATA
from smbcore.nt.names import upcase
from smbcore.nt.status import NtError, Status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from smbcore.fsa.backend import Node
    from smbcore.fsa.volume import Volume
    from smbcore.nt.token import Token


@dataclass(slots=True)
class SavedOpen:
    """What was remembered of an open.

    path            share-relative with backslashes, as last known;  file_id  the file it must still be
    access          as granted;  mode, position, delete_on_close  as `Open` has them
    delete_pending  the file (or stream) goes with its last open
    """

    path: str
    stream: str
    file_id: int
    token: Token
    access: int
    share_access: int
    create_options: int
    mode: int
    position: int
    delete_on_close: bool
    delete_pending: bool
    oplock_key: bytes | None = None
    parent_oplock_key: bytes | None = None


async def restore_open(volume: Volume, saved: SavedOpen) -> Open:
    """Open the file again as it was open.

    Errors: OBJECT_NAME_NOT_FOUND  the file or stream is gone, or the name leads to another file and nobody knows where
            this one went;  those of the backend
    """
    node = await _find(volume, saved)
    try:
        if saved.stream:
            base = node
            node, _ = base.open_stream(saved.stream, create=False)
            base.close()
        state = volume.table.file(node.key)
        stream = state.stream(upcase(node.stream)) if node.stream else state.main
        parameters = OpenParameters(
            saved.path, saved.token, saved.access, saved.share_access, c.FILE_OPEN, saved.create_options,
            oplock_key=saved.oplock_key, parent_oplock_key=saved.parent_oplock_key,
        )  # fmt: skip
        opened = Open(volume, node, stream, parameters, saved.access, c.FILE_OPENED, None)
    except BaseException:
        node.close()
        raise
    opened.mode = saved.mode
    opened.position = saved.position
    opened.delete_on_close = saved.delete_on_close
    if saved.delete_pending:
        delete.mark(opened)
    return opened


async def _find(volume: Volume, saved: SavedOpen) -> Node:
    """Open the file by its name, or where the name does not lead to it any more, by its id."""
    writable = bool(saved.access & (FILE_WRITE_DATA | FILE_APPEND_DATA))
    names = tuple(saved.path.split("\\")) if saved.path else ()
    try:
        node = await volume.backend.open(names, writable=writable, follow=False)
    except NtError as error:
        if error.status not in (Status.OBJECT_NAME_NOT_FOUND, Status.OBJECT_PATH_NOT_FOUND):
            raise
    else:
        if node.info().file_id == saved.file_id:
            return node
        node.close()
    return await volume.backend.open_by_id(saved.file_id)


def restore_ranges(opened: Open, ranges: Iterable[tuple[int, int, bool]]) -> None:
    """Lock (offset, length, exclusive) again.

    Errors: LOCK_NOT_GRANTED  another has it: the records of two opens do not fit together, or somebody outside has it
    """
    locking.restore(opened, (LockElement(offset, length, exclusive) for offset, length, exclusive in ranges))
