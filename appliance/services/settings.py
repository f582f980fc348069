"""Settings of the whole server: read, preview, change.

A change ends no session: what was negotiated holds until the client leaves. So the question before a change is who
could not come back.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, select

from appliance.models.common import clean
from appliance.models.settings import RefusedSession, ServerSettings, SettingsImpact
from appliance.services import retention
from appliance.services.words import host, plural
from appliance.services.work import Deed, Work
from smbcore.state import settings
from smbcore.state.configuration import DIALECTS, Settings
from smbcore.state.errors import ConflictError
from smbcore.state.schema import session

_VERSIONS = 1_000_000_000
_FIRST_WITH_ENCRYPTION = DIALECTS.index("3.0")


@dataclass(frozen=True, slots=True)
class Saved:
    """Settings after a change; `applied` tells whether a running core was told."""

    settings: ServerSettings
    applied: bool


def get_settings(connection: Connection) -> ServerSettings:
    """Return the settings."""
    return _shape(settings.read_settings(connection))


def change_settings(work: Work, changes: Mapping[str, Any], expected_version: int | None) -> Saved:
    """Change settings by name.

    Errors:  StateError  one is not possible;  ConflictError  the version is not the expected one
    """
    with work.change(Deed("settings.change", "the settings", {"changes": dict(changes)})) as connection:
        current = _shape(settings.read_settings(connection))
        if expected_version is not None and expected_version != current.version:
            raise ConflictError("", "The settings were changed by someone else since they were read.")
        changed = settings.change_settings(connection, changes, now=work.now)
    return Saved(_shape(changed), work.reload())


def settings_impact(connection: Connection, changes: Mapping[str, Any], now: datetime) -> SettingsImpact:
    """Tell whom a change would keep from coming back, and what it would remove; StateError when it is not possible."""
    current = settings.read_settings(connection)
    wanted = settings.settings_with(connection, changes)
    rows = connection.execute(select(session).order_by(session.c.user)).mappings().all()
    refused = [
        RefusedSession(
            id=str(row["key"]),
            user=clean(row["user"]),
            client=clean(row["client_name"]) or host(row["client_address"]),
            why=why,
        )
        for row in rows
        if (why := _obstacle(row, wanted))
    ]
    summary = f"{plural(len(rows), 'session goes', 'sessions go')} on as before; new settings hold for new connections"
    if refused:
        summary += f", and {plural(len(refused), 'session', 'sessions')} could not be made again"
    removed = _removed(connection, current, wanted, now)
    if removed:
        summary += f". {plural(removed, 'record', 'records')} of the audit log will be removed for good"
    return SettingsImpact(
        sessions_kept=len(rows), sessions_refused=refused, audit_records_removed=removed, summary=f"{summary}."
    )


def _removed(connection: Connection, current: Settings, wanted: Settings, now: datetime) -> int:
    """Return how many records of the audit log a change would remove; what goes anyway is not its doing."""
    if (wanted.audit_days, wanted.audit_records) == (current.audit_days, current.audit_records):
        return 0
    kept = retention.count_surplus(connection, current, now)
    return max(retention.count_surplus(connection, wanted, now) - kept, 0)


def _obstacle(row: RowMapping, wanted: Settings) -> str:
    """Return what would keep this client from signing in again; "" if nothing would.

    That it speaks an older dialect than it could is not known: it is judged by what it speaks now.
    """
    dialect = DIALECTS.index(row["dialect"]) if row["dialect"] in DIALECTS else len(DIALECTS)
    if dialect < DIALECTS.index(wanted.min_dialect):
        return f"It speaks SMB {row['dialect']}, which is older than {wanted.min_dialect}."
    if wanted.encryption_required and dialect < _FIRST_WITH_ENCRYPTION:
        return f"It speaks SMB {row['dialect']}, which has no encryption."
    if wanted.encryption_required and (row["guest"] or row["anonymous"]):
        return "Guests and anonymous sessions have no key to encrypt with."
    if row["guest"] and not wanted.allow_guest:
        return "It is signed in as guest."
    if row["anonymous"] and not wanted.allow_anonymous:
        return "It is signed in without a name."
    return ""


def _shape(found: Settings) -> ServerSettings:
    values = {name: value for name, value in asdict(found).items() if name in ServerSettings.model_fields}
    digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).digest()
    return ServerSettings(**values, version=int.from_bytes(digest[:8], "big") % _VERSIONS)
