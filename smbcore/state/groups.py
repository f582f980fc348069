"""Groups and who belongs to them; transactions and versions as in `accounts`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from smbcore.state import outbox, shares
from smbcore.state.accounts import check_name_free, next_sid
from smbcore.state.configuration import GroupConfig, load_groups
from smbcore.state.errors import NotFoundError, StateError
from smbcore.state.rows import update_versioned
from smbcore.state.schema import account, group_, membership
from smbcore.state.validation import check_comment, check_principal_name, check_version

TOPIC = "groups"


def list_groups(connection: Connection) -> tuple[GroupConfig, ...]:
    """Return all groups by name, with their members' names."""
    return load_groups(connection)


def get_group(connection: Connection, group_id: int) -> GroupConfig:
    """Return one group; NotFoundError when it is not there."""
    for group in load_groups(connection):
        if group.id == group_id:
            return group
    raise NotFoundError("id", "There is no such group.")


def find_group(connection: Connection, name: str) -> GroupConfig | None:
    """Return the group of that name, without regard to case."""
    key = name.casefold()
    return next(
        (group for group in load_groups(connection) if group.name.casefold() == key),
        None,
    )


def create_group(
    connection: Connection,
    name: str,
    *,
    comment: str = "",
    members: Iterable[str] = (),
    now: datetime,
) -> GroupConfig:
    """Make a group with the next free SID.

    Errors:  StateError  a field is not possible, the name is taken, or a member does not exist
    """
    check_principal_name(name)
    check_name_free(connection, name)
    group_id = connection.scalar(
        insert(group_)
        .values(
            name=name,
            name_key=name.casefold(),
            sid=next_sid(connection),
            comment=check_comment("comment", comment),
            version=1,
            created_at=now,
            updated_at=now,
        )
        .returning(group_.c.id)
    )
    if group_id is None:
        raise StateError("", "The database did not number the new group.")
    _write_members(connection, group_id, members)
    outbox.append(connection, [outbox.Change(TOPIC, "added", str(group_id))], now=now)
    return get_group(connection, group_id)


def change_group(
    connection: Connection,
    group_id: int,
    changes: Mapping[str, Any],
    *,
    now: datetime,
    expected_version: int | None = None,
) -> GroupConfig:
    """Change `name`, `comment` or `members` (names, replaced as a whole).

    Errors:  NotFoundError, ConflictError, StateError  as for accounts
    """
    current = get_group(connection, group_id)
    check_version(current.version, expected_version)
    values = _checked(changes)
    members = values.pop("members", None)
    if "name" in values:
        check_name_free(connection, values["name"], group_id=group_id)
    update_versioned(connection, group_, group_id, current.version, values, now=now)
    if members is not None:
        _write_members(connection, group_id, members)
    if values.get("name", current.name) != current.name:
        shares.rename_principal(connection, f"group:{current.name}", f"group:{values['name']}", now=now)
    outbox.append(connection, [outbox.Change(TOPIC, "changed", str(group_id))], now=now)
    return get_group(connection, group_id)


def delete_group(
    connection: Connection,
    group_id: int,
    *,
    now: datetime,
    expected_version: int | None = None,
) -> GroupConfig:
    """Remove a group and its lines in access lists; return what it was."""
    current = get_group(connection, group_id)
    check_version(current.version, expected_version)
    shares.rename_principal(connection, f"group:{current.name}", None, now=now)
    connection.execute(delete(group_).where(group_.c.id == group_id))
    outbox.append(connection, [outbox.Change(TOPIC, "removed", str(group_id))], now=now)
    return current


def _checked(values: Mapping[str, Any]) -> dict[str, Any]:
    checked: dict[str, Any] = {}
    for name, value in values.items():
        if name == "name":
            checked["name"] = check_principal_name(value)
            checked["name_key"] = value.casefold()
        elif name == "comment":
            checked["comment"] = check_comment("comment", value)
        elif name == "members":
            checked["members"] = tuple(value)
        else:
            raise StateError(name, "A group has no such field.")
    return checked


def _write_members(connection: Connection, group_id: int, names: Iterable[str]) -> None:
    wanted: set[int] = set()
    for name in names:
        found = connection.scalar(select(account.c.id).where(account.c.name_key == name.casefold()))
        if found is None:
            raise StateError("members", f"There is no user {name!r}.")
        wanted.add(found)
    connection.execute(delete(membership).where(membership.c.group_id == group_id))
    if wanted:
        connection.execute(
            insert(membership),
            [{"group_id": group_id, "account_id": found} for found in sorted(wanted)],
        )
