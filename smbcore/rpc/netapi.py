"""What srvsvc and wkssvc have in common: Win32 results, paging, answer shapes."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from enum import IntEnum
from typing import Final

from smbcore.rpc.rows import Row, read_container, size_of, write_container, write_struct
from smbcore.rpc.service import Call

MAX_REPLY: Final = 1024 * 1024
"""Bytes of entries in one answer, whatever the client would take."""
PLATFORM_NT: Final = 500
VERSION: Final = (10, 0)
"""The operating system version shown: clients enable features by it."""


class Win32(IntEnum):
    """Results of the Net* functions  [MS-ERREF 2.2] [MS-SRVS 2.2.2.10]."""

    SUCCESS = 0
    ACCESS_DENIED = 5
    INVALID_PARAMETER = 87
    INVALID_NAME = 123
    INVALID_LEVEL = 124
    MORE_DATA = 234
    FILE_NOT_FOUND = 2314  # NERR_FileIdNotFound
    SHARE_NOT_FOUND = 2310  # NERR_NetNameNotFound
    DEVICE_NOT_SHARED = 2311  # NERR_DeviceNotShared
    SESSION_NOT_FOUND = 2312  # NERR_ClientNameNotFound


def page(rows: Sequence[Row], start: int, limit: int) -> Sequence[Row]:
    """Return the rows from `start` on that fit into `limit` bytes, at least one if there is one."""
    room = min(limit, MAX_REPLY)
    end = start
    while end < len(rows):
        room -= size_of(rows[end])
        if room < 0 and end > start:
            break
        end += 1
    return rows[start:end]


def answer_info(
    call: Call,
    level: int,
    levels: Mapping[int, str],
    row: Row | None,
    result: Win32,
    *,
    other_arms: Container[int] = (),
) -> None:
    """Write what a *GetInfo operation returns: union of `level`, result.

    other_arms  levels that the interface defines and we do not have: their arm of the union is a null pointer,
                while levels that nobody defines have no arm at all
    """
    call.write.u32(level)
    if level in levels or level in other_arms:
        call.write.pointer(present=row is not None)
        if row is not None:
            write_struct(call.write, levels[level], row)
    call.write.u32(result)


class Enumeration:
    """The arguments behind the filters of a *Enum operation, and its answer.

    level  asked for; None if we do not have it, or if `refused` says so
    """

    __slots__ = ("_call", "_kinds", "_limit", "_resume", "_start", "level")

    def __init__(self, call: Call, levels: dict[int, str]) -> None:
        self._call = call
        self.level = read_container(call.read, levels)
        self._kinds = "" if self.level is None else levels[self.level]
        self._limit, self._start, self._resume = 0, 0, False
        if self.level is not None:
            self._limit = call.read.u32()
            self._resume = call.read.pointer()
            self._start = call.read.u32() if self._resume else 0

    def refuse(self, result: Win32) -> None:
        """Answer with no entries and this result."""
        write = self._call.write
        level = 0 if self.level is None else self.level
        write.u32(level)
        write.u32(level)
        write.pointer(present=False)
        write.u32(0)
        write.pointer(present=False)
        write.u32(result)

    def answer(self, rows: Sequence[Row]) -> None:
        """Answer with the page of `rows` that the client asked for."""
        if self.level is None:
            self.refuse(Win32.INVALID_LEVEL)
            return
        start = min(self._start, len(rows))
        shown = page(rows, start, self._limit)
        more = start + len(shown) < len(rows)
        write = self._call.write
        write_container(write, self.level, self._kinds, shown)
        write.u32(len(rows) - start)
        write.pointer(present=self._resume)
        if self._resume:
            write.u32(start + len(shown) if more else 0)
        write.u32(Win32.MORE_DATA if more else Win32.SUCCESS)
