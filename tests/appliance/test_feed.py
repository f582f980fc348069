"""What wakes the event streams."""

from __future__ import annotations

import asyncio

from sqlalchemy.exc import OperationalError

from appliance.feed import EventFeed


class Counter:
    """The number of the newest event; without one the database is away."""

    def __init__(self):
        self.number = None
        self.reads = 0

    def read(self):
        self.reads += 1
        if self.number is None:
            raise OperationalError("SELECT", {}, Exception("no database"))
        return self.number


async def test_an_outage_of_the_database_is_logged_once_and_outlived(caplog):
    """1 the database is away for many looks  2 it is back with news: who waits hears of them  3 away again: logged again."""
    counter = Counter()
    feed = EventFeed(counter.read, interval=0)
    watching = asyncio.ensure_future(feed.run())
    waiting = asyncio.ensure_future(feed.wait_beyond(0, 30))
    async with asyncio.timeout(30):
        while counter.reads < 5:
            await asyncio.sleep(0)
        assert len(caplog.records) == 1
        counter.number = 7
        assert await waiting == 7
        counter.number = None
        again = asyncio.ensure_future(feed.wait_beyond(7, 30))
        while len(caplog.records) < 2:
            await asyncio.sleep(0)
    feed.close()
    assert await again == 7
    watching.cancel()
