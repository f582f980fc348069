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
    """The requests under way on one file. Owned by its open, or by the disconnected one.

    requests  those that wait, in the order in which they began to
    """

    __slots__ = ("_changed", "requests")

    def __init__(self) -> None:
        self.requests: list[SmbRequest] = []
        self._changed: asyncio.Future[None] | None = None

    def add(self, rq: SmbRequest) -> None:
        """A request begins to wait."""
        self.requests.append(rq)

    def remove(self, rq: SmbRequest) -> None:
        """A request that waited is done."""
        self.requests.remove(rq)
        changed, self._changed = self._changed, None
        if changed is not None:
            changed.set_result(None)

    def before(self, sequence: int) -> bool:
        """Tell whether a request from before `sequence` is under way, or one whose answer its client will never get."""
        return any(rq.sequence != sequence or rq.connection.closed for rq in self.requests)

    async def quiet(self) -> None:
        """Return once no request works on the file; those that wait for something are ended by the close."""
        while any(rq.command not in _ENDED_BY_CLOSE for rq in self.requests):
            await self._change()

    async def lost_ones(self) -> None:
        """Return once nothing is under way any more that came over a connection that is lost."""
        while any(rq.connection.closed for rq in self.requests):
            await self._change()

    async def _change(self) -> None:
        if self._changed is None:
            self._changed = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._changed)  # others wait for it too, and this wait may be cancelled


async def let_lost_ones_finish(rq: SmbRequest) -> None:
    """Wait, before a change, for those that came over connections that are lost: they must not overtake it.

    Clients that do not mark what they repeat, or do not repeat it, are not refused by the channel sequence.
    """
    await rq.suspend(rq.open.under_way.lost_ones())


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
