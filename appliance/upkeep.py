"""What the management service does by itself, while nobody asks: it keeps the audit log within its limits.

Every hour, beginning with the start. A log that is far beyond its limits, because they were lowered or the service was
down for long, is brought back in batches of their own transactions with pauses between them, and not all in one go:
everybody else writes to the same database.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from appliance.clock import Clock
from appliance.services import retention
from smbcore.state.errors import ConfigurationError

_log = logging.getLogger(__name__)

EVERY_S: Final = 3600.0
SOON_S: Final = 60.0
"""Seconds until it goes on, when more was left than one go removes."""
BETWEEN_BATCHES_S: Final = 0.05
MOST_BATCHES: Final = 100
"""Batches of one go."""


class Upkeep:
    """Owned by the application; runs as one task on its event loop until cancelled."""

    def __init__(self, engine: Engine, clock: Clock, wait: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Take the database, the time, and how to wait some seconds."""
        self._engine = engine
        self._clock = clock
        self._wait = wait

    async def run(self) -> None:
        """Do what is to be done, again and again."""
        while True:
            try:
                is_done = await self._prune()
            except (SQLAlchemyError, ConfigurationError) as error:
                _log.warning("old records of the audit log cannot be removed, trying again in an hour: %s", error)
                is_done = True
            await self._wait(EVERY_S if is_done else SOON_S)

    async def _prune(self) -> bool:
        """Bring the audit log within its limits; tell whether it is, or there was too much for one go."""
        removed = 0
        for _ in range(MOST_BATCHES):
            count = await asyncio.to_thread(retention.prune_batch, self._engine, self._clock.now())
            removed += count
            if not count:
                break
            await self._wait(BETWEEN_BATCHES_S)
        else:
            _log.info("%d old records of the audit log were removed; more are left", removed)
            return False
        if removed:
            _log.info("%d old records of the audit log were removed", removed)
        return True
