"""SMB2_CREATE_DURABLE_HANDLE_RECONNECT_V2  [MS-SMB2 3.3.5.9.12]."""

from __future__ import annotations

from smbcore.nt.status import NtError, Status
from smbcore.proto.keys import DIALECT_300
from smbcore.server import reclaiming
from smbcore.server.create_contexts.base import ContextHandler, CreatePlan
from smbcore.server.open import SmbOpen
from smbcore.wire import create_contexts as wire
from smbcore.wire.types import Buffer


class DurableReconnectV2(ContextHandler):
    """Give a client back the durable or persistent open that it had, named by file id and CreateGuid."""

    __slots__ = ("_request",)
    name = wire.DURABLE_RECONNECT_V2
    excludes = frozenset({wire.DURABLE_REQUEST, wire.DURABLE_RECONNECT, wire.DURABLE_REQUEST_V2})

    def __init__(self, data: Buffer) -> None:
        self._request = wire.DurableReconnectV2.decode(data)

    def find_open(self, plan: CreatePlan) -> SmbOpen | None:
        """Return the open.  Raises OBJECT_NAME_NOT_FOUND, ACCESS_DENIED, INVALID_PARAMETER."""
        if plan.rq.dialect < DIALECT_300:
            raise NtError(Status.INVALID_PARAMETER, "a version 2 context below 3.0")
        return reclaiming.reclaim(
            plan,
            reclaiming.Claim(
                persistent_id=int.from_bytes(self._request.file_id[:8], "little"),
                create_guid=self._request.create_guid,
                persistent=bool(self._request.flags & wire.DURABLE_FLAG_PERSISTENT),
            ),
        )
