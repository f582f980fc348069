"""Reply bodies that are not just bytes: data that was read into place, and errors with a body."""

from __future__ import annotations

from typing import Protocol

from smbcore.wire.header import HEADER_SIZE

FRAME_HEADER = 4
TRANSFORM = 52
READ_HEAD = 16
HEADROOM = FRAME_HEADER + TRANSFORM + HEADER_SIZE + READ_HEAD
TAILROOM = 16
POOLED = 64 * 1024


class Encodable(Protocol):
    """A wire message body."""

    def encode(self) -> bytes:
        """Return the body, without the header."""


class Payload:
    """Data with room before it for every header and behind it for a tag, so that it is sealed and sent where it lies.

    Layout: 4 frame | 52 transform | 64 header | 16 READ response | data | 16 tag. `length` is what was read.
    """

    __slots__ = ("buffer", "length")

    def __init__(self, buffer: bytearray, length: int = 0) -> None:
        self.buffer = buffer
        self.length = length

    def room(self, size: int) -> memoryview:
        """Return the view of `size` bytes to read into."""
        return memoryview(self.buffer)[HEADROOM : HEADROOM + size]


class BufferPool:
    """Reusable large buffers; small ones are cheaper to make anew.

    Bounded by `limit` bytes at rest. A buffer is given back once its bytes have left.
    """

    __slots__ = ("_at_rest", "_free", "limit")

    def __init__(self, limit: int = 64 * 1024 * 1024) -> None:
        self.limit = limit
        self._free: dict[int, list[bytearray]] = {}
        self._at_rest = 0

    def take(self, size: int) -> bytearray:
        """Return a buffer with room for `size` bytes between head- and tailroom; its content is arbitrary."""
        if size <= POOLED:
            return bytearray(HEADROOM + size + TAILROOM)
        capacity = 1 << (size - 1).bit_length()
        free = self._free.get(capacity)
        if free:
            self._at_rest -= capacity
            return free.pop()
        return bytearray(HEADROOM + capacity + TAILROOM)

    def give(self, buffer: bytearray) -> None:
        """Take back a buffer that nobody looks at any more."""
        capacity = len(buffer) - HEADROOM - TAILROOM
        if capacity <= POOLED or self._at_rest + capacity > self.limit:
            return
        self._at_rest += capacity
        self._free.setdefault(capacity, []).append(buffer)
