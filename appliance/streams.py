"""Event streams: every event for programs, coalesced hints for pages.

A stream first answers what happened since the number that the client names, then waits for the feed.  It ends when
the service ends or the caller's session or token is no longer valid; clients come back by themselves and say where
they were.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass

from fastapi.sse import ServerSentEvent
from sqlalchemy import Engine

from appliance.feed import EventFeed
from appliance.models.common import clean
from appliance.models.system import EventShape
from smbcore.state import outbox

_KEEP_ALIVE = 15.0
_BEAT = 4.0
_COALESCE = 0.5
_RETRY_MS = 2000


@dataclass(frozen=True, slots=True)
class Stream:
    """Where a stream reads from, and how long it may.

    is_allowed  asked once in a while whether the caller is still welcome; it may block
    """

    engine: Engine
    feed: EventFeed
    is_allowed: Callable[[], bool]

    async def read(self, seq: int, topics: Collection[str] | None) -> outbox.EventPage:
        """Return what happened after `seq`."""
        return await asyncio.to_thread(self._read, seq, topics)

    async def may_go_on(self) -> bool:
        """Tell whether the stream should stay open."""
        return not self.feed.is_closed and await asyncio.to_thread(self.is_allowed)

    def _read(self, seq: int, topics: Collection[str] | None) -> outbox.EventPage:
        with self.engine.connect() as connection:
            if seq < 0:
                return outbox.EventPage((), outbox.last_seq(connection), reset=False)
            return outbox.read_since(connection, seq, topics=topics)


async def every_event(stream: Stream, since: int, topics: Collection[str] | None) -> AsyncIterator[ServerSentEvent]:
    """Yield every event after `since` (-1 for from now on); `reset` when some are no longer kept."""
    seq = since
    yield ServerSentEvent(comment="holdfast events", retry=_RETRY_MS)
    while True:
        page = await stream.read(seq, topics)
        if page.reset:
            yield ServerSentEvent(event="reset", raw_data=str(page.last_seq), id=str(page.last_seq))
        for event in page.events:
            shape = EventShape(
                seq=str(event.seq),
                at=event.at,
                topic=event.topic,
                kind=event.kind,
                key=clean(event.key),
                node=event.node_id,
            )
            yield ServerSentEvent(event=event.topic, raw_data=shape.model_dump_json(), id=str(event.seq))
        is_behind = bool(page.events) and seq != page.last_seq
        seq = page.last_seq
        if is_behind:
            continue
        if await stream.feed.wait_beyond(seq, _KEEP_ALIVE) == seq:
            yield ServerSentEvent(comment="still here")
        if not await stream.may_go_on():
            return


async def page_hints(stream: Stream, since: int) -> AsyncIterator[ServerSentEvent]:
    """Yield the names of topics in which something changed, at most twice a second, and a beat in between."""
    seq = since
    yield ServerSentEvent(event="beat", raw_data="", retry=_RETRY_MS)
    while True:
        page = await stream.read(seq, None)
        topics = set(outbox.TOPICS) if page.reset else {event.topic for event in page.events}
        seq = page.last_seq
        for topic in sorted(topics):
            yield ServerSentEvent(event=topic, raw_data=str(seq), id=str(seq))
        if topics:
            await asyncio.sleep(_COALESCE)
        elif await stream.feed.wait_beyond(seq, _BEAT) == seq:
            yield ServerSentEvent(event="beat", raw_data=str(seq), id=str(seq))
        if not await stream.may_go_on():
            return
