"""Closing what is open: first what it would do, then doing it through the core.

A row is never the command: the core is told, it acts and answers, and the rows follow.
"""

from __future__ import annotations

from collections.abc import Sequence

from appliance.models.activity import Done, Handle, Impact, Open
from appliance.problems import Problem
from appliance.services.activity import get_open, get_session, get_tcon, opens_of_session, opens_of_tcon
from appliance.services.words import plural, writes
from appliance.services.work import Deed, Work
from smbcore.control import messages
from smbcore.control.messages import CloseOpen, DisconnectSession, DisconnectTcon, Message

_ORDER = {"loss": 0, "attention": 1, "safe": 2}


def open_impact(work: Work, open_id: str) -> Impact:
    """Tell what closing an open would do; Problem 404 when it is gone."""
    with work.engine.connect() as connection:
        return handles_impact([get_open(connection, open_id)])


def session_impact(work: Work, session_id: str) -> Impact:
    """Tell what disconnecting a session would do; Problem 404 when it is gone."""
    with work.engine.connect() as connection:
        get_session(connection, session_id)
        return handles_impact(opens_of_session(connection, session_id), [session_id])


def tcon_impact(work: Work, tcon_id: str) -> Impact:
    """Tell what disconnecting a tree connect would do; Problem 404 when it is gone."""
    with work.engine.connect() as connection:
        get_tcon(connection, tcon_id)
        return handles_impact(opens_of_tcon(connection, tcon_id))


def close_open(work: Work, open_id: str, reason: str = "") -> Done:
    """Close one open; Problem 404 when it is gone, 503 when the core does not answer."""
    with work.engine.connect() as connection:
        found = get_open(connection, open_id)
    deed = Deed("open.close", f"{found.share}\\{found.path}", {"id": open_id, "user": found.user, "reason": reason})
    return _command(work, deed, CloseOpen(int(open_id), reason))


def disconnect_session(work: Work, session_id: str, reason: str = "") -> Done:
    """End one session with all it holds; Problem 404 or 503 as above."""
    with work.engine.connect() as connection:
        found = get_session(connection, session_id)
    detail = {"id": session_id, "client": found.client.address, "reason": reason}
    deed = Deed("session.disconnect", found.user.name or "anonymous", detail)
    return _command(work, deed, DisconnectSession(int(session_id), reason))


def disconnect_tcon(work: Work, tcon_id: str, reason: str = "") -> Done:
    """End one tree connect with all it holds; Problem 404 or 503 as above."""
    with work.engine.connect() as connection:
        found = get_tcon(connection, tcon_id)
    deed = Deed("tcon.disconnect", found.share, {"id": tcon_id, "user": found.user, "reason": reason})
    return _command(work, deed, DisconnectTcon(int(tcon_id), reason))


def handles_impact(opens: Sequence[Open], sessions: Sequence[str] = ()) -> Impact:
    """Tell what closing these handles would do."""
    handles = sorted((_handle(item) for item in opens), key=lambda handle: _ORDER[handle.risk])
    lost = sum(handle.risk == "loss" for handle in handles)
    summary = f"{plural(len(handles), 'handle', 'handles')} will be closed"
    if lost:
        summary += f"; unsaved data may be lost in {plural(lost, 'file', 'files')}"
    return Impact(sessions_ended=list(sessions), opens_closed=handles, summary=f"{summary}.")


def _command(work: Work, deed: Deed, message: Message) -> Done:
    try:
        reply = work.core.request(message)
    except Problem as problem:
        work.record(deed, "failed", {"problem": problem.code})
        raise
    work.record(deed, "done")
    if isinstance(reply, messages.Done):
        return Done(closed=reply.count, detail=reply.detail)
    return Done(closed=0, detail="")


def _handle(item: Open) -> Handle:
    risk, why = "safe", "Opened for reading: nothing is lost."
    if item.is_directory:
        why = "A directory: nothing is lost."
    elif item.caching.may_write_behind and writes(int(item.access.mask, 16)):
        risk, why = "loss", "The client may hold changes that are not on the server yet; they would be lost."
    elif item.durable.disconnected_at is not None:
        risk, why = "attention", "Its client is away and would not find the handle again."
    elif writes(int(item.access.mask, 16)):
        risk, why = "attention", "Opened for writing: the program may report an error on its next save."
    return Handle.model_validate(
        {
            "id": item.id,
            "path": f"{item.share}\\{item.path}" if item.path else item.share,
            "user": item.user,
            "access": item.access.words,
            "last_io_at": item.last_io_at,
            "risk": risk,
            "why": why,
        }
    )
