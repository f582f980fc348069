"""Byte ranges of clients as programs outside of this server see them, on volumes that mirror locks.

What the clients hold among each other is decided by `ByteRanges` alone; the store is shown, for every byte, the
strongest of what they hold together. So ranges of one open stacked upon each other, or shared ones of many opens, are
one claim outside, and releasing one of them takes back only what no other still holds. Named streams are no files
outside and are not shown.
"""

from __future__ import annotations

import logging
from itertools import pairwise
from typing import TYPE_CHECKING

from smbcore.fsa.backend import CLAIM_EXCLUSIVE, CLAIM_NONE, CLAIM_SHARED
from smbcore.nt.status import NtError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from smbcore.fsa.backend import Node
    from smbcore.fsa.byte_ranges import ByteRange, ByteRanges
    from smbcore.fsa.open import Open

log = logging.getLogger(__name__)

_SPACE = 1 << 64
Piece = tuple[int, int, int]


def applies(opened: Open) -> bool:
    """Tell whether the ranges of `opened` are mirrored."""
    return opened.volume.config.mirrors_locks and not opened.node.stream


def together(ranges: Iterable[ByteRange], offset: int, end: int) -> list[Piece]:
    """Return what `ranges` hold together of [offset, end): pieces (offset, end, claim) that cover it, in order."""
    inside = [held for held in ranges if held.offset < end and offset < held.end and held.offset < held.end]
    borders = {offset, end}
    for held in inside:
        borders |= {max(held.offset, offset), min(held.end, end)}
    at = sorted(borders)
    found: list[Piece] = []
    for start, beyond in pairwise(at):
        over = [held for held in inside if held.offset <= start and beyond <= held.end]
        claim = CLAIM_NONE
        if over:
            claim = CLAIM_EXCLUSIVE if any(held.exclusive for held in over) else CLAIM_SHARED
        if found and found[-1][2] == claim:
            found[-1] = (found[-1][0], beyond, claim)
        else:
            found.append((start, beyond, claim))
    return found


def take(opened: Open, ranges: ByteRanges, newest: ByteRange) -> bool:
    """Show outside what `opened` has just locked; False, and nothing has changed outside, if it is taken there.

    Errors: those of `Node.claim`
    """
    others = [held for held in ranges.ranges if held is not newest]
    before = together(others, newest.offset, newest.end)
    wanted = CLAIM_EXCLUSIVE if newest.exclusive else CLAIM_SHARED
    done: list[Piece] = []
    try:
        for start, beyond, claim in before:
            if claim < wanted:
                if not opened.node.claim(start, beyond, wanted):
                    _show(opened.node, done)
                    return False
                done.append((start, beyond, claim))
    except NtError:
        _show(opened.node, done)
        raise
    return True


def give_back(opened: Open, ranges: ByteRanges, released: Iterable[tuple[int, int]]) -> None:
    """Take back outside what nobody holds any more of the `released` places, [offset, end) each."""
    if not ranges.ranges:
        _show(opened.node, [(0, _SPACE, CLAIM_NONE)])
        return
    for offset, end in released:
        _show(opened.node, together(ranges.ranges, offset, end))


def _show(node: Node, pieces: list[Piece]) -> None:
    """Lower claims; that the store fails to is not the concern of the client that gave its lock back."""
    try:
        for offset, end, claim in pieces:
            node.claim(offset, end, claim)
    except NtError as error:
        log.warning("programs on the server still see ranges of %r as locked: %s", node.path, error)
