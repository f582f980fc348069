"""SMB2_CREATE_ALLOCATION_SIZE  [MS-SMB2 3.3.5.9.2]."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smbcore.server.create_contexts.base import ContextHandler, CreatePlan
from smbcore.wire import create_contexts as wire

if TYPE_CHECKING:
    from smbcore.wire.types import Buffer


class AllocationSize(ContextHandler):
    """Reserve space for a file that is created or overwritten."""

    __slots__ = ("_size",)
    name = wire.ALLOCATION_SIZE

    def __init__(self, data: Buffer) -> None:
        self._size = wire.AllocationSize.decode(data).size

    def before_open(self, plan: CreatePlan) -> None:
        """Hand the size down."""
        plan.parameters.allocation_size = self._size
