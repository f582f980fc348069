"""Keyset pages: the cursor holds the last row's sort value and key, so that changes in between do no harm."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field, TypeAdapter
from sqlalchemy import ColumnElement, RowMapping, Select, TypeDecorator, and_, or_

from appliance.models.common import Instant
from appliance.problems import invalid

LARGEST_PAGE = 500


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which part of a list is wanted.

    limit  number of entries, up to LARGEST_PAGE
    after  cursor from the page before; None for the first
    sort   column to sort by, with "-" in front for descending; None for the list's own order
    count  also count all entries
    """

    limit: int = 100
    after: str | None = None
    sort: str | None = None
    count: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """How a list may be sorted.

    columns  sortable columns by their name in the API
    key      unique column that breaks ties
    default  what to sort by when nobody asks
    """

    columns: Mapping[str, ColumnElement[Any]]
    key: ColumnElement[Any]
    default: str

    def apply(self, query: Select[Any], page: PageRequest) -> Select[Any]:
        """Return the query sorted, from the cursor on, with one row more than asked for."""
        name, descending = self._chosen(page)
        column = self.columns[name]
        ordered = query.order_by(column.desc() if descending else column, self.key.desc() if descending else self.key)
        if page.after is not None:
            value, key = _read_cursor(page.after, column, self.key)
            further = (column < value, self.key < key) if descending else (column > value, self.key > key)
            ordered = ordered.where(or_(further[0], and_(column == value, further[1])))
        return ordered.add_columns(column.label("sort_value"), self.key.label("sort_key")).limit(page.limit + 1)

    def _chosen(self, page: PageRequest) -> tuple[str, bool]:
        sort = page.sort or self.default
        name = sort.removeprefix("-")
        if name not in self.columns:
            raise invalid("sort", f"This list can be sorted by {', '.join(sorted(self.columns))}.")
        return name, sort.startswith("-")


def split(rows: Sequence[RowMapping], limit: int) -> tuple[Sequence[RowMapping], str | None]:
    """Take off the extra row; return the page's rows and the cursor for the next page."""
    if len(rows) <= limit:
        return rows, None
    last = rows[limit - 1]
    return rows[:limit], _write_cursor(last["sort_value"], last["sort_key"])


def _write_cursor(value: object, key: object) -> str:
    shown = value.isoformat() if isinstance(value, datetime) else value
    return base64.urlsafe_b64encode(json.dumps([shown, key]).encode()).decode().rstrip("=")


def _read_cursor(text: str, *columns: ColumnElement[Any]) -> list[Any]:
    """Return a value for each column, of its type."""
    try:
        values = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        return [_VALUES[_kind(column)].validate_python(value) for column, value in zip(columns, values, strict=True)]
    except (ValueError, TypeError, binascii.Error) as error:
        raise invalid("after", "This is not a cursor that this list has given out.") from error


def _kind(column: ColumnElement[Any]) -> type[Any]:
    kind = column.type
    return (kind.impl_instance if isinstance(kind, TypeDecorator) else kind).python_type


_VALUES: Mapping[type[Any], TypeAdapter[Any]] = {
    datetime: TypeAdapter(Instant),
    int: TypeAdapter(Annotated[int, Field(strict=True, ge=-1 << 63, lt=1 << 63)]),
    str: TypeAdapter(Annotated[str, Field(strict=True)]),
}
"""What a cursor may hold for a column of that type."""
