"""The I/O pool: results, errors, and what a cancellation waits for."""

from __future__ import annotations

import asyncio
import threading

import pytest

from smbcore.nt.status import NtError, Status
from smbcore.vfs.posix.pool import IoPool


@pytest.fixture
def pool():
    made = IoPool(1)
    yield made
    made.shutdown()


async def test_result_and_error_come_back(pool: IoPool) -> None:
    assert await pool.run(pow, 2, 10) == 1024
    with pytest.raises(ZeroDivisionError):
        await pool.run(divmod, 1, 0)


async def test_cancelled_caller_waits_until_the_thread_is_through_with_its_buffer(pool: IoPool) -> None:
    begun, may_end = threading.Event(), threading.Event()
    buffer = bytearray(1)

    def work() -> None:
        begun.set()
        may_end.wait(10)
        buffer[0] = 1

    task = asyncio.ensure_future(pool.run(work))
    await asyncio.to_thread(begun.wait, 10)
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert buffer[0] == 1


async def test_cancelled_caller_does_not_wait_for_work_that_never_began(pool: IoPool) -> None:
    may_end = threading.Event()
    first = asyncio.ensure_future(pool.run(may_end.wait, 10))
    second = asyncio.ensure_future(pool.run(may_end.wait, 10))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    assert not first.done()
    may_end.set()
    assert await first


async def test_shutdown_does_not_wait_for_work_that_is_under_way(pool: IoPool) -> None:
    begun, may_end, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> str:
        begun.set()
        may_end.wait(10)
        return "done"

    first = asyncio.ensure_future(pool.run(work))
    second = asyncio.ensure_future(pool.run(pow, 2, 10))
    await asyncio.to_thread(begun.wait, 10)
    pool.shutdown(ended.set)
    assert not ended.is_set()
    with pytest.raises(NtError) as caught:  # it never began
        await second
    assert caught.value.status is Status.FILE_CLOSED
    may_end.set()
    assert await first == "done"
    assert await asyncio.to_thread(ended.wait, 10)
    with pytest.raises(NtError) as caught:
        await pool.run(pow, 2, 10)
    assert caught.value.status is Status.FILE_CLOSED


async def test_shutdown_of_an_idle_pool_is_over_at_once(pool: IoPool) -> None:
    assert await pool.run(pow, 2, 10) == 1024
    ended: list[bool] = []
    pool.shutdown(lambda: ended.append(True))
    assert ended == [True]


async def test_cancelled_caller_stays_cancelled_when_the_pool_ends(pool: IoPool) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        may_end.wait(10)

    task = asyncio.ensure_future(pool.run(work))
    await asyncio.to_thread(begun.wait, 10)
    pool.shutdown()
    task.cancel()
    await asyncio.sleep(0)
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await task
