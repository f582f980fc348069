from __future__ import annotations

import pytest
from sqlalchemy import event, select
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InterfaceError, OperationalError, StatementError

from smbcore.state import outbox
from smbcore.state.mirror_writer import KINDS, Item, NodeInfo, check_row, is_rows_fault, write_batch
from smbcore.state.schema import open_, session

NODE = NodeInfo("node1", "boot1", "nas", "holdfast", ())


class DriverError(Exception):
    def __init__(self, sqlstate=None, cause=None):
        super().__init__(sqlstate)
        if sqlstate:
            self.sqlstate = sqlstate
        self.__cause__ = cause


@pytest.mark.parametrize(
    "error, fault",
    [
        (IntegrityError("", {}, DriverError()), True),
        (DataError("", {}, DriverError()), True),
        (DBAPIError("", {}, DriverError("22001")), True),
        (DBAPIError("", {}, DriverError("23502")), True),
        (DBAPIError("", {}, DriverError("57P01")), False),  # admin shutdown
        (DBAPIError("", {}, DriverError("53100")), False),  # disk full
        (OperationalError("", {}, DriverError()), False),
        (InterfaceError("", {}, DriverError()), False),
        (InterfaceError("", {}, DriverError(cause=ValueError())), True),
        (InterfaceError("", {}, DriverError(cause=ValueError()), connection_invalidated=True), False),
        (StatementError("", "", {}, ValueError()), True),
        (OverflowError(), True),
        (ConnectionRefusedError(), False),
        (TimeoutError(), False),
    ],
)
def test_who_is_to_blame(error, fault):
    assert is_rows_fault(error) is fault


def test_every_kind_has_a_known_topic_and_its_own_columns():
    for kind in KINDS.values():
        assert kind.topic in outbox.TOPICS
        check_row(kind.name, dict.fromkeys(kind.table.columns.keys()))
        with pytest.raises(ValueError, match="no column zzz"):
            check_row(kind.name, {"zzz": 1})


def test_a_batch_is_all_or_nothing(store, now):
    items = [Item("session", 1, {}, is_new=True), Item("open", 2, {"path": None}, is_new=True)]
    with store.engine.connect() as connection:
        before = outbox.last_seq(connection)
    with pytest.raises(IntegrityError):
        write_batch(store.engine, NODE, items, now)
    with store.engine.connect() as connection:
        assert connection.execute(select(session)).all() == []
        assert outbox.last_seq(connection) == before


def test_a_row_leaves_out_what_is_blank(store, now):
    write_batch(store.engine, NODE, [Item("open", 2, {"path": "a"}, is_new=True)], now)
    with store.engine.connect() as connection:
        row = connection.execute(select(open_)).one()
    assert (row.path, row.stream, row.durable, row.locks, row.delete_pending) == ("a", "", "", 0, False)
    assert (row.doc, row.opened_at, row.disconnected_at, row.lease_key) == ({}, now, None, None)


def test_a_large_batch_takes_a_fixed_number_of_statements(store, now):
    statements = []
    event.listen(store.engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
    counts = []
    for start, count in ((0, 1), (1000, 500)):
        statements.clear()
        items = [Item("open", start + number, {"path": str(number)}, is_new=True) for number in range(count)]
        write_batch(store.engine, NODE, items, now)
        counts.append(len([line for line in statements if not line.startswith(("BEGIN", "DELETE"))]))
    assert counts[0] == counts[1] <= 4
