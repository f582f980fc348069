"""The core's end of the control socket."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path

from smbcore.control.errors import CommandFailed, ControlError
from smbcore.control.listening import is_allowed, open_socket, peer_uid
from smbcore.control.messages import Changed, Done, Failed, Message, Subscribe
from smbcore.control.wire import MAX_LINE, decode, encode

log = logging.getLogger(__name__)

Handler = Callable[[Message], Awaitable[Message]]

MAX_BACKLOG = 256 * 1024
"""Bytes that may wait for a subscriber; one that is further behind is cut off and comes back by itself."""

_MAX_RUNNING = 32


class ControlServer:
    """Serve the management service's commands.

    handler  carries out one command and returns its reply; CommandFailed becomes Failed, anything else is our
             bug: logged, Failed("internal").  Subscribe is answered here and never reaches it.

    Owned by the core's main task: `await start()`, `publish()` as the outbox grows, `await stop()`.
    """

    def __init__(self, path: Path, handler: Handler, *, uid_of: Callable[[socket.socket], int] = peer_uid) -> None:
        self._path = path
        self._handler = handler
        self._uid_of = uid_of
        self._server: asyncio.Server | None = None
        self._inode = (0, 0)
        self._connections: set[_Connection] = set()

    async def start(self) -> None:
        """Listen.

        Errors:  ControlUnavailable  the socket cannot be made, or another server has it
        """
        listener = open_socket(self._path)
        status = self._path.stat()
        self._inode = (status.st_dev, status.st_ino)
        self._server = await asyncio.start_unix_server(self._serve, sock=listener, limit=MAX_LINE)

    async def stop(self) -> None:
        """Stop listening, cut all connections and remove the socket."""
        if self._server is None:
            return
        self._server.close()
        for connection in tuple(self._connections):
            connection.cut()
        await self._server.wait_closed()
        while self._connections:
            await next(iter(self._connections)).ended.wait()
        self._server = None
        with contextlib.suppress(FileNotFoundError):
            status = self._path.stat()
            if (status.st_dev, status.st_ino) == self._inode:
                self._path.unlink()

    def publish(self, seq: int, topics: Collection[str]) -> None:
        """Tell subscribers that the outbox has news up to `seq`."""
        for connection in tuple(self._connections):
            connection.hint(seq, topics)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        uid = self._uid_of(writer.get_extra_info("socket"))
        if not is_allowed(uid):
            log.warning("control: user %d is not allowed to give commands", uid)
            writer.close()
            return
        connection = _Connection(reader, writer, self._handler)
        self._connections.add(connection)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)
            connection.ended.set()


class _Connection:
    """One client: commands are carried out side by side, each in a child task of the connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handler: Handler) -> None:
        self.ended = asyncio.Event()
        self._reader = reader
        self._writer = writer
        self._handler = handler
        self._running = asyncio.Semaphore(_MAX_RUNNING)
        self._subscriptions: dict[int, frozenset[str]] = {}

    async def run(self) -> None:
        """Serve until the client leaves or breaks the rules."""
        try:
            async with asyncio.TaskGroup() as tasks:
                await self._read(tasks)
        finally:
            self._writer.close()

    def cut(self) -> None:
        """Drop the connection at once."""
        transport = self._writer.transport
        transport.abort()
        self._reader.feed_eof()

    def hint(self, seq: int, topics: Collection[str]) -> None:
        """Pass on news to the subscriptions they concern."""
        for request_id, wanted in self._subscriptions.items():
            relevant = sorted(wanted.intersection(topics) if wanted else topics)
            if relevant:
                self._send(request_id, Changed(seq, relevant))
        if self._writer.transport.get_write_buffer_size() > MAX_BACKLOG:
            log.warning("control: a subscriber does not keep up and was cut off")
            self.cut()

    async def _read(self, tasks: asyncio.TaskGroup) -> None:
        while line := await self._next_line():
            try:
                request_id, message = decode(line)
            except ControlError as error:
                log.warning("control: %s; connection dropped", error)
                self.cut()
                return
            await self._running.acquire()
            tasks.create_task(self._answer(request_id, message))

    async def _next_line(self) -> bytes:
        try:
            line = await self._reader.readline()
        except ValueError:  # what the stream raises for a line beyond its limit
            log.warning("control: a line was longer than %d bytes; connection dropped", MAX_LINE)
            self.cut()
            return b""
        except ConnectionError:
            return b""
        return line if line.endswith(b"\n") else b""

    async def _answer(self, request_id: int, message: Message) -> None:
        try:
            if isinstance(message, Subscribe):
                self._send(request_id, Done())
                self._subscriptions[request_id] = frozenset(message.topics)
                return
            self._send(request_id, await self._carry_out(message))
            with contextlib.suppress(ConnectionError):
                await self._writer.drain()
        finally:
            self._running.release()

    async def _carry_out(self, message: Message) -> Message:
        try:
            return await self._handler(message)
        except CommandFailed as error:
            return Failed(error.code, error.message)
        except Exception:
            log.exception("control: %s failed", type(message).__name__)
            return Failed("internal", "The server failed to carry this out; its log says why.")

    def _send(self, request_id: int, message: Message) -> None:
        if self._writer.is_closing():
            return
        try:
            self._writer.write(encode(request_id, message))
        except ControlError:
            log.exception("control: a reply was not sent")
            self._writer.write(encode(request_id, Failed("internal", "The reply was too long.")))
