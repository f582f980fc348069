"""Every call of the backend fails once, in every piece of work: the right status, nothing leaks, the volume goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from smbcore.fsa.api import VolumeConfig
from smbcore.fsa.backend import Backend, Node
from smbcore.fsa.volume import Volume
from smbcore.nt import create as c
from smbcore.nt.clock import ManualClock
from smbcore.nt.info import classes as ic
from smbcore.nt.info import fsctl as codes
from smbcore.nt.info.ea import ExtendedAttribute, encode_attributes
from smbcore.nt.info.offload import OffloadRead, OffloadReadResult, OffloadWrite
from smbcore.nt.info.rename import LinkInformation
from smbcore.nt.info.reparse import ReparsePoint
from smbcore.nt.status import NtError, Status
from smbcore.vfs.faulty import FaultyBackend, Schedule
from smbcore.vfs.memory import MemoryBackend
from smbcore.vfs.posix.backend import PosixBackend

LONGEST = 60
"""Backend calls that a piece of work may take at most."""
STATUSES = (
    Status.DISK_FULL,
    Status.IO_DEVICE_ERROR,
    Status.QUOTA_EXCEEDED,
    Status.MEDIA_WRITE_PROTECTED,
    Status.FILE_INVALID,
)
Work = Callable[[Any], Awaitable[None]]


@pytest.fixture(params=["memory", "posix"])
async def faults(request: pytest.FixtureRequest, tmp_path: Path, config: VolumeConfig) -> AsyncIterator[Any]:
    """Make a volume whose store can be told to fail: (lab, schedule, store)."""
    from_conftest = request.getfixturevalue("lab_class")
    clock = ManualClock()
    store: Backend
    if request.param == "memory":
        store = MemoryBackend(clock)
    else:
        (tmp_path / "share").mkdir()
        store = PosixBackend(tmp_path / "share")
    schedule = Schedule()
    volume = Volume(FaultyBackend(store, schedule), config, clock)
    yield from_conftest(volume, clock, store), schedule
    schedule.clear()
    await volume.close()


# -- pieces of work; each closes what it opened, also when it fails --
async def with_open(lab: Any, path: str, work: Work, **how: Any) -> None:
    opened = await lab.open(path, **how)
    try:
        await work(opened)
    finally:
        await opened.close()


async def nothing(opened: Any) -> None:
    del opened


async def create(lab: Any) -> None:
    await with_open(lab, "new", nothing, disposition=c.FILE_CREATE)


async def create_with_everything(lab: Any) -> None:
    more = {"extended_attributes": [(b"A", b"1")], "allocation_size": 4096}
    await with_open(lab, "new", nothing, disposition=c.FILE_OPEN_IF, **more)


async def create_stream(lab: Any) -> None:
    more = {"extended_attributes": [(b"A", b"1")]}
    await with_open(lab, "new:stream", nothing, disposition=c.FILE_CREATE, **more)


async def make_directory(lab: Any) -> None:
    await with_open(lab, "new", nothing, disposition=c.FILE_CREATE, options=c.FILE_DIRECTORY_FILE)


async def overwrite(lab: Any) -> None:
    await with_open(lab, "file", nothing, disposition=c.FILE_OVERWRITE_IF)


async def read_and_write(lab: Any) -> None:
    async def work(opened: Any) -> None:
        await opened.write(0, b"something")
        await opened.flush()
        await opened.read_into(0, memoryview(bytearray(4)))

    await with_open(lab, "file", work)


async def lock_and_write(lab: Any) -> None:
    async def work(opened: Any) -> None:
        await lab.lock(opened, 0, 10)
        await opened.write(0, b"something")

    await with_open(lab, "file", work)


async def resize(lab: Any) -> None:
    await with_open(lab, "file", lambda o: o.set_information(ic.FILE_END_OF_FILE_INFORMATION, bytes(8)))


async def rename(lab: Any) -> None:
    await with_open(lab, "file", lambda o: lab.rename(o, "moved"))


async def rename_over(lab: Any) -> None:
    await with_open(lab, "file", lambda o: lab.rename(o, "other", replace=True))


async def delete(lab: Any) -> None:
    await with_open(lab, "file", lab.dispose)


async def delete_on_close(lab: Any) -> None:
    await with_open(lab, "file", nothing, options=c.FILE_DELETE_ON_CLOSE)


async def remove_directory(lab: Any) -> None:
    await with_open(lab, "dir", lab.dispose)


async def set_attributes(lab: Any) -> None:
    await with_open(lab, "file", lambda o: lab.set_basic(o, attributes=0x2))


async def set_security(lab: Any) -> None:
    async def work(opened: Any) -> None:
        opened.set_security(4, opened.query_security(4))

    await with_open(lab, "file", work)


async def enumerate_(lab: Any) -> None:
    await with_open(lab, "", lambda o: o.query_directory(ic.FILE_ID_BOTH_DIRECTORY_INFORMATION, "*", 65536))


async def query_all(lab: Any) -> None:
    async def work(opened: Any) -> None:
        for info_class in (ic.FILE_ALL_INFORMATION, ic.FILE_STREAM_INFORMATION, ic.FILE_ALTERNATE_NAME_INFORMATION):
            opened.query_information(info_class, 4096)

    await with_open(lab, "file", work)


async def zero(lab: Any) -> None:
    await with_open(lab, "file", lambda o: o.fsctl(codes.FSCTL_SET_ZERO_DATA, codes.ZeroData(0, 4).encode(), 0))


async def copy(lab: Any) -> None:
    async def work(opened: Any) -> None:
        await with_open(lab, "other", lambda target: target.copy_chunks(opened, [(0, 0, 4)]))

    await with_open(lab, "file", work)


async def hard_link(lab: Any) -> None:
    data = LinkInformation("new", 1).encode()
    await with_open(lab, "file", lambda o: o.set_information(ic.FILE_LINK_INFORMATION, data))


async def rename_directory(lab: Any) -> None:
    await with_open(lab, "dir", lambda o: lab.rename(o, "moved"))


async def make_stream(lab: Any) -> None:
    async def work(opened: Any) -> None:
        await opened.write(0, b"s" * 5000)

    await with_open(lab, "file:stream", work, disposition=c.FILE_OPEN_IF)


async def rename_stream(lab: Any) -> None:
    await with_open(lab, "file:one", lambda o: lab.rename(o, ":two", replace=True), disposition=c.FILE_OPEN_IF)


async def stream_becomes_the_main_one(lab: Any) -> None:
    await with_open(lab, "dir\\empty:one", lambda o: lab.rename(o, "::$DATA", replace=True), disposition=c.FILE_OPEN_IF)


async def main_stream_leaves(lab: Any) -> None:
    await with_open(lab, "file", lambda o: lab.rename(o, ":two", replace=True))


async def delete_stream(lab: Any) -> None:
    await with_open(lab, "file:one", lab.dispose, disposition=c.FILE_OPEN_IF)


async def supersede(lab: Any) -> None:
    more = {"extended_attributes": [(b"A", b"1")], "allocation_size": 4096}
    await with_open(lab, "file", nothing, disposition=c.FILE_SUPERSEDE, **more)


async def reserve(lab: Any) -> None:
    size = (1 << 16).to_bytes(8, "little")
    await with_open(lab, "file", lambda o: o.set_information(ic.FILE_ALLOCATION_INFORMATION, size))


async def set_times(lab: Any) -> None:
    await with_open(lab, "file", lambda o: lab.set_basic(o, 1 << 56, 1 << 56, 1 << 56, 1 << 56))


async def attach_eas(lab: Any) -> None:
    async def work(opened: Any) -> None:
        await opened.set_information(ic.FILE_FULL_EA_INFORMATION, encode_attributes([ExtendedAttribute(b"A", b"1")]))
        opened.query_extended_attributes(None, 4096)

    await with_open(lab, "file", work)


async def control_sparse(lab: Any) -> None:
    async def work(opened: Any) -> None:
        await opened.fsctl(codes.FSCTL_SET_SPARSE, b"", 0)
        await opened.fsctl(codes.FSCTL_QUERY_ALLOCATED_RANGES, codes.AllocatedRange(0, 100).encode(), 4096)
        await opened.fsctl(codes.FSCTL_FILE_LEVEL_TRIM, codes.TrimRequest([(0, 65536)]).encode(), 4)
        await opened.fsctl(codes.FSCTL_SET_SPARSE, b"\0", 0)

    await with_open(lab, "file", work)


async def control_object_id(lab: Any) -> None:
    async def work(opened: Any) -> None:
        await opened.fsctl(codes.FSCTL_CREATE_OR_GET_OBJECT_ID, b"", 64)
        await opened.fsctl(codes.FSCTL_DELETE_OBJECT_ID, b"", 0)

    await with_open(lab, "file", work)


async def control_reparse(lab: Any) -> None:
    point = ReparsePoint(0x8000_0023, b"")

    async def work(opened: Any) -> None:
        await opened.fsctl(codes.FSCTL_SET_REPARSE_POINT, point.encode(), 0)
        await opened.fsctl(codes.FSCTL_GET_REPARSE_POINT, b"", 4096)
        await opened.fsctl(codes.FSCTL_DELETE_REPARSE_POINT, point.encode(), 0)

    await with_open(lab, "link", work, disposition=c.FILE_OPEN_IF, options=c.FILE_OPEN_REPARSE_POINT)


async def offloaded_copy(lab: Any) -> None:
    async def work(opened: Any) -> None:
        await opened.write(0, b"s" * 1024)
        read = await opened.fsctl(codes.FSCTL_OFFLOAD_READ, OffloadRead(0, 1024).encode(), 528)
        token = OffloadReadResult.decode(read).token.encode()

        async def put(target: Any) -> None:
            await target.write(0, b"t" * 2048)
            await target.fsctl(codes.FSCTL_OFFLOAD_WRITE, OffloadWrite(512, 1024, 0, token).encode(), 16)

        await with_open(lab, "other", put)

    await with_open(lab, "file", work)


async def short_names(lab: Any) -> None:
    await with_open(lab, "a long name.txt", nothing, disposition=c.FILE_OPEN_IF)
    await with_open(lab, "", lambda o: o.query_directory(ic.FILE_BOTH_DIRECTORY_INFORMATION, "*", 65536))


async def facts(lab: Any) -> None:
    async def work(opened: Any) -> None:
        lab.volume.query_fs_information(ic.FILE_FS_FULL_SIZE_INFORMATION, 4096)
        await opened.fsctl(codes.FSCTL_SRV_ENUMERATE_SNAPSHOTS, b"", 4096)

    await with_open(lab, "", work)


WORKS = (
    hard_link,
    rename_directory,
    make_stream,
    rename_stream,
    stream_becomes_the_main_one,
    main_stream_leaves,
    delete_stream,
    supersede,
    reserve,
    set_times,
    attach_eas,
    control_sparse,
    control_object_id,
    control_reparse,
    offloaded_copy,
    short_names,
    facts,
    create,
    create_with_everything,
    create_stream,
    make_directory,
    overwrite,
    read_and_write,
    lock_and_write,
    resize,
    rename,
    rename_over,
    delete,
    delete_on_close,
    remove_directory,
    set_attributes,
    set_security,
    enumerate_,
    query_all,
    zero,
    copy,
)


async def empty_streams(lab: Any, path: str) -> None:
    """Remove the named streams of a file."""
    opened = await lab.open(path)
    names = [stream.name for stream in opened.node.streams()]
    await opened.close()
    for name in names:
        await with_open(lab, f"{path}:{name}", lab.dispose)


async def outcome(work: Any, lab: Any) -> Status | None:
    """Do a piece of work; return the status that it fails with."""
    try:
        await work(lab)
    except NtError as error:
        return error.status
    return None


@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.__name__.strip("_"))
@pytest.mark.parametrize("status", STATUSES, ids=lambda status: status.name)
async def test_a_call_that_fails_leaves_nothing_behind(faults: Any, work: Any, status: Status) -> None:
    lab, schedule = faults
    for number in range(LONGEST):
        # 1 everything is as it was
        for name, data in (("file", b"content"), ("other", b"other")):
            if not await lab.exists(name):
                await lab.make(name, data)
        if not await lab.exists("dir"):
            await lab.mkdir("dir")
        for name in ("dir\\empty", "new", "moved", "link", "a long name.txt"):
            if await lab.exists(name):
                await with_open(lab, name, lab.dispose, options=c.FILE_OPEN_REPARSE_POINT)
        await empty_streams(lab, "file")
        # 2 the call fails
        fault = schedule.fail("*", status, after=number)
        raised = await outcome(work, lab)
        assert raised in (None, status), number
        failed = fault.times == 0
        schedule.clear()
        # 3 nothing is open, shared, locked or about to be deleted
        assert not lab.volume.opens, number
        assert len(lab.volume.table) == 0, number
        for name in ("file", "other"):
            if await lab.exists(name):
                opened = await lab.open(name, share=0)
                await lab.lock(opened, 0, 100)
                await opened.close()
        if raised is not None and work in (create, create_with_everything, create_stream, make_directory):
            assert not await lab.exists("new"), number
        if not failed:
            return  # the work needs no more calls than this
    raise AssertionError(f"{work.__name__} takes more than {LONGEST} calls")


UNUSED = {
    "open_by_id": "files are opened by their names alone",
    "survey": "only where a volume counts what its files take",
    "main_size": "only where a volume counts what its files take",
    "open_snapshot": "these volumes have no snapshots",
    "tidy": "maintenance, at no client's request",
}
"""Calls that no piece of work makes, and why."""


async def test_every_call_of_the_backend_is_met_by_some_work(faults: Any) -> None:
    """What the interface gets new has to be used by a piece of work here."""
    lab, schedule = faults
    await lab.make("file", b"content")
    for work in WORKS:
        for name, data in (("file", b"content"), ("other", b"other")):
            if not await lab.exists(name):
                await lab.make(name, data)
        if not await lab.exists("dir"):
            await lab.mkdir("dir")
        for name in ("dir\\empty", "new", "moved"):
            if await lab.exists(name):
                await with_open(lab, name, lab.dispose)
        assert await outcome(work, lab) is None, work.__name__
    fallible = {name for kind in (Backend, Node) for name in kind.__abstractmethods__} - {
        "close",
        "transfer_descriptor",  # a number at hand
    }
    assert {name for name in fallible if not schedule.calls[name]} == fallible & UNUSED.keys()


@pytest.mark.parametrize("work", [read_and_write, copy, offloaded_copy, make_stream], ids=lambda work: work.__name__)
@pytest.mark.parametrize("call", ["read_into", "write", "copy_range"])
async def test_a_call_that_does_less_leaves_nothing_behind(faults: Any, work: Any, call: str) -> None:
    """Short reads, writes and copies, each followed by an error or by none."""
    lab, schedule = faults
    for status in (None, Status.DISK_FULL):
        for number in range(4):
            for name, data in (("file", b"content"), ("other", b"other")):
                if not await lab.exists(name):
                    await lab.make(name, data)
            schedule.shorten(call, 1, status=status, after=number)
            raised = await outcome(work, lab)
            too_short = (Status.INVALID_TOKEN, Status.INVALID_PARAMETER, Status.END_OF_FILE)
            assert raised in (None, status, *(too_short if work is offloaded_copy else ())), number
            schedule.clear()
            assert not lab.volume.opens
            assert len(lab.volume.table) == 0


@pytest.mark.parametrize("status", STATUSES, ids=lambda status: status.name)
async def test_what_was_acknowledged_stays_when_the_store_fails_later(faults: Any, status: Status) -> None:
    lab, schedule = faults
    opened = await lab.create("a")
    await opened.write(0, b"acknowledged")
    schedule.fail("write", status, times=-1)
    with lab.fails(status.name):
        await opened.write(12, b" and more")
    schedule.clear()
    await opened.close()
    assert await lab.content("a") == b"acknowledged"


async def test_a_deletion_that_fails_leaves_the_file_usable(faults: Any) -> None:
    lab, schedule = faults
    await lab.make("a", b"kept")
    schedule.fail("remove", Status.IO_DEVICE_ERROR)
    opened = await lab.open("a", options=c.FILE_DELETE_ON_CLOSE)
    await opened.close()
    assert await lab.content("a") == b"kept"
