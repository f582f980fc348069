"""Opens that are reserved for a client that is away, and those who collide with them  [MS-SMB2 3.3.5.9].

A persistent open promised its client that nobody changes what it relies on until it comes back or its time is over. So
a new open that such an open would normally be told to make room for is held back: where the holder may cache the
handle, it could make room once it is told, and the new open waits for it to return (at most as long as for a break);
in every other case the new open fails with FILE_NOT_AVAILABLE, which tells its client to try again. A rename or a
deletion that would take H from such a holder is held back in the same way, and fails in the same way: nothing is taken
from a client that cannot be told, least of all W.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from smbcore.fsa import sharing
from smbcore.fsa.oplock import ALL, HANDLE, WRITE, is_stat_access
from smbcore.nt.status import NtError, Status

if TYPE_CHECKING:
    from smbcore.fsa.api import BreakListener, OpenParameters
    from smbcore.fsa.file_table import StreamState
    from smbcore.fsa.open import Open
    from smbcore.fsa.volume import Volume
    from smbcore.nt.token import Token


def must_wait(stream: StreamState, p: OpenParameters, access: int, *, overwrites: bool) -> bool:
    """Tell whether a new open has to wait for the return of a client.

    Errors: FILE_NOT_AVAILABLE  it collides with a reserved open that could not make room
    """
    if is_stat_access(access) and not overwrites:
        return False
    wait = False
    for held in stream.opens:
        if not held.reserved or not _collides(held, p, access, overwrites=overwrites):
            continue
        if held.holder is None or not held.holder.caching & HANDLE:
            raise NtError(Status.FILE_NOT_AVAILABLE, f"{p.path!r} is reserved for a client that is away")
        wait = True
    return wait


def _collides(held: Open, p: OpenParameters, access: int, *, overwrites: bool) -> bool:
    if sharing.conflicts(access, p.share_access, (held,)):
        return True
    caching = held.holder.caching if held.holder is not None else 0
    if held.lock_count and not caching & WRITE:
        return True
    is_own = held.holder is not None and held.holder.granular and held.holder.key == p.oplock_key
    return not is_own and bool(caching & (ALL if overwrites else WRITE))


class Blocker(Protocol):
    """What a rename or deletion waits for before it decides anew."""

    async def wait(self, who: str = "") -> None:
        """Wait for `who`.  Errors: FILE_NOT_AVAILABLE"""


class Return:
    """The return of a client to its reserved open."""

    __slots__ = ("_volume",)

    def __init__(self, volume: Volume) -> None:
        self._volume = volume

    async def wait(self, _who: str = "") -> None:
        """Wait for it; see `wait`."""
        await wait(self._volume)


def make_way(stream: StreamState, key: bytes | None, opener: Open) -> Blocker | None:
    """Take H from every other holder before a rename or deletion; return what to wait for, None when the way is free.

    opener  whose lease `key` names, its own oplock stays
    """
    oplocks = stream.oplocks
    if oplocks is None:
        return None
    breaking = oplocks.break_handle_caching(key, opener)
    volume = opener.volume
    if volume.reserved and any(
        holder.reserved and holder.caching & HANDLE and holder.key != key for holder in oplocks.holders
    ):
        return Return(volume)
    return oplocks if breaking else None


async def wait(volume: Volume) -> None:
    """Wait until a client that was away is back, or what was reserved for it is closed.

    Errors: FILE_NOT_AVAILABLE  nothing happened for as long as a break may take
    """
    future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    volume.held_back.append(future)
    timer = volume.clock.call_later(volume.config.break_timeout, _settle, future, False)
    try:
        if not await future:
            raise NtError(Status.FILE_NOT_AVAILABLE, "reserved for a client that did not come back in time")
    finally:
        timer.cancel()
        if future in volume.held_back:
            volume.held_back.remove(future)


def leave(opened: Open, listener: BreakListener, *, reserve: bool) -> None:
    """Let `opened` go on without a client: what waits through it ends, `listener` hears of breaks of its own oplock.

    reserve  nobody may take what it keeps from others until `rejoin`
    """
    if opened.stream_state.ranges is not None:
        opened.stream_state.ranges.fail_waits(opened)
    if opened.watch is not None:
        opened.watch.fail(Status.NOTIFY_CLEANUP)
    _tell_breaks_to(opened, listener)
    if reserve:
        opened.reserved = True
        opened.volume.reserved.add(opened)


def rejoin(opened: Open, listener: BreakListener, token: Token) -> None:
    """The client of `opened` is back, as the user of `token`; those who wait for what was reserved decide anew."""
    opened.token = opened.actor = token
    _tell_breaks_to(opened, listener)
    if opened.reserved:
        release(opened)


def _tell_breaks_to(opened: Open, listener: BreakListener) -> None:
    if opened.holder is not None and not opened.holder.granular:
        opened.holder.listener = listener


def release(opened: Open) -> None:
    """`opened` is not reserved any more: those who were held back decide anew."""
    volume = opened.volume
    opened.reserved = False
    volume.reserved.discard(opened)
    waiting, volume.held_back = volume.held_back, []
    for future in waiting:
        _settle(future, True)


def _settle(future: asyncio.Future[bool], again: bool) -> None:
    if not future.done():
        future.set_result(again)
