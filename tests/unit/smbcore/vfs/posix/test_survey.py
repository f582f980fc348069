"""Counting what the files of a share take."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest

from smbcore.nt.security import SecurityDescriptor
from smbcore.nt.sid import Sid
from smbcore.nt.status import NtError, Status
from smbcore.vfs.posix import survey as survey_module
from smbcore.vfs.posix.backend import PosixBackend

ANNA = Sid.parse("S-1-5-21-1-2-3-1000")
K = 1024


async def totals(posix: PosixBackend) -> dict[bytes | None, int]:
    return (await posix.survey()).totals()


async def test_files_streams_and_directories_count_by_owner(posix: PosixBackend) -> None:
    root = await posix.open(())
    owned = SecurityDescriptor(owner=ANNA).encode()
    folder = await posix.create(root, "d", directory=True, security=owned)
    node = await posix.create(folder, "f", directory=False, security=owned)
    await node.write(0, bytes(5 * K))
    streams = ((node, "small", 10), (node, "large", 20 * K), (folder, "s", 9 * K), (root, "s", 5 * K))
    for carrier, name, size in streams:
        stream, _ = carrier.open_stream(name, create=True)
        await stream.write(0, bytes(size))
        stream.close()
    other = await posix.create(root, "g", directory=False)
    await other.set_end_of_file(1 << 30)
    for each in (other, node, folder, root):
        each.close()
    assert await totals(posix) == {ANNA.encode(): (8 + 4 + 20 + 12) * K, None: 8 * K + (1 << 30)}


async def test_links_count_once_and_what_is_no_file_not_at_all(posix: PosixBackend, share: Path) -> None:
    (share / "f").write_bytes(bytes(4 * K))
    os.link(share / "f", share / "again")
    (share / "d").mkdir()
    os.link(share / "f", share / "d" / "third")
    os.symlink(share / "f", share / "link")
    os.symlink("..", share / "d" / "up")
    os.mkfifo(share / "fifo")
    assert await totals(posix) == {None: 4 * K}


async def test_the_snapshots_and_what_was_left_in_the_stream_store_do_not_count(
    posix: PosixBackend, share: Path
) -> None:
    (share / ".snapshots" / "x").mkdir(parents=True)
    (share / ".snapshots" / "x" / "f").write_bytes(bytes(4 * K))
    (share / "d" / ".snapshots").mkdir(parents=True)
    (share / "d" / ".snapshots" / "f").write_bytes(bytes(4 * K))
    (share / ".holdfast-streams" / "0-77").mkdir(parents=True)
    (share / ".holdfast-streams" / "0-77" / "s1").write_bytes(bytes(4 * K))
    assert await totals(posix) == {None: 4 * K}


async def test_a_descriptor_too_long_for_an_attribute_still_names_its_owner(
    posix: PosixBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = await posix.open(())
    node = await posix.create(root, "f", directory=False)
    await node.write(0, b"x")
    real = os.setxattr

    def refuse_long(file: int, name: str, value: bytes) -> None:
        if len(value) > 20 and name.endswith(".sd"):
            raise OSError(28, "no room")
        real(file, name, value)

    with monkeypatch.context() as patch:
        patch.setattr(os, "setxattr", refuse_long)
        node.set_security(SecurityDescriptor(owner=ANNA).encode())
    node.close()
    root.close()
    assert await totals(posix) == {ANNA.encode(): 4 * K}


async def test_a_damaged_file_or_one_that_vanishes_stops_nothing(
    posix: PosixBackend, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("good", "damaged", "odd"):
        (share / name).write_bytes(bytes(4 * K))
    (share / "d").mkdir()
    os.setxattr(share / "damaged", "user.holdfast.streams", b"\xff")
    os.setxattr(share / "odd", "user.holdfast.sd", b"\xff")
    real = os.scandir

    def vanish(directory: int) -> object:
        if os.path.exists(share / "d"):
            os.rmdir(share / "d")
        return real(directory)

    monkeypatch.setattr(survey_module.os, "scandir", vanish)
    assert await totals(posix) == {None: 8 * K}


async def test_a_root_that_is_gone_is_an_error(
    posix: PosixBackend, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_directory: int) -> object:
        raise OSError(5, "input/output error")

    monkeypatch.setattr(survey_module.os, "scandir", fail)
    with pytest.raises(NtError) as caught:
        await posix.survey()
    assert caught.value.status is Status.IO_DEVICE_ERROR


async def test_a_count_that_nobody_waits_for_ends_early(
    posix: PosixBackend, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1 a walk through a hundred folders is held in the first, 2 its task is cancelled, 3 it leaves the rest."""
    for number in range(100):
        (share / f"d{number}").mkdir()
    seen: list[int] = []
    held, go = threading.Event(), threading.Event()
    real = os.scandir

    def slow(directory: int) -> object:
        seen.append(directory)
        if len(seen) == 2:
            held.set()
            go.wait(10)
        return real(directory)

    monkeypatch.setattr(survey_module.os, "scandir", slow)
    task = asyncio.create_task(posix.survey())
    await asyncio.to_thread(held.wait, 10)
    task.cancel()
    for _ in range(5):
        await asyncio.sleep(0)
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(seen) < 10


async def test_a_count_that_nobody_waits_for_ends_in_the_middle_of_a_folder(
    posix: PosixBackend, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(100):
        (share / f"f{number}").touch()
    walk = survey_module.Walk(posix, ())
    seen: list[int] = []
    monkeypatch.setattr(walk, "_add", lambda *_, **__: (seen.append(1), walk.stop.set()))
    walk._directory(b".")
    assert len(seen) == 1


async def test_totals_leave_files_out(posix: PosixBackend, share: Path) -> None:
    for name in ("a", "b"):
        (share / name).write_bytes(bytes(4 * K))
    survey = await posix.survey()
    assert len(survey) == 2
    node = await posix.open(("a",))
    assert survey.totals({node.info().file_id}) == {None: 4 * K}
    assert node.main_size() == 4 * K
    node.close()
