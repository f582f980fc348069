"""Composes one SMB2 body: a fixed part, then the blocks that it points at.

Offsets are those of a body that stands `HEADER_SIZE` bytes behind the start of its header.
"""

from __future__ import annotations

from codecs import utf_16_le_encode
from struct import Struct
from struct import error as StructError
from typing import TYPE_CHECKING

from smbcore.wire.header import HEADER_SIZE

if TYPE_CHECKING:
    from smbcore.wire.types import Buffer


def encode_utf16(text: str) -> bytes:
    """Return `text` as UTF-16LE; lone surrogates pass."""
    return utf_16_le_encode(text, "surrogatepass")[0]


def padding(size: int, alignment: int = 8) -> int:
    """Return how many bytes lift `size` to a multiple of `alignment`."""
    return -size % alignment


class BodyWriter:
    """Collects blocks behind a fixed part of `fixed_size` bytes, which is filled in last."""

    __slots__ = ("_buffer",)

    def __init__(self, fixed_size: int) -> None:
        self._buffer = bytearray(fixed_size)

    def block(self, data: Buffer) -> tuple[int, int]:
        """Append `data`; return its (offset from the header, length)."""
        offset = HEADER_SIZE + len(self._buffer)
        self._buffer += data
        return offset, len(data)

    def utf16(self, text: str) -> tuple[int, int]:
        """Append `text` as UTF-16LE; return its (offset from the header, length in bytes)."""
        return self.block(encode_utf16(text))

    def align(self, alignment: int = 8) -> None:
        """Pad with zeros until the next block starts at a multiple of `alignment` from the header."""
        self._buffer += bytes(padding(len(self._buffer), alignment))

    def fixed(self, layout: Struct, *fields: object) -> None:
        """Fill in the fixed part. Raises ValueError when a field does not fit its place."""
        try:
            layout.pack_into(self._buffer, 0, *fields)
        except StructError as why:
            raise ValueError(f"field out of range: {why}") from why

    def bytes(self, at_least: int = 0) -> bytes:
        """Return the body, padded with zeros to `at_least` bytes.

        An odd StructureSize counts the first byte of the variable part, and some peers want to see that byte
        even when the variable part is empty.
        """
        missing = at_least - len(self._buffer)
        if missing > 0:
            self._buffer += bytes(missing)
        return bytes(self._buffer)
