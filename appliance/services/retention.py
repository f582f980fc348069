"""How long the audit log is kept: what the settings say, carried out in batches.

Whoever reaches the pages can make them refuse sign-ins, as often as he likes. Of these records only so many stay, as of
what the SMB server refuses (smbcore.state.incidents), and they go first: nobody can push out what others did.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Engine

from smbcore.state import audit
from smbcore.state.configuration import Settings
from smbcore.state.engine import writing
from smbcore.state.incidents import KEPT
from smbcore.state.settings import read_settings

BATCH: Final = 1000
"""Records removed in one transaction; nobody else can write to an SQLite database meanwhile."""


def prune_batch(engine: Engine, now: datetime) -> int:
    """Remove one batch of the records that need not be kept; return how many, 0 when none is left.

    Errors: SQLAlchemyError, ConfigurationError
    """
    with engine.connect() as connection:
        surplus = audit.find_refusals(connection, "sign_in", KEPT)
        if not audit.has(connection, surplus):
            surplus = find_surplus(connection, read_settings(connection), now)
        if not audit.has(connection, surplus):
            return 0
    with writing(engine) as connection:
        return audit.prune(connection, surplus, BATCH)


def count_surplus(connection: Connection, settings: Settings, now: datetime) -> int:
    """Return how many records would go under these settings."""
    return audit.count(connection, find_surplus(connection, settings, now))


def find_surplus(connection: Connection, settings: Settings, now: datetime) -> audit.Surplus:
    """Return what these settings let go."""
    return audit.find_surplus(connection, days=settings.audit_days, records=settings.audit_records, now=now)
