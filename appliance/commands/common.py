"""What the subcommands share: options, the installation, passwords, and how refusals are printed."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from appliance.clock import SystemClock
from appliance.errors import OperationProblem, UsageProblem
from appliance.installation import DATABASE_URL_VARIABLE, Installation, first_line
from appliance.problems import Problem
from appliance.security.passwords import PasswordWork
from appliance.services.core import SocketCore
from appliance.services.work import Actor, Deed, Work
from smbcore.state.errors import StateError
from smbcore.state.keyfile import KeyFile
from smbcore.state.passwords import Credentials, derive

_STANDARD_INPUT = "-"


def _default_data() -> Path:
    return Path("/var/lib/holdfast") if os.geteuid() == 0 else Path("~/.local/share/holdfast")


DataOption = Annotated[
    Path,
    typer.Option(
        "--data", envvar="HOLDFAST_DATA", default_factory=_default_data, help="Data directory.", show_default=False
    ),
]
DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--database-url",
        envvar=DATABASE_URL_VARIABLE,
        help="postgresql://USER:PASSWORD@HOST/NAME; without it, SQLite in the data directory.",
        show_default=False,
    ),
]
PasswordFileOption = Annotated[
    str | None,
    typer.Option("--password-file", help="Read the password from this file; - is standard input.", show_default=False),
]


@dataclass(frozen=True, slots=True)
class Session:
    """An opened installation, for one command."""

    engine: Engine
    work: Work

    @property
    def key(self) -> KeyFile:
        """The key file."""
        return self.work.key

    @property
    def now(self) -> datetime:
        """The present moment."""
        return self.work.now

    @contextmanager
    def change(self, deed: Deed) -> Iterator[Connection]:
        """Give a transaction that also records the deed, and tell a running core afterwards."""
        with self.work.change(deed) as connection:
            yield connection
        self.work.reload()


@contextmanager
def opened(data: Path, database_url: str | None) -> Iterator[Session]:
    """Open an installation for a command; refusals become one line."""
    installation = Installation.at(data, database_url)
    engine = installation.open_database()
    core = SocketCore(installation.directory.control_socket)
    actor = Actor(f"command line ({getpass.getuser()})")
    try:
        with explained():
            key = installation.load_key()
            yield Session(engine, Work(engine, core, SystemClock(), key, PasswordWork(), actor))
    finally:
        engine.dispose()


@contextmanager
def explained() -> Iterator[None]:
    """Turn refusals of the layers below into UsageProblem or OperationProblem."""
    try:
        yield
    except StateError as error:
        raise UsageProblem(error.message) from error
    except Problem as problem:
        raise OperationProblem(str(problem)) from problem
    except DBAPIError as error:
        raise OperationProblem(f"the database refused: {first_line(error)}") from error


def read_credentials(password_file: str | None) -> Credentials:
    """Read a new password from a file, or ask for it twice on a terminal; return its hashes."""
    with explained():
        return derive(_read_password(password_file))


def _read_password(password_file: str | None) -> str:
    if password_file == _STANDARD_INPUT:
        return sys.stdin.readline().rstrip("\r\n")
    if password_file is not None:
        try:
            lines = Path(password_file).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageProblem(f"cannot read the password from {password_file}: {error}") from error
        return lines[0] if lines else ""
    if not sys.stdin.isatty():
        raise UsageProblem("no password: use --password-file FILE, or - for standard input")
    password = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != password:
        raise UsageProblem("the two passwords differ")
    return password
