"""What carries the client's bytes: a TCP socket, or whatever else implements `Transport`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from smbcore.proto.errors import ProtocolViolation
from smbcore.proto.framing import FrameReader

Buffer = bytes | bytearray | memoryview

MAX_FRAME = 0xFFFFFF
_COPY_LIMIT = 64 * 1024


class Transport(Protocol):
    """One connection's way to the server."""

    def start(self, on_frame: Callable[[memoryview], None], on_lost: Callable[[Exception | None], None]) -> None:
        """Begin to deliver.

        on_frame  called with each message, without its frame header; the view stays valid
        on_lost   called once when the connection has ended, with the reason if it is known
        """

    def write(self, parts: Sequence[Buffer]) -> None:
        """Send bytes, frame header included; nothing happens once the connection has ended."""

    def close(self) -> None:
        """End the connection. Idempotent."""


class TcpTransport(asyncio.BufferedProtocol):
    """A TCP socket, received into the frame reader's buffer in place."""

    def __init__(self) -> None:
        self._reader = FrameReader(MAX_FRAME)
        self._transport: asyncio.Transport | None = None
        self._on_frame: Callable[[memoryview], None] | None = None
        self._on_lost: Callable[[Exception | None], None] | None = None

    def start(self, on_frame: Callable[[memoryview], None], on_lost: Callable[[Exception | None], None]) -> None:
        """Begin to deliver; the socket is read from only now."""
        self._on_frame, self._on_lost = on_frame, on_lost
        if self._transport is not None:
            self._transport.resume_reading()

    def write(self, parts: Sequence[Buffer]) -> None:
        """Queue bytes."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.writelines(parts)

    def close(self) -> None:
        """Close once everything queued was sent."""
        if self._transport is not None:
            self._transport.close()

    # -- asyncio.BufferedProtocol --

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.pause_reading()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._reader.buffer()

    def buffer_updated(self, nbytes: int) -> None:
        try:
            for frame in self._reader.received(nbytes):
                self._deliver(frame)
        except ProtocolViolation:
            if self._transport is not None:
                self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._on_lost is not None:
            self._on_lost(exc)

    def _deliver(self, frame: memoryview) -> None:
        """Hand on a frame that outlives this call: small ones are copied, a large one keeps its buffer."""
        if self._on_frame is None:
            return
        if len(frame) > _COPY_LIMIT:
            self._reader.detach()
            self._on_frame(frame)
        else:
            self._on_frame(memoryview(bytes(frame)))


async def connect_tcp(host: str, port: int = 445, *, timeout: float = 30.0) -> TcpTransport:  # noqa: ASYNC109
    """Connect to a server.  Raises OSError, TimeoutError."""
    async with asyncio.timeout(timeout):
        _, protocol = await asyncio.get_running_loop().create_connection(TcpTransport, host, port)
    return protocol
