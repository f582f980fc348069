"""SMB2_CREATE_SD_BUFFER  [MS-SMB2 3.3.5.9.3]."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smbcore.nt.security import SecurityDescriptor
from smbcore.server.create_contexts.base import ContextHandler, CreatePlan
from smbcore.wire.create_contexts import SECURITY_DESCRIPTOR

if TYPE_CHECKING:
    from smbcore.wire.types import Buffer


class Security(ContextHandler):
    """Give a created file its security descriptor."""

    __slots__ = ("_descriptor",)
    name = SECURITY_DESCRIPTOR

    def __init__(self, data: Buffer) -> None:
        self._descriptor = bytes(data)
        SecurityDescriptor.decode(self._descriptor)

    def before_open(self, plan: CreatePlan) -> None:
        """Hand the descriptor down."""
        plan.parameters.security = self._descriptor
