"""Receiving an SMB2 FLUSH Request  [MS-SMB2 3.3.5.11]."""

from __future__ import annotations

from smbcore.server.request import SmbRequest
from smbcore.wire.flush import FlushRequest, FlushResponse


async def flush(rq: SmbRequest, _msg: FlushRequest) -> FlushResponse:
    """Answer once the data is on stable storage."""
    await rq.suspend(rq.open.file.flush())
    return FlushResponse()
