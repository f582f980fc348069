"""What the database promises of opens that outlive their connection, and when that has to be stored.

Theory of operation. After a crash the rows decide what clients get back, so a row may never promise more than is true.
There are two ways to see to that:

* Persistent and resilient opens are *written through*: whatever changes their promise is stored before the reply.
* Plain durable opens are *written behind*, because nearly every open of a Windows client is one and most are closed
  again within moments: their row may be missing, since no crash is covered by what a durable handle promises, but it
  may not be outdated. Before something that the row would be wrong about is seen by anybody, the row is *withdrawn*:
  stored as one that promises nothing, unless the database has no row yet. Once the open has been quiet for
  `RENEW_AFTER` seconds the row promises again. A burst of changes costs one stored row, not one for each.

What makes a row wrong: a lease or oplock that breaks or grows, byte ranges, marks for deletion. For breaks the
file-system layer awaits what `withdraw` returns before it lets anybody change the file, since the notification of a
break may be lost together with this process. Everything else (position, sizes, the name) may be outdated without harm.

An open that ends has its row removed before its file is closed, unless its client asked for the end and nothing but
the handle goes: a row that is left over then is a disconnected open that gives way to everybody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable

    from smbcore.fsa.oplock import Oplocks
    from smbcore.server.disconnected import DisconnectedOpen
    from smbcore.server.lease import SmbLease
    from smbcore.server.open import SmbOpen
    from smbcore.server.record import OpenRecord
    from smbcore.server.server import SmbServer

    AnyOpen: TypeAlias = SmbOpen | DisconnectedOpen

RENEW_AFTER: Final = 0.25
"""Seconds without a change until a withdrawn row promises again."""


def withdraw(server: SmbServer, opens: Iterable[AnyOpen]) -> asyncio.Task[None] | None:
    """What these opens hold changes: return what to await before anybody relies on that, None if nothing is stored."""
    stale = []
    for open_ in opens:
        record = open_.record
        if record is None or not record.kind:
            continue
        if not record.written_through:
            _hold_back(server, record)
        if record.offered:
            server.records.put("open", open_.key, open_)
            stale.append(open_)
    return server.background(_store(server, stale)) if stale else None


async def settle(server: SmbServer, open_: SmbOpen) -> None:
    """Something about an open has changed that its row must not be wrong about once the client hears of it."""
    record = open_.record
    if open_.closed:
        return
    if record is not None and record.written_through:
        await server.promise("open", open_.key, open_)
        return
    server.open_changed(open_)
    withdrawn = withdraw(server, [open_])
    if withdrawn is not None:
        await withdrawn


async def settle_lease(server: SmbServer, lease: SmbLease) -> None:
    """The state of a lease has changed; where it covers opens that are written through, store these first."""
    kept = [open_.key for open_ in lease.opens if open_.record is not None and open_.record.written_through]
    if kept:
        await server.stored("open", kept)


def store_kept(server: SmbServer, opens: Iterable[AnyOpen]) -> asyncio.Task[None] | None:
    """What these opens hold has changed: as `withdraw`, for those that are written through."""
    return withdraw(server, [o for o in opens if o.record is not None and o.record.written_through])


def deletion_changed(server: SmbServer, open_: SmbOpen) -> asyncio.Task[None] | None:
    """The file of an open has been marked for deletion, or not any more: this concerns the rows of all its opens."""
    if not open_.file.is_shared:
        return withdraw(server, [open_]) if _is_outdated(open_) else None
    key = open_.file.file_key
    others: Iterable[AnyOpen] = (*server.opens.values(), *server.disconnected)
    return withdraw(server, [o for o in others if _is_outdated(o) and o.file.file_key == key])


def marks(open_: AnyOpen) -> tuple[bool, bool]:
    """Return what a row says about deletion."""
    return open_.file.delete_pending, open_.file.delete_on_close


def outlives_its_handle(open_: AnyOpen) -> bool:
    """Tell whether more than the handle goes when an open closes: locks, or the file itself."""
    file = open_.file
    return bool(file.lock_count) or file.delete_on_close or file.delete_pending


def call_off_breaks(server: SmbServer) -> list[Oplocks]:
    """The server is about to stop: whoever waits for a break does not get in any more, so its holder loses nothing.

    Return where to wake those who wait, once all requests have ended.
    """
    holders = {open_.file.holder: None for open_ in server.opens.values() if not open_.share.is_pipe}
    return [holder.oplocks for holder in holders if holder is not None and holder.oplocks.call_off(holder)]


def renew_all(server: SmbServer) -> None:
    """The server stops and nothing changes any more: every row may promise what is true."""
    for away in server.disconnected:
        if away.record.withdrawn:
            away.record.withdrawn = False
            server.records.put("open", away.key, away)


def _is_outdated(open_: AnyOpen) -> bool:
    record = open_.record
    return record is not None and record.offered and record.marks != marks(open_)


async def _store(server: SmbServer, opens: list[AnyOpen]) -> None:
    if await server.stored("open", [open_.key for open_ in opens]):
        for open_ in opens:
            record = open_.record
            if record is not None and not record.promises:
                record.offered = False


def _hold_back(server: SmbServer, record: OpenRecord) -> None:
    record.renew_at = server.clock.monotonic() + RENEW_AFTER
    if not record.withdrawn:
        record.withdrawn = True
        server.clock.call_later(RENEW_AFTER, _renew, server, record)


def _renew(server: SmbServer, record: OpenRecord) -> None:
    holder = record.holder
    if holder.closed or not record.withdrawn:
        return
    left = record.renew_at - server.clock.monotonic()
    if left > 0:
        server.clock.call_later(left, _renew, server, record)
        return
    record.withdrawn = False
    server.records.put("open", holder.key, holder)
