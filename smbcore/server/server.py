"""The server object: what is shared by all connections  [MS-SMB2 3.3.1.5]."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from smbcore.proto.sealing import PlaintextBuffer
from smbcore.rpc.pipes import PipeRegistry
from smbcore.server import promises
from smbcore.server.accounts import AccountStore
from smbcore.server.admission import Admission
from smbcore.server.allowance import Allowance
from smbcore.server.commands.table import COMMANDS
from smbcore.server.conduct import ConductTable
from smbcore.server.conformance import ControlledConnection
from smbcore.server.connection import SmbConnection, Transport
from smbcore.server.disconnected import DisconnectedOpens
from smbcore.server.interfaces import Interfaces
from smbcore.server.lease import LeaseTable
from smbcore.server.pipe_context import SessionPipeContext
from smbcore.server.record import OpenRecord, RecordIndex
from smbcore.server.replies import BufferPool
from smbcore.server.reporting import AuditTrail, NoTrail, report
from smbcore.server.seldom import Seldom
from smbcore.server.session import SessionState, SmbSession
from smbcore.server.shares import OpenVolume, ShareTable
from smbcore.server.trust import Trust
from smbcore.state.errors import StateUnavailableError

if TYPE_CHECKING:
    from smbcore.auth.acceptor import Authenticator
    from smbcore.nt.clock import Clock
    from smbcore.server.config import ServerConfig
    from smbcore.server.open import SmbOpen
    from smbcore.server.tree_connect import SmbTreeConnect
    from smbcore.state.mirror_writer import Key

log = logging.getLogger(__name__)

_KEY_MASK = 0xFFFFFFFF
_TRY_TO_CATCH_UP = 1.0


class RecordKeeper(Protocol):
    """Where records go that people see; `smbcore.state.mirror.Mirror`, or nothing in tests."""

    def put(self, kind: str, key: Key, source: Any) -> None:
        """An object is new or has changed."""

    def drop(self, kind: str, key: Key) -> None:
        """An object is gone."""

    async def write_through(self, kind: str, key: Key, source: Any) -> None:
        """An object is new: return once its record is stored.  Raises StateUnavailableError; it stays pending then."""

    async def stored(self, kind: str, keys: Sequence[Key]) -> None:
        """Return once what is pending of these objects is stored.  Raises StateUnavailableError; it stays pending."""

    async def flush(self) -> None:
        """Return once everything that is pending is stored.  Raises StateUnavailableError."""


class NoRecords:
    """Keeps nothing."""

    def put(self, kind: str, key: Key, source: Any) -> None:
        """Forget it."""

    def drop(self, kind: str, key: Key) -> None:
        """Forget it."""

    async def write_through(self, kind: str, key: Key, source: Any) -> None:
        """Forget it."""

    async def stored(self, kind: str, keys: Sequence[Key]) -> None:
        """Forget it."""

    async def flush(self) -> None:
        """Forget it."""


class SmbServer:
    """Tables and services of one core process. Everything here is touched on the event-loop thread only.

    sessions          SessionId -> session;  sessions_by_key  32-bit key -> session
    opens             32-bit key -> open;  trees  32-bit key -> tree connect
    disconnected      opens whose client is away;  index  what outlives connections, by the names clients give it
    allowance         who may have how much kept;  conduct  who does not answer breaks
    interfaces        where further channels can reach the server;  admission  who gets in where there are many
    seldom            what strangers can make happen often, and is logged once in a while
    persistent_high   upper half of the persistent file ids of this run
    """

    def __init__(
        self,
        config: ServerConfig,
        clock: Clock,
        *,
        authenticator: Authenticator,
        accounts: AccountStore,
        open_volume: OpenVolume,
        records: RecordKeeper | None = None,
        trail: AuditTrail | None = None,
        pipes: PipeRegistry | None = None,
    ) -> None:
        self.config = config
        self.clock = clock
        self.authenticator = authenticator
        self.accounts = accounts
        self.records: RecordKeeper = records or NoRecords()
        self.trail: AuditTrail = trail or NoTrail()
        self.pipes = pipes or PipeRegistry()
        self.commands = COMMANDS
        self.pool = BufferPool()
        self.plaintext = PlaintextBuffer()
        self.shares = ShareTable(open_volume)
        self.leases = LeaseTable(self)
        self.disconnected = DisconnectedOpens(self)
        self.index = RecordIndex()
        self.trust = Trust()
        self.closing = False
        self.allowance = Allowance()
        self.conduct = ConductTable(self)
        self.interfaces = Interfaces(clock)
        self.admission = Admission(self)
        self.seldom = Seldom(clock)
        self.connections: set[SmbConnection] = set()
        self.sessions: dict[int, SmbSession] = {}
        self.sessions_by_key: dict[int, SmbSession] = {}
        self.trees: dict[int, SmbTreeConnect] = {}
        self.opens: dict[int, SmbOpen] = {}
        self.started_at = clock.now()
        self.started_monotonic = clock.monotonic()
        self.persistent_high = (secrets.randbits(31) or 1) << 32
        self._key = secrets.randbits(16)
        self._volatile = secrets.randbits(48)
        self._connection_number = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._requests: set[asyncio.Task[None]] = set()
        self._records_missing = False
        self.counters = {
            "connections_total": 0,
            "sessions_total": 0,
            "opens_total": 0,
            "opens_reclaimed": 0,
            "opens_restored": 0,
            "requests_refused": 0,
        }

    # -- connections --

    def accept(self, transport: Transport) -> SmbConnection | None:
        """Make a connection for a new client; None where there are too many."""
        if not self.admission.has_room(transport.peer):
            return None
        self._connection_number += 1
        kind = ControlledConnection if self.config.test_controls else SmbConnection
        connection = kind(self, transport, self._connection_number)
        self.connections.add(connection)
        self.admission.arrived(connection)
        self.counters["connections_total"] += 1
        return connection

    def connection_closed(self, connection: SmbConnection) -> None:
        """Forget a connection."""
        self.connections.discard(connection)
        self.admission.left(connection)

    # -- ids --

    def next_key(self) -> int:
        """Return a 32-bit key, not 0 and not in use."""
        while True:
            self._key = key = (self._key + 1) & _KEY_MASK or 1
            if key in self.opens or key in self.trees or key in self.sessions_by_key or key in self.disconnected:
                continue
            return key

    def _random_key(self) -> int:
        while True:
            key = secrets.randbits(32)
            if key in self.opens or key in self.trees or key in self.sessions_by_key or key in self.disconnected:
                continue
            if 0 < key < _KEY_MASK:
                return key

    def next_volatile_id(self) -> int:
        """Return a volatile file id; none is used twice in one run."""
        self._volatile += 1
        return self._volatile

    # -- sessions --

    def new_session(self) -> SmbSession:
        """Make a session that is signing in.

        Its id is a random 32-bit number: a client that comes back after a restart must not name somebody else's.
        Raises INSUFFICIENT_RESOURCES where there are as many as there may be, all of them in use.
        """
        self.admission.make_room()
        key = self._random_key()
        session = SmbSession(self, key, key)
        self.sessions[session.wire_id] = session
        self.sessions_by_key[key] = session
        self.admission.begun(session)
        return session

    def session_opened(self, session: SmbSession, connection: SmbConnection) -> None:
        """A user has signed in; `promise` stores the record before the client hears of it."""
        self.counters["sessions_total"] += 1
        log.info("%s user=%s signed in from %s", connection.name, session.user, connection.transport.peer)

    def session_changed(self, session: SmbSession) -> None:
        """Something about a session that people see has changed."""
        if session.state is SessionState.VALID:
            self.records.put("session", session.key, session)

    def session_closed(self, session: SmbSession) -> None:
        """Forget a session."""
        self.sessions.pop(session.wire_id, None)
        self.admission.ended(session)
        if self.sessions_by_key.pop(session.key, None) is not None:
            self.records.drop("session", session.key)

    def close_previous_session(self, wire_id: int, successor: SmbSession) -> None:
        """End the session that a reconnecting client had before, if it is the same user's  [MS-SMB2 3.3.5.5.3]."""
        old = self.sessions.get(wire_id)
        if old is None or old is successor or old.state is SessionState.IN_PROGRESS:
            return
        if old.token.user == successor.token.user:
            old.close()
            return
        for connection in successor.channels:
            report(connection, successor, "session.previous", "user", what=f"session of {old.user}")

    # -- trees and opens --

    def tree_opened(self, tree: SmbTreeConnect) -> None:
        """Take a tree connect into the tables; `promise` stores the record before the client hears of it."""
        self.trees[tree.key] = tree

    def tree_closed(self, tree: SmbTreeConnect) -> None:
        """Forget a tree connect."""
        if self.trees.pop(tree.key, None) is not None:
            self.records.drop("tcon", tree.key)

    def open_added(self, open_: SmbOpen) -> None:
        """Take an open into the tables."""
        self.opens[open_.key] = open_
        self.counters["opens_total"] += 1
        self.records.put("open", open_.key, open_)

    def open_changed(self, open_: SmbOpen) -> None:
        """Something about an open that people see has changed."""
        if not open_.closed:
            self.records.put("open", open_.key, open_)

    def open_removed(self, open_: SmbOpen) -> None:
        """Forget an open."""
        if self.opens.pop(open_.key, None) is not None:
            self.records.drop("open", open_.key)

    def open_moved(self, open_: SmbOpen) -> None:
        """Take an open out of the tables that goes on as a disconnected one; its record stays."""
        self.opens.pop(open_.key, None)

    def record_gone(self, record: OpenRecord, key: int) -> None:
        """Forget the record of a disconnected open that closes."""
        self.index.remove(record)
        self.allowance.give_back(record)
        self.records.drop("open", key)

    async def promise(self, kind: str, key: Key, source: Any) -> bool:
        """Have a record stored before the reply that promises it; tell whether it was.

        An unavailable database stops nobody: the record stays pending, which is logged once per outage.
        """
        return await self._available(self.records.write_through(kind, key, source))

    async def stored(self, kind: str, keys: Sequence[Key]) -> bool:
        """Have stored what is pending of records; tell whether it was."""
        return await self._available(self.records.stored(kind, keys))

    async def _available(self, storing: Awaitable[None]) -> bool:
        try:
            await storing
        except StateUnavailableError as error:
            if not self._records_missing:
                self._records_missing = True
                log.warning("serving on, records follow later: %s", error)
            self._distrust()
            return False
        self._records_missing = False
        return True

    def _distrust(self) -> None:
        """What was to be stored is not: until it is, a crash gives back no handles that it would be wrong about."""
        given = self.trust.given
        self.trust.lose()
        if given:
            self.clock.call_later(_TRY_TO_CATCH_UP, self._catch_up)

    def _catch_up(self) -> None:
        self.background(self.regain_trust())

    async def regain_trust(self) -> None:
        """Store what is pending, so that the rows can be believed; try again later where that fails."""
        losses = self.trust.losses
        if await self.flush_records() and self.trust.losses == losses:  # nothing newer has failed meanwhile
            self.trust.regain()
        elif not self.closing:
            self.clock.call_later(_TRY_TO_CATCH_UP, self._catch_up)

    def tell_io(self) -> None:
        """Refresh the records of opens and sessions that were busy; called every few seconds."""
        for open_ in self.opens.values():
            if open_.note_io():
                self.records.put("open", open_.key, open_)
        for session in self.sessions.values():
            if session.told != session.figures():
                self.session_changed(session)

    def tidy(self) -> None:
        """Let every share remove some of what was left behind, in the background; called now and then."""
        for share in self.shares:
            self.background(share.tidy())

    def pipe_context(self, session: SmbSession) -> SessionPipeContext:
        """Return what RPC services may know, seen by `session`."""
        return SessionPipeContext(self, session)

    # -- tasks --

    def request_task(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run the rest of a request that waits as a task; its connection ends it, the server sees it out."""
        return _task_in(self._requests, coroutine)

    def background(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run work as a task of the server, which sees it out."""
        return _task_in(self._tasks, coroutine)

    async def drain(self) -> None:
        """Wait for the background work that is under way."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def close(self) -> None:
        """End every connection, finish what is under way, release the volumes."""
        self.closing = True
        called_off = promises.call_off_breaks(self)
        for connection in list(self.connections):
            connection.close()
        try:
            if self._requests:
                await asyncio.wait(self._requests)
            for oplocks in called_off:
                oplocks.wake()
            await self.drain()
        finally:  # a slow disk, which we may not be let wait for, costs no other file its handles
            promises.renew_all(self)
        await self.flush_records()
        self.disconnected.leave()
        await self.shares.close()

    async def flush_records(self) -> bool:
        """Store what is pending now; an unavailable database stops nobody. Tell whether it was stored."""
        try:
            await self.records.flush()
        except StateUnavailableError as error:
            log.warning("records are not up to date: %s", error)
            self.trust.lose()
            return False
        return True


def _task_in(tasks: set[asyncio.Task[None]], coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    task = asyncio.get_running_loop().create_task(coroutine)
    tasks.add(task)
    task.add_done_callback(tasks.discard)
    return task
