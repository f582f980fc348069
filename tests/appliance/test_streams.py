"""Event streams: gap-free for programs, coalesced for pages."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from fastapi.sse import ServerSentEvent

from appliance.streams import Stream, every_event, page_hints
from smbcore.state import outbox
from smbcore.state.engine import writing
from tests.appliance.support import START


@pytest.fixture
async def stream(service):
    feed = service.state.feed
    watcher = asyncio.ensure_future(feed.run())
    yield Stream(service.state.engine, feed, lambda: True)
    feed.close()
    await asyncio.wait_for(watcher, 10)


def publish(service, *changes: outbox.Change) -> int:
    with writing(service.state.engine) as connection:
        return outbox.append(connection, changes, now=START)


def latest(service) -> int:
    with service.state.engine.connect() as connection:
        return outbox.last_seq(connection)


async def take(events: AsyncIterator[ServerSentEvent], count: int) -> list[ServerSentEvent]:
    found: list[ServerSentEvent] = []
    async with asyncio.timeout(10):
        async for event in events:
            if event.event not in (None, "beat"):
                found.append(event)
            if len(found) == count:
                return found
    return found


async def test_events_since_a_number_come_in_order_and_go_on(service, stream):
    start = latest(service)
    publish(service, outbox.Change("opens", "added", "1"), outbox.Change("sessions", "changed", "2"))
    events = every_event(stream, start, None)
    first = await take(events, 2)
    assert [event.id for event in first] == [str(start + 1), str(start + 2)]
    assert json.loads(first[0].raw_data) == {
        "seq": str(start + 1),
        "at": "2026-11-22T12:00:00Z",
        "topic": "opens",
        "kind": "added",
        "key": "1",
        "node": "",
    }
    publish(service, outbox.Change("opens", "removed", "1"))
    assert (await take(events, 1))[0].id == str(start + 3)


async def test_topics_restrict_a_stream(service, stream):
    start = latest(service)
    publish(service, outbox.Change("opens", "added", "1"), outbox.Change("shares", "changed", "2"))
    found = await take(every_event(stream, start, ["shares"]), 1)
    assert found[0].event == "shares"


async def test_more_events_than_one_read_come_without_gaps(service, stream):
    start = latest(service)
    publish(service, *(outbox.Change("opens", "added", str(number)) for number in range(1300)))
    found = await take(every_event(stream, start, None), 1300)
    assert [int(event.id or 0) for event in found] == list(range(start + 1, start + 1301))


async def test_a_client_that_was_away_too_long_is_told_to_read_anew(service, stream):
    publish(service, *(outbox.Change("opens", "added", str(number)) for number in range(20)))
    with writing(service.state.engine) as connection:
        outbox.prune(connection, latest(service), keep=5)
    found = await take(every_event(stream, 1, None), 1)
    assert (found[0].event, found[0].raw_data) == ("reset", str(latest(service)))


async def test_hints_of_one_moment_are_one_per_topic(service, stream):
    start = latest(service)
    publish(service, *(outbox.Change("opens", "changed", str(number)) for number in range(50)))
    publish(service, outbox.Change("sessions", "changed", "1"))
    found = await take(page_hints(stream, start), 2)
    assert [event.event for event in found] == ["opens", "sessions"]


async def test_a_stream_ends_when_its_caller_is_no_longer_welcome(service):
    feed = service.state.feed
    watcher = asyncio.ensure_future(feed.run())
    stream = Stream(service.state.engine, feed, lambda: False)
    start = latest(service)
    publish(service, outbox.Change("opens", "added", "1"))
    found = [event async for event in page_hints(stream, start)]
    assert [event.event for event in found] == ["beat", "opens"]
    feed.close()
    await asyncio.wait_for(watcher, 10)


async def test_streams_end_when_the_service_ends(service, stream):
    events = page_hints(stream, -1)
    waiting = asyncio.ensure_future(take(events, 1))
    await asyncio.sleep(0)
    stream.feed.close()
    assert await asyncio.wait_for(waiting, 10) == []


async def test_a_stream_needs_a_caller_and_a_readable_number(service, api):
    async with service.client() as client:
        assert (await client.get("/api/v1/events")).status_code == 401
        assert (await client.get("/live")).status_code == 303
    assert (await api.get("/api/v1/events?since=rubbish")).status_code == 422
