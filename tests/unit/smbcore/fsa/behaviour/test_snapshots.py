"""Earlier versions by timewarp, by token and by enumeration  [MS-SMB2 3.3.5.9.4, 3.3.5.15.1]."""

from __future__ import annotations

import asyncio
import os
import shutil
from typing import Any

import pytest

from smbcore.nt import create as c
from smbcore.nt import gmt
from smbcore.nt.info import classes as ic
from smbcore.nt.info import fsctl as codes
from smbcore.vfs.faulty import FaultyBackend, Schedule
from smbcore.vfs.memory import MemoryBackend

TOKENS = ("@GMT-2026.01.02-03.04.05", "@GMT-2025.12.31-23.59.59")
READ, WRITE, DELETE = 0x1, 0x2, 0x10000


def snapshot(lab: Any, token: str) -> None:
    """Keep the volume as it is."""
    if isinstance(lab.backend, MemoryBackend):
        lab.backend.take_snapshot(gmt.from_token(token))
        return
    root = f"/proc/self/fd/{lab.backend.root}/"
    folder = f"{root}.snapshots/{token}"
    os.makedirs(folder)
    for name in os.listdir(root):
        if name != ".snapshots":
            copy = shutil.copytree if os.path.isdir(root + name) else shutil.copy2
            copy(root + name, f"{folder}/{name}")


@pytest.fixture
async def past(lab: Any) -> Any:
    """A volume with two snapshots: `a` was "old", then "new", and is "now"; `dir\\b` is in the newer one alone."""
    await lab.make("a", b"old")
    snapshot(lab, TOKENS[1])
    await lab.mkdir("dir")
    await lab.make("dir\\b", b"b")
    opened = await lab.open("a")
    await opened.write(0, b"new")
    snapshot(lab, TOKENS[0])
    await opened.write(0, b"now")
    await opened.close()
    return lab


async def test_snapshots_are_listed_newest_first(past: Any) -> None:
    opened = await past.open("a", READ)
    answer = codes.SnapshotArray.decode(await opened.fsctl(codes.FSCTL_SRV_ENUMERATE_SNAPSHOTS, b"", 4096))
    assert (answer.total, tuple(answer.tokens)) == (2, TOKENS)
    # too small for all: how many there are, and how much room they take
    few = codes.SnapshotArray.decode(await opened.fsctl(codes.FSCTL_SRV_ENUMERATE_SNAPSHOTS, b"", 16))
    assert (few.total, few.tokens, few.size) == (2, [], 2 * 50 + 2)
    with past.fails("INVALID_PARAMETER"):
        await opened.fsctl(codes.FSCTL_SRV_ENUMERATE_SNAPSHOTS, b"", 15)
    await opened.close()


async def test_no_snapshots_is_an_empty_list(lab: Any) -> None:
    await lab.make("a")
    opened = await lab.open("a", READ)
    answer = codes.SnapshotArray.decode(await opened.fsctl(codes.FSCTL_SRV_ENUMERATE_SNAPSHOTS, b"", 4096))
    assert (answer.total, answer.tokens) == (0, [])
    await opened.close()


@pytest.mark.parametrize("how", ["timewarp", "token first", "token inside"])
async def test_a_file_as_it_was(past: Any, how: str) -> None:
    time = gmt.from_token(TOKENS[0])
    assert time is not None
    path = {"timewarp": "dir\\b", "token first": f"{TOKENS[0]}\\dir\\b", "token inside": f"dir\\{TOKENS[0]}\\b"}[how]
    opened = await past.open(path, READ, timewarp=time + 1234567 if how == "timewarp" else 0)
    assert await past.read(opened) == b"b"
    assert opened.path == "dir\\b"
    # the snapshots of a file of a snapshot are those of the volume
    answer = codes.SnapshotArray.decode(await opened.fsctl(codes.FSCTL_SRV_ENUMERATE_SNAPSHOTS, b"", 4096))
    assert tuple(answer.tokens) == TOKENS
    await opened.close()


async def test_versions_differ(past: Any) -> None:
    assert await past.content("a") == b"now"
    assert await past.content(f"{TOKENS[0]}\\a") == b"new"
    assert await past.content(f"{TOKENS[1]}\\a") == b"old"
    with past.fails("OBJECT_PATH_NOT_FOUND"):
        await past.open(f"{TOKENS[1]}\\dir\\b")


async def test_what_there_is_no_snapshot_of(past: Any) -> None:
    with past.fails("OBJECT_NAME_NOT_FOUND"):
        await past.open("@GMT-2026.01.02-03.04.06\\a", READ)
    with past.fails("OBJECT_NAME_NOT_FOUND"):
        await past.open("a", READ, timewarp=1)
    with past.fails("OBJECT_NAME_NOT_FOUND"):  # no moment, so a name like any other
        await past.open("@GMT-2026.13.02-03.04.05", READ)
    with past.fails("OBJECT_NAME_INVALID"):
        await past.open(f"{TOKENS[0]}\\{TOKENS[1]}\\a", READ)


async def test_the_root_of_a_snapshot_is_listed(past: Any) -> None:
    names = await past.names(TOKENS[1])
    assert names == [".", "..", "a"]


async def test_the_past_cannot_be_changed(past: Any) -> None:
    path = f"{TOKENS[0]}\\a"
    opened = await past.open(path)  # with every right, as Windows lets
    with past.fails("MEDIA_WRITE_PROTECTED"):
        await opened.write(0, b"x")
    with past.fails("MEDIA_WRITE_PROTECTED"):
        await past.dispose(opened)
    with past.fails("MEDIA_WRITE_PROTECTED"):
        await past.set_basic(opened, attributes=0x2)
    with past.fails("MEDIA_WRITE_PROTECTED"):
        await opened.set_information(ic.FILE_END_OF_FILE_INFORMATION, bytes(8))
    with past.fails("MEDIA_WRITE_PROTECTED"):
        await past.rename(opened, "elsewhere")
    await opened.close()
    for disposition in (c.FILE_OVERWRITE, c.FILE_SUPERSEDE, c.FILE_OVERWRITE_IF):
        with past.fails("MEDIA_WRITE_PROTECTED"):
            await past.open(path, disposition=disposition)
    with past.fails("MEDIA_WRITE_PROTECTED"):
        await past.create(f"{TOKENS[0]}\\other")
    assert await past.content(path) == b"new"


async def test_files_of_past_and_present_do_not_share_locks(past: Any) -> None:
    now, then = await past.open("a"), await past.open(f"{TOKENS[0]}\\a", share=0)
    await past.lock(now, 0, 3)
    assert await past.read(then) == b"new"
    await now.close()
    await then.close()


async def test_the_folder_of_the_snapshots_is_only_to_be_read(past: Any) -> None:
    if not past.backend.snapshot_folder:
        return
    inside = f".snapshots\\{TOKENS[0]}\\a"
    assert await past.content(inside) == b"new"
    for access in (WRITE, DELETE):
        for path in (inside, ".SNAPSHOTS", f".snapshots\\{TOKENS[0]}"):
            with past.fails("ACCESS_DENIED"):
                await past.open(path, access)
    for path in (".snapshots\\x", f".snapshots\\{TOKENS[0]}\\x"):
        with past.fails("ACCESS_DENIED"):
            await past.create(path)
    opened = await past.open("a")
    with past.fails("ACCESS_DENIED"):
        await past.rename(opened, f".snapshots\\{TOKENS[0]}\\new name")
    await opened.close()


async def test_nobody_makes_a_folder_of_snapshots(lab: Any) -> None:
    if not lab.backend.snapshot_folder:
        return
    with lab.fails("ACCESS_DENIED"):
        await lab.mkdir(".snapshots")
    await lab.mkdir("other")
    opened = await lab.open("other")
    with lab.fails("ACCESS_DENIED"):
        await lab.rename(opened, ".Snapshots")
    await opened.close()


async def test_snapshots_that_nobody_uses_are_closed(lab: Any) -> None:
    await lab.make("a", b"a")
    tokens = [f"@GMT-2026.01.01-00.00.{second:02}" for second in range(20)]
    for token in tokens:
        snapshot(lab, token)
    kept = await lab.open(f"{tokens[0]}\\a", READ)
    for token in tokens:
        assert await lab.content(f"{token}\\a") == b"a"
    assert len(lab.volume.snapshots) < len(tokens)
    assert await lab.read(kept) == b"a"
    await kept.close()


async def test_a_snapshot_that_is_just_being_opened_makes_no_room(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """1 an open waits for the disk, 2 many other snapshots are opened and closed, 3 it goes on."""
    await lab.make("a", b"old")
    tokens = [f"@GMT-2025.01.{day:02}-00.00.00" for day in range(1, 13)]
    for token in tokens:
        snapshot(lab, token)
    gate, faults = asyncio.Event(), Schedule()
    open_snapshot = lab.backend.open_snapshot
    monkeypatch.setattr(lab.backend, "open_snapshot", lambda time: FaultyBackend(open_snapshot(time), faults))
    faults.hold("open", gate)
    waiting = await lab.start(lab.open(f"{tokens[0]}\\a", READ))
    for token in tokens[1:]:
        await (await lab.open(f"{token}\\a", READ)).close()
    gate.set()
    opened = await waiting
    assert opened.volume in lab.volume.snapshots._volumes.values()
    assert await lab.read(opened) == b"old"
    await opened.close()
