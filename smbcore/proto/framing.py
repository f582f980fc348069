"""Direct-TCP framing: a zero byte, a 24-bit big-endian length, the message  [MS-SMB2 2.1].

`FrameReader` owns the receive buffer. The transport receives straight into `FrameReader.buffer()`, then asks for the
frames that are complete; each is a view into the buffer, valid until the next call of `buffer()`. Whoever keeps a view
longer (a request that waits) calls `detach()`, and the reader goes on in a new buffer.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct

from smbcore.proto.errors import ProtocolViolation

FRAME_HEADER_SIZE = 4
_LENGTH = Struct(">I")
_INITIAL = 64 * 1024
_KEEP = 2 * 1024 * 1024
_SEVERAL = 4
_SEVERAL_UP_TO = 512 * 1024


def frame_header(length: int) -> bytes:
    """Return the four bytes that precede a message of `length` bytes."""
    return _LENGTH.pack(length)


class FrameReader:
    """Cut a byte stream into frames, in place.

    limit  largest acceptable message in bytes; the owner raises it once the peer has signed in
    """

    __slots__ = ("_buffer", "_detached", "_end", "_start", "_view", "limit")

    def __init__(self, limit: int, initial: int = _INITIAL) -> None:
        self.limit = limit
        self._buffer = bytearray(initial)
        self._view = memoryview(self._buffer)
        self._start = 0
        self._end = 0
        self._detached = False

    def detach(self) -> None:
        """Leave the current buffer to those who hold views of it."""
        self._detached = True

    def buffer(self) -> memoryview:
        """Return the room to receive into, never empty. Raises ProtocolViolation where the next frame is too large."""
        pending = self._end - self._start
        size = len(self._buffer)
        if not pending and not self._detached and size <= _KEEP:
            self._start = self._end = 0
            return self._view
        needed = self._needed(pending)
        if self._detached or needed > size or (not pending and size > _KEEP):
            self._replace(max(needed, min(needed * _SEVERAL, _SEVERAL_UP_TO), _INITIAL if size > _KEEP else size))
        elif not pending:
            self._start = self._end = 0
        elif self._start + needed > size or self._end == size:
            self._view[:pending] = self._view[self._start : self._end]
            self._start, self._end = 0, pending
        return self._view[self._end :]

    def received(self, count: int) -> Iterator[memoryview]:
        """Note that `count` bytes arrived; yield every complete message, without its four-byte header."""
        self._end += count
        view = self._view
        while self._end - self._start >= FRAME_HEADER_SIZE:
            length = self._length()
            begin = self._start + FRAME_HEADER_SIZE
            if self._end < begin + length:
                return
            self._start = begin + length
            yield view[begin : begin + length]

    def feed(self, data: bytes | bytearray | memoryview) -> Iterator[memoryview]:
        """Yield the messages completed by `data`, for callers that do not receive in place."""
        rest = memoryview(data)
        while rest:
            room = self.buffer()
            taken = min(len(room), len(rest))
            room[:taken] = rest[:taken]
            rest = rest[taken:]
            yield from self.received(taken)

    def _length(self) -> int:
        word: int = _LENGTH.unpack_from(self._buffer, self._start)[0]
        if word > self.limit:
            raise ProtocolViolation(f"frame of type {word >> 24:#x} and {word & 0xFFFFFF} bytes, limit {self.limit}")
        return word

    def _needed(self, pending: int) -> int:
        if pending < FRAME_HEADER_SIZE:
            return FRAME_HEADER_SIZE
        return FRAME_HEADER_SIZE + self._length()

    def _replace(self, size: int) -> None:
        """Go on in a new buffer of at least `size` bytes, taking along what is not yet complete."""
        rest = bytes(self._view[self._start : self._end])
        self._buffer = bytearray(max(size, len(rest) + FRAME_HEADER_SIZE))
        self._view = memoryview(self._buffer)
        self._view[: len(rest)] = rest
        self._start, self._end = 0, len(rest)
        self._detached = False
