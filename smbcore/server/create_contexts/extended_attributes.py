"""SMB2_CREATE_EA_BUFFER  [MS-SMB2 3.3.5.9.1]."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smbcore.nt.info.ea import decode_attributes
from smbcore.server.create_contexts.base import ContextHandler, CreatePlan
from smbcore.wire.create_contexts import EXTENDED_ATTRIBUTES

if TYPE_CHECKING:
    from smbcore.wire.types import Buffer


class ExtendedAttributes(ContextHandler):
    """Give a created file extended attributes."""

    __slots__ = ("_entries",)
    name = EXTENDED_ATTRIBUTES

    def __init__(self, data: Buffer) -> None:
        self._entries = decode_attributes(data)

    def before_open(self, plan: CreatePlan) -> None:
        """Hand the attributes down."""
        plan.parameters.extended_attributes = [(entry.name, entry.value) for entry in self._entries]
