"""Wakes the event streams of this process when the outbox has grown.

The outbox table is the truth, and other processes write to it; one task per process looks at its counter a few
times a second, and only while somebody waits.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

_log = logging.getLogger(__name__)


class EventFeed:
    """Lets any number of streams wait for the next event. Use on one event loop."""

    def __init__(self, read_last_seq: Callable[[], int], interval: float = 0.25) -> None:
        """Take what reads the number of the newest event (it may block), and the seconds between two looks."""
        self._read_last_seq = read_last_seq
        self._interval = interval
        self._latest = 0
        self._waiting = 0
        self._news = asyncio.Event()
        self._wanted = asyncio.Event()
        self._closed = False

    @property
    def is_closed(self) -> bool:
        """Tell whether the service is ending: streams end too."""
        return self._closed

    def close(self) -> None:
        """Wake and end all streams."""
        self._closed = True
        self._wanted.set()
        self._news.set()

    async def run(self) -> None:
        """Watch the outbox until closed."""
        is_failing = False
        while not self._closed:
            await self._wanted.wait()
            try:
                latest = await asyncio.to_thread(self._read_last_seq)
            except SQLAlchemyError as error:
                if not is_failing:  # once per outage: it is tried again several times a second
                    _log.warning("the event counter cannot be read: %s", error)
                is_failing = True
            else:
                is_failing = False
                if latest != self._latest:
                    self._latest = latest
                    self._news.set()
                    self._news = asyncio.Event()
            await asyncio.sleep(self._interval)

    async def wait_beyond(self, seq: int, seconds: float) -> int:
        """Return the newest number as soon as it is not `seq`, or after that many seconds, or on closing."""
        self._waiting += 1
        self._wanted.set()
        try:
            async with asyncio.timeout(seconds):
                while self._latest == seq and not self._closed:
                    await self._news.wait()
        except TimeoutError:
            pass  # nothing happened, which is an answer
        finally:
            self._waiting -= 1
            if not self._waiting and not self._closed:
                self._wanted.clear()
        return self._latest
