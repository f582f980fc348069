"""The `holdfast` command."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from appliance.addresses import Address
from appliance.clock import SystemClock
from appliance.commands import groups, shares, status, users
from appliance.commands.common import DatabaseOption, DataOption, PasswordFileOption, opened, read_credentials
from appliance.commands.serve import serve, setup_link
from appliance.demo import create_demo_share
from appliance.errors import UsageProblem
from appliance.installation import Installation
from appliance.services.work import Deed
from appliance.synthetic import fill
from smbcore.state import accounts

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Holdfast: an SMB file server that is managed in a browser.",
)
app.add_typer(users.app, name="user")
app.add_typer(groups.app, name="group")
app.add_typer(shares.app, name="share")
app.command("serve")(serve)
app.command("status")(status.status)

database = typer.Typer(no_args_is_help=True, help="The database.")
app.add_typer(database, name="db")


@app.command("init")
def init(
    data: DataOption,
    database_url: DatabaseOption = None,
    server_name: Annotated[str, typer.Option(help="NetBIOS name of this server, up to 15 letters.")] = "HOLDFAST",
    admin: Annotated[str | None, typer.Option(help="Also add this administrator.", show_default=False)] = None,
    password_file: PasswordFileOption = None,
) -> None:
    """Create the data directory, the key file and the database; what exists is kept."""
    installation = Installation.at(data, database_url)
    installation.initialise(server_name, SystemClock().now())
    if admin is not None:
        with opened(data, database_url) as session:
            credentials = read_credentials(password_file)
            new = accounts.NewAccount(admin, role="administrator")
            with session.change(Deed("user.create", admin)) as connection:
                accounts.create_account(connection, session.key, new, credentials, now=session.now)
    typer.echo(f"Ready: {installation.directory.path}")


@app.command("setup-url")
def setup_url(
    data: DataOption,
    database_url: DatabaseOption = None,
    web: Annotated[str, typer.Option(metavar="ADDRESS", help="Where the web service listens.")] = "127.0.0.1:8080",
    web_tls: Annotated[bool, typer.Option("--web-tls", help="The web service runs with --web-tls.")] = False,
) -> None:
    """Print a new one-time set-up link; earlier ones end."""
    link = setup_link(Installation.at(data, database_url), Address.parse(web).url(tls=web_tls))
    if link is None:
        raise UsageProblem(
            "this server has an administrator already; `holdfast user password NAME` sets a new password"
        )
    typer.echo(link)


@app.command("demo")
def demo(
    data: DataOption,
    database_url: DatabaseOption = None,
    synthetic: Annotated[bool, typer.Option("--synthetic", help="Also make up people, shares and activity.")] = False,
) -> None:
    """Initialise a data directory with a demo share, and with made-up activity for screenshots."""
    installation = Installation.at(data, database_url)
    installation.initialise("HOLDFAST", SystemClock().now())
    with opened(data, database_url) as session:
        create_demo_share(session.engine, installation.demo_folder, session.now)
        if synthetic:
            fill(session.engine, session.key, installation.directory.path / "synthetic", session.now)
    typer.echo(f"Ready: {installation.directory.path}")


@database.command("upgrade")
def upgrade_database(data: DataOption, database_url: DatabaseOption = None) -> None:
    """Bring the database to the schema version of this program."""
    before, after = Installation.at(data, database_url).upgrade_database()
    typer.echo(f"Schema version {after}." if before == after else f"Schema version {before} became {after}.")


def main() -> None:
    """Run the command line; refusals are one line on standard error and exit status 1 or 2."""
    try:
        app()
    except UsageProblem as problem:
        typer.echo(f"holdfast: {problem}", err=True)
        sys.exit(problem.exit_status)


if __name__ == "__main__":
    main()
