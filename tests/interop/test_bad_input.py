"""Hostile and broken clients over real TCP: the server stays up, its memory bounded, and others are served."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections.abc import AsyncIterator, Iterator

import psutil
import pytest
from server_process import PASSWORD, USER, ServerProcess
from waiting import eventually

from smbcore.client.connection import Connection
from smbcore.client.files import Share, connect
from smbcore.client.message import How
from smbcore.client.raw import RawClient, negotiate
from smbcore.client.transport import connect_tcp
from smbcore.nt.access import FILE_GENERIC_READ
from smbcore.nt.create import FILE_DIRECTORY_FILE, FILE_OPEN
from smbcore.nt.status import Status
from smbcore.wire.change_notify import ChangeNotifyRequest
from smbcore.wire.echo import EchoRequest
from smbcore.wire.tree_connect import TreeConnectRequest

MIB = 1024 * 1024
MUCH = 200 * MIB  # what the server may grow by in one test: generous, yet far below what a client could make it take
BEFORE_SIGN_IN = 128 * 1024
PENDING = 512
TREES = 4096
LONG = How(timeout=60.0)


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server of its own: one that these tests hurt would hurt others."""
    settings = {"min_dialect": "2.0.2", "signing_required": False}
    with ServerProcess(tmp_path_factory.mktemp("target"), settings, log_level="INFO").running() as process:
        yield process


@pytest.fixture
async def witness(target: ServerProcess) -> AsyncIterator[Share]:
    """A well-behaved client that was there before, and is served afterwards; the server has not grown much."""
    process = psutil.Process(target.process.pid)
    share = await client_of(target)
    before = process.memory_info().rss
    yield share
    (await share.raw.echo()).expect()
    await share.write("witness.txt", b"served")
    assert await share.read("witness.txt") == b"served"
    await share.close()
    (await (await client_of(target)).raw.echo()).expect()
    assert process.memory_info().rss - before < MUCH


async def client_of(server: ServerProcess) -> Share:
    return await connect("127.0.0.1", "files", USER, PASSWORD, port=server.port)


def dial(server: ServerProcess) -> socket.socket:
    link = socket.create_connection(("127.0.0.1", server.port), 20)
    link.settimeout(20)
    return link


def is_dropped(link: socket.socket) -> bool:
    """Whether the server ends the connection; reads what it still says."""
    try:
        while link.recv(65536):
            pass
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True


def frame(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


# -- before signing in --


@pytest.mark.parametrize("size", [BEFORE_SIGN_IN + 1, 1 * MIB, 0xFFFFFF])
async def test_large_messages_before_signing_in_are_not_taken(target: ServerProcess, witness: Share, size: int) -> None:
    with dial(target) as link:
        link.sendall(struct.pack(">I", size))
        assert is_dropped(link)


async def test_message_of_just_the_limit_is_looked_at(target: ServerProcess, witness: Share) -> None:
    """128 KiB of rubbish is dropped for what it is, once all of it is there."""
    with dial(target) as link:
        link.sendall(struct.pack(">I", BEFORE_SIGN_IN) + bytes(BEFORE_SIGN_IN - 1))
        link.settimeout(0.2)
        assert not is_dropped(link)
        link.settimeout(20)
        link.sendall(b"\0")
        assert is_dropped(link)


async def test_many_clients_that_announce_much_and_send_little(target: ServerProcess, witness: Share) -> None:
    links = [dial(target) for _ in range(300)]
    for link in links:
        link.sendall(struct.pack(">I", BEFORE_SIGN_IN) + bytes(1000))
    (await witness.raw.echo()).expect()
    for link in links:
        link.close()


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: nas\r\n\r\n",
        b"\x81\x00\x00\x44" + b" " * 68,
        b"\xff" * 100,
        frame(b"\xfeSMB"),
        frame(b"\xfdSMB" + bytes(100)),
        frame(b"\xfcSMB" + bytes(100)),
        frame(b"\xffSMB\x72" + bytes(10)),
        frame(b"\xfeSMB" + b"\xff" * 60),
    ],
)
async def test_what_is_no_smb_is_dropped(target: ServerProcess, witness: Share, data: bytes) -> None:
    with dial(target) as link:
        link.sendall(data)
        assert is_dropped(link)


async def test_random_bytes(target: ServerProcess, witness: Share) -> None:
    noise = random.Random(5)
    for _ in range(200):
        with dial(target) as link:
            body = noise.randbytes(noise.randrange(1, 400))
            if noise.random() < 0.7:
                body = b"\xfeSMB" + struct.pack("<H", 64) + body
            link.sendall(frame(body))
            link.shutdown(socket.SHUT_WR)
            assert is_dropped(link)


async def test_random_changes_of_a_right_negotiation(target: ServerProcess, witness: Share) -> None:
    from smbcore.client.negotiated import Offer
    from smbcore.wire.header import Header

    body = Offer().request(bytes(16)).encode()
    right = Header(command=0, credits=1, credit_charge=1).encode() + body
    noise = random.Random(6)
    for _ in range(200):
        message = bytearray(right)
        for _ in range(noise.randrange(1, 6)):
            message[noise.randrange(4, len(message))] = noise.randrange(256)
        with dial(target) as link:
            link.sendall(frame(message[: noise.choice([len(message), noise.randrange(1, len(message))])]))
            link.shutdown(socket.SHUT_WR)
            assert is_dropped(link)


async def test_half_open_connections_do_not_disturb_others(target: ServerProcess, witness: Share) -> None:
    """Some say nothing, some half a frame header, some stop after NEGOTIATE: none of them keeps others out."""
    silent = [dial(target) for _ in range(500)]
    for link in silent[::2]:
        link.sendall(b"\0\0")
    negotiated = []
    for _ in range(50):
        connection = Connection(await connect_tcp("127.0.0.1", target.port))
        await negotiate(connection)
        negotiated.append(connection)
    for _ in range(5):
        share = await client_of(target)
        await share.write("between.txt", b"x" * 100_000)
        await share.close()
    for link in silent:
        link.close()
    for connection in negotiated:
        connection.close()


async def test_connections_that_are_reset_at_once(target: ServerProcess, witness: Share) -> None:
    for _ in range(200):
        with dial(target) as link:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Dribble:
    """A transport that sends every byte in a segment of its own."""

    def __init__(self, inner) -> None:
        self.inner = inner
        inner._transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def start(self, on_frame, on_lost) -> None:
        self.inner.start(on_frame, on_lost)

    def write(self, parts) -> None:
        for byte in b"".join(parts):
            self.inner.write((bytes([byte]),))

    def close(self) -> None:
        self.inner.close()


async def test_segments_of_one_byte(target: ServerProcess, witness: Share) -> None:
    from smbcore.auth.initiator import Initiator
    from smbcore.client.files import attach

    transport = Dribble(await connect_tcp("127.0.0.1", target.port))
    share = await attach(transport, "127.0.0.1", "files", Initiator(USER, PASSWORD))
    await share.write("dribble.bin", bytes(range(256)) * 20)
    assert await share.read("dribble.bin") == bytes(range(256)) * 20
    await share.remove("dribble.bin")
    await share.close()


# -- signed in, and greedy --


async def in_batches(raw: RawClient, bodies, answers=None) -> list[Status]:
    """Send many requests, as many at a time as there are credits, and return their statuses."""
    statuses = []
    bodies = list(bodies)
    for start in range(0, len(bodies), 64):
        pending = [await raw.begin(body, LONG) for body in bodies[start : start + 64]]
        statuses += [(await item.response()).status for item in pending]
    return statuses


async def test_tree_connects_beyond_the_limit(target: ServerProcess, witness: Share) -> None:
    share = await client_of(target)
    statuses = await in_batches(share.raw, [TreeConnectRequest(r"\\nas\files") for _ in range(TREES + 200)])
    assert statuses[: TREES - 1] == [Status.SUCCESS] * (TREES - 1)
    assert set(statuses[TREES - 1 :]) == {Status.INSUFFICIENT_RESOURCES}
    (await witness.raw.echo()).expect()
    (await share.raw.tree_disconnect()).expect()
    (await share.raw.tree_connect(r"\\nas\files")).expect()
    share.raw.connection.close()


async def test_thousands_of_opens(target: ServerProcess, witness: Share) -> None:
    """Every one takes a descriptor of the server, and all are given back when the connection goes."""
    from tests.protocol.steps import create_request

    process = psutil.Process(target.process.pid)
    before = process.num_fds()
    share = await client_of(target)
    bodies = [create_request(f"many{index % 100}.txt") for index in range(4000)]
    statuses = await in_batches(share.raw, bodies)
    assert set(statuses) <= {Status.SUCCESS, Status.INSUFFICIENT_RESOURCES, Status.TOO_MANY_OPENED_FILES}
    assert statuses.count(Status.SUCCESS) > 500
    (await witness.raw.echo()).expect()
    await witness.listdir()
    share.raw.connection.close()
    await eventually(lambda: process.num_fds() <= before + 5)
    for index in range(100):
        await witness.remove(f"many{index}.txt")


async def test_waiting_requests_beyond_the_limit(target: ServerProcess, witness: Share) -> None:
    """The first 512 notifies wait, every further one fails at once; the connection and the watches live on."""
    share = await client_of(target)
    opened = await share.raw.create("", FILE_GENERIC_READ, FILE_OPEN, options=FILE_DIRECTORY_FILE)
    root = opened.expect().body.file_id
    notify = ChangeNotifyRequest(root, 4096, 0x001)
    waiting = []
    for _ in range(PENDING):
        waiting.append(await share.raw.begin(notify, LONG))
        await waiting[-1].pending()
    for _ in range(100):
        assert (await share.raw.call(notify, LONG)).status is Status.INSUFFICIENT_RESOURCES
    assert not any(item.final.done() for item in waiting)
    (await witness.raw.echo()).expect()
    await share.raw.cancel(waiting[0])
    assert (await waiting[0].response()).status is Status.CANCELLED
    again = await share.raw.begin(notify, LONG)
    await again.pending()
    (await share.raw.close(root)).expect()
    for item in [*waiting[1:], again]:
        assert (await item.response()).status is Status.NOTIFY_CLEANUP
    await share.close()


async def test_sessions_beyond_the_limit(target: ServerProcess, witness: Share) -> None:
    """First legs of sign-ins that are never finished, all on one connection."""
    from smbcore.auth.initiator import Initiator

    connection = Connection(await connect_tcp("127.0.0.1", target.port))
    negotiated = await negotiate(connection)
    raw = RawClient(connection)
    statuses = []
    for _ in range(300):
        token = Initiator(USER, PASSWORD).step(negotiated.hint)
        statuses.append((await raw.session_setup(token)).status)
    assert statuses.count(Status.MORE_PROCESSING_REQUIRED) == 256
    assert set(statuses[256:]) == {Status.INSUFFICIENT_RESOURCES}
    connection.close()


async def test_client_that_never_reads_its_answers(target: ServerProcess, witness: Share) -> None:
    """It asks for megabytes over and over and takes nothing: the server stops reading from it, and keeps its memory."""
    from smbcore.wire.read import ReadRequest

    await witness.write("large.bin", bytes(8 * MIB))
    share = await client_of(target)
    file = await share.open("large.bin")
    share.raw.connection._transport._transport.pause_reading()
    how = How(timeout=2.0)
    sent = 0
    try:
        for _ in range(400):
            await share.raw.begin(ReadRequest(file.file_id, 0, MIB), how)
            sent += 1
    except TimeoutError:
        pass
    for _ in range(20):
        (await witness.raw.echo()).expect()
    share.raw.connection._transport._transport.abort()
    await witness.remove("large.bin")


async def test_flood_of_echoes_does_not_starve_others(target: ServerProcess, witness: Share) -> None:
    share = await client_of(target)

    async def flood() -> None:
        while True:
            pending = [await share.raw.begin(EchoRequest(), LONG) for _ in range(200)]
            for item in pending:
                await item.response()

    flooding = asyncio.ensure_future(flood())
    try:
        for _ in range(20):
            (await witness.raw.echo()).expect()
    finally:
        flooding.cancel()
    share.raw.connection.close()
