"""The blocking dialect on asyncpg, against a real server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from concurrent.futures import CancelledError

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, OperationalError
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


def test_a_call_that_waits_ends_with_the_thread():
    """1 a thread waits for a database that is silent, 2 the engine is disposed of: the thread goes on."""
    loop_thread, waits, ended = LoopThread("test"), threading.Event(), []

    async def wait():
        waits.set()
        await asyncio.Event().wait()

    def call():
        with pytest.raises(CancelledError):
            loop_thread.call(lambda: await_(wait()))
        ended.append(True)

    caller = threading.Thread(target=call, daemon=True)
    caller.start()
    assert waits.wait(10)
    loop_thread.stop()
    caller.join(10)
    assert ended == [True]


def test_a_database_that_is_away_is_told_as_by_every_driver(engine):
    away = open_engine(engine.url.update_query_dict({"host": "/nowhere"}))
    with pytest.raises(OperationalError, match="No such file"):
        away.connect()
    away.dispose()


@contextlib.contextmanager
def silenced(server):
    """Let one server process of PostgreSQL answer nothing for a while."""
    os.kill(server, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server, signal.SIGCONT)


def server_of(connection):
    return connection.scalar(text("SELECT pg_backend_pid()"))


@pytest.fixture
def impatient(engine, monkeypatch):
    monkeypatch.setattr("smbcore.state.engine.COMMAND_TIMEOUT_S", 0.5)
    made = open_engine(engine.url)
    yield made
    made.dispose()


def test_a_server_that_does_not_answer_is_told_as_by_every_driver(impatient):
    with impatient.connect() as connection, silenced(server_of(connection)):
        with pytest.raises(OperationalError, match="in time"):
            connection.scalar(select(1))
        with impatient.connect() as other:
            assert other.scalar(select(1)) == 1


def test_a_connection_that_has_fallen_silent_in_the_pool_is_replaced(impatient):
    with impatient.connect() as connection:
        server = server_of(connection)
    with silenced(server), impatient.connect() as connection:
        assert server_of(connection) != server


def test_a_silent_server_does_not_hold_up_the_end(engine):
    """Its statements may take a minute, which is too long for somebody who stops."""
    with engine.connect() as connection:
        server = server_of(connection)
    with silenced(server):
        disposing = threading.Thread(target=engine.dispose, daemon=True)
        disposing.start()
        disposing.join(10)
        assert not disposing.is_alive()
