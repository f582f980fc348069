"""Oplocks and leases between opens  [MS-FSA 2.1.4.12, 2.1.5.18, 2.1.5.19]; tables as smbtorture smb2.lease expects."""

from __future__ import annotations

from typing import Any

import pytest

from smbcore.fsa.api import OplockLevel
from smbcore.nt import create as c
from smbcore.nt.info import classes as ic
from smbcore.nt.info import file

READ, WRITE, DELETE, STAT = 0x1, 0x2, 0x10000, 0x100180
ONE, TWO = b"1" * 32, b"2" * 32


@pytest.mark.parametrize(
    ("asked", "granted"),
    [("R", "R"), ("RH", "RH"), ("RW", "RW"), ("RWH", "RWH"), ("", ""), ("H", ""), ("W", ""), ("WH", "")],
)
async def test_lease_states_that_can_be_asked_for(lab: Any, asked: str, granted: str) -> None:
    opened = await lab.create("a", oplock_key=ONE)
    lab.lease(opened, asked, ONE)
    assert lab.held(opened) == granted
    await opened.close()


async def test_directories_cache_no_writes(lab: Any) -> None:
    opened = await lab.create("d", options=c.FILE_DIRECTORY_FILE, oplock_key=ONE)
    lab.lease(opened, "RWH", ONE)
    assert lab.held(opened) == "RH"
    assert lab.oplock(opened, OplockLevel.BATCH).level == OplockLevel.NONE
    await opened.close()


@pytest.mark.parametrize(
    ("held", "asked", "left", "granted"),
    [
        ("R", "R", "R", "R"),
        ("R", "RH", "R", "RH"),
        ("R", "RW", "R", "R"),
        ("R", "RWH", "R", "RH"),
        ("RH", "R", "RH", "R"),
        ("RH", "RH", "RH", "RH"),
        ("RH", "RW", "RH", "R"),
        ("RH", "RWH", "RH", "RH"),
        ("RW", "R", "R", "R"),
        ("RW", "RH", "R", "RH"),
        ("RW", "RW", "R", "R"),
        ("RW", "RWH", "R", "RH"),
        ("RWH", "R", "RH", "R"),
        ("RWH", "RH", "RH", "RH"),
        ("RWH", "RW", "RH", "R"),
        ("RWH", "RWH", "RH", "RH"),
    ],
)
async def test_second_lease_breaks_write_caching(lab: Any, held: str, asked: str, left: str, granted: str) -> None:
    listener = lab.listener()
    first = await lab.create("a", oplock_key=ONE)
    lab.lease(first, held, ONE, listener)
    task = await lab.start(lab.open("a", oplock_key=TWO))
    if left != held:
        assert listener.last() == (held, left, True)
        assert not task.done()
        lab.acknowledge(first, left)
    second = await task
    lab.lease(second, asked, TWO)
    assert (lab.held(first), lab.held(second)) == (left, granted)
    assert not listener.notices
    await first.close()
    await second.close()


@pytest.mark.parametrize(("held", "left"), [("RH", "R"), ("RWH", "RW"), ("R", "R"), ("RW", "RW")])
async def test_conflicting_share_mode_breaks_handle_caching(lab: Any, held: str, left: str) -> None:
    listener = lab.listener()
    first = await lab.create("a", oplock_key=ONE, share=0)
    lab.lease(first, held, ONE, listener)
    task = await lab.start(lab.open("a", oplock_key=TWO))
    if left != held:
        assert listener.last() == (held, left, True)
        assert not task.done()
        lab.acknowledge(first, left)
    with lab.fails("SHARING_VIOLATION"):
        await task
    assert not listener.notices
    await first.close()


async def test_holder_that_closes_lets_a_conflicting_open_in(lab: Any) -> None:
    listener = lab.listener()
    first = await lab.create("a", share=0)
    lab.oplock(first, OplockLevel.BATCH, listener)
    task = await lab.start(lab.open("a"))
    assert listener.last() == ("RWH", "R", True)
    await first.close()
    await (await task).close()


async def test_exclusive_oplock_does_not_wait_before_a_sharing_violation(lab: Any) -> None:
    listener = lab.listener()
    first = await lab.create("a", share=0)
    lab.oplock(first, OplockLevel.LEVEL_ONE, listener)
    with lab.fails("SHARING_VIOLATION"):
        await lab.open("a")
    assert not listener.notices
    await first.close()


async def test_opens_of_one_key_do_not_break_each_other(lab: Any) -> None:
    listener = lab.listener()
    first = await lab.create("a", oplock_key=ONE)
    lab.lease(first, "RWH", ONE, listener)
    second = await lab.open("a", oplock_key=ONE)
    lab.lease(second, "RWH", ONE, listener)
    assert lab.held(second) == "RWH"
    await second.write(0, b"x")
    await first.close()
    assert lab.held(second) == "RWH"
    assert not listener.notices
    await second.close()


@pytest.mark.parametrize(
    ("held", "asked", "result"),
    [
        ("R", "RH", "RH"),
        ("R", "RWH", "RWH"),
        ("RH", "RW", "RH"),
        ("RWH", "R", "RWH"),
        ("RW", "RH", "RW"),
        ("R", "", "R"),
    ],
)
async def test_lease_only_grows_to_what_includes_it(lab: Any, held: str, asked: str, result: str) -> None:
    first = await lab.create("a", oplock_key=ONE)
    lab.lease(first, held, ONE)
    second = await lab.open("a", oplock_key=ONE)
    lab.lease(second, asked, ONE)
    assert lab.held(second) == result
    await first.close()
    await second.close()


async def test_stat_opens_break_nothing_and_deny_nothing(lab: Any) -> None:
    listener = lab.listener()
    first = await lab.create("a")
    lab.oplock(first, OplockLevel.BATCH, listener)
    stat = await lab.open("a", STAT)
    assert not listener.notices
    await first.close()
    second = await lab.open("a")
    assert lab.oplock(second, OplockLevel.BATCH).level == OplockLevel.BATCH
    await stat.close()
    await second.close()


async def test_reading_the_descriptor_breaks_an_oplock_but_no_lease(lab: Any) -> None:
    listener = lab.listener()
    leased = await lab.create("a", oplock_key=ONE)
    lab.lease(leased, "RWH", ONE, listener)
    await (await lab.open("a", STAT | 0x20000)).close()
    assert not listener.notices
    await leased.close()
    batch = await lab.open("a")
    lab.oplock(batch, OplockLevel.BATCH, listener)
    task = await lab.start(lab.open("a", STAT | 0x20000))
    assert listener.last() == ("RWH", "R", True)
    batch.acknowledge_break(OplockLevel.LEVEL_TWO)
    await (await task).close()
    await batch.close()


async def test_levels_that_cannot_be_had_become_level_two(lab: Any) -> None:
    first = await lab.create("a")
    second = await lab.open("a")
    assert lab.oplock(second, OplockLevel.BATCH).level == OplockLevel.LEVEL_TWO
    assert second.oplock[0] == OplockLevel.LEVEL_TWO
    await first.close()
    await second.close()


async def test_lease_with_handle_caching_excludes_oplocks(lab: Any) -> None:
    first = await lab.create("a", oplock_key=ONE)
    lab.lease(first, "RH", ONE)
    second = await lab.open("a")
    assert lab.oplock(second, OplockLevel.LEVEL_TWO).level == OplockLevel.NONE
    await first.close()
    assert lab.oplock(second, OplockLevel.LEVEL_TWO).level == OplockLevel.LEVEL_TWO
    third = await lab.open("a", oplock_key=TWO)
    lab.lease(third, "RH", TWO)
    assert lab.held(third) == "R"
    await second.close()
    await third.close()


async def test_overwriting_takes_everything(lab: Any) -> None:
    listener = lab.listener()
    first = await lab.create("a", oplock_key=ONE)
    lab.lease(first, "RWH", ONE, listener)
    task = await lab.start(lab.open("a", disposition=c.FILE_OVERWRITE))
    assert listener.last() == ("RWH", "", True)
    for too_much in ("RWH", "RH", "R"):
        with lab.fails("REQUEST_NOT_ACCEPTED"):
            lab.acknowledge(first, too_much)
    lab.acknowledge(first, "")
    with lab.fails("UNSUCCESSFUL"):
        lab.acknowledge(first, "")
    await (await task).close()
    await first.close()


async def test_overwriting_does_not_wait_for_those_who_only_read(lab: Any) -> None:
    listener = lab.listener()
    first = await lab.create("a", oplock_key=ONE)
    lab.lease(first, "RH", ONE, listener)
    second = await lab.open("a", disposition=c.FILE_OVERWRITE)
    assert listener.last() == ("RH", "", True)
    lab.acknowledge(first, "")
    await first.close()
    await second.close()


async def test_breaks_that_come_while_breaking_follow_in_steps(lab: Any) -> None:
    listener = lab.listener()
    first = await lab.create("a", oplock_key=ONE)
    lab.lease(first, "RWH", ONE, listener)
    opening = await lab.start(lab.open("a"))
    assert listener.last() == ("RWH", "RH", True)
    overwriting = await lab.start(lab.open("a", disposition=c.FILE_OVERWRITE))
    assert not listener.notices
    lab.acknowledge(first, "RH")
    await lab.settle()
    assert listener.last() == ("RH", "R", True)
    await (await lab.open("a", oplock_key=ONE)).close()
    await lab.settle()
    assert not opening.done()
    assert not overwriting.done()
    lab.acknowledge(first, "R")
    await lab.settle()
    assert listener.last() == ("R", "", False)
    await (await opening).close()
    await (await overwriting).close()
    await first.close()


async def test_lease_that_breaks_shows_it_to_its_own_opens(lab: Any) -> None:
    first = await lab.create("a", oplock_key=ONE)
    lab.lease(first, "RWH", ONE)
    task = await lab.start(lab.open("a"))
    second = await lab.open("a", oplock_key=ONE)
    grant = lab.lease(second, "RWH", ONE)
    assert (int(grant.caching), grant.break_in_progress) == (7, True)
    lab.acknowledge(first, "RH")
    for opened in (first, second, await task):
        await opened.close()


async def test_holder_that_does_not_answer_loses_everything_in_time(lab: Any) -> None:
    first = await lab.create("a", oplock_key=ONE)
    lab.lease(first, "RWH", ONE)
    listener = first.holder.listener
    task = await lab.start(lab.open("a"))
    lab.clock.advance(34.9)
    await lab.settle()
    assert not task.done()
    assert listener.timed_out == 0
    lab.clock.advance(0.2)
    await (await task).close()
    assert lab.held(first) == ""
    assert listener.timed_out == 1
    with lab.fails("UNSUCCESSFUL"):
        lab.acknowledge(first, "RH")
    await first.close()


async def test_cancelled_open_leaves_no_trace(lab: Any) -> None:
    first = await lab.create("a", oplock_key=ONE)
    lab.lease(first, "RWH", ONE)
    task = await lab.start(lab.open("a"))
    task.cancel()
    await lab.settle()
    assert task.cancelled()
    assert len(lab.volume.opens) == 1
    await first.close()


async def test_writing_breaks_the_reading_caches_of_others(lab: Any) -> None:
    listener, own = lab.listener(), lab.listener()
    first = await lab.create("a", oplock_key=ONE)
    second = await lab.open("a", oplock_key=TWO)
    lab.lease(first, "RH", ONE, listener)
    lab.lease(second, "R", TWO, own)
    await second.write(0, b"x")
    assert listener.last() == ("RH", "", True)
    assert not own.notices
    await first.close()
    await second.close()


@pytest.mark.parametrize("change", ["write", "size", "lock"])
async def test_level_two_breaks_to_none_without_answer(lab: Any, change: str) -> None:
    listener, own = lab.listener(), lab.listener()
    first = await lab.create("a")
    second = await lab.open("a")
    lab.oplock(first, OplockLevel.LEVEL_TWO, listener)
    lab.oplock(second, OplockLevel.LEVEL_TWO, own)
    if change == "write":
        await second.write(0, b"x")
    elif change == "size":
        data = file.EndOfFileInformation(9).encode()
        await second.set_information(ic.FILE_END_OF_FILE_INFORMATION, data)
    else:
        await lab.lock(second, 0, 1)
    assert listener.last() == ("R", "", False)
    assert own.last() == ("R", "", False)
    with lab.fails("INVALID_OPLOCK_PROTOCOL"):
        first.acknowledge_break(OplockLevel.NONE)
    await first.close()
    await second.close()


async def test_writing_keeps_the_own_exclusive_oplock(lab: Any) -> None:
    listener = lab.listener()
    opened = await lab.create("a")
    lab.oplock(opened, OplockLevel.BATCH, listener)
    await opened.write(0, b"x")
    await lab.lock(opened, 0, 1)
    assert opened.oplock[0] == OplockLevel.BATCH
    assert not listener.notices
    await opened.close()


async def test_legacy_answers(lab: Any) -> None:
    first = await lab.create("a")
    lab.oplock(first, OplockLevel.BATCH)
    task = await lab.start(lab.open("a"))
    grant = first.acknowledge_break(OplockLevel.LEVEL_TWO)
    assert grant.level == OplockLevel.LEVEL_TWO
    second = await task
    with lab.fails("INVALID_OPLOCK_PROTOCOL"):
        first.acknowledge_break(OplockLevel.LEVEL_TWO)
    await first.close()
    await second.close()
    third = await lab.open("a")
    lab.oplock(third, OplockLevel.BATCH)
    task = await lab.start(lab.open("a"))
    with lab.fails("INVALID_OPLOCK_PROTOCOL"):
        third.acknowledge_break(OplockLevel.BATCH)
    assert third.oplock[0] == OplockLevel.NONE
    await (await task).close()
    await third.close()


async def test_rename_takes_handle_caching_of_others_first(lab: Any) -> None:
    listener = lab.listener()
    first = await lab.create("a", oplock_key=ONE)
    second = await lab.open("a", oplock_key=TWO)
    lab.lease(first, "RH", ONE, listener)
    task = await lab.start(lab.rename(second, "b"))
    assert listener.last() == ("RH", "R", True)
    assert not task.done()
    lab.acknowledge(first, "R")
    await task
    assert first.path == "b"
    await first.close()
    await second.close()


async def test_deletion_takes_handle_caching_of_others(lab: Any) -> None:
    listener = lab.listener()
    first = await lab.create("a", oplock_key=ONE)
    second = await lab.open("a", oplock_key=TWO)
    lab.lease(first, "RH", ONE, listener)
    task = await lab.start(lab.dispose(second))
    assert listener.last() == ("RH", "R", True)
    lab.acknowledge(first, "R")
    await task
    await first.close()
    await second.close()
    assert not await lab.exists("a")


async def test_byte_ranges_prevent_caching(lab: Any) -> None:
    opened = await lab.create("a")
    await lab.lock(opened, 0, 1)
    assert lab.oplock(opened, OplockLevel.BATCH).level == OplockLevel.NONE
    lab.unlock(opened, 0, 1)
    assert lab.oplock(opened, OplockLevel.BATCH).level == OplockLevel.BATCH
    await opened.close()


async def test_directory_lease_breaks_when_a_child_comes_or_goes(lab: Any) -> None:
    listener = lab.listener()
    await lab.mkdir("d")
    directory = await lab.open("d", oplock_key=ONE)
    lab.lease(directory, "RH", ONE, listener)
    await lab.make("d\\own", parent_oplock_key=ONE)
    assert not listener.notices
    await lab.make("d\\a")
    assert listener.last() == ("RH", "", True)
    lab.acknowledge(directory, "")
    lab.lease(directory, "RH", ONE, listener)
    opened = await lab.open("d\\a", DELETE, options=c.FILE_DELETE_ON_CLOSE)
    assert not listener.notices
    await opened.close()
    assert listener.last() == ("RH", "", True)
    await directory.close()


async def test_leases_of_streams_are_separate(lab: Any) -> None:
    main = await lab.create("a", oplock_key=ONE)
    lab.lease(main, "RWH", ONE)
    stream = await lab.create("a:s", oplock_key=TWO)
    lab.lease(stream, "RWH", TWO)
    assert (lab.held(main), lab.held(stream)) == ("RWH", "RWH")
    await main.close()
    await stream.close()


async def test_share_without_oplocks(lab: Any) -> None:
    lab.config.oplocks = lab.config.leases = False
    opened = await lab.create("a", oplock_key=ONE)
    assert lab.oplock(opened, OplockLevel.BATCH).level == OplockLevel.NONE
    assert lab.lease(opened, "RWH", ONE).level == OplockLevel.NONE
    await opened.close()


@pytest.mark.parametrize("level", [OplockLevel.LEVEL_TWO, OplockLevel.LEVEL_ONE, OplockLevel.BATCH])
async def test_stat_open_beside_an_exclusive_oplock_gets_none(lab: Any, level: OplockLevel) -> None:
    first = await lab.create("a")
    lab.oplock(first, OplockLevel.LEVEL_ONE)
    second = await lab.open("a", STAT)
    assert lab.oplock(second, level).level == OplockLevel.NONE
    await first.close()
    await second.close()
