"""Two users, one of them on two channels, at random: frames of one to five requests, related or not, signed or sealed;
a store that takes its time; CANCEL, LOGOFF, channels that are lost in the middle. Every request is answered once on the
connection that it came on, or that connection is gone, and at the end nothing is left.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random

import pytest

from smbcore.auth.initiator import Initiator
from smbcore.client.errors import ConnectionLost
from smbcore.client.message import How, Signature
from smbcore.client.raw import RawClient
from smbcore.client.session import bind, sign_in
from smbcore.nt.create import FILE_DIRECTORY_FILE, FILE_OPEN, FILE_OPEN_IF
from smbcore.nt.info.classes import FILE_END_OF_FILE_INFORMATION, FILE_ID_BOTH_DIRECTORY_INFORMATION
from smbcore.nt.status import Status
from smbcore.vfs.faulty import Fault, FaultyBackend, Schedule
from smbcore.vfs.memory.backend import MemoryBackend
from smbcore.wire.change_notify import ChangeNotifyRequest
from smbcore.wire.close import CloseRequest
from smbcore.wire.create import OPLOCK_BATCH, OPLOCK_NONE
from smbcore.wire.echo import EchoRequest
from smbcore.wire.flush import FlushRequest
from smbcore.wire.lock import LOCK_EXCLUSIVE, LOCK_FAIL_IMMEDIATELY, LOCK_UNLOCK, LockElement, LockRequest
from smbcore.wire.logoff import LogoffRequest
from smbcore.wire.query_directory import QueryDirectoryRequest
from smbcore.wire.query_info import QueryInfoRequest
from smbcore.wire.read import ReadRequest
from smbcore.wire.set_info import SetInfoRequest
from smbcore.wire.tree_connect import TreeConnectRequest
from smbcore.wire.tree_disconnect import TreeDisconnectRequest
from smbcore.wire.write import WriteRequest
from tests.memory_server import OTHER_PASSWORD, OTHER_USER, PASSWORD, USER, make_server
from tests.protocol.steps import ANY, Gate, create_request, turn

FRAMES = 60
NAMES = ("a", "b", "folder")
HOWS = (How(), How(signature=Signature.ALWAYS), How(seal=True), How(signature=Signature.WRONG))
ENDING = (LogoffRequest, TreeDisconnectRequest)


class Storm:
    """The clients, what they know, and what they wait for."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.faults = Schedule()
        self.gates = []
        self.server = make_server(
            backend=lambda clock: FaultyBackend(MemoryBackend(clock), self.faults), max_credits=512, break_timeout=0.05
        )
        self.clients = []
        self.handles = [ANY, bytes(16)]
        self.pending = []
        self.statuses = set()

    async def begin(self):
        first = await self.server.tree()
        second = (await self.server.negotiated(client_guid=first.connection.client_guid)).connection
        session = await bind(second, first.session, Initiator(USER, PASSWORD))
        other = first.as_session(await sign_in(first.connection, Initiator(OTHER_USER, OTHER_PASSWORD)))
        other = other.on_tree((await other.tree_connect(r"\\server\data")).expect())
        alone = await self.server.tree(user=OTHER_USER, password=OTHER_PASSWORD)
        self.clients = [first, RawClient(second, session, first.tree_id), other, alone]
        for client in (first, self.clients[1], alone):
            while client.connection.credits < 400:
                (await client.echo(How(credits=400))).expect()

    def body(self):
        pick, handle = self.random, self.random.choice(self.handles)
        kinds = [
            lambda: create_request(
                pick.choice(NAMES), disposition=pick.choice((FILE_OPEN, FILE_OPEN_IF)), share=pick.choice((0, 7, 7, 7)),
                options=pick.choice((0, 0, FILE_DIRECTORY_FILE)), oplock=pick.choice((OPLOCK_NONE, OPLOCK_BATCH)),
            ),
            lambda: WriteRequest(handle, pick.randrange(100), b"x" * pick.randrange(1, 50)),
            lambda: ReadRequest(handle, 0, 100),
            lambda: FlushRequest(handle),
            lambda: QueryInfoRequest(1, 5, handle, 100),
            lambda: SetInfoRequest(1, FILE_END_OF_FILE_INFORMATION, handle, pick.randrange(100).to_bytes(8, "little")),
            lambda: QueryDirectoryRequest(FILE_ID_BOTH_DIRECTORY_INFORMATION, handle, "*", 1000),
            lambda: ChangeNotifyRequest(handle, 1000, 1),
            lambda: LockRequest(handle, [LockElement(0, 1, pick.choice((
                LOCK_EXCLUSIVE, LOCK_EXCLUSIVE | LOCK_FAIL_IMMEDIATELY, LOCK_UNLOCK)))]),
            lambda: CloseRequest(handle),
            EchoRequest,
        ]  # fmt: skip
        if pick.random() < 0.02:
            return pick.choice(ENDING)()
        if pick.random() < 0.03:
            return TreeConnectRequest(r"\\server\data")
        return pick.choice(kinds)()

    async def step(self):
        pick = self.random
        if pick.random() < 0.2:
            gate = Gate()
            self.gates.append(gate)
            self.faults.add(Fault(pick.choice(("*", "write", "open", "flush")), until=gate))
        if pick.random() < 0.2 and self.gates:
            self.gates.pop(pick.randrange(len(self.gates))).set()
        alive = [client for client in self.clients if not client.connection.is_lost]
        if not alive:
            return
        client = pick.choice(alive)
        if pick.random() < 0.15 and self.pending:
            request = pick.choice(self.pending)
            with contextlib.suppress(ConnectionLost):
                await client.cancel(request)
            return
        if pick.random() < 0.01:
            client.connection.close()
            return
        count = pick.choice((1, 1, 1, 2, 3, 5))
        if client.connection.credits < count + 5:
            return
        how = pick.choices(HOWS, (6, 3, 3, 1))[0]
        requests = [client.request(self.body(), how) for _ in range(count)]
        sent = await client.connection.start(*requests, related=pick.random() < 0.6)
        self.pending += sent

    def learn(self):
        """Remember the handles that were opened; look at what is answered."""
        for request in list(self.pending):
            if not request.final.done():
                continue
            self.pending.remove(request)
            if request.final.exception() is not None:
                assert isinstance(request.final.exception(), ConnectionLost), request.final.exception()
                continue
            response = request.final.result()
            self.statuses.add(response.status)
            file_id = getattr(response.body, "file_id", None)
            if file_id is not None and len(bytes(file_id)) == 16:
                self.handles.append(bytes(file_id))

    async def end(self):
        for gate in self.gates:
            gate.set()
        self.faults.clear()
        await asyncio.sleep(0.1)  # the breaks that nobody answers
        await turn(100)
        for request in self.pending:  # watches and locks that nothing has ended
            for client in self.clients:
                if not client.connection.is_lost:
                    with contextlib.suppress(ConnectionLost):
                        await client.cancel(request)
        await turn(100)
        self.learn()
        assert not self.pending, self.pending
        for connection in self.server.clients:
            connection.close()
        await turn(100)
        for away in list(self.server.server.disconnected):
            await away.close_now()
        await self.server.server.drain()
        await turn()
        server, volume = self.server.server, self.server.volumes["data"]
        tables = {
            name: getattr(server, name)
            for name in ("opens", "trees", "sessions", "sessions_by_key", "connections", "_tasks", "_requests")
        }
        assert not {name: table for name, table in tables.items() if table}
        assert not volume.opens
        assert not volume.table._files
        await self.server.close()


@pytest.mark.parametrize("seed", range(40))
async def test_every_request_is_answered_once_and_nothing_is_left(seed, caplog):
    caplog.set_level(logging.ERROR)
    storm = Storm(seed)
    await storm.begin()
    for _ in range(FRAMES):
        await storm.step()
        await turn(storm.random.choice((0, 1, 3, 20)))
        storm.learn()
    await storm.end()
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert Status.SUCCESS in storm.statuses
