"""Databases for the tests of smbcore.state: every test that asks for one runs on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine

from smbcore.state.engine import open_engine, sqlite_url
from smbcore.state.initialise import initialise
from smbcore.state.keyfile import KeyFile
from tests.postgresql import MISSING, is_installed, running_postgresql

NOW = datetime(2026, 5, 4, 3, 2, 1, 654321, tzinfo=UTC)


@dataclass(frozen=True)
class Store:
    """An initialised data directory."""

    engine: Engine
    keyfile: KeyFile
    url: str
    data_dir: Path


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Callable[[], str]]:
    """Yield a function that makes an empty database and returns its URL."""
    if not is_installed():
        pytest.skip(MISSING)
    with running_postgresql() as server:
        yield server.new_database


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
