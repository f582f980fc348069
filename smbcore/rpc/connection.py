"""One client's association on a pipe: reassembly, negotiation, dispatch  [MS-RPCE 3.3.3].

Sans-IO: `receive` takes whatever bytes were written and yields the packets to be
read. What a client does wrong inside a call is answered by a fault; what breaks the
packet stream itself raises WireError, after which the association is of no more use.
Memory is bounded by MAX_FRAGMENT (input), MAX_REQUEST (reassembly) and the services'
own limits on what they return.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from smbcore.nt.errors import WireError
from smbcore.rpc import pdu
from smbcore.rpc.context import PipeContext
from smbcore.rpc.ndr import NdrReader
from smbcore.rpc.pdu import ContextResult, FaultCode, NakReason, PacketHeader, PacketType, PresentationContext
from smbcore.rpc.service import Call, HandleTable, RpcFault, Service

log = logging.getLogger(__name__)

MAX_FRAGMENT: Final = 4280
"""Largest fragment we take and send; what Windows uses on named pipes."""
MIN_FRAGMENT: Final = 1432
"""Every implementation must take fragments of this size  [C706 12.6.3.1]."""
MAX_REQUEST: Final = 256 * 1024
MAX_CONTEXTS: Final = 64
_ALL: Final = pdu.FIRST_FRAGMENT | pdu.LAST_FRAGMENT
_KEEP_ON_ORPHAN: Final = 0x2
_REFUSED: Final = 2
_NEGOTIATED: Final = 3
_GROUP: Final = 0x0000_53F0
"""Association group we name when the client asks for a new one; handles are never shared."""


@dataclass(slots=True)
class _Partial:
    """A request of which not all fragments have come."""

    call_id: int
    context_id: int
    opnum: int
    stub: bytearray = field(default_factory=bytearray)


class RpcConnection:
    """The server side of an association; owned by its pipe."""

    __slots__ = (
        "_bound",
        "_contexts",
        "_data",
        "_handles",
        "_max_send",
        "_partial",
        "_services",
        "context",
        "pipe_name",
    )

    def __init__(self, pipe_name: str, services: Sequence[Service], context: PipeContext) -> None:
        self.pipe_name = pipe_name
        self.context = context
        self._services = services
        self._handles = HandleTable()
        self._contexts: dict[int, Service] = {}
        self._data = bytearray()
        self._partial: _Partial | None = None
        self._max_send = MAX_FRAGMENT
        self._bound = False

    @property
    def buffered(self) -> int:
        """Bytes held for packets and requests that are not complete."""
        return len(self._data) + (len(self._partial.stub) if self._partial else 0)

    def receive(self, data: bytes | bytearray | memoryview) -> Iterator[bytes]:
        """Take bytes from the client; yield packets for it as they are made. Raises WireError."""
        view = memoryview(data)
        while True:
            # take no more than one fragment at a time, so the buffer stays small
            room = MAX_FRAGMENT - len(self._data)
            self._data += view[:room]
            view = view[room:]
            replies = self._next_packet()
            if replies is not None:
                yield from replies
            elif not view:
                return

    def _next_packet(self) -> list[bytes] | None:
        """Return the replies to the next whole packet; None if there is none."""
        if len(self._data) < pdu.HEADER_SIZE:
            return None
        header = PacketHeader.decode(self._data)
        if header.length > MAX_FRAGMENT:
            msg = f"fragment of {header.length} bytes"
            raise WireError(msg)
        if len(self._data) < header.length:
            return None
        packet = memoryview(bytes(self._data[: header.length]))
        del self._data[: header.length]
        return self._packet(header, packet[pdu.HEADER_SIZE :])

    def _packet(self, header: PacketHeader, body: memoryview) -> list[bytes]:
        if header.type in (PacketType.BIND, PacketType.ALTER_CONTEXT):
            return [self._bind(header, body)]
        if not self._bound:
            msg = f"packet type {header.type} before bind"
            raise WireError(msg)
        if header.type == PacketType.REQUEST:
            return self._request(header, body)
        if header.type == PacketType.ORPHANED:
            if self._partial and self._partial.call_id == header.call_id:
                self._partial = None
            return []
        if header.type == PacketType.CANCEL:
            return []  # calls are carried out at once: there is nothing left to cancel
        msg = f"packet type {header.type} from a client"
        raise WireError(msg)

    # -- negotiation ------------------------------------------------------------------

    def _bind(self, header: PacketHeader, body: memoryview) -> bytes:
        alter = header.type == PacketType.ALTER_CONTEXT
        if alter != self._bound or header.flags & _ALL != _ALL:
            msg = "bind twice, alter_context first, or in fragments"
            raise WireError(msg)
        if header.auth_length:
            # the session below is already authenticated, signed or sealed
            log.debug("bind on %s refused: it asks for RPC authentication", self.pipe_name)
            return pdu.bind_nak(header.call_id, NakReason.AUTHENTICATION_TYPE)
        bind = pdu.Bind.decode(body)
        if not bind.contexts or len(bind.contexts) + len(self._contexts) > MAX_CONTEXTS:
            return pdu.bind_nak(header.call_id, NakReason.LOCAL_LIMIT_EXCEEDED)
        results = [self._negotiate(proposal) for proposal in bind.contexts]
        if alter:
            kind, address = PacketType.ALTER_CONTEXT_RESPONSE, ""
        else:
            kind, address = PacketType.BIND_ACK, f"\\PIPE\\{self.pipe_name}"
            self._bound = True
            self._max_send = max(MIN_FRAGMENT, min(MAX_FRAGMENT, bind.max_receive))
        limits = (self._max_send, MAX_FRAGMENT, bind.group or _GROUP)
        return pdu.bind_ack(kind, header.call_id, limits, address, results)

    def _negotiate(self, proposal: PresentationContext) -> ContextResult:
        """Answer one presentation context  [MS-RPCE 3.3.1.5.3, 3.3.1.5.6]."""
        first = proposal.transfers[0] if proposal.transfers else pdu.NO_SYNTAX
        if first.uuid[:8] == pdu.FEATURES_PREFIX:
            return ContextResult(_NEGOTIATED, first.uuid[8] & _KEEP_ON_ORPHAN)
        service = self._find(proposal)
        if service is None:
            return ContextResult(_REFUSED, 1)
        if pdu.NDR not in proposal.transfers:
            return ContextResult(_REFUSED, 2)
        self._contexts[proposal.id] = service
        return ContextResult(0, 0, pdu.NDR)

    def _find(self, proposal: PresentationContext) -> Service | None:
        wanted = proposal.interface
        for service in self._services:
            own = service.interface
            if own.uuid == wanted.uuid and own.major == wanted.major and own.version >= wanted.version:
                return service
        return None

    # -- calls --------------------------------------------------------------------------

    def _request(self, header: PacketHeader, body: memoryview) -> list[bytes]:
        if header.auth_length:
            msg = "request with a verifier on an association without security"
            raise WireError(msg)
        request = pdu.Request.decode(body, header.flags)
        partial = self._partial
        if header.flags & pdu.FIRST_FRAGMENT:
            if partial is not None:
                msg = "a new request inside another"
                raise WireError(msg)
            partial = _Partial(header.call_id, request.context_id, request.opnum)
        elif partial is None or (partial.call_id, partial.opnum) != (header.call_id, request.opnum):
            msg = "fragment of no request"
            raise WireError(msg)
        if len(partial.stub) + len(request.stub) > MAX_REQUEST:
            msg = f"request of more than {MAX_REQUEST} bytes"
            raise WireError(msg)
        partial.stub += request.stub
        if not header.flags & pdu.LAST_FRAGMENT:
            self._partial = partial
            return []
        self._partial = None
        return self._carry_out(partial)

    def _carry_out(self, request: _Partial) -> list[bytes]:
        service = self._contexts.get(request.context_id)
        try:
            if service is None:
                raise RpcFault(FaultCode.UNKNOWN_INTERFACE, "no such presentation context")
            call = Call(self.context, self._handles, NdrReader(request.stub))
            stub = service.carry_out(request.opnum, call)
        except RpcFault as error:
            log.debug("%s operation %d: %s", self.pipe_name, request.opnum, error)
            return [pdu.fault(request.call_id, request.context_id, error.status)]
        return pdu.response(request.call_id, request.context_id, stub, self._max_send)
