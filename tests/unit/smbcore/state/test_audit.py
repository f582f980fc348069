from __future__ import annotations

from datetime import timedelta

import pytest

from smbcore.state import audit, outbox
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


# -- announcing --
def test_a_record_is_announced(db, now):
    number = audit.record(db, Entry("bob", "sign_in"), now=now)
    newest = outbox.read_since(db, 0).events[-1]
    assert (newest.topic, newest.kind, newest.key) == ("audit", "added", str(number))


# -- keeping --
def kept(db):
    return sorted(int(name.removeprefix("share s")) for name in objects(audit.search(db)))


def test_records_are_surplus_by_age_and_by_number_and_not_by_days_0(db, now):
    at = now + timedelta(days=400, seconds=3)
    assert audit.count(db, audit.find_surplus(db, days=400, records=10, now=at)) == 3
    assert audit.count(db, audit.find_surplus(db, days=400, records=2, now=at)) == 4
    assert audit.count(db, audit.find_surplus(db, days=0, records=10, now=at)) == 0
    assert audit.count(db, audit.find_surplus(db, days=0, records=6, now=at)) == 0
    assert audit.count(db, audit.find_surplus(db, days=0, records=5, now=at)) == 1


def test_surplus_records_go_in_batches_the_oldest_first(db, now):
    surplus = audit.find_surplus(db, days=1, records=10, now=now + timedelta(days=1, seconds=5))
    assert audit.has(db, surplus)
    assert audit.prune(db, surplus, 2) == 2
    assert kept(db) == [2, 3, 4, 5]
    assert audit.prune(db, surplus, 100) == 3
    assert kept(db) == [5]
    assert not audit.has(db, surplus)
    assert audit.prune(db, surplus, 100) == 0


def test_the_newest_records_stay_however_old(db, now):
    assert audit.prune(db, audit.find_surplus(db, days=0, records=2, now=now + timedelta(days=9999)), 100) == 4
    assert kept(db) == [4, 5]


def test_a_record_that_counts_repetitions_can_be_gone(db, now):
    first = audit.search(db)[-1].id
    audit.prune(db, audit.find_surplus(db, days=0, records=1, now=now), 100)
    audit.amend(db, first, {"times": 2})
    assert kept(db) == [5]


def test_an_unknown_outcome_is_a_mistake_of_ours(db, now):
    with pytest.raises(ValueError, match="unknown outcome"):
        audit.record(db, Entry("a", "b", outcome="maybe"), now=now)
