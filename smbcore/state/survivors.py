"""What a node finds of its earlier life when it starts.

Durable, resilient and persistent opens outlive the process with their leases and byte ranges: they are kept as
disconnected and handed to the new boot, which either revives or drops them.  Everything else is removed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, delete, exists, func, select, update

from smbcore.state import outbox
from smbcore.state.mirror_writer import KINDS, Key
from smbcore.state.schema import byte_range, lease, open_


@dataclass(frozen=True, slots=True)
class Survivors:
    """Rows of durable opens and what belongs to them, as mappings of column names."""

    opens: tuple[Mapping[str, Any], ...]
    leases: tuple[Mapping[str, Any], ...]
    byte_ranges: tuple[Mapping[str, Any], ...]

    def keys(self) -> dict[str, list[Key]]:
        """Return the primary keys by kind, as the mirror knows them."""
        return {
            "open": [row["key"] for row in self.opens],
            "lease": [(row["client_guid"], row["lease_key"]) for row in self.leases],
            "byte_range": [
                (row["open_key"], row["offset"], row["length"], row["exclusive"]) for row in self.byte_ranges
            ],
        }


def take_over(connection: Connection, node_id: str, boot_id: str, *, now: datetime) -> Survivors:
    """Clear away the rows of the node's earlier boots and adopt its durable opens.

    `disconnected_at` of an open that was connected when the process ended becomes `now`: its time starts anew.
    """
    changes: list[outbox.Change] = []
    _drop_stale(connection, changes, open_, open_.c.durable == "", node_id, boot_id)
    _drop_stale(connection, changes, lease, ~_has_open(lease), node_id, boot_id)
    _drop_stale(connection, changes, byte_range, ~_has_open(byte_range), node_id, boot_id)
    for name in ("tcon", "session"):
        _drop_stale(connection, changes, KINDS[name].table, None, node_id, boot_id)
    kept = connection.scalars(select(open_.c.key).where(open_.c.node_id == node_id, open_.c.boot_id != boot_id)).all()
    changes += [outbox.Change("opens", "changed", str(key)) for key in kept]
    if changes:
        seq = outbox.append(connection, changes, now=now, node_id=node_id) + len(changes) - 1
        _adopt(connection, node_id, boot_id, seq, now)
    return Survivors(
        _rows(connection, open_, node_id), _rows(connection, lease, node_id), _rows(connection, byte_range, node_id)
    )


def _drop_stale(
    connection: Connection,
    changes: list[outbox.Change],
    table: Table,
    condition: ColumnElement[bool] | None,
    node_id: str,
    boot_id: str,
) -> None:
    query = delete(table).where(table.c.node_id == node_id, table.c.boot_id != boot_id)
    if condition is not None:
        query = query.where(condition)
    topic = next(kind.topic for kind in KINDS.values() if kind.table is table)
    rows = connection.execute(query.returning(*table.primary_key.columns)).all()
    changes += [outbox.Change(topic, "removed", ":".join(str(part) for part in row)) for row in rows]


def _has_open(table: Table) -> ColumnElement[bool]:
    if table is lease:
        return exists().where(open_.c.client_guid == lease.c.client_guid, open_.c.lease_key == lease.c.lease_key)
    return exists().where(open_.c.key == byte_range.c.open_key)


def _adopt(connection: Connection, node_id: str, boot_id: str, seq: int, now: datetime) -> None:
    connection.execute(
        update(open_)
        .where(open_.c.node_id == node_id, open_.c.boot_id != boot_id)
        .values(
            boot_id=boot_id,
            session_key=None,
            tcon_key=None,
            disconnected_at=func.coalesce(open_.c.disconnected_at, now),
            seq=seq,
        )
    )
    for table in (lease, byte_range):
        connection.execute(
            update(table).where(table.c.node_id == node_id, table.c.boot_id != boot_id).values(boot_id=boot_id, seq=seq)
        )


def _rows(connection: Connection, table: Table, node_id: str) -> tuple[Mapping[str, Any], ...]:
    query = select(table).where(table.c.node_id == node_id).order_by(*table.primary_key.columns)
    return tuple(dict(row) for row in connection.execute(query).mappings())
