"""SMB2 LOGOFF  [MS-SMB2 2.2.7, 2.2.8]."""

from __future__ import annotations

from dataclasses import dataclass

from smbcore.wire.empty import EmptyMessage


@dataclass(slots=True)
class LogoffRequest(EmptyMessage):
    """SMB2 LOGOFF Request  [MS-SMB2 2.2.7]."""


@dataclass(slots=True)
class LogoffResponse(EmptyMessage):
    """SMB2 LOGOFF Response  [MS-SMB2 2.2.8]."""
