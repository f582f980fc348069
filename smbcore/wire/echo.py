"""SMB2 ECHO  [MS-SMB2 2.2.28, 2.2.29]."""

from __future__ import annotations

from dataclasses import dataclass

from smbcore.wire.empty import EmptyMessage


@dataclass(slots=True)
class EchoRequest(EmptyMessage):
    """SMB2 ECHO Request  [MS-SMB2 2.2.28]."""


@dataclass(slots=True)
class EchoResponse(EmptyMessage):
    """SMB2 ECHO Response  [MS-SMB2 2.2.29]."""
