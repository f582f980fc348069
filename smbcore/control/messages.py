"""The messages themselves.

A command is answered by exactly one reply: Done or Failed, unless its docstring names another.  Keys are those of
the tables session, tcon and open.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(slots=True)
class Ping:
    """Ask for a sign of life; answered by Pong."""


@dataclass(slots=True)
class Pong:
    """Who answers, and since when (ISO 8601)."""

    node_id: str
    boot_id: str
    software: str
    started_at: str


@dataclass(slots=True)
class ReloadConfiguration:
    """Read shares, accounts and settings again. Done.count: number of shares."""


@dataclass(slots=True)
class DisconnectSession:
    """End one session with all it holds. Done.count: number of opens closed."""

    session_key: int
    reason: str = ""


@dataclass(slots=True)
class DisconnectTcon:
    """End one tree connect with all it holds. Done.count: number of opens closed."""

    tcon_key: int
    reason: str = ""


@dataclass(slots=True)
class CloseOpen:
    """Close one open, connected or waiting for its client to come back. Done.count: 1.

    polite_wait  seconds to wait for the client to write back what it caches, before the open is closed; 0 closes at
                 once. Done.detail says what became of the wait.
    """

    open_key: int
    reason: str = ""
    polite_wait: float = 0.0


@dataclass(slots=True)
class BreakLease:
    """Take back what a client may cache of a file. Done.count: 1 if the client has given it back, 0 if it was asked.

    client_guid, lease_key  32 hex digits each, the keys of the table lease
    keep                    what it may go on caching: "", "R" or "RH"
    wait                    seconds to wait for the client's answer; the break goes on afterwards
    """

    client_guid: str
    lease_key: str
    keep: str = ""
    wait: float = 0.0
    reason: str = ""


@dataclass(slots=True)
class ListWaiting:
    """Ask who waits for leases that are being broken; answered by Waiting."""


@dataclass(slots=True)
class Waiting:
    """Names of the users who wait, by "CLIENT_GUID:LEASE_KEY"."""

    users: dict[str, list[str]]


@dataclass(slots=True)
class QueryUsage:
    """Ask what the files of a share take; answered by Usage."""

    share: str


@dataclass(slots=True)
class Usage:
    """What the files of a share take, in bytes.

    disk_total, disk_free, disk_available  of the file system that it is on
    state   "off" nobody counts, "counting" for the first time, "counted"
    used    of all files, 0 unless counted;  owners  the same by the SIDs of owners
    """

    disk_total: int
    disk_free: int
    disk_available: int
    state: str
    used: int
    owners: dict[str, int]


@dataclass(slots=True)
class ListUnanswered:
    """Ask which clients do not answer breaks; answered by Unanswered."""


@dataclass(slots=True)
class Unanswered:
    """Clients that have left breaks unanswered, by the keys of their sessions.

    breaks    how many, in all
    withheld  keys of those that get no more oplocks and leases for now
    """

    breaks: dict[str, int]
    withheld: list[str]


@dataclass(slots=True)
class DisconnectUser:
    """End all sessions of an account. Done.count: number of sessions ended, may be 0."""

    name: str
    reason: str = ""


@dataclass(slots=True)
class ListCounters:
    """Ask for the core's counters; answered by Counters."""


@dataclass(slots=True)
class Counters:
    """Counters and gauges by name."""

    values: dict[str, int]


@dataclass(slots=True)
class Subscribe:
    """Be told of changes from now on: Done once, then any number of Changed. No topics: all of them."""

    topics: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Changed:
    """The outbox has news up to `seq`, in these topics; read them there."""

    seq: int
    topics: list[str]


@dataclass(slots=True)
class Done:
    """The command was carried out; `count` as the command says."""

    detail: str = ""
    count: int = 0


@dataclass(slots=True)
class Failed:
    """The command was refused: a word for programs, a sentence for people."""

    code: str
    message: str


Message = (
    Ping
    | Pong
    | ReloadConfiguration
    | DisconnectSession
    | DisconnectTcon
    | CloseOpen
    | BreakLease
    | ListWaiting
    | Waiting
    | QueryUsage
    | Usage
    | ListUnanswered
    | Unanswered
    | DisconnectUser
    | ListCounters
    | Counters
    | Subscribe
    | Changed
    | Done
    | Failed
)

MESSAGES: Mapping[str, type[Message]] = MappingProxyType(
    {
        cls.__name__: cls
        for cls in (
            Ping,
            Pong,
            ReloadConfiguration,
            DisconnectSession,
            DisconnectTcon,
            CloseOpen,
            BreakLease,
            ListWaiting,
            Waiting,
            QueryUsage,
            Usage,
            ListUnanswered,
            Unanswered,
            DisconnectUser,
            ListCounters,
            Counters,
            Subscribe,
            Changed,
            Done,
            Failed,
        )
    }
)
"""Every message by the name it has on the wire."""
