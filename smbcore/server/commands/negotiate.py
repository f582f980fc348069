"""Receiving an SMB2 NEGOTIATE Request  [MS-SMB2 3.3.5.4]."""

from __future__ import annotations

from smbcore.crypto.preauth import PreauthHash
from smbcore.nt.status import NtError, Status
from smbcore.proto.errors import ProtocolViolation
from smbcore.proto.keys import DIALECT_210, DIALECT_311
from smbcore.server import negotiation
from smbcore.server.request import SmbRequest
from smbcore.wire.header import FLAG_SIGNED
from smbcore.wire.negotiate import Dialect, NegotiateRequest, NegotiateResponse
from smbcore.wire.negotiate_contexts import NegotiateContext


async def negotiate(rq: SmbRequest, msg: NegotiateRequest) -> NegotiateResponse:
    """Settle the connection. A second NEGOTIATE drops it; NOT_SUPPORTED and INVALID_PARAMETER as specified."""
    connection = rq.connection
    if connection.dialect not in (0, Dialect.WILDCARD):
        raise ProtocolViolation("NEGOTIATE on a negotiated connection")
    if rq.flags & FLAG_SIGNED:
        raise NtError(Status.INVALID_PARAMETER, "NEGOTIATE is signed")
    if not msg.dialects:
        raise NtError(Status.INVALID_PARAMETER, "no dialects")
    dialect = negotiation.choose_dialect(msg.dialects, rq.server.config)
    connection.client_security_mode = msg.security_mode
    connection.client_capabilities = msg.capabilities
    if dialect >= DIALECT_210:
        connection.client_guid = bytes(msg.client_guid)
    connection.negotiated_dialects = tuple(msg.dialects)
    connection.negotiated_guid = bytes(msg.client_guid)
    contexts: list[NegotiateContext] = []
    if dialect == DIALECT_311:
        contexts = negotiation.negotiate_contexts(connection, msg.contexts)
        _start_preauth(rq)
    negotiation.settle(connection, dialect, msg.capabilities)
    return negotiation.response(connection, dialect, contexts)


def _start_preauth(rq: SmbRequest) -> None:
    """Hash the request now and the response as it leaves."""
    preauth = rq.connection.preauth = PreauthHash()
    preauth.update(rq.view)
    rq.on_reply = preauth.update
