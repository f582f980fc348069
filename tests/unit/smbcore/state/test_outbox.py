from __future__ import annotations

import pytest

from smbcore.state import outbox
from smbcore.state.engine import writing
from smbcore.state.outbox import Change


@pytest.fixture
def base(store):
    """The number of the last event before the test."""
    with store.engine.connect() as connection:
        return outbox.last_seq(connection)


def fill(connection, count, now, topic="opens"):
    return outbox.append(connection, [Change(topic, "added", str(n)) for n in range(count)], now=now, node_id="n1")


def test_events_come_back_in_order_with_all_fields(store, now, base):
    changes = [Change("sessions", "added", "7"), Change("opens", "changed", "8"), Change("shares", "removed", "9")]
    with writing(store.engine) as connection:
        first = outbox.append(connection, changes, now=now, node_id="n1")
        page = outbox.read_since(connection, base)
    assert first == base + 1
    assert [(e.seq, e.at, e.topic, e.kind, e.key, e.node_id) for e in page.events] == [
        (first + n, now, change.topic, change.kind, change.key, "n1") for n, change in enumerate(changes)
    ]
    assert (page.last_seq, page.reset) == (first + 2, False)


def test_a_rolled_back_transaction_leaves_no_gap(store, now, base):
    with pytest.raises(ZeroDivisionError), writing(store.engine) as connection:
        fill(connection, 3, now)
        raise ZeroDivisionError
    with writing(store.engine) as connection:
        assert fill(connection, 1, now) == base + 1


def test_pages_are_read_on_from_their_last_number(store, now, base):
    with writing(store.engine) as connection:
        fill(connection, 5, now)
        seen, position = [], base
        while (page := outbox.read_since(connection, position, limit=2)).events:
            seen += [event.seq for event in page.events]
            position = page.last_seq
    assert seen == list(range(base + 1, base + 6))


def test_topics_that_are_not_asked_for_are_skipped_for_good(store, now, base):
    with writing(store.engine) as connection:
        fill(connection, 2, now, "opens")
        fill(connection, 1, now, "shares")
        fill(connection, 2, now, "opens")
        page = outbox.read_since(connection, base, topics=["shares"])
    assert [event.seq for event in page.events] == [base + 3]
    assert page.last_seq == base + 5


def test_whoever_was_away_for_too_long_is_told_to_start_over(store, now, base):
    with writing(store.engine) as connection:
        last = fill(connection, 20, now) + 19
        outbox.prune(connection, last, keep=10)
        assert outbox.read_since(connection, last - 11).reset
        assert not outbox.read_since(connection, last - 10).reset
        assert outbox.read_since(connection, last + 1).reset  # numbers of another database


def test_the_outbox_keeps_a_bounded_number_of_rows(store, now):
    with writing(store.engine) as connection:
        for _ in range(21):
            fill(connection, 500, now)
        page = outbox.read_since(connection, 0, limit=10)
        assert page.reset
        newest = outbox.last_seq(connection)
        assert not outbox.read_since(connection, newest - outbox.KEPT_ROWS, limit=1).reset
        assert outbox.read_since(connection, newest - outbox.KEPT_ROWS - 600, limit=1).reset


def test_nothing_to_append_takes_no_number(store, now, base):
    with writing(store.engine) as connection:
        assert outbox.append(connection, [], now=now) == base + 1
        assert outbox.last_seq(connection) == base
