"""Accounts: list, create, change, delete, passwords, sign-ins.

Every function works in the caller's transaction (see `engine.writing`), bumps the row's version and appends to
the outbox.  The core must be told to reload afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update

from smbcore.state import outbox, shares
from smbcore.state.configuration import ROLES
from smbcore.state.errors import NotFoundError, StateError
from smbcore.state.keyfile import KeyFile
from smbcore.state.passwords import Credentials
from smbcore.state.rows import update_versioned
from smbcore.state.schema import (
    account,
    group_,
    membership,
    setting,
    token,
    web_session,
)
from smbcore.state.validation import (
    check_choice,
    check_comment,
    check_principal_name,
    check_version,
)

TOPIC = "users"

_FIRST_RID = 1000


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An account to be made."""

    name: str
    full_name: str = ""
    role: str = "user"
    enabled: bool = True
    signing_required: bool = False
    encryption_required: bool = False


@dataclass(frozen=True, slots=True)
class Account:
    """One account as people see it; hashes stay in the database but for the one the web checks."""

    id: int
    name: str
    full_name: str
    sid: str
    role: str
    enabled: bool
    signing_required: bool
    encryption_required: bool
    has_password: bool
    groups: tuple[str, ...]
    version: int
    created_at: datetime
    updated_at: datetime
    last_sign_in_at: datetime | None
    web_password_hash: str | None = field(repr=False)


_SWITCHES = ("enabled", "signing_required", "encryption_required")

CHANGEABLE = ("name", "full_name", "role", *_SWITCHES)
"""The fields that `change_account` takes."""


def list_accounts(connection: Connection) -> tuple[Account, ...]:
    """Return all accounts by name."""
    return _read(connection)


def get_account(connection: Connection, account_id: int) -> Account:
    """Return one account; NotFoundError when it is not there."""
    found = _read(connection, account.c.id == account_id)
    if not found:
        raise NotFoundError("id", "There is no such user.")
    return found[0]


def find_account(connection: Connection, name: str) -> Account | None:
    """Return the account of that name, without regard to case."""
    found = _read(connection, account.c.name_key == name.casefold())
    return found[0] if found else None


def create_account(
    connection: Connection,
    keyfile: KeyFile,
    new: NewAccount,
    credentials: Credentials | None,
    *,
    now: datetime,
) -> Account:
    """Make an account with the next free SID; without credentials nobody can sign in with it yet.

    Errors:  StateError  a field is not possible, or the name is taken by a user or a group
    """
    values = _checked({name: getattr(new, name) for name in CHANGEABLE})
    check_name_free(connection, new.name, account_id=None)
    sid = next_sid(connection)
    account_id = connection.scalar(
        insert(account)
        .values(
            sid=sid,
            version=1,
            created_at=now,
            updated_at=now,
            **values,
            **_sealed(keyfile, sid, credentials),
        )
        .returning(account.c.id)
    )
    if account_id is None:
        raise StateError("", "The database did not number the new user.")
    outbox.append(connection, [outbox.Change(TOPIC, "added", str(account_id))], now=now)
    return get_account(connection, account_id)


def change_account(
    connection: Connection,
    account_id: int,
    changes: Mapping[str, Any],
    *,
    now: datetime,
    expected_version: int | None = None,
) -> Account:
    """Change fields of an account; access lists follow a new name.

    Errors:  NotFoundError  there is no such account
             ConflictError  its version is not the expected one
             StateError     a field is unknown or not possible, or no administrator would be left
    """
    current = get_account(connection, account_id)
    check_version(current.version, expected_version)
    values = _checked(changes)
    if "name" in values:
        check_name_free(connection, values["name"], account_id=account_id)
    loses = values.get("role", "administrator") != "administrator" or not values.get("enabled", True)
    if loses:
        _check_administrator_left(connection, current)
    _bump(connection, current, now, values)
    if values.get("name", current.name) != current.name:
        shares.rename_principal(connection, f"user:{current.name}", f"user:{values['name']}", now=now)
    if values.get("enabled") is False:
        _end_web_access(connection, account_id)
    return get_account(connection, account_id)


def set_password(
    connection: Connection,
    keyfile: KeyFile,
    account_id: int,
    credentials: Credentials | None,
    *,
    now: datetime,
) -> Account:
    """Replace the password; None takes it away. All web sessions of the account end.

    Errors:  NotFoundError  there is no such account
    """
    current = get_account(connection, account_id)
    _bump(connection, current, now, _sealed(keyfile, current.sid, credentials))
    connection.execute(delete(web_session).where(web_session.c.account_id == account_id))
    return get_account(connection, account_id)


def delete_account(
    connection: Connection,
    account_id: int,
    *,
    now: datetime,
    expected_version: int | None = None,
) -> Account:
    """Remove an account, its tokens and its lines in access lists; return what it was. Its SID is not given again.

    Errors:  as `change_account`
    """
    current = get_account(connection, account_id)
    check_version(current.version, expected_version)
    _check_administrator_left(connection, current)
    shares.rename_principal(connection, f"user:{current.name}", None, now=now)
    connection.execute(delete(account).where(account.c.id == account_id))
    outbox.append(connection, [outbox.Change(TOPIC, "removed", str(account_id))], now=now)
    return current


def note_sign_in(connection: Connection, account_id: int, *, now: datetime) -> None:
    """Remember when the account was last used; this is no change of its version."""
    connection.execute(update(account).where(account.c.id == account_id).values(last_sign_in_at=now))


def next_sid(connection: Connection) -> str:
    """Return the next SID of this machine, for an account or a group."""
    machine_sid = connection.scalar(select(setting.c.value).where(setting.c.name == "machine_sid"))
    if not machine_sid:
        raise StateError("", "The database has no machine SID: initialise it first.")
    return f"{machine_sid}-{_FIRST_RID - 1 + outbox.take_numbers(connection, 1, 'rid')}"


def check_name_free(
    connection: Connection,
    name: str,
    *,
    account_id: int | None = None,
    group_id: int | None = None,
) -> None:
    """Raise StateError when another account or group has the name: they share one name space."""
    key = name.casefold()
    user = connection.scalar(select(account.c.id).where(account.c.name_key == key))
    if user is not None and user != account_id:
        raise StateError("name", f"There is a user {name} already.")
    group = connection.scalar(select(group_.c.id).where(group_.c.name_key == key))
    if group is not None and group != group_id:
        raise StateError("name", f"There is a group {name} already.")


def _read(connection: Connection, *conditions: Any) -> tuple[Account, ...]:
    rows = connection.execute(select(account).where(*conditions).order_by(account.c.name_key)).mappings().all()
    names: dict[int, list[str]] = {row["id"]: [] for row in rows}
    members = (
        select(membership.c.account_id, group_.c.name)
        .join_from(membership, group_)
        .where(membership.c.account_id.in_(names))
        .order_by(group_.c.name_key)
    )
    for member in connection.execute(members):
        names[member.account_id].append(member.name)
    return tuple(_account(row, names[row["id"]]) for row in rows)


def _account(row: RowMapping, groups: list[str]) -> Account:
    return Account(
        id=row["id"],
        name=row["name"],
        full_name=row["full_name"],
        sid=row["sid"],
        role=row["role"],
        enabled=row["enabled"],
        signing_required=row["signing_required"],
        encryption_required=row["encryption_required"],
        has_password=row["nt_hash_encrypted"] is not None,
        groups=tuple(groups),
        version=row["version"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        last_sign_in_at=row["last_sign_in_at"],
        web_password_hash=row["web_password_hash"],
    )


def _checked(values: Mapping[str, Any]) -> dict[str, Any]:
    checked: dict[str, Any] = {}
    for name, value in values.items():
        if name == "name":
            checked["name"] = check_principal_name(value)
            checked["name_key"] = value.casefold()
        elif name == "full_name":
            checked["full_name"] = check_comment("full_name", value)
        elif name == "role":
            checked["role"] = check_choice("role", value, ROLES)
        elif name in _SWITCHES and isinstance(value, bool):
            checked[name] = value
        elif name in _SWITCHES:
            raise StateError(name, "Must be true or false.")
        else:
            raise StateError(name, "A user has no such field.")
    return checked


def _sealed(keyfile: KeyFile, sid: str, credentials: Credentials | None) -> dict[str, Any]:
    if credentials is None:
        return {"nt_hash_encrypted": None, "web_password_hash": None}
    return {
        "nt_hash_encrypted": keyfile.encrypt(credentials.nt_hash, sid),
        "web_password_hash": credentials.web_hash,
    }


def _bump(connection: Connection, current: Account, now: datetime, values: Mapping[str, Any]) -> None:
    update_versioned(connection, account, current.id, current.version, values, now=now)
    outbox.append(connection, [outbox.Change(TOPIC, "changed", str(current.id))], now=now)


def _check_administrator_left(connection: Connection, leaving: Account) -> None:
    if leaving.role != "administrator" or not leaving.enabled:
        return
    others = connection.scalar(
        select(func.count())
        .select_from(account)
        .where(
            account.c.role == "administrator",
            account.c.enabled,
            account.c.id != leaving.id,
        )
    )
    if not others:
        raise StateError("role", "This is the last administrator: make another one first.")


def _end_web_access(connection: Connection, account_id: int) -> None:
    connection.execute(delete(web_session).where(web_session.c.account_id == account_id))
    connection.execute(delete(token).where(token.c.account_id == account_id))
