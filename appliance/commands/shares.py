"""holdfast share: what clients can mount."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from appliance.commands.common import DatabaseOption, DataOption, opened
from appliance.commands.tables import print_table
from appliance.errors import UsageProblem
from appliance.services.folders import prepare_folder
from appliance.services.work import Deed
from smbcore.state import shares
from smbcore.state.configuration import ShareAccess, ShareConfig

app = typer.Typer(no_args_is_help=True, help="Shares: what clients can mount.")

NameArgument = Annotated[str, typer.Argument(help="Name of the share.")]
_EVERYONE_CHANGES = "everyone=change"


@app.command("add")
def add(
    name: NameArgument,
    path: Annotated[Path, typer.Option("--path", help="Directory to share.")],
    data: DataOption,
    database_url: DatabaseOption = None,
    comment: Annotated[str, typer.Option(help="What people read beside the name.")] = "",
    allow: Annotated[
        list[str] | None,
        typer.Option(
            help="WHO=LEVEL with everyone, user:NAME or group:NAME, and read, change, full or deny; may be repeated. "
            f"Without it: {_EVERYONE_CHANGES}.",
            show_default=False,
        ),
    ] = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="Nobody may write.")] = False,
    encrypt: Annotated[bool, typer.Option("--encrypt", help="Refuse clients that cannot encrypt.")] = False,
    continuously_available: Annotated[
        bool, typer.Option("--continuously-available", help="Grant persistent handles.")
    ] = False,
    create: Annotated[bool, typer.Option("--create", help="Make the directory if it is missing.")] = False,
) -> None:
    """Share a directory."""
    with opened(data, database_url) as session:
        folder = path.expanduser().absolute()
        prepare_folder(str(folder), create=create)
        new = shares.NewShare(
            name,
            str(folder),
            comment,
            read_only=read_only,
            encrypt=encrypt,
            continuously_available=continuously_available,
            access=tuple(_parse_access(text) for text in allow or [_EVERYONE_CHANGES]),
        )
        with session.change(Deed("share.create", name, detail={"path": str(folder)})) as connection:
            shares.create_share(connection, new, now=session.now)
    typer.echo(f"Added share {name} of {folder}.")


@app.command("remove")
def remove(name: NameArgument, data: DataOption, database_url: DatabaseOption = None) -> None:
    """Stop sharing a directory; its files stay on disk."""
    with opened(data, database_url) as session, session.change(Deed("share.remove", name)) as connection:
        found = shares.find_share(connection, name)
        if found is None:
            raise UsageProblem(f"there is no share {name!r}")
        shares.delete_share(connection, found.id, now=session.now)
    typer.echo(f"Removed share {name}; its files stay on disk.")


@app.command("list")
def list_shares(
    data: DataOption,
    database_url: DatabaseOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the shares."""
    with opened(data, database_url) as session, session.engine.connect() as connection:
        found = [share for share in shares.list_shares(connection) if share.kind == "disk"]
    if as_json:
        typer.echo(json.dumps([_as_json(share) for share in found], indent=2))
        return
    rows = [(share.name, share.path, _access_words(share), share.comment) for share in found]
    print_table(("NAME", "PATH", "ACCESS", "COMMENT"), rows)


def _parse_access(text: str) -> ShareAccess:
    principal, separator, level = text.rpartition("=")
    if not separator:
        raise UsageProblem(f"--allow {text!r}: write WHO=LEVEL, for example group:staff=change")
    return ShareAccess(principal, level)


def _access_words(share: ShareConfig) -> str:
    return ", ".join(f"{line.principal}={line.level}" for line in share.access) or "nobody"


def _as_json(share: ShareConfig) -> dict[str, object]:
    keys = ("name", "path", "comment", "enabled", "read_only", "encrypt", "continuously_available")
    access = {line.principal: line.level for line in share.access}
    return {key: getattr(share, key) for key in keys} | {"access": access}
