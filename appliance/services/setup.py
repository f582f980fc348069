"""Whether the server still waits for its first administrator."""

from __future__ import annotations

from sqlalchemy import Connection, select

from smbcore.state.schema import account


def is_setup_needed(connection: Connection) -> bool:
    """Tell whether there is no administrator who could sign in."""
    query = select(account.c.id).where(account.c.role == "administrator", account.c.enabled).limit(1)
    return connection.scalar(query) is None
