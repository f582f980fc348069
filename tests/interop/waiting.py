"""Looking at what a server process shows in its database, and waiting until it is as it should be."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from server_process import ServerProcess
from sqlalchemy import Table, select

from smbcore.state.engine import open_engine
from smbcore.state.schema import open_


def rows(server: ServerProcess, table: Table) -> list[Any]:
    """Return the rows of a table of the server's database."""
    engine = open_engine(server.database_url or server.directory.database_url)
    try:
        with engine.connect() as connection:
            return list(connection.execute(select(table)).all())
    finally:
        engine.dispose()


def promises(server: ServerProcess, *file_ids: bytes) -> bool:
    """Tell whether the database would give these handles back if the server ended now."""
    kept = {row.persistent_id for row in rows(server, open_) if row.durable}
    return kept >= {int.from_bytes(file_id[:8], "little") for file_id in file_ids}


async def eventually(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    """Return once `condition` holds; it concerns another process, so it is asked again and again."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not become so in time"
        await asyncio.sleep(0.05)
