"""Activity: sessions, open files, leases and locks, nodes; live, with closing and disconnecting."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import RedirectResponse, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from appliance.api.dependencies import find_caller
from appliance.api.system import event_number
from appliance.models.activity import Impact, LeaseBreak
from appliance.pages.context import Page, PageContext, Posted, text, ticked
from appliance.pages.rendering import done, is_fragment_request
from appliance.problems import Problem
from appliance.services import activity, closing, holdings
from appliance.services.activity import ActivityFilter
from appliance.services.paging import PageRequest
from appliance.services.words import caching_words, plural
from appliance.streams import Stream, page_hints

router = APIRouter(prefix="/activity")

_Text = Annotated[str, Query(max_length=500)]
_Sort = Annotated[str | None, Query(max_length=40)]
_PAGE = 200
_WAIT = 10
"""Seconds that a client has to write back what it caches."""
_STAYS = "The file itself stays on disk, and the session stays connected."
_STAYS_AWAY = "The file itself stays on disk. The client is away and will have to open it anew."


@router.get("")
def index(page: Page) -> Response:
    """Begin with the sessions."""
    return RedirectResponse("/activity/sessions", 303)


@router.get("/sessions")
def sessions(
    page: Page, q: _Text = "", user: _Text = "", share: _Text = "", after: _Sort = None, sort: _Sort = None
) -> Response:
    """Show who is connected."""
    wanted = ActivityFilter(q=q, user=user, share=share)
    with page.work.engine.connect() as connection:
        found = activity.list_sessions(connection, wanted, PageRequest(_PAGE, after, sort))
        counts = activity.count_activity(connection)
    found = found.model_copy(update={"items": holdings.with_unanswered(page.work.core, found.items)})
    return _draw(page, "sessions", found=found, counts=counts, q=q, user=user, share=share, sort=sort or "-created_at")


@router.get("/sessions/{session_id}")
def session(page: Page, session_id: str) -> Response:
    """Show one session with its shares and files."""
    with page.work.engine.connect() as connection:
        found = activity.get_session(connection, session_id)
        wanted = ActivityFilter(session=session_id)
        tcons = activity.list_tcons(connection, wanted, PageRequest(_PAGE))
        opens = activity.list_opens(connection, wanted, PageRequest(_PAGE))
    (found,) = holdings.with_unanswered(page.work.core, [found])
    return _draw(page, "session", session=found, tcons=tcons.items, found=opens)


@router.get("/opens")
def opens(
    page: Page,
    q: _Text = "",
    user: _Text = "",
    share: _Text = "",
    after: _Sort = None,
    sort: _Sort = None,
    away: bool | None = None,
) -> Response:
    """Show what is open."""
    wanted = ActivityFilter(q=q, user=user, share=share, away=away)
    with page.work.engine.connect() as connection:
        found = activity.list_opens(connection, wanted, PageRequest(_PAGE, after, sort))
        counts = activity.count_activity(connection)
        clients = holdings.list_away(connection).items if away else []
    values = {"q": q, "user": user, "share": share, "away": away, "sort": sort or "-opened_at"}
    return _draw(page, "opens", found=found, counts=counts, clients=clients, **values)


@router.get("/locks")
def locks(page: Page) -> Response:
    """Show leases and byte-range locks."""
    with page.work.engine.connect() as connection:
        leases = holdings.list_leases(connection, PageRequest(_PAGE))
        found = holdings.list_locks(connection)
        counts = activity.count_activity(connection)
    shown = holdings.with_waiting(page.work.core, leases.items)
    return _draw(page, "locks", leases=shown, more=leases.next is not None, locks=found.items, counts=counts)


@router.get("/nodes")
def nodes(page: Page) -> Response:
    """Show the machines that serve SMB."""
    with page.work.engine.connect() as connection:
        found = holdings.list_nodes(connection, page.work.now)
        counts = activity.count_activity(connection)
    return _draw(page, "nodes", nodes=found.items, counts=counts)


@router.get("/opens/{open_id}/close")
def ask_close(page: Page, open_id: str) -> Response:
    """Show what closing a file would do."""
    with page.work.engine.connect() as connection:
        found = activity.get_open(connection, open_id)
    impact = closing.open_impact(page.work, open_id)
    is_away = found.durable.disconnected_at is not None
    who = found.user or "nobody known"
    return _ask(
        page,
        impact,
        title=f"Drop the handle on {found.name} kept for {who}?" if is_away else f"Close {found.name} held by {who}?",
        action=f"/activity/opens/{open_id}/close",
        verb="Drop handle" if is_away else "Close directory" if found.is_directory else "Close file",
        keep="Keep handle" if is_away else "Keep open",
        unaffected=_STAYS_AWAY if is_away else _STAYS,
        back="/activity/opens",
        wait=_WAIT if impact.may_lose_data and not is_away else 0,
    )


@router.post("/opens/{open_id}/close")
def close(page: Page, open_id: str, form: Posted) -> Response:
    """Close a file through the SMB server."""
    wait = _WAIT if ticked(form, "break_first") else 0
    with page.work.engine.connect() as connection:
        is_away = activity.get_open(connection, open_id).durable.disconnected_at is not None
    result = closing.close_open(page.work, open_id, text(form, "reason"), wait)
    words = "The handle was dropped." if is_away else "The file was closed."
    return done(page.request, "/activity/opens", f"{result.detail} {words}".lstrip())


@router.get("/leases/{lease_id}/break")
def ask_break(page: Page, lease_id: str) -> Response:
    """Show what breaking a lease would do."""
    with page.work.engine.connect() as connection:
        found = holdings.get_lease(connection, lease_id)
    name = found.paths[0].rpartition("\\")[2] if found.paths else "this file"
    who = found.users[0] if found.users else "its client"
    summary = f"The client caches the file ({caching_words('lease', found.state)}) and is asked to stop."
    return _draw_question(
        page,
        impact=None,
        lease=found,
        summary=f"{summary} It writes its changes back first." if "W" in found.state else summary,
        title=f"Break the lease that {who} holds on {name}?",
        action=f"/activity/leases/{lease_id}/break",
        verb="Break lease",
        keep="Keep lease",
        unaffected="Open handles stay open; the client asks the server more often from then on.",
        back="/activity/locks",
    )


@router.post("/leases/{lease_id}/break")
def break_lease(page: Page, lease_id: str, form: Posted) -> Response:
    """Break a lease through the SMB server."""
    keep: Literal["", "RH"] = "RH" if text(form, "keep") == "RH" else ""
    wanted = LeaseBreak(keep=keep, wait_seconds=_WAIT, reason=text(form, "reason")[:256])
    return done(page.request, "/activity/locks", closing.break_lease(page.work, lease_id, wanted).detail)


@router.get("/sessions/{session_id}/disconnect")
def ask_disconnect(page: Page, session_id: str) -> Response:
    """Show what disconnecting a session would do."""
    with page.work.engine.connect() as connection:
        found = activity.get_session(connection, session_id)
    who = found.user.name or "the anonymous session"
    return _ask(
        page,
        closing.session_impact(page.work, session_id),
        title=f"Disconnect {who} at {found.client.name or found.client.address}?",
        action=f"/activity/sessions/{session_id}/disconnect",
        verb="Disconnect session",
        keep="Keep connected",
        unaffected="Files stay on disk, and the user may sign in again at once.",
        back="/activity/sessions",
    )


@router.post("/sessions/{session_id}/disconnect")
def disconnect(page: Page, session_id: str, form: Posted) -> Response:
    """Disconnect a session through the SMB server."""
    result = closing.disconnect_session(page.work, session_id, text(form, "reason"))
    files = plural(result.closed, "handle was", "handles were")
    return done(page.request, "/activity/sessions", f"The session was disconnected; {files} closed.")


live_router = APIRouter()


@live_router.get("/live", response_class=EventSourceResponse)
async def live(page: Page, since: Annotated[int, Depends(event_number)]) -> AsyncIterator[ServerSentEvent]:
    """Stream hints about what has changed; pages fetch their fragment again."""

    def is_welcome() -> bool:
        return find_caller(page.request, page.state) is not None

    async for event in page_hints(Stream(page.work.engine, page.state.feed, is_welcome), since):
        yield event


def _draw(page: PageContext, name: str, **values: Any) -> Response:
    folder = "fragments" if is_fragment_request(page.request) else "pages"
    return page.render(f"{folder}/{name}.html", **values)


def _ask(page: PageContext, impact: Impact, **values: Any) -> Response:
    if not impact.opens_closed and not impact.sessions_ended:
        raise Problem(404, "gone", "It is gone already", "Nothing is open there any more.")
    return _draw_question(page, impact=impact, **values)


def _draw_question(page: PageContext, **values: Any) -> Response:
    template = "dialogs/confirm.html" if is_fragment_request(page.request) else "pages/confirm.html"
    return page.render(template, takes_reason=True, **values)
