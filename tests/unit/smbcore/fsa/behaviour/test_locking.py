"""Byte-range locks, reading and writing across them  [MS-FSA 2.1.5.3, 2.1.5.4, 2.1.5.8, 2.1.5.9]."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from smbcore.fsa.api import LockElement


async def test_exclusive_lock_keeps_others_out(lab: Any) -> None:
    first = await lab.create("a")
    await first.write(0, bytes(100))
    second = await lab.open("a")
    await lab.lock(first, 10, 10)
    with lab.fails("FILE_LOCK_CONFLICT"):
        await lab.read(second, 19, 1)
    with lab.fails("FILE_LOCK_CONFLICT"):
        await second.write(5, bytes(6))
    assert await lab.read(second, 20, 1) == b"\0"
    assert await lab.read(first, 10, 5) == bytes(5)
    await first.write(10, b"x")
    assert await second.write(15, b"") == 0
    await first.close()
    assert await lab.read(second, 10, 1) == b"x"
    await second.close()


async def test_shared_lock_lets_read_but_nobody_write(lab: Any) -> None:
    first = await lab.create("a")
    await first.write(0, bytes(10))
    second = await lab.open("a")
    await lab.lock(first, 0, 10, exclusive=False)
    await lab.lock(second, 0, 10, exclusive=False)
    assert len(await lab.read(second, 0, 10)) == 10
    for opened in (first, second):
        with lab.fails("FILE_LOCK_CONFLICT"):
            await opened.write(0, b"x")
    await first.close()
    await second.close()


async def test_conflicting_locks_are_not_granted(lab: Any) -> None:
    first = await lab.create("a")
    second = await lab.open("a")
    await lab.lock(first, 0, 10)
    for opened, exclusive in ((second, True), (second, False), (first, True)):
        with lab.fails("LOCK_NOT_GRANTED"):
            await lab.lock(opened, 9, 1, exclusive=exclusive)
    await lab.lock(first, 0, 10, exclusive=False)
    lab.unlock(first, 0, 10)
    with lab.fails("LOCK_NOT_GRANTED"):
        await lab.lock(second, 0, 10)
    await lab.lock(second, 0, 10, exclusive=False)
    await first.close()
    await second.close()


async def test_no_upgrade_of_an_own_shared_lock(lab: Any) -> None:
    opened = await lab.create("a")
    await lab.lock(opened, 0, 10, exclusive=False)
    with lab.fails("LOCK_NOT_GRANTED"):
        await lab.lock(opened, 0, 10)
    await opened.close()


async def test_locks_of_no_bytes_conflict_only_inside(lab: Any) -> None:
    first = await lab.create("a")
    second = await lab.open("a")
    await lab.lock(first, 10, 10)
    for offset in (10, 20, 0, 30):
        await lab.lock(second, offset, 0)
    with lab.fails("LOCK_NOT_GRANTED"):
        await lab.lock(second, 15, 0)
    await first.close()
    await second.close()


@pytest.mark.parametrize(
    ("offset", "length", "valid"),
    [(2**64 - 1, 1, True), (2**64 - 1, 2, False), (2**64 - 1, 0, True), (1, 2**64 - 1, True), (2, 2**64 - 1, False)],
)
async def test_end_of_the_lock_space(lab: Any, offset: int, length: int, valid: bool) -> None:
    opened = await lab.create("a")
    if valid:
        await lab.lock(opened, offset, length)
        lab.unlock(opened, offset, length)
    else:
        with lab.fails("INVALID_LOCK_RANGE"):
            await lab.lock(opened, offset, length)
    await opened.close()


async def test_unlock_must_match_exactly(lab: Any) -> None:
    opened = await lab.create("a")
    other = await lab.open("a")
    await lab.lock(opened, 0, 10)
    for who, offset, length in ((opened, 0, 9), (opened, 1, 9), (other, 0, 10)):
        with lab.fails("RANGE_NOT_LOCKED"):
            lab.unlock(who, offset, length)
    lab.unlock(opened, 0, 10)
    with lab.fails("RANGE_NOT_LOCKED"):
        lab.unlock(opened, 0, 10)
    await opened.close()
    await other.close()


async def test_failing_request_gives_back_what_it_took(lab: Any) -> None:
    first = await lab.create("a")
    second = await lab.open("a")
    await lab.lock(first, 100, 1)
    wanted = [LockElement(0, 1, exclusive=True), LockElement(100, 1, exclusive=True)]
    with lab.fails("LOCK_NOT_GRANTED"):
        await second.lock(wanted, fail_immediately=True)
    await lab.lock(first, 0, 1)
    await first.close()
    await second.close()


async def test_a_failing_request_leaves_what_was_locked_before_at_the_same_place(lab: Any) -> None:
    """Only what this request locked is given back  [MS-SMB2 3.3.5.14.2]."""
    first = await lab.create("a")
    second = await lab.open("a")
    await first.write(0, bytes(40))
    await lab.lock(second, 30, 5)
    await lab.lock(first, 0, 10)
    with lab.fails("LOCK_NOT_GRANTED"):
        await first.lock([LockElement(0, 10, False), LockElement(30, 5, True)], fail_immediately=True)
    assert first.held_ranges() == [(0, 10, True)]
    await first.close()
    await second.close()


async def test_a_lock_whose_open_closes_before_others_gave_up_their_caches_is_not_taken(lab: Any) -> None:
    first = await lab.create("a", oplock_key=b"1")
    second = await lab.open("a", oplock_key=b"2")
    lab.lease(second, "R", b"2")
    noted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    first.stream_state.oplocks.hold(noted)
    task = await lab.start(lab.lock(first, 0, 10, wait=True))
    await first.close()
    noted.set_result(None)
    with lab.fails("RANGE_NOT_LOCKED"):
        await task
    await lab.lock(second, 0, 10)
    await second.close()


async def test_waiting_lock_is_granted_in_turn(lab: Any) -> None:
    first = await lab.create("a")
    second = await lab.open("a")
    third = await lab.open("a")
    await lab.lock(first, 0, 10)
    waiting = await lab.start(lab.lock(second, 0, 5, wait=True))
    later = await lab.start(lab.lock(third, 4, 5, wait=True))
    assert not waiting.done()
    lab.unlock(first, 0, 10)
    await waiting
    await lab.settle()
    assert not later.done()
    await second.close()
    await later
    await first.close()
    await third.close()


async def test_cancelled_wait_leaves_no_trace(lab: Any) -> None:
    first = await lab.create("a")
    second = await lab.open("a")
    await lab.lock(first, 0, 10)
    waiting = await lab.start(lab.lock(second, 0, 10, wait=True))
    waiting.cancel()
    await lab.settle()
    assert waiting.cancelled()
    lab.unlock(first, 0, 10)
    await lab.lock(first, 0, 10)
    await first.close()
    await second.close()


async def test_lock_that_is_granted_and_cancelled_at_once_is_given_back(lab: Any) -> None:
    first = await lab.create("a")
    second = await lab.open("a")
    await lab.lock(first, 0, 10)
    waiting = await lab.start(lab.lock(second, 0, 10, wait=True))
    lab.unlock(first, 0, 10)
    waiting.cancel()
    await lab.settle()
    assert waiting.cancelled()
    await lab.lock(first, 0, 10)
    await first.close()
    await second.close()


async def test_closing_ends_a_wait(lab: Any) -> None:
    first = await lab.create("a")
    second = await lab.open("a")
    await lab.lock(first, 0, 10)
    waiting = await lab.start(lab.lock(second, 0, 10, wait=True))
    await second.close()
    with lab.fails("RANGE_NOT_LOCKED"):
        await waiting
    await first.close()


async def test_what_cannot_be_locked(lab: Any) -> None:
    await lab.make("a")
    opened = await lab.open("a", 0x80)
    with lab.fails("ACCESS_DENIED"):
        await lab.lock(opened, 0, 1)
    await opened.close()
    root = await lab.open("")
    with lab.fails("INVALID_PARAMETER"):
        await lab.lock(root, 0, 1)
    await root.close()


async def test_reading(lab: Any) -> None:
    opened = await lab.create("a")
    await opened.write(0, b"12345")
    assert await lab.read(opened, 3, 10) == b"45"
    assert await opened.read_into(99, memoryview(bytearray())) == 0
    with lab.fails("END_OF_FILE"):
        await opened.read_into(5, memoryview(bytearray(1)))
    with lab.fails("INVALID_PARAMETER"):
        await opened.read_into(2**63 - 1, memoryview(bytearray(1)))
    await opened.close()
    writer = await lab.open("a", 2)
    with lab.fails("ACCESS_DENIED"):
        await writer.read_into(0, memoryview(bytearray(1)))
    await writer.close()
    program = await lab.open("a", 0x20)
    assert await lab.read(program) == b"12345"
    await program.close()
    root = await lab.open("")
    with lab.fails("INVALID_DEVICE_REQUEST"):
        await root.read_into(0, memoryview(bytearray(1)))
    await root.close()


async def test_appending(lab: Any) -> None:
    await lab.make("a", b"123")
    opened = await lab.open("a", 4)
    assert await opened.write(-1, b"4") == 1
    assert await opened.write(0xFFFF_FFFF_FFFF_FFFF, b"5") == 1
    assert await opened.write(5, b"6") == 1
    with lab.fails("ACCESS_DENIED"):
        await opened.write(0, b"x")
    await opened.close()
    writer = await lab.open("a", 2)
    with lab.fails("INVALID_PARAMETER"):
        await writer.write(-1, b"x")
    await writer.close()
    assert await lab.content("a") == b"123456"


async def test_flushing_needs_write_access(lab: Any) -> None:
    opened = await lab.create("a")
    await opened.write(0, b"x", write_through=True)
    await opened.flush()
    await opened.close()
    reader = await lab.open("a", 1)
    with lab.fails("ACCESS_DENIED"):
        await reader.flush()
    await reader.close()


async def test_writes_beyond_what_can_be_stored(lab: Any) -> None:
    opened = await lab.create("a")
    limit = lab.config.max_file_size
    with lab.fails("INVALID_PARAMETER"):
        await opened.write(limit, b"x")
    assert await opened.write(limit, b"") == 0
    if lab.volume.volume_info().available < limit:
        with lab.fails("DISK_FULL"):
            await opened.write(limit - 1, b"x")
    await opened.close()


async def test_position_follows_reads_and_writes(lab: Any) -> None:
    opened = await lab.create("a")
    await opened.write(0, b"12345")
    assert opened.position == 5
    await lab.read(opened, 1, 2)
    assert opened.position == 3
    await opened.close()
