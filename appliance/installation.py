"""One server's installation: its data directory and database, opened with clear words when that fails."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine, make_url
from sqlalchemy.exc import DBAPIError

from appliance.errors import OperationProblem, UsageProblem
from smbcore.state.engine import open_engine
from smbcore.state.errors import ConfigurationError, KeyFileError, SchemaError, StateError
from smbcore.state.initialise import DataDirectory, initialise
from smbcore.state.keyfile import KeyFile
from smbcore.state.upgrade import check_schema_version, read_schema_version, upgrade

DATABASE_URL_VARIABLE = "HOLDFAST_DATABASE_URL"
"""Environment variable with the database URL; both services read it at their start."""

_SOCKET_PATH_LIMIT = 107
"""Longest path of a unix socket on Linux, without the closing NUL."""


@dataclass(frozen=True, slots=True)
class Installation:
    """Where one server keeps its things.

    directory     the data directory
    database_url  where the schema lives
    """

    directory: DataDirectory
    database_url: str

    @classmethod
    def at(cls, path: Path, database_url: str | None = None) -> Installation:
        """Describe an installation without touching it; raise UsageProblem if the path cannot be used."""
        directory = DataDirectory(path.expanduser().absolute())
        if len(os.fsencode(directory.control_socket)) > _SOCKET_PATH_LIMIT:
            raise UsageProblem(f"the path {directory.path} is too long for the control socket: choose a shorter --data")
        return cls(directory, database_url or directory.database_url)

    @property
    def demo_folder(self) -> Path:
        """The directory that the demo share shows."""
        return self.directory.path / "demo"

    @property
    def is_initialised(self) -> bool:
        """Tell whether `initialise` was run here."""
        return self.directory.key_file.exists()

    def initialise(self, server_name: str, now: datetime) -> None:
        """Create what is missing; running it again changes nothing."""
        with self._explained():
            initialise(self.directory.path, now=now, database_url=self.database_url, server_name=server_name)

    def open_database(self) -> Engine:
        """Open the database and check its schema version; raise OperationProblem with one line otherwise."""
        self._check_initialised()
        with self._explained():
            engine = open_engine(self.database_url)
            check_schema_version(engine)
            return engine

    def upgrade_database(self) -> tuple[int, int]:
        """Bring the schema up to date and return the version before and after."""
        self._check_initialised()
        with self._explained():
            engine = open_engine(self.database_url)
            try:
                before = read_schema_version(engine)
                upgrade(engine)
                return before, read_schema_version(engine)
            finally:
                engine.dispose()

    def load_key(self) -> KeyFile:
        """Read the key file."""
        with self._explained():
            return KeyFile.load(self.directory.key_file)

    def _check_initialised(self) -> None:
        if not self.is_initialised:
            raise OperationProblem(f"{self.directory.path} is not initialised: run `holdfast init` first")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except SchemaError as error:
            raise OperationProblem(
                f"{error} (`holdfast db upgrade`)" if "upgrade" in str(error) else str(error)
            ) from error
        except (ConfigurationError, KeyFileError) as error:
            raise OperationProblem(str(error)) from error
        except StateError as error:
            raise UsageProblem(error.message) from error
        except (DBAPIError, OSError) as error:
            shown = make_url(self.database_url).render_as_string(hide_password=True)
            raise OperationProblem(f"cannot use the database {shown}: {first_line(error)}") from error


def first_line(error: BaseException) -> str:
    """Return the first line of what a driver says, without its Python dressing."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return str(cause).strip().partition("\n")[0] or type(cause).__name__
