"""Engines for the two databases, configured the same way everywhere.

Use `writing(engine)` for every transaction that changes something: on SQLite it takes the write lock at once and
waits for it, where a transaction that starts by reading may be refused when it turns to writing.  Use
`reading(engine)` for several reads that belong together; `engine.connect()` does for one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from os import PathLike, fspath
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.dialects import registry
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from smbcore.state.asyncpg_sync import BlockingAsyncpgDialect
from smbcore.state.errors import ConfigurationError

BUSY_TIMEOUT_MS = 10_000
"""How long SQLite waits for another process's write lock."""

CONNECT_TIMEOUT_S = 10
"""How long connecting to PostgreSQL may take."""

COMMAND_TIMEOUT_S = 60
"""How long one statement may take on PostgreSQL before its connection counts as broken."""

_WRITES = "holdfast_writes"
_POSTGRESQL_NAMES = ("postgresql", "postgres")


def sqlite_url(path: str | PathLike[str]) -> str:
    """Return the database URL of an SQLite file."""
    return URL.create("sqlite", database=fspath(path)).render_as_string()


def open_engine(url: str | URL) -> Engine:
    """Return a blocking engine for `sqlite:///PATH` or `postgresql://USER:PASSWORD@HOST/NAME`.

    Nothing is connected yet.  `engine.dispose()` closes everything.
    Errors:  ConfigurationError  the URL cannot be used
    """
    parsed = _parse(url)
    if parsed.drivername == "sqlite":
        engine = create_engine(parsed)
        _configure_sqlite(engine)
        return engine
    registry.register(
        "postgresql.asyncpg_sync",
        BlockingAsyncpgDialect.__module__,
        BlockingAsyncpgDialect.__name__,
    )
    url = parsed.set(drivername="postgresql+asyncpg_sync")
    engine = create_engine(url, pool_pre_ping=True, connect_args=_timeouts())
    dialect = engine.dialect
    if isinstance(dialect, BlockingAsyncpgDialect):
        event.listen(engine, "engine_disposed", lambda _: dialect.loop_thread.stop())
    return engine


def open_async_engine(url: str | URL) -> AsyncEngine:
    """Return an asyncio engine for the same URLs as `open_engine`."""
    parsed = _parse(url)
    if parsed.drivername == "sqlite":
        engine = create_async_engine(parsed.set(drivername="sqlite+aiosqlite"))
        _configure_sqlite(engine.sync_engine)
        return engine
    url = parsed.set(drivername="postgresql+asyncpg")
    return create_async_engine(url, pool_pre_ping=True, connect_args=_timeouts())


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Give a connection whose reads all see the same moment."""
    if engine.dialect.name == "postgresql":
        engine = engine.execution_options(isolation_level="REPEATABLE READ")
    with engine.connect() as connection:
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Give a connection in a transaction that may write; commit at the end, roll back on any exception."""
    with engine.execution_options(**{_WRITES: True}).begin() as connection:
        yield connection


@asynccontextmanager
async def writing_async(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Do as `writing` for an asyncio engine; `connection.run_sync(function)` calls the functions of this package."""
    async with engine.execution_options(**{_WRITES: True}).begin() as connection:
        yield connection


def _parse(url: str | URL) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigurationError(
            "the database URL cannot be read: expected sqlite:///PATH or postgresql://…"
        ) from error
    name = parsed.drivername.partition("+")[0]
    if name in _POSTGRESQL_NAMES:
        return parsed.set(drivername="postgresql")
    if name != "sqlite":
        raise ConfigurationError(f"the database {name!r} is not supported: use sqlite or postgresql")
    if not parsed.database or parsed.database == ":memory:":
        raise ConfigurationError("an SQLite database needs a file: sqlite:///PATH")
    return parsed.set(drivername="sqlite")


def _timeouts() -> dict[str, Any]:
    return {"timeout": CONNECT_TIMEOUT_S, "command_timeout": COMMAND_TIMEOUT_S}


def _configure_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def set_pragmas(dbapi_connection: Any, _record: Any) -> None:
        # The driver must not begin transactions on its own: begin_transaction below does.
        dbapi_connection.isolation_level = None
        cursor = dbapi_connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin_transaction(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
