"""Version numbers that a node announces and checks."""

from __future__ import annotations

SCHEMA_VERSION = 2
"""The schema this program reads and writes: the number of the newest migration."""

RECORD_VERSION_MIN = 1
"""The oldest layout of session, tcon and open records that this program reads."""

RECORD_VERSION_MAX = 1
"""The newest layout of session, tcon and open records that this program reads."""

RECORD_VERSION_CURRENT = 1
"""The layout of session, tcon and open records that this program writes."""


def revision_name(schema_version: int) -> str:
    """Return the Alembic revision of a schema version: four digits."""
    return f"{schema_version:04d}"
