"""Databases for the tests of smbcore.state: every test that asks for one runs on SQLite and on PostgreSQL.

PostgreSQL is a private server in a temporary directory, reached over a unix socket only.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from smbcore.state.engine import open_engine, sqlite_url
from smbcore.state.initialise import initialise
from smbcore.state.keyfile import KeyFile

NOW = datetime(2026, 5, 4, 3, 2, 1, 654321, tzinfo=UTC)
_PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
_ROOT = 0


@dataclass(frozen=True)
class Store:
    """An initialised data directory."""

    engine: Engine
    keyfile: KeyFile
    url: str
    data_dir: Path


def _unprivileged() -> dict[str, object]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != _ROOT:
        return {}
    return {"user": "nobody", "group": "nogroup", "extra_groups": []}


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Callable[[], str]]:
    """Yield a function that makes an empty database and returns its URL."""
    if not _PROGRAMS:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    programs = _PROGRAMS[-1].parent
    base = Path(tempfile.mkdtemp(prefix="hf-pg-"))
    if os.geteuid() == _ROOT:
        shutil.chown(base, "nobody", "nogroup")

    def run(program: str, *arguments: str) -> None:
        done = subprocess.run(
            [programs / program, *arguments],
            cwd=base,
            stdin=subprocess.DEVNULL,
            stdout=(base / "log").open("ab"),
            stderr=subprocess.STDOUT,
            timeout=60,
            check=False,
            **_unprivileged(),
        )
        assert done.returncode == 0, (base / "log").read_text(errors="replace")

    data = str(base / "data")
    options = f"-c listen_addresses= -c unix_socket_directories={base} -c fsync=off -c full_page_writes=off"
    try:
        run("initdb", "-D", data, "-U", "holdfast", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        run("pg_ctl", "start", "-w", "-D", data, "-o", options)
        try:
            yield lambda: _make_database(base)
        finally:
            run("pg_ctl", "stop", "-w", "-m", "fast", "-D", data)
    finally:
        shutil.rmtree(base, ignore_errors=True)


def _make_database(base: Path) -> str:
    name = f"test_{uuid.uuid4().hex}"
    engine = open_engine(f"postgresql://holdfast@/postgres?host={base}")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return f"postgresql://holdfast@/{name}?host={base}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database of either kind."""
    if request.param == "sqlite":
        return sqlite_url(tmp_path / "test.db")
    return request.getfixturevalue("postgresql")()


@pytest.fixture
def store(database_url: str, tmp_path: Path) -> Iterator[Store]:
    """An initialised database of either kind."""
    directory = initialise(tmp_path / "data", now=NOW, database_url=database_url)
    engine = open_engine(database_url)
    yield Store(engine, KeyFile.load(directory.key_file), database_url, directory.path)
    engine.dispose()


@pytest.fixture
def now() -> datetime:
    """A moment with microseconds."""
    return NOW
