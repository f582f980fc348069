"""Every operation that breaks oplocks and leases, and nothing else does  [MS-FSA 2.1.4.12].

To what each kind of holder goes down, and whether the operation waits, is also in the driver documentation ("Checking
the Oplock State of an IRP_MJ_... operation").
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from smbcore.fsa.api import OplockLevel
from smbcore.nt import create as c
from smbcore.nt.info import classes as ic
from smbcore.nt.info import file
from smbcore.nt.info.fsctl import FSCTL_SET_ZERO_DATA, ZeroData
from smbcore.nt.info.rename import LinkInformation
from smbcore.nt.security import DACL_SECURITY_INFORMATION

ONE, TWO = b"1" * 32, b"2" * 32
DELETE = 0x10000
READS = 0x1 | 0x80 | 0x20000

Work = Callable[[Any, Any], Awaitable[Any]]


# -- what changes the data: everything of everybody else --
async def write(lab: Any, opened: Any) -> None:
    await opened.write(0, b"new")


async def end_of_file(lab: Any, opened: Any) -> None:
    await lab.resize(opened, 3)


async def allocation(lab: Any, opened: Any) -> None:
    await opened.set_information(ic.FILE_ALLOCATION_INFORMATION, file.AllocationInformation(3).encode())


async def zero_data(lab: Any, opened: Any) -> None:
    await opened.fsctl(FSCTL_SET_ZERO_DATA, ZeroData(0, 2).encode(), 0)


async def copy_chunk(lab: Any, opened: Any) -> None:
    await opened.copy_chunks(opened, [(0, 4, 2)])


async def lock(lab: Any, opened: Any) -> None:
    await lab.lock(opened, 0, 1)


CHANGES = [write, end_of_file, allocation, zero_data, copy_chunk, lock]


# -- what changes nothing that data caches hold --
async def read(lab: Any, opened: Any) -> None:
    await lab.read(opened)


async def flush(lab: Any, opened: Any) -> None:
    await opened.flush()


async def query(lab: Any, opened: Any) -> None:
    opened.query_information(ic.FILE_ALL_INFORMATION, 4096)
    opened.query_security(DACL_SECURITY_INFORMATION)


async def set_basic(lab: Any, opened: Any) -> None:
    await lab.set_basic(opened, attributes=0x20)


async def undelete(lab: Any, opened: Any) -> None:
    await lab.dispose(opened, delete=False)


async def close(lab: Any, opened: Any) -> None:
    await opened.close()


async def link_to_a_new_name(lab: Any, opened: Any) -> None:
    await opened.set_information(ic.FILE_LINK_INFORMATION, LinkInformation("another", 0).encode())


HARMLESS = [read, flush, query, set_basic, undelete, close, link_to_a_new_name]


@pytest.mark.parametrize("work", CHANGES, ids=lambda work: work.__name__)
@pytest.mark.parametrize(("held", "acknowledge"), [("R", False), ("RH", True)])
async def test_changes_take_everything_and_do_not_wait(lab: Any, work: Work, held: str, acknowledge: bool) -> None:
    listener = lab.listener()
    await lab.make("a", b"content")
    holder = await lab.open("a", READS, oplock_key=ONE)
    changer = await lab.open("a", oplock_key=TWO)
    lab.lease(holder, held, ONE, listener)
    await work(lab, changer)
    assert listener.last() == (held, "", acknowledge)
    await changer.close()
    await holder.close()


@pytest.mark.parametrize("work", CHANGES, ids=lambda work: work.__name__)
async def test_changes_under_the_own_lease_break_nothing(lab: Any, work: Work) -> None:
    listener = lab.listener()
    await lab.make("a", b"content")
    holder = await lab.open("a", oplock_key=ONE)
    lab.lease(holder, "RWH", ONE, listener)
    await work(lab, holder)
    assert not listener.notices
    await holder.close()


@pytest.mark.parametrize("work", HARMLESS, ids=lambda work: work.__name__)
@pytest.mark.parametrize("held", ["R", "RH"])
async def test_the_rest_breaks_nothing(lab: Any, work: Work, held: str) -> None:
    listener = lab.listener()
    await lab.make("a", b"content")
    holder = await lab.open("a", READS, oplock_key=ONE)
    other = await lab.open("a", oplock_key=TWO)
    lab.lease(holder, held, ONE, listener)
    await work(lab, other)
    assert not listener.notices
    await other.close()
    await holder.close()


# -- names: handles only --
@pytest.mark.parametrize(
    ("held", "left"), [("RH", "R"), ("RWH", "RW"), ("R", None), ("RW", None)], ids=["RH", "RWH", "R", "RW"]
)
async def test_renaming_a_directory_takes_handles_below_and_waits(lab: Any, held: str, left: str | None) -> None:
    listener = lab.listener()
    await lab.mkdir("d")
    child = await lab.create("d\\a", oplock_key=ONE)
    lab.lease(child, held, ONE, listener)
    directory = await lab.open("d")
    if left is None:
        with lab.fails("ACCESS_DENIED"):
            await lab.rename(directory, "e")
        assert not listener.notices
        await child.close()
    else:
        task = await lab.start(lab.rename(directory, "e"))
        assert listener.last() == (held, left, True)
        assert not task.done()
        await child.close()
        await task
        assert await lab.exists("e\\a")
    await directory.close()


@pytest.mark.parametrize("level", [OplockLevel.BATCH, OplockLevel.LEVEL_ONE, OplockLevel.LEVEL_TWO])
async def test_renaming_a_directory_ends_a_batch_oplock_below_and_no_other(lab: Any, level: OplockLevel) -> None:
    listener = lab.listener()
    await lab.mkdir("d")
    child = await lab.create("d\\a")
    lab.oplock(child, level, listener)
    directory = await lab.open("d")
    if level == OplockLevel.BATCH:
        task = await lab.start(lab.rename(directory, "e"))
        assert listener.last() == ("RWH", "", True)
        assert not task.done()
        await child.close()
        await task
    else:
        with lab.fails("ACCESS_DENIED"):
            await lab.rename(directory, "e")
        assert not listener.notices
        await child.close()
    await directory.close()


async def test_renaming_a_file_takes_handles_of_its_streams(lab: Any) -> None:
    listener = lab.listener()
    await lab.make("a")
    stream = await lab.create("a:s", oplock_key=ONE)
    lab.lease(stream, "RWH", ONE, listener)
    opened = await lab.open("a")
    task = await lab.start(lab.rename(opened, "b"))
    assert listener.last() == ("RWH", "RW", True)
    assert not task.done()
    await stream.close()
    await task
    assert opened.path == "b"
    await opened.close()


async def replace_by_rename(lab: Any, opened: Any) -> None:
    await lab.rename(opened, "b", replace=True)


async def replace_by_link(lab: Any, opened: Any) -> None:
    await opened.set_information(ic.FILE_LINK_INFORMATION, LinkInformation("b", 1).encode())


@pytest.mark.parametrize("work", [replace_by_rename, replace_by_link])
@pytest.mark.parametrize(("held", "left"), [("RH", "R"), ("RWH", "RW")])
async def test_what_takes_the_place_of_a_file_takes_its_handles(lab: Any, work: Work, held: str, left: str) -> None:
    listener = lab.listener()
    await lab.make("a", b"new")
    target = await lab.create("b", oplock_key=ONE)
    lab.lease(target, held, ONE, listener)
    opened = await lab.open("a")
    task = await lab.start(work(lab, opened))
    assert listener.last() == (held, left, True)
    await target.close()
    await task
    await opened.close()
    assert await lab.content("b") == b"new"


# -- deletion at close --
async def test_delete_on_close_takes_handles_and_waits_for_them(lab: Any) -> None:
    """What the holder keeps open for nobody would keep the name; smbtorture smb2.lease.unlink."""
    listener = lab.listener()
    holder = await lab.create("a", oplock_key=ONE)
    deleter = await lab.open("a", DELETE, options=c.FILE_DELETE_ON_CLOSE, oplock_key=TWO)
    lab.lease(holder, "RH", ONE, listener)
    task = await lab.start(deleter.close())
    assert listener.last() == ("RH", "R", True)
    assert not task.done()
    with lab.fails("DELETE_PENDING"):
        await lab.open("a")
    await holder.close()
    await task
    assert not await lab.exists("a")


async def test_delete_on_close_goes_on_when_the_holder_keeps_its_handle(lab: Any) -> None:
    listener = lab.listener()
    holder = await lab.create("a", oplock_key=ONE)
    deleter = await lab.open("a", DELETE, options=c.FILE_DELETE_ON_CLOSE, oplock_key=TWO)
    lab.lease(holder, "RH", ONE, listener)
    task = await lab.start(deleter.close())
    lab.acknowledge(holder, "R")
    await task
    with lab.fails("DELETE_PENDING"):
        await lab.open("a")
    await holder.close()
    assert not await lab.exists("a")


async def test_delete_on_close_whose_wait_is_cancelled_still_deletes(lab: Any) -> None:
    holder = await lab.create("a", oplock_key=ONE)
    deleter = await lab.open("a", DELETE, options=c.FILE_DELETE_ON_CLOSE, oplock_key=TWO)
    lab.lease(holder, "RH", ONE)
    task = await lab.start(deleter.close())
    task.cancel()
    await lab.settle()
    assert task.cancelled()
    await holder.close()
    assert not await lab.exists("a")


async def test_delete_on_close_under_the_own_lease_waits_for_nobody(lab: Any) -> None:
    listener = lab.listener()
    await lab.make("a")
    opened = await lab.open("a", options=c.FILE_DELETE_ON_CLOSE, oplock_key=ONE)
    lab.lease(opened, "RWH", ONE, listener)
    await opened.close()
    assert not listener.notices
    assert not await lab.exists("a")


# -- other streams of the file --
async def test_deleting_a_file_takes_handles_of_a_stream_that_is_in_the_way(lab: Any) -> None:
    listener = lab.listener()
    await lab.make("a")
    stream = await lab.create("a:s", share=3, oplock_key=ONE)
    lab.lease(stream, "RWH", ONE, listener)
    task = await lab.start(lab.open("a", DELETE))
    assert listener.last() == ("RWH", "RW", True)
    assert not task.done()
    await stream.close()
    await (await task).close()


async def test_a_stream_that_stays_in_the_way_is_a_sharing_violation(lab: Any) -> None:
    listener = lab.listener()
    await lab.make("a")
    stream = await lab.create("a:s", share=3, oplock_key=ONE)
    lab.lease(stream, "RWH", ONE, listener)
    task = await lab.start(lab.open("a", DELETE))
    lab.acknowledge(stream, "RW")
    with lab.fails("SHARING_VIOLATION"):
        await task
    await stream.close()


async def test_a_stream_that_admits_deletion_keeps_its_handles(lab: Any) -> None:
    listener = lab.listener()
    await lab.make("a")
    stream = await lab.create("a:s", oplock_key=ONE)
    lab.lease(stream, "RWH", ONE, listener)
    await (await lab.open("a", DELETE)).close()
    assert not listener.notices
    await stream.close()
