"""Volumes to test on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from smbcore.fsa.backend import Backend
from smbcore.vfs.memory import MemoryBackend
from smbcore.vfs.posix.backend import PosixBackend


@pytest.fixture(params=["tmp", "btrfs", "xfs"])
def share(request: pytest.FixtureRequest, tmp_path: Path, file_system: Callable[[str], Path]) -> Path:
    """A folder on the file system that the tests run on, and on others."""
    root = (tmp_path if request.param == "tmp" else file_system(request.param)) / "share"
    root.mkdir()
    return root


@pytest.fixture
def posix(share: Path) -> Iterator[PosixBackend]:
    backend = PosixBackend(share)
    yield backend
    backend.close()


@pytest.fixture(params=["memory", "posix", "posix-walk", "btrfs", "xfs"])
def backend(request: pytest.FixtureRequest, tmp_path: Path, file_system: Callable[[str], Path]) -> Iterator[Backend]:
    made: Backend
    if request.param == "memory":
        made = MemoryBackend()
    else:
        folder = tmp_path if request.param.startswith("posix") else file_system(request.param)
        root = folder / "share"
        root.mkdir()
        made = PosixBackend(root, use_openat2=request.param != "posix-walk")
    yield made
    made.close()
