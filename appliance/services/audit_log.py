"""Searching the audit log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from appliance.models.common import Page, clean
from appliance.models.system import AuditRecord
from appliance.problems import invalid
from appliance.services.incidents import sentence
from smbcore.state import audit, outbox

_DIGITS = 19  # so many are sure to fit into the number of a record


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which records are wanted; empty fields do not restrict.

    object  its beginning
    about   the whole of it
    """

    actor: str = ""
    action: str = ""
    object: str = ""
    outcome: str = ""
    since: datetime | None = None
    until: datetime | None = None
    about: str = ""


def search(
    connection: Connection, wanted: AuditFilter, limit: int = 100, after: str | None = None
) -> Page[AuditRecord]:
    """Return a page of records, newest first."""
    if after is not None and not (after.isascii() and after.isdecimal() and len(after) < _DIGITS):
        raise invalid("after", "This is not a cursor that this list has given out.")
    chosen = audit.Filter(
        wanted.actor, wanted.action, wanted.object, wanted.outcome, wanted.since, wanted.until, wanted.about
    )
    before = int(after) if after else None
    found = audit.search(connection, chosen, before=before, limit=limit + 1)
    items = [
        AuditRecord(
            id=str(item.id),
            at=item.at,
            summary=clean(sentence(item.actor, item.action, item.object, item.outcome, item.address, item.detail)),
            actor=clean(item.actor),
            action=item.action,
            object=clean(item.object),
            outcome=item.outcome,
            address=item.address,
            detail=dict(item.detail),
        )
        for item in found[:limit]
    ]
    cursor = items[-1].id if len(found) > limit else None
    return Page[AuditRecord](items=items, next=cursor, seq=str(outbox.last_seq(connection)))
