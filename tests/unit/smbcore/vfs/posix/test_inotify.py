"""Changes by other processes: seen in watched directories and trees, told once, apart from our own."""

from __future__ import annotations

import asyncio
import ctypes
import errno
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from smbcore.fsa import notify
from smbcore.fsa.api import Caching, OpenParameters, OplockLevel, VolumeConfig
from smbcore.fsa.backend import LocalChange
from smbcore.fsa.open import Open
from smbcore.fsa.volume import Volume
from smbcore.nt import create as c
from smbcore.nt.clock import ManualClock
from smbcore.nt.info import classes as ic
from smbcore.nt.info import rename
from smbcore.nt.status import NtError, Status
from smbcore.vfs.posix import inotify
from smbcore.vfs.posix.backend import PosixBackend
from smbcore.vfs.posix.inotify import LocalObserver
from tests.unit.smbcore.vfs.posix.clients import ALICE, EVERYBODY, Holder

EVERYTHING = 0xFFF
ALL = 0x1F01FF
LISTING = 0x1


@pytest.fixture
async def volume(share: Path) -> AsyncIterator[Volume]:
    made = Volume(PosixBackend(share), VolumeConfig(EVERYBODY), ManualClock())
    yield made
    await made.close()


async def open_file(volume: Volume, path: str, *, access: int = ALL, disposition: int = c.FILE_OPEN_IF) -> Open:
    return await volume.open_file(OpenParameters(path, ALICE, access, 7, disposition, 0))


class Watcher:
    """A directory that is watched, and what was told of it."""

    def __init__(self, volume: Volume, opened: Open, *, tree: bool) -> None:
        self.volume = volume
        self.opened = opened
        self.tree = tree
        self.task = self._ask()

    def _ask(self) -> asyncio.Task[list[notify.Event]]:
        return asyncio.get_running_loop().create_task(self.opened.change_notify(EVERYTHING, self.tree, 60000))

    async def told(self) -> list[notify.Event]:
        """Return everything that was told by now."""
        found: list[notify.Event] = []
        for _ in range(30):
            await asyncio.sleep(0)
            observer = self.volume.backend._observer  # type: ignore[attr-defined]
            observer.read()
            if self.task.done():
                found += self.task.result()
                self.task = self._ask()
        return found

    async def end(self) -> None:
        await self.opened.close()
        with pytest.raises(NtError):
            await self.task


@pytest.fixture
async def watch(volume: Volume) -> AsyncIterator[Any]:
    watchers: list[Watcher] = []

    async def make(path: str = "", *, tree: bool = False) -> Watcher:
        opened = await open_file(volume, path, access=LISTING, disposition=c.FILE_OPEN)
        watchers.append(Watcher(volume, opened, tree=tree))
        await asyncio.sleep(0)
        return watchers[-1]

    yield make
    for watcher in watchers:
        await watcher.end()


async def test_local_changes_are_told(share: Path, watch: Any) -> None:
    watcher = await watch()
    (share / "a").write_bytes(b"x")
    told = await watcher.told()
    assert told[0] == (notify.ADDED, "a")
    assert set(told[1:]) <= {(notify.MODIFIED, "a")}
    (share / "a").rename(share / "b")
    assert await watcher.told() == [(notify.RENAMED_OLD_NAME, "a"), (notify.RENAMED_NEW_NAME, "b")]
    os.setxattr(share / "b", "user.comment", b"1")
    assert await watcher.told() == [(notify.MODIFIED, "b")]
    (share / "b").unlink()
    assert (await watcher.told())[-1] == (notify.REMOVED, "b")


async def test_our_own_changes_are_told_once(volume: Volume, watch: Any) -> None:
    watcher = await watch()
    opened = await open_file(volume, "a")
    assert await watcher.told() == [(notify.ADDED, "a")]
    for number in range(5):
        await opened.write(number, b"x")
    assert await watcher.told() == [(notify.MODIFIED, "a")]
    await opened.set_information(ic.FILE_RENAME_INFORMATION, rename.RenameInformation("b", 0).encode())
    assert await watcher.told() == [(notify.RENAMED_OLD_NAME, "a"), (notify.RENAMED_NEW_NAME, "b")]
    opened.delete_on_close = True
    await opened.close()
    told = await watcher.told()
    assert told.count((notify.REMOVED, "b")) == 1
    assert set(told) <= {(notify.REMOVED, "b"), (notify.MODIFIED, "b")}


async def test_what_others_do_to_the_same_name_is_told(share: Path, volume: Volume, watch: Any) -> None:
    watcher = await watch()
    await (await open_file(volume, "a")).close()
    assert await watcher.told() == [(notify.ADDED, "a")]
    (share / "a").unlink()
    assert (notify.REMOVED, "a") in await watcher.told()
    (share / "a").touch()
    assert (notify.ADDED, "a") in await watcher.told()
    volume.clock.advance(1)  # type: ignore[attr-defined]
    (share / "a").write_bytes(b"x")
    assert (notify.MODIFIED, "a") in await watcher.told()


async def test_a_tree_is_seen_with_directories_that_come_and_move(share: Path, watch: Any) -> None:
    (share / "one" / "two").mkdir(parents=True)
    watcher = await watch(tree=True)
    (share / "one" / "two" / "a").touch()
    assert (await watcher.told())[0] == (notify.ADDED, "one\\two\\a")
    (share / "new").mkdir()
    assert await watcher.told() == [(notify.ADDED, "new")]
    (share / "new" / "b").touch()
    assert (notify.ADDED, "new\\b") in await watcher.told()
    (share / "one").rename(share / "new" / "moved")
    assert set(await watcher.told()) == {(notify.REMOVED, "one"), (notify.ADDED, "new\\moved")}
    (share / "new" / "moved" / "two" / "a").unlink()
    assert (notify.REMOVED, "new\\moved\\two\\a") in await watcher.told()


async def test_below_a_directory_that_is_watched_alone_nothing_is_seen(share: Path, watch: Any) -> None:
    (share / "one").mkdir()
    watcher = await watch()
    (share / "one" / "a").touch()
    assert all(name == "one" for _, name in await watcher.told())


async def test_a_tree_that_left_is_forgotten(share: Path, volume: Volume, watch: Any) -> None:
    (share / "one" / "two").mkdir(parents=True)
    watcher = await watch(tree=True)
    (share / "one").rename(share.parent / "outside")
    assert await watcher.told() == [(notify.REMOVED, "one")]
    (share.parent / "outside" / "a").touch()
    assert await watcher.told() == []


async def test_the_stream_store_is_nobodys_news(share: Path, watch: Any) -> None:
    watcher = await watch(tree=True)
    (share / ".holdfast-streams").mkdir()
    (share / ".holdfast-streams" / "x").touch()
    assert await watcher.told() == []


async def test_nothing_is_observed_when_nobody_watches(volume: Volume, watch: Any) -> None:
    await (await open_file(volume, "a")).close()
    assert volume.backend._observer is None  # type: ignore[attr-defined]
    watcher = await watch()
    observer = volume.backend._observer  # type: ignore[attr-defined]
    assert observer._descriptor >= 0
    assert volume.local.active
    await watcher.opened.close()
    assert observer._descriptor < 0
    assert not volume.local.active


async def test_two_who_watch_one_directory(share: Path, volume: Volume, watch: Any) -> None:
    first, second = await watch(), await watch(tree=True)
    await first.opened.close()
    (share / "a").touch()
    assert (notify.ADDED, "a") in await second.told()


async def test_too_much_for_the_kernels_queue_means_list_anew(volume: Volume, watch: Any) -> None:
    watcher = await watch()
    volume.local.told([])
    await asyncio.sleep(0)
    with pytest.raises(NtError) as caught:
        await watcher.task
    assert caught.value.status is Status.NOTIFY_ENUM_DIR
    watcher.task = watcher._ask()


async def test_after_lost_news_the_tree_is_watched_as_it_is_now(
    share: Path, volume: Volume, watch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1 directories come, move and leave, 2 the kernel loses that, 3 what happens in them then is told rightly."""
    (share / "old" / "below").mkdir(parents=True)
    (share / "leaves").mkdir()
    watcher = await watch(tree=True)
    (share / "new").mkdir()
    (share / "old").rename(share / "moved")
    (share / "leaves").rename(share.parent / "outside")
    observer = volume.backend._observer  # type: ignore[attr-defined]
    real = os.read
    with monkeypatch.context() as patch:
        overflow = inotify._EVENT.pack(-1, inotify._OVERFLOW, 0, 0)
        patch.setattr(inotify.os, "read", lambda *args: real(*args) and overflow)
        observer.read()
    await asyncio.sleep(0)
    with pytest.raises(NtError) as caught:
        await watcher.task
    assert caught.value.status is Status.NOTIFY_ENUM_DIR
    watcher.task = watcher._ask()
    await asyncio.sleep(0)
    for path in ("new/a", "moved/below/b", "../outside/c"):
        (share / path).touch()
    assert {name for _, name in await watcher.told()} == {"new\\a", "moved\\below\\b"}
    assert len(observer._watched) == 4


async def test_after_lost_news_nobody_is_left_out_for_the_sake_of_a_tree(share: Path, volume: Volume) -> None:
    """1 a tree is watched, and some of its folders by others  2 it grows beyond what may be watched, and news of that
    are lost  3 the others hear of their folders as before.
    """
    alone = [(f"f{number}",) for number in range(4)]
    for path in alone:
        (share / path[0]).mkdir()
    told: list[LocalChange] = []
    backend = volume.backend
    assert isinstance(backend, PosixBackend)
    observer = LocalObserver(backend._resolver, told.extend, most=10)
    observer.observe((), tree=True)
    for path in alone:
        observer.observe(path, tree=False)
    deep_tree(share)
    os.read(observer._descriptor, inotify._READ_SIZE)
    observer._look_again()
    assert len(observer._watched) == 10
    for path in alone:
        (share / path[0] / "a").touch()
    observer.read()
    assert {(*path, "a") for path in alone} <= {change.path for change in told}
    observer.close()


def deep_tree(share: Path) -> int:
    """Make directories; return how many a watch of the tree covers."""
    for number in range(20):
        for other in range(20):
            (share / f"d{number}" / f"e{other}").mkdir(parents=True)
    return 1 + 20 + 20 * 20


async def test_a_large_tree_is_covered_without_keeping_others_waiting(share: Path, volume: Volume) -> None:
    """Each turn of the loop watches a few directories; where they move meanwhile, they are watched all the same."""
    size = deep_tree(share)
    told: list[LocalChange] = []
    backend = volume.backend
    assert isinstance(backend, PosixBackend)
    observer = LocalObserver(backend._resolver, told.extend)
    observation = observer.observe((), tree=True)
    before = len(observer._watched)
    assert 1 < before < size // 2
    await asyncio.sleep(0)
    assert before < len(observer._watched) < size
    (share / "d0").rename(share / "moved")
    for _ in range(size):
        observer.read()
        await asyncio.sleep(0)
    assert len(observer._watched) == size
    (share / "moved" / "e7" / "a").touch()
    observer.read()
    assert ("moved", "e7", "a") in [change.path for change in told]
    observation.close()
    assert observer._descriptor < 0


async def test_who_stops_watching_early_leaves_nothing_behind(share: Path, volume: Volume) -> None:
    size = deep_tree(share)
    backend = volume.backend
    assert isinstance(backend, PosixBackend)
    observer = LocalObserver(backend._resolver, list.clear)
    kept = observer.observe((), tree=False)
    observer.observe((), tree=True).close()
    for _ in range(size):
        await asyncio.sleep(0)
    assert len(observer._watched) == 1
    observer.observe((), tree=True).close()
    kept.close()
    await asyncio.sleep(0)
    assert not observer._watched
    assert observer._descriptor < 0


async def test_watches_are_bounded(share: Path, volume: Volume) -> None:
    for number in range(20):
        (share / f"d{number}").mkdir()
    backend = volume.backend
    assert isinstance(backend, PosixBackend)
    observer = LocalObserver(backend._resolver, list.clear, most=5)
    observation = observer.observe((), tree=True)
    assert observation is not None
    assert len(observer._watched) == 5
    observation.close()
    assert observer._descriptor < 0


def lease(opened: Open, holder: Holder) -> Caching:
    """Ask for everything that a directory has and return what was granted."""
    return opened.request_oplock(OplockLevel.GRANULAR, Caching.READ | Caching.HANDLE, holder, b"k" * 16).caching


def refuse(number: int) -> Any:
    """Return what the kernel does when a limit is reached."""

    def call(*_: object) -> int:
        ctypes.set_errno(number)
        return -1

    return call


@pytest.mark.parametrize("call", ["_ADD", "_INIT"])
async def test_without_watches_clients_hear_of_each_other_and_cache_no_listing(
    call: str, share: Path, volume: Volume, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(inotify, call, refuse(errno.ENOSPC if call == "_ADD" else errno.EMFILE))
    opened = await open_file(volume, "", access=LISTING, disposition=c.FILE_OPEN)
    for _ in range(3):
        assert not lease(opened, Holder())
    waiting = asyncio.ensure_future(opened.change_notify(EVERYTHING, True, 60000))
    await asyncio.sleep(0)
    await (await open_file(volume, "ours")).close()
    assert (await waiting)[0] == (notify.ADDED, "ours")
    (share / "theirs").touch()
    assert len([r for r in caplog.records if "stay unseen" in r.message and "fs.inotify.max" in r.message]) == 1
    monkeypatch.undo()
    assert lease(opened, Holder())
    await opened.close()


async def test_part_of_a_tree_is_watched_when_the_kernel_has_no_more(
    share: Path, watch: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(20):
        (share / f"d{number}").mkdir()
    add, refused = inotify._ADD, refuse(errno.ENOSPC)
    left = [None] * 5
    monkeypatch.setattr(inotify, "_ADD", lambda *args: add(*args) if left and left.pop() is None else refused())
    watcher = await watch(tree=True)
    (share / "a").touch()
    assert (notify.ADDED, "a") in await watcher.told()
    assert len([r for r in caplog.records if "stay unseen" in r.message]) == 1


async def test_lost_changes_end_the_caches_of_listings(volume: Volume) -> None:
    opened = await open_file(volume, "", access=LISTING, disposition=c.FILE_OPEN)
    holder = Holder()
    assert lease(opened, holder)
    volume.local.told([])
    assert [int(notice.new_caching) for notice in holder.notices] == [0]
    await opened.close()


@pytest.mark.parametrize("tree", [False, True])
@pytest.mark.parametrize("holding_one_too", [False, True])
async def test_a_watched_directory_that_a_client_renames_goes_on_being_seen(
    share: Path, volume: Volume, watch: Any, tree: bool, holding_one_too: bool
) -> None:
    """Where nobody watches the directory that holds it, the kernel tells of no move."""
    (share / "d" / "sub").mkdir(parents=True)
    outer = await watch() if holding_one_too else None
    watcher = await watch("d", tree=tree)
    mover = await open_file(volume, "d")
    await mover.set_information(ic.FILE_RENAME_INFORMATION, rename.RenameInformation("e", 0).encode())
    await mover.close()
    (share / "e" / "new").mkdir()
    (share / "e" / "sub" / "below").mkdir()
    assert await watcher.told() == [(notify.ADDED, "new"), *([(notify.ADDED, "sub\\below")] if tree else [])]
    if outer is not None:
        assert (notify.RENAMED_NEW_NAME, "e") in await outer.told()


async def test_the_cache_of_a_directory_that_a_client_renames_goes_on_being_ended(share: Path, volume: Volume) -> None:
    (share / "d").mkdir()
    key, holder = b"k" * 32, Holder()
    directory = await volume.open_file(OpenParameters("d", ALICE, ALL, 7, c.FILE_OPEN, 0, oplock_key=key))
    directory.request_oplock(OplockLevel.GRANULAR, Caching.READ | Caching.HANDLE, holder, key)
    await directory.set_information(ic.FILE_RENAME_INFORMATION, rename.RenameInformation("e", 0).encode())
    assert not holder.notices
    (share / "e" / "new").mkdir()
    volume.backend._observer.read()  # type: ignore[attr-defined]
    assert len(holder.notices) == 1
    await directory.close()
