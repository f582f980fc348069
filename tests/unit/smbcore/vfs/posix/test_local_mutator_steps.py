"""A local process acts between any two system calls of an operation: what the random races of `test_local_mutator` hit by
chance, one by one.

Every link leads into the test's own temporary folder; `Tree.link` sees to it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from smbcore.fsa.api import OpenParameters, VolumeConfig
from smbcore.fsa.open import Open
from smbcore.fsa.volume import Volume
from smbcore.nt import create as c
from smbcore.nt.clock import ManualClock
from smbcore.nt.info import classes as ic
from smbcore.nt.info import rename
from smbcore.nt.info.directory import decode_entries
from smbcore.nt.status import NtError, Status
from smbcore.vfs.posix import kernel
from smbcore.vfs.posix.backend import PosixBackend
from tests.unit.smbcore.vfs.posix.clients import ALICE, EVERYBODY

SECRET = b"outside of the share"
BUGS = {Status.INTERNAL_ERROR, Status.UNSUCCESSFUL, Status.FILE_CORRUPT_ERROR, Status.UNEXPECTED_IO_ERROR}
CALLS = [
    (os, name)
    for name in (
        "open", "fstat", "stat", "listdir", "scandir", "mkdir", "unlink", "rmdir", "rename", "link", "setxattr",
        "getxattr", "pwrite", "preadv", "ftruncate",
    )
] + [(kernel, name) for name in ("openat2", "renameat2")]  # fmt: skip


class Tree:
    """The share, what is outside of it, and what the local process does to them. Its own calls are not counted."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.share, self.outside = place / "share", place / "outside"
        self.dir = self.share / "dir"
        self.dir.mkdir(parents=True)
        self.outside.mkdir()
        (self.dir / "alpha").write_bytes(b"inside")
        (self.dir / "beta").write_bytes(b"inside")
        for name in ("alpha", "beta", "new", "moved", "secret"):
            (self.outside / name).write_bytes(SECRET)

    def link(self, at: Path, target: Path) -> None:
        assert target.resolve().is_relative_to(self.place)
        at.symlink_to(target)

    def remove(self) -> None:
        (self.dir / "alpha").unlink()

    def rename(self) -> None:
        (self.dir / "alpha").rename(self.dir / "elsewhere")

    def rename_into_the_way(self) -> None:
        (self.dir / "beta").rename(self.dir / "New")

    def replace_by_file(self) -> None:
        (self.dir / "temporary").write_bytes(b"theirs")
        (self.dir / "temporary").rename(self.dir / "alpha")

    def replace_by_link(self) -> None:
        (self.dir / "alpha").unlink()
        self.link(self.dir / "alpha", self.outside / "secret")

    def replace_by_link_to_directory(self) -> None:
        (self.dir / "alpha").unlink()
        self.link(self.dir / "alpha", self.outside)

    def replace_by_directory(self) -> None:
        (self.dir / "alpha").unlink()
        (self.dir / "alpha").mkdir()

    def put_links_in_the_way(self) -> None:
        for name in ("new", "moved"):
            self.link(self.dir / name, self.outside / "secret")

    def swap_directory_for_link(self) -> None:
        self.dir.rename(self.share / "aside")
        self.link(self.dir, self.outside)

    def move_directory_out(self) -> None:
        self.dir.rename(self.place / "moved out")

    def remove_directory(self) -> None:
        shutil.rmtree(self.dir)

    def outside_state(self) -> dict[str, tuple[bytes, list[str]]]:
        return {path.name: (path.read_bytes(), os.listxattr(path)) for path in self.outside.iterdir()}


ACTIONS: list[Callable[[Tree], None]] = [
    Tree.remove,
    Tree.rename,
    Tree.rename_into_the_way,
    Tree.replace_by_file,
    Tree.replace_by_link,
    Tree.replace_by_link_to_directory,
    Tree.replace_by_directory,
    Tree.put_links_in_the_way,
    Tree.swap_directory_for_link,
    Tree.move_directory_out,
    Tree.remove_directory,
]


async def opened(volume: Volume, path: str, disposition: int = c.FILE_OPEN, options: int = 0) -> Open:
    return await volume.open_file(OpenParameters(path, ALICE, 0x1F01FF, 7, disposition, options))


async def read(volume: Volume, path: str = "dir\\alpha") -> None:
    file = await opened(volume, path)
    try:
        buffer = bytearray(100)
        count = await file.read_into(0, memoryview(buffer))
        assert bytes(buffer[:count]) != SECRET
    finally:
        await file.close()


async def read_in_another_case(volume: Volume) -> None:
    await read(volume, "DIR\\ALPHA")


async def overwrite(volume: Volume) -> None:
    file = await opened(volume, "dir\\alpha", c.FILE_OVERWRITE_IF)
    try:
        await file.write(0, b"client")
    finally:
        await file.close()


async def create(volume: Volume) -> None:
    file = await opened(volume, "dir\\new", c.FILE_CREATE)
    try:
        await file.write(0, b"client")
    finally:
        await file.close()


async def create_directory(volume: Volume) -> None:
    await (await opened(volume, "dir\\new", c.FILE_CREATE, c.FILE_DIRECTORY_FILE)).close()


async def move(volume: Volume) -> None:
    file = await opened(volume, "dir\\alpha")
    try:
        target = rename.RenameInformation("dir\\moved", 1).encode()
        await file.set_information(ic.FILE_RENAME_INFORMATION, target)
    finally:
        await file.close()


async def delete(volume: Volume) -> None:
    await (await opened(volume, "dir\\alpha", options=c.FILE_DELETE_ON_CLOSE)).close()


async def listing(volume: Volume) -> None:
    directory = await opened(volume, "dir", options=c.FILE_DIRECTORY_FILE)
    try:
        data = await directory.query_directory(ic.FILE_ID_BOTH_DIRECTORY_INFORMATION, "*", 65536)
        assert "secret" not in {entry.name for entry in decode_entries(ic.FILE_ID_BOTH_DIRECTORY_INFORMATION, data)}
    finally:
        await directory.close()


OPERATIONS: list[Callable[[Volume], Awaitable[None]]] = [
    read, read_in_another_case, overwrite, create, create_directory, move, delete, listing,
]  # fmt: skip


class Interrupter:
    """Lets the local process act before the system call number `at` of ours."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int, act: Callable[[], None]) -> None:
        self.left = at
        self.done = False
        self._act = act
        self._acting = False
        for module, name in CALLS:
            monkeypatch.setattr(module, name, self._counted(getattr(module, name)))

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            if not self._acting:
                if self.left == 0 and not self.done:
                    self.done = self._acting = True
                    try:
                        self._act()
                    finally:
                        self._acting = False
                self.left -= 1
            return call(*args, **kwargs)

        return counted


@pytest.fixture
def places(tmp_path: Path) -> Iterator[Path]:
    numbers = iter(range(10_000))
    return (tmp_path / str(number) for number in numbers)


@pytest.mark.parametrize("use_openat2", [True, False], ids=["openat2", "walk"])
@pytest.mark.parametrize("act", ACTIONS, ids=lambda act: act.__name__)
@pytest.mark.parametrize("operate", OPERATIONS, ids=lambda operate: operate.__name__)
async def test_local_change_before_any_system_call(
    operate: Callable[[Volume], Awaitable[None]], act: Callable[[Tree], None], use_openat2: bool, places: Iterator[Path]
) -> None:
    at = 0
    while await _interrupted(operate, act, at, next(places), use_openat2=use_openat2):
        at += 1
    assert at > 3


async def _interrupted(
    operate: Callable[[Volume], Awaitable[None]],
    act: Callable[[Tree], None],
    at: int,
    place: Path,
    *,
    use_openat2: bool,
) -> bool:
    """Run an operation, the local process acting before its call number `at`; False if there were fewer."""
    place.mkdir()
    tree = Tree(place)
    now = 10**18
    backend = PosixBackend(tree.share, use_openat2=use_openat2, now=lambda: now)
    volume = Volume(backend, VolumeConfig(EVERYBODY), ManualClock())
    outside = tree.outside_state()
    descriptors = len(os.listdir("/proc/self/fd"))
    await listing(volume)  # so that there is an index to be deceived
    with pytest.MonkeyPatch.context() as monkeypatch:
        interrupter = Interrupter(monkeypatch, at, lambda: act(tree))
        failed = None
        try:
            await operate(volume)
        except NtError as error:
            failed = error.status
    # 1 whatever fails has a status that a client understands
    assert failed not in BUGS, f"call {at}"
    # 2 nothing outside was made, changed or removed
    assert tree.outside_state() == outside, f"call {at}"
    # 3 nothing stays open
    assert not volume.opens, f"call {at}"
    assert len(volume.table) == 0
    assert len(os.listdir("/proc/self/fd")) <= descriptors + 1  # the side store
    # 4 the index agrees with the tree, once it is no longer trusted blindly
    now += 3_000_000_000
    await _agree(volume, tree, at)
    await volume.close()
    return interrupter.done


async def _agree(volume: Volume, tree: Tree, at: int) -> None:
    if tree.dir.is_symlink() or not tree.dir.is_dir():
        with pytest.raises(NtError):
            await opened(volume, "dir\\alpha")
        return
    there = {path.name for path in tree.dir.iterdir()}
    directory = await opened(volume, "dir", options=c.FILE_DIRECTORY_FILE)
    data = await directory.query_directory(ic.FILE_NAMES_INFORMATION, "*", 65536)
    await directory.close()
    listed = {entry.name for entry in decode_entries(ic.FILE_NAMES_INFORMATION, data)} - {".", ".."}
    assert listed == there, f"call {at}"
    folded = {name.casefold() for name in there}
    for name in ("alpha", "beta", "new", "moved", "elsewhere"):
        if name in folded:
            file = await opened(volume, f"DIR\\{name.upper()}", options=c.FILE_OPEN_REPARSE_POINT)
            assert file.node.path[-1] in there, f"call {at}"
            await file.close()
        else:
            with pytest.raises(NtError):
                await opened(volume, f"DIR\\{name.upper()}", options=c.FILE_OPEN_REPARSE_POINT)
