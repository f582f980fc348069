"""Receiving an SMB2 ECHO Request  [MS-SMB2 3.3.5.17]."""

from __future__ import annotations

from typing import Final

from smbcore.server.request import SmbRequest
from smbcore.wire.echo import EchoRequest, EchoResponse

_REPLY: Final = EchoResponse().encode()


async def echo(_rq: SmbRequest, _msg: EchoRequest) -> bytes:
    """Answer."""
    return _REPLY
