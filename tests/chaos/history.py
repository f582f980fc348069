"""What clients had, and when: to look afterwards for two who had at one time what is for one alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter

from smbcore.wire.create_contexts import LEASE_WRITE


@dataclass
class Held:
    """When one client surely had something for itself: from the answer that gave it until it was sent back."""

    what: str
    client: int
    since: float
    until: float = 0.0


@dataclass
class Cached:
    """When one client surely had a lease of a file: from the answer that told so until the last request that was sent
    with it and answered. An outage belongs to it if the handle came back with the same state and epoch.
    """

    file: str
    lease_key: bytes
    caching: int
    since: float
    until: float


def conflicts(history: Sequence[Held]) -> list[str]:
    """Return a fault for every time at which two had something that is for one alone."""
    faults, latest = [], {}
    for held in sorted(history, key=attrgetter("since")):
        before = latest.setdefault(held.what, held)
        if before is not held and held.since < before.until:
            faults.append(f"{held.what} was held by {before.client} and {held.client} at one time")
        latest[held.what] = max(before, held, key=attrgetter("until"))
    return faults


def lease_conflicts(history: Iterable[Cached]) -> list[str]:
    """Return a fault for every time at which one client cached writes and another one cached anything."""
    faults = []
    running: defaultdict[str, list[Cached]] = defaultdict(list)
    for cached in sorted(history, key=attrgetter("since")):
        others = [other for other in running[cached.file] if other.until > cached.since]
        faults += [
            f"{cached.file}: {other.caching} of {other.lease_key.hex()[:8]} and {cached.caching} of "
            f"{cached.lease_key.hex()[:8]} at one time, for {other.until - cached.since:.3f} s"
            for other in others
            if other.lease_key != cached.lease_key and (other.caching | cached.caching) & LEASE_WRITE
        ]
        running[cached.file] = [*others, cached]
    return faults
