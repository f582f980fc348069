"""Fixtures of the interop tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
# impacket installs a script smbclient.py beside the interpreter, which would hide the package of that name.
sys.path[:] = [entry for entry in sys.path if Path(entry) != Path(sys.executable).parent]

from server_process import ServerProcess  # noqa: E402 - the folder is on the path only now


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that speaks every dialect and demands no signatures."""
    settings = {"min_dialect": "2.0.2", "signing_required": False}
    with ServerProcess(tmp_path_factory.mktemp("server"), settings).running() as process:
        yield process


@pytest.fixture
def files(server: ServerProcess) -> Path:
    """The folder behind the share `files`, emptied of what is in it."""
    folder = server.folder / "files"
    for entry in folder.iterdir():
        if entry.is_file():
            entry.unlink()
    return folder
