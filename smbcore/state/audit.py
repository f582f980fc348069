"""The audit log: who did what to which object, from where, and how it ended.

Records are announced in the outbox as everything is that people look at. `prune` announces nothing: what it takes away
is older than what anybody watches.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, false, func, insert, or_, select, update

from smbcore.state import outbox
from smbcore.state.schema import audit

TOPIC = "audit"
OUTCOMES = ("done", "refused", "failed")


@dataclass(frozen=True, slots=True)
class Entry:
    """What is to be remembered.

    actor    account name, "" for nobody known, "system" for the appliance itself
    action   a word with a dot: "share.create", "session.disconnect", "sign_in"
    object   what it was done to, in words: "share docs"
    outcome  one of OUTCOMES
    """

    actor: str
    action: str
    object: str = ""
    outcome: str = "done"
    address: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Record:
    """An entry as stored."""

    id: int
    at: datetime
    actor: str
    action: str
    object: str
    outcome: str
    address: str
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which records are wanted; empty fields do not restrict. `object` matches the beginning, `about` the whole."""

    actor: str = ""
    action: str = ""
    object: str = ""
    outcome: str = ""
    since: datetime | None = None
    until: datetime | None = None
    about: str = ""


def record(connection: Connection, entry: Entry, *, now: datetime) -> int:
    """Store an entry, in the same transaction as what it tells of, and return its number."""
    if entry.outcome not in OUTCOMES:
        raise ValueError(f"unknown outcome {entry.outcome!r}")
    number = connection.scalar(
        insert(audit)
        .values(
            at=now,
            actor=entry.actor,
            action=entry.action,
            object=entry.object,
            outcome=entry.outcome,
            address=entry.address,
            detail=dict(entry.detail),
        )
        .returning(audit.c.id)
    )
    outbox.append(connection, [outbox.Change(TOPIC, "added", str(number))], now=now)
    return number or 0


def amend(connection: Connection, number: int, detail: Mapping[str, Any]) -> None:
    """Replace the detail of an entry: it has happened again. One that was pruned meanwhile stays gone."""
    connection.execute(update(audit).where(audit.c.id == number).values(detail=dict(detail)))


def search(
    connection: Connection, wanted: Filter | None = None, *, before: int | None = None, limit: int = 100
) -> tuple[Record, ...]:
    """Return up to `limit` records, newest first, older than number `before` (for the next page)."""
    query = select(audit).order_by(audit.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(audit.c.id < before)
    chosen = wanted or Filter()
    for column, value in (
        (audit.c.actor, chosen.actor),
        (audit.c.action, chosen.action),
        (audit.c.outcome, chosen.outcome),
        (audit.c.object, chosen.about),
    ):
        if value:
            query = query.where(column == value)
    if chosen.object:
        query = query.where(audit.c.object.startswith(chosen.object, autoescape=True))
    if chosen.since is not None:
        query = query.where(audit.c.at >= chosen.since)
    if chosen.until is not None:
        query = query.where(audit.c.at < chosen.until)
    return tuple(Record(*row) for row in connection.execute(query))


def keep_newest_refusals(connection: Connection, action: str, number: int) -> None:
    """Remove all but the newest `number` entries that say that this action was refused; no others."""
    surplus = find_refusals(connection, action, number)
    if surplus.upto is not None:
        connection.execute(delete(audit).where(surplus.condition))


@dataclass(frozen=True, slots=True)
class Surplus:
    """Which records need not be kept any longer.

    before   older ones than this; None for none by age
    upto     those up to this number; None for none by number
    refused  only those that say that this action was refused; "" for all
    """

    before: datetime | None = None
    upto: int | None = None
    refused: str = ""

    @property
    def condition(self) -> ColumnElement[bool]:
        """As SQL."""
        by_age = audit.c.at < self.before if self.before is not None else false()
        by_number = audit.c.id <= self.upto if self.upto is not None else false()
        if not self.refused:
            return or_(by_age, by_number)
        return and_(or_(by_age, by_number), audit.c.action == self.refused, audit.c.outcome == "refused")


def find_surplus(connection: Connection, *, days: int, records: int, now: datetime) -> Surplus:
    """Return what is older than `days` (0 for never too old), or beyond the newest `records`."""
    newest_too_many = select(audit.c.id).order_by(audit.c.id.desc()).offset(records).limit(1)
    before = now - timedelta(days=days) if days else None
    return Surplus(before, connection.scalar(newest_too_many))


def find_refusals(connection: Connection, action: str, number: int) -> Surplus:
    """Return all but the newest `number` entries that say that this action was refused; no others."""
    refused = (audit.c.action == action, audit.c.outcome == "refused")
    too_many = select(audit.c.id).where(*refused).order_by(audit.c.id.desc()).offset(number).limit(1)
    return Surplus(upto=connection.scalar(too_many), refused=action)


def has(connection: Connection, surplus: Surplus) -> bool:
    """Tell whether `prune` would remove anything."""
    return connection.scalar(select(audit.c.id).where(surplus.condition).limit(1)) is not None


def count(connection: Connection, surplus: Surplus) -> int:
    """Return how many records `prune` would remove."""
    return connection.scalar(select(func.count()).select_from(audit).where(surplus.condition)) or 0


def prune(connection: Connection, surplus: Surplus, limit: int) -> int:
    """Remove up to `limit` records that need not be kept, the oldest first; return how many."""
    chosen = select(audit.c.id).where(surplus.condition).order_by(audit.c.id).limit(limit)
    return connection.execute(delete(audit).where(audit.c.id.in_(chosen))).rowcount
