"""Requests that work on a file, for which a CLOSE waits.

A listing that has gone to a thread is answered although its handle is closed behind it. What waits for something that
may never happen (a notification, a lock) is not waited for: the close ends it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from smbcore.wire.header import CHANGE_NOTIFY, CLOSE, LOCK

if TYPE_CHECKING:
    from smbcore.server.open import SmbOpen
    from smbcore.server.request import SmbRequest

_ENDED_BY_CLOSE: Final = frozenset((CHANGE_NOTIFY, LOCK, CLOSE))


def begin(rq: SmbRequest) -> SmbOpen | None:
    """A request begins to wait: count it, and return the open whose CLOSE it holds up."""
    open_: SmbOpen | None = getattr(rq, "open", None)
    if open_ is None or rq.command in _ENDED_BY_CLOSE:
        return None
    open_.under_way += 1
    return open_


def end(rq: SmbRequest) -> None:
    """A request that waited is done. Idempotent."""
    open_, rq.holds_up = rq.holds_up, None
    if open_ is not None:
        open_.under_way -= 1
        if not open_.under_way:
            open_.quiet()
