"""Threads for what may wait for a disk."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from smbcore.nt.status import NtError, Status

P = ParamSpec("P")
T = TypeVar("T")


class IoPool:
    """A bounded set of threads; belongs to one backend and ends with it.

    workers  threads at most; further work queues up in order
    """

    __slots__ = ("_ended", "_executor", "_jobs")

    def __init__(self, workers: int = 4) -> None:
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="holdfast-io")
        self._jobs: set[Future[Any]] = set()
        self._ended = False

    async def run(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `fn` in a thread and return what it returns.

        A cancelled caller waits until `fn` is through (or never began), because `fn` may still use the caller's
        buffer and descriptors; the cancellation goes on afterwards.
        Errors: FILE_CLOSED the pool has ended, or ended before `fn` began.
        """
        if self._ended:
            raise NtError(Status.FILE_CLOSED, "the volume is closed")
        job = self._executor.submit(fn, *args, **kwargs)
        self._jobs.add(job)
        future = asyncio.wrap_future(job)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            if self._ended and future.cancelled():
                raise NtError(Status.FILE_CLOSED, "the volume was closed") from None
            # The job is asked, not the asyncio future: that would call itself cancelled while the thread runs on.
            if not job.cancel():
                while not future.done():
                    await _settle(future)
            raise
        finally:
            self._jobs.discard(job)

    def shutdown(self, then: Callable[[], None] | None = None) -> None:
        """End the threads; work that did not begin is dropped. What is under way goes on, and nobody waits for it.

        May be called again, and from any thread.

        then  called when the last thread is through: at once if none is at work, else from another thread
        """
        self._ended = True
        self._executor.shutdown(wait=False, cancel_futures=True)
        if all(job.done() for job in list(self._jobs)):
            self._finish(then)
        else:
            threading.Thread(target=self._finish, args=(then,), name="holdfast-io-end").start()

    def _finish(self, then: Callable[[], None] | None) -> None:
        self._executor.shutdown(wait=True)
        if then is not None:
            then()


async def _settle(future: asyncio.Future[T]) -> None:
    """Wait for `future` whatever its outcome; a further cancellation only wakes the caller's loop."""
    try:
        await asyncio.wait([future])
    except asyncio.CancelledError:
        return
