"""A client that keeps its handles through outages: reconnects, reclaims, repeats what was not answered."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from smbcore.auth.initiator import Initiator
from smbcore.client.connection import Connection
from smbcore.client.errors import ConnectionLost
from smbcore.client.message import How, Response
from smbcore.client.raw import RawClient, negotiate
from smbcore.client.session import sign_in
from smbcore.client.transport import connect_tcp
from smbcore.nt.access import DELETE, FILE_GENERIC_READ, FILE_GENERIC_WRITE
from smbcore.nt.create import FILE_DELETE_ON_CLOSE, FILE_OPEN_IF
from smbcore.nt.info.classes import FILE_DISPOSITION_INFORMATION
from smbcore.nt.status import NtError, Status
from smbcore.wire.create import OPLOCK_LEASE, OPLOCK_NONE
from smbcore.wire.create_contexts import (
    DURABLE_FLAG_PERSISTENT,
    LEASE,
    LEASE_FLAG_BREAK_IN_PROGRESS,
    LEASE_READ,
    DurableReconnectV2,
    DurableRequestV2,
    LeaseV2,
    decode_lease,
    wrap,
)
from smbcore.wire.header import FLAG_REPLAY
from smbcore.wire.lock import LockElement
from smbcore.wire.oplock_break import LeaseBreakNotification
from tests.chaos.history import Cached
from tests.interop.server_process import PASSWORD, USER

PATIENCE = 4.0
TIMEOUT_MS = 300_000
LOST = (ConnectionLost, TimeoutError, OSError)
AGAIN = {Status.USER_SESSION_DELETED, Status.NETWORK_NAME_DELETED, Status.NETWORK_SESSION_EXPIRED}

YOUNG = 3.0
"""Seconds after which the database has the row of a plain durable handle for sure, on a busy machine. A change of its locks
makes it young again. A row that the database does have is believed at any age, see `Kill.promised`."""


class HandleLost(Exception):
    """The server does not know a handle that it promised to keep."""


class HandleChanged(Exception):
    """A handle came back with something else than it had."""


class HandleGone(Exception):
    """The server was killed before it had stored a plain durable handle, which promises nothing for that case."""


@dataclass(frozen=True)
class Kill:
    """One end of the server without time to store what was pending.

    at        seconds of the monotonic clock
    promised  the create guids, in hex digits, of the handles whose rows the database had: these must come back
    trusted   whether the server believed its rows; if not, it gives back no plain durable handle
    """

    at: float
    promised: frozenset[str]
    trusted: bool


@dataclass
class Handle:
    """One open that is to survive; `closing` once its CLOSE was sent.

    since         when its CREATE or last LOCK was answered
    changing      while a LOCK is on its way
    survived      how many kills there had been when the server was last known to have it
    caching       what its lease allows, `cache` what it keeps of the file while that is at least R
    epoch         of its lease
    """

    name: str
    share_mode: int
    persistent: bool
    leased: bool
    create_guid: bytes = field(default_factory=lambda: os.urandom(16))
    lease_key: bytes = field(default_factory=lambda: os.urandom(16))
    file_id: bytes = b""
    lock_number: int = 0
    closing: bool = False
    survived: int = 0
    since: float = 0.0
    changing: bool = False
    caching: int = 0
    epoch: int = 0
    cache: bytes | None = None

    def may_be_lost(self, kill: Kill) -> bool:
        """Tell whether it need not have survived this kill  [docs/decisions/0011]."""
        if self.persistent:
            return False
        if self.changing or not kill.trusted:
            return True
        return self.create_guid.hex() not in kill.promised and kill.at < self.since + YOUNG


class Client:
    """One client: one connection at a time, one handle at a time.

    kills     those of the server so far;  leases  what it had of leases, to be looked at afterwards
    may_lose  others open the file too, so that the handle gives way to them while its client is away
    alone     nobody else opens its files, so that a lease stays as it was granted
    """

    def __init__(
        self, port: int, share: str, counts: Counter[str], kills: list[Kill], leases: list[Cached], *,
        may_lose: bool = False, alone: bool = False,
    ):  # fmt: skip
        self.port = port
        self.share = share
        self.counts = counts
        self.kills = kills
        self.leases = leases
        self.may_lose = may_lose
        self.alone = alone
        self.guid = os.urandom(16)
        self.raw: RawClient | None = None
        self.handle: Handle | None = None
        self._session_id = 0
        self._last_break: LeaseBreakNotification | None = None
        self._cached: Cached | None = None
        self._answering: asyncio.Task[None] | None = None
        self._acknowledging: set[asyncio.Task[None]] = set()

    # -- the connection --

    async def ready(self) -> RawClient:
        """Return a client with a tree connect and, if there is a handle, with that reclaimed."""
        while self.raw is None:
            try:
                self.raw = await self._connect()
                await self._reclaim(self.raw)
            except (*LOST, NtError):
                self.lose()
                await asyncio.sleep(0.1)
        return self.raw

    async def _connect(self) -> RawClient:
        connection = Connection(await connect_tcp("127.0.0.1", self.port, timeout=PATIENCE), self.guid)
        try:
            await negotiate(connection)
            session = await sign_in(connection, Initiator(USER, PASSWORD), previous_session_id=self._session_id)
            raw = RawClient(connection).as_session(session)
            raw = raw.on_tree((await raw.tree_connect(rf"\\server\{self.share}", how=How(timeout=PATIENCE))).expect())
        except BaseException:
            connection.close()
            raise
        self._session_id = session.session_id
        self._answering = asyncio.get_running_loop().create_task(self._answer_breaks(raw))
        return raw

    async def _reclaim(self, raw: RawClient) -> None:
        handle = self.handle
        if handle is None or not handle.file_id:
            return
        contexts = [wrap(DurableReconnectV2(handle.file_id, handle.create_guid, self._flags(handle)))]
        if handle.leased:
            contexts.append(wrap(LeaseV2(handle.lease_key, 0)))
        oplock = OPLOCK_LEASE if handle.leased else OPLOCK_NONE
        response = await raw.create(handle.name, oplock=oplock, contexts=contexts, how=How(timeout=PATIENCE))
        if response.status is Status.SUCCESS:
            handle.file_id = response.body.file_id
            handle.survived = len(self.kills)
            self.counts["reclaims"] += 1
            before, cached = (handle.caching, handle.epoch), self._cached
            self._note_lease(handle, response)
            if cached is not None and self._cached is not None and before == (handle.caching, handle.epoch):
                self.leases.pop()  # nobody else can have had it meanwhile
                cached.until, self._cached = time.monotonic(), cached
            if self.alone and before != (handle.caching, handle.epoch):
                raise HandleChanged(f"{handle.name}, lease and epoch {before} became {handle.caching, handle.epoch}")
        elif response.status is Status.OBJECT_NAME_NOT_FOUND:
            if not handle.closing:
                self._missed(handle)
            handle.file_id = b""
        else:
            response.expect()

    def _missed(self, handle: Handle) -> None:
        """The server does not know the handle: raise HandleGone where that is allowed, HandleLost where not."""
        kills = self.kills[handle.survived :]
        self._cached = None
        young = any(map(handle.may_be_lost, kills))
        if young or self.may_lose:
            self.counts["young" if young else "ceded"] += 1
            self.handle = None
            raise HandleGone(handle.name)
        self.counts["losses"] += 1
        ages = [
            f"{kill.at - handle.since:.2f} s after its last change, "
            f"{'with' if handle.create_guid.hex() in kill.promised else 'without'} a row"
            for kill in kills
        ]
        raise HandleLost(
            f"{handle.name}, handle {int.from_bytes(handle.file_id[:8], 'little'):#x}, lease {handle.caching}, missed at {time.strftime('%H:%M:%S')}; "
            f"killed since it was last there: {'; '.join(ages) or 'never'}"
        )

    def _note_lease(self, handle: Handle, response: Response) -> None:
        """Cache no more than the server says; a notification may be heard before the response that it came after."""
        leases = [decode_lease(context.data) for context in response.body.contexts if bytes(context.name) == LEASE]
        handle.caching = leases[0].lease_state if leases else 0
        handle.epoch = leases[0].epoch if leases else 0
        notice = self._last_break
        if notice is not None and bytes(notice.lease_key) == handle.lease_key and leases:
            if notice.new_epoch > leases[0].epoch or leases[0].flags & LEASE_FLAG_BREAK_IN_PROGRESS:
                handle.caching = notice.new_lease_state
        self._caches(handle)

    def _note_break(self, notice: LeaseBreakNotification) -> None:
        handle, self._last_break = self.handle, notice
        if handle is not None and bytes(notice.lease_key) == handle.lease_key:
            handle.caching = notice.new_lease_state
            self._caches(handle)

    def _caches(self, handle: Handle) -> None:
        """Go by what the lease says from now on, and write it down."""
        if not handle.caching & LEASE_READ:
            handle.cache = None
        self._cached = None
        if handle.caching and not handle.closing:
            now = time.monotonic()
            self._cached = Cached(f"{self.share}\\{handle.name}", handle.lease_key, handle.caching, now, now)
            self.leases.append(self._cached)

    def lose(self) -> None:
        """Give the connection up."""
        if self._answering is not None:
            self._answering.cancel()
        if self.raw is not None:
            self.raw.connection.close()
            self.raw = None

    async def _answer_breaks(self, raw: RawClient) -> None:
        with contextlib.suppress(*LOST):
            while True:
                notice = (await raw.connection.breaks.get()).body
                if isinstance(notice, LeaseBreakNotification):
                    self._note_break(notice)
                if isinstance(notice, LeaseBreakNotification) and notice.flags:
                    # what comes meanwhile is to be heard at once: the answer may take as long as storing does
                    self._acknowledging.add(task := asyncio.create_task(self._acknowledge(raw, notice)))
                    task.add_done_callback(self._acknowledging.discard)

    @staticmethod
    async def _acknowledge(raw: RawClient, notice: LeaseBreakNotification) -> None:
        with contextlib.suppress(*LOST):
            await raw.acknowledge_lease_break(notice.lease_key, notice.new_lease_state)

    async def do(self, what: Callable[[RawClient, bool], Awaitable[Response]]) -> Response:
        """Send a request until it is answered; the callable hears whether it is a repetition."""
        repeated = False
        while True:
            raw = await self.ready()
            response = await self.once(what(raw, repeated))
            if response is not None:
                return response
            repeated = True

    async def once(self, request: Awaitable[Response]) -> Response | None:
        """Wait for the answer; None where the connection, the session or the tree connect went away before."""
        sent, cached = time.monotonic(), self._cached
        try:
            response = await request
        except LOST:
            self.lose()
            return None
        if response.status in AGAIN:
            self.lose()
            return None
        if cached is not None and response.status is Status.SUCCESS:
            cached.until = sent
        return response

    # -- the handle --

    @staticmethod
    def _flags(handle: Handle) -> int:
        return DURABLE_FLAG_PERSISTENT if handle.persistent else 0

    async def open(
        self, name: str, *, share_mode: int, persistent: bool, leased: bool, temporary: bool = False
    ) -> Status:
        """Open; the handle is there if it succeeded. A temporary file goes with it."""
        handle = Handle(name, share_mode, persistent, leased)
        contexts = [wrap(DurableRequestV2(handle.create_guid, TIMEOUT_MS, self._flags(handle)))]
        if leased:
            contexts.append(wrap(LeaseV2(handle.lease_key, 7)))

        sent = False

        async def create(raw: RawClient, repeated: bool) -> Response:
            nonlocal sent
            sent, handle.survived = sent or repeated, len(self.kills)
            return await raw.create(
                name, FILE_GENERIC_READ | FILE_GENERIC_WRITE | DELETE, FILE_OPEN_IF, share=share_mode,
                options=FILE_DELETE_ON_CLOSE if temporary else 0,
                oplock=OPLOCK_LEASE if leased else OPLOCK_NONE, contexts=contexts,
                how=How(flags=FLAG_REPLAY if sent else 0, timeout=45.0),
            )  # fmt: skip

        response = await self.do(create)
        while sent and response.status is Status.FILE_NOT_AVAILABLE:  # the one before is being worked on
            await asyncio.sleep(0.05)
            response = await self.do(create)
        if response.status is Status.SUCCESS:
            handle.file_id = response.body.file_id
            self._note_lease(handle, response)
            handle.since = time.monotonic()
            self.handle = handle
        return response.status

    def _held(self) -> Handle:
        assert self.handle is not None
        return self.handle

    async def write(self, offset: int, data: bytes) -> None:
        """Write; returns when it is acknowledged."""
        handle = self._held()
        how = How(timeout=PATIENCE)
        (await self.do(lambda raw, _: raw.write(handle.file_id, offset, data, how=how))).expect()

    async def read(self, offset: int, length: int) -> bytes:
        """Read; nothing at the end of the file."""
        handle = self._held()
        how = How(timeout=PATIENCE)
        response = await self.do(lambda raw, _: raw.read(handle.file_id, offset, length, how=how))
        return b"" if response.status is Status.END_OF_FILE else bytes(response.expect().body.data)

    async def lock(self, element: LockElement) -> Status:
        """Lock or unlock under the next lock sequence."""
        handle = self._held()
        handle.lock_number = (handle.lock_number + 1) % 16
        sequence, how = 1 << 4 | handle.lock_number, How(timeout=PATIENCE)
        handle.changing = True
        status = (await self.do(lambda raw, _: raw.lock(handle.file_id, [element], sequence, how=how))).status
        handle.changing, handle.since = False, time.monotonic()
        return status

    async def delete(self) -> None:
        """Mark the file for deletion."""
        handle, how = self._held(), How(timeout=PATIENCE)
        response = await self.do(
            lambda raw, _: raw.set_info(handle.file_id, FILE_DISPOSITION_INFORMATION, b"\1", how=how)
        )
        response.expect()

    async def close_handle(self) -> bool:
        """Close; a handle that is gone when its CLOSE is repeated was closed by it. Tell whether that was answered."""
        handle = self._held()
        handle.closing, self._cached = True, None

        async def close(raw: RawClient, _: bool) -> Response:
            return await raw.close(handle.file_id or b"\xff" * 16, how=How(timeout=PATIENCE))

        response = await self.do(close)
        self.handle = None
        if response.status is Status.FILE_CLOSED:
            return False
        response.expect()
        return True
