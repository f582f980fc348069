"""Shares: list, create, change, delete.

Every function works in the caller's transaction (see `engine.writing`), bumps the row's version and appends to
the outbox.  The core must be told to reload afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from smbcore.nt.errors import WireError
from smbcore.nt.sid import Sid
from smbcore.state import outbox
from smbcore.state.configuration import (
    ACCESS_LEVELS,
    ShareAccess,
    ShareConfig,
    ShareOptions,
    load_shares,
)
from smbcore.state.errors import NotFoundError, StateError
from smbcore.state.options import OptionError, dump, parse
from smbcore.state.rows import update_versioned
from smbcore.state.schema import account, group_, share, share_access
from smbcore.state.validation import (
    check_comment,
    check_path,
    check_share_name,
    check_version,
)

IPC = "IPC$"
TOPIC = "shares"
EVERYONE = "everyone"


@dataclass(frozen=True, slots=True)
class NewShare:
    """A share to be made; `access` empty admits nobody."""

    name: str
    path: str
    comment: str = ""
    purpose: str = ""
    enabled: bool = True
    read_only: bool = False
    browsable: bool = True
    encrypt: bool = False
    abe: bool = True
    continuously_available: bool = False
    guest_ok: bool = False
    options: ShareOptions | Mapping[str, Any] = field(default_factory=ShareOptions)
    access: tuple[ShareAccess, ...] = ()


_FLAGS = (
    "enabled",
    "read_only",
    "browsable",
    "encrypt",
    "abe",
    "continuously_available",
    "guest_ok",
)
_TEXTS = ("comment", "purpose")
CHANGEABLE = ("name", "path", *_TEXTS, *_FLAGS, "options", "access")
"""The fields that `change_share` takes."""


def list_shares(connection: Connection) -> tuple[ShareConfig, ...]:
    """Return all shares by name, IPC$ among them."""
    return load_shares(connection)


def get_share(connection: Connection, share_id: int) -> ShareConfig:
    """Return one share; NotFoundError when it is not there."""
    found = load_shares(connection, share.c.id == share_id)
    if not found:
        raise NotFoundError("id", "There is no such share.")
    return found[0]


def find_share(connection: Connection, name: str) -> ShareConfig | None:
    """Return the share of that name, without regard to case."""
    found = load_shares(connection, share.c.name_key == name.casefold())
    return found[0] if found else None


def create_share(connection: Connection, new: NewShare, *, now: datetime) -> ShareConfig:
    """Make a share of a directory.

    Errors:  StateError  a field is not possible, or the name is taken
    """
    values = _checked({name: getattr(new, name) for name in CHANGEABLE}, {})
    access = values.pop("access")
    _check_free(connection, values["name"], None)
    share_id = connection.scalar(
        insert(share).values(kind="disk", version=1, created_at=now, updated_at=now, **values).returning(share.c.id)
    )
    if share_id is None:
        raise StateError("", "The database did not number the new share.")
    _write_access(connection, share_id, access)
    outbox.append(connection, [outbox.Change(TOPIC, "added", str(share_id))], now=now)
    return get_share(connection, share_id)


def change_share(
    connection: Connection,
    share_id: int,
    changes: Mapping[str, Any],
    *,
    now: datetime,
    expected_version: int | None = None,
) -> ShareConfig:
    """Change fields of a share; `options` and `access` are replaced as a whole.

    Errors:  NotFoundError  there is no such share
             ConflictError  its version is not the expected one
             StateError     a field is unknown or not possible, or the share is IPC$
    """
    current = _changeable(connection, share_id, expected_version)
    values = _checked(changes, dump(current.options))
    access = values.pop("access", None)
    if "name" in values:
        _check_free(connection, values["name"], share_id)
    update_versioned(connection, share, share_id, current.version, values, now=now)
    if access is not None:
        _write_access(connection, share_id, access)
    outbox.append(connection, [outbox.Change(TOPIC, "changed", str(share_id))], now=now)
    return get_share(connection, share_id)


def change_quotas(
    connection: Connection,
    share_id: int,
    change: Callable[[ShareOptions], Mapping[str, Any]],
    *,
    now: datetime,
    expected_version: int | None = None,
) -> ShareConfig:
    """Change some options and leave the others alone, whatever else happens to the share meanwhile.

    change  returns these options, given those that are stored; what it raises is passed on, and nothing is changed
    Errors:  as `change_share`
    """
    connection.execute(select(share.c.id).where(share.c.id == share_id).with_for_update())
    options = _changeable(connection, share_id, expected_version).options
    return change_share(connection, share_id, {"options": dump(options) | dict(change(options))}, now=now)


def delete_share(
    connection: Connection,
    share_id: int,
    *,
    now: datetime,
    expected_version: int | None = None,
) -> ShareConfig:
    """Remove a share, not its files; return what it was.

    Errors:  as `change_share`
    """
    current = _changeable(connection, share_id, expected_version)
    connection.execute(delete(share).where(share.c.id == share_id))
    outbox.append(connection, [outbox.Change(TOPIC, "removed", str(share_id))], now=now)
    return current


def ensure_ipc_share(connection: Connection, *, now: datetime) -> None:
    """Make the pipe share that every server has, unless it is there."""
    if find_share(connection, IPC) is not None:
        return
    fixed = {
        "path": "",
        "comment": "Remote IPC",
        "kind": "pipe",
        "purpose": "",
        "options": {},
    }
    flags = dict.fromkeys(_FLAGS, False) | {"enabled": True}
    connection.execute(
        insert(share).values(
            name=IPC,
            name_key=IPC.casefold(),
            version=1,
            created_at=now,
            updated_at=now,
            **fixed,
            **flags,
        )
    )


def rename_principal(connection: Connection, old: str, new: str | None, *, now: datetime) -> None:
    """Follow the renaming of an account or a group in all access lists; None removes it from them."""
    where = share_access.c.principal == old
    touched = list(connection.scalars(select(share_access.c.share_id).where(where)))
    if not touched:
        return
    if new is None:
        connection.execute(delete(share_access).where(where))
    else:
        connection.execute(update(share_access).where(where).values(principal=new))
    connection.execute(update(share).where(share.c.id.in_(touched)).values(version=share.c.version + 1, updated_at=now))
    outbox.append(
        connection,
        [outbox.Change(TOPIC, "changed", str(key)) for key in touched],
        now=now,
    )


def _changeable(connection: Connection, share_id: int, expected_version: int | None) -> ShareConfig:
    current = get_share(connection, share_id)
    if current.kind != "disk":
        raise StateError("id", f"{current.name} is part of every server and stays as it is.")
    check_version(current.version, expected_version)
    return current


def _check_free(connection: Connection, name: str, own_id: int | None) -> None:
    found = connection.scalar(select(share.c.id).where(share.c.name_key == name.casefold()))
    if found is not None and found != own_id:
        raise StateError("name", f"There is a share {name} already.")


def _checked(values: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of a share; `stored` are the options that it has now."""
    checked: dict[str, Any] = {}
    for name, value in values.items():
        if name in _FLAGS:
            if not isinstance(value, bool):
                raise StateError(name, "Must be true or false.")
            checked[name] = value
        elif name in _TEXTS:
            checked[name] = check_comment(name, value)
        elif name == "name":
            checked["name"] = check_share_name(value)
            checked["name_key"] = value.casefold()
        elif name == "path":
            checked["path"] = check_path(value)
        elif name == "options":
            checked["options"] = dump(_as_options(value, stored))
        elif name == "access":
            checked["access"] = tuple(value)
        else:
            raise StateError(name, "A share has no such field.")
    return checked


def _as_options(value: ShareOptions | Mapping[str, Any], stored: Mapping[str, Any]) -> ShareOptions:
    try:
        return value if isinstance(value, ShareOptions) else parse(ShareOptions, value, stored)
    except OptionError as error:
        raise StateError(f"options.{error.option}", error.message) from error


def _write_access(connection: Connection, share_id: int, access: Iterable[ShareAccess]) -> None:
    lines: dict[str, str] = {}
    for line in access:
        if line.level not in ACCESS_LEVELS:
            raise StateError("access", f"Must be one of {', '.join(ACCESS_LEVELS)}: {line.level!r}")
        principal = _known_principal(connection, line.principal)
        if principal in lines:
            raise StateError("access", f"{line.principal} is listed twice.")
        lines[principal] = line.level
    connection.execute(delete(share_access).where(share_access.c.share_id == share_id))
    if lines:
        rows = [{"share_id": share_id, "principal": name, "level": level} for name, level in lines.items()]
        connection.execute(insert(share_access), rows)


def _known_principal(connection: Connection, principal: str) -> str:
    kind, _, name = principal.partition(":")
    if principal == EVERYONE:
        return principal
    if kind == "sid":
        return f"sid:{_canonical_sid(name)}"
    table = {"user": account, "group": group_}.get(kind)
    if table is None:
        raise StateError(
            "access",
            f"Write everyone, user:NAME, group:NAME or sid:S-1-…, not {principal!r}.",
        )
    stored = connection.scalar(select(table.c.name).where(table.c.name_key == name.casefold()))
    if stored is None:
        raise StateError("access", f"There is no {kind} {name!r}.")
    return f"{kind}:{stored}"


def _canonical_sid(text: str) -> str:
    try:
        return str(Sid.parse(text))
    except (ValueError, WireError) as error:
        raise StateError("access", f"{text!r} is not a SID.") from error
