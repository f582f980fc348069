"""Shares: list, make, change, remove; committed first, then told to the core."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from appliance.models.shares import AccessLine, Share, ShareCreate, ShareImpact
from appliance.problems import not_found
from appliance.services import closing, space
from appliance.services.activity import ActivityFilter, list_opens, share_usage
from appliance.services.folders import prepare_folder
from appliance.services.paging import LARGEST_PAGE, PageRequest
from appliance.services.words import plural
from appliance.services.work import Deed, Work, note_changes
from smbcore.state import shares
from smbcore.state.configuration import ShareAccess, ShareConfig
from smbcore.state.options import dump
from smbcore.state.schema import tcon


@dataclass(frozen=True, slots=True)
class Saved:
    """A stored share.

    applied  False when no core is running: it reads the configuration at its start
    """

    share: Share
    applied: bool


def list_shares(connection: Connection) -> list[Share]:
    """Return all shares of files by name, with how much they are used now."""
    usage = share_usage(connection)
    return [_shape(item, usage) for item in shares.list_shares(connection) if item.kind == "disk"]


def get_share(connection: Connection, name: str) -> Share:
    """Return one share; Problem 404 when there is none of that name."""
    found = shares.find_share(connection, name)
    if found is None or found.kind != "disk":
        raise not_found("share", name)
    return _shape(found, share_usage(connection))


def create_share(work: Work, wanted: ShareCreate) -> Saved:
    """Make a share; StateError when a field is not possible or the folder cannot be used."""
    deed = Deed("share.create", f"share {wanted.name}", {"path": wanted.path})
    with work.change(deed) as connection:
        prepare_folder(wanted.path, create=wanted.create_folder)
        values = wanted.model_dump(exclude={"create_folder", "options", "access"})
        new = shares.NewShare(**values, options=wanted.options.model_dump(), access=_access(wanted.access))
        name = shares.create_share(connection, new, now=work.now).name
    return _saved(work, name)


def change_share(work: Work, name: str, changes: Mapping[str, Any], expected_version: int | None) -> Saved:
    """Change the given fields of a share.

    changes  field names with new values; `options` may hold some of the options, `access` is the whole list
    Errors:  Problem 404, StateError, ConflictError when the version is not the expected one
    """
    detail: dict[str, Any] = {"fields": sorted(changes)}
    with work.change(Deed("share.change", f"share {name}", detail)) as connection:
        current = shares.find_share(connection, name)
        if current is None:
            raise not_found("share", name)
        values = dict(changes)
        if "path" in values:
            prepare_folder(values["path"], create=False)
        if "options" in values:
            space.check_size_limit(work, current, values["options"])
            values["options"] = dump(current.options) | dict(values["options"])
        if "access" in values:
            values["access"] = _access(values["access"])
        changed = shares.change_share(connection, current.id, values, now=work.now, expected_version=expected_version)
        note_changes(detail, _flat(current), _flat(changed))
    return _saved(work, changed.name)


def remove_share(work: Work, name: str, expected_version: int | None) -> bool:
    """Remove a share, not its files; tell whether a running core was told. Errors as above."""
    with work.change(Deed("share.remove", f"share {name}")) as connection:
        current = shares.find_share(connection, name)
        if current is None:
            raise not_found("share", name)
        shares.delete_share(connection, current.id, now=work.now, expected_version=expected_version)
    return work.reload()


def removal_impact(connection: Connection, name: str) -> ShareImpact:
    """Tell what removing or disabling a share would do."""
    found = get_share(connection, name)
    query = select(tcon.c.session_key).where(func.lower(tcon.c.share) == found.name.lower()).distinct()
    sessions = [str(key) for key in connection.scalars(query)]
    opens = list_opens(connection, ActivityFilter(share=found.name), PageRequest(limit=LARGEST_PAGE)).items
    impact = closing.handles_impact(opens)
    summary = f"{plural(len(sessions), 'session', 'sessions')} will lose the share, {impact.summary}"
    return ShareImpact(sessions_dropped=sessions, opens_closed=impact.opens_closed, summary=summary)


def _flat(found: ShareConfig) -> dict[str, Any]:
    """Return fields and options beside each other; the list of who may use it in words."""
    values = asdict(found) | asdict(found.options)
    del values["options"], values["version"]
    return values | {"access": [f"{line.principal} {line.level}" for line in found.access]}


def _saved(work: Work, name: str) -> Saved:
    applied = work.reload()
    with work.engine.connect() as connection:
        return Saved(get_share(connection, name), applied)


def _access(lines: list[AccessLine]) -> tuple[ShareAccess, ...]:
    return tuple(ShareAccess(line.principal, line.level) for line in lines)


def _shape(found: ShareConfig, usage: Mapping[str, tuple[int, int]]) -> Share:
    sessions, opens = usage.get(found.name.casefold(), (0, 0))
    return Share.model_validate(asdict(found) | {"id": str(found.id), "sessions": sessions, "opens": opens})
