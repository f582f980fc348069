"""A private PostgreSQL server in a temporary directory, reached over a unix socket only."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import text

from smbcore.state.engine import open_engine

_PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
_ROOT = 0
MISSING = "PostgreSQL is not installed (Debian: postgresql)"


def is_installed() -> bool:
    """Whether there is a PostgreSQL to start."""
    return bool(_PROGRAMS)


class PostgreSQL:
    """One server; `start` and `stop` as often as wanted, what was committed stays."""

    def __init__(self, base: Path) -> None:
        self._base = base
        self._data = str(base / "data")
        self._run("initdb", "-D", self._data, "-U", "holdfast", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")

    def start(self, *, durable: bool = False) -> None:
        """Start, and wait until connections are accepted.

        durable  what is committed survives a failure of the power; tests do without
        """
        settings = f"-c listen_addresses= -c unix_socket_directories={self._base}"
        settings += "" if durable else " -c fsync=off -c full_page_writes=off"
        self._run("pg_ctl", "start", "-w", "-D", self._data, "-o", settings)

    def stop(self) -> None:
        """Stop at once: connections are cut."""
        self._run("pg_ctl", "stop", "-w", "-m", "fast", "-D", self._data)

    def new_database(self) -> str:
        """Make an empty database and return its URL."""
        name = f"test_{uuid.uuid4().hex}"
        engine = open_engine(f"postgresql://holdfast@/postgres?host={self._base}")
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return f"postgresql://holdfast@/{name}?host={self._base}"

    def _run(self, program: str, *arguments: str) -> None:
        log = self._base / "log"
        with log.open("ab") as output:
            done = subprocess.run(
                [_PROGRAMS[-1].parent / program, *arguments],
                cwd=self._base,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=60,
                check=False,
                **_unprivileged(),
            )
        assert done.returncode == 0, log.read_text(errors="replace")


@contextlib.contextmanager
def running_postgresql(*, durable: bool = False) -> Iterator[PostgreSQL]:
    """Start a server and remove everything of it at the end; `durable` as in `PostgreSQL.start`."""
    base = Path(tempfile.mkdtemp(prefix="hf-pg-"))
    try:
        if os.geteuid() == _ROOT:
            shutil.chown(base, "nobody", "nogroup")
        server = PostgreSQL(base)
        server.start(durable=durable)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(base, ignore_errors=True)


def _unprivileged() -> dict[str, object]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != _ROOT:
        return {}
    return {"user": "nobody", "group": "nogroup", "extra_groups": []}
