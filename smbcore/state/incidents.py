"""What the core wants administrators to know, on its way to the audit log.

Theory of operation.  Whoever can reach the server can make it refuse things, as often as he likes.  So the core never
waits for the log, and the log grows only so fast: `report` is a look-up in a dictionary, and the mirror's writer takes
what is new or has changed with its next batch.  What is reported again within `WINDOW` seconds does not become another
record: the one there is counts how often, and when last.  One address gets at most `PER_ADDRESS` records a window and
all of them together `TOTAL`; what goes beyond is counted in one record per action that names no object. Of each action
the newest `KEPT` records stay, so that neither days of it fill the disk, nor does one sort of records push out another.
The event stream hears of each new record, but of repetitions once a batch: they must not push out the events of others.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Engine

from smbcore.nt.clock import Clock
from smbcore.nt.filetime import to_datetime
from smbcore.state import audit, outbox
from smbcore.state.engine import writing

WINDOW: Final = 600.0
"""Seconds for which a record counts repetitions."""

PER_ADDRESS: Final = 16
"""Records that one address can cause in a window."""

TOTAL: Final = 512
"""Records that all addresses together can cause in a window."""

KEPT: Final = 20_000
"""Records of refusals that stay, of each action."""

MOST_WAITING: Final = TOTAL + PER_ADDRESS
"""Records that wait for a database that takes none; what comes then is in the server's log only."""

_TIDY_EVERY: Final = 500

MANY: Final = "many"
"""The condition of a record that counts what was too much to be told one by one."""


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that the core refused to a client, or that a client failed to do. Never holds a secret.

    action     a word with a dot: "handle.reconnect"
    actor      account name, "" for nobody known
    address    network address, without a port
    object     what it was about, in words: a share and path
    status     name of the NTSTATUS that the client got, "" where it got none
    condition  a word for what was wrong: "create_guid"
    detail     what else is worth knowing; not looked at when incidents are compared
    """

    action: str
    actor: str = ""
    address: str = ""
    object: str = ""
    status: str = ""
    condition: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict, compare=False)


class _Entry:
    """An incident with its repetitions. `number` is that of its record, None before it is stored."""

    __slots__ = ("at", "began", "count", "incident", "last_at", "number")

    def __init__(self, incident: Incident, began: float, at: datetime) -> None:
        self.incident = incident
        self.began = began
        self.at = self.last_at = at
        self.count = 1
        self.number: int | None = None


@dataclass(frozen=True, slots=True)
class Pending:
    """An entry as it is at one moment, for the writer thread.

    number  of the record that counts it already; None for a new one
    """

    entry: _Entry
    number: int | None
    incident: Incident
    at: datetime
    count: int
    last_at: datetime


class Incidents:
    """Owned by the mirror; used on the event loop only, except `write`."""

    __slots__ = ("_by_address", "_changed", "_clock", "_entries")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: OrderedDict[Incident, _Entry] = OrderedDict()  # oldest first
        self._by_address: dict[str, int] = {}
        self._changed: dict[_Entry, None] = {}

    @property
    def pending(self) -> int:
        """How many records wait to be stored."""
        return len(self._changed)

    def report(self, incident: Incident) -> bool:
        """Take in an incident; return whether it is news, so that it is worth a line in the log, too."""
        self._forget_old()
        entry = self._entries.get(incident)
        if entry is None:
            incident = self._within_limits(incident)
            entry = self._entries.get(incident)
        now = to_datetime(self._clock.now())
        is_news = entry is None
        if entry is None:
            entry = self._entries[incident] = _Entry(incident, self._clock.monotonic(), now)
            self._by_address[incident.address] = self._by_address.get(incident.address, 0) + 1
        else:
            entry.count += 1
            entry.last_at = now
        self._wait(entry)
        return is_news

    def _wait(self, entry: _Entry) -> None:
        if len(self._changed) < MOST_WAITING or entry in self._changed:
            self._changed[entry] = None

    def _within_limits(self, incident: Incident) -> Incident:
        """Return the incident, or the one that stands for too many of the kind."""
        if len(self._entries) >= TOTAL:
            return Incident(incident.action, condition=MANY)
        if self._by_address.get(incident.address, 0) >= PER_ADDRESS:
            return Incident(incident.action, address=incident.address, condition=MANY)
        return incident

    def _forget_old(self) -> None:
        oldest = self._clock.monotonic() - WINDOW
        while self._entries:
            incident, entry = next(iter(self._entries.items()))
            if entry.began > oldest:
                return
            del self._entries[incident]
            left = self._by_address[incident.address] - 1
            if left:
                self._by_address[incident.address] = left
            else:
                del self._by_address[incident.address]

    def take(self) -> list[Pending]:
        """Return what is to be stored now."""
        changed, self._changed = self._changed, {}
        return [Pending(e, e.number, e.incident, e.at, e.count, e.last_at) for e in changed]

    def stored(self, batch: Iterable[Pending], numbers: Iterable[int]) -> None:
        """Note the numbers of the records that `write` returned."""
        for pending, number in zip(batch, numbers, strict=True):
            pending.entry.number = number

    def put_back(self, batch: Iterable[Pending]) -> None:
        """It could not be stored: try again with the next batch."""
        for pending in batch:
            self._wait(pending.entry)


def write(engine: Engine, batch: Iterable[Pending], kept: int = KEPT) -> list[int]:
    """Store a batch, all or nothing, and now and then remove the oldest records; return the numbers of the records."""
    with writing(engine) as connection:
        numbers: list[int] = []
        amended: list[Pending] = []
        for pending in batch:
            incident = pending.incident
            if pending.number is not None:
                audit.amend(connection, pending.number, _detail(pending))
                numbers.append(pending.number)
                amended.append(pending)
                continue
            entry = audit.Entry(
                incident.actor, incident.action, incident.object, "refused", incident.address, _detail(pending)
            )
            number = audit.record(connection, entry, now=pending.at)
            numbers.append(number)
            if number % _TIDY_EVERY == 0:
                audit.keep_newest_refusals(connection, incident.action, kept)
        if amended:
            key = str(amended[0].number) if len(amended) == 1 else ""
            latest = max(pending.last_at for pending in amended)
            outbox.append(connection, [outbox.Change(audit.TOPIC, "changed", key)], now=latest)
        return numbers


def _detail(pending: Pending) -> dict[str, Any]:
    incident = pending.incident
    detail: dict[str, Any] = {"condition": incident.condition}
    if incident.status:
        detail["status"] = incident.status
    detail |= incident.detail
    if pending.count > 1:
        detail |= {"times": pending.count, "last_at": pending.last_at.isoformat()}
    return detail
