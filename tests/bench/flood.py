"""Measure what a client that floods the server costs everybody else: the latency of an ECHO beside it.

    .venv/bin/python tests/bench/flood.py --seconds 5

Each flood is a process of its own with one connection (or as many as it is told); another client sends one ECHO at a
time. Figures are milliseconds of wall clock: median, 99th percentile, longest. What the server answered to the flood
at last is printed beside them, and how many lines it wrote to its log about it.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import multiprocessing
import os
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.queues import Queue
from pathlib import Path
from struct import pack, unpack_from

sys.path.insert(0, str(Path(__file__).parent))

import servers  # noqa: E402 - beside this file
from raw import (  # noqa: E402
    CLOSE,
    ECHO,
    PENDING,
    READ,
    RELATED_ID,
    SESSION_SETUP,
    SUCCESS,
    TREE_CONNECT,
    WRITE,
    BenchError,
    RawClient,
    close_body,
    create_body,
    file_id_of,
    read_body,
    write_body,
)

CREATE, CANCEL, CHANGE_NOTIFY = 5, 12, 15
ECHO_BODY = pack("<HH", 4, 0)
DIRECTORY = 0x1
PACE = 0.002
LARGEST = 8 * 1024 * 1024


class Flooder(RawClient):
    """A client that keeps asking; it takes replies as they come and remembers the last status."""

    last = SUCCESS

    def drain(self) -> None:
        """Take the replies that are there."""
        self.socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                data = self.socket.recv(1 << 20)
                if not data:
                    raise BenchError("the server closed the connection")
                self._buffer += data
        self.socket.setblocking(True)
        while len(self._buffer) >= 4:
            size = int.from_bytes(self._buffer[:4], "big")
            if len(self._buffer) < size + 4:
                return
            status = unpack_from("<I", self._buffer, 12)[0]
            if status != PENDING:
                self.last = status
            del self._buffer[: size + 4]


def echoes(client: Flooder) -> None:
    """Requests without a pause, whose replies are not read: credits never come back into use."""
    client.socket.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        client.socket.send(client.frame(client.request(ECHO, ECHO_BODY)))
    client.socket.setblocking(True)


def signing_in(client: Flooder, previous: int = 0) -> None:
    """Sign-ins of which only the first leg ever comes."""
    token = b"NTLMSSP\0" + pack("<II", 1, 0xE208_8297) + bytes(16) + bytes((6, 1, 0, 0, 0, 0, 0, 15))
    wire_id, client.session_id = client.session_id, 0
    client.send(client.header(SESSION_SETUP) + pack("<HBBIIHHQ", 25, 0, 1, 0, 0, 88, len(token), previous) + token)
    client.session_id = wire_id
    client.drain()


def watching(client: Flooder) -> None:
    """Change notifications without end."""
    if not hasattr(client, "directory"):
        reply = client.call(CREATE, create_body("", access=0x0012_0089, options=DIRECTORY))
        client.directory = file_id_of(reply)  # type: ignore[attr-defined]
    body = pack("<HHI", 32, 0, 1000) + client.directory + pack("<II", 0xFFF, 0)  # type: ignore[attr-defined]
    client.send(client.request(CHANGE_NOTIFY, body))
    client.drain()


def trees(client: Flooder) -> None:
    """Tree connects, thousands of them."""
    path = f"\\\\127.0.0.1\\{servers.SHARE}".encode("utf-16-le")
    client.send(client.request(TREE_CONNECT, pack("<HHHH", 9, 0, 72, len(path)) + path), sign=True)
    client.drain()


def single_bytes(client: Flooder) -> None:
    """A request in segments of one byte."""
    for byte in client.frame(client.request(ECHO, ECHO_BODY)):
        client.socket.send(bytes((byte,)))
    client.drain()


def successors(client: Flooder) -> None:
    """Sign-ins, never finished, that name one session after the other as the one that they had before."""
    signing_in(client, client.message_id & 0xFFFF_FFFF)


def cancels(client: Flooder) -> None:
    """A notification, and a hundred CANCELs of it and of nothing, which use up no ids."""
    watching(client)
    waiting = client.message_id - 1
    frames = b""
    for number in range(100):
        client.message_id = waiting + number % 2 * 100_000
        frames += client.frame(client.request(CANCEL, pack("<HH", 4, 0)))
    client.message_id = waiting + 1
    client.socket.sendall(frames)
    client.drain()


def compounds(client: Flooder) -> None:
    """As many opens as fit into a compound, each closed in it."""
    parts = [(CREATE, create_body("many", disposition=3)), (CLOSE, close_body(RELATED_ID))] * 120
    client.send(client.chain(parts))
    client.drain()


def large_reads(client: Flooder) -> None:
    """8 MiB at a time, over and over, whose replies are not read."""
    if not hasattr(client, "large"):
        reply = client.call(CREATE, create_body("large", disposition=3))
        client.large = file_id_of(reply)  # type: ignore[attr-defined]
        client.call(WRITE, write_body(client.large, b"x", LARGEST - 1))  # type: ignore[attr-defined]
    client.socket.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        client.socket.send(client.frame(client.request(READ, read_body(client.large, LARGEST, 0), LARGEST)))  # type: ignore[attr-defined]
    client.socket.setblocking(True)
    time.sleep(0.001)


def connections(client: Flooder) -> None:
    """Connections that say nothing, a thousand at a time."""
    if not hasattr(client, "silent"):
        client.silent = collections.deque(maxlen=1000)  # type: ignore[attr-defined]
    client.silent.append(socket.create_connection(client.socket.getpeername()))  # type: ignore[attr-defined]


def nothing(_client: Flooder) -> None:
    """No flood, for comparison."""
    time.sleep(0.05)


FLOODS: dict[str, Callable[[Flooder], None]] = {
    "none": nothing,
    "echoes, replies not read": echoes,
    "half-open sign-ins": signing_in,
    "notifications": watching,
    "tree connects": trees,
    "one-byte segments": single_bytes,
    "successors of others": successors,
    "CANCELs": cancels,
    "compounds of 240": compounds,
    "8 MiB reads, replies not read": large_reads,
    "silent connections": connections,
}


def flood(name: str, port: int, user: str, seconds: float, outcome: Queue[tuple[int, str]]) -> None:
    """Flood for a time; runs in a process of its own."""
    sent, last, step, end = 0, "", FLOODS[name], time.monotonic() + seconds
    while time.monotonic() < end:
        client = Flooder(("127.0.0.1", port))
        try:
            client.connect(user, servers.PASSWORD, servers.SHARE)
            while time.monotonic() < end:
                step(client)
                sent += 1
            last = f"{client.last:#010x}"
        except (BenchError, OSError) as error:
            last = str(error)
        finally:
            client.close()
    outcome.put((sent, last))


def latencies(server: servers.Server, seconds: float) -> list[float]:
    """Return the milliseconds that single ECHOs took."""
    client = RawClient(("127.0.0.1", server.port))
    client.connect(server.user, servers.PASSWORD, servers.SHARE)
    taken, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        start = time.perf_counter()
        client.call(ECHO, ECHO_BODY)
        taken.append((time.perf_counter() - start) * 1000)
        time.sleep(PACE)
    client.close()
    return sorted(taken)


def lines_of(log: Path) -> int:
    """Return how many lines a log has."""
    return len(log.read_text(errors="replace").splitlines()) if log.exists() else 0


def measure(server: servers.Server, name: str, seconds: float, connections: int, log: Path) -> str:
    """Return a line of the table."""
    logged = lines_of(log)
    outcome: Queue[tuple[int, str]] = multiprocessing.Queue()
    arguments = (name, server.port, server.user, seconds + 1.5, outcome)
    workers = [multiprocessing.Process(target=flood, args=arguments, daemon=True) for _ in range(connections)]
    for worker in workers:
        worker.start()
    time.sleep(1)
    taken = latencies(server, seconds)
    results = [outcome.get(timeout=30) for _ in workers]
    for worker in workers:
        worker.join(10)
    p99 = taken[int(len(taken) * 0.99)]
    sent, answers = sum(count for count, _ in results), ", ".join(sorted({last for _, last in results}))
    return f"| {name} | {sent} | {statistics.median(taken):.2f} | {p99:.2f} | {taken[-1]:.2f} | {answers} | {lines_of(log) - logged} |"


def main() -> int:
    """Run every flood and print the table."""
    parser = argparse.ArgumentParser(description="Latency of an ECHO beside clients that flood.")
    parser.add_argument("--only", default="", help="floods whose name contains it")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--connections", type=int, default=1, help="that flood at a time")
    options = parser.parse_args()
    print(f"{os.cpu_count()} CPUs, {options.connections} flooding connection(s); milliseconds\n")
    print("| flood | requests | median | p99 | longest | last answer | log |\n|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="flood-") as place, servers.ours(Path(place)) as server:
        for name in FLOODS:
            if options.only in name:
                print(
                    measure(server, name, options.seconds, options.connections, Path(place) / "output.log"), flush=True
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())
