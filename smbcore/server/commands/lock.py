"""Receiving an SMB2 LOCK Request  [MS-SMB2 3.3.5.14]."""

from __future__ import annotations

import asyncio
from typing import Final

from smbcore.fsa.api import LockElement
from smbcore.nt.status import NtError, Status
from smbcore.proto.keys import DIALECT_300
from smbcore.server import range_rows
from smbcore.server.promises import settle
from smbcore.server.request import SmbRequest
from smbcore.wire.lock import (
    LOCK_EXCLUSIVE,
    LOCK_FAIL_IMMEDIATELY,
    LOCK_SHARED,
    LOCK_UNLOCK,
    LockRequest,
    LockResponse,
)

_TAKE: Final = {
    LOCK_SHARED,
    LOCK_EXCLUSIVE,
    LOCK_SHARED | LOCK_FAIL_IMMEDIATELY,
    LOCK_EXCLUSIVE | LOCK_FAIL_IMMEDIATELY,
}


_MAX_BUCKET: Final = 64


async def lock(rq: SmbRequest, msg: LockRequest) -> LockResponse:
    """Take or release byte ranges; what the first element does, all must do."""
    if not msg.locks:
        raise NtError(Status.INVALID_PARAMETER, "no ranges")
    number, bucket = msg.lock_sequence_number, msg.lock_sequence_index
    if not (0 < bucket <= _MAX_BUCKET and _checks_sequence(rq)):
        await _carry_out(rq, msg)
        await settle(rq.server, rq.open)
        return LockResponse()
    record = rq.open.ensure_record(rq.connection.client_guid)
    if record.is_replayed_lock(bucket, number):
        return LockResponse()
    freed = record.free_lock_number(bucket)
    try:
        await _carry_out(rq, msg)
    except (NtError, asyncio.CancelledError):
        if freed:  # or the next one of that number would be taken for a repetition after a crash
            await settle(rq.server, rq.open)
        raise
    record.lock_done(bucket, number)
    await settle(rq.server, rq.open)
    return LockResponse()


def _checks_sequence(rq: SmbRequest) -> bool:
    """Tell whether lock requests of this open are recognised when they are repeated  [MS-SMB2 3.3.5.14]."""
    record = rq.open.record
    if record is not None and record.kind:
        return True
    return rq.dialect >= DIALECT_300 and rq.server.config.multi_channel


async def _carry_out(rq: SmbRequest, msg: LockRequest) -> None:
    if msg.locks[0].flags & LOCK_UNLOCK:
        try:
            _unlock(rq, msg)
        except NtError:
            await settle(rq.server, rq.open)  # what was before the bad range is unlocked
            raise
        return
    elements, fail_immediately = _locks(msg)
    await rq.suspend(rq.open.file.lock(elements, fail_immediately=fail_immediately))
    range_rows.taken(rq.server, rq.open, elements)


def _unlock(rq: SmbRequest, msg: LockRequest) -> None:
    """Unlock in order, and look at an element only when it is its turn: what is before a bad one stays unlocked.

    [MS-SMB2 3.3.5.14.1], smbtorture smb2.lock.multiple-unlock
    """
    done = []
    try:
        for element in msg.locks:
            if element.flags != LOCK_UNLOCK:
                raise NtError(Status.INVALID_PARAMETER, f"flags {element.flags:#x} among unlocks")
            unlock = LockElement(element.offset, element.length, unlock=True)
            rq.open.file.unlock([unlock])
            done.append(unlock)
    finally:
        range_rows.released(rq.server.records, rq.open, done)


def _locks(msg: LockRequest) -> tuple[list[LockElement], bool]:
    """Every element must take a range; several only without waiting  [MS-SMB2 3.3.5.14.2]."""
    fail_immediately = bool(msg.locks[0].flags & LOCK_FAIL_IMMEDIATELY)
    for element in msg.locks:
        if element.flags not in _TAKE or (len(msg.locks) > 1 and not element.flags & LOCK_FAIL_IMMEDIATELY):
            raise NtError(Status.INVALID_PARAMETER, f"flags {element.flags:#x} among {len(msg.locks)} locks")
    elements = [LockElement(e.offset, e.length, exclusive=bool(e.flags & LOCK_EXCLUSIVE)) for e in msg.locks]
    return elements, fail_immediately
