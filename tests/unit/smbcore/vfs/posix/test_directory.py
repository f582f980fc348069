"""The directory index: how often directories are read, and when an index ends."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from smbcore.nt.status import NtError
from smbcore.vfs.posix import directory
from smbcore.vfs.posix.backend import PosixBackend
from smbcore.vfs.posix.directory import DirectoryIndex, DirectoryIndexes, NameChange, stamp_of
from smbcore.vfs.posix.store import SideStore
from smbcore.vfs.posix.xattr import XattrStore


class Time:
    """The kernel's time, as a test wants it."""

    def __init__(self) -> None:
        self.ns = 0

    def __call__(self) -> int:
        return self.ns

    def settle(self, *paths: Path) -> None:
        """Let it be long after the last change."""
        self.ns = max(os.stat(path).st_ctime_ns for path in paths) + 10_000_000_000


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def volume(share: Path, time: Time):
    backend = PosixBackend(share, now=time)
    yield backend
    backend.close()


async def absent(volume: PosixBackend, *path: str) -> None:
    with pytest.raises(NtError) as caught:
        await volume.open(path)
    assert caught.value.status.name == "OBJECT_NAME_NOT_FOUND"


async def test_look_ups_in_a_large_directory_read_it_once(volume: PosixBackend, share: Path, time: Time) -> None:
    (share / "d").mkdir()
    for number in range(5000):
        (share / "d" / f"File number {number}.data").touch()
    time.settle(share, share / "d")
    for number in range(0, 5000, 100):
        await absent(volume, "d", f"absent {number}")
        node = await volume.open(("d", f"FILE NUMBER {number}.DATA"))
        assert node.path == ("d", f"File number {number}.data")
        node.close()
    assert volume.indexes.scans == 1
    parent = await volume.open(("d",))
    for number in range(100):
        (await volume.create(parent, f"new {number}", directory=False)).close()
        await absent(volume, "d", f"still absent {number}")
        node = await volume.open(("d", f"NEW {number}"))
        await volume.remove(node)
        node.close()
        await absent(volume, "d", f"new {number}")
    parent.close()
    assert volume.indexes.scans == 1


async def test_exact_names_need_no_index(volume: PosixBackend, share: Path) -> None:
    (share / "d").mkdir()
    (share / "d" / "f").touch()
    (await volume.open(("d", "f"))).close()
    assert volume.indexes.scans == 0


async def test_change_by_others_ends_an_index(volume: PosixBackend, share: Path, time: Time) -> None:
    (share / "one").touch()
    time.settle(share)
    await absent(volume, "TWO")
    (share / "two").touch()
    time.settle(share)
    node = await volume.open(("TWO",))
    assert node.path == ("two",)
    node.close()
    (share / "two").rename(share / "three")
    time.settle(share)
    await absent(volume, "TWO")
    (await volume.open(("THREE",))).close()
    assert volume.indexes.scans == 3


async def test_change_with_the_old_mtime_put_back_is_seen(volume: PosixBackend, share: Path, time: Time) -> None:
    time.settle(share)
    await absent(volume, "X")
    before = os.stat(share)
    (share / "x").touch()
    os.utime(share, ns=(before.st_atime_ns, before.st_mtime_ns))
    time.settle(share)
    (await volume.open(("X",))).close()


async def test_unsettled_index_is_read_again_after_a_while(volume: PosixBackend, share: Path, time: Time) -> None:
    (share / "f").touch()
    time.ns = os.stat(share).st_ctime_ns + 1
    await absent(volume, "a")
    time.ns += 1_000_000_000
    await absent(volume, "b")
    assert volume.indexes.scans == 1
    time.ns += 1_500_000_000
    await absent(volume, "c")
    assert volume.indexes.scans == 2
    time.ns += 3_600_000_000_000
    await absent(volume, "d")
    assert volume.indexes.scans == 2


async def test_what_comes_during_a_long_scan_within_a_tick_of_the_time_stamps_is_seen(
    volume: PosixBackend, share: Path, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1 a file comes, 2 a scan begins at once, 3 another comes behind it and leaves the times as they are, 4 the scan
    ends long after.
    """
    (share / "one").touch()
    status = os.stat(share)
    time.ns = status.st_ctime_ns + 1
    real_list, real_stamp = directory.list_names, directory.stamp_of

    def slow(descriptor: int) -> list[str]:
        names = real_list(descriptor)
        (share / "two").touch()
        time.ns += 1_000_000_000
        return names

    root = await volume.open(())
    with monkeypatch.context() as patch:
        patch.setattr(directory, "stamp_of", lambda _: real_stamp(status))
        patch.setattr(
            directory.DirectoryIndexes, "valid", lambda indexes, _: next(iter(indexes._indexes.values()), None)
        )
        patch.setattr(directory, "list_names", slow)
        assert await root.names() == ["one"]
        patch.setattr(directory, "list_names", real_list)
        assert sorted(await root.names()) == ["one", "two"]
    root.close()


async def test_changes_of_a_directorys_own_metadata_keep_its_index(
    volume: PosixBackend, share: Path, time: Time
) -> None:
    time.settle(share)
    await absent(volume, "x")
    root = await volume.open(())
    root.set_security(b"\1sd")
    root.set_attributes(2)
    root.set_times(last_write=130_000_000_000_000_000)
    stream, _ = root.open_stream("s", create=True)
    await stream.write(0, b"x")
    await absent(volume, "y")
    assert volume.indexes.scans == 1
    stream.close()
    root.close()


async def test_names_that_differ_in_case_only_stay_apart(volume: PosixBackend, share: Path) -> None:
    (share / "name").write_text("lower")
    (share / "NAME").write_text("upper!")
    for name in ("name", "NAME"):
        node = await volume.open((name,))
        assert node.path == (name,)
        node.close()
    node = await volume.open(("Name",))
    assert node.path == ("NAME",)
    root = await volume.open(())
    other = await volume.create(root, "other", directory=False)
    await volume.rename(other, root, "name", replace=True)
    assert (share / "NAME").read_text() == "upper!"
    assert (share / "name").read_text() == ""
    await volume.remove(other)
    again = await volume.open(("name",))
    assert again.path == ("NAME",)
    for each in (node, other, root, again):
        each.close()


async def test_case_sensitive_volume_matches_exactly(share: Path) -> None:
    volume = PosixBackend(share, case_sensitive=True)
    root = await volume.open(())
    for name in ("a", "A"):
        (await volume.create(root, name, directory=False)).close()
    assert sorted(await root.names()) == ["A", "a"]
    await absent(volume, "b")
    assert volume.volume_info().case_sensitive
    root.close()
    volume.close()


async def test_listing_builds_the_index(volume: PosixBackend, share: Path, time: Time) -> None:
    (share / "A long file name.text").touch()
    time.settle(share)
    root = await volume.open(())
    [name] = await root.names()
    short = root.short_name(name)
    (await volume.open((short,))).close()
    root.close()
    assert volume.indexes.scans == 1


async def test_listing_of_an_unchanged_directory_reads_it_once(volume: PosixBackend, share: Path, time: Time) -> None:
    (share / "one").touch()
    time.settle(share)
    root = await volume.open(())
    assert await root.names() == await root.names() == ["one"]
    assert volume.indexes.scans == 1
    (share / "two").touch()
    assert sorted(await root.names()) == ["one", "two"]
    (await volume.create(root, "three", directory=False)).close()
    assert sorted(await root.names()) == ["one", "three", "two"]
    root.close()


def test_very_large_directories_have_no_short_names() -> None:
    index = DirectoryIndex([f"a long name with number {number}" for number in range(10_001)], (0, 0), 10**9)
    assert index.short("a long name with number 7") == ""
    assert index.find("ALONGN~1") is None


def test_short_names_do_not_depend_on_the_other_names() -> None:
    alone = DirectoryIndex(["longfilename-b.txt"], (0, 0), 10**9)
    crowd = DirectoryIndex([f"longfilename-{c}.txt" for c in "zyxab"], (0, 0), 10**9)
    assert alone.short("longfilename-b.txt") == crowd.short("longfilename-b.txt")
    shorts = {crowd.short(f"longfilename-{c}.txt") for c in "zyxab"}
    assert len(shorts) == 5
    for c in "zyxab":
        name = f"longfilename-{c}.txt"
        assert crowd.find(crowd.short(name).lower()) == name


def test_indexes_are_bounded(tmp_path: Path) -> None:
    indexes = DirectoryIndexes(capacity=3, now=lambda: 2**62)
    status = []
    for number in range(5):
        path = tmp_path / str(number)
        path.mkdir()
        status.append(os.stat(path))
        indexes.keep(status[-1], DirectoryIndex(["x"], stamp_of(status[-1]), 2**62))
    assert [indexes.valid(each) is not None for each in status] == [False, False, True, True, True]


def test_short_names_follow_names_that_come_and_go() -> None:
    index = DirectoryIndex(["A long name.txt", "PLAIN.TXT"], (0, 0), 1)
    short = index.short("A long name.txt")
    assert short
    assert index.find(short) == "A long name.txt"
    assert index.short("PLAIN.TXT") == ""
    index.discard("A long name.txt")
    assert index.short("A long name.txt") is None
    index.add("A LONG name.txt")
    assert index.find(index.short("A LONG name.txt")) == "A LONG name.txt"
    index.discard("A LONG name.txt")
    assert index.short("A LONG name.txt") is None
    assert index.find(short) is None


def test_name_that_differs_in_case_only_makes_the_index_ambiguous() -> None:
    index = DirectoryIndex(["name"], (0, 0), 10**9)
    index.add("name")
    assert index.discard("name")
    index.add("name")
    index.add("NAME")
    assert index.listing() is None
    assert not index.discard("NAME")


def test_index_follows_only_if_nothing_else_happened(share: Path) -> None:
    indexes = DirectoryIndexes(now=lambda: 2**62)
    opened = os.open(share, os.O_RDONLY)
    listed, index, status, steady = indexes.scan(opened)
    assert (listed, steady) == ([], True)
    indexes.keep(status, index)
    (share / "by others").touch()
    change = NameChange(indexes, opened, XattrStore(SideStore(opened)))
    (share / "ours").touch()
    change.done(added="ours")
    assert indexes.valid(os.fstat(opened)) is None
    os.close(opened)
