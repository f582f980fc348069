"""Incidents become records of the audit log: repetitions are counted, and nobody can make the log grow at will."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from smbcore.nt.clock import ManualClock
from smbcore.state import audit, outbox
from smbcore.state.engine import writing
from smbcore.state.errors import StateUnavailableError
from smbcore.state.incidents import MANY, MOST_WAITING, PER_ADDRESS, TOTAL, WINDOW, Incident, Incidents, write
from smbcore.state.mirror import FLUSH_INTERVAL, Mirror

NOW = datetime(2026, 11, 22, tzinfo=UTC)
STOLEN = Incident(
    "handle.reconnect", "bob", "10.0.0.7", "data\\file.txt", "ACCESS_DENIED", "user", {"sid": "S-1-5-21-1-2-3-1001"}
)


def records(engine):
    with engine.connect() as connection:
        return audit.search(connection, limit=10_000)


def announced(engine):
    with engine.connect() as connection:
        found = outbox.read_since(connection, 0, topics=["audit"]).events
    return [(item.kind, item.key) for item in found]


@pytest.fixture
async def mirror(store):
    made = Mirror(store.engine, "node1", "boot1", clock=ManualClock())
    made.engine, made.clock = store.engine, made._clock
    await made.start()
    yield made
    await made.stop()


async def test_an_incident_is_recorded_with_the_next_flush(mirror):
    assert mirror.report(STOLEN)
    await mirror.flush()
    (found,) = records(mirror.engine)
    assert (found.actor, found.action, found.object) == ("bob", "handle.reconnect", "data\\file.txt")
    assert (found.outcome, found.address) == ("refused", "10.0.0.7")
    assert dict(found.detail) == {"condition": "user", "status": "ACCESS_DENIED", "sid": "S-1-5-21-1-2-3-1001"}


async def test_an_incident_is_recorded_by_the_timer_alone(mirror):
    mirror.report(STOLEN)
    for _ in range(10_000):
        mirror.clock.advance(FLUSH_INTERVAL)
        await asyncio.sleep(0)
        if records(mirror.engine):
            break
    assert len(records(mirror.engine)) == 1


async def test_repetitions_are_counted_in_the_record_that_there_is(mirror):
    assert mirror.report(STOLEN)
    await mirror.flush()
    for _ in range(1000):
        mirror.clock.advance(0.1)
        assert not mirror.report(STOLEN)
    await mirror.flush()
    (found,) = records(mirror.engine)
    assert found.detail["times"] == 1001
    assert found.detail["last_at"] > found.at.isoformat()


async def test_new_records_are_announced_one_by_one_and_repetitions_once_a_batch(mirror):
    other = Incident("sign_in", "", "10.0.0.7", "user bob", condition="password")
    mirror.report(STOLEN)
    mirror.report(other)
    await mirror.flush()
    numbers = [str(record.id) for record in records(mirror.engine)]
    assert sorted(announced(mirror.engine)) == sorted(("added", number) for number in numbers)
    mirror.report(STOLEN)
    mirror.report(other)
    await mirror.flush()
    assert announced(mirror.engine)[2:] == [("changed", "")]
    mirror.report(other)
    await mirror.flush()
    assert announced(mirror.engine)[3:] == [("changed", numbers[0])]


async def test_after_the_window_it_is_news_again(mirror):
    mirror.report(STOLEN)
    mirror.clock.advance(WINDOW + 1)
    assert mirror.report(STOLEN)
    await mirror.flush()
    assert [record.detail.get("times", 1) for record in records(mirror.engine)] == [1, 1]


async def test_one_address_gets_so_many_records_and_the_rest_is_counted(mirror):
    for number in range(5000):
        mirror.report(Incident("handle.reconnect", "eve", "10.0.0.6", f"handle {number:#x}", condition="unknown"))
    mirror.report(STOLEN)
    await mirror.flush()
    found = records(mirror.engine)
    assert len(found) == PER_ADDRESS + 2
    (rest,) = [record for record in found if record.detail["condition"] == MANY]
    assert (rest.object, rest.address, rest.detail["times"]) == ("", "10.0.0.6", 5000 - PER_ADDRESS)
    assert sum(record.address == "10.0.0.7" for record in found) == 1


async def test_all_addresses_together_get_so_many(mirror):
    for number in range(TOTAL + 300):
        mirror.report(Incident("sign_in", "", f"10.{number >> 8}.{number & 255}.1", condition="password"))
    await mirror.flush()
    found = records(mirror.engine)
    assert len(found) == TOTAL + 1
    assert found[0].detail == {"condition": MANY, "times": 300, "last_at": found[0].at.isoformat()}


def test_memory_is_given_back_after_the_window():
    clock = ManualClock()
    incidents = Incidents(clock)
    for number in range(TOTAL):
        incidents.report(Incident("sign_in", "", f"10.0.{number >> 8}.{number & 255}"))
    incidents.take()
    clock.advance(WINDOW + 1)
    incidents.report(STOLEN)
    assert (len(incidents._entries), incidents._by_address, incidents.pending) == (1, {"10.0.0.7": 1}, 1)


def test_memory_is_bounded_while_nothing_can_be_stored():
    clock = ManualClock()
    incidents = Incidents(clock)
    for hour in range(10):
        for number in range(TOTAL):
            incidents.report(Incident("sign_in", "", f"10.{hour}.{number >> 8}.{number & 255}"))
        clock.advance(3600)
    assert incidents.pending == MOST_WAITING
    batch = incidents.take()
    assert batch[0].incident.address == "10.0.0.0"
    incidents.report(STOLEN)
    incidents.put_back(batch)
    assert incidents.pending == MOST_WAITING
    assert incidents.take()[0].incident == STOLEN


async def test_a_failing_database_delays_records_and_loses_none(mirror):
    def refuse(*_):
        raise OperationalError("insert", None, Exception("disk I/O error"))

    mirror.report(STOLEN)
    event.listen(mirror.engine, "before_cursor_execute", refuse)
    with pytest.raises(StateUnavailableError):
        await mirror.flush()
    mirror.report(STOLEN)
    event.remove(mirror.engine, "before_cursor_execute", refuse)
    await mirror.flush()
    (found,) = records(mirror.engine)
    assert found.detail["times"] == 2


async def test_a_record_that_the_database_refuses_does_not_keep_others_out(mirror, caplog):
    mirror.report(Incident("bad", detail={"what": object()}))
    mirror.report(STOLEN)
    await mirror.flush()
    assert [record.action for record in records(mirror.engine)] == ["handle.reconnect"]
    assert "refuses a record of bad" in caplog.text


def test_only_the_newest_refusals_of_an_action_stay(store):
    """Days of failed sign-ins remove their own kind, and no deed of an administrator."""
    with writing(store.engine) as connection:
        audit.record(connection, audit.Entry("admin", "sign_in", "user admin"), now=NOW)
        audit.record(connection, audit.Entry("admin", "share.create", "share docs"), now=NOW)
    clock = ManualClock()
    for day in range(4):
        waiting = Incidents(clock)
        for number in range(TOTAL):
            waiting.report(Incident("sign_in", "", f"10.{day}.{number >> 8}.{number & 255}", condition="password"))
        write(store.engine, waiting.take(), kept=100)
    found = records(store.engine)
    refused = [record for record in found if record.outcome == "refused"]
    assert 100 <= len(refused) < 100 + 500
    assert [record.action for record in found if record.outcome == "done"] == ["share.create", "sign_in"]
    assert refused[0].address == f"10.3.{(TOTAL - 1) >> 8}.{(TOTAL - 1) & 255}"


async def test_what_is_pending_at_the_end_is_stored(store):
    mirror = Mirror(store.engine, "node1", "boot1", clock=ManualClock())
    await mirror.start()
    mirror.report(STOLEN)
    await mirror.stop()
    assert len(records(store.engine)) == 1


async def test_text_of_peers_is_stored_as_it_came(mirror):
    mirror.report(Incident("handle.reconnect", "bob", "10.0.0.7", "data\\\ud800\x00"))
    await mirror.flush()
    assert records(mirror.engine)[0].object == "data\\\ud800\x00"
