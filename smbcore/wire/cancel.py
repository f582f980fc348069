"""SMB2 CANCEL  [MS-SMB2 2.2.30]; it is never answered."""

from __future__ import annotations

from dataclasses import dataclass

from smbcore.wire.empty import EmptyMessage


@dataclass(slots=True)
class CancelRequest(EmptyMessage):
    """SMB2 CANCEL Request  [MS-SMB2 2.2.30]; the header names the request to cancel."""
