"""Closing what is open: first what it would do, then doing it through the core.

A row is never the command: the core is told, it acts and answers, and the rows follow.
"""

from __future__ import annotations

from collections.abc import Sequence

from appliance.models.activity import Done, Handle, Impact, LeaseBreak, Open
from appliance.problems import Problem
from appliance.services.activity import get_open, get_session, get_tcon, opens_of_session, opens_of_tcon
from appliance.services.holdings import get_lease
from appliance.services.words import plural, writes
from appliance.services.work import Deed, Work
from smbcore.control import messages
from smbcore.control.messages import BreakLease, CloseOpen, DisconnectSession, DisconnectTcon, Message

_NOTHING = Done(closed=0, detail="")
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


def close_open(work: Work, open_id: str, reason: str = "", wait: float = 0.0) -> Done:
    """Close one open; Problem 404 when it is gone, 503 when the core does not answer.

    wait  seconds that the client has to write back what it caches before; 0 closes at once
    """
    with work.engine.connect() as connection:
        found = get_open(connection, open_id)
    detail = {"id": open_id, "user": found.user, "reason": reason, "wait_seconds": wait}
    deed = Deed("open.close", f"{found.share}\\{found.path}", detail)
    return _command(work, deed, CloseOpen(int(open_id), reason, float(wait)))


def break_lease(work: Work, lease_id: str, wanted: LeaseBreak) -> Done:
    """Take back what a client caches of a file; Problem 404 or 503 as above."""
    with work.engine.connect() as connection:
        found = get_lease(connection, lease_id)
    detail = {"id": lease_id, "users": found.users, "from": found.state, "to": wanted.keep, "reason": wanted.reason}
    deed = Deed("lease.break", found.paths[0] if found.paths else found.lease_key, detail)
    message = BreakLease(found.client_guid, found.lease_key, wanted.keep, wanted.wait_seconds, wanted.reason)
    return _command(work, deed, message).model_copy(update={"closed": 0})


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
    done = Done(closed=reply.count, detail=reply.detail) if isinstance(reply, messages.Done) else _NOTHING
    work.record(deed, "done", {"answer": done.detail} if done.detail else None)
    return done


def _handle(item: Open) -> Handle:
    risk, why = "safe", "Opened for reading: nothing is lost."
    if item.is_directory:
        why = "A directory: nothing is lost."
    elif item.durable.disconnected_at is not None and item.caching.may_write_behind:
        risk, why = "loss", "Its client is away and may still hold changes; they would be lost."
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
