"""FILETIME: 100-nanosecond intervals since 1601-01-01 UTC  [MS-DTYP 2.3.3].

A FILETIME is a plain int here. On the wire it is a signed 64-bit value in most
structures of [MS-FSCC]; 0, -1 and -2 have their own meaning when times are set.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

UNIX_EPOCH = 116_444_736_000_000_000
"""1970-01-01 as FILETIME."""

TICKS_PER_SECOND = 10_000_000

MAX = 0x7FFF_FFFF_FFFF_FFFF
"""The latest time that can be expressed; used for "never"."""

_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)


def from_unix_ns(ns: int) -> int:
    """Convert nanoseconds since 1970 to a FILETIME, rounding down, limited to 0..MAX."""
    ft = ns // 100 + UNIX_EPOCH
    if ft < 0:
        return 0
    return min(ft, MAX)


def to_unix_ns(ft: int) -> int:
    """Convert a FILETIME to nanoseconds since 1970 (negative before that)."""
    return (ft - UNIX_EPOCH) * 100


def from_datetime(moment: datetime) -> int:
    """Convert an aware datetime to a FILETIME; a naive one is refused with ValueError."""
    if moment.tzinfo is None:
        msg = "a FILETIME needs an aware datetime"
        raise ValueError(msg)
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * TICKS_PER_SECOND + delta.microseconds * 10


def to_datetime(ft: int) -> datetime:
    """Convert a FILETIME to an aware UTC datetime, rounding down to microseconds.

    Times that datetime cannot express (after year 9999) become its maximum.
    """
    try:
        return _EPOCH + timedelta(microseconds=ft // 10)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)
