"""Which of the store's news are ours; what local programs do is in tests/unit/smbcore/vfs/posix/test_inotify.py."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from smbcore.fsa import notify
from smbcore.fsa.backend import LocalChange
from smbcore.fsa.local_changes import LocalChanges
from smbcore.nt.clock import ManualClock

NAME = ("d", "a")
ADDED, REMOVED = LocalChange(LocalChange.ADDED, NAME, False), LocalChange(LocalChange.REMOVED, NAME, False)


class Watched:
    """Stands for a volume: its clock, and what watchers are told."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.config = SimpleNamespace(local_changes=True)
        self.changes = 0
        self.told: list[int] = []
        self.local = LocalChanges(self)  # type: ignore[arg-type]

    def changed(self, changes: list[notify.Change], *_: Any, **__: Any) -> None:
        self.told += [action for action, _, _ in changes]


@pytest.fixture
def volume() -> Watched:
    return Watched()


def test_our_own_news_are_not_passed_on_and_others_are(volume: Watched) -> None:
    volume.local.expect([(notify.ADDED, NAME, "")])
    volume.local.told([ADDED])
    assert volume.told == []
    volume.local.told([ADDED, REMOVED])
    assert volume.told == [notify.ADDED, notify.REMOVED]


def test_what_the_store_never_told_of_is_forgotten(volume: Watched) -> None:
    """1 a name comes and goes where nobody observes it, 2 much later it is observed, and comes by us: no news."""
    for _ in range(10_000):
        volume.local.expect([(notify.ADDED, NAME, "")])
        volume.local.expect([(notify.REMOVED, NAME, "")])
        volume.clock.advance(1)
    assert sum(map(len, volume.local._expected.values())) <= 6
    volume.clock.advance(10)
    volume.local.expect([(notify.ADDED, NAME, "")])
    volume.local.told([ADDED])
    assert volume.told == []
