"""SMB2_CREATE_TIMEWARP_TOKEN  [MS-SMB2 3.3.5.9.4]."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smbcore.server.create_contexts.base import ContextHandler, CreatePlan
from smbcore.wire import create_contexts as wire

if TYPE_CHECKING:
    from smbcore.wire.types import Buffer


class Timewarp(ContextHandler):
    """Open the file as it was at a time."""

    __slots__ = ("_timestamp",)
    name = wire.TIMEWARP

    def __init__(self, data: Buffer) -> None:
        self._timestamp = wire.Timewarp.decode(data).timestamp

    def before_open(self, plan: CreatePlan) -> None:
        """Hand the time down."""
        plan.parameters.timewarp = self._timestamp
