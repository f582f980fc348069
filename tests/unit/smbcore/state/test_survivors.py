from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from smbcore.state import outbox
from smbcore.state.engine import writing
from smbcore.state.mirror_writer import Item, NodeInfo, write_batch
from smbcore.state.schema import open_
from smbcore.state.survivors import take_over


@pytest.fixture
def put(store, now):
    def write(*items, boot="boot1", node="node1"):
        write_batch(store.engine, NodeInfo(node, boot, "", "", ()), [Item(*item, is_new=True) for item in items], now)

    return write


def test_the_first_boot_finds_nothing_and_says_nothing(store, now):
    with writing(store.engine) as connection:
        before = outbox.last_seq(connection)
        found = take_over(connection, "node1", "boot1", now=now)
        assert (found.opens, found.leases, found.byte_ranges) == ((), (), ())
        assert outbox.last_seq(connection) == before


def test_the_time_of_an_earlier_disconnect_is_kept(store, put, now):
    put(("open", 1, {"durable": "durable", "disconnected_at": now}), ("open", 2, {"durable": "durable"}))
    later = now + timedelta(seconds=30)
    with writing(store.engine) as connection:
        found = take_over(connection, "node1", "boot2", now=later)
    assert [row["disconnected_at"] for row in found.opens] == [now, later]


def test_rows_of_this_boot_and_of_other_nodes_stay(store, put, now):
    put(("open", 1, {}), boot="boot2")
    put(("open", 2, {}), node="node2")
    put(("open", 3, {}))
    with writing(store.engine) as connection:
        found = take_over(connection, "node1", "boot2", now=now)
        assert connection.scalars(select(open_.c.key).order_by(open_.c.key)).all() == [1, 2]
    assert [row["key"] for row in found.opens] == [1]


def test_survivors_outlive_several_restarts(store, put, now):
    put(("open", 1, {"durable": "persistent"}), ("byte_range", (1, 0, 5, True), {}))
    for boot in ("boot2", "boot3", "boot4"):
        with writing(store.engine) as connection:
            found = take_over(connection, "node1", boot, now=now)
        assert found.keys() == {"open": [1], "lease": [], "byte_range": [(1, 0, 5, True)]}
