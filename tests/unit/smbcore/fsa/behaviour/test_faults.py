"""Every call of the backend fails once, in every piece of work: the right status, nothing leaks, the volume goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from smbcore.fsa.api import VolumeConfig
from smbcore.fsa.backend import Backend
from smbcore.fsa.volume import Volume
from smbcore.nt import create as c
from smbcore.nt.clock import ManualClock
from smbcore.nt.info import classes as ic
from smbcore.nt.info import fsctl as codes
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


WORKS = (
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


async def outcome(work: Any, lab: Any) -> Status | None:
    """Do a piece of work; return the status that it fails with."""
    try:
        await work(lab)
    except NtError as error:
        return error.status
    return None


@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.__name__.strip("_"))
@pytest.mark.parametrize("status", STATUSES[:2], ids=lambda status: status.name)
async def test_a_call_that_fails_leaves_nothing_behind(faults: Any, work: Any, status: Status) -> None:
    lab, schedule = faults
    for number in range(LONGEST):
        # 1 everything is as it was
        for name, data in (("file", b"content"), ("other", b"other")):
            if not await lab.exists(name):
                await lab.make(name, data)
        if not await lab.exists("dir"):
            await lab.mkdir("dir")
        for name in ("new", "moved"):
            if await lab.exists(name):
                await with_open(lab, name, lab.dispose)
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
