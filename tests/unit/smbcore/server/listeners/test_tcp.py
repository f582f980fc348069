"""The output queue of a TCP connection: buffers and ranges of files, to a client that takes them slowly."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from smbcore.fsa.api import FileRange
from smbcore.server.listeners.tcp import TcpTransport
from smbcore.server.replies import BufferPool

SIZE = 4 * 1024 * 1024


def loops() -> list[Any]:
    found: list[Any] = [asyncio.new_event_loop]
    try:
        import uvloop  # noqa: PLC0415 - optional
    except ImportError:
        return found
    return [*found, uvloop.new_event_loop]


@pytest.fixture(params=loops(), ids=lambda make: make.__module__)
def run(request: pytest.FixtureRequest) -> Callable[[Coroutine[Any, Any, None]], None]:
    def run_on_loop(work: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(asyncio.wait_for(work, 30))

    return run_on_loop


class Peer:
    """A transport and the socket of the client at its other end."""

    def __init__(self) -> None:
        limits = SimpleNamespace(frame_before_sign_in=1 << 20, output_backlog=1 << 20)
        server: Any = SimpleNamespace(config=SimpleNamespace(limits=limits), pool=BufferPool())
        with socket.create_server(("127.0.0.1", 0)) as listening:
            self.client = socket.create_connection(listening.getsockname())
            self.own, _ = listening.accept()
        self.own.setblocking(False)
        self.own.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)
        self.client.setblocking(False)
        self.transport = TcpTransport(server, self.own, asyncio.get_running_loop())
        self.closed = False
        self.transport.start(self)  # type: ignore[arg-type] - all that the transport needs of a connection

    name = "conn=1"

    def close(self) -> None:
        self.closed = True
        self.transport.close()

    async def read(self, size: int) -> bytes:
        loop, got = asyncio.get_running_loop(), bytearray()
        while len(got) < size:
            part = await loop.sock_recv(self.client, size - len(got))
            assert part, f"the connection ended after {len(got)} bytes"
            got += part
        return bytes(got)

    def end(self) -> None:
        self.transport.close()
        self.client.close()


def handles_of(path: Path) -> int:
    """How many descriptors of this process are of the file."""
    links = (f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd"))
    return sum(os.path.samefile(link, path) for link in links if os.path.exists(link))


def test_buffers_and_ranges_leave_in_order(run: Any, tmp_path: Path) -> None:
    async def scenario() -> None:
        content = os.urandom(SIZE)
        (tmp_path / "f").write_bytes(content)
        peer = Peer()
        with (tmp_path / "f").open("rb") as file:
            peer.transport.write((b"first",))
            peer.transport.write_range(bytearray(b"head"), FileRange(file.fileno(), 0, SIZE))
            peer.transport.write((b"between",))
            peer.transport.write_range(bytearray(b"head"), FileRange(file.fileno(), 1000, 2000))
            peer.transport.write((b"last",))
        expected = b"firsthead" + content + b"betweenhead" + content[1000:3000] + b"last"
        assert await peer.read(len(expected)) == expected
        assert handles_of(tmp_path / "f") == 0
        peer.end()

    run(scenario())


def test_file_that_shrinks_while_it_is_sent_keeps_the_frame_whole(run: Any, tmp_path: Path) -> None:
    async def scenario() -> None:
        (tmp_path / "f").write_bytes(b"x" * SIZE)
        peer = Peer()
        with (tmp_path / "f").open("rb") as file:
            peer.transport.write_range(bytearray(b"head"), FileRange(file.fileno(), 0, SIZE))
            peer.transport.write((b"last",))
        os.truncate(tmp_path / "f", SIZE - 1000)
        assert await peer.read(SIZE + 8) == b"head" + b"x" * (SIZE - 1000) + bytes(1000) + b"last"
        peer.end()

    run(scenario())


def test_closing_with_ranges_in_the_queue_gives_their_handles_back(run: Any, tmp_path: Path) -> None:
    async def scenario() -> None:
        (tmp_path / "f").write_bytes(b"x" * SIZE)
        peer = Peer()
        with (tmp_path / "f").open("rb") as file:
            for _ in range(3):
                peer.transport.write_range(bytearray(b"head"), FileRange(file.fileno(), 0, SIZE))
        assert handles_of(tmp_path / "f") == 3
        peer.end()
        assert handles_of(tmp_path / "f") == 0

    run(scenario())


def test_failing_file_ends_the_connection(run: Any, tmp_path: Path) -> None:
    async def scenario() -> None:
        peer = Peer()
        directory = os.open(tmp_path, os.O_RDONLY)
        try:
            peer.transport.write_range(bytearray(b"head"), FileRange(directory, 0, 100))
        finally:
            os.close(directory)
        assert peer.closed
        peer.end()

    run(scenario())
