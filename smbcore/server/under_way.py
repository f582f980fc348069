"""Requests that work on a file: what a CLOSE waits for, and what must be over before a repetition is accepted.

A request that finishes at once is never under way when another one arrives; only those that wait are kept here. They
stay until they are done, also where their connection is lost meanwhile: a write that has gone to the disk cannot be
called back, so nothing that is to come after it may overtake it. The list goes with the file from the open to its
disconnected form and back.

A listing that has gone to a thread is answered although its handle is closed behind it. What waits for something that
may never happen (a notification, a lock) is not waited for: the close ends it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from smbcore.wire.header import CHANGE_NOTIFY, CLOSE, LOCK

if TYPE_CHECKING:
    from smbcore.server.open import SmbOpen
    from smbcore.server.request import SmbRequest

_ENDED_BY_CLOSE: Final = frozenset((CHANGE_NOTIFY, LOCK, CLOSE))


class UnderWay:
    """The requests under way on one file. Owned by its open, or by the disconnected one."""

    __slots__ = ("_quiet", "_requests")

    def __init__(self) -> None:
        self._requests: list[SmbRequest] = []
        self._quiet: asyncio.Future[None] | None = None

    def add(self, rq: SmbRequest) -> None:
        """A request begins to wait."""
        self._requests.append(rq)

    def remove(self, rq: SmbRequest) -> None:
        """A request that waited is done."""
        self._requests.remove(rq)
        if self._quiet is not None and not self._holds_up_close() and not self._quiet.done():
            self._quiet.set_result(None)

    def before(self, sequence: int) -> bool:
        """Tell whether a request from before `sequence` is under way, or one whose answer its client will never get."""
        return any(rq.sequence != sequence or rq.connection.closed for rq in self._requests)

    async def quiet(self) -> None:
        """Return once no request works on the file; those that wait for something are ended by the close."""
        if self._holds_up_close():
            self._quiet = asyncio.get_running_loop().create_future()
            await self._quiet

    def _holds_up_close(self) -> bool:
        return any(rq.command not in _ENDED_BY_CLOSE for rq in self._requests)


def begin(rq: SmbRequest) -> UnderWay | None:
    """A request begins to wait: note it with the open that it works on, if it has one."""
    open_: SmbOpen | None = getattr(rq, "open", None)
    if open_ is None:
        return None
    open_.under_way.add(rq)
    return open_.under_way


def end(rq: SmbRequest) -> None:
    """A request that waited is done. Idempotent."""
    under_way, rq.under_way = rq.under_way, None
    if under_way is not None:
        under_way.remove(rq)
