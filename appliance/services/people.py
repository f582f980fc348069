"""Users and groups: list, make, change, remove; committed first, then told to the core."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection

from appliance.models.people import Group, GroupCreate, User, UserCreate
from appliance.problems import Problem, not_found
from appliance.services.work import Deed, Work, note_changes
from smbcore.control.messages import DisconnectUser
from smbcore.state import accounts, groups
from smbcore.state.accounts import Account
from smbcore.state.configuration import GroupConfig
from smbcore.state.errors import StateError

_CORE_UNREACHABLE = 503


def list_users(connection: Connection) -> list[User]:
    """Return all users by name."""
    return [user_shape(item) for item in accounts.list_accounts(connection)]


def get_user(connection: Connection, name: str) -> User:
    """Return one user; Problem 404 when there is none of that name."""
    return user_shape(_account(connection, name))


def create_user(work: Work, wanted: UserCreate) -> User:
    """Make a user; StateError when a field is not possible or the name is taken."""
    password = wanted.password
    credentials = None if password is None else work.passwords.derive(password.get_secret_value())
    new = accounts.NewAccount(
        wanted.name,
        wanted.full_name,
        wanted.role,
        wanted.enabled,
        wanted.signing_required,
        wanted.encryption_required,
    )
    with work.change(Deed("user.create", f"user {wanted.name}", {"role": wanted.role})) as connection:
        made = accounts.create_account(connection, work.key, new, credentials, now=work.now)
    work.reload()
    return user_shape(made)


def change_user(work: Work, name: str, changes: Mapping[str, Any], expected_version: int | None) -> User:
    """Change the given fields; disabling also ends the user's sessions.

    Errors:  Problem 404, StateError, ConflictError when the version is not the expected one
    """
    detail: dict[str, Any] = {"fields": sorted(changes)}
    with work.change(Deed("user.change", f"user {name}", detail)) as connection:
        current = _account(connection, name)
        if current.id == work.actor.account_id and (changes.get("role") == "user" or changes.get("enabled") is False):
            raise StateError("role", "You cannot take your own rights away.")
        changed = accounts.change_account(
            connection, current.id, changes, now=work.now, expected_version=expected_version
        )
        note_changes(detail, asdict(current), {field: getattr(changed, field) for field in changes})
    work.reload()
    if changes.get("enabled") is False:
        _disconnect(work, current.name)
    return user_shape(changed)


def set_password(work: Work, name: str, password: str, expected_version: int | None = None) -> User:
    """Replace a password; web sessions of the user end. Errors as above."""
    credentials = work.passwords.derive(password)
    with work.change(Deed("user.password", f"user {name}")) as connection:
        current = _account(connection, name)
        if expected_version not in (None, current.version):
            raise conflict()
        changed = accounts.set_password(connection, work.key, current.id, credentials, now=work.now)
    work.reload()
    return user_shape(changed)


def remove_user(work: Work, name: str, expected_version: int | None) -> None:
    """Remove a user and end their sessions; files stay. Errors as above."""
    with work.change(Deed("user.remove", f"user {name}")) as connection:
        current = _account(connection, name)
        if current.id == work.actor.account_id:
            raise StateError("name", "You cannot remove yourself.")
        accounts.delete_account(connection, current.id, now=work.now, expected_version=expected_version)
    work.reload()
    _disconnect(work, current.name)


def list_groups(connection: Connection) -> list[Group]:
    """Return all groups by name."""
    return [_group_shape(item) for item in groups.list_groups(connection)]


def get_group(connection: Connection, name: str) -> Group:
    """Return one group; Problem 404 when there is none of that name."""
    return _group_shape(_group(connection, name))


def create_group(work: Work, wanted: GroupCreate) -> Group:
    """Make a group; StateError when a field is not possible or the name is taken."""
    with work.change(Deed("group.create", f"group {wanted.name}", {"members": wanted.members})) as connection:
        made = groups.create_group(
            connection, wanted.name, comment=wanted.comment, members=wanted.members, now=work.now
        )
    work.reload()
    return _group_shape(made)


def change_group(work: Work, name: str, changes: Mapping[str, Any], expected_version: int | None) -> Group:
    """Change the given fields; `members` is the whole list. Errors as for users."""
    detail: dict[str, Any] = {"fields": sorted(changes)}
    with work.change(Deed("group.change", f"group {name}", detail)) as connection:
        current = _group(connection, name)
        changed = groups.change_group(connection, current.id, changes, now=work.now, expected_version=expected_version)
        note_changes(detail, asdict(current), {field: getattr(changed, field) for field in changes})
    work.reload()
    return _group_shape(changed)


def remove_group(work: Work, name: str, expected_version: int | None) -> None:
    """Remove a group; its members stay. Errors as for users."""
    with work.change(Deed("group.remove", f"group {name}")) as connection:
        current = _group(connection, name)
        groups.delete_group(connection, current.id, now=work.now, expected_version=expected_version)
    work.reload()


def user_shape(found: Account) -> User:
    """Return an account as people see it, without its hashes."""
    values = asdict(found) | {"id": str(found.id), "groups": list(found.groups)}
    del values["web_password_hash"]
    return User.model_validate(values)


def conflict() -> Problem:
    """Someone else was faster."""
    return Problem(
        412,
        "changed-meanwhile",
        "Someone else changed this meanwhile",
        "Load it again and repeat your change.",
    )


def _disconnect(work: Work, name: str) -> None:
    try:
        work.core.request(DisconnectUser(name, "the account was disabled or removed"))
    except Problem as problem:
        if problem.status != _CORE_UNREACHABLE:
            raise
        # No core is running, so there are no sessions.


def _account(connection: Connection, name: str) -> Account:
    found = accounts.find_account(connection, name)
    if found is None:
        raise not_found("user", name)
    return found


def _group(connection: Connection, name: str) -> GroupConfig:
    found = groups.find_group(connection, name)
    if found is None:
        raise not_found("group", name)
    return found


def _group_shape(found: GroupConfig) -> Group:
    return Group(
        id=str(found.id),
        name=found.name,
        sid=found.sid,
        comment=found.comment,
        members=list(found.members),
        version=found.version,
    )
