"""/events, /audit, /version, /scopes, /compat: the service itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent

from appliance.api.dependencies import Call, Paging, rules
from appliance.models.common import Instant, Page
from appliance.models.system import AuditRecord, Scope, VersionShape
from appliance.problems import invalid
from appliance.services.about import about
from appliance.services.audit_log import AuditFilter, search
from appliance.services.scopes import SCOPES
from appliance.services.smbstatus import read_status
from appliance.streams import Stream, every_event

router = APIRouter(tags=["system"])

_Since = Annotated[str, Query(description="Number of the last event that is known; empty for from now on.")]
_Topics = Annotated[str, Query(description="Only these topics, separated by commas; empty for all.")]
_LastEventId = Annotated[str, Header(description="As `since`; event sources send it when they come back.")]


def event_number(since: _Since = "", last_event_id: _LastEventId = "") -> int:
    """Return where a stream begins: after the event of this number, or -1 for from now on."""
    text = last_event_id or since
    if not text:
        return -1
    if not (text.isascii() and text.isdecimal()) or len(text) > 18:
        raise invalid("since", "This is not the number of an event.")
    return int(text)


@router.get("/events", summary="Follow events", response_class=EventSourceResponse, **rules("activity:read"))
async def events(
    call: Call, since: Annotated[int, Depends(event_number)], topics: _Topics = ""
) -> AsyncIterator[ServerSentEvent]:
    """Stream every change as a server-sent event, without gaps.

    `id` is the event's number, `event` its topic, `data` a JSON object. After `event: reset` some events are lost:
    read the lists anew and go on from the number in `data`.
    """
    wanted = [topic for topic in topics.split(",") if topic]
    stream = Stream(call.work.engine, call.state.feed, call.is_still_welcome)
    async for event in every_event(stream, since, wanted or None):
        yield event


@router.get("/audit", summary="Search the audit log", **rules("audit:read"))
def search_audit(
    call: Call,
    page: Paging,
    actor: Annotated[str, Query(description="Who.")] = "",
    action: Annotated[str, Query(description="What: `share.create`, …")] = "",
    object: Annotated[str, Query(description="Beginning of what it was done to.")] = "",  # noqa: A002
    outcome: Annotated[str, Query(description="`done`, `refused` or `failed`.")] = "",
    since: Annotated[Instant | None, Query(description="Not before.")] = None,
    until: Annotated[Instant | None, Query(description="Before.")] = None,
) -> Page[AuditRecord]:
    """Search what was done, refused or failed, newest first."""
    with call.work.engine.connect() as connection:
        return search(connection, AuditFilter(actor, action, object, outcome, since, until), page.limit, page.after)


@router.get("/version", summary="What runs here", **rules("activity:read"))
def version(call: Call) -> VersionShape:
    """Return names and versions."""
    with call.work.engine.connect() as connection:
        return about(connection)


@router.get("/scopes", summary="List scopes", **rules("tokens:read"))
def scopes(call: Call) -> list[Scope]:
    """List what tokens can be allowed."""
    return [Scope(name=name, description=text) for name, text in SCOPES.items()]


@router.get("/compat/smbstatus", summary="Status as smbstatus --json prints it", **rules("activity:read"))
def smbstatus(call: Call) -> dict[str, Any]:
    """Return sessions, tree connects and open files for scripts that read `smbstatus --json`."""
    with call.work.engine.connect() as connection:
        return read_status(connection, call.work.now)
