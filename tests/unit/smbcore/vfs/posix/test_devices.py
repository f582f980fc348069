"""Several file systems below one share: ids and large streams that outlive a mount."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from smbcore.vfs.posix import devices
from smbcore.vfs.posix.backend import PosixBackend
from smbcore.vfs.posix.devices import Devices

LARGE = os.urandom(100_000)


def test_the_roots_own_files_are_their_inode_numbers() -> None:
    assert Devices(7).file_id(7, 12345) == 12345
    assert Devices(7).number(7) == 0


def test_the_same_file_system_has_the_same_number_under_any_device_number(tmp_path: Path) -> None:
    here = os.stat(tmp_path).st_dev
    one, other = Devices(0), Devices(1)
    assert one.number(here, bytes(tmp_path)) == other.number(here, bytes(tmp_path)) != 0
    assert one.number(here) == one.number(here, bytes(tmp_path))  # known now


def test_a_file_on_another_device_teaches_nothing(tmp_path: Path) -> None:
    known = Devices(0)
    here = os.stat(tmp_path).st_dev
    known.number(here + 1, bytes(tmp_path))
    known.number(here + 1, bytes(tmp_path / "absent"))
    assert not known._known


def test_a_device_number_that_came_back_stands_for_what_it_is_now(monkeypatch: pytest.MonkeyPatch) -> None:
    known = Devices(0)
    numbers = []
    for identity in (b"one", b"one", b"two", b"one"):
        monkeypatch.setattr(devices, "_identity", lambda *_, identity=identity: identity)
        numbers.append(known.number(5, 0))
        assert known.number(5) == numbers[-1]
    one, again, two, once_more = numbers
    assert one == again == once_more != two


def test_ids_of_two_devices_never_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even two that call themselves the same, as copies of a disk do, or whose numbers come out too close."""
    monkeypatch.setattr(devices, "_identity", lambda *_: b"the same")
    known = Devices(0)
    numbers = [0, *(known.number(device, 0) for device in range(1, 50))]
    for one, other in itertools.combinations(numbers, 2):
        assert abs(one - other) >= 1 << 48
    for number in numbers[1:]:
        assert 1 << 48 <= number <= (1 << 64) - (2 << 48)


@pytest.fixture
def subvolumes(file_system: Callable[[str], Path]) -> Iterator[Path]:
    """A folder of btrfs with two subvolumes, each with one file of the same inode number."""
    if shutil.which("btrfs") is None:
        pytest.skip("needs btrfs-progs")
    top = file_system("btrfs") / "share"
    top.mkdir()
    for name in ("one", "two"):
        subprocess.run(["btrfs", "subvolume", "create", str(top / name)], check=True, capture_output=True)
        (top / name / "file").touch()
    assert os.stat(top / "one" / "file").st_ino == os.stat(top / "two" / "file").st_ino
    yield top
    for name in ("one", "two"):
        subprocess.run(["btrfs", "subvolume", "delete", str(top / name)], check=False, capture_output=True)


def renumbered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every device but the root's have another number from now on, as after a mount."""
    fstat, stat = os.fstat, os.stat
    root: list[int] = []

    def other(status: os.stat_result) -> os.stat_result:
        root.append(status.st_dev)
        if status.st_dev == root[0]:
            return status
        fields = list(status)
        fields[2] += 1000
        named = {name: getattr(status, name) for name in ("st_mtime_ns", "st_ctime_ns", "st_atime_ns", "st_blocks")}
        return os.stat_result(
            fields, {**named, "st_atime": 0.0, "st_mtime": 0.0, "st_ctime": 0.0, "st_blksize": 4096, "st_rdev": 0}
        )

    monkeypatch.setattr(os, "fstat", lambda descriptor: other(fstat(descriptor)))
    monkeypatch.setattr(os, "stat", lambda *a, **k: other(stat(*a, **k)))


async def ids(backend: PosixBackend) -> dict[str, int]:
    """Return ids as opens, listings and the walk by id tell them."""
    found = {}
    for path in ((), ("one",), ("two",), ("one", "file"), ("two", "file")):
        node = await backend.open(path)
        found["/".join(path)] = node.info().file_id
        if node.is_directory:
            for name, info in await node.entries(await node.names()):
                assert found.setdefault("/".join((*path, name)), info.file_id) == info.file_id
        node.close()
    return found


async def test_ids_differ_and_stay_over_a_mount(subvolumes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = PosixBackend(subvolumes)
    before = await ids(first)
    first.close()
    assert len(set(before.values())) == 5
    renumbered(monkeypatch)
    second = PosixBackend(subvolumes)
    assert await ids(second) == before
    second.close()


async def test_a_listing_alone_tells_the_ids_that_opening_does(subvolumes: Path) -> None:
    backend = PosixBackend(subvolumes)
    root = await backend.open(())
    listed = {name: info.file_id for name, info in await root.entries(["one", "two"])}
    for name, file_id in listed.items():
        node = await backend.open((name,))
        assert node.info().file_id == file_id
        node.close()
    root.close()
    backend.close()


async def test_files_of_every_device_are_found_by_their_ids(subvolumes: Path) -> None:
    first = PosixBackend(subvolumes)
    before = await ids(first)
    first.close()
    backend = PosixBackend(subvolumes)
    for path, file_id in before.items():
        node = await backend.open_by_id(file_id)
        assert "/".join(node.path) == path
        node.close()
    backend.close()


async def test_a_subvolume_that_gets_the_device_number_of_another_has_ids_of_its_own(subvolumes: Path) -> None:
    """1 a file of one is opened, 2 the subvolume goes and another comes, 3 its ids are those that last."""
    backend = PosixBackend(subvolumes)
    gone = await ids(backend)
    subprocess.run(["btrfs", "subvolume", "delete", "-c", str(subvolumes / "two")], check=True, capture_output=True)
    subprocess.run(["btrfs", "subvolume", "sync", str(subvolumes)], check=True, capture_output=True)
    subprocess.run(["btrfs", "subvolume", "create", str(subvolumes / "two")], check=True, capture_output=True)
    (subvolumes / "two" / "file").touch()
    found = await ids(backend)
    backend.close()
    assert not {found["two"], found["two/file"]} & set(gone.values())
    later = PosixBackend(subvolumes)
    assert await ids(later) == found
    later.close()


async def test_large_streams_survive_another_mount(subvolumes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = PosixBackend(subvolumes)
    node = await first.open(("two", "file"), writable=True)
    stream, _ = node.open_stream("big", create=True)
    await stream.write(0, LARGE)
    stream.close()
    node.close()
    first.close()
    renumbered(monkeypatch)
    second = PosixBackend(subvolumes)
    node = await second.open(("two", "file"))
    (info,) = node.streams()
    assert (info.name, info.end_of_file) == ("big", len(LARGE))
    stream, _ = node.open_stream("big", create=False)
    into = bytearray(len(LARGE))
    assert await stream.read_into(0, memoryview(into)) == len(LARGE)
    assert into == LARGE
    stream.close()
    node.close()
    second.close()
