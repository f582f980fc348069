"""NDR 2.0 transfer syntax, little-endian  [C706 chapter 14] [MS-RPCE 2.2.4].

Alignment counts from the start of the stub data. Pointers inside structures are
written as a referent id in place, and what they point at after the structure; the
callers keep that order, the two classes here only know the primitives.
"""

from __future__ import annotations

import codecs
from struct import Struct
from typing import Final

from smbcore.nt.errors import WireError
from smbcore.nt.sid import Sid

Buffer = bytes | bytearray | memoryview

_U16: Final = Struct("<H")
_U32: Final = Struct("<I")
_U64: Final = Struct("<Q")
_VARYING: Final = Struct("<III")  # maximum count, offset, actual count
_UNICODE_STRING: Final = Struct("<HHI")  # bytes used, bytes there, referent id
_FIRST_REFERENT: Final = 0x0002_0000
_MAX_SUB_AUTHORITIES: Final = 15


class NdrReader:
    """A bounds-checked cursor over stub data; every defect is a WireError."""

    __slots__ = ("_view", "offset")

    def __init__(self, data: Buffer) -> None:
        self._view = memoryview(data)
        self.offset = 0

    @property
    def remaining(self) -> int:
        """Bytes not read yet."""
        return len(self._view) - self.offset

    def align(self, size: int) -> None:
        """Skip padding up to the next multiple of `size`."""
        self.offset += -self.offset % size

    def raw(self, count: int) -> memoryview:
        """Return the next `count` bytes in place."""
        end = self.offset + count
        if count < 0 or end > len(self._view):
            msg = f"stub data cut off: {count} bytes wanted, {self.remaining} left"
            raise WireError(msg)
        data = self._view[self.offset : end]
        self.offset = end
        return data

    def u8(self) -> int:
        """Read an 8-bit number."""
        return self.raw(1)[0]

    def u16(self) -> int:
        """Read an aligned 16-bit number."""
        self.align(2)
        return int(_U16.unpack(self.raw(2))[0])

    def u32(self) -> int:
        """Read an aligned 32-bit number."""
        self.align(4)
        return int(_U32.unpack(self.raw(4))[0])

    def u64(self) -> int:
        """Read an aligned 64-bit number."""
        self.align(8)
        return int(_U64.unpack(self.raw(8))[0])

    def pointer(self) -> bool:
        """Read a referent id; False for a null pointer."""
        return self.u32() != 0

    def count(self, item_size: int) -> int:
        """Read a conformant array's count and check that the data can hold it.

        item_size  least bytes per item; what bounds the memory a peer can ask for
        """
        count = self.u32()
        if count * item_size > self.remaining:
            msg = f"array of {count} items in {self.remaining} bytes"
            raise WireError(msg)
        return count

    def wide_string(self) -> str:
        """Read a conformant varying string of UTF-16 characters, its NUL removed."""
        text = _utf16(self._varying())
        return text.removesuffix("\0")

    def optional_string(self) -> str | None:
        """Read a unique pointer to a string that follows at once."""
        return self.wide_string() if self.pointer() else None

    def _varying(self) -> memoryview:
        self.align(4)
        maximum, offset, actual = _VARYING.unpack(self.raw(_VARYING.size))
        if offset or actual > maximum:
            msg = f"string of {actual} characters at {offset} in {maximum}"
            raise WireError(msg)
        return self.raw(2 * actual)

    def unicode_string_head(self) -> tuple[int, bool]:
        """Read the fixed part of an RPC_UNICODE_STRING: (bytes used, has a buffer)."""
        self.align(4)
        length, maximum, referent = _UNICODE_STRING.unpack(self.raw(_UNICODE_STRING.size))
        if length > maximum or length % 2 or (length and not referent):
            msg = f"RPC_UNICODE_STRING of {length} bytes in {maximum}"
            raise WireError(msg)
        return int(length), referent != 0

    def unicode_string_body(self, head: tuple[int, bool]) -> str:
        """Read what an RPC_UNICODE_STRING with this `head` points at."""
        length, present = head
        if not present:
            return ""
        data = self._varying()
        if len(data) < length:
            msg = "RPC_UNICODE_STRING shorter than it says"
            raise WireError(msg)
        return _utf16(data[:length])

    def sid(self) -> Sid:
        """Read an RPC_SID, a conformant structure."""
        count = self.u32()
        if count > _MAX_SUB_AUTHORITIES:
            msg = f"SID with {count} sub-authorities"
            raise WireError(msg)
        data = bytes(self.raw(8 + 4 * count))
        if data[1] != count:
            msg = "SID with two different counts"
            raise WireError(msg)
        return Sid.decode(data)


class NdrWriter:
    """Builds stub data."""

    __slots__ = ("_data", "_referent")

    def __init__(self) -> None:
        self._data = bytearray()
        self._referent = _FIRST_REFERENT

    def bytes(self) -> bytes:
        """Return what was written."""
        return bytes(self._data)

    def __len__(self) -> int:
        return len(self._data)

    def align(self, size: int) -> None:
        """Pad with zeros up to the next multiple of `size`."""
        self._data += bytes(-len(self._data) % size)

    def raw(self, data: Buffer) -> None:
        """Append bytes without alignment."""
        self._data += data

    def u8(self, value: int) -> None:
        """Write an 8-bit number."""
        self._data.append(value)

    def u16(self, value: int) -> None:
        """Write an aligned 16-bit number."""
        self.align(2)
        self._data += _U16.pack(value)

    def u32(self, value: int) -> None:
        """Write an aligned 32-bit number; a negative one as two's complement."""
        self.align(4)
        self._data += _U32.pack(value & 0xFFFF_FFFF)

    def u64(self, value: int) -> None:
        """Write an aligned 64-bit number."""
        self.align(8)
        self._data += _U64.pack(value)

    def pointer(self, *, present: bool = True) -> None:
        """Write a referent id, fresh for each pointer that points at something."""
        if not present:
            self.u32(0)
            return
        self.u32(self._referent)
        self._referent += 4

    def wide_string(self, text: str) -> None:
        """Write a conformant varying string of UTF-16 characters with its NUL."""
        self._varying((text + "\0").encode("utf-16-le", "surrogatepass"))

    def _varying(self, data: Buffer) -> None:
        count = len(data) // 2
        self.align(4)
        self._data += _VARYING.pack(count, 0, count)
        self._data += data

    def unicode_string_head(self, text: str | None) -> None:
        """Write the fixed part of an RPC_UNICODE_STRING; None is the empty one."""
        self.align(4)
        if text is None:
            self._data += _UNICODE_STRING.pack(0, 0, 0)
            return
        size = len(text.encode("utf-16-le", "surrogatepass"))
        self._data += _U16.pack(size) + _U16.pack(size)
        self.pointer()

    def unicode_string_body(self, text: str | None) -> None:
        """Write what the RPC_UNICODE_STRING of `text` points at; nothing for None."""
        if text is not None:
            self._varying(text.encode("utf-16-le", "surrogatepass"))

    def byte_array(self, data: Buffer) -> None:
        """Write a conformant array of bytes."""
        self.u32(len(data))
        self._data += data

    def sid(self, sid: Sid) -> None:
        """Write an RPC_SID, a conformant structure."""
        self.u32(len(sid.sub_authorities))
        self._data += sid.encode()


def _utf16(view: memoryview) -> str:
    try:
        return codecs.utf_16_le_decode(view, "surrogatepass", True)[0]
    except UnicodeDecodeError as error:
        msg = "string is not UTF-16"
        raise WireError(msg) from error
