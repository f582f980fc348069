"""Volumes to test on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from smbcore.fsa.backend import Backend
from smbcore.vfs.memory import MemoryBackend
from smbcore.vfs.posix.backend import PosixBackend


@pytest.fixture
def share(tmp_path: Path) -> Path:
    root = tmp_path / "share"
    root.mkdir()
    return root


@pytest.fixture
def posix(share: Path) -> Iterator[PosixBackend]:
    backend = PosixBackend(share)
    yield backend
    backend.close()


@pytest.fixture(params=["memory", "posix", "posix-walk"])
def backend(request: pytest.FixtureRequest, share: Path) -> Iterator[Backend]:
    made: Backend
    if request.param == "memory":
        made = MemoryBackend()
    else:
        made = PosixBackend(share, use_openat2=request.param == "posix")
    yield made
    made.close()
