"""Files by their ids: one walk for all who ask, of any size, and no answer but what the file is now."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from smbcore.nt.status import NtError, Status
from smbcore.vfs.posix import file_ids
from smbcore.vfs.posix.backend import PosixBackend


def fill(share: Path, directories: int, files: int) -> list[int]:
    """Make files in directories of directories; return their inode numbers."""
    found = []
    for number in range(directories):
        place = share / f"d{number % 10}" / f"e{number}"
        place.mkdir(parents=True)
        for other in range(files):
            (place / f"f{other}").touch()
            found.append(os.stat(place / f"f{other}").st_ino)
    return found


async def path_of(posix: PosixBackend, file_id: int) -> tuple[str, ...]:
    node = await posix.open_by_id(file_id)
    try:
        return node.path
    finally:
        node.close()


async def status_of(work) -> str:
    with pytest.raises(NtError) as caught:
        await work
    return caught.value.status.name


async def test_all_who_ask_share_one_walk(posix: PosixBackend, share: Path) -> None:
    inodes = fill(share, 20, 10)
    paths = await asyncio.gather(*(path_of(posix, inode) for inode in inodes))
    assert [os.stat(share.joinpath(*path)).st_ino for path in paths] == inodes
    assert posix.ids.walks == 1
    assert await path_of(posix, inodes[0]) == paths[0]  # known by now
    assert posix.ids.walks == 1


async def test_walk_in_many_pieces(posix: PosixBackend, share: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_ids, "_PIECE", 7)
    inodes = fill(share, 30, 5)
    for inode in (inodes[0], inodes[70], inodes[-1]):
        posix.ids.forget(inode)
        assert os.stat(share.joinpath(*await path_of(posix, inode))).st_ino == inode
    directory = os.stat(share / "d3").st_ino
    assert await path_of(posix, directory) == ("d3",)
    assert await status_of(posix.open_by_id(max(inodes) + 987_654)) == "OBJECT_NAME_NOT_FOUND"


async def test_who_asks_in_the_middle_of_a_walk_gets_a_whole_one(
    posix: PosixBackend, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_ids, "_PIECE", 1)
    inodes = fill(share, 10, 1)
    begun, may_go_on = threading.Event(), threading.Event()
    opened: list[tuple[str, ...]] = []
    open_directory = posix.open_directory

    def slow(path: tuple[str, ...]) -> int:
        opened.append(path)
        if len(opened) == 15:  # of 21 directories
            begun.set()
            may_go_on.wait(10)
        return open_directory(path)

    posix.ids._open_directory = slow
    first = asyncio.ensure_future(posix.open_by_id(max(inodes) + 987_654))
    assert await asyncio.to_thread(begun.wait, 10)
    late = [asyncio.ensure_future(path_of(posix, inode)) for inode in inodes]
    await asyncio.sleep(0)
    may_go_on.set()
    paths = await asyncio.gather(*late)
    assert [os.stat(share.joinpath(*path)).st_ino for path in paths] == inodes
    assert await status_of(first) == "OBJECT_NAME_NOT_FOUND"
    assert posix.ids.walks == 2


async def test_directory_that_vanishes_hides_no_other(
    posix: PosixBackend, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A directory goes between the look at its name and the look at itself; what is beside it is walked all the same."""
    inodes = fill(share, 10, 1)
    (share / "brief").mkdir()
    real = os.scandir

    @contextlib.contextmanager
    def vanish(directory: int) -> Iterator[list[os.DirEntry[str]]]:
        entries = list(real(directory))
        if (share / "brief").exists():
            (share / "brief").rmdir()
        yield entries

    monkeypatch.setattr(file_ids.os, "scandir", vanish)
    assert [os.stat(share.joinpath(*await path_of(posix, inode))).st_ino for inode in inodes] == inodes


async def test_failure_of_a_walk_reaches_all_who_ask(posix: PosixBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_directory: int) -> object:
        raise RuntimeError("a bug")

    monkeypatch.setattr(file_ids.os, "scandir", fail)
    work = [asyncio.ensure_future(posix.open_by_id(2**40 + number)) for number in range(2)]
    done, _ = await asyncio.wait(work, timeout=10)
    assert [str(one.exception()) for one in done] == ["a bug", "a bug"]


async def test_file_that_moved_is_found_where_it_is(posix: PosixBackend, share: Path) -> None:
    inodes = fill(share, 3, 1)
    assert await path_of(posix, inodes[0]) == ("d0", "e0", "f0")
    (share / "d0" / "e0").rename(share / "moved")
    (share / "d0" / "e0").mkdir()
    (share / "d0" / "e0" / "f0").touch()  # another file has its path
    assert await path_of(posix, inodes[0]) == ("moved", "f0")
    (share / "moved" / "f0").unlink()
    assert await status_of(posix.open_by_id(inodes[0])) == "OBJECT_NAME_NOT_FOUND"


async def test_links_are_not_followed_and_the_store_is_nobodys(
    posix: PosixBackend, share: Path, tmp_path: Path
) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "f").touch()
    (share / "link").symlink_to(tmp_path / "outside")
    (share / ".holdfast-streams").mkdir()
    (share / ".holdfast-streams" / "f").touch()
    for place in (tmp_path / "outside" / "f", share / ".holdfast-streams" / "f"):
        assert await status_of(posix.open_by_id(os.stat(place).st_ino)) == "OBJECT_NAME_NOT_FOUND"


async def test_cancelled_search_ends_the_walk_and_disturbs_nobody(
    posix: PosixBackend, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_ids, "_PIECE", 1)
    inodes = fill(share, 5, 1)
    hopeless = [asyncio.ensure_future(posix.open_by_id(max(inodes) + 987_654)) for _ in range(2)]
    other = asyncio.ensure_future(path_of(posix, inodes[-1]))
    await asyncio.sleep(0)
    hopeless[0].cancel()
    assert os.stat(share.joinpath(*await other)).st_ino == inodes[-1]
    assert await status_of(hopeless[1]) == "OBJECT_NAME_NOT_FOUND"
    with pytest.raises(asyncio.CancelledError):
        await hopeless[0]
    last = asyncio.ensure_future(posix.open_by_id(max(inodes) + 987_654))
    await asyncio.sleep(0)
    last.cancel()
    with pytest.raises(asyncio.CancelledError):
        await last
    if posix.ids._task is not None:
        await asyncio.wait_for(posix.ids._task, 10)
    assert not posix.ids._waiting


async def test_searches_are_bounded(posix: PosixBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_ids, "_MOST_WAITING", 3)
    work = [asyncio.ensure_future(status_of(posix.open_by_id(2**40 + number))) for number in range(5)]
    assert sorted(await asyncio.gather(*work)) == [
        "INSUFFICIENT_RESOURCES", "INSUFFICIENT_RESOURCES",
        "OBJECT_NAME_NOT_FOUND", "OBJECT_NAME_NOT_FOUND", "OBJECT_NAME_NOT_FOUND",
    ]  # fmt: skip


async def test_search_ends_with_the_volume(share: Path) -> None:
    posix = PosixBackend(share)
    searching = asyncio.ensure_future(posix.open_by_id(2**40))
    await asyncio.sleep(0)
    posix.close()
    with pytest.raises(NtError) as caught:
        await searching
    assert caught.value.status in (Status.FILE_CLOSED, Status.OBJECT_NAME_NOT_FOUND)
