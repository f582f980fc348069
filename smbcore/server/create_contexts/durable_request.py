"""SMB2_CREATE_DURABLE_HANDLE_REQUEST  [MS-SMB2 3.3.5.9.6]."""

from __future__ import annotations

from functools import partial
from typing import Final

from smbcore.nt.create import FILE_OPENED
from smbcore.server.create_contexts.base import ContextHandler, CreatePlan
from smbcore.server.record import Kind, OpenRecord, holds_handle
from smbcore.server.reporting import report
from smbcore.wire import create_contexts as wire
from smbcore.wire.types import Buffer

VERSION: Final = 1
TIMEOUT_MS: Final = 16 * 60 * 1000
"""Version 1 has no time in it; this is what Windows keeps such handles for."""


class DurableRequest(ContextHandler):
    """Promise to keep the open when its connection is lost, if the client may cache the handle."""

    __slots__ = ("_granted",)
    name = wire.DURABLE_REQUEST
    excludes = frozenset({wire.DURABLE_REQUEST_V2, wire.DURABLE_RECONNECT_V2})

    def __init__(self, data: Buffer) -> None:
        wire.DurableRequest.decode(data)
        self._granted = False

    def after_open(self, plan: CreatePlan) -> None:
        """Make the open durable."""
        if can_be_durable(plan) and may_be_kept(plan):
            grant(plan, Kind.DURABLE, VERSION, TIMEOUT_MS)
            self._granted = True

    def reply(self, _plan: CreatePlan) -> bytes | None:
        """Say so if it was granted."""
        return wire.DurableResponse().encode() if self._granted else None


def can_be_durable(plan: CreatePlan) -> bool:
    """Tell whether an open may be durable: a file of a share that offers it, under a batch oplock or a lease with H."""
    if plan.file.is_directory or not plan.rq.tree.share.config.options.durable:
        return False
    return holds_handle(plan.file)


def may_be_kept(plan: CreatePlan) -> bool:
    """Tell whether client, user and session may have one more open kept; administrators hear of a refusal."""
    assert plan.open is not None
    rq = plan.rq
    record = plan.open.ensure_record(rq.connection.client_guid)
    reached = rq.server.allowance.reached(rq.server.config.limits, rq.session, record)
    if reached is None:
        return True
    report(rq.connection, rq.session, "handle.keep", reached.value, what=f"files of {rq.tree.share.name}")
    return False


def grant(plan: CreatePlan, kind: Kind, version: int, timeout_ms: int) -> None:
    """Make the promise; one that covers a crash is stored before the response."""
    assert plan.open is not None
    record = plan.open.ensure_record(plan.rq.connection.client_guid)
    record.kind, record.version, record.timeout_ms = kind, version, timeout_ms
    plan.rq.server.allowance.take(record, plan.rq.session)
    if not record.written_through:
        return
    if plan.file.create_action != FILE_OPENED:
        plan.last.append(plan.file.node.flush)  # the row leads to the file, which has to survive as long as it does
    plan.last.append(partial(_store, plan, record))


async def _store(plan: CreatePlan, record: OpenRecord) -> None:
    """Store the record, in which all is that a restart needs. What cannot be stored is not promised as persistent."""
    assert plan.open is not None
    if plan.open.closed:
        return  # its connection was lost meanwhile: it has closed, or its record says that it is disconnected
    if not await plan.rq.server.promise("open", plan.open.key, plan.open) and record.persistent:
        record.kind = Kind.DURABLE if can_be_durable(plan) else Kind.NONE
