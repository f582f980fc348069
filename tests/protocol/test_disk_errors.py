"""A disk that is full, broken, over quota or read-only: the client hears the right status, and nothing else changes.

What was acknowledged is there, what failed left nothing behind, and no open, lock, share mode or node leaks.
"""

from __future__ import annotations

import asyncio
import random

import pytest

from smbcore.client.files import Share
from smbcore.client.open_file import File
from smbcore.nt.access import DELETE, FILE_ALL_ACCESS, FILE_GENERIC_READ, FILE_GENERIC_WRITE
from smbcore.nt.create import (
    FILE_CREATE,
    FILE_DELETE_ON_CLOSE,
    FILE_DIRECTORY_FILE,
    FILE_OPEN,
    FILE_OPEN_IF,
    FILE_OVERWRITE_IF,
    FILE_SUPERSEDE,
)
from smbcore.nt.info import fsctl
from smbcore.nt.info.classes import (
    FILE_BASIC_INFORMATION,
    FILE_DISPOSITION_INFORMATION,
    FILE_END_OF_FILE_INFORMATION,
    FILE_ID_BOTH_DIRECTORY_INFORMATION,
    FILE_LINK_INFORMATION,
    FILE_RENAME_INFORMATION,
)
from smbcore.nt.info.directory import decode_entries
from smbcore.nt.info.file import BasicInformation, EndOfFileInformation
from smbcore.nt.info.rename import LinkInformation, RenameInformation
from smbcore.nt.status import NtError, Status
from smbcore.vfs.faulty import FaultyBackend, Schedule
from smbcore.vfs.memory.backend import MemoryBackend
from smbcore.wire.close import CloseRequest
from smbcore.wire.create import CreateContext
from smbcore.wire.create_contexts import AllocationSize
from smbcore.wire.flush import FlushRequest
from smbcore.wire.lock import LOCK_EXCLUSIVE, LOCK_FAIL_IMMEDIATELY, LockElement
from smbcore.wire.read import ReadRequest
from smbcore.wire.write import FLAG_WRITE_THROUGH, WriteRequest
from tests.protocol.steps import create_request, opened, turn

FULL, BROKEN = Status.DISK_FULL, Status.IO_DEVICE_ERROR  # ENOSPC, EIO
OVER_QUOTA, READ_ONLY = Status.QUOTA_EXCEEDED, Status.MEDIA_WRITE_PROTECTED  # EDQUOT, EROFS
FAILURES = pytest.mark.parametrize("status", [FULL, BROKEN, OVER_QUOTA, READ_ONLY])
ALONE = 0
DATA = bytes(range(256)) * 16
ROOT_ENTRIES = 2  # "." and ".."


class Disk:
    """A server in memory whose disk fails on demand."""

    def __init__(self, make) -> None:
        self.faults = Schedule()
        self.volumes: list[MemoryBackend] = []
        self.server = make(backend=self._backend)

    def _backend(self, clock):
        self.volumes.append(MemoryBackend(clock))
        return FaultyBackend(self.volumes[-1], self.faults)

    async def tree(self):
        return await self.server.tree()

    async def share(self) -> Share:
        return Share(await self.server.tree())

    async def settle(self) -> None:
        """Let everybody go and everything end; then nothing may be left of what was open."""
        self.faults.clear()
        for client in self.server.clients:
            client.close()
        await turn(50)
        await self.server.server.drain()
        for volume in self.server.volumes.values():
            assert not volume.opens, [item.path for item in volume.opens]
            assert len(volume.table) == 0
            assert not volume.notifier
        assert [volume.open_nodes for volume in self.volumes] == [0] * len(self.volumes)
        assert not self.server.server.opens
        assert not self.server.server.trees


@pytest.fixture
async def disk(make):
    made = Disk(make)
    yield made
    await made.settle()


async def content(raw, name: str) -> bytes:
    """Return a file's content, opened without admitting anybody else: that nobody has it open is part of the test."""
    file_id = await opened(raw, name, FILE_GENERIC_READ, FILE_OPEN, share=ALONE)
    response = await raw.read(file_id, 0, 1 << 20)
    (await raw.close(file_id)).expect()
    return b"" if response.status is Status.END_OF_FILE else bytes(response.expect().body.data)


async def stored(raw, name: str, data: bytes = DATA) -> None:
    """Make a file with content."""
    file_id = await opened(raw, name, FILE_GENERIC_WRITE, FILE_OVERWRITE_IF)
    (await raw.write(file_id, 0, data)).expect()
    (await raw.close(file_id)).expect()


async def names(raw) -> list[str]:
    return sorted(entry.name for entry in await Share(raw).listdir())


# -- creating and opening --


@FAILURES
@pytest.mark.parametrize("options", [0, FILE_DIRECTORY_FILE])
async def test_create_that_fails_leaves_nothing(disk, status, options):
    raw = await disk.tree()
    disk.faults.fail("create", status)
    failed = await raw.create("new", FILE_ALL_ACCESS, FILE_CREATE, options=options, share=ALONE)
    assert failed.status is status
    assert await names(raw) == []
    again = await raw.create("new", FILE_ALL_ACCESS, FILE_CREATE, options=options, share=ALONE)
    (await raw.close(again.expect().body.file_id)).expect()


@FAILURES
async def test_create_whose_space_cannot_be_reserved_is_undone(disk, status):
    raw = await disk.tree()
    disk.faults.fail("set_allocation", status)
    space = CreateContext(b"AlSi", AllocationSize(1 << 20).encode())
    failed = await raw.create("new", FILE_ALL_ACCESS, FILE_CREATE, contexts=[space], share=ALONE)
    assert failed.status is status
    assert await names(raw) == []


async def test_create_that_can_neither_be_finished_nor_undone_leaves_an_ordinary_file(disk):
    """The reservation fails, and so does removing the file again: it can be opened, and deleted later."""
    raw = await disk.tree()
    disk.faults.fail("set_allocation", FULL)
    disk.faults.fail("remove", BROKEN)
    space = CreateContext(b"AlSi", AllocationSize(1 << 20).encode())
    failed = await raw.create("new", FILE_ALL_ACCESS, FILE_CREATE, contexts=[space], share=ALONE)
    assert failed.status is FULL
    assert await content(raw, "new") == b""
    await Share(raw).remove("new")
    assert await names(raw) == []


@FAILURES
async def test_open_that_fails_holds_nothing(disk, status):
    raw = await disk.tree()
    await stored(raw, "file")
    disk.faults.fail("open", status, path=("file",))
    assert (await raw.create("file", FILE_ALL_ACCESS, FILE_OPEN, share=ALONE)).status is status
    assert await content(raw, "file") == DATA


@FAILURES
@pytest.mark.parametrize("disposition", [FILE_OVERWRITE_IF, FILE_SUPERSEDE])
async def test_overwriting_that_fails_keeps_the_content(disk, status, disposition):
    raw = await disk.tree()
    await stored(raw, "file")
    disk.faults.fail("set_end_of_file", status)
    assert (await raw.create("file", FILE_ALL_ACCESS, disposition, share=ALONE)).status is status
    assert await content(raw, "file") == DATA


@pytest.mark.parametrize("call", ["info", "security", "set_attributes", "set_times", "extended_attributes", "streams"])
async def test_overwriting_that_fails_halfway_holds_nothing(disk, call):
    raw = await disk.tree()
    await stored(raw, "file")
    disk.faults.fail(call, BROKEN, path=("file",))
    await raw.create("file", FILE_ALL_ACCESS, FILE_OVERWRITE_IF, share=ALONE)
    disk.faults.clear()
    for client in disk.server.clients:
        client.close()
    other = await disk.tree()
    await content(other, "file")


# -- writing --


@FAILURES
async def test_write_that_fails_says_so_and_harms_nothing(disk, status):
    raw = await disk.tree()
    file_id = await opened(raw, "file")
    (await raw.write(file_id, 0, DATA)).expect()
    disk.faults.fail("write", status)
    assert (await raw.write(file_id, len(DATA), b"more")).status is status
    assert bytes((await raw.read(file_id, 0, len(DATA))).expect().body.data) == DATA
    (await raw.write(file_id, len(DATA), b"more")).expect()
    (await raw.close(file_id)).expect()
    assert await content(raw, "file") == DATA + b"more"


@FAILURES
async def test_torn_write_is_an_error_and_can_be_repeated(disk, status):
    raw = await disk.tree()
    file_id = await opened(raw, "file")
    (await raw.write(file_id, 0, b"start")).expect()
    disk.faults.shorten("write", 3, status=status)
    assert (await raw.write(file_id, 5, b"whole")).status is status
    (await raw.write(file_id, 5, b"whole")).expect()
    (await raw.close(file_id)).expect()
    assert await content(raw, "file") == b"startwhole"


async def test_short_write_tells_how_much(disk):
    raw = await disk.tree()
    file_id = await opened(raw, "file")
    disk.faults.shorten("write", 3)
    assert (await raw.write(file_id, 0, b"whole")).expect().body.count == 3
    (await raw.close(file_id)).expect()
    assert await content(raw, "file") == b"who"


async def test_client_writes_on_after_short_writes(disk):
    share = await disk.share()
    disk.faults.shorten("write", 1000, times=10)
    await share.write("file", DATA * 10)
    assert await share.read("file") == DATA * 10


@FAILURES
async def test_write_through_is_acknowledged_only_once_it_is_stable(disk, status):
    raw = await disk.tree()
    file_id = await opened(raw, "file")
    disk.faults.fail("flush", status)
    assert (await raw.write(file_id, 0, b"x", flags=FLAG_WRITE_THROUGH)).status is status
    (await raw.write(file_id, 0, b"x", flags=FLAG_WRITE_THROUGH)).expect()
    (await raw.close(file_id)).expect()


@FAILURES
async def test_flush_that_fails_says_so(disk, status):
    raw = await disk.tree()
    file_id = await opened(raw, "file")
    disk.faults.fail("flush", status)
    assert (await raw.flush(file_id)).status is status
    (await raw.flush(file_id)).expect()
    (await raw.close(file_id)).expect()


@FAILURES
async def test_end_of_file_that_cannot_be_set_stays(disk, status):
    raw = await disk.tree()
    file_id = await opened(raw, "file")
    (await raw.write(file_id, 0, DATA)).expect()
    disk.faults.fail("set_end_of_file", status)
    data = EndOfFileInformation(10).encode()
    assert (await raw.set_info(file_id, FILE_END_OF_FILE_INFORMATION, data)).status is status
    (await raw.close(file_id)).expect()
    assert await content(raw, "file") == DATA


@FAILURES
async def test_attributes_that_cannot_be_set_stay(disk, status):
    raw = await disk.tree()
    file_id = await opened(raw, "file")
    disk.faults.fail("set_attributes", status)
    hidden = BasicInformation(0, 0, 0, 0, 2).encode()
    assert (await raw.set_info(file_id, FILE_BASIC_INFORMATION, hidden)).status is status
    (await raw.close(file_id)).expect()
    assert not (await Share(raw).stat("file")).attributes & 2


@FAILURES
async def test_lock_of_a_file_whose_disk_fails_is_released_with_it(disk, status):
    raw, other = await disk.tree(), await disk.tree()
    mine, theirs = await opened(raw, "file"), await opened(other, "file")
    whole = [LockElement(0, 100, LOCK_EXCLUSIVE | LOCK_FAIL_IMMEDIATELY)]
    (await raw.lock(mine, whole)).expect()
    disk.faults.fail("*", status, times=-1)
    assert (await raw.write(mine, 0, b"x")).status is status
    (await raw.close(mine)).expect()
    disk.faults.clear()
    (await other.lock(theirs, whole)).expect()
    (await other.close(theirs)).expect()


# -- reading and listing --


@FAILURES
async def test_read_that_fails_says_so(disk, status):
    raw = await disk.tree()
    await stored(raw, "file")
    file_id = await opened(raw, "file")
    disk.faults.fail("read_into", status)
    assert (await raw.read(file_id, 0, 100)).status is status
    assert bytes((await raw.read(file_id, 0, 100)).expect().body.data) == DATA[:100]
    (await raw.close(file_id)).expect()


async def test_short_read_gives_what_there_is(disk):
    raw = await disk.tree()
    await stored(raw, "file")
    file_id = await opened(raw, "file")
    disk.faults.shorten("read_into", 7)
    assert bytes((await raw.read(file_id, 0, 100)).expect().body.data) == DATA[:7]
    disk.faults.shorten("read_into", 7)
    assert (await raw.read(file_id, 0, 100, minimum_count=50)).status is Status.END_OF_FILE
    (await raw.close(file_id)).expect()


async def test_client_reads_on_after_short_reads(disk):
    share = await disk.share()
    await share.write("file", DATA * 10)
    disk.faults.shorten("read_into", 1000, times=20)
    assert await share.read("file") == DATA * 10


@FAILURES
@pytest.mark.parametrize("call", ["names", "entries"])
async def test_listing_that_fails_can_be_repeated(disk, status, call):
    raw = await disk.tree()
    for number in range(5):
        await stored(raw, f"file{number}", b"")
    root = await opened(raw, "", FILE_GENERIC_READ, FILE_OPEN, options=FILE_DIRECTORY_FILE)
    disk.faults.fail(call, status)
    failed = await raw.query_directory(root, FILE_ID_BOTH_DIRECTORY_INFORMATION)
    assert failed.status is status
    again = await raw.query_directory(root, FILE_ID_BOTH_DIRECTORY_INFORMATION)
    entries = decode_entries(FILE_ID_BOTH_DIRECTORY_INFORMATION, bytes(again.expect().body.output))
    assert len(entries) == 5 + ROOT_ENTRIES
    (await raw.close(root)).expect()


# -- renaming and deleting --


@FAILURES
async def test_rename_that_fails_leaves_both_names(disk, status):
    raw = await disk.tree()
    await stored(raw, "old", b"old")
    await stored(raw, "new", b"new")
    file_id = await opened(raw, "old")
    data = RenameInformation("new", 1).encode()
    disk.faults.fail("rename", status)
    assert (await raw.set_info(file_id, FILE_RENAME_INFORMATION, data)).status is status
    assert await names(raw) == ["new", "old"]
    assert bytes((await raw.read(file_id, 0, 10)).expect().body.data) == b"old"
    (await raw.set_info(file_id, FILE_RENAME_INFORMATION, data)).expect()
    (await raw.close(file_id)).expect()
    assert await content(raw, "new") == b"old"
    assert await names(raw) == ["new"]


@FAILURES
async def test_link_that_fails_makes_no_name(disk, status):
    raw = await disk.tree()
    file_id = await opened(raw, "file")
    disk.faults.fail("link", status)
    data = LinkInformation("second", 0).encode()
    assert (await raw.set_info(file_id, FILE_LINK_INFORMATION, data)).status is status
    (await raw.close(file_id)).expect()
    assert await names(raw) == ["file"]


@FAILURES
@pytest.mark.parametrize("options", [0, FILE_DIRECTORY_FILE])
async def test_deletion_that_fails_at_close_leaves_an_ordinary_file(disk, status, options):
    """CLOSE has no way to fail; what could not be deleted is there, not in a state between."""
    raw = await disk.tree()
    created = await raw.create("file", FILE_ALL_ACCESS, FILE_CREATE, options=options)
    (await raw.close(created.expect().body.file_id)).expect()
    file_id = await opened(raw, "file", DELETE, FILE_OPEN, options=options | FILE_DELETE_ON_CLOSE, share=ALONE)
    disk.faults.fail("remove", status)
    (await raw.close(file_id)).expect()
    assert await names(raw) == ["file"]
    file_id = await opened(raw, "file", DELETE, FILE_OPEN, options=options, share=ALONE)
    (await raw.set_info(file_id, FILE_DISPOSITION_INFORMATION, b"\1")).expect()
    (await raw.close(file_id)).expect()
    assert await names(raw) == []


# -- copying --


@FAILURES
async def test_copy_that_fails_tells_how_far_it_came(disk, status):
    raw = await disk.tree()
    await stored(raw, "source")
    source, target = await opened(raw, "source"), await opened(raw, "target")
    reply = (await raw.ioctl(fsctl.FSCTL_SRV_REQUEST_RESUME_KEY, file_id=source)).expect()
    key = fsctl.ResumeKey.decode(bytes(reply.body.output)).key
    chunks = [fsctl.CopyChunk(at, at, 1024) for at in range(0, 4096, 1024)]
    disk.faults.fail("copy_range", status, after=2)
    request = fsctl.CopyChunkRequest(key, chunks).encode()
    failed = await raw.ioctl(fsctl.FSCTL_SRV_COPYCHUNK, request, file_id=target)
    assert failed.status is status
    for file_id in (source, target):
        (await raw.close(file_id)).expect()
    copied = await content(raw, "target")
    assert copied == DATA[: len(copied)]
    assert await content(raw, "source") == DATA


# -- a disk that does not answer --

WAITS = {
    "read_into": lambda file_id: ReadRequest(file_id, 0, 10),
    "write": lambda file_id: WriteRequest(file_id, 0, b"late"),
    "flush": FlushRequest,
}


@pytest.mark.parametrize("call", WAITS)
async def test_client_that_leaves_while_the_disk_is_slow_leaves_nothing(disk, call):
    """1 a request waits for the disk, 2 the client goes, 3 the disk answers, 4 the file is free."""
    raw, other = await disk.tree(), await disk.tree()
    await stored(raw, "file")
    file_id = await opened(raw, "file", share=ALONE)
    answer = asyncio.Event()
    disk.faults.hold(call, answer)
    await raw.begin(WAITS[call](file_id))
    await turn()
    raw.connection.close()
    await turn()
    answer.set()
    await turn()
    await disk.server.server.drain()
    assert len(await content(other, "file")) == len(DATA)


@pytest.mark.parametrize("call", ["open", "create", "set_end_of_file", "set_allocation"])
async def test_client_that_leaves_during_a_slow_open_leaves_nothing(disk, call):
    raw, other = await disk.tree(), await disk.tree()
    if call == "set_end_of_file":
        await stored(raw, "file")
    answer = asyncio.Event()
    disk.faults.hold(call, answer)
    space = [CreateContext(b"AlSi", AllocationSize(4096).encode())] if call == "set_allocation" else []
    await raw.begin(create_request("file", share=ALONE, disposition=FILE_OVERWRITE_IF, contexts=space))
    await turn()
    raw.connection.close()
    await turn()
    answer.set()
    await turn()
    await disk.server.server.drain()
    file_id = await opened(other, "file", disposition=FILE_OPEN_IF, share=ALONE)
    (await other.close(file_id)).expect()


async def test_client_that_leaves_during_a_slow_deletion_leaves_nothing(disk):
    """The file is deleted at CLOSE; whether or not its client is still there."""
    raw, other = await disk.tree(), await disk.tree()
    await stored(raw, "file")
    file_id = await opened(raw, "file", DELETE, FILE_OPEN, options=FILE_DELETE_ON_CLOSE, share=ALONE)
    answer = asyncio.Event()
    disk.faults.hold("remove", answer)
    await raw.begin(CloseRequest(file_id))
    await turn()
    raw.connection.close()
    await turn()
    answer.set()
    await turn()
    await disk.server.server.drain()
    assert await names(other) == []


async def test_slow_disk_of_one_client_does_not_hold_up_another(disk):
    raw, other = await disk.tree(), await disk.tree()
    await stored(raw, "slow")
    file_id = await opened(raw, "slow")
    answer = asyncio.Event()
    disk.faults.hold("read_into", answer, path=("slow",))
    waiting = await raw.begin(ReadRequest(file_id, 0, 10))
    await stored(other, "fast")
    assert await content(other, "fast") == DATA
    assert not waiting.final.done()
    answer.set()
    assert bytes((await waiting.response()).expect().body.data) == DATA[:10]
    (await raw.close(file_id)).expect()


# -- anything, at any time --


class Model:
    """What a careful client knows of the files of a share: their content where everything was acknowledged.

    unsure  files whose last change was refused: they may have the old content, the new one, or part of it
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.unsure: set[str] = set()


@pytest.mark.parametrize("seed", range(25))
async def test_whatever_fails_when_what_was_acknowledged_is_there(disk, seed):
    """200 random steps, of which a third meet a failure somewhere inside; then everything is compared."""
    noise = random.Random(seed)
    share, model = await disk.share(), Model()
    calls = (
        "*",
        "open",
        "create",
        "write",
        "flush",
        "set_end_of_file",
        "rename",
        "remove",
        "info",
        "names",
        "set_times",
    )
    for _ in range(200):
        if noise.random() < 0.33:
            status = noise.choice([FULL, BROKEN, OVER_QUOTA, READ_ONLY])
            disk.faults.fail(noise.choice(calls), status, after=noise.randrange(6))
        name = f"file{noise.randrange(6)}"
        try:
            await random_step(share, model, name, noise)
        except NtError as error:
            if error.status not in (FULL, BROKEN, OVER_QUOTA, READ_ONLY):
                raise
        if noise.random() < 0.5:
            disk.faults.clear()
    disk.faults.clear()
    for name, expected in model.files.items():
        if name not in model.unsure:
            assert await content(share.raw, name) == expected, name
    assert set(await names(share.raw)) - model.unsure == set(model.files) - model.unsure


async def random_step(share: Share, model: Model, name: str, noise: random.Random) -> None:
    choice = noise.randrange(4)
    known = name in model.files and name not in model.unsure
    if choice == 0 or not known:
        data = noise.randbytes(noise.randrange(5000))
        model.unsure.add(name)
        file = await share.open(name, "w")
        await close_anyway(file, file.write(0, data))
        model.unsure.discard(name)
        model.files[name] = data
    elif choice == 1:
        data = noise.randbytes(noise.randrange(1, 2000))
        model.unsure.add(name)
        file = await share.open(name, "r+")
        await close_anyway(file, file.write(len(model.files[name]), data))
        model.unsure.discard(name)
        model.files[name] += data
    elif choice == 2:
        target = f"file{noise.randrange(6)}"
        if target == name:
            return
        model.unsure |= {name, target}
        await share.rename(name, target, replace=True)
        model.unsure -= {name, target}
        model.files[target] = model.files.pop(name)
    else:
        model.unsure.add(name)
        await share.remove(name)
        del model.files[name]
        if name in await names(share.raw):  # CLOSE cannot say that the deletion failed; then it is an ordinary file
            return
        model.unsure.discard(name)


async def close_anyway(file: File, work) -> None:
    try:
        await work
    finally:
        await file.raw.close(file.file_id)
