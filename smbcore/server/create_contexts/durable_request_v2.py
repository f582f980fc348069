"""SMB2_CREATE_DURABLE_HANDLE_REQUEST_V2, and the replay of a CREATE that carries it  [MS-SMB2 3.3.5.9.10]."""

from __future__ import annotations

from typing import Final

from smbcore.nt.status import NtError, Status
from smbcore.proto.keys import DIALECT_300
from smbcore.server import reclaiming
from smbcore.server.create_contexts.base import ContextHandler, CreatePlan
from smbcore.server.create_contexts.durable_request import can_be_durable, grant, may_be_kept
from smbcore.server.create_contexts.lease import Lease
from smbcore.server.disconnected import DisconnectedOpen
from smbcore.server.open import SmbOpen
from smbcore.server.open_row import name_of
from smbcore.server.reclaiming import Mismatch
from smbcore.server.record import Kind, OpenRecord
from smbcore.server.reporting import report
from smbcore.wire import create_contexts as wire
from smbcore.wire.create import OPLOCK_BATCH, OPLOCK_LEASE
from smbcore.wire.types import Buffer

VERSION: Final = 2
MAX_TIMEOUT_MS: Final = 300_000


class DurableRequestV2(ContextHandler):
    """Promise to keep the open, under a name that the client chose for its request.

    By that name a request that the client repeats, because it never saw the response, finds the open again.
    """

    __slots__ = ("_begun", "_request")
    name = wire.DURABLE_REQUEST_V2
    excludes = frozenset({wire.DURABLE_REQUEST, wire.DURABLE_RECONNECT, wire.DURABLE_RECONNECT_V2})

    def __init__(self, data: Buffer) -> None:
        self._request = wire.DurableRequestV2.decode(data)
        self._begun = False

    # -- replay --

    def find_open(self, plan: CreatePlan) -> SmbOpen | None:
        """Return the open that this request made before.

        Raises DUPLICATE_OBJECTID where the request is no replay, FILE_NOT_AVAILABLE while the first one is still being
        worked on, ACCESS_DENIED where it was another user's, or had another lease.
        """
        rq = plan.rq
        if rq.dialect < DIALECT_300:
            return None
        index, guid = rq.server.index, self._request.create_guid
        if index.is_pending(rq.connection.client_guid, guid):
            raise NtError(Status.FILE_NOT_AVAILABLE if rq.replay else Status.DUPLICATE_OBJECTID, "still being opened")
        record = index.find_create(rq.connection.client_guid, guid)
        if record is None:
            return None
        if not record.persistent and not record.replay_eligible:
            return None  # it has been used since, so its client has seen the response (smbtorture smb2.replay.replay6)
        if not rq.replay:
            raise NtError(Status.DUPLICATE_OBJECTID, "the create guid is in use")
        return self._replay(plan, record)

    def _replay(self, plan: CreatePlan, record: OpenRecord) -> SmbOpen:
        rq, holder = plan.rq, record.holder
        if record.owner != rq.session.token.user:
            raise self._refused(plan, holder, Mismatch.USER)
        if holder.share is not rq.tree.share:
            raise self._refused(plan, holder, Mismatch.SHARE)
        lease = plan.find(Lease)
        wanted = lease if lease is not None and lease.wanted(plan) else None
        if wanted is not None and (holder.lease is None or holder.lease.key != wanted.key):
            raise self._refused(plan, holder, Mismatch.LEASE)
        if not isinstance(holder, SmbOpen):
            return reclaiming.take_over(plan, holder)
        if holder.session is not rq.session or holder.tree is not rq.tree:
            raise NtError(Status.FILE_NOT_AVAILABLE, "open in a session that has not ended yet")
        plan.lease = holder.lease
        held = reclaiming.oplock_level(holder)
        plan.oplock_level = held if held == OPLOCK_LEASE else min(held, plan.msg.oplock_level)
        return holder

    @staticmethod
    def _refused(plan: CreatePlan, holder: SmbOpen | DisconnectedOpen, wrong: Mismatch) -> NtError:
        rq, status = plan.rq, Status.ACCESS_DENIED
        client = rq.connection.client_guid.hex()
        what = name_of(holder)
        report(rq.connection, rq.session, "handle.replay", wrong.value, what=what, status=status, client=client)
        return NtError(status, f"no replay of this open: {wrong.value}")

    # -- the first time --

    def before_open(self, plan: CreatePlan) -> None:
        """Note that a request of this name is being worked on."""
        if plan.rq.dialect >= DIALECT_300:
            plan.rq.server.index.begin(plan.rq.connection.client_guid, self._request.create_guid)
            plan.rq.outlives = self._begun = True

    def after_open(self, plan: CreatePlan) -> None:
        """Name the open; make it durable, or persistent, if it can be."""
        if not self._begun:
            return
        assert plan.open is not None
        rq = plan.rq
        record = plan.open.ensure_record(rq.connection.client_guid)
        record.create_guid = self._request.create_guid
        record.version = VERSION
        kind = self._kind(plan)
        if kind and may_be_kept(plan):
            grant(plan, kind, VERSION, self._timeout_ms(plan))
        rq.server.index.add(record)
        self.undo(plan)

    def _kind(self, plan: CreatePlan) -> Kind:
        wants = bool(self._request.flags & wire.DURABLE_FLAG_PERSISTENT) and not plan.file.is_directory
        if wants and plan.rq.tree.share.config.continuously_available:
            return Kind.PERSISTENT
        return Kind.DURABLE if can_be_durable(plan) else Kind.NONE

    def _timeout_ms(self, plan: CreatePlan) -> int:
        default = int(plan.rq.server.config.durable_timeout * 1000)
        return min(self._request.timeout or default, MAX_TIMEOUT_MS)

    def undo(self, plan: CreatePlan) -> None:
        """The request is not being worked on any more. Idempotent: another one of its name may have begun since."""
        if self._begun:
            self._begun = False
            plan.rq.server.index.end(plan.rq.connection.client_guid, self._request.create_guid)

    def reply(self, plan: CreatePlan) -> bytes | None:
        """Tell the time and whether the open is persistent; nothing where it is not durable (any more)."""
        record = plan.open.record if plan.open is not None else None
        if record is None or not record.kind:
            return None
        if record.kind is Kind.DURABLE and plan.oplock_level not in (OPLOCK_LEASE, OPLOCK_BATCH):
            return None
        flags = wire.DURABLE_FLAG_PERSISTENT if record.persistent else 0
        return wire.DurableResponseV2(record.timeout_ms, flags).encode()
