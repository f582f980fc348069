"""Names that change while somebody else opens, closes, marks or moves what they are of."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from smbcore.fsa import delete
from smbcore.fsa.api import VolumeConfig
from smbcore.fsa.volume import Volume
from smbcore.nt import attributes as fa
from smbcore.nt import create as c
from smbcore.nt.clock import ManualClock
from smbcore.nt.info import classes as ic
from smbcore.nt.info import file
from smbcore.nt.info.rename import LinkInformation
from smbcore.nt.status import Status
from smbcore.vfs.faulty import FaultyBackend, Schedule
from smbcore.vfs.memory import MemoryBackend

ONE, TWO = b"1" * 32, b"2" * 32
DELETE, READ = 0x10000, 0x1
Faulty = tuple[Any, Schedule]


@pytest.fixture
async def faulty(config: VolumeConfig, lab_class: Any) -> AsyncIterator[Faulty]:
    """A volume on a disk that does what the schedule says."""
    clock, faults = ManualClock(), Schedule()
    lab = lab_class(Volume(FaultyBackend(MemoryBackend(clock), faults), config, clock), clock, None)
    yield lab, faults
    await lab.volume.close()
    assert len(lab.volume.table) == 0


async def rename(lab: Any, opened: Any) -> None:
    await lab.rename(opened, "new")


async def link(lab: Any, opened: Any) -> None:
    await opened.set_information(ic.FILE_LINK_INFORMATION, LinkInformation("new").encode())


# -- after a wait everything is decided anew --
async def test_what_is_marked_while_its_rename_waits_keeps_its_name(lab: Any) -> None:
    """1 the rename waits for H  2 another open of the same lease marks the file  3 ACCESS_DENIED, as if marked before
    [MS-FSA 2.1.5.15.11: Open.Link.IsDeleted].
    """
    holder = await lab.create("a", oplock_key=ONE)
    lab.lease(holder, "RH", ONE)
    opened = await lab.open("a", oplock_key=TWO)
    task = await lab.start(lab.rename(opened, "b"))
    await lab.dispose(holder)
    await lab.settle()
    lab.acknowledge(holder, "R")
    with lab.fails("ACCESS_DENIED"):
        await task
    await opened.close()
    await holder.close()
    assert not await lab.exists("a")
    assert not await lab.exists("b")


@pytest.mark.parametrize("work", [rename, link])
async def test_what_is_marked_while_its_new_parent_is_waited_for_gets_no_new_name(lab: Any, work: Any) -> None:
    parent = await lab.open("", READ, share=0, oplock_key=ONE)
    lab.lease(parent, "RH", ONE)
    opened = await lab.create("a", parent_oplock_key=ONE)
    task = await lab.start(work(lab, opened))
    assert not task.done()
    await lab.dispose(opened)
    await parent.close()
    with lab.fails("ACCESS_DENIED"):
        await task
    await opened.close()
    assert await lab.names("") == [".", ".."]


async def test_what_is_opened_below_while_the_new_parent_is_waited_for_stops_the_rename(lab: Any) -> None:
    await lab.mkdir("d")
    await lab.make("d\\a")
    await lab.mkdir("into")
    parent = await lab.open("into", READ, share=0, oplock_key=ONE)
    lab.lease(parent, "RH", ONE)
    opened = await lab.open("d")
    task = await lab.start(lab.rename(opened, "into\\d"))
    assert not task.done()
    child = await lab.open("d\\a")
    await parent.close()
    with lab.fails("ACCESS_DENIED"):
        await task
    await child.close()
    await opened.close()


# -- while the store looks for the name --
def held(faults: Schedule, call: str) -> asyncio.Event:
    """Let the next `call` wait for the event, as one does that has to list a large directory first."""
    until = asyncio.Event()
    faults.hold(call, until)
    return until


async def replace_by_rename(lab: Any, opened: Any) -> None:
    await lab.rename(opened, "b", replace=True)


async def replace_by_link(lab: Any, opened: Any) -> None:
    await opened.set_information(ic.FILE_LINK_INFORMATION, LinkInformation("b", 1).encode())


REPLACING = pytest.mark.parametrize(
    ("work", "call"), [(replace_by_rename, "rename"), (replace_by_link, "link")], ids=["rename", "link"]
)


@REPLACING
async def test_a_target_that_is_opened_meanwhile_is_not_replaced(faulty: Faulty, work: Any, call: str) -> None:
    lab, faults = faulty
    await lab.make("a", b"new")
    await lab.make("b", b"old")
    opened = await lab.open("a")
    until = held(faults, call)
    task = await lab.start(work(lab, opened))
    other = await lab.open("b")
    until.set()
    with lab.fails("ACCESS_DENIED"):
        await task
    await other.write(0, b"kept")
    await other.close()
    await opened.close()
    assert await lab.content("b") == b"kept"


@REPLACING
async def test_a_target_that_is_leased_meanwhile_is_waited_for(faulty: Faulty, work: Any, call: str) -> None:
    lab, faults = faulty
    await lab.make("a", b"new")
    await lab.make("b", b"old")
    opened = await lab.open("a")
    until = held(faults, call)
    task = await lab.start(work(lab, opened))
    other = await lab.open("b", oplock_key=ONE)
    listener = lab.listener()
    lab.lease(other, "RH", ONE, listener)
    until.set()
    await lab.settle()
    assert listener.last() == ("RH", "R", True)
    await other.close()
    await task
    await opened.close()
    assert await lab.content("b") == b"new"


@REPLACING
async def test_a_target_that_comes_meanwhile_is_checked_too(faulty: Faulty, work: Any, call: str) -> None:
    lab, faults = faulty
    await lab.make("a", b"new")
    opened = await lab.open("a")
    until = held(faults, call)
    task = await lab.start(work(lab, opened))
    await lab.make("b", b"old", file_attributes=fa.FILE_ATTRIBUTE_READONLY)
    until.set()
    with lab.fails("ACCESS_DENIED"):
        await task
    await opened.close()
    assert await lab.content("b") == b"old"


@REPLACING
async def test_a_target_that_goes_meanwhile_is_not_missed(faulty: Faulty, work: Any, call: str) -> None:
    lab, faults = faulty
    await lab.make("a", b"new")
    await lab.make("b", b"old")
    opened = await lab.open("a")
    until = held(faults, call)
    task = await lab.start(work(lab, opened))
    await (await lab.open("b", options=c.FILE_DELETE_ON_CLOSE)).close()
    until.set()
    await task
    await opened.close()
    assert await lab.content("b") == b"new"


async def test_what_is_opened_below_meanwhile_stops_the_rename(faulty: Faulty) -> None:
    lab, faults = faulty
    await lab.mkdir("d")
    await lab.make("d\\a")
    opened = await lab.open("d")
    until = held(faults, "rename")
    task = await lab.start(lab.rename(opened, "e"))
    child = await lab.open("d\\a", options=c.FILE_DELETE_ON_CLOSE)
    until.set()
    with lab.fails("ACCESS_DENIED"):
        await task
    await child.close()
    assert not await lab.exists("d\\a")
    await opened.close()


async def test_two_renames_of_one_file_leave_all_handles_with_its_name(faulty: Faulty) -> None:
    lab, faults = faulty
    first = await lab.create("a")
    second = await lab.open("a")
    until = held(faults, "rename")
    task = await lab.start(lab.rename(first, "b"))
    await lab.rename(second, "c")
    until.set()
    await task
    assert (first.path, second.path) == ("b", "b")
    assert await lab.names("") == [".", "..", "b"]
    await first.close()
    await second.close()


async def test_a_new_parent_that_moves_meanwhile_takes_along_what_comes(faulty: Faulty) -> None:
    lab, faults = faulty
    await lab.mkdir("d")
    opened = await lab.create("a")
    until = held(faults, "rename")
    task = await lab.start(lab.rename(opened, "d\\a"))
    directory = await lab.open("d")
    await lab.rename(directory, "e")
    await directory.close()
    until.set()
    await task
    assert opened.path == "e\\a"
    await lab.dispose(opened)
    await opened.close()
    assert await lab.names("e") == [".", ".."]


async def test_a_directory_that_moves_takes_along_what_is_created_in_it(faulty: Faulty) -> None:
    lab, faults = faulty
    await lab.mkdir("d")
    await lab.mkdir("d\\sub")
    until = held(faults, "create")
    task = await lab.start(lab.create("d\\sub\\a", options=c.FILE_DELETE_ON_CLOSE))
    directory = await lab.open("d")
    await lab.rename(directory, "e")
    await directory.close()
    until.set()
    opened = await task
    assert opened.path == "e\\sub\\a"
    await opened.close()
    assert await lab.names("e\\sub") == [".", ".."]


# -- directory leases --
async def test_a_lease_of_a_directory_is_not_ended_by_the_end_of_one_that_had_its_name(lab: Any) -> None:
    """1 a lease of d  2 d goes, as POSIX has it, the handle stays  3 a new d, and a lease of that  4 the first handle
    closes  5 what comes in the new d breaks its lease.
    """
    listener = lab.listener()
    await lab.mkdir("d")
    old = await lab.open("d", READ, oplock_key=ONE)
    lab.lease(old, "R", ONE)
    deletes = await lab.open("d", DELETE)
    flags = delete.DISPOSITION_DELETE | delete.DISPOSITION_POSIX_SEMANTICS
    await deletes.set_information(ic.FILE_DISPOSITION_INFORMATION_EX, file.DispositionInformationEx(flags).encode())
    await deletes.close()
    new = await lab.create("d", options=c.FILE_DIRECTORY_FILE, oplock_key=TWO)
    lab.lease(new, "RH", TWO, listener)
    await old.close()
    await lab.make("d\\a")
    assert listener.last() == ("RH", "", True)
    await new.close()


# -- leases --
async def test_who_takes_up_a_lease_last_hears_of_its_breaks(lab: Any) -> None:
    first, last = lab.listener(), lab.listener()
    one = await lab.create("a", oplock_key=ONE)
    lab.lease(one, "RWH", ONE, first)
    two = await lab.open("a", oplock_key=ONE)
    lab.lease(two, "RWH", ONE, last)
    await one.close()
    task = await lab.start(lab.open("a", oplock_key=TWO))
    assert not first.notices
    assert last.last() == ("RWH", "RH", True)
    await two.close()
    await (await task).close()


async def test_a_break_is_over_when_its_lease_is_taken_up_anew(lab: Any) -> None:
    """[MS-SMB2 3.3.4.17] 1 a break of the lease  2 its client closes the last handle, which takes its time, and opens
    the file again under the same key: nobody will answer the break  3 who waits for it decides anew.
    """
    first, last = lab.listener(), lab.listener()
    one = await lab.create("a", oplock_key=ONE)
    lab.lease(one, "RWH", ONE, first)
    task = await lab.start(lab.open("a", oplock_key=TWO))
    assert first.last() == ("RWH", "RH", True)
    two = await lab.open("a", oplock_key=ONE)
    grant = lab.lease(two, "RWH", ONE, last)
    assert (int(grant.caching), grant.break_in_progress) == (7, False)
    await one.close()
    await lab.settle()
    assert last.last() == ("RWH", "RH", True)
    lab.acknowledge(two, "RH")
    await (await task).close()
    await two.close()


# -- what fails or ends early --
async def test_an_overwriting_open_that_fails_still_ends_as_the_last_open(faulty: Faulty) -> None:
    """1 an open begins to overwrite  2 the file is marked by another open, which closes  3 the disk refuses to
    overwrite: the file goes with its last open all the same.
    """
    lab, faults = faulty
    until = asyncio.Event()
    await lab.make("a", b"content")
    deletes = await lab.open("a")
    faults.hold("set_end_of_file", until).status = Status.DISK_FULL
    task = await lab.start(lab.open("a", disposition=c.FILE_OVERWRITE, options=c.FILE_DELETE_ON_CLOSE))
    await lab.dispose(deletes)
    await deletes.close()
    until.set()
    with lab.fails("DISK_FULL"):
        await task
    assert not await lab.exists("a")


async def test_an_overwriting_open_that_fails_deletes_nothing_at_its_close(faulty: Faulty) -> None:
    lab, faults = faulty
    await lab.make("a", b"content")
    faults.fail("set_end_of_file", Status.DISK_FULL)
    with lab.fails("DISK_FULL"):
        await lab.open("a", disposition=c.FILE_OVERWRITE, options=c.FILE_DELETE_ON_CLOSE)
    assert await lab.content("a") == b"content"


@pytest.mark.parametrize("name", ["a", "a:s"])
async def test_a_new_file_that_somebody_else_has_open_is_not_taken_back(faulty: Faulty, name: str) -> None:
    lab, faults = faulty
    until = asyncio.Event()
    faults.hold("set_allocation", until).status = Status.DISK_FULL
    task = await lab.start(lab.create(name, allocation_size=1 << 20))
    other = await lab.open(name)
    await other.write(0, b"content")
    until.set()
    with lab.fails("DISK_FULL"):
        await task
    assert not other.delete_pending
    await other.close()
    assert await lab.content(name) == b"content"
