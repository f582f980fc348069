"""What the storm takes for a conflict."""

from __future__ import annotations

import pytest

from tests.chaos.history import Cached, Held, conflicts, lease_conflicts

R, RH, RWH = 1, 3, 7


def cached(key, caching, since, until, file="files\\one"):
    return Cached(file, bytes([key]) * 16, caching, since, until)


def test_one_after_the_other_is_none():
    assert not conflicts([Held("a", 1, 0.0, 1.0), Held("a", 2, 1.0, 2.0), Held("b", 3, 0.5, 1.5)])


def test_a_short_one_within_a_long_one_and_what_follows():
    assert len(conflicts([Held("a", 1, 0.0, 9.0), Held("a", 2, 1.0, 2.0), Held("a", 3, 3.0, 4.0)])) == 2


@pytest.mark.parametrize(
    ("history", "faults"),
    [
        ([cached(1, RWH, 0, 2), cached(2, R, 2, 3)], 0),
        ([cached(1, RWH, 0, 2), cached(2, R, 1, 3)], 1),
        ([cached(1, RH, 0, 2), cached(2, RWH, 1, 3)], 1),
        ([cached(1, RH, 0, 2), cached(2, R, 1, 3)], 0),
        ([cached(1, RWH, 0, 2), cached(1, RH, 1, 3)], 0),
        ([cached(1, RWH, 0, 2), cached(2, RWH, 1, 3, file="files\\two")], 0),
        ([cached(1, RWH, 0, 9), cached(2, R, 1, 2), cached(3, R, 3, 4)], 2),
    ],
    ids=["after", "beside", "grown", "readers", "own", "other file", "twice"],
)
def test_writes_are_cached_by_one_alone(history, faults):
    assert len(lease_conflicts(history)) == faults
