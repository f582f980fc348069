from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select
from sqlalchemy.exc import StatementError

from smbcore.state.engine import writing
from smbcore.state.schema import audit, byte_range, outbox
from smbcore.state.types import escape_text, unescape_text

NAMES = [
    "plain",
    "täglich",
    "emoji \U0001f600",
    "lone \ud800 high",
    "low \udc80",
    "\uffff",
    "\x00nul",
    "\uffffD800",
    "",
]


@given(st.text(st.characters(codec=None)))
def test_escaping_is_reversible_and_storable(name):
    escaped = escape_text(name)
    assert unescape_text(escaped) == name
    assert b"\x00" not in escaped.encode("utf-8")


def test_names_from_the_wire_come_back_exactly(store, now):
    rows = [
        {"seq": n, "at": now, "topic": "", "kind": "", "key": key, "node_id": ""} for n, key in enumerate(NAMES, 100)
    ]
    with writing(store.engine) as connection:
        connection.execute(insert(outbox), rows)
    with store.engine.connect() as connection:
        found = connection.scalars(select(outbox.c.key).where(outbox.c.seq >= 100).order_by(outbox.c.seq)).all()
    assert found == NAMES


@pytest.mark.parametrize("value", [0, 1, 2**63 - 1, 2**63, 2**64 - 1])
def test_unsigned_64_bit_values_come_back(store, value):
    row = {"open_key": 1, "offset": value, "length": value, "exclusive": True, "node_id": "", "boot_id": "", "seq": 1}
    with writing(store.engine) as connection:
        connection.execute(insert(byte_range), [row])
        query = select(byte_range.c.offset, byte_range.c.length).where(byte_range.c.offset == value)
        assert connection.execute(query).one() == (value, value)


def test_times_come_back_in_utc(store, now):
    local = now.astimezone(timezone(timedelta(hours=-7)))
    with writing(store.engine) as connection:
        connection.execute(
            insert(audit).values(at=local, actor="", action="", object="", outcome="", address="", detail={})
        )
        found = connection.scalar(select(audit.c.at))
    assert found == now
    assert found.utcoffset() == timedelta(0)


def test_times_without_a_zone_are_refused(store):
    naive = datetime(2026, 1, 1)
    with store.engine.connect() as connection, pytest.raises(StatementError, match="without a zone"):
        connection.execute(select(audit).where(audit.c.at == naive))
