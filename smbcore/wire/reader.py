"""Bounds-checked reading of one SMB2 message.

Offsets inside SMB2 bodies count from the first byte of the header, so the reader keeps the whole message and
the body starts at `HEADER_SIZE`. Nothing is copied: blocks are slices of the view that was given.
"""

from __future__ import annotations

from codecs import utf_16_le_decode
from struct import Struct
from struct import error as StructError
from typing import TYPE_CHECKING, Any

from smbcore.wire.errors import WireError
from smbcore.wire.header import HEADER_SIZE

if TYPE_CHECKING:
    from smbcore.wire.types import Buffer

_SIZE = Struct("<H")


def decode_utf16(data: Buffer) -> str:
    """Return UTF-16LE `data` as text; lone surrogates pass, half a character is a WireError."""
    if len(data) & 1:
        raise WireError("UTF-16 text of odd length")
    try:
        return utf_16_le_decode(data, "surrogatepass", True)[0]
    except UnicodeDecodeError as why:
        raise WireError(f"bad UTF-16 text: {why.reason}") from why


def unpack(layout: Struct, data: Buffer, offset: int = 0) -> tuple[Any, ...]:
    """Unpack `layout` at `offset` of `data`; raises WireError when it does not fit."""
    try:
        return layout.unpack_from(data, offset)
    except StructError as why:
        raise WireError(f"structure cut short: {why}") from why


def block(data: memoryview, offset: int, length: int, at_least: int = 0) -> memoryview:
    """Return `length` bytes at `offset` of `data`; an empty block may have any offset.

    Raises WireError when the block starts before `at_least` or ends behind the data.
    """
    if not length:
        return data[:0]
    if offset < at_least or offset + length > len(data):
        raise WireError(f"{length} bytes at {offset} are outside {at_least}..{len(data)}")
    return data[offset : offset + length]


class BodyReader:
    """Reads the body of one message; `view[0]` is the first byte of its SMB2 header."""

    __slots__ = ("view",)

    def __init__(self, view: memoryview) -> None:
        self.view = view

    @classmethod
    def over_body(cls, body: Buffer) -> BodyReader:
        """Make a reader of a body alone, as `encode()` returns it, with zeros for the header."""
        return cls(memoryview(bytes(HEADER_SIZE) + bytes(body)))

    def structure_size(self) -> int:
        """Return the StructureSize that the body claims."""
        return int(unpack(_SIZE, self.view, HEADER_SIZE)[0])

    def fixed(self, layout: Struct, structure_size: int) -> tuple[Any, ...]:
        """Unpack the fixed part and return its fields behind StructureSize.

        Raises WireError when the body is shorter or claims another StructureSize.
        """
        try:
            fields = layout.unpack_from(self.view, HEADER_SIZE)
        except StructError as why:
            raise WireError(f"body cut short: {why}") from why
        if fields[0] != structure_size:
            raise WireError(f"StructureSize is {fields[0]}, not {structure_size}")
        return fields[1:]

    def block(self, offset: int, length: int, at_least: int = HEADER_SIZE) -> memoryview:
        """Return `length` bytes at `offset` from the header; `at_least` is the end of the fixed part."""
        if not length:
            return self.view[:0]
        view = self.view
        end = offset + length
        if offset < at_least or end > len(view):
            raise WireError(f"{length} bytes at {offset} are outside {at_least}..{len(view)}")
        return view[offset:end]

    def utf16(self, offset: int, length: int, at_least: int = HEADER_SIZE) -> str:
        """Return the text of `length` bytes at `offset` from the header."""
        if not length:
            return ""
        view = self.view
        end = offset + length
        if length & 1 or offset < at_least or end > len(view):
            raise WireError(f"{length} bytes of text at {offset}, outside {at_least}..{len(view)} or odd")
        try:
            return utf_16_le_decode(view[offset:end], "surrogatepass", True)[0]
        except UnicodeDecodeError as why:
            raise WireError(f"bad UTF-16 text: {why.reason}") from why


def fixed_error(view: memoryview, structure_size: int) -> WireError:
    """Explain why the fixed part of `view` could not be read (for the decoders that unpack by themselves)."""
    if len(view) < HEADER_SIZE + _SIZE.size:
        return WireError("no body")
    claimed = _SIZE.unpack_from(view, HEADER_SIZE)[0]
    if claimed != structure_size:
        return WireError(f"StructureSize is {claimed}, not {structure_size}")
    return WireError(f"body of {len(view) - HEADER_SIZE} bytes is too short for StructureSize {structure_size}")
