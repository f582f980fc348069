"""Ways of changing rows that both databases share."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, update
from sqlalchemy.dialects import postgresql, sqlite

from smbcore.state.errors import ConflictError


def update_versioned(
    connection: Connection, table: Table, row_id: int, version: int, values: Mapping[str, Any], *, now: datetime
) -> None:
    """Write values to the row that still has `version`, and count it up.

    Errors:  ConflictError  somebody else was faster, in another transaction
    """
    done = connection.execute(
        update(table)
        .where(table.c.id == row_id, table.c.version == version)
        .values(version=version + 1, updated_at=now, **values)
    )
    if done.rowcount != 1:
        raise ConflictError("version", "Someone else changed this meanwhile: load it again and repeat your change.")


def insert_on_conflict(connection: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """Return an INSERT that has `on_conflict_do_update` and `excluded`."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)
