"""The I/O pool: results, errors, and what a cancellation waits for."""

from __future__ import annotations

import asyncio
import threading

import pytest

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
