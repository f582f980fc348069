"""One of two channels fails in the middle of a transfer: nothing that was acknowledged is lost  [MS-SMB2 3.3.5.2.10].

Each channel goes through a relay of its own that resets it, or stalls it with requests inside: those come out again later,
long after they were repeated on the other channel and their records written anew.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from server_process import PASSWORD, USER, ServerProcess
from waiting import eventually

from smbcore.auth.initiator import Initiator
from smbcore.client.connection import Connection
from smbcore.client.errors import ConnectionLost
from smbcore.client.message import How, Pending, Response
from smbcore.client.raw import RawClient, negotiate
from smbcore.client.session import bind, sign_in
from smbcore.client.transport import connect_tcp
from smbcore.nt.access import FILE_GENERIC_READ, FILE_GENERIC_WRITE
from smbcore.nt.create import FILE_OPEN, FILE_OVERWRITE_IF
from smbcore.nt.status import Status
from smbcore.server.conformance import FORCE_UNACKED_TIMEOUT
from smbcore.wire.create import OPLOCK_LEASE, OPLOCK_NONE
from smbcore.wire.create_contexts import LeaseV2, wrap
from smbcore.wire.header import FLAG_REPLAY
from smbcore.wire.ioctl import IoctlRequest
from smbcore.wire.oplock_break import LeaseBreakNotification
from smbcore.wire.read import ReadRequest
from smbcore.wire.types import ANY_FILE_ID
from smbcore.wire.write import FLAG_WRITE_THROUGH, WriteRequest
from tests.chaos.proxy import Proxy
from tests.protocol.steps import next_break

RECORD = 4096
RECORDS = 48
CUT_AT = 20
IN_FLIGHT = 6
NAME = "records.bin"
KEY = b"lease key number"
ROUNDS = 12
SEEDS = (1, 2, 3)
RWH, RH = 7, 3


class ControlledProcess(ServerProcess):
    """A server to which a test may say that a peer acknowledges nothing: what stalls in a relay, its kernel has taken."""

    @property
    def command(self) -> list[str]:
        return [*super().command, "--test-controls"]


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    base = tmp_path_factory.mktemp("channels")
    with ControlledProcess(base, {"break_retry_ms": 200}, log_level="INFO").running() as process:
        yield process


def record(number: int, version: int) -> bytes:
    """Return a record whose content tells which one it is, and what was written to it last."""
    head = f"record {number} version {version} ".encode()
    return head + random.Random(number << 8 | version).randbytes(RECORD - len(head))


@dataclass
class Written:
    """One WRITE that was sent, and what it carries."""

    number: int
    data: bytes
    pending: Pending


@dataclass
class Transfer:
    """A session over two channels, and what it was told of its file so far.

    model     what was acknowledged, by record number
    sequence  the ChannelSequence of requests from now on
    """

    core: ServerProcess
    share: str
    proxies: list[Proxy] = field(default_factory=list)
    channels: list[RawClient] = field(default_factory=list)
    model: dict[int, bytes] = field(default_factory=dict)
    sequence: int = 0
    file_id: bytes = b""
    guid: bytes = field(default_factory=lambda: os.urandom(16))

    async def start(self) -> None:
        for _ in range(2):
            self.proxies.append(await self.relay())
        first = await self.connect(self.proxies[0])
        session = await sign_in(first, Initiator(USER, PASSWORD))
        raw = RawClient(first).as_session(session)
        raw = raw.on_tree((await raw.tree_connect(rf"\\server\{self.share}")).expect())
        self.channels = [raw, await self.bound(self.proxies[1], raw)]
        response = await raw.create(
            NAME, FILE_GENERIC_READ | FILE_GENERIC_WRITE, FILE_OVERWRITE_IF, oplock=OPLOCK_LEASE,
            contexts=[wrap(LeaseV2(KEY, RWH))],
        )  # fmt: skip
        self.file_id = response.expect().body.file_id

    async def relay(self) -> Proxy:
        proxy = Proxy(self.core.port, random.Random(1))
        await proxy.start()
        return proxy

    async def connect(self, proxy: Proxy) -> Connection:
        connection = Connection(await connect_tcp("127.0.0.1", proxy.port), self.guid)
        await negotiate(connection)
        return connection

    async def bound(self, proxy: Proxy, raw: RawClient) -> RawClient:
        """Make a further channel of the session."""
        assert raw.session is not None
        connection = await self.connect(proxy)
        await bind(connection, raw.session, Initiator(USER, PASSWORD))
        return RawClient(connection, raw.session, raw.tree_id, seal=raw.seal)

    async def stop(self) -> None:
        for raw in self.channels:
            raw.connection.close()
        for proxy in self.proxies:
            await proxy.stop()

    def how(self, flags: int = 0) -> How:
        return How(channel_sequence=self.sequence, flags=flags)

    # -- records --

    async def send(self, raw: RawClient, number: int, data: bytes, flags: int = 0) -> Written:
        body = WriteRequest(self.file_id, number * RECORD, data, flags=flags)
        return Written(number, data, await raw.begin(body, self.how()))

    def acknowledged(self, written: Written, response: Response) -> None:
        response.expect()
        self.model[written.number] = written.data

    async def write(self, raw: RawClient, number: int, version: int) -> None:
        written = await self.send(raw, number, record(number, version))
        self.acknowledged(written, await written.pending.response())

    async def repeat(self, raw: RawClient, written: Written) -> None:
        """Send a WRITE again under the new number; refused as long as the first one may still be under way."""
        body = WriteRequest(self.file_id, written.number * RECORD, written.data)
        async with asyncio.timeout(20):
            while True:
                response = await raw.call(body, self.how(FLAG_REPLAY))
                if response.status is not Status.FILE_NOT_AVAILABLE:
                    break
                await asyncio.sleep(0.01)
        self.acknowledged(written, response)

    async def check(self, raw: RawClient, number: int) -> None:
        response = await raw.call(ReadRequest(self.file_id, number * RECORD, RECORD), self.how())
        assert bytes(response.expect().body.data) == self.model[number], f"record {number}"

    async def alternate(self, numbers: range, version: int) -> None:
        """Write each record over one channel and read it over the other, by turns."""
        for number in numbers:
            one, other = self.channels if number % 2 else self.channels[::-1]
            await self.write(one, number, version)
            await self.check(other, number)


@pytest.fixture(params=["files", "sealed"])
async def transfer(core: ServerProcess, request: pytest.FixtureRequest):
    made = Transfer(core, request.param)
    await made.start()
    yield made
    await made.stop()


def content(transfer: Transfer) -> bytes:
    return (transfer.core.folder / transfer.share / NAME).read_bytes()


def expected(transfer: Transfer) -> bytes:
    """Return what the file holds if nothing but what was acknowledged is in it."""
    return b"".join(transfer.model.get(number, bytes(RECORD)) for number in range(max(transfer.model) + 1))


async def break_is_heard(transfer: Transfer, survivor: RawClient) -> None:
    """Somebody else opens the file: the surviving channel hears that the lease breaks, answers, and he reads all of it."""
    connection = Connection(await connect_tcp("127.0.0.1", transfer.core.port))
    await negotiate(connection)
    other = RawClient(connection).as_session(await sign_in(connection, Initiator(USER, PASSWORD)))
    other = other.on_tree((await other.tree_connect(rf"\\server\{transfer.share}")).expect())
    opening = asyncio.ensure_future(other.create(NAME, FILE_GENERIC_READ, FILE_OPEN, oplock=OPLOCK_NONE))
    notice = (await next_break(survivor)).body
    assert isinstance(notice, LeaseBreakNotification)
    assert (notice.lease_key, notice.current_lease_state, notice.new_lease_state) == (KEY, RWH, RH)
    assert not opening.done()
    (await survivor.acknowledge_lease_break(KEY, notice.new_lease_state)).expect()
    file_id = (await opening).expect().body.file_id
    data = bytes((await other.read(file_id, 0, RECORD * RECORDS)).expect().body.data)
    assert data == expected(transfer)
    (await other.close(file_id)).expect()
    connection.close()


@pytest.mark.parametrize("lost", [0, 1])
async def test_a_channel_that_is_reset_loses_nothing(transfer: Transfer, lost: int) -> None:
    # 1 records go over both channels by turns
    await transfer.alternate(range(CUT_AT), 0)
    dying, survivor = transfer.channels[lost], transfer.channels[1 - lost]
    # 2 one channel is reset with several writes on their way, some of which were made: the client cannot know
    (pair,) = transfer.proxies[lost].pairs
    pair.answering.clear()
    places = range(CUT_AT, CUT_AT + IN_FLIGHT)
    under_way = [await transfer.send(dying, number, record(number, 0)) for number in places[::2]]
    await eventually(lambda: content(transfer).endswith(under_way[-1].data))
    under_way += [await transfer.send(dying, number, record(number, 0)) for number in places[1::2]]
    pair.close(reset=True)
    await dying.connection.wait_lost()
    for written in under_way:
        with pytest.raises(ConnectionLost):
            await written.pending.response()
    # 3 the client counts up, repeats them on the other one, and goes on there
    transfer.sequence = 1
    for written in under_way:
        await transfer.repeat(survivor, written)
    for number in sorted(transfer.model):
        await transfer.check(survivor, number)
    # 4 a late one of before is refused
    late = WriteRequest(transfer.file_id, 0, b"late")
    assert (await survivor.call(late, How(channel_sequence=0))).status is Status.FILE_NOT_AVAILABLE
    await break_is_heard(transfer, survivor)
    # 5 a new channel takes the place of the lost one
    transfer.channels = [survivor, await transfer.bound(transfer.proxies[lost], survivor)]
    await transfer.alternate(range(CUT_AT + IN_FLIGHT, RECORDS), 1)
    (await survivor.close(transfer.file_id)).expect()
    assert content(transfer) == expected(transfer)


@pytest.mark.parametrize("lost", [0, 1])
async def test_a_channel_that_stalls_loses_nothing(transfer: Transfer, lost: int) -> None:
    # 1 records go over both channels by turns
    await transfer.alternate(range(CUT_AT), 0)
    dying, survivor = transfer.channels[lost], transfer.channels[1 - lost]
    bare = RawClient(dying.connection)
    (await bare.call(IoctlRequest(FORCE_UNACKED_TIMEOUT, ANY_FILE_ID, b""))).expect()
    # 2 nothing comes through one of them any more, in either direction; writes get stuck in it
    for pair in transfer.proxies[lost].pairs:
        pair.flowing.clear()
    stuck = [await transfer.send(dying, CUT_AT + n, record(CUT_AT + n, 0)) for n in range(IN_FLIGHT)]
    overwritten = [await transfer.send(dying, n, b"never to be seen") for n in range(3)]
    looking = await dying.begin(ReadRequest(transfer.file_id, 0, RECORD), transfer.how())
    # 3 the client gives the channel up: it counts up, repeats on the other one, and writes some of them anew
    transfer.sequence = 1
    for written in stuck:
        await transfer.repeat(survivor, written)
    for number in range(CUT_AT, CUT_AT + 3):
        await transfer.write(survivor, number, 1)
    # 4 a lease that breaks is heard on the channel that is left, though the other one is not closed
    await break_is_heard(transfer, survivor)
    await transfer.write(survivor, 5, 2)
    # 5 what was stuck comes out: too late for every change; a look is answered
    for pair in transfer.proxies[lost].pairs:
        pair.flowing.set()
    for written in stuck + overwritten:
        assert (await written.pending.response()).status is Status.FILE_NOT_AVAILABLE
    assert bytes((await looking.response()).expect().body.data) == transfer.model[0]
    # 6 and the channel is as good as before
    await transfer.alternate(range(CUT_AT + IN_FLIGHT, RECORDS), 1)
    for number in sorted(transfer.model):
        await transfer.check(dying, number)
    (await survivor.close(transfer.file_id)).expect()
    assert content(transfer) == expected(transfer)


async def test_a_channel_that_never_comes_back_is_forgotten(transfer: Transfer) -> None:
    """Half open: its client is gone, and the server has not been told."""
    dying, survivor = transfer.channels
    await transfer.write(dying, 0, 0)
    (await RawClient(dying.connection).call(IoctlRequest(FORCE_UNACKED_TIMEOUT, ANY_FILE_ID, b""))).expect()
    for pair in transfer.proxies[0].pairs:
        pair.flowing.clear()
    lost = await transfer.send(dying, 1, record(1, 0))
    dying.connection.close()
    transfer.sequence = 1
    await transfer.repeat(survivor, lost)
    await break_is_heard(transfer, survivor)
    await transfer.write(survivor, 1, 1)
    # what was stuck reaches the server at last, and then the end of its client
    for pair in transfer.proxies[0].pairs:
        pair.flowing.set()
    await eventually(lambda: not transfer.proxies[0].pairs)
    await transfer.check(survivor, 1)
    (await survivor.close(transfer.file_id)).expect()
    assert content(transfer) == expected(transfer)


@pytest.mark.parametrize("seed", SEEDS)
async def test_outages_at_random(transfer: Transfer, seed: int) -> None:
    """Many writes at a time over both channels, some of them slow; one channel after the other is reset or stalls."""
    dice = random.Random(seed)
    stuck: list[Written] = []
    for version in range(1, ROUNDS + 1):
        # 1 writes to different records are under way on both channels
        numbers = dice.sample(range(RECORDS), 2 * IN_FLIGHT)
        lost = dice.randrange(2)
        dying, survivor = transfer.channels[lost], transfer.channels[1 - lost]
        (pair,) = transfer.proxies[lost].pairs
        sent = []
        for number in numbers:
            raw = dice.choice(transfer.channels)
            flags = dice.choice((0, FLAG_WRITE_THROUGH))
            sent.append((raw, await transfer.send(raw, number, record(number, version), flags)))
            for _ in range(dice.choice((0, 0, 3, 30))):
                await asyncio.sleep(0)
        # 2 one of them fails
        resets = dice.random() < 0.5
        if resets:
            pair.close(reset=True)
            await dying.connection.wait_lost()
        else:
            pair.flowing.clear()
        transfer.sequence += 1
        # 3 what the other one carried is answered; what the lost one did not answer is repeated
        for raw, written in sent:
            if raw is survivor:
                transfer.acknowledged(written, await written.pending.response())
            elif written.pending.final.done() and not written.pending.final.exception():
                transfer.acknowledged(written, written.pending.final.result())
            else:
                stuck += [] if resets else [written]
                await transfer.repeat(survivor, written)
        await transfer.write(survivor, numbers[0], version + 100)
        # 4 the channel comes back: a new one, or the old one with what was stuck in it
        if resets:
            transfer.channels[lost] = await transfer.bound(transfer.proxies[lost], survivor)
        pair.flowing.set()
        for written in stuck:
            status = (await written.pending.response()).status
            assert status in (Status.SUCCESS, Status.FILE_NOT_AVAILABLE)  # made before the outage, or too late
        stuck.clear()
        for number in numbers:
            await transfer.check(dice.choice(transfer.channels), number)
    (await transfer.channels[0].close(transfer.file_id)).expect()
    assert content(transfer) == expected(transfer)
