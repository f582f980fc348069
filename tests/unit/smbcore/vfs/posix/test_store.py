"""The side store by itself, and what the volume is asked when it is opened."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from smbcore.nt.status import NtError, Status
from smbcore.vfs.posix import probe
from smbcore.vfs.posix.store import SideStore


@pytest.fixture
def root(share: Path):
    descriptor = os.open(share, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


@pytest.fixture
def file(share: Path):
    descriptor = os.open(share / "f", os.O_RDWR | os.O_CREAT)
    yield descriptor
    os.close(descriptor)


def test_store_is_made_when_it_is_needed_and_found_again(share: Path, root: int, file: int) -> None:
    store = SideStore(root)
    assert store.load(file, "x", b"token...") is None
    assert store.size(file, "x") is None
    store.discard(file, "x")
    assert not (share / ".holdfast-streams").exists()
    store.save(file, "x", b"token...", b"value")
    store.save(file, "x", b"another.", b"second value")
    store.close()
    again = SideStore(root)
    assert again.load(file, "x", b"another.") == b"second value"
    assert again.load(file, "x", b"token...") is None
    status = os.fstat(file)
    again.remove_all(status.st_dev, status.st_ino)
    again.remove_all(status.st_dev, status.st_ino)
    assert again.load(file, "x", b"another.") is None
    assert os.listdir(share / ".holdfast-streams") == []
    again.close()


def test_store_is_not_followed_through_a_link(share: Path, root: int, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (share / ".holdfast-streams").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError):
        SideStore(root)


def test_probe_says_what_is_missing(root: int) -> None:
    probe.check_support(root, "share")
    assert probe.can_clone(root) in (True, False)
    proc = os.open("/proc", os.O_RDONLY)
    with pytest.raises(NtError) as caught:
        probe.check_support(proc, "/proc")
    assert caught.value.status is Status.EAS_NOT_SUPPORTED
    assert not probe.can_clone(proc)
    os.close(proc)
