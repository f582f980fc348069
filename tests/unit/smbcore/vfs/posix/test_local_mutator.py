"""A local process renames, removes and replaces by links what clients work on: nothing leaves the share, the index of a
directory stays right, nothing leaks.

Every link leads into the test's own temporary folder: what the test looks for is writing outside of the share, so a
defect, in the server or here, must find nothing there that matters.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from smbcore.fsa.api import OpenParameters, VolumeConfig
from smbcore.fsa.open import Open
from smbcore.fsa.volume import Volume
from smbcore.nt import create as c
from smbcore.nt.clock import SystemClock
from smbcore.nt.info import classes as ic
from smbcore.nt.info import file, rename
from smbcore.nt.info.directory import decode_entries
from smbcore.nt.status import NtError, Status
from smbcore.vfs.posix.backend import PosixBackend
from tests.unit.smbcore.vfs.posix.clients import ALICE, EVERYBODY

CLIENTS = 6
STEPS = 250
NAMES = ["alpha", "Beta", "GAMMA", "delta long name.text", "epsilon"]
SECRET = b"outside of the share"
BUGS = {Status.INTERNAL_ERROR, Status.UNSUCCESSFUL, Status.FILE_CORRUPT_ERROR}


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    for name in (*NAMES, "secret"):
        (folder / name).write_bytes(SECRET)
    return folder


@pytest.fixture
async def volume(share: Path) -> AsyncIterator[Volume]:
    made = Volume(PosixBackend(share), VolumeConfig(EVERYBODY), SystemClock())
    yield made
    await made.close()


class Mutator(threading.Thread):
    """The local process; does `done` changes until it is stopped."""

    def __init__(self, share: Path, outside: Path, seed: int) -> None:
        super().__init__(daemon=True)
        self.share = share
        self.outside = outside
        self.random = random.Random(seed)
        self.stopped = threading.Event()
        self.done = 0

    def run(self) -> None:
        while not self.stopped.is_set():
            try:
                self.step()
            except OSError:
                continue  # lost a race against a client, as it should be able to
            self.done += 1

    def pick(self) -> Path:
        place = self.share / "dir" if self.random.random() < 0.5 else self.share
        return place / self.random.choice(NAMES)

    def step(self) -> None:
        path = self.pick()
        what = self.random.randrange(7)
        if what == 0:
            self.write(path)
        elif what == 1:
            path.unlink()
        elif what == 2:
            path.rename(self.pick())
        elif what == 3:
            self.link(path, self.random.choice([self.outside / "secret", self.outside]))
        elif what == 4:
            path.mkdir()
        elif what == 5:
            shutil.rmtree(path)
        else:
            self.swap_directory()

    def write(self, path: Path) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW  # its own links are no way out
        with os.fdopen(os.open(path, flags, 0o600), "wb") as stream:
            stream.write(b"local")

    def link(self, path: Path, target: Path) -> None:
        assert target.is_relative_to(self.outside)
        temporary = self.share / f".link-{self.random.random()}"
        temporary.symlink_to(target)
        temporary.rename(path)

    def swap_directory(self) -> None:
        """Put a link to the outside into the place of a directory, and the directory back."""
        aside = self.share / "aside"
        (self.share / "dir").rename(aside)
        (self.share / "dir").symlink_to(self.outside)
        (self.share / "dir").unlink()
        aside.rename(self.share / "dir")


class Client:
    """Works on the same names; whatever it reads is nobody's secret, whatever fails has a status."""

    def __init__(self, volume: Volume, seed: int) -> None:
        self.volume = volume
        self.random = random.Random(seed)
        self.statuses: set[Status] = set()

    async def run(self) -> None:
        for _ in range(STEPS):
            try:
                await self.step()
            except NtError as error:
                self.statuses.add(error.status)
            await asyncio.sleep(0)

    def pick(self) -> str:
        name = self.random.choice(NAMES)
        name = self.random.choice([name, name.upper(), name.lower()])
        return f"DIR\\{name}" if self.random.random() < 0.5 else name

    async def open(self, path: str, disposition: int = c.FILE_OPEN, options: int = 0) -> Open:
        return await self.volume.open_file(OpenParameters(path, ALICE, 0x1F01FF, 7, disposition, options))

    async def step(self) -> None:
        what = self.random.randrange(6)
        options = c.FILE_DELETE_ON_CLOSE if what == 0 else 0
        disposition = self.random.choice([c.FILE_OPEN, c.FILE_OPEN_IF, c.FILE_CREATE, c.FILE_OVERWRITE_IF])
        if what == 5:
            await self.list()
            return
        opened = await self.open(self.pick(), disposition, options)
        try:
            if what == 1:
                await opened.write(0, b"client")
            elif what == 2:
                buffer = bytearray(100)
                count = await opened.read_into(0, memoryview(buffer))
                assert bytes(buffer[:count]) != SECRET
            elif what == 3:
                target = rename.RenameInformation(self.pick(), self.random.randrange(2)).encode()
                await opened.set_information(ic.FILE_RENAME_INFORMATION, target)
            elif what == 4:
                await opened.set_information(ic.FILE_BASIC_INFORMATION, file.BasicInformation(0, 0, 0, 0, 0x2).encode())
        finally:
            await opened.close()

    async def list(self) -> None:
        opened = await self.open(self.random.choice(["", "dir"]), options=c.FILE_DIRECTORY_FILE)
        try:
            data = await opened.query_directory(ic.FILE_ID_BOTH_DIRECTORY_INFORMATION, "*", 65536)
            assert "secret" not in {entry.name for entry in decode_entries(ic.FILE_ID_BOTH_DIRECTORY_INFORMATION, data)}
        finally:
            await opened.close()


@pytest.mark.parametrize("seed", [1, 2])
async def test_races_with_a_local_process(share: Path, outside: Path, volume: Volume, seed: int) -> None:
    (share / "dir").mkdir()
    before = {path.name: path.read_bytes() for path in outside.iterdir()}
    descriptors = len(os.listdir("/proc/self/fd"))
    mutator = Mutator(share, outside, seed)
    clients = [Client(volume, seed * 100 + number) for number in range(CLIENTS)]
    mutator.start()
    try:
        await asyncio.gather(*(client.run() for client in clients))
    finally:
        mutator.stopped.set()
        mutator.join()
    # 1 both sides did something
    assert mutator.done > CLIENTS
    # 2 nothing outside was read, made, changed or removed
    assert {path.name: path.read_bytes() for path in outside.iterdir()} == before
    # 3 every refusal is one that a client understands
    assert not BUGS & set().union(*(client.statuses for client in clients))
    # 4 nothing stays open
    assert not volume.opens
    assert len(volume.table) == 0
    assert len(os.listdir("/proc/self/fd")) <= descriptors + 8  # the pool's and the side store's own
    # 5 the index agrees with the directory: each name is found, in another case too, and no other
    await agree(volume, share)


async def agree(volume: Volume, share: Path) -> None:
    client = Client(volume, 0)
    there = {name for name in os.listdir(share) if not name.startswith(".holdfast")}
    root = await client.open("", options=c.FILE_DIRECTORY_FILE)
    data = await root.query_directory(ic.FILE_NAMES_INFORMATION, "*", 1 << 20)
    listed = {entry.name for entry in decode_entries(ic.FILE_NAMES_INFORMATION, data)} - {".", ".."}
    await root.close()
    assert listed == there
    folded = {name.casefold() for name in there}
    for name in NAMES:
        if name.casefold() in folded:
            opened = await client.open(name.swapcase(), options=c.FILE_OPEN_REPARSE_POINT)
            assert opened.path in there
            await opened.close()
        else:
            with pytest.raises(NtError):
                await client.open(name.swapcase(), options=c.FILE_OPEN_REPARSE_POINT)
