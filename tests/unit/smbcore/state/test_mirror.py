from __future__ import annotations

import asyncio
import threading

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import OperationalError

from smbcore.nt.clock import ManualClock
from smbcore.nt.filetime import to_datetime
from smbcore.state import mirror_writer, outbox
from smbcore.state.engine import writing
from smbcore.state.errors import StateUnavailableError
from smbcore.state.mirror import FLUSH_INTERVAL, HEARTBEAT_INTERVAL, WRITE_THROUGH_LIMIT, Mirror
from smbcore.state.schema import byte_range, lease, open_, session, tcon, version

TICK = FLUSH_INTERVAL


class Thing:
    """A record that counts how often it was asked."""

    def __init__(self, **row):
        self.values = row
        self.asked = 0

    def row(self):
        self.asked += 1
        return dict(self.values)


class Node:
    """A mirror with what tests need around it."""

    def __init__(self, store, boot="boot1"):
        self.engine = store.engine
        self.clock = ManualClock()
        self.mirror = Mirror(store.engine, "node1", boot, clock=self.clock, name="nas", addresses=["192.0.2.1"])
        self.flushed = []
        self.news = asyncio.Event()
        self.mirror.on_flushed(self.note)

    def note(self, seq, topics):
        self.flushed.append((seq, topics))
        self.news.set()

    async def tick(self):
        """Let a flush interval pass and wait for the commit that follows."""
        self.news.clear()
        self.clock.advance(TICK)
        await self.news.wait()

    def all(self, table, *columns):
        with self.engine.connect() as connection:
            chosen = [table.c[name] for name in columns] or [table]
            return connection.execute(select(*chosen).order_by(*table.primary_key.columns)).all()

    def events(self):
        with self.engine.connect() as connection:
            return [
                (e.topic, e.kind, e.key)
                for e in outbox.read_since(connection, 0).events
                if e.topic not in {"settings", "nodes"}
            ]


@pytest.fixture
async def node(store):
    made = Node(store)
    await made.mirror.start()
    yield made
    await made.mirror.stop()


async def test_what_is_put_is_stored_at_the_next_flush(node):
    node.mirror.put("session", 7, Thing(user="alice\ud800", wire_id=2**64 - 1, guest=True))
    assert node.all(session) == []
    await node.tick()
    row = node.all(session)[0]
    assert (row.key, row.user, row.wire_id, row.guest, row.anonymous) == (7, "alice\ud800", 2**64 - 1, True, False)
    assert (row.node_id, row.boot_id, row.expires_at) == ("node1", "boot1", None)
    assert node.events() == [("sessions", "added", "7")]
    assert node.flushed == [(row.seq, frozenset({"sessions"}))]


async def test_what_comes_and_goes_within_an_interval_leaves_no_trace(node):
    brief = Thing()
    node.mirror.put("open", 1, brief)
    node.mirror.drop("open", 1)
    node.mirror.put("open", 2, Thing())
    await node.tick()
    assert brief.asked == 0
    assert node.all(open_, "key") == [(2,)]
    assert node.events() == [("opens", "added", "2")]


async def test_many_changes_within_an_interval_are_one_row_and_one_event(node):
    thing = Thing(opens=0)
    for count in range(50):
        thing.values["opens"] = count
        node.mirror.put("tcon", 3, thing)
    await node.tick()
    assert thing.asked == 1
    assert node.all(tcon, "opens") == [(49,)]
    thing.values["opens"] = 99
    node.mirror.put("tcon", 3, thing)
    await node.tick()
    assert node.all(tcon, "opens") == [(99,)]
    assert node.events() == [("tcons", "added", "3"), ("tcons", "changed", "3")]


async def test_rows_carry_the_number_of_their_event(node):
    for key in (1, 2, 3):
        node.mirror.put("open", key, Thing())
    await node.mirror.flush()
    with node.engine.connect() as connection:
        numbers = {e.key: e.seq for e in outbox.read_since(connection, 0).events if e.topic == "opens"}
    assert {str(key): seq for key, seq in node.all(open_, "key", "seq")} == numbers
    assert node.flushed[-1][0] == max(numbers.values())


async def test_a_dropped_row_is_removed_with_its_byte_ranges(node):
    node.mirror.put("open", 1, Thing())
    node.mirror.put("byte_range", (1, 0, 2**64 - 1, True), Thing())
    node.mirror.put("byte_range", (2, 5, 5, False), Thing())
    node.mirror.put("lease", ("guid", "key"), Thing(state="RWH"))
    await node.mirror.flush()
    assert node.all(lease, "client_guid", "lease_key", "state") == [("guid", "key", "RWH")]
    assert len(node.all(byte_range)) == 2
    node.mirror.drop("open", 1)
    node.mirror.drop("lease", ("guid", "key"))
    await node.mirror.flush()
    assert node.all(open_) == node.all(lease) == []
    assert node.all(byte_range, "open_key", "offset", "length", "exclusive") == [(2, 5, 5, False)]
    assert ("leases", "removed", "guid:key") in node.events()


async def test_dropping_during_the_write_still_removes(node, monkeypatch):
    write = mirror_writer.write_batch
    entered, leave = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def held(*arguments):
        loop.call_soon_threadsafe(entered.set)
        asyncio.run_coroutine_threadsafe(leave.wait(), loop).result(60)
        return write(*arguments)

    monkeypatch.setattr(mirror_writer, "write_batch", held)
    node.mirror.put("open", 1, Thing())
    flushing = asyncio.create_task(node.mirror.flush())
    await entered.wait()
    node.mirror.drop("open", 1)
    leave.set()
    await flushing
    await node.mirror.flush()
    assert node.all(open_) == []
    assert [event[1] for event in node.events()] == ["added", "removed"]


async def test_large_backlogs_are_stored_in_several_batches(node):
    for key in range(2500):
        node.mirror.put("open", key, Thing())
    await node.mirror.flush()
    assert len(node.all(open_, "key")) == 2500
    assert len(node.flushed) == 3


async def test_write_through_returns_after_the_commit(node):
    await node.mirror.write_through("open", 1, Thing(durable="durable"))
    assert node.all(open_, "key", "durable") == [(1, "durable")]
    assert node.mirror.pending == 0


async def test_many_write_throughs_share_transactions_and_leave_the_rest_pending(node):
    node.mirror.put("session", 5, Thing())
    await asyncio.gather(*(node.mirror.write_through("open", key, Thing()) for key in range(100)))
    assert len(node.flushed) < 10
    assert len(node.all(open_, "key")) == 100
    assert node.mirror.pending == 1


async def test_what_is_pending_of_some_objects_can_be_waited_for(node):
    await node.mirror.write_through("open", 1, Thing())
    node.mirror.put("open", 1, Thing(durable="durable"))
    node.mirror.put("session", 5, Thing())
    await node.mirror.stored("open", [1])
    assert node.all(open_, "key", "durable") == [(1, "durable")]
    node.mirror.drop("open", 1)
    await node.mirror.stored("open", [1, 2])
    assert node.all(open_) == []
    assert node.mirror.pending == 1


async def test_no_open_is_stored_beside_one_that_waits_to_be_removed(node):
    """The new one may contradict the old one: both have the file for themselves."""
    await node.mirror.write_through("open", 1, Thing())
    node.mirror.drop("open", 1)
    await node.mirror.write_through("open", 2, Thing())
    assert node.all(open_, "key") == [(2,)]


async def test_an_outage_loses_nothing_and_is_told_to_those_who_wait(node, caplog):
    with writing(node.engine) as connection:
        connection.execute(text("ALTER TABLE session RENAME TO hidden"))
    node.mirror.put("session", 1, Thing(user="alice"))
    node.mirror.put("open", 1, Thing())
    with pytest.raises(StateUnavailableError):
        await node.mirror.flush()
    with pytest.raises(StateUnavailableError):
        await node.mirror.write_through("session", 2, Thing(user="bob"))
    assert node.mirror.pending == 3
    node.mirror.drop("open", 1)  # may have been stored: must be removed
    with writing(node.engine) as connection:
        connection.execute(text("ALTER TABLE hidden RENAME TO session"))
    await node.mirror.flush()
    assert node.all(session, "key", "user") == [(1, "alice"), (2, "bob")]
    assert node.all(open_) == []
    assert {event for event in node.events() if event[0] == "sessions"} == {
        ("sessions", "added", "1"),
        ("sessions", "added", "2"),
    }
    assert [record.levelname for record in caplog.records if "take" in record.message] == ["ERROR", "WARNING"]


async def test_retries_come_later_and_later(node, monkeypatch):
    tries = []

    def fail(*_):
        tries.append(node.clock.monotonic())
        raise OperationalError("INSERT", {}, Exception("disk is full"))

    with monkeypatch.context() as patch:
        patch.setattr(mirror_writer, "write_batch", fail)
        node.mirror.put("open", 1, Thing())
        while len(tries) < 10:
            while not node.clock.pending:  # the next try is scheduled after the last one has failed
                await asyncio.sleep(0)
            node.clock.advance(0.25)
        while not node.clock.pending:
            await asyncio.sleep(0)
    waits = [later - earlier for earlier, later in zip(tries, tries[1:], strict=False)]
    assert waits == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    node.clock.advance(30)
    await node.news.wait()
    assert node.all(open_, "key") == [(1,)]


@pytest.mark.parametrize("poison", [{"path": None}, {"access": 2**70}, {"opened_at": "yesterday"}, {"nonsense": 1}])
async def test_a_row_that_the_database_refuses_does_not_block_the_others(node, poison, caplog):
    node.mirror.put("open", 1, Thing())
    node.mirror.put("open", 2, Thing(**poison))
    node.mirror.put("open", 3, Thing())
    await node.mirror.flush()
    assert node.all(open_, "key") == [(1,), (3,)]
    assert node.events() == [("opens", "added", "1"), ("opens", "added", "3")]
    assert node.mirror.pending == 0
    assert any("open 2" in record.message and record.levelname == "ERROR" for record in caplog.records)
    with pytest.raises(StateUnavailableError):
        await node.mirror.write_through("open", 2, Thing(**poison))


@pytest.mark.parametrize("poison", [{"access": 2**70}, {"nonsense": 1}], ids=["refused", "unusable"])
async def test_what_the_database_has_goes_when_what_is_newer_is_refused(node, poison):
    """1 a row is stored  2 its next one is refused: the old one is not true any more  3 a good one is stored again."""
    await node.mirror.write_through("open", 1, Thing(durable="durable"))
    with pytest.raises(StateUnavailableError):
        await node.mirror.write_through("open", 1, Thing(**poison))
    await node.mirror.flush()
    assert node.all(open_) == []
    await node.mirror.write_through("open", 1, Thing(durable="durable"))
    node.mirror.put("open", 2, Thing())
    node.mirror.put("open", 1, Thing(**poison))
    await node.mirror.flush()
    node.mirror.drop("open", 1)
    await node.mirror.flush()
    assert node.all(open_, "key") == [(2,)]
    assert node.mirror.pending == 0


async def test_a_failing_listener_disturbs_nobody(node):
    node.mirror.on_flushed(lambda *_: 1 / 0)
    node.mirror.put("open", 1, Thing())
    await node.mirror.flush()
    assert len(node.flushed) == 1


async def test_the_node_announces_itself_beats_and_goes(store):
    node = Node(store)
    await node.mirror.start()
    row = node.all(version)[0]
    assert (row.node_id, row.boot_id, row.name, row.addresses, row.state) == (
        "node1",
        "boot1",
        "nas",
        ["192.0.2.1"],
        "up",
    )
    assert row.started_at == row.heartbeat_at == to_datetime(node.clock.now())
    node.clock.advance(HEARTBEAT_INTERVAL)
    while node.all(version)[0].heartbeat_at == row.heartbeat_at:
        await asyncio.sleep(0)
    await node.mirror.announce("stopping")
    assert node.all(version)[0].state == "stopping"
    await node.mirror.stop()
    assert node.all(version)[0].state == "down"


async def test_stopping_stores_what_is_pending(store):
    node = Node(store)
    await node.mirror.start()
    node.mirror.put("open", 1, Thing())
    await node.mirror.stop()
    assert node.all(open_, "key") == [(1,)]
    with pytest.raises(StateUnavailableError, match="not running"):
        await node.mirror.flush()
    await node.mirror.stop()


async def test_a_database_that_cannot_be_used_stops_the_start(store):
    with writing(store.engine) as connection:
        connection.execute(text("DROP TABLE version"))
    with pytest.raises(StateUnavailableError, match="cannot be used"):
        await Node(store).mirror.start()


async def test_a_restart_keeps_durable_opens_with_what_belongs_to_them(store):
    """1 a boot stores opens; 2 it ends without a word; 3 the next one finds the durable ones, disconnected."""
    first = Node(store)
    await first.mirror.start()
    mirror = first.mirror
    mirror.put("session", 1, Thing())
    mirror.put("tcon", 2, Thing(session_key=1))
    mirror.put("open", 3, Thing(session_key=1, tcon_key=2))
    mirror.put(
        "open",
        4,
        Thing(session_key=1, tcon_key=2, durable="persistent", client_guid="g", lease_key="k", path="a\ud800"),
    )
    mirror.put("lease", ("g", "k"), Thing(state="RWH"))
    mirror.put("lease", ("g", "gone"), Thing(state="R"))
    mirror.put("byte_range", (3, 0, 1, True), Thing())
    mirror.put("byte_range", (4, 0, 1, True), Thing())
    await mirror.stop()

    second = Node(store, "boot2")
    second.clock.advance(100)
    survivors = await second.mirror.start()
    assert [row["key"] for row in survivors.opens] == [4]
    kept = survivors.opens[0]
    assert (kept["path"], kept["session_key"], kept["tcon_key"], kept["boot_id"]) == ("a\ud800", None, None, "boot2")
    assert kept["disconnected_at"] == to_datetime(second.clock.now())
    assert [row["lease_key"] for row in survivors.leases] == ["k"]
    assert [row["open_key"] for row in survivors.byte_ranges] == [4]
    assert second.all(session) == second.all(tcon) == []
    assert second.all(open_, "key") == [(4,)]
    assert set(second.events()[-7:]) == {
        ("opens", "removed", "3"), ("leases", "removed", "g:gone"), ("locks", "removed", "3:0:1:True"),
        ("tcons", "removed", "2"), ("sessions", "removed", "1"), ("opens", "changed", "4"),
        ("locks", "added", "4:0:1:True"),
    }  # fmt: skip

    second.mirror.drop("open", 4)  # its client did not come back
    second.mirror.drop("lease", ("g", "k"))
    await second.mirror.flush()
    assert second.all(open_) == second.all(byte_range) == second.all(lease) == []
    await second.mirror.stop()


async def test_rows_of_other_nodes_are_left_alone(store):
    first = Node(store)
    await first.mirror.start()
    first.mirror.put("session", 1, Thing())
    await first.mirror.stop()
    other = Mirror(store.engine, "node2", "boot9", clock=ManualClock())
    assert (await other.start()).opens == ()
    await other.stop()
    assert first.all(session, "key", "node_id") == [(1, "node1")]
    with store.engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(version)) == 2


async def test_what_goes_while_a_batch_is_written_does_not_hold_up_the_next(node):
    """An open that is closed before its turn leaves a large flush with less to do than it counted."""

    class Closing(Thing):
        def row(self):
            for key in range(1001, 2000):  # beyond the first batch
                node.mirror.drop("open", key)
            return super().row()

    node.mirror.put("open", 1, Closing(path="a"))
    for key in range(2, 2000):
        node.mirror.put("open", key, Thing(path="b"))
    await node.mirror.flush()
    assert node.all(open_, "key") == [(key,) for key in range(1, 1001)]


async def test_write_through_waits_only_so_long(node, monkeypatch):
    """1 the database hangs, 2 who stores before going on hears so after the limit, 3 the row follows later."""
    write, leave = mirror_writer.write_batch, threading.Event()

    def hang(*arguments):
        leave.wait(10)
        return write(*arguments)

    monkeypatch.setattr(mirror_writer, "write_batch", hang)
    storing = asyncio.ensure_future(node.mirror.write_through("session", 1, Thing(user="alice")))
    await asyncio.sleep(0)
    node.clock.advance(WRITE_THROUGH_LIMIT)
    with pytest.raises(StateUnavailableError, match="within"):
        await storing
    leave.set()
    await node.mirror.flush()
    assert node.all(session, "user") == [("alice",)]


async def test_one_success_after_an_outage_brings_everything_along(node, monkeypatch):
    """The retries are far apart by then; what waits need not wait for the next one."""
    write = mirror_writer.write_batch

    def refuse(*arguments):
        raise OperationalError("none", {}, Exception("no database"))

    monkeypatch.setattr(mirror_writer, "write_batch", refuse)
    node.mirror.put("open", 5, Thing(path="waits"))
    for _ in range(8):
        with pytest.raises(StateUnavailableError):
            await node.mirror.flush()
    monkeypatch.setattr(mirror_writer, "write_batch", write)
    await node.mirror.write_through("session", 1, Thing(user="alice"))
    for _ in range(100):
        if not node.mirror.pending:
            break
        await node.news.wait()
        node.news.clear()
    await node.mirror.write_through("session", 1, Thing(user="alice"))
    assert node.all(open_, "path") == [("waits",)]
