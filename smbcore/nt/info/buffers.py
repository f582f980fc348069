"""Bounds-checked access to the bytes of information structures."""

from __future__ import annotations

from codecs import utf_16_le_decode, utf_16_le_encode
from struct import Struct
from typing import Any

from smbcore.nt.errors import WireError

Buffer = bytes | bytearray | memoryview


def unpack(struct: Struct, data: Buffer, offset: int = 0) -> tuple[Any, ...]:
    """Unpack the fixed part at `offset`; WireError if it is cut off."""
    if offset < 0 or len(data) - offset < struct.size:
        msg = f"{struct.size} bytes needed at {offset} of {len(data)}"
        raise WireError(msg)
    return struct.unpack_from(data, offset)


def cut(data: Buffer, offset: int, length: int) -> bytes:
    """Return `length` bytes at `offset`; WireError if they are not there."""
    if offset < 0 or length < 0 or len(data) - offset < length:
        msg = f"{length} bytes at {offset} of {len(data)}"
        raise WireError(msg)
    return bytes(data[offset : offset + length])


def utf16(data: Buffer, offset: int, length: int) -> str:
    """Decode `length` bytes of UTF-16 at `offset`; lone surrogates stay. Raises WireError."""
    if length % 2 or offset < 0 or len(data) - offset < length:
        msg = f"name of {length} bytes at {offset} of {len(data)}"
        raise WireError(msg)
    return utf_16_le_decode(data[offset : offset + length], "surrogatepass", True)[0]


def to_utf16(text: str) -> bytes:
    """Encode as UTF-16; lone surrogates stay."""
    return utf_16_le_encode(text, "surrogatepass")[0]


def next_entry(data: Buffer, offset: int, step: int, minimum: int) -> int:
    """Return the offset of the next entry of a list, or -1 behind the last.

    step     NextEntryOffset of the entry at `offset`
    minimum  bytes of the entry itself; a smaller step would go backwards or overlap

    Raises WireError if the next entry would overlap or lie outside.
    """
    if step == 0:
        return -1
    if step < minimum or offset + step >= len(data):
        msg = f"next entry {step} behind {offset} of {len(data)}"
        raise WireError(msg)
    return offset + step


def join_aligned(entries: list[bytes], alignment: int) -> bytes:
    """Join entries that begin with NextEntryOffset: fill it in and pad all but the last."""
    result = bytearray()
    last = len(entries) - 1
    for index, entry in enumerate(entries):
        start = len(result)
        result += entry
        if index < last:
            result += bytes(-len(entry) % alignment)
            result[start : start + 4] = (len(result) - start).to_bytes(4, "little")
    return bytes(result)
