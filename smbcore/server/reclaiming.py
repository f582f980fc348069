"""Giving a disconnected open back  [MS-SMB2 3.3.5.9.7, 3.3.5.9.12].

`check_claim` is the decision, with values only; `reclaim` finds the open, asks it, and hands over. A refusal that looks
like an attempt on somebody else's handle is logged as a security event.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from smbcore.fsa.api import OplockLevel
from smbcore.nt.create import FILE_OPENED
from smbcore.nt.status import NtError, Status
from smbcore.server.create_contexts.lease import Lease
from smbcore.server.open import SmbOpen
from smbcore.server.record import Kind, holds_handle
from smbcore.wire.create import OPLOCK_BATCH, OPLOCK_EXCLUSIVE, OPLOCK_LEASE, OPLOCK_LEVEL_II, OPLOCK_NONE

if TYPE_CHECKING:
    from smbcore.nt.sid import Sid
    from smbcore.server.create_contexts.base import CreatePlan
    from smbcore.server.disconnected import DisconnectedOpen

log = logging.getLogger(__name__)

NO_GUID: Final = bytes(16)

_WIRE_LEVELS = {
    OplockLevel.NONE: OPLOCK_NONE,
    OplockLevel.LEVEL_TWO: OPLOCK_LEVEL_II,
    OplockLevel.LEVEL_ONE: OPLOCK_EXCLUSIVE,
    OplockLevel.BATCH: OPLOCK_BATCH,
    OplockLevel.GRANULAR: OPLOCK_LEASE,
}


@dataclass(frozen=True, slots=True)
class Claim:
    """How a client names the open that it wants back.

    create_guid  None for version 1;  persistent  the client takes it for a persistent open
    """

    persistent_id: int
    create_guid: bytes | None = None
    persistent: bool = False


@dataclass(frozen=True, slots=True)
class Claimant:
    """Who wants it back: the client, the user, the share, and the lease and file that the request names.

    lease_key  None without an RqLs context;  name  share and path, upper case
    """

    client_guid: bytes
    user: Sid
    share: object
    name: str
    lease_key: bytes | None = None


def oplock_level(open_: SmbOpen | DisconnectedOpen) -> int:
    """Return the level of an existing open as a CREATE response tells it."""
    return _WIRE_LEVELS[open_.file.oplock[0]]


def check_claim(away: DisconnectedOpen, claim: Claim, claimant: Claimant) -> None:
    """Raise unless the claim is good.

    Errors: OBJECT_NAME_NOT_FOUND  another client, share, CreateGuid or lease; nothing that could be reclaimed
            INVALID_PARAMETER      the lease is of a file of another name
            ACCESS_DENIED          another user
    """
    record, lease = away.record, away.lease
    if claim.create_guid is not None and claim.create_guid != (record.create_guid or NO_GUID):
        raise NtError(Status.OBJECT_NAME_NOT_FOUND, "another create guid")
    if away.share is not claimant.share:
        raise NtError(Status.OBJECT_NAME_NOT_FOUND, "open on another share")
    if lease is not None and record.client_guid != claimant.client_guid:
        raise NtError(Status.OBJECT_NAME_NOT_FOUND, "the lease is of another client")
    if record.owner != claimant.user:
        raise NtError(Status.ACCESS_DENIED, "opened by another user")
    if lease is not None and not away.file.delete_on_close and claimant.lease_key and not lease.is_of(claimant.name):
        raise NtError(Status.INVALID_PARAMETER, "the lease is of a file of another name")
    if (lease.key if lease is not None else None) != claimant.lease_key:
        raise NtError(Status.OBJECT_NAME_NOT_FOUND, "no lease, or another one")
    if record.kind is Kind.DURABLE and not holds_handle(away.file):
        raise NtError(Status.OBJECT_NAME_NOT_FOUND, "durable, but without the oplock or lease that it needs")
    if claim.persistent and not record.persistent:
        raise NtError(Status.OBJECT_NAME_NOT_FOUND, "not persistent")


def reclaim(plan: CreatePlan, claim: Claim) -> SmbOpen:
    """Take a disconnected open over into the session of the request; see `check_claim` for refusals.

    Version 1 names no CreateGuid and gets opens of both versions back; version 2 names that of an open of version 1
    with zeros (smbtorture smb2.durable-v2-open.reopen2b, smb2.durable-open.reopen2-lease).
    """
    rq = plan.rq
    away = rq.server.disconnected.find(claim.persistent_id)
    if away is None and claim.persistent and claim.create_guid is not None:
        away = _by_create_guid(plan, claim.create_guid)
    if away is None:
        raise NtError(Status.OBJECT_NAME_NOT_FOUND, f"no disconnected open {claim.persistent_id:#x}")
    lease = plan.find(Lease)
    claimant = Claimant(
        rq.connection.client_guid,
        rq.session.token.user,
        rq.tree.share,
        Lease.file_name(plan),
        lease.key if lease is not None else None,
    )
    try:
        check_claim(away, claim, claimant)
    except NtError as error:
        log.warning(
            "%s user=%s may not reclaim open %#x: %s", rq.connection.name, rq.session.user, away.persistent_id, error
        )
        raise
    away.file.create_action = FILE_OPENED
    return take_over(plan, away)


def take_over(plan: CreatePlan, away: DisconnectedOpen) -> SmbOpen:
    """Hand a disconnected open to the session of the request."""
    open_ = SmbOpen.reclaim(away, plan.rq.tree)
    plan.lease = open_.lease
    plan.oplock_level = oplock_level(open_)
    log.info("%s user=%s reclaims open %#x", plan.rq.connection.name, plan.rq.session.user, open_.key)
    return open_


def _by_create_guid(plan: CreatePlan, create_guid: bytes) -> DisconnectedOpen | None:
    """Return a disconnected open by the name of its CREATE alone: good enough for persistent ones."""
    rq = plan.rq
    record = rq.server.index.find_create(rq.connection.client_guid, create_guid)
    if record is None or isinstance(record.holder, SmbOpen):
        return None
    return record.holder
