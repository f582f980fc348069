"""File systems below the posix backend: of each kind one, for the whole run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.loopback import FileSystems, LoopbackError


@pytest.fixture(scope="session")
def file_systems(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileSystems]:
    made = FileSystems(tmp_path_factory.mktemp("file-systems"))
    yield made
    made.close()


@pytest.fixture
def file_system(file_systems: FileSystems) -> Callable[[str], Path]:
    """Makes a new folder on a file system of a kind; skips where it cannot be had."""

    def folder(kind: str) -> Path:
        try:
            return file_systems.folder(kind)
        except LoopbackError as error:
            pytest.skip(str(error))

    return folder
