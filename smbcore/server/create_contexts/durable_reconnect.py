"""SMB2_CREATE_DURABLE_HANDLE_RECONNECT  [MS-SMB2 3.3.5.9.7]."""

from __future__ import annotations

from smbcore.server import reclaiming
from smbcore.server.create_contexts.base import ContextHandler, CreatePlan
from smbcore.server.open import SmbOpen
from smbcore.wire import create_contexts as wire
from smbcore.wire.types import Buffer


class DurableReconnect(ContextHandler):
    """Give a client back the durable or resilient open that it had; the rest of its request does not matter."""

    __slots__ = ("_persistent_id",)
    name = wire.DURABLE_RECONNECT
    excludes = frozenset({wire.DURABLE_REQUEST_V2, wire.DURABLE_RECONNECT_V2})

    def __init__(self, data: Buffer) -> None:
        self._persistent_id = int.from_bytes(wire.DurableReconnect.decode(data).file_id[:8], "little")

    def find_open(self, plan: CreatePlan) -> SmbOpen:
        """Return the open.  Raises OBJECT_NAME_NOT_FOUND, ACCESS_DENIED, INVALID_PARAMETER."""
        return reclaiming.reclaim(plan, reclaiming.Claim(persistent_id=self._persistent_id))
