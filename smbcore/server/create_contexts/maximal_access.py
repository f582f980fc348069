"""SMB2_CREATE_QUERY_MAXIMAL_ACCESS_REQUEST  [MS-SMB2 3.3.5.9.5]."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smbcore.nt.status import Status
from smbcore.server.create_contexts.base import ContextHandler, CreatePlan
from smbcore.wire.create_contexts import MAXIMAL_ACCESS, MaximalAccessRequest, MaximalAccessResponse

if TYPE_CHECKING:
    from smbcore.wire.types import Buffer


class MaximalAccess(ContextHandler):
    """Tell what this user may do with the file; NONE_MAPPED if the client's time stamp shows that it knows."""

    __slots__ = ("_timestamp",)
    name = MAXIMAL_ACCESS

    def __init__(self, data: Buffer) -> None:
        self._timestamp = MaximalAccessRequest.decode(data).timestamp if data else None

    def reply(self, plan: CreatePlan) -> bytes:
        """Return status and mask."""
        if self._timestamp and self._timestamp == plan.file.info().last_write_time:
            return MaximalAccessResponse(Status.NONE_MAPPED, 0).encode()
        granted = plan.file.maximal_access & plan.rq.tree.maximal_access  # a promise of more would be broken later
        return MaximalAccessResponse(Status.SUCCESS, granted).encode()
