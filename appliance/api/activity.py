"""/sessions, /tcons, /opens, /leases, /locks, /nodes: what goes on now, and ending it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from appliance.api.dependencies import Call, Paging, rules
from appliance.models.activity import (
    AwayClient,
    Counts,
    Done,
    Impact,
    Lease,
    LeaseBreak,
    Lock,
    Node,
    Open,
    Session,
    Tcon,
)
from appliance.models.common import Page
from appliance.problems import not_found
from appliance.services import activity, closing, holdings
from appliance.services.activity import ActivityFilter

router = APIRouter(tags=["activity"])

_READ = rules("activity:read")
_Q = Annotated[str, Query(description="Part of a user, client, share or path; or `\\\\server\\share\\path`.")]
_User = Annotated[str, Query(description="Account name.")]
_Client = Annotated[str, Query(description="Part of the client's name or address.")]
_Share = Annotated[str, Query(description="Name of a share.")]
_Node = Annotated[str, Query(description="Name or id of a node.")]
_Session = Annotated[str, Query(description="Id of a session.")]
_Reason = Annotated[str, Query(description="Why; it goes to the audit log.", max_length=256)]
_DryRun = Annotated[bool, Query(description="Do nothing, and tell what it would do.")]
_SessionId = Annotated[str, Path(description="Id of a session.")]
_TconId = Annotated[str, Path(description="Id of a tree connect.")]
_OpenId = Annotated[str, Path(description="Id of an open.")]
_LeaseId = Annotated[str, Path(description="Id of a lease: the client's GUID, a colon, the lease key.")]
_NodeId = Annotated[str, Path(description="Id or name of a node.")]


@router.get("/activity", summary="Count what goes on", **_READ)
def counts(call: Call) -> Counts:
    """Return the number of sessions, users, opens, lease breaks and absent clients."""
    with call.work.engine.connect() as connection:
        return activity.count_activity(connection)


@router.get("/sessions", summary="List sessions", **_READ)
def list_sessions(
    call: Call, page: Paging, q: _Q = "", user: _User = "", client: _Client = "", share: _Share = "", node: _Node = ""
) -> Page[Session]:
    """List who is signed in, from where, and how well protected."""
    wanted = ActivityFilter(q=q, user=user, client=client, share=share, node=node)
    with call.work.engine.connect() as connection:
        found = activity.list_sessions(connection, wanted, page)
    return found.model_copy(update={"items": holdings.with_unanswered(call.work.core, found.items)})


@router.get("/sessions/{session_id}", summary="Get a session", **_READ)
def get_session(call: Call, session_id: _SessionId) -> Session:
    """Return one session; 404 when it is gone."""
    with call.work.engine.connect() as connection:
        found = activity.get_session(connection, session_id)
    return holdings.with_unanswered(call.work.core, [found])[0]


@router.delete(
    "/sessions/{session_id}", summary="Disconnect a session", **rules("activity:close", audit="session.disconnect")
)
def disconnect_session(
    call: Call, session_id: _SessionId, reason: _Reason = "", dry_run: _DryRun = False
) -> Done | Impact:
    """End a session with all it holds. Answers after the SMB server has done it."""
    if dry_run:
        return closing.session_impact(call.work, session_id)
    return closing.disconnect_session(call.work, session_id, reason)


@router.get("/tcons", summary="List tree connects", **_READ)
def list_tcons(
    call: Call, page: Paging, q: _Q = "", user: _User = "", share: _Share = "", session: _Session = "", node: _Node = ""
) -> Page[Tcon]:
    """List the sessions' connections to shares."""
    wanted = ActivityFilter(q=q, user=user, share=share, session=session, node=node)
    with call.work.engine.connect() as connection:
        return activity.list_tcons(connection, wanted, page)


@router.get("/tcons/{tcon_id}", summary="Get a tree connect", **_READ)
def get_tcon(call: Call, tcon_id: _TconId) -> Tcon:
    """Return one tree connect; 404 when it is gone."""
    with call.work.engine.connect() as connection:
        return activity.get_tcon(connection, tcon_id)


@router.delete("/tcons/{tcon_id}", summary="Disconnect a share", **rules("activity:close", audit="tcon.disconnect"))
def disconnect_tcon(call: Call, tcon_id: _TconId, reason: _Reason = "", dry_run: _DryRun = False) -> Done | Impact:
    """End a session's connection to a share. Answers after the SMB server has done it."""
    if dry_run:
        return closing.tcon_impact(call.work, tcon_id)
    return closing.disconnect_tcon(call.work, tcon_id, reason)


@router.get("/opens", summary="List open files", **_READ)
def list_opens(
    call: Call,
    page: Paging,
    q: _Q = "",
    user: _User = "",
    client: _Client = "",
    share: _Share = "",
    session: _Session = "",
    node: _Node = "",
    path: Annotated[str, Query(description="Path within the share.")] = "",
    path__prefix: Annotated[str, Query(description="Beginning of the path within the share.")] = "",
    away: Annotated[bool | None, Query(description="Only handles whose client is away, or is not.")] = None,
) -> Page[Open]:
    """List open files and directories: who holds them, how, and what they may cache."""
    wanted = ActivityFilter(
        q=q,
        user=user,
        client=client,
        share=share,
        session=session,
        node=node,
        path=path,
        path_prefix=path__prefix,
        away=away,
    )
    with call.work.engine.connect() as connection:
        return activity.list_opens(connection, wanted, page)


@router.get("/opens/{open_id}", summary="Get an open file", **_READ)
def get_open(call: Call, open_id: _OpenId) -> Open:
    """Return one open; 404 when it is gone."""
    with call.work.engine.connect() as connection:
        return activity.get_open(connection, open_id)


@router.delete("/opens/{open_id}", summary="Close an open file", **rules("activity:close", audit="open.close"))
def close_open(
    call: Call,
    open_id: _OpenId,
    reason: _Reason = "",
    dry_run: _DryRun = False,
    break_lease_wait: Annotated[
        float,
        Query(
            ge=0,
            le=60,
            description="Ask the client to write back what it caches, and wait this many seconds at most; 0 does not.",
        ),
    ] = 0.0,
) -> Done | Impact:
    """Close one handle, also one whose client is away. Answers after the SMB server has done it."""
    if dry_run:
        return closing.open_impact(call.work, open_id)
    return closing.close_open(call.work, open_id, reason, break_lease_wait)


@router.get("/away", summary="List clients that handles are kept for", **_READ)
def list_away(call: Call) -> Page[AwayClient]:
    """List the clients that have lost their connection, with the number of handles that wait for each."""
    with call.work.engine.connect() as connection:
        return holdings.list_away(connection)


@router.get("/leases", summary="List leases", **_READ)
def list_leases(call: Call, page: Paging) -> Page[Lease]:
    """List what clients cache, and which breaks are under way."""
    with call.work.engine.connect() as connection:
        found = holdings.list_leases(connection, page)
    return found.model_copy(update={"items": holdings.with_waiting(call.work.core, found.items)})


@router.get("/leases/{lease_id}", summary="Get a lease", **_READ)
def get_lease(call: Call, lease_id: _LeaseId) -> Lease:
    """Return one lease; 404 when the client has given it back."""
    with call.work.engine.connect() as connection:
        found = holdings.get_lease(connection, lease_id)
    return holdings.with_waiting(call.work.core, [found])[0]


@router.post("/leases/{lease_id}:break", summary="Break a lease", **rules("activity:close", audit="lease.break"))
def break_lease(call: Call, lease_id: _LeaseId, wanted: LeaseBreak) -> Done:
    """Take back what a client caches; it writes back its changes first. Its handles stay open."""
    return closing.break_lease(call.work, lease_id, wanted)


@router.get("/locks", summary="List byte-range locks", **_READ)
def list_locks(call: Call) -> Page[Lock]:
    """List locked ranges of files."""
    with call.work.engine.connect() as connection:
        return holdings.list_locks(connection)


@router.get("/nodes", summary="List nodes", **_READ)
def list_nodes(call: Call) -> Page[Node]:
    """List the machines that serve SMB, with the versions they speak."""
    with call.work.engine.connect() as connection:
        return holdings.list_nodes(connection, call.work.now)


@router.get("/nodes/{node_id}", summary="Get a node", **_READ)
def get_node(call: Call, node_id: _NodeId) -> Node:
    """Return one node; 404 when there is none."""
    with call.work.engine.connect() as connection:
        nodes = holdings.list_nodes(connection, call.work.now).items
    for node in nodes:
        if node_id in (node.id, node.name):
            return node
    raise not_found("node", node_id)
