"""Receiving an SMB2 OPLOCK_BREAK Acknowledgment, of an oplock or a lease  [MS-SMB2 3.3.5.22]."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from smbcore.fsa.api import Caching, OplockLevel
from smbcore.nt.status import NtError, Status
from smbcore.server.promises import settle, settle_lease
from smbcore.server.request import SmbRequest
from smbcore.wire.create import OPLOCK_LEASE, OPLOCK_LEVEL_II, OPLOCK_NONE
from smbcore.wire.oplock_break import (
    LeaseBreakAcknowledgment,
    LeaseBreakResponse,
    OplockBreakAcknowledgment,
    OplockBreakResponse,
)

_LEVELS: Final = {OPLOCK_NONE: OplockLevel.NONE, OPLOCK_LEVEL_II: OplockLevel.LEVEL_TWO}


async def oplock_break(
    rq: SmbRequest, msg: OplockBreakAcknowledgment | LeaseBreakAcknowledgment
) -> OplockBreakResponse | LeaseBreakResponse:
    """Take the acknowledgment of a break and let the opener go on."""
    if isinstance(msg, LeaseBreakAcknowledgment):
        return await acknowledge_lease(rq, msg)
    return await acknowledge_oplock(rq, msg)


async def acknowledge_oplock(rq: SmbRequest, msg: OplockBreakAcknowledgment) -> OplockBreakResponse:
    """Raises FILE_CLOSED;  INVALID_PARAMETER, INVALID_OPLOCK_PROTOCOL for an answer that does not go, which loses the
    oplock, the latter for an answer to no break, too  [MS-SMB2 3.3.5.22.1].
    """
    open_ = rq.session.opens.get(bytes(msg.file_id))
    if open_ is None or open_.tree is not rq.tree or rq.tree.share.is_pipe:
        raise NtError(Status.FILE_CLOSED, "no such open")
    if open_.record is not None:
        open_.record.replay_eligible = False
    if msg.oplock_level == OPLOCK_LEASE:
        if open_.lease is None:
            with suppress(NtError):  # nobody may be waiting
                open_.file.acknowledge_break(OplockLevel.NONE, Caching.NONE)
        raise NtError(Status.INVALID_PARAMETER, "a lease level for an oplock")
    level = _LEVELS.get(msg.oplock_level)
    if level is None:
        level = OplockLevel.BATCH  # not a level to go down to: the layer below refuses it and drops the oplock
    open_.file.acknowledge_break(level, Caching.NONE)
    rq.server.conduct.answered(rq.session)
    await settle(rq.server, open_)
    return OplockBreakResponse(msg.oplock_level, msg.file_id)


async def acknowledge_lease(rq: SmbRequest, msg: LeaseBreakAcknowledgment) -> LeaseBreakResponse:
    """Raises OBJECT_NAME_NOT_FOUND, UNSUCCESSFUL, REQUEST_NOT_ACCEPTED  [MS-SMB2 3.3.5.22.2]."""
    lease = rq.server.leases.find(rq.connection.client_guid, bytes(msg.lease_key))
    if lease is None or not lease.opens:
        raise NtError(Status.OBJECT_NAME_NOT_FOUND, "no such lease")
    for covered in lease.opens:
        if covered.record is not None:
            covered.record.replay_eligible = False
    if not lease.breaking:
        raise NtError(Status.UNSUCCESSFUL, "the lease is not breaking")
    next(iter(lease.opens)).file.acknowledge_break(OplockLevel.GRANULAR, Caching(msg.lease_state & 7))
    rq.server.conduct.answered(rq.session)
    lease.changed()
    await settle_lease(rq.server, lease)
    return LeaseBreakResponse(msg.lease_key, msg.lease_state)
