"""What the side store keeps for files that went past us, and what proves that they are gone."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import shutil
import threading
from pathlib import Path

import pytest

from smbcore.vfs.posix import handles
from smbcore.vfs.posix.backend import PosixBackend
from smbcore.vfs.posix.store import SideStore
from smbcore.vfs.posix.sweeper import Sweeper

LARGE = b"x" * 10_000


def _may_ask(share: Path) -> bool:
    """Whether the kernel lets us open by handle here."""
    descriptor = os.open(share, os.O_RDONLY)
    try:
        handle = handles.handle_of(descriptor)
        return handle is not None and handles.is_gone(descriptor, handle) is False
    finally:
        os.close(descriptor)


@pytest.fixture
def asking(tmp_path: Path) -> None:
    if not _may_ask(tmp_path):
        pytest.skip("opening by handle takes CAP_DAC_READ_SEARCH and a local file system")


def folders(share: Path) -> list[str]:
    return sorted(os.listdir(share / ".holdfast-streams"))


async def with_stream(posix: PosixBackend, name: str) -> None:
    """Make a file with a stream that is too large for an extended attribute."""
    root = await posix.open(())
    node = await posix.create(root, name, directory=False)
    stream, _ = node.open_stream("big", create=True)
    await stream.write(0, LARGE)
    for each in (stream, node, root):
        each.close()


async def twice(posix: PosixBackend) -> None:
    """Let a run of the sweeper find what is gone, and the next one confirm it."""
    await posix.tidy()
    await posix.tidy()


async def content(posix: PosixBackend, *path: str) -> bytes:
    node = await posix.open(path)
    stream, _ = node.open_stream("big", create=False)
    data = bytearray(len(LARGE))
    count = await stream.read_into(0, memoryview(data))
    stream.close()
    node.close()
    return bytes(data[:count])


@pytest.mark.usefixtures("asking")
async def test_what_a_removed_file_left_is_removed_and_nothing_else(
    posix: PosixBackend, share: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("gone", "kept", "outside", "linked", "open"):
        await with_stream(posix, name)
    (share / "outside").rename(share.parent / "outside")  # it may come back
    os.link(share / "linked", share / "another link")
    still_open = await posix.open(("open",))
    for name in ("gone", "linked", "open"):
        (share / name).unlink()
    caplog.set_level(logging.INFO)
    await twice(posix)
    assert posix.sweeper.removed == 1
    assert len(folders(share)) == 4
    assert "removed side files of 1 files" in caplog.text
    assert await content(posix, "kept") == LARGE
    assert await content(posix, "another link") == LARGE
    (share.parent / "outside").rename(share / "back")
    assert await content(posix, "back") == LARGE
    still_open.close()
    await twice(posix)
    assert posix.sweeper.removed == 2
    assert len(folders(share)) == 3


async def test_nothing_is_removed_where_the_kernel_does_not_let_us_ask(
    posix: PosixBackend, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await with_stream(posix, "gone")
    (share / "gone").unlink()
    monkeypatch.setattr(handles, "_OPEN_BY_HANDLE", lambda *_: -1)  # errno is 0, or whatever it was
    monkeypatch.setattr(handles.ctypes, "get_errno", lambda: 1)
    await twice(posix)
    assert len(folders(share)) == 1


@pytest.mark.usefixtures("asking")
async def test_file_system_whose_stale_handles_prove_nothing(
    posix: PosixBackend, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await with_stream(posix, "gone")
    (share / "gone").unlink()
    monkeypatch.setattr(handles, "_RELIABLE", frozenset())
    await twice(posix)
    assert len(folders(share)) == 1


@pytest.mark.usefixtures("asking")
async def test_store_that_was_copied_here_is_left_alone(posix: PosixBackend, share: Path) -> None:
    await with_stream(posix, "gone")
    (share / "gone").unlink()
    [name] = folders(share)
    store = share / ".holdfast-streams"
    shutil.copytree(store / name, store / "copy")
    owner = os.getxattr(store / name, "user.holdfast.owner")
    shutil.rmtree(store / name)
    (store / "copy").rename(store / name)
    os.setxattr(store / name, "user.holdfast.owner", owner)
    await twice(posix)
    assert folders(share) == [name]


@pytest.mark.usefixtures("asking")
async def test_folder_that_another_file_took_over_stays(posix: PosixBackend, share: Path) -> None:
    await with_stream(posix, "gone")
    (share / "gone").unlink()
    [name] = folders(share)
    await with_stream(posix, "new")
    status = os.stat(share / "new")
    new_name = f"0-{status.st_ino:x}"
    store = share / ".holdfast-streams"
    if name != new_name:  # as if the inode number had come back
        shutil.rmtree(store / new_name)
        (store / name).rename(store / new_name)
    descriptor = os.open(share / "new", os.O_RDWR)
    os.close(posix.side.open(descriptor, "s1", create=True))
    os.close(descriptor)
    await twice(posix)
    assert "s1" in os.listdir(store / new_name)


@pytest.mark.usefixtures("asking")
async def test_each_run_is_bounded_and_goes_on_where_the_last_one_ended(share: Path) -> None:
    posix = PosixBackend(share)
    posix.sweeper = Sweeper(posix.side, posix.pool, most=3)
    for number in range(7):
        await with_stream(posix, f"f{number}")
    for number in range(7):
        (share / f"f{number}").unlink()
    left = []
    for _ in range(4):
        await posix.tidy()
        left.append(len(folders(share)))
    assert left[0] == 7
    assert left[-1] == 0
    assert sorted(left, reverse=True) == left
    assert all(before - after <= 3 for before, after in itertools.pairwise(left))
    posix.close()


@pytest.mark.usefixtures("asking")
async def test_handle_that_was_stale_for_a_moment_proves_nothing(
    posix: PosixBackend, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await with_stream(posix, "kept")
    with monkeypatch.context() as patched:
        patched.setattr(handles, "is_gone", lambda *_: True)
        await posix.tidy()
    await posix.tidy()
    assert await content(posix, "kept") == LARGE


@pytest.mark.usefixtures("asking")
async def test_folder_that_was_set_aside_before_a_crash_goes(posix: PosixBackend, share: Path) -> None:
    await with_stream(posix, "gone")
    (share / "gone").unlink()
    [name] = folders(share)
    assert posix.side.set_aside(name) is not None
    await twice(posix)
    assert folders(share) == []


async def test_share_without_a_store_has_nothing_to_tidy(posix: PosixBackend, share: Path) -> None:
    await twice(posix)
    assert os.listdir(share) == []


async def test_volume_may_close_meanwhile(share: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    posix = PosixBackend(share)
    await with_stream(posix, "f")
    begun, may_end = threading.Event(), threading.Event()
    orphans = SideStore.orphans

    def slow(store: SideStore, names: list[str]) -> list[str]:
        begun.set()
        may_end.wait(10)
        return orphans(store, names)

    monkeypatch.setattr(SideStore, "orphans", slow)
    tidying = asyncio.ensure_future(posix.tidy())
    await asyncio.to_thread(begun.wait, 10)
    posix.close()
    may_end.set()
    await tidying
    assert posix.sweeper.removed == 0
