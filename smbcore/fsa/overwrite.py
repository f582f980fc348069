"""Replacing the content of an existing file on open  [MS-FSA 2.1.5.1.2]."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smbcore.fsa import notify, space
from smbcore.fsa.api import OpenParameters
from smbcore.fsa.backend import NodeInfo
from smbcore.nt import attributes as fa
from smbcore.nt import create as c
from smbcore.nt.names import upcase

if TYPE_CHECKING:
    from smbcore.fsa.open import Open

_KEPT = fa.FILE_ATTRIBUTE_COMPRESSED


async def replace_content(opened: Open, p: OpenParameters, info: NodeInfo) -> None:
    """Empty the stream; for a whole file also drop its named streams and EAs and set its attributes.

    Before: `opened` is registered, oplocks of others are broken, access and attributes are checked.
    """
    node = opened.node
    oplocks = opened.stream_state.oplocks
    if oplocks is not None and oplocks.holders:
        await oplocks.break_all_first(opened, p.oplock_key)
    opened.stream_state.changed += 1
    await space.set_end_of_file(opened, 0)
    if p.allocation_size:
        await space.set_allocation(opened, p.allocation_size)
    now = opened.volume.clock.now()
    supersedes = p.create_disposition == c.FILE_SUPERSEDE
    if not node.stream:
        await space.giving_back(opened.volume, node, lambda: _drop_streams(opened))
        for name in node.extended_attributes():
            node.set_extended_attribute(name, b"")
        for name, value in p.extended_attributes:
            node.set_extended_attribute(name, value)
        attributes = p.file_attributes & fa.SETTABLE | fa.FILE_ATTRIBUTE_ARCHIVE | info.attributes & _KEPT
        node.set_attributes(attributes)
        opened.file.archive_known = True
    node.set_times(creation=now if supersedes and not node.stream else None, last_write=now, change=now)
    opened.forget_info()
    opened.volume.content_changed(opened, notify.SIZE | notify.ATTRIBUTES | notify.LAST_WRITE)


async def _drop_streams(opened: Open) -> None:
    """Remove the named streams; one that is open goes with its last open."""
    for stream in opened.node.streams():
        state = None if opened.file.streams is None else opened.file.streams.get(upcase(stream.name))
        if state is not None and state.opens:
            state.delete_pending = True
            continue
        node, _ = opened.node.open_stream(stream.name, create=False)
        try:
            await opened.volume.backend.remove(node)
        finally:
            node.close()
