"""Threads for what may wait for a disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class IoPool:
    """A bounded set of threads; belongs to one backend and ends with it.

    workers  threads at most; further work queues up in order
    """

    __slots__ = ("_executor",)

    def __init__(self, workers: int = 4) -> None:
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="holdfast-io")

    async def run(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `fn` in a thread and return what it returns.

        A cancelled caller waits until `fn` is through (or never began), because `fn` may still use the caller's
        buffer and descriptors; the cancellation goes on afterwards.
        """
        job = self._executor.submit(fn, *args, **kwargs)
        future = asyncio.wrap_future(job)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            # The job is asked, not the asyncio future: that would call itself cancelled while the thread runs on.
            if not job.cancel():
                while not future.done():
                    await _settle(future)
            raise

    def shutdown(self) -> None:
        """End the threads; work that did not begin is dropped."""
        self._executor.shutdown(wait=True, cancel_futures=True)


async def _settle(future: asyncio.Future[T]) -> None:
    """Wait for `future` whatever its outcome; a further cancellation only wakes the caller's loop."""
    try:
        await asyncio.wait([future])
    except asyncio.CancelledError:
        return
