"""holdfast user: who may sign in."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from appliance.commands.common import (
    DatabaseOption,
    DataOption,
    PasswordFileOption,
    Session,
    opened,
    read_credentials,
)
from appliance.commands.tables import print_table
from appliance.errors import UsageProblem
from appliance.services.work import Deed
from smbcore.state import accounts

app = typer.Typer(no_args_is_help=True, help="Users: who may sign in.")

NameArgument = Annotated[str, typer.Argument(help="Name of the user.")]
SigningOption = Annotated[
    bool | None,
    typer.Option("--require-signing/--no-require-signing", help="Refuse what they send unsigned.", show_default=False),
]
EncryptionOption = Annotated[
    bool | None,
    typer.Option(
        "--require-encryption/--no-require-encryption", help="Refuse clients that cannot encrypt.", show_default=False
    ),
]


@app.command("add")
def add(
    name: NameArgument,
    data: DataOption,
    database_url: DatabaseOption = None,
    full_name: Annotated[str, typer.Option(help="The person's name.")] = "",
    administrator: Annotated[bool, typer.Option("--administrator", help="May manage this server.")] = False,
    require_signing: SigningOption = None,
    require_encryption: EncryptionOption = None,
    password_file: PasswordFileOption = None,
) -> None:
    """Add a user; the password is asked for, or read from a file."""
    with opened(data, database_url) as session:
        credentials = read_credentials(password_file)
        new = accounts.NewAccount(
            name,
            full_name,
            "administrator" if administrator else "user",
            signing_required=bool(require_signing),
            encryption_required=bool(require_encryption),
        )
        with session.change(Deed("user.create", name)) as connection:
            accounts.create_account(connection, session.key, new, credentials, now=session.now)
    typer.echo(f"Added user {name}.")


@app.command("remove")
def remove(name: NameArgument, data: DataOption, database_url: DatabaseOption = None) -> None:
    """Remove a user; files stay on disk."""
    with opened(data, database_url) as session:
        with session.change(Deed("user.remove", name)) as connection:
            found = _find(accounts.find_account(connection, name), name)
            accounts.delete_account(connection, found.id, now=session.now)
    typer.echo(f"Removed user {name}.")


@app.command("password")
def password(
    name: NameArgument, data: DataOption, database_url: DatabaseOption = None, password_file: PasswordFileOption = None
) -> None:
    """Set a new password; web sessions of the user end."""
    with opened(data, database_url) as session:
        credentials = read_credentials(password_file)
        with session.change(Deed("user.password", name)) as connection:
            found = _find(accounts.find_account(connection, name), name)
            accounts.set_password(connection, session.key, found.id, credentials, now=session.now)
    typer.echo(f"Set the password of {name}.")


@app.command("protect")
def protect(
    name: NameArgument,
    data: DataOption,
    database_url: DatabaseOption = None,
    require_signing: SigningOption = None,
    require_encryption: EncryptionOption = None,
) -> None:
    """Say how a user's connections must be protected; this holds from the next sign-in, open sessions go on."""
    asked = {"signing_required": require_signing, "encryption_required": require_encryption}
    changes = {field: value for field, value in asked.items() if value is not None}
    if not changes:
        raise UsageProblem("nothing to change: use --require-signing, --require-encryption or their --no- forms")
    with opened(data, database_url) as session:
        with session.change(Deed("user.change", name, detail=changes)) as connection:
            found = _find(accounts.find_account(connection, name), name)
            changed = accounts.change_account(connection, found.id, changes, now=session.now)
    typer.echo(f"User {name} must {_protection(changed) or 'neither sign nor encrypt'}, from the next sign-in on.")


@app.command("enable")
def enable(name: NameArgument, data: DataOption, database_url: DatabaseOption = None) -> None:
    """Let a user sign in again."""
    with opened(data, database_url) as session:
        _set_enabled(session, name, enabled=True)
    typer.echo(f"Enabled user {name}.")


@app.command("disable")
def disable(name: NameArgument, data: DataOption, database_url: DatabaseOption = None) -> None:
    """Keep a user from signing in."""
    with opened(data, database_url) as session:
        _set_enabled(session, name, enabled=False)
    typer.echo(f"Disabled user {name}.")


@app.command("list")
def list_users(
    data: DataOption,
    database_url: DatabaseOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the users."""
    with opened(data, database_url) as session, session.engine.connect() as connection:
        found = accounts.list_accounts(connection)
    if as_json:
        keys = ("name", "full_name", "sid", "role", "enabled", "signing_required", "encryption_required", "groups")
        typer.echo(json.dumps([{key: getattr(item, key) for key in keys} for item in found], indent=2))
        return
    rows = [
        (
            item.name,
            item.full_name,
            item.role,
            "yes" if item.enabled else "no",
            _protection(item),
            ", ".join(item.groups),
        )
        for item in found
    ]
    print_table(("NAME", "FULL NAME", "ROLE", "ENABLED", "MUST", "GROUPS"), rows)


def _protection(found: accounts.Account) -> str:
    words = {"sign": found.signing_required, "encrypt": found.encryption_required}
    return " and ".join(word for word, demanded in words.items() if demanded)


def _set_enabled(session: Session, name: str, *, enabled: bool) -> None:
    with session.change(Deed("user.change", name, detail={"enabled": enabled})) as connection:
        found = _find(accounts.find_account(connection, name), name)
        accounts.change_account(connection, found.id, {"enabled": enabled}, now=session.now)


def _find(found: accounts.Account | None, name: str) -> accounts.Account:
    if found is None:
        raise UsageProblem(f"there is no user {name!r}")
    return found
