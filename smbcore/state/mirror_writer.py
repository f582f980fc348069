"""What the mirror's writer thread does: one batch of rows, one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    Engine,
    Table,
    Text,
    and_,
    bindparam,
    delete,
    update,
)
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, StatementError

from smbcore.state import outbox
from smbcore.state.engine import writing
from smbcore.state.rows import insert_on_conflict
from smbcore.state.schema import byte_range, lease, open_, session, tcon, version
from smbcore.state.types import UTCDateTime, WireText

Key = int | tuple[str | int | bool, ...]
"""The primary key of a volatile row: an int, or all its columns in order."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A sort of volatile rows."""

    name: str
    table: Table
    topic: str

    @property
    def key_columns(self) -> tuple[Column[Any], ...]:
        """The columns of the primary key."""
        return tuple(self.table.primary_key.columns)


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            Kind("session", session, "sessions"),
            Kind("tcon", tcon, "tcons"),
            Kind("open", open_, "opens"),
            Kind("lease", lease, "leases"),
            Kind("byte_range", byte_range, "locks"),
        )
    }
)


@dataclass(frozen=True, slots=True)
class Item:
    """One row to store, or to remove when `row` is None."""

    kind: str
    key: Key
    row: Mapping[str, Any] | None
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """What a node tells about itself."""

    node_id: str
    boot_id: str
    name: str
    software: str
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """What a batch became: the number of its last event, and the topics."""

    seq: int
    topics: frozenset[str]


def check_row(kind: str, row: Mapping[str, Any]) -> None:
    """Raise ValueError when a row has a column that its table lacks."""
    unknown = row.keys() - KINDS[kind].table.columns.keys()
    if unknown:
        raise ValueError(f"the table {kind} has no column {', '.join(sorted(unknown))}")


def write_batch(engine: Engine, node: NodeInfo, items: Sequence[Item], now: datetime) -> Written:
    """Store and remove rows, append an event for each, all or nothing."""
    with writing(engine) as connection:
        changes = [outbox.Change(KINDS[item.kind].topic, _change_kind(item), _key_text(item.key)) for item in items]
        seq = outbox.append(connection, changes, now=now, node_id=node.node_id)
        numbered = list(enumerate(items, seq))
        for kind in KINDS.values():
            own = [(number, item) for number, item in numbered if item.kind == kind.name]
            _remove(connection, kind, [item.key for _, item in own if item.row is None])
            _store(connection, kind, node, now, own)
        return Written(seq + len(items) - 1, frozenset(change.topic for change in changes))


def is_rows_fault(error: Exception) -> bool:
    """Tell whether the rows are to blame, so that trying again would not help, rather than the database."""
    if isinstance(error, (IntegrityError, DataError)):
        return True
    if isinstance(error, DBAPIError):
        code = getattr(error.orig, "sqlstate", None)
        if code is not None:
            return str(code)[:2] in ("22", "23")  # data exception, constraint violation
        # asyncpg refuses values that it cannot encode with an InterfaceError that is a ValueError too.
        return not error.connection_invalidated and isinstance(getattr(error.orig, "__cause__", None), ValueError)
    return isinstance(error, (StatementError, ValueError, TypeError, OverflowError))


def register_node(connection: Connection, node: NodeInfo, versions: tuple[int, int, int], now: datetime) -> None:
    """Write the node's version record as just started."""
    lowest, highest, current = versions
    row = {
        "node_id": node.node_id,
        "name": node.name,
        "boot_id": node.boot_id,
        "version_min": lowest,
        "version_max": highest,
        "version_current": current,
        "software": node.software,
        "addresses": list(node.addresses),
        "started_at": now,
        "heartbeat_at": now,
        "state": "up",
    }
    connection.execute(_upsert(connection, version), [row])
    outbox.append(connection, [outbox.Change("nodes", "added", node.node_id)], now=now, node_id=node.node_id)


def beat(engine: Engine, node: NodeInfo, now: datetime) -> None:
    """Renew the node's sign of life."""
    with writing(engine) as connection:
        connection.execute(
            update(version)
            .where(version.c.node_id == node.node_id, version.c.boot_id == node.boot_id)
            .values(heartbeat_at=now)
        )


def announce(engine: Engine, node: NodeInfo, state: str, now: datetime) -> Written:
    """Write the node's state: up, stopping or down."""
    with writing(engine) as connection:
        connection.execute(
            update(version)
            .where(version.c.node_id == node.node_id, version.c.boot_id == node.boot_id)
            .values(heartbeat_at=now, state=state)
        )
        change = outbox.Change("nodes", "changed", node.node_id)
        return Written(outbox.append(connection, [change], now=now, node_id=node.node_id), frozenset({change.topic}))


def _change_kind(item: Item) -> str:
    if item.row is None:
        return "removed"
    return "added" if item.is_new else "changed"


def _key_text(key: Key) -> str:
    return ":".join(str(part) for part in key) if isinstance(key, tuple) else str(key)


def _key_values(kind: Kind, key: Key) -> dict[str, Any]:
    parts = key if isinstance(key, tuple) else (key,)
    return {column.name: part for column, part in zip(kind.key_columns, parts, strict=True)}


def _remove(connection: Connection, kind: Kind, keys: Sequence[Key]) -> None:
    if not keys:
        return
    matches = [column == bindparam(f"key_{column.name}") for column in kind.key_columns]
    parameters = [{f"key_{name}": value for name, value in _key_values(kind, key).items()} for key in keys]
    connection.execute(delete(kind.table).where(and_(*matches)), parameters)
    if kind.table is open_:
        connection.execute(delete(byte_range).where(byte_range.c.open_key == bindparam("key_key")), parameters)


def _store(
    connection: Connection, kind: Kind, node: NodeInfo, now: datetime, numbered: Sequence[tuple[int, Item]]
) -> None:
    blank = _blank_row(kind.table, now) | {"node_id": node.node_id, "boot_id": node.boot_id}
    rows = [
        {**blank, **item.row, **_key_values(kind, item.key), "seq": number}
        for number, item in numbered
        if item.row is not None
    ]
    if rows:
        connection.execute(_upsert(connection, kind.table), rows)


def _blank_row(table: Table, now: datetime) -> dict[str, Any]:
    """Return a value for every column, so that all rows of a batch fit one statement."""
    return {column.name: _blank(column, now) for column in table.columns}


def _blank(column: Column[Any], now: datetime) -> Any:
    if column.nullable:
        return None
    if isinstance(column.type, (Text, WireText)):
        return ""
    if isinstance(column.type, Boolean):
        return False
    if isinstance(column.type, JSON):
        return {}
    return now if isinstance(column.type, UTCDateTime) else 0


def _upsert(connection: Connection, table: Table) -> Any:
    keys = [column.name for column in table.primary_key.columns]
    others = [column.name for column in table.columns if column.name not in keys]
    new = insert_on_conflict(connection, table)
    return new.on_conflict_do_update(index_elements=keys, set_={name: new.excluded[name] for name in others})
