"""A management service for tests: a fresh installation, and a core that does what the real one would."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine, delete

from appliance.installation import Installation
from appliance.state import AppState
from smbcore.control.errors import CommandFailed
from smbcore.control.messages import (
    BreakLease,
    CloseOpen,
    Counters,
    DisconnectSession,
    DisconnectTcon,
    DisconnectUser,
    Done,
    ListCounters,
    ListUnanswered,
    ListWaiting,
    Message,
    Ping,
    Pong,
    QueryUsage,
    ReloadConfiguration,
    Unanswered,
    Usage,
    Waiting,
)
from smbcore.state import accounts, outbox
from smbcore.state.engine import writing
from smbcore.state.passwords import derive
from smbcore.state.schema import open_, session, tcon

PASSWORD = "correct horse battery"
START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class Clock:
    """A clock that stands still until told."""

    def __init__(self, now: datetime = START) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return (self._now - START).total_seconds()

    def advance(self, **step: float) -> None:
        self._now += timedelta(**step)


@dataclass
class FakeCore:
    """Answers control messages: closes by deleting rows, as the core's mirror would."""

    engine: Engine
    heard: list[Message] = field(default_factory=list)
    waiting: dict[str, list[str]] = field(default_factory=dict)
    unanswered: dict[str, int] = field(default_factory=dict)
    problem: CommandFailed | None = None
    usage: Usage = field(default_factory=lambda: Usage(1 << 40, 1 << 39, 1 << 38, "off", 0, {}))

    async def handle(self, message: Message) -> Message:
        self.heard.append(message)
        if self.problem is not None:
            raise self.problem
        match message:
            case Ping():
                return Pong("node", "boot", "holdfast test", "2026-11-22T12:00:00Z")
            case ReloadConfiguration() | DisconnectUser():
                return Done()
            case ListCounters():
                withheld = sum(count > 2 for count in self.unanswered.values())
                return Counters({"opens": 1, "opens_restored": 37, "caching_withheld": withheld})
            case ListUnanswered():
                return Unanswered(self.unanswered, [key for key, count in self.unanswered.items() if count > 2])
            case ListWaiting():
                return Waiting(self.waiting)
            case QueryUsage():
                return self.usage
            case BreakLease():
                return Done("The client has written back what it cached.", 1)
            case CloseOpen(open_key=key):
                return self._remove("opens", open_, key)
            case DisconnectSession(session_key=key):
                return self._remove("sessions", session, key)
            case DisconnectTcon(tcon_key=key):
                return self._remove("tcons", tcon, key)
        raise CommandFailed("unknown", "never heard of it")

    def _remove(self, topic, table, key):
        with writing(self.engine) as connection:
            if connection.execute(delete(table).where(table.c.key == key)).rowcount != 1:
                raise CommandFailed("not_found", "It has gone already.")
            outbox.append(connection, [outbox.Change(topic, "removed", str(key))], now=START)
        return Done("", 1)


def make_installation(path: Path) -> Installation:
    installation = Installation.at(path)
    installation.initialise("TESTNAS", START)
    return installation


def add_administrator(state: AppState, name: str = "admin") -> None:
    with writing(state.engine) as connection:
        accounts.create_account(
            connection, state.key, accounts.NewAccount(name, role="administrator"), derive(PASSWORD), now=START
        )
