from __future__ import annotations

from datetime import timedelta

import pytest

from smbcore.state import audit
from smbcore.state.audit import Entry, Filter
from smbcore.state.engine import writing


@pytest.fixture
def db(store, now):
    with writing(store.engine) as connection:
        for number in range(6):
            actor = "alice" if number % 2 else "bob"
            entry = Entry(actor, "share.create", f"share s{number}", address="192.0.2.1", detail={"number": number})
            audit.record(connection, entry, now=now + timedelta(seconds=number))
        yield connection


def objects(records):
    return [record.object for record in records]


def test_records_come_newest_first_with_all_fields(db, now):
    newest = audit.search(db)[0]
    assert (newest.at, newest.actor, newest.action, newest.object, newest.outcome, newest.address, newest.detail) == (
        now + timedelta(seconds=5), "alice", "share.create", "share s5", "done", "192.0.2.1", {"number": 5},
    )  # fmt: skip


def test_pages_go_on_before_the_last_number(db):
    first = audit.search(db, limit=4)
    assert objects(first + audit.search(db, before=first[-1].id)) == [f"share s{n}" for n in (5, 4, 3, 2, 1, 0)]


@pytest.mark.parametrize(
    "wanted, numbers",
    [
        (Filter(actor="bob"), [4, 2, 0]),
        (Filter(object="share s3"), [3]),
        (Filter(object="share _"), []),
        (Filter(action="other"), []),
        (Filter(outcome="done", actor="alice"), [5, 3, 1]),
    ],
)
def test_filters_restrict(db, wanted, numbers):
    assert objects(audit.search(db, wanted)) == [f"share s{n}" for n in numbers]


def test_times_restrict_from_up_to_before(db, now):
    wanted = Filter(since=now + timedelta(seconds=1), until=now + timedelta(seconds=3))
    assert objects(audit.search(db, wanted)) == ["share s2", "share s1"]


def test_old_records_can_be_removed(db, now):
    assert audit.prune(db, before=now + timedelta(seconds=4)) == 4
    assert objects(audit.search(db)) == ["share s5", "share s4"]


def test_an_unknown_outcome_is_a_mistake_of_ours(db, now):
    with pytest.raises(ValueError, match="unknown outcome"):
        audit.record(db, Entry("a", "b", outcome="maybe"), now=now)
