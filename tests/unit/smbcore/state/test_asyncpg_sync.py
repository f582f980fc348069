"""The blocking dialect on asyncpg, against a real server."""

from __future__ import annotations

import asyncio
import threading

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.util import await_

from smbcore.state.asyncpg_sync import BlockingAsyncpgDialect, LoopThread
from smbcore.state.engine import open_engine


@pytest.fixture
def engine(postgresql):
    made = open_engine(postgresql())
    yield made
    made.dispose()


def test_an_ordinary_engine_comes_out(engine):
    assert isinstance(engine.dialect, BlockingAsyncpgDialect)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT 6 * 7")) == 42
        assert connection.execute(text("SELECT generate_series(1, 3)")).scalars().all() == [1, 2, 3]


def test_it_works_on_a_thread_that_runs_an_event_loop(engine):
    async def ask():
        with engine.connect() as connection:
            return connection.scalar(select(1))

    assert asyncio.run(ask()) == 1


def test_connections_that_the_server_cut_are_replaced(engine):
    with engine.connect() as connection:
        own = connection.scalar(text("SELECT pg_backend_pid()"))
    killer = open_engine(engine.url)
    with killer.connect() as connection:
        connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": own})
    killer.dispose()
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT pg_backend_pid()")) != own


def test_a_connection_cut_in_a_transaction_is_an_error_then_replaced(engine):
    with engine.connect() as connection:
        with pytest.raises(DBAPIError):
            connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    with engine.connect() as connection:
        assert connection.scalar(select(1)) == 1


def test_isolation_levels_can_be_chosen(engine):
    with engine.connect().execution_options(isolation_level="SERIALIZABLE") as connection:
        assert connection.scalar(text("SHOW transaction_isolation")) == "serializable"
        assert connection.get_isolation_level() == "SERIALIZABLE"


def test_disposing_ends_the_thread(engine):
    with engine.connect() as connection:
        connection.scalar(select(1))
    before = threading.active_count()
    engine.dispose()
    assert threading.active_count() == before - 1


def test_a_loop_thread_passes_results_and_errors_and_starts_again():
    thread = LoopThread("test")

    async def add(a, b):
        return a + b

    for _ in range(2):
        assert thread.call(lambda a, b: await_(add(a, b)), 1, b=2) == 3
        with pytest.raises(ZeroDivisionError):
            thread.call(lambda: 1 / 0)
        thread.stop()
    thread.stop()
