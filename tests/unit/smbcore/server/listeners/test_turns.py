"""A long batch of messages leaves turns to everybody else."""

from __future__ import annotations

import asyncio
import errno
import itertools
import socket
from types import SimpleNamespace
from typing import Any

import pytest

from smbcore.nt.clock import ManualClock
from smbcore.proto.errors import ProtocolViolation
from smbcore.server.listeners.tcp import _TURN, TcpTransport, listen
from smbcore.server.replies import BufferPool
from smbcore.server.seldom import Seldom

MESSAGE = b"\0\0\0\x40" + bytes(64)


class Peer:
    """A transport that notes what it receives and answers, and the socket of the client."""

    name = "conn=1"

    def __init__(self, order: list[str], answer: bytes = b"") -> None:
        limits = SimpleNamespace(frame_before_sign_in=1 << 20, output_backlog=1 << 16)
        server: Any = SimpleNamespace(config=SimpleNamespace(limits=limits), pool=BufferPool())
        with socket.create_server(("127.0.0.1", 0)) as listening:
            self.client = socket.create_connection(listening.getsockname())
            own, _ = listening.accept()
        own.setblocking(False)
        own.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)
        self.order, self.answer, self.received, self.dropped = order, answer, 0, False
        self.transport = TcpTransport(server, own, asyncio.get_running_loop())
        self.transport.start(self)  # type: ignore[arg-type] - all that the transport needs of a connection

    def receive(self, frame: memoryview) -> None:
        self.received += 1
        self.order.append("message")
        if self.answer:
            self.transport.write((self.answer,))

    def drop(self, _reason: Exception) -> None:
        self.dropped = True
        self.close()

    def close(self) -> None:
        self.transport.close()
        self.client.close()


async def until(condition: Any) -> None:
    for _ in range(100_000):
        if condition():
            return
        await asyncio.sleep(0)
    pytest.fail("it did not happen")


async def test_others_get_their_turn_in_a_long_batch() -> None:
    order: list[str] = []
    peer = Peer(order)
    peer.client.sendall(MESSAGE * (5 * _TURN))
    loop = asyncio.get_running_loop()

    def tick() -> None:
        order.append("other")
        if peer.received < 5 * _TURN:
            loop.call_soon(tick)

    tick()
    await until(lambda: peer.received == 5 * _TURN)
    runs = "".join("m" if entry == "message" else " " for entry in order).split()
    assert max(map(len, runs)) == _TURN
    # and what comes later is received as before
    peer.client.sendall(MESSAGE)
    await until(lambda: peer.received == 5 * _TURN + 1)
    peer.close()


async def test_a_turn_ends_early_where_messages_take_long(monkeypatch: pytest.MonkeyPatch) -> None:
    peer = Peer([])
    loop = asyncio.get_running_loop()
    start = loop.time()
    monkeypatch.setattr(loop, "time", lambda: start + peer.received * 0.0015)  # each takes a millisecond and a half
    peer.client.sendall(MESSAGE * 10)
    seen = []

    def tick() -> None:
        seen.append(peer.received)
        if peer.received < 10:
            loop.call_soon(tick)

    tick()
    await until(lambda: peer.received == 10)
    steps = [after - before for before, after in itertools.pairwise(seen)]
    assert max(steps) == 2
    peer.close()


@pytest.mark.parametrize("size", [70_000, 1 << 20, 3 << 20])
async def test_large_replies_leave_before_more_are_made(size: int) -> None:
    """A peer that takes none has asked for 64 of them at once"""
    peer = Peer([], bytes(size))
    peer.client.sendall(MESSAGE * _TURN)
    for _ in range(200):
        await asyncio.sleep(0)
    held = sum(map(len, peer.transport._out))
    assert held <= (1 << 20) + 2 * size
    assert peer.received < _TURN
    # it goes on where it stopped as soon as they are taken
    taken = 0
    peer.client.setblocking(False)
    for _ in range(1_000_000):
        try:
            taken += len(peer.client.recv(1 << 20))
        except BlockingIOError:
            await asyncio.sleep(0)
        if taken == _TURN * size:
            break
    assert (taken, peer.received) == (_TURN * size, _TURN)
    peer.client.sendall(MESSAGE)
    await until(lambda: peer.received == _TURN + 1)
    peer.close()


async def test_a_peer_that_goes_while_large_replies_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    peer = Peer([], bytes(1 << 20))
    monkeypatch.setattr(TcpTransport, "_send_buffers", raising(ConnectionResetError()))
    peer.client.sendall(MESSAGE * _TURN)
    await until(lambda: peer.transport._closed)
    assert peer.received == 1


def raising(error: Exception) -> Any:
    def fail(_transport: TcpTransport) -> None:
        raise error

    return fail


async def test_the_rest_waits_for_a_peer_that_takes_no_replies() -> None:
    peer = Peer([], bytes(4096))
    peer.client.sendall(MESSAGE * (8 * _TURN))
    for _ in range(200):
        await asyncio.sleep(0)
    stuck = peer.received
    assert stuck < 8 * _TURN
    peer.client.setblocking(False)
    taken = 0
    for _ in range(1_000_000):
        try:
            taken += len(peer.client.recv(1 << 20))
        except BlockingIOError:
            await asyncio.sleep(0)
        if taken == 8 * _TURN * 4096:
            break
    assert peer.received == 8 * _TURN
    assert taken == 8 * _TURN * 4096
    peer.close()


async def test_a_violation_in_the_rest_drops_the_connection() -> None:
    peer = Peer([])

    def receive(frame: memoryview) -> None:
        peer.received += 1
        if peer.received == 2 * _TURN + 3:
            raise ProtocolViolation("no")

    peer.receive = receive  # type: ignore[method-assign]
    peer.client.sendall(MESSAGE * (3 * _TURN))
    await until(lambda: peer.dropped)
    assert peer.received == 2 * _TURN + 3


async def test_no_sockets_left_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    server: Any = SimpleNamespace(interfaces=SimpleNamespace(listening=[]), seldom=Seldom(clock))
    listener = listen(server, "127.0.0.1", 0)
    real, listener._sock = listener._sock, Full(listener._sock)  # type: ignore[assignment]
    try:
        for _ in range(60):
            listener._acceptable()
            clock.advance(1)
        assert len(caplog.records) == 1
        listener._acceptable()
        assert len(caplog.records) == 2
    finally:
        listener._sock = real
        listener.close()
    assert server.interfaces.listening == []


class Full:
    """A listening socket of a process that has no descriptors left."""

    def __init__(self, real: socket.socket) -> None:
        self.fileno = real.fileno

    def accept(self) -> Any:
        raise OSError(errno.EMFILE, "Too many open files")


async def test_a_held_connection_gets_nothing_more_until_it_is_released() -> None:
    peer = Peer([])
    held = []

    def receive(frame: memoryview) -> None:
        peer.received += 1
        if peer.received in (2, 5):
            peer.transport.hold()
            peer.transport.hold()
            held.append(peer.received)

    peer.receive = receive  # type: ignore[method-assign]
    peer.client.sendall(MESSAGE * 5)
    await until(lambda: held == [2])
    for expected in (2, 5):
        await asyncio.sleep(0)
        assert peer.received == expected
        peer.transport.release()
        for _ in range(20):
            await asyncio.sleep(0)
        assert peer.received == expected
        peer.transport.release()
        await until(lambda: held == [2, 5])
    # what comes while it is held is received afterwards
    peer.client.sendall(MESSAGE * 2)
    await until(lambda: peer.received == 7)
    peer.close()


async def test_a_held_connection_may_end() -> None:
    peer = Peer([])
    peer.transport.hold()
    peer.close()
    peer.transport.hold()
    peer.transport.release()
    peer.transport.release()
