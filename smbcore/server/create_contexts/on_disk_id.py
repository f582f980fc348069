"""SMB2_CREATE_QUERY_ON_DISK_ID  [MS-SMB2 3.3.5.9.9]."""

from __future__ import annotations

from smbcore.server.create_contexts.base import ContextHandler, CreatePlan
from smbcore.wire.create_contexts import ON_DISK_ID, QueryOnDiskId


class OnDiskId(ContextHandler):
    """Tell the 64-bit ids of file and volume."""

    __slots__ = ()
    name = ON_DISK_ID

    def reply(self, plan: CreatePlan) -> bytes:
        """Return both ids."""
        return QueryOnDiskId(plan.file.file_id, plan.file.volume.volume_id).encode()
