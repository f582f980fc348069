"""SMB2 TREE_DISCONNECT  [MS-SMB2 2.2.11, 2.2.12]."""

from __future__ import annotations

from dataclasses import dataclass

from smbcore.wire.empty import EmptyMessage


@dataclass(slots=True)
class TreeDisconnectRequest(EmptyMessage):
    """SMB2 TREE_DISCONNECT Request  [MS-SMB2 2.2.11]."""


@dataclass(slots=True)
class TreeDisconnectResponse(EmptyMessage):
    """SMB2 TREE_DISCONNECT Response  [MS-SMB2 2.2.12]."""
