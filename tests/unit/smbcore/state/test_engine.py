from __future__ import annotations

import threading

import pytest
from sqlalchemy import func, insert, select, text
from sqlalchemy.exc import IntegrityError

from smbcore.state import outbox
from smbcore.state.engine import open_async_engine, open_engine, reading, sqlite_url, writing, writing_async
from smbcore.state.errors import ConfigurationError
from smbcore.state.schema import counter, membership, setting

THREADS = 4
ROUNDS = 10


@pytest.mark.parametrize("url", ["", "sqlite://", "sqlite:///:memory:", "mysql://x/y", "not a url"])
def test_unusable_urls_are_refused_with_a_reason(url):
    with pytest.raises(ConfigurationError):
        open_engine(url)


def test_sqlite_is_durable_and_shared(tmp_path):
    engine = open_engine(sqlite_url(tmp_path / "odd name?#%.db"))
    with engine.connect() as connection:
        pragmas = {
            name: connection.scalar(text(f"PRAGMA {name}"))
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    engine.dispose()
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 10_000}
    assert (tmp_path / "odd name?#%.db").exists()


def test_foreign_keys_hold(store):
    with pytest.raises(IntegrityError), writing(store.engine) as connection:
        connection.execute(insert(membership).values(group_id=1, account_id=1))


def test_an_exception_rolls_back(store):
    with pytest.raises(ZeroDivisionError), writing(store.engine) as connection:
        connection.execute(insert(counter).values(name="gone", value=1))
        raise ZeroDivisionError
    with store.engine.connect() as connection:
        assert connection.scalar(select(func.count()).where(counter.c.name == "gone")) == 0


def test_writers_in_threads_take_numbers_without_gaps_or_twins(store, now):
    taken: list[int] = []
    lock = threading.Lock()

    def write() -> None:
        for _ in range(ROUNDS):
            with writing(store.engine) as connection:
                connection.scalar(select(func.count()).select_from(setting))  # reads first, then writes
                number = outbox.take_numbers(connection, 1, "test")
            with lock:
                taken.append(number)

    threads = [threading.Thread(target=write) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(taken) == list(range(1, THREADS * ROUNDS + 1))


def test_reading_sees_one_moment(store):
    with reading(store.engine) as reader:
        before = reader.scalar(select(func.count()).select_from(counter))
        with writing(store.engine) as writer:
            writer.execute(insert(counter).values(name="later", value=1))
        assert reader.scalar(select(func.count()).select_from(counter)) == before


async def test_the_asyncio_engine_runs_the_same_functions(store, now):
    engine = open_async_engine(store.url)
    async with writing_async(engine) as connection:
        first = await connection.run_sync(outbox.append, [outbox.Change("nodes", "added", "x")], now=now)
        assert await connection.run_sync(outbox.last_seq) == first
    await engine.dispose()


def test_a_disposed_engine_can_be_used_again(store):
    store.engine.dispose()
    with store.engine.connect() as connection:
        assert connection.scalar(select(1)) == 1
