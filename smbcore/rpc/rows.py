"""Information levels of the Net* interfaces as tables.

Each level's structure is a string of kinds, one letter per member:

I  32-bit number
W  unique pointer to a NUL-terminated wide string, None for a null pointer
B  unique pointer to bytes whose count is the member before it, None for null

so that one reader and one writer serve every level of every service.
"""

from __future__ import annotations

from collections.abc import Sequence

from smbcore.nt.errors import WireError
from smbcore.rpc.ndr import NdrReader, NdrWriter

Value = int | str | bytes | None
Row = Sequence[Value]


def write_struct(writer: NdrWriter, kinds: str, row: Row) -> None:
    """Write one structure, then what its pointers point at."""
    _fixed(writer, kinds, row)
    _deferred(writer, row)


def write_array(writer: NdrWriter, kinds: str, rows: Sequence[Row]) -> None:
    """Write a conformant array of structures, then what their pointers point at."""
    writer.u32(len(rows))
    for row in rows:
        _fixed(writer, kinds, row)
    for row in rows:
        _deferred(writer, row)


def write_container(writer: NdrWriter, level: int, kinds: str, rows: Sequence[Row]) -> None:
    """Write an *_ENUM_STRUCT: level, union tag, container with its array."""
    writer.u32(level)
    writer.u32(level)
    writer.pointer()
    writer.u32(len(rows))
    writer.pointer(present=bool(rows))
    if rows:
        write_array(writer, kinds, rows)


def read_struct(reader: NdrReader, kinds: str) -> list[Value]:
    """Read one structure and what it points at. Raises WireError."""
    row = _read_fixed(reader, kinds)
    return _read_deferred(reader, kinds, row)


def read_container(reader: NdrReader, levels: dict[int, str]) -> int | None:
    """Read an *_ENUM_STRUCT as a client sends it; return its level, None if not in `levels`.

    The array of a request is empty by rights; one that is not is read and dropped.
    Nothing can be read behind a level that is not known.
    """
    level, tag = reader.u32(), reader.u32()
    if level != tag:
        msg = f"level {level} with union tag {tag}"
        raise WireError(msg)
    if level not in levels:
        return None
    if reader.pointer():
        reader.u32()
        if reader.pointer():
            _skip_array(reader, levels[level])
    return level


def _skip_array(reader: NdrReader, kinds: str) -> None:
    rows = [_read_fixed(reader, kinds) for _ in range(reader.count(4 * len(kinds)))]
    for row in rows:
        _read_deferred(reader, kinds, row)


def size_of(row: Row) -> int:
    """Return about how many bytes a row takes; what a preferred maximum length limits."""
    size = 0
    for value in row:
        size += 4
        if isinstance(value, str):
            size += 14 + 2 * len(value)
        elif isinstance(value, bytes):
            size += 4 + len(value)
    return size


def _fixed(writer: NdrWriter, kinds: str, row: Row) -> None:
    for kind, value in zip(kinds, row, strict=True):
        if kind == "I" and isinstance(value, int):
            writer.u32(value)
        else:
            writer.pointer(present=value is not None)


def _deferred(writer: NdrWriter, row: Row) -> None:
    for value in row:
        if isinstance(value, str):
            writer.wide_string(value)
        elif isinstance(value, bytes):
            writer.byte_array(value)


def _read_fixed(reader: NdrReader, kinds: str) -> list[int]:
    return [reader.u32() for _ in kinds]


def _read_deferred(reader: NdrReader, kinds: str, row: Sequence[int]) -> list[Value]:
    values: list[Value] = []
    for kind, value in zip(kinds, row, strict=True):
        if kind == "I":
            values.append(value)
        elif not value:
            values.append(None)
        elif kind == "W":
            values.append(reader.wide_string())
        else:
            values.append(bytes(reader.raw(reader.count(1))))
    return values
