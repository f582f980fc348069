"""A blocking SQLAlchemy dialect on asyncpg.

asyncpg speaks asyncio only, while the core's writer thread, Alembic and the command line want plain blocking
calls.  SQLAlchemy's own asyncpg dialect already looks like a blocking driver to whoever calls it from inside
`greenlet_spawn`; this dialect runs every call that reaches the server there, on the event loop of one private
thread per engine, and lets the caller wait for the result.  Only hooks of the documented dialect interface are
overridden.  The detour costs about 0.1 ms per statement (docs/decisions/0002-postgresql-driver.md).

asyncpg lets through what the system says of a connection (OSError, which a time-out is too).  Callers get it as the
database's OperationalError, as from every other driver, and the connection counts as broken.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import Any, Final, TypeVar

from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.pool import QueuePool
from sqlalchemy.util import greenlet_spawn

T = TypeVar("T")

_TO_END: Final = 1.0
"""Seconds that calls have to end in order when their thread is stopped."""

_BROKEN: Final = (OSError, CancelledError)


class LoopThread:
    """An event loop in a daemon thread, started on first use."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def call(self, function: Callable[..., T], *args: Any, **options: Any) -> T:
        """Run a function that waits through SQLAlchemy's `await_`, and wait for its result."""
        waiting = greenlet_spawn(function, *args, **options)
        return asyncio.run_coroutine_threadsafe(waiting, self._running_loop()).result()

    def stop(self) -> None:
        """End the thread; a later call starts a new one. Calls that still wait raise CancelledError."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is not None and thread is not None:
            asyncio.run_coroutine_threadsafe(_wind_up(loop), loop)
            thread.join()
            loop.close()

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name=self._name, daemon=True)
                self._thread.start()
            return self._loop


async def _wind_up(loop: asyncio.AbstractEventLoop) -> None:
    """Stop a loop, but first end what others wait for: nobody would ever tell them."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=_TO_END)
    loop.stop()


class BlockingAsyncpgDialect(PGDialect_asyncpg):
    """The asyncpg dialect for `create_engine` and ordinary threads.

    Results are always fetched whole; server-side cursors are not offered.
    """

    driver = "asyncpg_sync"
    is_async = False
    supports_statement_cache = True
    supports_server_side_cursors = False

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)  # type: ignore[no-untyped-call]
        self.loop_thread = LoopThread("asyncpg")

    @classmethod
    def get_pool_class(cls, url: Any) -> type[QueuePool]:  # noqa: ARG003 - part of the interface
        """Pool connections for threads."""
        return QueuePool

    def connect(self, *args: Any, **options: Any) -> Any:
        """Open a connection."""
        return self._call(lambda: super(BlockingAsyncpgDialect, self).connect(*args, **options))

    def on_connect(self) -> Callable[[Any], None]:
        """Return what prepares a new connection (type codecs)."""
        prepare = super().on_connect()  # type: ignore[no-untyped-call]

        def prepare_blocking(connection: Any) -> None:
            self._call(prepare, connection)

        return prepare_blocking

    def do_execute(self, cursor: Any, *args: Any, **options: Any) -> None:
        """Run one statement."""
        self._call(super().do_execute, cursor, *args, **options)

    def do_execute_no_params(self, cursor: Any, *args: Any, **options: Any) -> None:
        """Run one statement that has no parameters."""
        self._call(super().do_execute_no_params, cursor, *args, **options)

    def do_executemany(self, cursor: Any, *args: Any, **options: Any) -> None:
        """Run one statement for many rows of parameters."""
        self._call(super().do_executemany, cursor, *args, **options)

    def do_commit(self, dbapi_connection: Any) -> None:
        """Commit."""
        self._call(super().do_commit, dbapi_connection)

    def do_rollback(self, dbapi_connection: Any) -> None:
        """Roll back."""
        self._call(super().do_rollback, dbapi_connection)

    def do_close(self, dbapi_connection: Any) -> None:
        """Close a connection in order if the server answers within moments, else all the same."""
        self.do_terminate(dbapi_connection)

    def do_terminate(self, dbapi_connection: Any) -> None:
        """Close a connection that may be broken."""
        self._call(super().do_terminate, dbapi_connection)

    def do_ping(self, dbapi_connection: Any) -> bool:
        """Ask the server for a sign of life."""
        return bool(self._call(super().do_ping, dbapi_connection))

    def set_isolation_level(self, dbapi_connection: Any, level: Any) -> None:
        """Change the isolation level, which ends the current transaction."""
        self._call(super().set_isolation_level, dbapi_connection, level)

    def get_isolation_level(self, dbapi_connection: Any) -> Any:
        """Ask for the isolation level."""
        return self._call(super().get_isolation_level, dbapi_connection)

    def is_disconnect(self, e: Any, connection: Any, cursor: Any) -> bool:
        """Tell whether an error says that the connection is broken."""
        return isinstance(e.__cause__, _BROKEN) or bool(super().is_disconnect(e, connection, cursor))  # type: ignore[no-untyped-call]

    def _call(self, function: Callable[..., T], *args: Any, **options: Any) -> T:
        try:
            return self.loop_thread.call(function, *args, **options)
        except _BROKEN as error:
            why = str(error) or "the database did not answer in time"
            raise self.loaded_dbapi.OperationalError(why, error) from error
