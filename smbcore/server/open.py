"""Opens  [MS-SMB2 3.3.1.10]: what a client holds a FileId for."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Protocol

from smbcore.fsa.api import BreakNotice, FileRange, LockElement
from smbcore.nt import filetime
from smbcore.nt.status import NtError
from smbcore.server import breaks, open_row, promises, range_rows
from smbcore.server.disconnected import DisconnectedOpen
from smbcore.server.record import OpenRecord
from smbcore.server.under_way import UnderWay
from smbcore.wire.types import file_id

if TYPE_CHECKING:
    import asyncio

    from smbcore.server.lease import SmbLease
    from smbcore.server.shares import Share
    from smbcore.server.tree_connect import SmbTreeConnect

log = logging.getLogger(__name__)


class File(Protocol):
    """What an open works on: an open of the file-system layer, or a pipe."""

    granted_access: int
    share_access: int
    create_options: int
    path: str
    stream: str
    is_directory: bool

    async def read_into(self, offset: int, view: memoryview) -> int:
        """Fill `view` from `offset`, return the bytes read."""

    def range_to_send(self, offset: int, length: int) -> FileRange | None:
        """Return the bytes for sending them without a copy, None where they have to be read."""

    async def write(self, offset: int, data: bytes | memoryview, write_through: bool = False) -> int:
        """Write `data` at `offset`."""

    async def flush(self) -> None:
        """Make the data stable."""

    async def lock(self, elements: list[LockElement], *, fail_immediately: bool) -> None:
        """Take byte ranges."""

    def unlock(self, elements: list[LockElement]) -> None:
        """Release byte ranges."""

    def query_information(self, info_class: int, max_length: int) -> bytes:
        """Return an information class."""

    async def set_information(self, info_class: int, data: bytes | memoryview) -> None:
        """Set an information class."""

    async def fsctl(self, code: int, data: bytes | memoryview, max_output: int) -> bytes:
        """Carry out a control code."""

    async def close(self) -> None:
        """Release it."""


class SmbOpen:
    """An open of one client.

    Owned by its session (`opens`), listed by its tree connect and the server; created by CREATE; ended by `close`.
    file     Any: the file-system layer's Open, or a PipeFile; only disk shares see commands that pipes do not have
    channel_sequence  of the newest request so far, see `smbcore.server.sequence`
    lease    the lease that covers it, None without one
    record   what outlives the connection, None while nothing does
    under_way  requests that work on the file
    """

    __slots__ = (
        "bytes_read",
        "bytes_written",
        "channel_sequence",
        "closed",
        "file",
        "file_id",
        "key",
        "last_io_at",
        "lease",
        "opened_at",
        "persistent_id",
        "record",
        "session",
        "told_read",
        "told_written",
        "tree",
        "under_way",
        "volatile_id",
    )  # fmt: skip

    def __init__(
        self, tree: SmbTreeConnect, file: Any, key: int, volatile_id: int, persistent_id: int | None = None
    ) -> None:
        server = tree.session.server
        self.tree = tree
        self.session = tree.session
        self.file = file
        self.key = key
        self.persistent_id = key | server.persistent_high if persistent_id is None else persistent_id
        self.volatile_id = volatile_id
        self.file_id = file_id(self.persistent_id, volatile_id)
        self.channel_sequence = 0
        self.lease: SmbLease | None = None
        self.record: OpenRecord | None = None
        self.under_way = UnderWay()
        self.opened_at = server.clock.now()
        self.bytes_read = 0
        self.bytes_written = 0
        self.told_read = 0
        self.told_written = 0
        self.last_io_at = self.opened_at
        self.closed = False
        self.session.opens[self.file_id] = self
        tree.opens.add(self)
        server.open_added(self)

    async def close(self, *, asked: bool = True) -> None:
        """Release the FileId at once, then the file (which may wait for the disk). Idempotent.

        asked  by its client; one that will come back for an open that was closed behind it must not find it after a
               crash
        """
        if self.closed:
            return
        record = self.record
        removes_row = record is not None and record.offered and (
            not asked or record.written_through or promises.outlives_its_handle(self)
        )  # fmt: skip
        self._forget()
        if removes_row:
            await self.session.server.stored("open", [self.key])
        await self._close_file()

    async def _close_file(self) -> None:
        """Close once the requests that work on the file are done; those that wait for something end by the close."""
        await self.under_way.quiet()
        await self.file.close()

    def close_in_background(self) -> None:
        """Close without anybody waiting; a failure is logged, the FileId is gone in any case."""
        if not self.closed:
            self._forget()
            self.session.server.background(self._release())

    async def _release(self) -> None:
        if self.record is not None and self.record.offered:
            await self.session.server.stored("open", [self.key])
        try:
            await self._close_file()
        except NtError as error:
            log.warning("close of %s failed: %s", self.file.path, error)

    def _forget(self) -> None:
        self._leave_session()
        if self.lease is not None:
            self.lease.remove(self)
        server = self.session.server
        range_rows.closing(server.records, self)
        if self.record is not None:
            server.index.remove(self.record)
            server.allowance.give_back(self.record)
        server.open_removed(self)

    def _leave_session(self) -> None:
        self.closed = True
        if self.record is not None and self.record.counted:
            self.session.kept -= 1
        self.note_io()
        self.session.opens.pop(self.file_id, None)
        self.tree.opens.discard(self)

    @property
    def share(self) -> Share:
        """The share that it was opened on."""
        return self.tree.share

    def ensure_record(self, client_guid: bytes) -> OpenRecord:
        """Return the record, made if need be for the client and the user of the session."""
        if self.record is None:
            self.record = OpenRecord(client_guid, self.session.token.user)
            self.record.holder = self
        return self.record

    def disconnect(self) -> bool:
        """Leave the session without closing, if that was promised; tell whether it was  [MS-SMB2 3.3.7.1]."""
        record, server = self.record, self.session.server
        if self.closed or record is None or not record.survives(self.file) or not server.disconnected.has_room(record):
            return False
        self._leave_session()
        server.open_moved(self)
        server.disconnected.add(DisconnectedOpen.of(self, record), record.timeout_ms / 1000)
        return True

    @classmethod
    def reclaim(cls, away: DisconnectedOpen, tree: SmbTreeConnect) -> SmbOpen:
        """Give a disconnected open to the session of `tree`; it gets a new volatile id  [MS-SMB2 3.3.5.9.7]."""
        server = tree.session.server
        server.disconnected.remove(away)
        away.closed = True
        self = cls(tree, away.file, away.key, server.next_volatile_id(), away.persistent_id)
        self.opened_at = away.opened_at
        self.bytes_read, self.bytes_written = away.bytes_read, away.bytes_written
        self.told_read, self.told_written, self.last_io_at = away.bytes_read, away.bytes_written, away.last_io_at
        self.record = away.record
        self.session.kept += self.record.counted
        self.under_way = away.under_way
        away.record.holder = self
        if away.lease is not None:
            away.lease.replace(away, self)
            self.lease = away.lease
        away.file.rejoin(self, tree.session.token)
        server.counters["opens_reclaimed"] += 1
        return self

    def oplock_broken(self, notice: BreakNotice) -> asyncio.Task[None] | None:
        """The file-system layer breaks this open's legacy oplock: tell the client  [MS-SMB2 3.3.4.6]."""
        breaks.send_oplock_break(self, notice)
        return promises.withdraw(self.session.server, [self])

    def caching_changed(self) -> asyncio.Task[None] | None:
        """The break is over."""
        server = self.session.server
        server.open_changed(self)
        return promises.store_kept(server, [self])

    def break_timed_out(self) -> None:
        """The client has not answered the break of its legacy oplock."""
        self.session.server.conduct.unanswered(self.session)

    def row(self) -> dict[str, Any]:
        """Return the record as people see it (state/schema.py: open)."""
        session = self.session
        connection = next(iter(session.channels), None)
        row = open_row.common(self)
        row["session_key"] = session.key
        row["tcon_key"] = self.tree.key
        row["client_guid"] = connection.client_guid.hex() if connection else ""
        row["owner_sid"] = str(session.token.user)
        if self.record is not None:
            row["client_guid"] = self.record.client_guid.hex()
            row["owner_sid"] = str(self.record.owner)
        row["last_io_at"] = filetime.to_datetime(self.last_io_at)
        return row

    def note_io(self) -> bool:
        """Add what was transferred since the last call to the figures of the session; tell whether anything was."""
        read, written = self.bytes_read - self.told_read, self.bytes_written - self.told_written
        if not read and not written:
            return False
        self.told_read, self.told_written = self.bytes_read, self.bytes_written
        self.session.bytes_out += read
        self.session.bytes_in += written
        self.last_io_at = self.session.server.clock.now()
        return True
