"""The event stream: one row per change, numbered without gaps.

Numbers come from a counter row that is updated in the writing transaction itself, so transactions get their
numbers in the order in which they commit and one that rolls back leaves no hole (a sequence would do neither).
Whoever has seen everything up to N asks for what is after N.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select

from smbcore.state.rows import insert_on_conflict
from smbcore.state.schema import counter, outbox

TOPICS = (
    "sessions",
    "tcons",
    "opens",
    "leases",
    "locks",
    "shares",
    "users",
    "groups",
    "settings",
    "nodes",
    "audit",
)
KINDS = ("added", "changed", "removed")

KEPT_ROWS = 10_000
"""How many events are kept for those who were away."""

_PRUNE_EVERY = 256


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to one object."""

    topic: str
    kind: str
    key: str


@dataclass(frozen=True, slots=True)
class Event:
    """A change as stored."""

    seq: int
    at: datetime
    topic: str
    kind: str
    key: str
    node_id: str


@dataclass(frozen=True, slots=True)
class EventPage:
    """What happened since a given number.

    last_seq  ask again from here
    reset     events were missed because they are no longer kept: read everything anew
    """

    events: tuple[Event, ...]
    last_seq: int
    reset: bool


def take_numbers(connection: Connection, count: int, name: str = "outbox") -> int:
    """Take `count` consecutive numbers of a counter and return the first.

    Until the transaction ends nobody else can take numbers of the same counter.
    """
    new = insert_on_conflict(connection, counter).values(name=name, value=count)
    taken = connection.execute(
        new.on_conflict_do_update(index_elements=["name"], set_={"value": counter.c.value + count}).returning(
            counter.c.value
        )
    ).scalar_one()
    return int(taken) - count + 1


def append(
    connection: Connection,
    changes: Sequence[Change],
    *,
    now: datetime,
    node_id: str = "",
) -> int:
    """Append events and return the number of the first; the others follow it."""
    if not changes:
        return last_seq(connection) + 1
    first = take_numbers(connection, len(changes))
    connection.execute(
        insert(outbox),
        [
            {
                "seq": first + index,
                "at": now,
                "topic": item.topic,
                "kind": item.kind,
                "key": item.key,
                "node_id": node_id,
            }
            for index, item in enumerate(changes)
        ],
    )
    last = first + len(changes) - 1
    if last // _PRUNE_EVERY != (first - 1) // _PRUNE_EVERY:
        prune(connection, last)
    return first


def prune(connection: Connection, last: int, keep: int = KEPT_ROWS) -> None:
    """Remove all but the newest events."""
    connection.execute(delete(outbox).where(outbox.c.seq <= last - keep))


def last_seq(connection: Connection) -> int:
    """Return the number of the newest event, 0 when there was none."""
    return connection.scalar(select(counter.c.value).where(counter.c.name == "outbox")) or 0


def read_since(
    connection: Connection,
    seq: int,
    *,
    topics: Collection[str] | None = None,
    limit: int = 500,
) -> EventPage:
    """Return up to `limit` events after number `seq`, all topics unless some are named."""
    newest = last_seq(connection)
    oldest = connection.scalar(select(func.min(outbox.c.seq))) or newest + 1
    if seq > newest or seq < oldest - 1:
        return EventPage((), newest, reset=True)
    query = select(outbox).where(outbox.c.seq > seq).order_by(outbox.c.seq).limit(limit)
    if topics is not None:
        query = query.where(outbox.c.topic.in_(topics))
    events = tuple(Event(*row) for row in connection.execute(query))
    seen = events[-1].seq if events else newest
    return EventPage(events, seen if len(events) == limit else max(seen, newest), reset=False)
