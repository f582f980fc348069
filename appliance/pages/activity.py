"""Activity: sessions, open files, leases and locks, nodes; live, with closing and disconnecting."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import RedirectResponse, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from appliance.api.dependencies import find_caller
from appliance.api.system import event_number
from appliance.models.activity import Impact
from appliance.pages.context import Page, PageContext, Posted, text
from appliance.pages.rendering import done, is_fragment_request
from appliance.problems import Problem
from appliance.services import activity, closing, holdings
from appliance.services.activity import ActivityFilter
from appliance.services.paging import PageRequest
from appliance.services.words import plural
from appliance.streams import Stream, page_hints

router = APIRouter(prefix="/activity")

_Text = Annotated[str, Query(max_length=500)]
_Sort = Annotated[str | None, Query(max_length=40)]
_PAGE = 200


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
    return _draw(page, "sessions", found=found, counts=counts, q=q, user=user, share=share, sort=sort or "-created_at")


@router.get("/sessions/{session_id}")
def session(page: Page, session_id: str) -> Response:
    """Show one session with its shares and files."""
    with page.work.engine.connect() as connection:
        found = activity.get_session(connection, session_id)
        wanted = ActivityFilter(session=session_id)
        tcons = activity.list_tcons(connection, wanted, PageRequest(_PAGE))
        opens = activity.list_opens(connection, wanted, PageRequest(_PAGE))
    return _draw(page, "session", session=found, tcons=tcons.items, found=opens)


@router.get("/opens")
def opens(
    page: Page, q: _Text = "", user: _Text = "", share: _Text = "", after: _Sort = None, sort: _Sort = None
) -> Response:
    """Show what is open."""
    wanted = ActivityFilter(q=q, user=user, share=share)
    with page.work.engine.connect() as connection:
        found = activity.list_opens(connection, wanted, PageRequest(_PAGE, after, sort))
        counts = activity.count_activity(connection)
    return _draw(page, "opens", found=found, counts=counts, q=q, user=user, share=share, sort=sort or "-opened_at")


@router.get("/locks")
def locks(page: Page) -> Response:
    """Show leases and byte-range locks."""
    with page.work.engine.connect() as connection:
        leases = holdings.list_leases(connection, PageRequest(_PAGE))
        found = holdings.list_locks(connection)
        counts = activity.count_activity(connection)
    return _draw(page, "locks", leases=leases.items, locks=found.items, counts=counts)


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
    return _ask(
        page,
        impact,
        title=f"Close {found.name}?" if not found.user else f"Close {found.name} held by {found.user}?",
        action=f"/activity/opens/{open_id}/close",
        verb="Close directory" if found.is_directory else "Close file",
        keep="Keep open",
        unaffected="The file itself stays on disk, and the session stays connected.",
        back="/activity/opens",
    )


@router.post("/opens/{open_id}/close")
def close(page: Page, open_id: str, form: Posted) -> Response:
    """Close a file through the SMB server."""
    closing.close_open(page.work, open_id, text(form, "reason"))
    return done(page.request, "/activity/opens", "The file was closed.")


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
    template = "dialogs/confirm.html" if is_fragment_request(page.request) else "pages/confirm.html"
    if not impact.opens_closed and not impact.sessions_ended:
        raise Problem(404, "gone", "It is gone already", "Nothing is open there any more.")
    return page.render(template, impact=impact, **values)
