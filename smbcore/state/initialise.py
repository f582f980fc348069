"""Make a data directory ready for use, and find one's way in it."""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection

from smbcore.state.configuration import load_settings
from smbcore.state.engine import open_engine, sqlite_url, writing
from smbcore.state.errors import ConfigurationError
from smbcore.state.keyfile import KeyFile
from smbcore.state.settings import store_settings
from smbcore.state.shares import ensure_ipc_share
from smbcore.state.upgrade import upgrade
from smbcore.state.validation import check_netbios_name


@dataclass(frozen=True, slots=True)
class DataDirectory:
    """Where things are in a data directory: holdfast.db, secret.key, control.sock, records-trusted."""

    path: Path

    @property
    def database_url(self) -> str:
        """The embedded database, used unless another URL is configured."""
        return sqlite_url(self.path / "holdfast.db")

    @property
    def key_file(self) -> Path:
        """The key that secrets in the database are sealed with."""
        return self.path / "secret.key"

    @property
    def records_trusted(self) -> Path:
        """Is there while the core's records of open files are up to date; see `smbcore.server.trust`."""
        return self.path / "records-trusted"

    @property
    def control_socket(self) -> Path:
        """Where the core listens for the management service."""
        return self.path / "control.sock"


def initialise(
    data_dir: Path,
    *,
    now: datetime,
    database_url: str | None = None,
    server_name: str = "HOLDFAST",
) -> DataDirectory:
    """Create what is missing: directory, key file, schema, identity of the server, IPC$.

    What exists already is kept, so it may be run again; `server_name` counts only the first time.
    Errors:  KeyFileError        the key file cannot be written or is damaged
             SchemaError         the database is newer than this program
             ConfigurationError  the directory cannot be made, or the database URL cannot be used
             StateError          the server name is not possible
    """
    check_netbios_name("server_name", server_name)
    directory = DataDirectory(data_dir.absolute())
    try:
        directory.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"the data directory {data_dir} cannot be made: {error.strerror}") from error
    if directory.key_file.exists():
        KeyFile.load(directory.key_file)
    else:
        KeyFile.create(directory.key_file)
    engine = open_engine(database_url or directory.database_url)
    try:
        upgrade(engine)
        with writing(engine) as connection:
            _give_identity(connection, server_name, now)
            ensure_ipc_share(connection, now=now)
    finally:
        engine.dispose()
    return directory


def _give_identity(connection: Connection, server_name: str, now: datetime) -> None:
    current = load_settings(connection)
    missing: dict[str, str] = {}
    if not current.machine_sid:
        missing["machine_sid"] = "S-1-5-21-" + "-".join(str(secrets.randbits(32)) for _ in range(3))
        missing["server_name"] = server_name
    if not current.server_guid:
        missing["server_guid"] = str(uuid.uuid4())
    if not current.node_id:
        missing["node_id"] = str(uuid.uuid4())
    store_settings(connection, missing, now=now)
