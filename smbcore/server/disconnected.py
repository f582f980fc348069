"""Opens whose client is away  [MS-SMB2 3.3.5.9.7, 3.3.6.2, 3.3.7.1].

A durable, resilient or persistent open that loses its last connection goes on to exist here: its file stays open, with
its share mode, oplock or lease and byte ranges, for as long as was promised. It ends in one of four ways: its client
reclaims it (a new `SmbOpen` takes over), its time runs out, somebody needs what it reserves (a break that finds no
client closes it; a persistent one is left alone), or an administrator closes it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from smbcore.fsa.api import BreakNotice
from smbcore.nt import filetime
from smbcore.nt.status import NtError
from smbcore.server import open_row, promises, range_rows
from smbcore.server.record import Kind
from smbcore.server.under_way import UnderWay

if TYPE_CHECKING:
    import asyncio

    from smbcore.nt.clock import TimerHandle
    from smbcore.server.lease import SmbLease
    from smbcore.server.open import SmbOpen
    from smbcore.server.record import OpenRecord
    from smbcore.server.server import SmbServer
    from smbcore.server.shares import Share

log = logging.getLogger(__name__)


class DisconnectedOpen:
    """One open without a session.

    Owned by `SmbServer.disconnected`; made when its connection is lost, or at the start of the server from its row.
    under_way  requests that still work on the file
    since     FILETIME of the disconnect, 0 if the server stops: the client could not be there, so its time begins with
              the next start;  deadline  seconds of the monotonic clock
    """

    __slots__ = (
        "bytes_read", "bytes_written", "closed", "deadline", "file", "key", "last_io_at", "lease", "opened_at",
        "persistent_id", "record", "server", "share", "since", "timer", "under_way", "volatile_id",
    )  # fmt: skip

    def __init__(
        self, server: SmbServer, share: Share, file: Any, record: OpenRecord, key: int, persistent_id: int,
        volatile_id: int,
    ) -> None:  # fmt: skip
        self.server = server
        self.share = share
        self.file = file
        self.record = record
        self.key = key
        self.persistent_id = persistent_id
        self.volatile_id = volatile_id
        self.lease: SmbLease | None = None
        self.under_way = UnderWay()
        self.opened_at = self.last_io_at = server.clock.now()
        self.since = 0 if server.closing else self.opened_at
        self.bytes_read = self.bytes_written = 0
        self.closed = False
        self.deadline = 0.0
        self.timer: TimerHandle | None = None
        record.holder = self

    @classmethod
    def of(cls, open_: SmbOpen, record: OpenRecord) -> DisconnectedOpen:
        """Take over what `open_`, which has left its session, had open."""
        server = open_.session.server
        self = cls(server, open_.tree.share, open_.file, record, open_.key, open_.persistent_id, open_.volatile_id)
        self.opened_at = open_.opened_at
        self.bytes_read, self.bytes_written = open_.bytes_read, open_.bytes_written
        self.last_io_at = open_.last_io_at
        self.under_way = open_.under_way
        lease = open_.lease
        if lease is not None:
            lease.replace(open_, self)
            self.lease = lease
        return self

    def close(self) -> None:
        """Release everything for good, the file in the background: deleting it may wait for the disk. Idempotent."""
        if not self.closed:
            self._forget()
            self.server.background(self._release())

    async def close_now(self) -> None:
        """Release everything and wait until the file is closed."""
        if not self.closed:
            self._forget()
            await self._release()

    def _forget(self) -> None:
        self.server.disconnected.remove(self)
        range_rows.closing(self.server.records, self)
        self.closed = True
        if self.lease is not None:
            self.lease.remove(self)
        self.server.record_gone(self.record, self.key)

    async def _release(self) -> None:
        if self.record.offered:
            await self.server.stored("open", [self.key])
        await self.under_way.quiet()
        try:
            await self.file.close()
        except NtError as error:
            log.warning("close of %s failed: %s", self.file.path, error)

    def oplock_broken(self, notice: BreakNotice) -> asyncio.Task[None] | None:
        """Somebody needs what this open's oplock reserves, and no client is there to give it up  [MS-SMB2 3.3.4.6].

        A durable open is closed; a resilient or persistent one loses its oplock only.
        """
        if self.record.kind is Kind.DURABLE:
            self.lease_broken()
        elif notice.acknowledge:
            self.server.clock.call_later(0, self._give_up, notice)
        return promises.withdraw(self.server, [self])

    def caching_changed(self) -> asyncio.Task[None] | None:
        """The break is over."""
        if not self.closed:
            self.server.records.put("open", self.key, self)
        return promises.store_kept(self.server, [self])

    def break_timed_out(self) -> None:
        """The time of a break is over; its client is away and could not answer."""

    def lease_broken(self) -> None:
        """The lease breaks and no client is there to answer, or it loses H: what was kept for its sake closes."""
        if self.record.kind is Kind.DURABLE and not self.closed:
            log.info("disconnected open %#x of %s gives way to another opener", self.key, self.file.path)
            self.server.clock.call_later(0, self.close)

    def _give_up(self, notice: BreakNotice) -> None:
        if not self.closed:
            try:
                self.file.acknowledge_break(notice.new_level, notice.new_caching)
            except NtError as error:
                log.debug("break of a disconnected open: %s", error)

    def row(self) -> dict[str, Any]:
        """Return the record as people see it (state/schema.py: open)."""
        row = open_row.common(self)
        row["disconnected_at"] = filetime.to_datetime(self.since) if self.since else None
        row["client_guid"] = self.record.client_guid.hex()
        row["owner_sid"] = str(self.record.owner)
        row["last_io_at"] = filetime.to_datetime(self.last_io_at)
        return row


class DisconnectedOpens:
    """All opens whose client is away, by the persistent part of their file id. Owned by the server."""

    __slots__ = ("_by_key", "_opens", "_server")

    def __init__(self, server: SmbServer) -> None:
        self._server = server
        self._opens: dict[int, DisconnectedOpen] = {}
        self._by_key: dict[int, DisconnectedOpen] = {}

    def __len__(self) -> int:
        return len(self._opens)

    def __iter__(self) -> Iterator[DisconnectedOpen]:
        return iter(list(self._opens.values()))

    def __contains__(self, key: int) -> bool:
        return key in self._by_key

    def find(self, persistent_id: int) -> DisconnectedOpen | None:
        """Return the open with this persistent id."""
        return self._opens.get(persistent_id)

    def find_key(self, key: int) -> DisconnectedOpen | None:
        """Return the open with this 32-bit key."""
        return self._by_key.get(key)

    def has_room(self, record: OpenRecord) -> bool:
        """Tell whether one more may be kept; what was promised as persistent always is."""
        return record.persistent or len(self._opens) < self._server.config.limits.disconnected_opens

    def add(self, away: DisconnectedOpen, seconds: float) -> None:
        """Keep an open for `seconds`."""
        clock = self._server.clock
        away.file.leave(away, reserve=away.record.persistent)
        away.deadline = clock.monotonic() + seconds
        away.timer = clock.call_later(seconds, self._expire, away)
        self._opens[away.persistent_id] = away
        self._by_key[away.key] = away
        self._server.records.put("open", away.key, away)

    def remove(self, away: DisconnectedOpen) -> None:
        """Take an open out: it is reclaimed or closes."""
        if away.timer is not None:
            away.timer.cancel()
            away.timer = None
        self._opens.pop(away.persistent_id, None)
        self._by_key.pop(away.key, None)

    def close_share(self, share: Share) -> None:
        """Close what is open on a share that goes away."""
        for away in self:
            if away.share is share:
                away.close()

    def leave(self) -> None:
        """Let go of every file without closing: the server stops, the records stay for its next start."""
        for away in self:
            self.remove(away)
            away.closed = True
            away.file.discard()

    def _expire(self, away: DisconnectedOpen) -> None:
        log.info("disconnected open %#x of %s: its client did not come back", away.key, away.file.path)
        away.close()
