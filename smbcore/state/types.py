"""Column types whose values mean the same on SQLite and on PostgreSQL."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, DateTime, Text
from sqlalchemy.types import TypeDecorator

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import Dialect

_TOP_BIT = 1 << 63
_TWO_64 = 1 << 64

# U+FFFF is a noncharacter that no client sends in practice; it introduces four hex digits.
_ESCAPE = "\uffff"
_NEEDS_ESCAPE = re.compile("[\x00\ud800-\udfff\uffff]")
_ESCAPED = re.compile(_ESCAPE + "([0-9A-F]{4})")


class UTCDateTime(TypeDecorator[datetime]):
    """An aware datetime in UTC, to the microsecond.

    SQLite keeps no zone and would hand back naive values, so the zone is taken off and put on here.
    Naive values are refused with ValueError: they have no meaning in a shared database.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn an aware datetime into what the driver stores."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time without a zone cannot be stored: {value!r}")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        """Return the stored time as an aware datetime in UTC."""
        if value is None:
            return None
        stored: datetime = value
        return stored.replace(tzinfo=UTC) if stored.tzinfo is None else stored.astimezone(UTC)


class Unsigned64(TypeDecorator[int]):
    """An unsigned 64-bit integer, stored as the signed one with the same bits.

    File ids, lock offsets and lock lengths use all 64 bits; both databases only have signed integers.
    Equality works in SQL, order does not across 2**63.
    """

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> int | None:
        """Fold the upper half of the range onto the negative numbers."""
        if value is None or value < _TOP_BIT:
            return value
        return value - _TWO_64

    def process_result_value(self, value: Any | None, dialect: Dialect) -> int | None:
        """Unfold negative numbers."""
        if value is None:
            return None
        stored: int = value
        return stored + _TWO_64 if stored < 0 else stored


def escape_text(text: str) -> str:
    """Write NUL and lone surrogates so that any database text column takes them."""
    if text.isascii() and "\x00" not in text:
        return text
    return _NEEDS_ESCAPE.sub(lambda found: f"{_ESCAPE}{ord(found[0]):04X}", text)


def unescape_text(text: str) -> str:
    """Undo `escape_text`."""
    if _ESCAPE not in text:
        return text
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


class WireText(TypeDecorator[str]):
    """Text that came from a peer's UTF-16: it may hold lone surrogates, which UTF-8 columns refuse."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Escape what UTF-8 cannot carry."""
        return None if value is None else escape_text(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> str | None:
        """Give back exactly the peer's characters."""
        return None if value is None else unescape_text(value)
