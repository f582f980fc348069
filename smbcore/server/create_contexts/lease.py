"""SMB2_CREATE_REQUEST_LEASE and _V2  [MS-SMB2 3.3.5.9.8, 3.3.5.9.11]."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Final

from smbcore.fsa.api import Caching, OplockLevel
from smbcore.fsa.path import parse_path
from smbcore.proto.keys import DIALECT_202, DIALECT_300
from smbcore.server import promises
from smbcore.server.create_contexts.base import ContextHandler, CreatePlan
from smbcore.server.lease import lease_name
from smbcore.wire.create import OPLOCK_LEASE
from smbcore.wire.create_contexts import (
    LEASE,
    LEASE_FLAG_BREAK_IN_PROGRESS,
    LEASE_FLAG_PARENT_KEY_SET,
    LeaseV1,
    LeaseV2,
    decode_lease,
)

if TYPE_CHECKING:
    import asyncio

    from smbcore.server.lease import SmbLease
    from smbcore.wire.types import Buffer

_UNUSUAL: Final = re.compile(r"[/:]|\.\.|\\$")
_GRANTABLE: Final = {int(caching): caching for caching in map(Caching, (0, 1, 3, 5, 7))}
_V2: Final = 2


class Lease(ContextHandler):
    """Claim a lease before the open, so that its own opens do not break it; ask for its state after the open."""

    __slots__ = ("_claimed", "_request")
    name = LEASE

    def __init__(self, data: Buffer) -> None:
        self._request = decode_lease(data)
        self._claimed: SmbLease | None = None

    @property
    def key(self) -> bytes:
        """The lease key."""
        return bytes(self._request.lease_key)

    @staticmethod
    def file_name(plan: CreatePlan) -> str:
        """Return the file of the request as leases name it.  Raises what a path can be refused with."""
        path, stream = plan.msg.name, ""
        if _UNUSUAL.search(path) is not None:
            target = parse_path(path)
            path, stream = "\\".join(target.names), target.stream
        return lease_name(plan.rq.tree.share.name, path, stream)

    def wanted(self, plan: CreatePlan) -> bool:
        """Tell whether the context counts: a lease is asked for, and client and share have leases."""
        dialect = plan.rq.dialect
        if (
            plan.msg.oplock_level != OPLOCK_LEASE
            or dialect == DIALECT_202
            or not plan.rq.tree.share.config.options.leases
        ):
            return False
        return dialect >= DIALECT_300 or isinstance(self._request, LeaseV1)

    def before_open(self, plan: CreatePlan) -> None:
        """Claim the lease of this key and let the open know its holder."""
        if not self.wanted(plan):
            return
        request, connection = self._request, plan.rq.connection
        version = _V2 if isinstance(request, LeaseV2) else 1
        lease = plan.lease = plan.rq.server.leases.claim(
            connection.client_guid, self.key, self.file_name(plan), version
        )
        lease.claimed()
        self._claimed = lease
        plan.parameters.oplock_key = lease.oplock_key
        if isinstance(request, LeaseV2) and request.flags & LEASE_FLAG_PARENT_KEY_SET:
            parent = bytes(request.parent_lease_key)
            if lease.parent_key is None:
                lease.parent_key = parent
            plan.parameters.parent_oplock_key = connection.client_guid + parent

    def after_open(self, plan: CreatePlan) -> None:
        """Ask for the state; what is granted may be less, and never less than the lease has."""
        lease, open_ = plan.lease, plan.open
        if lease is None or open_ is None:
            return
        if plan.file.is_directory and isinstance(self._request, LeaseV1):
            self.undo(plan)
            plan.lease = None  # only version 2 covers directories  [MS-SMB2 3.3.5.9.8]
            return
        plan.oplock_level = OPLOCK_LEASE
        fresh = not lease.opens
        before = lease.state()
        lease.add(open_)
        wanted = self._request.lease_state & 7
        asked = _GRANTABLE.get(wanted, Caching.NONE)
        if lease.clashes or plan.rq.server.conduct.withholds(plan.rq.session):
            asked = Caching.NONE
        grant = plan.file.request_oplock(OplockLevel.GRANULAR, asked, lease, lease.oplock_key)
        if fresh and isinstance(self._request, LeaseV2):
            lease.epoch = self._request.epoch
        grown = not fresh and grant.caching != before and not lease.clashes
        if grown or (fresh and (grant.caching or isinstance(self._request, LeaseV2))):
            lease.advance_epoch()
        self._let_go()
        if grown:
            lease.changed()
            withdrawn = promises.withdraw(plan.rq.server, lease.opens)
            if withdrawn is not None:
                plan.last.append(partial(_until, withdrawn))
        elif fresh:
            plan.rq.server.records.put("lease", lease.record_key, lease)

    def undo(self, plan: CreatePlan) -> None:
        """Forget a lease that was claimed for nothing."""
        self._let_go()

    def _let_go(self) -> None:
        lease, self._claimed = self._claimed, None
        if lease is not None:
            lease.unclaimed()

    def reply(self, plan: CreatePlan) -> bytes | None:
        """Return the lease as it is now, in the version that it has."""
        lease = plan.lease
        if lease is None:
            return None
        flags = LEASE_FLAG_BREAK_IN_PROGRESS if lease.breaking and not lease.clashes else 0
        state = int(lease.state())
        if lease.version < _V2:
            return LeaseV1(lease.key, state, flags).encode()
        if lease.parent_key is not None:
            flags |= LEASE_FLAG_PARENT_KEY_SET
        return LeaseV2(
            lease.key, state, flags, parent_lease_key=lease.parent_key or bytes(16), epoch=lease.epoch
        ).encode()


async def _until(done: asyncio.Task[None]) -> None:
    await done
