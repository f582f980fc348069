"""Sessions, tree connects and opens: what goes on now, read from the shared schema."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, func, or_, select

from appliance.models.activity import (
    Access,
    Caching,
    Client,
    Counts,
    Durable,
    Encryption,
    Open,
    Principal,
    Session,
    ShareMode,
    Signing,
    Tcon,
)
from appliance.models.common import Page, clean
from appliance.problems import not_found
from appliance.services.paging import Order, PageRequest, split
from appliance.services.words import access_summary, host, share_mode_words
from smbcore.nt import access
from smbcore.state import outbox
from smbcore.state.schema import account, lease, open_, session, tcon, version

_SESSION_OPENS = select(func.count()).where(open_.c.session_key == session.c.key).scalar_subquery()
"""Counted, for the record of a session follows its opens only after a while."""
_TCON_OPENS = select(func.count()).where(open_.c.tcon_key == tcon.c.key).scalar_subquery()
_SESSION_ORDER = Order(
    {
        "user": session.c.user,
        "created_at": session.c.created_at,
        "last_active_at": session.c.last_active_at,
        "opens": _SESSION_OPENS,
        "client": session.c.client_address,
    },
    session.c.key,
    "-created_at",
)
_TCON_ORDER = Order({"share": tcon.c.share, "created_at": tcon.c.created_at}, tcon.c.key, "-created_at")
_OPEN_ORDER = Order(
    {
        "path": open_.c.path,
        "share": open_.c.share,
        "opened_at": open_.c.opened_at,
        "last_io_at": open_.c.last_io_at,
    },
    open_.c.key,
    "-opened_at",
)


@dataclass(frozen=True, slots=True)
class ActivityFilter:
    r"""What a list is restricted to; empty fields do not restrict.

    q            part of a user, client, share or path; or a path as Windows shows it, \\server\share\folder
    path_prefix  beginning of the path within the share
    """

    q: str = ""
    user: str = ""
    client: str = ""
    share: str = ""
    session: str = ""
    node: str = ""
    path: str = ""
    path_prefix: str = ""
    away: bool | None = None


def list_sessions(
    connection: Connection, wanted: ActivityFilter | None = None, page: PageRequest | None = None
) -> Page[Session]:
    """Return a page of sessions."""
    wanted, page = wanted or ActivityFilter(), page or PageRequest()
    query = _SESSIONS.where(*_session_conditions(wanted))
    rows, cursor = split(_all(connection, _SESSION_ORDER.apply(query, page)), page.limit)
    shares = _shares_by_session(connection, [row["key"] for row in rows])
    away = _away_by_client(connection)
    items = [_session(row, shares[row["key"]], away) for row in rows]
    return Page[Session](items=items, next=cursor, seq=_seq(connection), count=_count(connection, query, page))


def get_session(connection: Connection, session_id: str) -> Session:
    """Return one session; Problem 404 when it is gone."""
    row = connection.execute(_SESSIONS.where(session.c.key == _key("session", session_id))).mappings().first()
    if row is None:
        raise not_found("session", session_id)
    return _session(row, _shares_by_session(connection, [row["key"]])[row["key"]], _away_by_client(connection))


def list_tcons(
    connection: Connection, wanted: ActivityFilter | None = None, page: PageRequest | None = None
) -> Page[Tcon]:
    """Return a page of tree connects."""
    wanted, page = wanted or ActivityFilter(), page or PageRequest()
    query = _TCONS.where(*_tcon_conditions(wanted))
    rows, cursor = split(_all(connection, _TCON_ORDER.apply(query, page)), page.limit)
    items = [_tcon(row) for row in rows]
    return Page[Tcon](items=items, next=cursor, seq=_seq(connection), count=_count(connection, query, page))


def get_tcon(connection: Connection, tcon_id: str) -> Tcon:
    """Return one tree connect; Problem 404 when it is gone."""
    row = connection.execute(_TCONS.where(tcon.c.key == _key("tcon", tcon_id))).mappings().first()
    if row is None:
        raise not_found("tcon", tcon_id)
    return _tcon(row)


def list_opens(
    connection: Connection, wanted: ActivityFilter | None = None, page: PageRequest | None = None
) -> Page[Open]:
    """Return a page of open files and directories."""
    wanted, page = wanted or ActivityFilter(), page or PageRequest()
    query = _OPENS.where(*_open_conditions(wanted))
    rows, cursor = split(_all(connection, _OPEN_ORDER.apply(query, page)), page.limit)
    items = [_open(row) for row in rows]
    return Page[Open](items=items, next=cursor, seq=_seq(connection), count=_count(connection, query, page))


def get_open(connection: Connection, open_id: str) -> Open:
    """Return one open; Problem 404 when it is gone."""
    row = connection.execute(_OPENS.where(open_.c.key == _key("open", open_id))).mappings().first()
    if row is None:
        raise not_found("open", open_id)
    return _open(row)


def opens_of_session(connection: Connection, session_id: str) -> list[Open]:
    """Return everything that a session holds open."""
    query = _OPENS.where(open_.c.session_key == _key("session", session_id)).order_by(open_.c.key)
    return [_open(row) for row in _all(connection, query)]


def opens_of_tcon(connection: Connection, tcon_id: str) -> list[Open]:
    """Return everything that is open through a tree connect."""
    query = _OPENS.where(open_.c.tcon_key == _key("tcon", tcon_id)).order_by(open_.c.key)
    return [_open(row) for row in _all(connection, query)]


def count_activity(connection: Connection) -> Counts:
    """Count what goes on."""
    sessions, users = connection.execute(
        select(func.count(), func.count(func.distinct(session.c.user_sid))).select_from(session)
    ).one()
    away = open_.c.disconnected_at.is_not(None)
    return Counts(
        sessions=sessions,
        users=users,
        opens=connection.scalar(select(func.count()).select_from(open_)) or 0,
        waiting=connection.scalar(select(func.count()).where(lease.c.breaking_to.is_not(None))) or 0,
        away=connection.scalar(select(func.count()).where(away)) or 0,
    )


def share_usage(connection: Connection) -> dict[str, tuple[int, int]]:
    """Return the number of sessions and of opens per share name in lower case."""
    users: dict[str, int] = {}
    opens: dict[str, int] = {}
    tree = select(tcon.c.share, func.count(func.distinct(tcon.c.session_key))).group_by(tcon.c.share)
    for name, count in connection.execute(tree):
        users[name.casefold()] = users.get(name.casefold(), 0) + count
    for name, count in connection.execute(select(open_.c.share, func.count()).group_by(open_.c.share)):
        opens[name.casefold()] = opens.get(name.casefold(), 0) + count
    return {name: (users.get(name, 0), opens.get(name, 0)) for name in users.keys() | opens.keys()}


def parse_unc(text: str) -> tuple[str, str] | None:
    r"""Split \\server\share\path, also with slashes, into share and path; None if it is no such path."""
    normal = text.strip().replace("/", "\\")
    if not normal.startswith("\\\\"):
        return None
    parts = normal[2:].split("\\", 2)
    return (parts[1] if len(parts) > 1 else "", parts[2].rstrip("\\") if len(parts) > 2 else "")


_SESSIONS = select(session, _SESSION_OPENS.label("open_count"), version.c.name.label("node_name")).select_from(
    session.outerjoin(version, version.c.node_id == session.c.node_id)
)
_OWNER = (
    session.c.user,
    session.c.client_name,
    session.c.client_address,
    session.c.client_guid.label("session_client_guid"),
    version.c.name.label("node_name"),
)
_TCONS = select(tcon, _TCON_OPENS.label("open_count"), *_OWNER).select_from(
    tcon.outerjoin(session, session.c.key == tcon.c.session_key).outerjoin(version, version.c.node_id == tcon.c.node_id)
)
_HOLDER = func.coalesce(session.c.user, account.c.name, "")
"""Who holds an open: the user of its session, or of the session that its client had before it went away."""
_OPENS = select(open_, *_OWNER, _HOLDER.label("holder")).select_from(
    open_.outerjoin(session, session.c.key == open_.c.session_key)
    .outerjoin(account, account.c.sid == open_.c.owner_sid)
    .outerjoin(version, version.c.node_id == open_.c.node_id)
)


def _session_conditions(wanted: ActivityFilter) -> list[ColumnElement[bool]]:
    conditions = _owner_conditions(wanted)
    if wanted.q:
        conditions.append(_contains(wanted.q, session.c.user, session.c.client_name, session.c.client_address))
    if wanted.share:
        users = select(tcon.c.session_key).where(func.lower(tcon.c.share) == wanted.share.lower())
        conditions.append(session.c.key.in_(users))
    return conditions


def _tcon_conditions(wanted: ActivityFilter) -> list[ColumnElement[bool]]:
    conditions = _owner_conditions(wanted)
    if wanted.session:
        conditions.append(tcon.c.session_key == _key("session", wanted.session))
    if wanted.share:
        conditions.append(func.lower(tcon.c.share) == wanted.share.lower())
    if wanted.q:
        conditions.append(_contains(wanted.q, tcon.c.share, session.c.user, session.c.client_address))
    return conditions


def _open_conditions(wanted: ActivityFilter) -> list[ColumnElement[bool]]:
    conditions = _owner_conditions(replace(wanted, user=""))
    if wanted.user:
        conditions.append(func.lower(_HOLDER) == wanted.user.lower())
    share, prefix = wanted.share, wanted.path_prefix
    found = parse_unc(wanted.q)
    if found is not None:
        share, prefix = found[0] or share, found[1] or prefix
    elif wanted.q:
        needle = wanted.q.replace("/", "\\")
        conditions.append(_contains(needle, open_.c.path, open_.c.share, _HOLDER, session.c.client_address))
    if share:
        conditions.append(func.lower(open_.c.share) == share.lower())
    if prefix:
        conditions.append(open_.c.path.istartswith(prefix.strip("/\\").replace("/", "\\"), autoescape=True))
    if wanted.path:
        conditions.append(func.lower(open_.c.path) == wanted.path.strip("/\\").replace("/", "\\").lower())
    if wanted.session:
        conditions.append(open_.c.session_key == _key("session", wanted.session))
    if wanted.away is not None:
        gone = open_.c.disconnected_at
        conditions.append(gone.is_not(None) if wanted.away else gone.is_(None))
    return conditions


def _owner_conditions(wanted: ActivityFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.user:
        conditions.append(func.lower(session.c.user) == wanted.user.lower())
    if wanted.client:
        conditions.append(_contains(wanted.client, session.c.client_name, session.c.client_address))
    if wanted.node:
        conditions.append(or_(version.c.name == wanted.node, version.c.node_id == wanted.node))
    return conditions


def _contains(text: str, *columns: ColumnElement[str]) -> ColumnElement[bool]:
    return or_(*(column.icontains(text, autoescape=True) for column in columns))


def _all(connection: Connection, query: Select[Any]) -> Sequence[RowMapping]:
    return connection.execute(query).mappings().all()


def _seq(connection: Connection) -> str:
    return str(outbox.last_seq(connection))


def _count(connection: Connection, query: Select[Any], page: PageRequest) -> int | None:
    return connection.scalar(select(func.count()).select_from(query.subquery())) if page.count else None


def _key(kind: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or len(text) > 10:
        raise not_found(kind, text)
    return int(text)


def _shares_by_session(connection: Connection, keys: Sequence[int]) -> defaultdict[int, list[str]]:
    found: defaultdict[int, list[str]] = defaultdict(list)
    query = select(tcon.c.session_key, tcon.c.share).where(tcon.c.session_key.in_(keys)).order_by(tcon.c.share)
    for key, share in connection.execute(query):
        if share not in found[key]:
            found[key].append(clean(share))
    return found


def _away_by_client(connection: Connection) -> dict[tuple[str, str], int]:
    """Return the number of handles that are kept, by client and user."""
    query = (
        select(open_.c.client_guid, open_.c.owner_sid, func.count().label("number"))
        .where(open_.c.disconnected_at.is_not(None))
        .group_by(open_.c.client_guid, open_.c.owner_sid)
    )
    return {(row.client_guid, row.owner_sid): row.number for row in connection.execute(query)}


def _session(row: RowMapping, shares: list[str], away: Mapping[tuple[str, str], int]) -> Session:
    return Session(
        id=str(row["key"]),
        wire_id=str(row["wire_id"]),
        node=row["node_name"] or row["node_id"],
        user=Principal(name=clean(row["user"]), sid=row["user_sid"]),
        client=Client(name=clean(row["client_name"]), address=host(row["client_address"]), guid=row["client_guid"]),
        dialect=row["dialect"],
        auth=row["auth"],
        guest=row["guest"],
        anonymous=row["anonymous"],
        signing=Signing(algorithm=row["signing"], required=row["signing_required"]),
        encryption=Encryption(cipher=row["encryption"]),
        channels=row["channels"],
        shares=shares,
        opens=row["open_count"],
        away=away.get((row["client_guid"], row["user_sid"]), 0),
        bytes_in=row["bytes_in"],
        bytes_out=row["bytes_out"],
        created_at=row["created_at"],
        last_active_at=row["last_active_at"],
        expires_at=row["expires_at"],
    )


def _client(row: RowMapping) -> Client | None:
    if row["client_address"] is None:
        return None
    guid = row["session_client_guid"] or ""
    return Client(name=clean(row["client_name"]), address=host(row["client_address"]), guid=guid)


def _tcon(row: RowMapping) -> Tcon:
    return Tcon(
        id=str(row["key"]),
        wire_id=str(row["wire_id"]),
        session_id=str(row["session_key"]),
        user=clean(row["user"] or ""),
        client=_client(row) or Client(name="", address="", guid=""),
        node=row["node_name"] or row["node_id"],
        share=clean(row["share"]),
        encrypted=row["encrypted"],
        access=access_summary(row["access"]),
        opens=row["open_count"],
        created_at=row["created_at"],
    )


def _open(row: RowMapping) -> Open:
    return Open(
        id=str(row["key"]),
        persistent_id=str(row["persistent_id"]),
        volatile_id=str(row["volatile_id"]),
        session_id=None if row["session_key"] is None else str(row["session_key"]),
        tcon_id=None if row["tcon_key"] is None else str(row["tcon_key"]),
        node=row["node_name"] or row["node_id"],
        user=clean(row["holder"]),
        client=_client(row),
        share=clean(row["share"]),
        path=clean(row["path"]),
        stream=clean(row["stream"]),
        is_directory=row["is_directory"],
        access=Access(
            mask=f"0x{row['access']:08x}", words=access_summary(row["access"]), rights=access.words(row["access"])
        ),
        share_mode=ShareMode(mask=row["share_mode"], words=share_mode_words(row["share_mode"])),
        create_options=f"0x{row['create_options']:08x}",
        caching=_caching(row),
        durable=_durable(row),
        locks=row["locks"],
        pending_delete=row["delete_pending"],
        opened_at=row["opened_at"],
        last_io_at=row["last_io_at"],
        bytes_read=row["bytes_read"],
        bytes_written=row["bytes_written"],
    )


def _durable(row: RowMapping) -> Durable:
    since = row["disconnected_at"]
    return Durable(
        kind=row["durable"],
        timeout_seconds=row["timeout_ms"] / 1000,
        disconnected_at=since,
        expires_at=None if since is None else since + timedelta(milliseconds=row["timeout_ms"]),
    )


def _caching(row: RowMapping) -> Caching:
    if row["oplock"] == "lease":
        state = row["lease_state"]
        return Caching(
            kind="lease" if state else "none", level=state, lease_key=row["lease_key"], may_write_behind="W" in state
        )
    level = row["oplock"]
    alone = level in ("exclusive", "batch")
    return Caching(kind="oplock" if level else "none", level=level, lease_key=None, may_write_behind=alone)
