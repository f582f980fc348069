"""Leases, byte-range locks and nodes, read from the shared schema."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import Connection, RowMapping, case, func, select

from appliance.models.activity import AwayClient, Lease, Lock, Node, Principal, Session
from appliance.models.common import Page, clean
from appliance.problems import Problem, not_found
from appliance.services.core import Core
from appliance.services.paging import Order, PageRequest, split
from appliance.services.words import host
from smbcore.control.messages import ListUnanswered, ListWaiting, Unanswered, Waiting
from smbcore.state import outbox
from smbcore.state.schema import account, byte_range, lease, open_, session, version

SILENT_AFTER = timedelta(seconds=30)
"""A node that was not heard of for this long is silent."""

_LEASE_ORDER = Order({"lease_key": lease.c.lease_key}, lease.c.client_guid, "lease_key")
_LEASES = select(lease, version.c.name.label("node_name")).select_from(
    lease.outerjoin(version, version.c.node_id == lease.c.node_id)
)
_HOLDER = (
    func.coalesce(session.c.user, account.c.name, "").label("holder"),
    func.coalesce(func.nullif(session.c.client_name, ""), session.c.client_address, "").label("client"),
)


def list_leases(connection: Connection, page: PageRequest | None = None) -> Page[Lease]:
    """Return a page of leases, with the files they cover and who holds them."""
    page = page or PageRequest()
    query = _LEASES
    found = connection.execute(_LEASE_ORDER.apply(query, page)).mappings().all()
    rows, cursor = split(found, page.limit)
    covered = _covered(connection, [row["lease_key"] for row in rows])
    items = [_lease(row, covered[row["client_guid"], row["lease_key"]]) for row in rows]
    return Page[Lease](items=items, next=cursor, seq=str(outbox.last_seq(connection)))


def get_lease(connection: Connection, lease_id: str) -> Lease:
    """Return one lease, CLIENT_GUID:LEASE_KEY; Problem 404 when it is gone."""
    client_guid, _, lease_key = lease_id.partition(":")
    wanted = _LEASES.where(lease.c.client_guid == client_guid, lease.c.lease_key == lease_key)
    row = connection.execute(wanted).mappings().first()
    if row is None:
        raise not_found("lease", lease_id)
    return _lease(row, _covered(connection, [lease_key])[client_guid, lease_key])


def with_waiting(core: Core, leases: list[Lease]) -> list[Lease]:
    """Return the leases with who waits for those that are being broken; the SMB server is asked if there are any."""
    if all(item.breaking_to is None for item in leases):
        return leases
    try:
        reply = core.request(ListWaiting())
    except Problem:
        return leases  # the list is good without it, and the overview tells that nobody answers
    users = reply.users if isinstance(reply, Waiting) else {}
    return [item.model_copy(update={"waiting": users.get(item.id, [])}) for item in leases]


def with_unanswered(core: Core, sessions: list[Session]) -> list[Session]:
    """Return the sessions with how their clients answer breaks, which only the SMB server knows."""
    if not sessions:
        return sessions
    try:
        reply = core.request(ListUnanswered())
    except Problem:
        return sessions  # the list is good without it, and the overview tells that nobody answers
    if not isinstance(reply, Unanswered) or not reply.breaks:
        return sessions
    withheld = frozenset(reply.withheld)
    return [
        item.model_copy(
            update={"unanswered_breaks": reply.breaks.get(item.id, 0), "caching_withheld": item.id in withheld}
        )
        for item in sessions
    ]


def list_away(connection: Connection, limit: int = 500) -> Page[AwayClient]:
    """Return the clients that handles are kept for, those with most of them first; one page."""
    number, kept = func.count().label("number"), open_.c.disconnected_at.is_not(None)
    persistent = func.sum(case((open_.c.durable == "persistent", 1), else_=0)).label("persistent")
    back = select(session.c.key).where(
        session.c.client_guid == open_.c.client_guid, session.c.user_sid == open_.c.owner_sid
    )
    query = (
        select(
            open_.c.client_guid,
            open_.c.owner_sid,
            func.coalesce(func.max(account.c.name), "").label("user"),
            number,
            persistent,
            func.min(open_.c.disconnected_at).label("since"),
            back.correlate(open_).exists().label("is_back"),
        )
        .select_from(open_.outerjoin(account, account.c.sid == open_.c.owner_sid))
        .where(kept)
        .group_by(open_.c.client_guid, open_.c.owner_sid)
        .order_by(number.desc(), open_.c.client_guid, open_.c.owner_sid)
        .limit(limit)
    )
    items = [
        AwayClient(
            id=f"{row['client_guid']}:{row['owner_sid']}",
            client_guid=row["client_guid"],
            user=Principal(name=clean(row["user"]), sid=row["owner_sid"]),
            handles=row["number"],
            persistent=row["persistent"],
            since=row["since"],
            is_back=row["is_back"],
        )
        for row in connection.execute(query).mappings()
    ]
    return Page[AwayClient](items=items, seq=str(outbox.last_seq(connection)))


def list_locks(connection: Connection, limit: int = 500) -> Page[Lock]:
    """Return byte-range locks by file; one page, because nobody reads more."""
    query = (
        select(byte_range, open_.c.share, open_.c.path, *_HOLDER, version.c.name.label("node_name"))
        .select_from(
            byte_range.join(open_, open_.c.key == byte_range.c.open_key)
            .outerjoin(session, session.c.key == open_.c.session_key)
            .outerjoin(account, account.c.sid == open_.c.owner_sid)
            .outerjoin(version, version.c.node_id == byte_range.c.node_id)
        )
        .order_by(open_.c.share, open_.c.path, byte_range.c.offset)
        .limit(limit)
    )
    items = [
        Lock(
            id=f"{row['open_key']}:{row['offset']}:{row['length']}:{int(row['exclusive'])}",
            open_id=str(row["open_key"]),
            offset=str(row["offset"]),
            length=str(row["length"]),
            exclusive=row["exclusive"],
            user=clean(row["holder"]),
            client=clean(host(row["client"])),
            share=clean(row["share"]),
            path=clean(row["path"]),
            node=row["node_name"] or row["node_id"],
        )
        for row in connection.execute(query).mappings()
    ]
    return Page[Lock](items=items, seq=str(outbox.last_seq(connection)))


def list_nodes(connection: Connection, now: datetime) -> Page[Node]:
    """Return all nodes by name."""
    sessions = _counts_by_node(connection, "session")
    opens = _counts_by_node(connection, "open")
    items = [
        Node(
            id=row["node_id"],
            name=row["name"],
            state=_node_state(row["state"], row["heartbeat_at"], now),
            software=row["software"],
            version_min=row["version_min"],
            version_max=row["version_max"],
            version_current=row["version_current"],
            addresses=list(row["addresses"]),
            boot_id=row["boot_id"],
            started_at=row["started_at"],
            heartbeat_at=row["heartbeat_at"],
            sessions=sessions.get(row["node_id"], 0),
            opens=opens.get(row["node_id"], 0),
        )
        for row in connection.execute(select(version).order_by(version.c.name)).mappings()
    ]
    return Page[Node](items=items, seq=str(outbox.last_seq(connection)))


def _node_state(stored: str, heartbeat_at: datetime, now: datetime) -> Literal["up", "stopping", "down", "silent"]:
    if stored == "down":
        return "down"
    if now - heartbeat_at > SILENT_AFTER:
        return "silent"
    return "stopping" if stored == "stopping" else "up"


def _counts_by_node(connection: Connection, name: str) -> dict[str, int]:
    table = {"session": session, "open": open_}[name]
    query = select(table.c.node_id, func.count().label("number")).group_by(table.c.node_id)
    return {row.node_id: row.number for row in connection.execute(query)}


@dataclass(slots=True)
class _Covered:
    """What is open under one lease."""

    paths: list[str] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    clients: list[str] = field(default_factory=list)
    handles: int = 0


def _covered(connection: Connection, lease_keys: list[str]) -> defaultdict[tuple[str, str], _Covered]:
    found: defaultdict[tuple[str, str], _Covered] = defaultdict(_Covered)
    query = (
        select(open_.c.client_guid, open_.c.lease_key, open_.c.share, open_.c.path, *_HOLDER)
        .select_from(
            open_.outerjoin(session, session.c.key == open_.c.session_key).outerjoin(
                account, account.c.sid == open_.c.owner_sid
            )
        )
        .where(open_.c.lease_key.in_(lease_keys))
        .order_by(open_.c.share, open_.c.path)
    )
    for row in connection.execute(query):
        covered = found[row.client_guid, row.lease_key]
        covered.handles += 1
        path = f"{row.share}\\{row.path}" if row.path else row.share
        for texts, text in ((covered.paths, path), (covered.users, row.holder), (covered.clients, host(row.client))):
            if text and clean(text) not in texts:
                texts.append(clean(text))
    return found


def _lease(row: RowMapping, covered: _Covered) -> Lease:
    return Lease(
        id=f"{row['client_guid']}:{row['lease_key']}",
        client_guid=row["client_guid"],
        lease_key=row["lease_key"],
        state=row["state"],
        breaking_to=row["breaking_to"],
        epoch=row["epoch"],
        version=row["version"],
        node=row["node_name"] or row["node_id"],
        users=covered.users,
        clients=covered.clients,
        paths=covered.paths,
        handles=covered.handles,
    )
