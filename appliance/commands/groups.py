"""holdfast group: users that share rights."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from appliance.commands.common import DatabaseOption, DataOption, Session, opened
from appliance.commands.tables import print_table
from appliance.errors import UsageProblem
from appliance.services.work import Deed
from smbcore.state import groups
from smbcore.state.configuration import GroupConfig

app = typer.Typer(no_args_is_help=True, help="Groups: users that share rights.")

NameArgument = Annotated[str, typer.Argument(help="Name of the group.")]
MemberArgument = Annotated[list[str], typer.Argument(help="Names of users.")]


@app.command("add")
def add(
    name: NameArgument,
    data: DataOption,
    database_url: DatabaseOption = None,
    comment: Annotated[str, typer.Option(help="What the group is for.")] = "",
    member: Annotated[list[str] | None, typer.Option(help="Name of a member; may be repeated.")] = None,
) -> None:
    """Add a group."""
    with opened(data, database_url) as session, session.change(Deed("group.create", name)) as connection:
        groups.create_group(connection, name, comment=comment, members=member or (), now=session.now)
    typer.echo(f"Added group {name}.")


@app.command("remove")
def remove(name: NameArgument, data: DataOption, database_url: DatabaseOption = None) -> None:
    """Remove a group; its members stay."""
    with opened(data, database_url) as session, session.change(Deed("group.remove", name)) as connection:
        found = _find(groups.find_group(connection, name), name)
        groups.delete_group(connection, found.id, now=session.now)
    typer.echo(f"Removed group {name}.")


@app.command("join")
def join(name: NameArgument, members: MemberArgument, data: DataOption, database_url: DatabaseOption = None) -> None:
    """Put users into a group."""
    with opened(data, database_url) as session:
        _change_members(session, name, added=members, removed=())
    typer.echo(f"Changed group {name}.")


@app.command("leave")
def leave(name: NameArgument, members: MemberArgument, data: DataOption, database_url: DatabaseOption = None) -> None:
    """Take users out of a group."""
    with opened(data, database_url) as session:
        _change_members(session, name, added=(), removed=members)
    typer.echo(f"Changed group {name}.")


@app.command("list")
def list_groups(
    data: DataOption,
    database_url: DatabaseOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the groups."""
    with opened(data, database_url) as session, session.engine.connect() as connection:
        found = groups.list_groups(connection)
    if as_json:
        keys = ("name", "sid", "comment", "members")
        typer.echo(json.dumps([{key: getattr(item, key) for key in keys} for item in found], indent=2))
        return
    print_table(("NAME", "COMMENT", "MEMBERS"), [(item.name, item.comment, ", ".join(item.members)) for item in found])


def _change_members(
    session: Session, name: str, *, added: list[str] | tuple[()], removed: list[str] | tuple[()]
) -> None:
    deed = Deed("group.change", name, detail={"added": list(added), "removed": list(removed)})
    with session.change(deed) as connection:
        found = _find(groups.find_group(connection, name), name)
        gone = {member.casefold() for member in removed}
        members = [member for member in (*found.members, *added) if member.casefold() not in gone]
        groups.change_group(connection, found.id, {"members": members}, now=session.now)


def _find(found: GroupConfig | None, name: str) -> GroupConfig:
    if found is None:
        raise UsageProblem(f"there is no group {name!r}")
    return found
