"""Receiving an SMB2 LOGOFF Request  [MS-SMB2 3.3.5.6]."""

from __future__ import annotations

from smbcore.server.request import SmbRequest
from smbcore.wire.logoff import LogoffRequest, LogoffResponse


async def logoff(rq: SmbRequest, _msg: LogoffRequest) -> LogoffResponse:
    """End the session on all its channels; the reply is still signed with its key."""
    rq.session.close()
    return LogoffResponse()
