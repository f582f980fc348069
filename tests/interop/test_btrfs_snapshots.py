"""Snapshots of a real btrfs volume as previous versions: listed, read by time, by token and by name, never changed."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from server_process import PASSWORD, USER, ServerProcess

from smbcore.client.files import Share, connect
from smbcore.nt.access import DELETE, FILE_ALL_ACCESS, FILE_GENERIC_READ, FILE_GENERIC_WRITE
from smbcore.nt.create import FILE_CREATE, FILE_DELETE_ON_CLOSE, FILE_OPEN, FILE_OPEN_IF, FILE_OVERWRITE
from smbcore.nt.gmt import from_token
from smbcore.nt.info import fsctl
from smbcore.nt.info.classes import FILE_BASIC_INFORMATION, FILE_DISPOSITION_INFORMATION, FILE_RENAME_INFORMATION
from smbcore.nt.info.file import BasicInformation
from smbcore.nt.info.rename import RenameInformation
from smbcore.nt.status import Status
from smbcore.wire.create import CreateContext
from smbcore.wire.create_contexts import Timewarp
from tests.loopback import LoopbackError, mounted

pytestmark = pytest.mark.skipif(
    shutil.which("smbclient") is None or shutil.which("btrfs") is None, reason="needs smbclient and btrfs-progs"
)

NAMED, OLDER = "@GMT-2020.02.29-12.00.00", "@GMT-2019.12.31-23.59.59"
TOKEN = re.compile(r"@GMT-\d{4}\.\d\d\.\d\d-\d\d\.\d\d\.\d\d")
BEFORE, AFTER = b"as it was\n" * 1000, b"as it is now\n" * 2000


def btrfs(*arguments: object) -> None:
    done = subprocess.run(["btrfs", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@dataclass
class Disk:
    """A server whose share `files` lies at the top of a btrfs volume, and `inside` in a folder below the top."""

    server: ServerProcess
    top: Path

    async def share(self, name: str = "files") -> Share:
        return await connect("127.0.0.1", name, USER, PASSWORD, port=self.server.port)

    def snapshot(self, name: str) -> None:
        """Make a read-only snapshot of the whole volume, as an administrator does."""
        (self.top / ".snapshots").mkdir(exist_ok=True)
        btrfs("subvolume", "snapshot", "-r", self.top, self.top / ".snapshots" / name)

    def smbclient(self, commands: str, cwd: Path, share: str = "files") -> str:
        done = subprocess.run(
            ["smbclient", "-s", "/dev/null", "-p", str(self.server.port), "-U", f"{USER}%{PASSWORD}",
             f"//127.0.0.1/{share}", "-c", commands],
            capture_output=True, text=True, cwd=cwd, timeout=60, check=False,
        )  # fmt: skip
        return done.stdout + done.stderr


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with ExitStack() as ends:
        base = tmp_path / "server"
        (base / "shares").mkdir(parents=True)
        try:
            top = ends.enter_context(mounted("btrfs", base / "shares" / "files"))
        except LoopbackError as error:
            pytest.skip(f"no btrfs: {error}")
        (top / "inside").mkdir()
        (base / "shares" / "inside").symlink_to(top / "inside")
        server = ServerProcess(base, {"signing_required": False}, ({"name": "files"}, {"name": "inside"}))
        yield Disk(ends.enter_context(server.running()), top)


@pytest.fixture
async def share(disk: Disk) -> AsyncIterator[Share]:
    async with await disk.share() as opened:
        yield opened


async def tokens(share: Share) -> list[str]:
    raw = share.raw
    root = (await raw.create("", FILE_GENERIC_READ, FILE_OPEN)).expect().body.file_id
    answer = (await raw.ioctl(fsctl.FSCTL_SRV_ENUMERATE_SNAPSHOTS, file_id=root)).expect()
    (await raw.close(root)).expect()
    return fsctl.SnapshotArray.decode(bytes(answer.body.output)).tokens


def at(token: str) -> list[CreateContext]:
    time = from_token(token)
    assert time is not None
    return [CreateContext(b"TWrp", Timewarp(time).encode())]


async def test_a_snapshot_made_while_a_file_is_open_keeps_what_was_written(disk: Disk, share: Share) -> None:
    """1 a client writes and keeps the file open, 2 a snapshot, 3 it writes on, 4 the past is read in three ways."""
    raw = share.raw
    file_id = (await raw.create("file", FILE_ALL_ACCESS, FILE_CREATE)).expect().body.file_id
    (await raw.write(file_id, 0, BEFORE)).expect()
    disk.snapshot("nightly")
    (await raw.write(file_id, 0, AFTER)).expect()
    (token,) = await tokens(share)
    past = (await raw.create("file", FILE_GENERIC_READ, FILE_OPEN, contexts=at(token))).expect().body.file_id
    assert bytes((await raw.read(past, 0, 65536)).expect().body.data) == BEFORE
    (await raw.close(past)).expect()
    assert await share.read(f"{token}/file") == BEFORE
    assert await share.read(".snapshots/nightly/file") == BEFORE
    assert await share.read("file") == AFTER
    (await raw.close(file_id)).expect()


async def test_snapshots_are_listed_by_their_times_and_names(disk: Disk, share: Share) -> None:
    assert await tokens(share) == []
    disk.snapshot(NAMED)
    disk.snapshot("nightly")
    disk.snapshot(OLDER)
    (disk.top / ".snapshots" / "no-snapshot").mkdir()
    found = await tokens(share)
    assert found == sorted(found, reverse=True)
    assert found[1:] == [NAMED, OLDER]
    assert TOKEN.fullmatch(found[0])


async def test_a_share_inside_of_the_volume_finds_its_place_in_the_snapshot(disk: Disk) -> None:
    async with await disk.share("inside") as share:
        await share.write("file", BEFORE)
        disk.snapshot("nightly")
        await share.write("file", AFTER)
        (token,) = await tokens(share)
        assert await share.read(f"{token}/file") == BEFORE
        assert [entry.name for entry in await share.listdir(token)] == ["file"]


async def test_smbclient_shows_and_gets_previous_versions(disk: Disk, share: Share, tmp_path: Path) -> None:
    await share.write("file", BEFORE)
    disk.snapshot("nightly")
    await share.write("file", AFTER)
    (token,) = await tokens(share)
    shown = disk.smbclient("allinfo file", tmp_path)
    assert TOKEN.findall(shown)[0] == token, shown
    got = disk.smbclient(f"get {token}\\file old; get file new", tmp_path)
    assert "NT_STATUS" not in got, got
    assert ((tmp_path / "old").read_bytes(), (tmp_path / "new").read_bytes()) == (BEFORE, AFTER)
    listed = disk.smbclient(f"ls {token}\\*", tmp_path)
    assert "file" in listed, listed
    assert "NT_STATUS" not in listed, listed


@pytest.mark.parametrize("command", ["put new {}\\other", "put new {}\\file", "mkdir {}\\folder"])
async def test_smbclient_cannot_make_anything_in_the_past(
    disk: Disk, share: Share, tmp_path: Path, command: str
) -> None:
    await share.write("file", BEFORE)
    disk.snapshot("nightly")
    (token,) = await tokens(share)
    (tmp_path / "new").write_bytes(AFTER)
    assert "NT_STATUS_MEDIA_WRITE_PROTECTED" in disk.smbclient(command.format(token), tmp_path)
    assert await share.read(f"{token}/file") == BEFORE


async def test_the_past_cannot_be_changed(disk: Disk, share: Share) -> None:
    """MEDIA_WRITE_PROTECTED for each kind of change  [MS-SMB2 3.3.5.9, MS-FSA 2.1.5.1]"""
    raw = share.raw
    await share.write("file", BEFORE)
    disk.snapshot("nightly")
    (token,) = await tokens(share)
    for disposition, name in ((FILE_CREATE, "new"), (FILE_OPEN_IF, "new"), (FILE_OVERWRITE, "file")):
        answer = await raw.create(name, FILE_GENERIC_WRITE, disposition, contexts=at(token))
        assert answer.status is Status.MEDIA_WRITE_PROTECTED
    past = (await raw.create("file", FILE_ALL_ACCESS, FILE_OPEN, contexts=at(token))).expect().body.file_id
    assert (await raw.write(past, 0, b"x")).status is Status.MEDIA_WRITE_PROTECTED
    hidden = BasicInformation(0, 0, 0, 0, 2).encode()
    for info_class, data in (
        (FILE_BASIC_INFORMATION, hidden),
        (FILE_DISPOSITION_INFORMATION, b"\1"),
        (FILE_RENAME_INFORMATION, RenameInformation("elsewhere", 0).encode()),
    ):
        assert (await raw.set_info(past, info_class, data)).status is Status.MEDIA_WRITE_PROTECTED
    (await raw.close(past)).expect()
    assert await share.read(f"{token}/file") == BEFORE


async def test_the_folder_of_the_snapshots_is_only_to_be_read(disk: Disk, share: Share) -> None:
    raw = share.raw
    await share.write("file", BEFORE)
    disk.snapshot("nightly")
    for name, access, options, status in (
        (r".snapshots\nightly\file", FILE_GENERIC_WRITE, 0, Status.MEDIA_WRITE_PROTECTED),  # the disk is asked first
        (r".snapshots\nightly\file", DELETE, FILE_DELETE_ON_CLOSE, Status.ACCESS_DENIED),
        (r".snapshots\nightly", DELETE, 0, Status.ACCESS_DENIED),
    ):
        assert (await raw.create(name, access, FILE_OPEN, options=options)).status is status
    assert (await raw.create(r".snapshots\new", FILE_GENERIC_WRITE, FILE_CREATE)).status is Status.ACCESS_DENIED
    assert (disk.top / ".snapshots" / "nightly" / "file").read_bytes() == BEFORE


async def test_a_snapshot_that_was_removed_is_not_found(disk: Disk, share: Share) -> None:
    await share.write("file", BEFORE)
    disk.snapshot("nightly")
    (token,) = await tokens(share)
    btrfs("subvolume", "delete", disk.top / ".snapshots" / "nightly")
    assert await tokens(share) == []
    answer = await share.raw.create("file", FILE_GENERIC_READ, FILE_OPEN, contexts=at(token))
    assert answer.status is Status.OBJECT_NAME_NOT_FOUND
