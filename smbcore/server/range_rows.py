"""Rows of byte-range locks (state/schema.py: byte_range). Everything that a row says is in its key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from smbcore.fsa.api import LockElement
    from smbcore.server.disconnected import DisconnectedOpen
    from smbcore.server.open import SmbOpen
    from smbcore.server.server import RecordKeeper, SmbServer


class RangeRow:
    """One lock."""

    __slots__ = ()

    def row(self) -> dict[str, Any]:
        """Return the columns outside of the key: none."""
        return {}


_ROW = RangeRow()


def taken(server: SmbServer, open_: SmbOpen, elements: Iterable[LockElement]) -> None:
    """Ranges were locked; where the open is closing they are not shown, for nothing would take them away again."""
    if open_.key in server.opens or open_.key in server.disconnected:
        for element in elements:
            server.records.put("byte_range", (open_.key, element.offset, element.length, element.exclusive), _ROW)


def released(records: RecordKeeper, open_: SmbOpen, elements: Iterable[LockElement]) -> None:
    """Ranges were unlocked; of a range that is locked several times one lock may be left."""
    held = set(open_.file.held_ranges())
    for element in elements:
        for exclusive in (False, True):
            if (element.offset, element.length, exclusive) not in held:
                records.drop("byte_range", (open_.key, element.offset, element.length, exclusive))


def restored(records: RecordKeeper, open_: DisconnectedOpen) -> None:
    """The locks of an open are back after a restart."""
    for offset, length, exclusive in open_.file.held_ranges():
        records.put("byte_range", (open_.key, offset, length, exclusive), _ROW)


def closing(records: RecordKeeper, open_: SmbOpen | DisconnectedOpen) -> None:
    """An open is about to close with all its locks."""
    if open_.file.lock_count:
        for offset, length, exclusive in open_.file.held_ranges():
            records.drop("byte_range", (open_.key, offset, length, exclusive))
