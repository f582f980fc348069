"""A blocking SQLAlchemy dialect on asyncpg.

asyncpg speaks asyncio only, while the core's writer thread, Alembic and the command line want plain blocking
calls.  SQLAlchemy's own asyncpg dialect already looks like a blocking driver to whoever calls it from inside
`greenlet_spawn`; this dialect runs every call that reaches the server there, on the event loop of one private
thread per engine, and lets the caller wait for the result.  Only hooks of the documented dialect interface are
overridden.  The detour costs about 0.1 ms per statement (docs/decisions/0002-postgresql-driver.md).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.pool import QueuePool
from sqlalchemy.util import greenlet_spawn

T = TypeVar("T")


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
        """End the thread; a later call starts a new one."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name=self._name, daemon=True)
                self._thread.start()
            return self._loop


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
        return self.loop_thread.call(lambda: super(BlockingAsyncpgDialect, self).connect(*args, **options))

    def on_connect(self) -> Callable[[Any], None]:
        """Return what prepares a new connection (type codecs)."""
        prepare = super().on_connect()  # type: ignore[no-untyped-call]

        def prepare_blocking(connection: Any) -> None:
            self.loop_thread.call(prepare, connection)

        return prepare_blocking

    def do_execute(self, cursor: Any, *args: Any, **options: Any) -> None:
        """Run one statement."""
        self.loop_thread.call(super().do_execute, cursor, *args, **options)

    def do_execute_no_params(self, cursor: Any, *args: Any, **options: Any) -> None:
        """Run one statement that has no parameters."""
        self.loop_thread.call(super().do_execute_no_params, cursor, *args, **options)

    def do_executemany(self, cursor: Any, *args: Any, **options: Any) -> None:
        """Run one statement for many rows of parameters."""
        self.loop_thread.call(super().do_executemany, cursor, *args, **options)

    def do_commit(self, dbapi_connection: Any) -> None:
        """Commit."""
        self.loop_thread.call(super().do_commit, dbapi_connection)

    def do_rollback(self, dbapi_connection: Any) -> None:
        """Roll back."""
        self.loop_thread.call(super().do_rollback, dbapi_connection)

    def do_close(self, dbapi_connection: Any) -> None:
        """Close a connection in order."""
        self.loop_thread.call(super().do_close, dbapi_connection)

    def do_terminate(self, dbapi_connection: Any) -> None:
        """Close a connection that may be broken."""
        self.loop_thread.call(super().do_terminate, dbapi_connection)

    def do_ping(self, dbapi_connection: Any) -> bool:
        """Ask the server for a sign of life."""
        return bool(self.loop_thread.call(super().do_ping, dbapi_connection))

    def set_isolation_level(self, dbapi_connection: Any, level: Any) -> None:
        """Change the isolation level, which ends the current transaction."""
        self.loop_thread.call(super().set_isolation_level, dbapi_connection, level)

    def get_isolation_level(self, dbapi_connection: Any) -> Any:
        """Ask for the isolation level."""
        return self.loop_thread.call(super().get_isolation_level, dbapi_connection)
