"""Giving a disconnected open back  [MS-SMB2 3.3.5.9.7, 3.3.5.9.12].

`mismatch` is the decision, with values only; `reclaim` finds the open, asks it, and hands over. Every refusal is
reported for the audit log, with the condition that was not met: it may be an attempt on somebody else's handle.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Final

from smbcore.nt.create import FILE_OPENED
from smbcore.nt.status import NtError, Status
from smbcore.server.create_contexts.base import WIRE_LEVELS
from smbcore.server.create_contexts.lease import Lease
from smbcore.server.open import SmbOpen
from smbcore.server.open_row import name_of
from smbcore.server.record import Kind, holds_handle
from smbcore.server.reporting import report

if TYPE_CHECKING:
    from smbcore.nt.sid import Sid
    from smbcore.server.create_contexts.base import CreatePlan
    from smbcore.server.disconnected import DisconnectedOpen

log = logging.getLogger(__name__)

NO_GUID: Final = bytes(16)


class Mismatch(StrEnum):
    """Why an open is not given back; the words of the audit log."""

    UNKNOWN = "unknown_handle"
    IN_USE = "in_use"
    CREATE_GUID = "create_guid"
    SHARE = "share"
    CLIENT = "client_guid"
    USER = "user"
    NAME = "file_name"
    LEASE = "lease_key"
    CACHING = "caching_lost"
    NOT_PERSISTENT = "not_persistent"
    PERSISTENT = "persistent"


_STATUS: Final = {Mismatch.USER: Status.ACCESS_DENIED, Mismatch.NAME: Status.INVALID_PARAMETER}
_KEY_MASK: Final = 0xFFFFFFFF


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
    return WIRE_LEVELS[open_.file.oplock[0]]


def mismatch(away: DisconnectedOpen, claim: Claim, claimant: Claimant) -> Mismatch | None:
    """Return the first condition that a claim does not meet, None if it is good  [MS-SMB2 3.3.5.9.7, 3.3.5.9.12]."""
    record, lease = away.record, away.lease
    names_lease = claimant.lease_key is not None
    is_other_name = (
        lease is not None and not away.file.delete_on_close and names_lease and not lease.is_of(claimant.name)
    )
    conditions = (
        (claim.create_guid is not None and claim.create_guid != (record.create_guid or NO_GUID), Mismatch.CREATE_GUID),
        (away.share is not claimant.share, Mismatch.SHARE),
        (lease is not None and record.client_guid != claimant.client_guid, Mismatch.CLIENT),
        (record.owner != claimant.user, Mismatch.USER),
        (is_other_name, Mismatch.NAME),
        ((lease.key if lease is not None else None) != claimant.lease_key, Mismatch.LEASE),
        (record.kind is Kind.DURABLE and not holds_handle(away.file), Mismatch.CACHING),
        (claim.persistent and not record.persistent, Mismatch.NOT_PERSISTENT),
        (claim.create_guid is not None and record.persistent and not claim.persistent, Mismatch.PERSISTENT),
    )
    return next((condition for is_so, condition in conditions if is_so), None)


def reclaim(plan: CreatePlan, claim: Claim) -> SmbOpen:
    """Take a disconnected open over into the session of the request.

    Version 1 names no CreateGuid and gets opens of both versions back; version 2 names that of an open of version 1
    with zeros (smbtorture smb2.durable-v2-open.reopen2b, smb2.durable-open.reopen2-lease).

    Errors: OBJECT_NAME_NOT_FOUND  there is no such open, or it is not the claimant's by the conditions of `mismatch`
            INVALID_PARAMETER      the lease is of a file of another name
            ACCESS_DENIED          another user
    """
    rq = plan.rq
    away = rq.server.disconnected.find(claim.persistent_id)
    if away is None and claim.persistent and claim.create_guid is not None:
        away = _by_create_guid(plan, claim.create_guid)
    if away is None:
        in_use = _in_use(plan, claim.persistent_id)
        raise _refused(plan, claim, in_use, Mismatch.IN_USE if in_use else Mismatch.UNKNOWN)
    lease = plan.find(Lease)
    claimant = Claimant(
        rq.connection.client_guid,
        rq.session.token.user,
        rq.tree.share,
        Lease.file_name(plan),
        lease.key if lease is not None else None,
    )
    wrong = mismatch(away, claim, claimant)
    if wrong is not None:
        raise _refused(plan, claim, away, wrong)
    away.file.create_action = FILE_OPENED
    return take_over(plan, away)


def _refused(plan: CreatePlan, claim: Claim, meant: SmbOpen | DisconnectedOpen | None, wrong: Mismatch) -> NtError:
    """Report a claim that is refused, and return the refusal.

    meant  the open that was claimed, None where there is none
    """
    rq, status = plan.rq, _STATUS.get(wrong, Status.OBJECT_NAME_NOT_FOUND)
    handle = f"handle {claim.persistent_id:#x}"
    detail = {"client": rq.connection.client_guid.hex(), "handle": handle.removeprefix("handle ")}
    if meant is not None and meant.record is not None:
        detail["owner"] = str(meant.record.owner)
    what = name_of(meant) if meant is not None else handle
    report(rq.connection, rq.session, "handle.reconnect", wrong.value, what=what, status=status, **detail)
    return NtError(status, f"{handle} may not be reclaimed: {wrong.value}")


def _in_use(plan: CreatePlan, persistent_id: int) -> SmbOpen | None:
    """Return the open of this persistent id that has not lost its client."""
    found = plan.rq.server.opens.get(persistent_id & _KEY_MASK)
    return found if found is not None and found.persistent_id == persistent_id else None


def take_over(plan: CreatePlan, away: DisconnectedOpen) -> SmbOpen:
    """Hand a disconnected open to the session of the request.

    The row of one that survives crashes must not say any more that its client is away: its time would run.
    """
    open_ = SmbOpen.reclaim(away, plan.rq.tree)
    if away.record.written_through:
        plan.last.append(partial(_store, plan, open_))
    plan.lease = open_.lease
    plan.oplock_level = oplock_level(open_)
    log.info("%s user=%s reclaims open %#x", plan.rq.connection.name, plan.rq.session.user, open_.key)
    return open_


async def _store(plan: CreatePlan, open_: SmbOpen) -> None:
    await plan.rq.server.promise("open", open_.key, open_)


def _by_create_guid(plan: CreatePlan, create_guid: bytes) -> DisconnectedOpen | None:
    """Return a disconnected open by the name of its CREATE alone: good enough for persistent ones."""
    rq = plan.rq
    record = rq.server.index.find_create(rq.connection.client_guid, create_guid)
    if record is None or isinstance(record.holder, SmbOpen):
        return None
    return record.holder
