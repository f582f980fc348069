"""The management service's end of the control socket."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from smbcore.control.errors import CommandFailed, ControlError, ControlLate, ControlUnavailable
from smbcore.control.messages import Changed, Failed, Message, Subscribe
from smbcore.control.wire import MAX_LINE, decode, encode

DEFAULT_TIMEOUT = 10.0
"""Seconds to wait for a reply: long enough to close thousands of opens."""

_REQUEST_ID = 1


class ControlClient:
    """Give commands to the core, one at a time, over a connection that is made when needed.

    timeout  seconds for connecting and for each reply

    Safe to share among tasks of one event loop.  A connection that broke is made anew by the next command.
    Use as `async with`, or call `close`.
    """

    def __init__(self, path: Path, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        self._path = path
        self._timeout = timeout
        self._lock = asyncio.Lock()
        self._next_id = _REQUEST_ID
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection."""
        if self._streams is not None:
            _, writer = self._streams
            self._streams = None
            await _close(writer)

    async def request(self, message: Message) -> Message:
        """Carry out one command and return its reply.

        Errors:  ControlUnavailable  nobody listens, the connection broke, or no reply in time
                 CommandFailed       the core answered Failed
        """
        async with self._lock:
            reply = await self._exchange(message)
        if isinstance(reply, Failed):
            raise CommandFailed(reply.code, reply.message)
        return reply

    async def subscribe(self, topics: Collection[str] = ()) -> AsyncIterator[Changed]:
        """Yield hints about news in the outbox, on a connection of their own, until the caller stops.

        The first hint comes with the first change after the subscription; read the outbox once after entering.
        Errors:  ControlUnavailable  nobody listens, or the core went away: subscribe again and read the outbox
        """
        reader, writer = await self._connect()
        try:
            async with _limit(self._timeout, self._path):
                writer.write(encode(_REQUEST_ID, Subscribe(sorted(topics))))
                await writer.drain()
                await self._read_reply(reader, _REQUEST_ID)
            while True:
                reply = await self._read_reply(reader, _REQUEST_ID)
                if isinstance(reply, Changed):
                    yield reply
        except OSError as error:
            raise _unavailable(self._path, error) from error
        finally:
            await _close(writer)

    async def _exchange(self, message: Message) -> Message:
        finished = False
        request_id = self._next_id
        self._next_id += 1
        try:
            if self._streams is None or self._streams[0].at_eof():
                await self.close()
                self._streams = await self._connect()
            reader, writer = self._streams
            async with _limit(self._timeout, self._path):
                writer.write(encode(request_id, message))
                await writer.drain()
                reply = await self._read_reply(reader, request_id)
            finished = True
        except OSError as error:
            raise _unavailable(self._path, error) from error
        finally:
            if not finished:  # a late reply must not meet the next command
                await self.close()
        return reply

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            async with _limit(self._timeout, self._path):
                return await asyncio.open_unix_connection(self._path, limit=MAX_LINE)
        except OSError as error:
            raise _unavailable(self._path, error) from error

    async def _read_reply(self, reader: asyncio.StreamReader, request_id: int) -> Message:
        try:
            line = await reader.readline()
            if not line.endswith(b"\n"):
                raise ControlUnavailable(f"the server at {self._path} closed the connection")
            answered, message = decode(line)
        except (ControlError, ValueError) as error:
            raise ControlUnavailable(f"the server at {self._path} does not speak our language: {error}") from error
        if answered != request_id:
            raise ControlUnavailable(f"the server at {self._path} answered another request")
        return message


def call(path: Path, message: Message, *, timeout: float = DEFAULT_TIMEOUT) -> Message:
    """Carry out one command without an event loop, for the command line.

    Errors:  as `ControlClient.request`
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout)
        try:
            connection.connect(os.fspath(path))
            connection.sendall(encode(_REQUEST_ID, message))
            with connection.makefile("rb") as file:
                line = file.readline(MAX_LINE)
        except OSError as error:
            raise _unavailable(path, error) from error
    if not line.endswith(b"\n"):
        raise ControlUnavailable(f"the server at {path} closed the connection")
    try:
        _, reply = decode(line)
    except ControlError as error:
        raise ControlUnavailable(f"the server at {path} does not speak our language: {error}") from error
    if isinstance(reply, Failed):
        raise CommandFailed(reply.code, reply.message)
    return reply


@asynccontextmanager
async def _limit(seconds: float, path: Path) -> AsyncIterator[None]:
    """Bound a wait, and speak of the server when it is over."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as late:
        raise ControlLate(f"the server at {path} did not answer in time") from late


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    try:
        await writer.wait_closed()
    except OSError:
        return  # it was broken already; closed is what we wanted


def _unavailable(path: Path, error: OSError) -> ControlUnavailable:
    if isinstance(error, TimeoutError):
        return ControlLate(f"the server at {path} did not answer in time")
    if isinstance(error, (FileNotFoundError, ConnectionRefusedError)):
        return ControlUnavailable(f"the server is not running: nobody listens at {path}")
    return ControlUnavailable(f"the server at {path} cannot be reached: {error.strerror or error}")
