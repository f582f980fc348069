"""Direct TCP: non-blocking sockets on the event loop's readers and writers.

What one wake-up received is worked on before anything is sent, and all replies leave in one `sendmsg`. Two things are
sent at once: a range of a file, because nothing keeps the file open for long, and replies that take much memory. After
so many messages, or so long, it is the turn of the other connections, or a flood would hold them up. A client that does
not take its replies is not read from any more until it does.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import logging
import socket
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from smbcore.proto.errors import ProtocolViolation
from smbcore.proto.framing import FrameReader
from smbcore.server.listeners import acknowledged
from smbcore.server.listeners.file_range import QueuedRange

if TYPE_CHECKING:
    from smbcore.fsa.api import FileRange
    from smbcore.server.connection import SmbConnection
    from smbcore.server.server import SmbServer

log = logging.getLogger(__name__)

_MOST_PARTS: Final = 512
_TURN: Final = 64
_LONGEST_TURN: Final = 0.002
_LARGE: Final = 65536
_MUCH: Final = 1 << 20
_BACKLOG: Final = 512
_NO_SOCKETS: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_ACCEPT_PAUSE: Final = 0.5


class TcpTransport:
    """One socket. Owned by its connection; ended by `close`.

    peer, local_address  "address:port", and the address that the client reached
    """

    __slots__ = (
        "_batch", "_closed", "_flush_due", "_heavy", "_held", "_loop", "_out", "_paused", "_pooled", "_ranges",
        "_reader", "_rest", "_server", "_sock", "_writing", "connection", "local_address", "peer",
    )  # fmt: skip

    sends_ranges = True

    def __init__(self, server: SmbServer, sock: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
        self._server = server
        self._sock = sock
        self._loop = loop
        self._reader = FrameReader(server.config.limits.frame_before_sign_in)
        self._out: list[bytes | bytearray | memoryview | QueuedRange] = []
        self._ranges = 0
        self._pooled: list[bytearray] = []
        self._heavy = 0
        self._held = 0
        self._batch = False
        self._flush_due = False
        self._writing = False
        self._paused = False
        self._closed = False
        self._rest: Iterator[memoryview] | None = None
        self.connection: SmbConnection | None = None
        self.peer = _text(sock.getpeername())
        self.local_address = str(sock.getsockname()[0])

    def start(self, connection: SmbConnection) -> None:
        """Begin to receive."""
        self.connection = connection
        self._loop.add_reader(self._sock, self._readable)

    def set_frame_limit(self, limit: int) -> None:
        """Accept messages up to `limit` bytes."""
        self._reader.limit = limit

    def detach_buffer(self) -> None:
        """Go on in a new receive buffer."""
        self._reader.detach()

    def hold(self) -> None:
        """Hand on nothing until `release`, which is called as many times."""
        self._held += 1
        if not self._closed:
            self._loop.remove_reader(self._sock)

    def release(self) -> None:
        """Go on after `hold`."""
        self._held -= 1
        self._receive_again()

    def write(self, parts: Sequence[bytes | bytearray | memoryview], pooled: bytearray | None = None) -> None:
        """Queue bytes; they leave at the end of the current batch, or at the next turn of the loop."""
        if self._closed:
            return
        self._out.extend(parts)
        size = len(parts[-1])
        if size > _LARGE:
            self._heavy += size
        if pooled is not None:
            self._pooled.append(pooled)
        if not self._batch and not self._flush_due and not self._writing:
            self._flush_due = True
            self._loop.call_soon(self._flush_later)

    def write_range(self, head: bytearray, source: FileRange) -> None:
        """Queue `head` and the bytes of `source`, and send them now if nothing waits before them."""
        if self._closed:
            return
        queued = QueuedRange(source)
        self._out += (head, queued)
        self._ranges += 1
        if not self._writing:
            self._flush()
        if queued and not self._closed:
            try:
                queued.keep()
            except OSError as error:
                self._failed(error)

    def output_position(self) -> int:
        """Return the bytes written so far, on the scale of `acknowledged`."""
        waiting = sum(map(len, self._out))
        try:
            return waiting + acknowledged.acknowledged(self._sock) + acknowledged.unacknowledged(self._sock)
        except OSError:
            return waiting

    def acknowledged(self) -> int:
        """Return the bytes that the peer has acknowledged; 0 once the socket is closed."""
        try:
            return acknowledged.acknowledged(self._sock)
        except OSError:
            return 0

    def close(self) -> None:
        """Send what the socket takes, then close it."""
        if self._closed:
            return
        if self._out and not self._writing:
            with contextlib.suppress(OSError):
                self._send_buffers()
        self._closed = True
        self._rest = None
        self._loop.remove_reader(self._sock)
        self._loop.remove_writer(self._sock)
        self._sock.close()
        self._drop_output()

    # -- receiving --

    def _readable(self) -> None:
        connection = self.connection
        if connection is None:
            return
        try:
            count = self._sock.recv_into(self._reader.buffer())
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            log.debug("%s receive: %s", connection.name, error)
            connection.close()
            return
        except ProtocolViolation as violation:
            connection.drop(violation)
            return
        if not count:
            connection.close()
            return
        self._work(connection, self._reader.received(count))

    def _work(self, connection: SmbConnection, frames: Iterator[memoryview]) -> None:
        """Work on what has been received, for a turn: other connections get theirs before the rest of a long batch."""
        self._batch = True
        left, clock = _TURN, self._loop.time
        end = clock() + _LONGEST_TURN
        try:
            for frame in frames:
                connection.receive(frame)
                if self._heavy >= _MUCH:
                    self._send_large()
                if self._closed:
                    return
                left -= 1
                if not left or self._paused or self._held or clock() > end:
                    self._rest = frames
                    self._loop.remove_reader(self._sock)
                    self._loop.call_soon(self._go_on)
                    break
        except ProtocolViolation as violation:
            connection.drop(violation)
            return
        finally:
            self._batch = False
        if self._out and not self._writing:
            self._flush()

    def _send_large(self) -> None:
        """Send large replies before more are made; where the peer does not take them, it waits with its requests."""
        if self._closed:
            return
        if self._writing:
            self._wait_for_room()
        else:
            self._flush()

    def _go_on(self) -> None:
        """Work on the rest, then receive again; not while the peer does not take its replies, or is held."""
        frames, connection = self._rest, self.connection
        if frames is None or connection is None or self._closed or self._paused or self._held:
            return
        self._rest = None
        self._work(connection, frames)
        if self._rest is None:
            self._receive_again()

    def _receive_again(self) -> None:
        if self._closed or self._paused or self._held:
            return
        if self._rest is None:
            self._loop.add_reader(self._sock, self._readable)
        else:
            self._loop.call_soon(self._go_on)

    # -- sending --

    def _flush_later(self) -> None:
        self._flush_due = False
        if not self._closed and not self._writing:
            self._flush()

    def _flush(self) -> None:
        """Send as much as the socket takes; wait for it to take the rest."""
        out = self._out
        try:
            while out:
                if type(out[0]) is QueuedRange:
                    self._send_range(out[0])
                else:
                    self._send_buffers()
        except (BlockingIOError, InterruptedError):
            self._wait_for_room()
            return
        except OSError as error:
            self._failed(error)
            return
        self._heavy = 0
        if self._pooled:
            give = self._server.pool.give
            for buffer in self._pooled:
                give(buffer)
            self._pooled.clear()
        if self._writing:
            self._writing = False
            self._loop.remove_writer(self._sock)
        if self._paused:
            self._paused = False
            self._receive_again()

    def _send_buffers(self) -> None:
        """Send once, as many of the buffers before the next range as the socket takes. Raises OSError."""
        out: list[Any] = self._out
        if len(out) == 1:
            sent = self._sock.send(out[0])
            if sent == len(out[0]):
                out.clear()
            else:
                out[0] = memoryview(out[0])[sent:]
            return
        parts, flags = out, 0
        if self._ranges:
            parts, flags = list(itertools.takewhile(_is_buffer, out)), socket.MSG_MORE
        sent = self._sock.sendmsg(parts if len(parts) <= _MOST_PARTS else parts[:_MOST_PARTS], (), flags)
        index = 0
        for part in parts:
            size = len(part)
            if sent < size:
                break
            sent -= size
            index += 1
        del out[:index]
        if sent:
            out[0] = memoryview(out[0])[sent:]

    def _send_range(self, queued: QueuedRange) -> None:
        """Send the range at the head of the queue. Raises OSError."""
        zeros = queued.send(self._sock.fileno())
        queued.release()
        self._ranges -= 1
        self._out[:1] = (zeros,) if zeros else ()

    def _drop_output(self) -> None:
        for part in self._out:
            if type(part) is QueuedRange:
                part.release()
        self._out.clear()
        self._ranges = 0
        self._pooled.clear()

    def _wait_for_room(self) -> None:
        if not self._writing:
            self._writing = True
            self._loop.add_writer(self._sock, self._writable)
        if not self._paused and sum(map(len, self._out)) > self._server.config.limits.output_backlog:
            self._paused = True
            self._loop.remove_reader(self._sock)

    def _writable(self) -> None:
        if not self._closed:
            self._flush()

    def _failed(self, error: OSError) -> None:
        if self.connection is not None:
            log.debug("%s send: %s", self.connection.name, error)
            self._drop_output()
            self.connection.close()


class TcpListener:
    """A listening socket. Owned by whoever started it; ended by `close`."""

    def __init__(self, server: SmbServer, sock: socket.socket) -> None:
        self._server = server
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(sock, self._acceptable)
        self._host = self.address[0]
        server.interfaces.listening.append(self._host)

    @property
    def address(self) -> tuple[str, int]:
        """Address and port that are listened on."""
        host, port = self._sock.getsockname()[:2]
        return str(host), int(port)

    def close(self) -> None:
        """Stop listening; connections live on. Idempotent."""
        if self._sock.fileno() >= 0:
            self._server.interfaces.listening.remove(self._host)
            self._loop.remove_reader(self._sock)
            self._sock.close()

    def _acceptable(self) -> None:
        try:
            sock, _ = self._sock.accept()
        except (BlockingIOError, InterruptedError, ConnectionError):
            return
        except OSError as error:
            if error.errno not in _NO_SOCKETS:
                raise
            if self._server.seldom.is_due("cannot accept"):
                log.warning("cannot accept connections: %s", error)
            self._loop.remove_reader(self._sock)
            self._loop.call_later(_ACCEPT_PAUSE, self._resume)
            return
        self._serve(sock)

    def _resume(self) -> None:
        if self._sock.fileno() >= 0:
            self._loop.add_reader(self._sock, self._acceptable)

    def _serve(self, sock: socket.socket) -> None:
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60)
            transport = TcpTransport(self._server, sock, self._loop)
        except OSError:  # the client is gone again
            sock.close()
            return
        connection = self._server.accept(transport)
        if connection is None:
            sock.close()
            return
        transport.start(connection)


def listen(server: SmbServer, host: str, port: int) -> TcpListener:
    """Listen on an address.  Raises OSError where it is taken or not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind((host, port))
        sock.listen(_BACKLOG)
    except OSError:
        sock.close()
        raise
    return TcpListener(server, sock)


def _is_buffer(part: bytes | bytearray | memoryview | QueuedRange) -> bool:
    return type(part) is not QueuedRange


def _text(address: tuple[str, int] | str) -> str:
    if isinstance(address, str):
        return address
    host, port = address[0], address[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
