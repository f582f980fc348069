"""The state of the whole server on one screen: what needs attention, how full the volumes are, who is busiest."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, func, select

from appliance.models.activity import Counts, Session
from appliance.models.shares import Share
from appliance.models.system import AuditRecord
from appliance.problems import Problem
from appliance.services.activity import count_activity, list_sessions
from appliance.services.audit_log import AuditFilter, search
from appliance.services.folders import is_usable
from appliance.services.holdings import list_nodes
from appliance.services.paging import PageRequest
from appliance.services.shares import list_shares
from appliance.services.words import plural
from appliance.services.work import Work
from smbcore.control.messages import Counters, ListCounters
from smbcore.state.schema import account, session

_NEARLY_FULL = 0.9
_BUSIEST = 5
_RECENT = 8


@dataclass(frozen=True, slots=True)
class Attention:
    """Something that somebody should look at.

    level   "danger" or "warn" or "info"
    action  words and address of the page that helps
    """

    level: str
    title: str
    detail: str
    action: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class Volume:
    """A file system that shares live on.

    used, total  bytes
    """

    shares: tuple[str, ...]
    used: int
    total: int

    @property
    def percent(self) -> int:
        """How full it is."""
        return round(100 * self.used / self.total) if self.total else 0


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything on the first page.

    carried_over  handles that survived the last restart of the SMB server; None when it does not answer
    """

    attention: tuple[Attention, ...]
    counts: Counts
    busiest: tuple[Session, ...]
    shares: tuple[Share, ...]
    volumes: tuple[Volume, ...]
    recent: tuple[AuditRecord, ...]
    bytes_in: int
    bytes_out: int
    carried_over: int | None


def read_overview(work: Work) -> Overview:
    """Gather the overview."""
    counters = _counters(work)
    with work.engine.connect() as connection:
        found_shares = list_shares(connection)
        volumes = _volumes(found_shares)
        bytes_in, bytes_out = connection.execute(
            select(func.coalesce(func.sum(session.c.bytes_in), 0), func.coalesce(func.sum(session.c.bytes_out), 0))
        ).one()
        page = PageRequest(limit=_BUSIEST, sort="-opens")
        return Overview(
            attention=(
                *_attention(work, connection, found_shares, volumes, is_alive=counters is not None),
                *_of_clients(counters or {}),
            ),
            counts=count_activity(connection),
            busiest=tuple(list_sessions(connection, page=page).items),
            shares=tuple(sorted(found_shares, key=lambda share: -share.opens)[:_BUSIEST]),
            volumes=volumes,
            recent=tuple(search(connection, AuditFilter(), _RECENT).items),
            bytes_in=int(bytes_in),
            bytes_out=int(bytes_out),
            carried_over=None if counters is None else counters.get("opens_restored", 0),
        )


def _counters(work: Work) -> Mapping[str, int] | None:
    """Return the counters of the SMB server; None when it does not answer."""
    try:
        reply = work.core.request(ListCounters())
    except Problem:
        return None
    return reply.values if isinstance(reply, Counters) else {}


def _attention(
    work: Work, connection: Connection, shares: list[Share], volumes: tuple[Volume, ...], *, is_alive: bool
) -> list[Attention]:
    found: list[Attention] = []
    if not is_alive:
        found.append(
            Attention(
                "danger",
                "The SMB server does not answer",
                "Clients cannot connect. The management pages work, and changes take effect when it runs again.",
                "See nodes",
                "/activity/nodes",
            )
        )
    for node in list_nodes(connection, work.now).items:
        if node.state == "silent":
            detail = "It should be up, but it has stopped reporting."
            found.append(Attention("warn", f"Nothing heard of {node.name}", detail, "See nodes", "/activity/nodes"))
    for share in shares:
        if not is_usable(share.path):
            title = f"The folder of the share {share.name} is missing"
            detail = f"There is no readable folder {share.path} on the server, so clients cannot connect."
            found.append(Attention("warn", title, detail, "Edit share", f"/shares/{quote(share.name, safe='')}/edit"))
    for volume in volumes:
        if volume.total and volume.used / volume.total >= _NEARLY_FULL:
            title = f"The volume of {', '.join(volume.shares)} is {volume.percent} % full"
            found.append(Attention("warn", title, "Make room before clients fail to save their files."))
    if not shares:
        detail = "Share a folder, so that clients have something to connect to."
        found.append(Attention("info", "Nothing is shared yet", detail, "Create a share", "/shares/new"))
    users = connection.scalar(select(func.count()).select_from(account).where(account.c.role == "user"))
    if not users:
        detail = "Add the people who should use the shares."
        found.append(Attention("info", "There are no users yet", detail, "Add a user", "/people/users/new"))
    return found


def _of_clients(counters: Mapping[str, int]) -> list[Attention]:
    count = counters.get("caching_withheld", 0)
    if not count:
        return []
    title = f"{plural(count, 'client does', 'clients do')} not give back what they cache"
    detail = "Others had to wait for them, so they get no more oplocks and leases for now. They may be hung or asleep."
    return [Attention("warn", title, detail, "See sessions", "/activity/sessions")]


def _volumes(shares: list[Share]) -> tuple[Volume, ...]:
    names: dict[int, list[str]] = {}
    sizes: dict[int, tuple[int, int]] = {}
    for share in shares:
        try:
            device = Path(share.path).stat().st_dev
            usage = shutil.disk_usage(share.path)
        except OSError:
            continue  # the missing folder is told on its own
        names.setdefault(device, []).append(share.name)
        sizes[device] = (usage.used, usage.total)
    return tuple(Volume(tuple(names[device]), *sizes[device]) for device in names)
