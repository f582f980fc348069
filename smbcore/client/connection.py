"""One connection of a client: message ids and credits, what waits for an answer, what was negotiated.

The connection sends exactly what a `Request` says. Answers find their request by message id; break notifications go to
a queue of their own. Nothing is retried, nothing is hidden: that is for the layers above.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from smbcore.client.charge import charge_of
from smbcore.client.errors import BadReply, ConnectionLost
from smbcore.client.message import (
    DEFAULT,
    How,
    Pending,
    Request,
    Response,
    Signature,
    decode_body,
    decode_notification,
)
from smbcore.client.negotiated import Negotiated
from smbcore.crypto.preauth import PreauthHash
from smbcore.nt.errors import WireError
from smbcore.nt.guid import new_guid
from smbcore.nt.status import Status
from smbcore.proto.compound import link, split
from smbcore.proto.errors import ProtocolViolation
from smbcore.proto.framing import frame_header
from smbcore.proto.keys import DIALECT_311
from smbcore.proto.sealing import transform_session_id
from smbcore.proto.signing import Signer
from smbcore.wire.cancel import CancelRequest
from smbcore.wire.header import (
    FLAG_ASYNC,
    FLAG_RELATED,
    FLAG_SIGNED,
    PROTOCOL_ID,
    SIGNATURE_OFFSET,
    UNSOLICITED_MESSAGE_ID,
    Header,
    Opcode,
)
from smbcore.wire.transform import TRANSFORM_PROTOCOL_ID

if TYPE_CHECKING:
    from smbcore.client.session import ClientSession
    from smbcore.client.transport import Buffer, Transport

_UNNUMBERED: Final = (Opcode.CANCEL,)


@dataclass(slots=True)
class Channel:
    """What one connection keeps of a session: the session, and the key it signs with here."""

    session: ClientSession
    signer: Signer | None


class Connection:
    """A connection to a server, from its first byte to its last.

    negotiated  None until `negotiate` succeeded
    preauth     hash of the NEGOTIATE exchange (3.1.1)
    credits     message ids that may be used now;  next_message_id  the next one
    breaks      oplock and lease break notifications, and the server's others, as responses
    channels    session id -> channel
    """

    def __init__(self, transport: Transport, client_guid: bytes | None = None) -> None:
        self.client_guid = new_guid() if client_guid is None else client_guid
        self.negotiated: Negotiated | None = None
        self.preauth = PreauthHash()
        self.credits = 1
        self.next_message_id = 0
        self.breaks: asyncio.Queue[Response] = asyncio.Queue()
        self.channels: dict[int, Channel] = {}
        self.lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self._transport = transport
        self._pending: dict[int, Pending] = {}
        self._more_credits = asyncio.Event()
        transport.start(self._receive, self._ended)

    # -- what was negotiated --

    @property
    def dialect(self) -> int:
        """The dialect, 0 until negotiated."""
        return self.negotiated.dialect if self.negotiated else 0

    # -- sending --

    async def call(self, request: Request) -> Response:
        """Send a request and wait for its final response.  Raises TimeoutError, ConnectionLost, BadReply."""
        (pending,) = await self.start(request)
        return await pending.response()

    async def compound(self, *requests: Request, related: bool = True) -> list[Response]:
        """Send requests in one frame and wait for all final responses."""
        return [await pending.response() for pending in await self.start(*requests, related=related)]

    async def start(self, *requests: Request, related: bool = False) -> list[Pending]:
        """Send requests as one frame and return what waits for their answers.

        related  the second and following ones take their ids from the one before
        """
        charges = [self._charge(request) for request in requests]
        numbered = [request.how.message_id is None and request.opcode not in _UNNUMBERED for request in requests]
        needed = sum(max(charge, 1) for charge, counts in zip(charges, numbered, strict=True) if counts)
        await self._reserve(needed, requests[0].how.timeout)
        messages, sent = [], []
        for index, (request, charge, counts) in enumerate(zip(requests, charges, numbered, strict=True)):
            message_id = self._take(charge) if counts else request.how.message_id or 0
            message = self._build(request, message_id, charge, FLAG_RELATED if related and index else 0)
            messages.append(message)
            sent.append(Pending(request, message_id, charge, _session_id(request), b""))
        link(messages)
        for request, message in zip(requests, messages, strict=True):
            self._sign(request, message)
        for pending, message in zip(sent, messages, strict=True):
            pending.sent = bytes(message)
            if pending.request.opcode != Opcode.CANCEL:
                self._await(pending)
        self._write(requests[0], messages)
        return sent

    async def cancel(self, pending: Pending, how: How = DEFAULT) -> None:
        """Cancel a request: by AsyncId once it has an interim response, by MessageId before. No answer will come."""
        if self.lost.done():
            raise ConnectionLost("the connection has ended")
        original = pending.request
        request = Request(CancelRequest(), Opcode.CANCEL, original.session, seal=original.seal, how=how)
        message_id = pending.message_id if how.message_id is None else how.message_id
        message = self._build(request, message_id, 0, FLAG_ASYNC if pending.async_id else 0, pending.async_id)
        self._sign(request, message)
        self._write(request, [message])

    def send_bytes(self, data: Buffer, *, framed: bool = True) -> None:
        """Send arbitrary bytes; `framed` puts their length before them."""
        self._transport.write((frame_header(len(data)), data) if framed else (data,))

    def expect_answer(self, message_id: int, how: How = DEFAULT) -> Pending:
        """Wait for the answer to a message that `send_bytes` sent."""
        pending = Pending(Request(b"", 0, how=how), message_id, 1, 0, b"")
        self._await(pending)
        return pending

    def _charge(self, request: Request) -> int:
        if request.how.charge is not None:
            return request.how.charge
        if self.negotiated is None:
            return 1
        return charge_of(request.body) if self.negotiated.multi_credit else 0

    async def _reserve(self, count: int, timeout: float) -> None:  # noqa: ASYNC109 - of `How`
        async with asyncio.timeout(timeout):
            while self.credits < count and not self.lost.done():
                self._more_credits.clear()
                await self._more_credits.wait()
        if self.lost.done():
            raise ConnectionLost("the connection has ended")

    def _take(self, charge: int) -> int:
        message_id, count = self.next_message_id, max(charge, 1)
        self.next_message_id += count
        self.credits -= count
        return message_id

    def _build(self, request: Request, message_id: int, charge: int, flags: int, async_id: int = 0) -> bytearray:
        how = request.how
        header = Header(
            command=request.opcode,
            message_id=message_id,
            credit_charge=charge,
            status=how.channel_sequence,
            credits=how.credits,
            flags=flags | how.flags,
            async_id=async_id,
            tree_id=request.tree_id if how.tree_id is None else how.tree_id,
            session_id=_session_id(request),
        )
        return bytearray(header.encode() + request.encode())

    def _signer(self, request: Request) -> Signer | None:
        channel = self.channels.get(_session_id(request))
        if request.session is not None and request.session.binding_signer is not None:
            return request.session.binding_signer
        return channel.signer if channel is not None else None

    def _sign(self, request: Request, message: bytearray) -> None:
        kind, signer = request.how.signature, self._signer(request)
        if kind is Signature.NEVER or signer is None:
            return
        if kind is Signature.AUTO and (self._seals(request) or not self._wants_signature(request)):
            return
        signer.sign(message, is_server=False)
        if kind is Signature.WRONG:
            message[SIGNATURE_OFFSET] ^= 1

    def _wants_signature(self, request: Request) -> bool:
        """Whether the session signs everything, or this is a TREE_CONNECT of 3.1.1  [MS-SMB2 3.2.4.1.1]."""
        session = request.session
        if session is None:
            return False
        return session.sign or (request.opcode == Opcode.TREE_CONNECT and self.dialect == DIALECT_311)

    def _seals(self, request: Request) -> bool:
        if request.how.seal is not None:
            return request.how.seal
        session = request.session
        return session is not None and session.sealer is not None and (request.seal or session.encrypt)

    def _write(self, request: Request, messages: Sequence[bytearray]) -> None:
        session = request.session
        if self._seals(request):
            if session is None or session.sealer is None:
                raise ValueError("no keys to seal with")
            messages = [session.sealer.seal(messages)]
        self._transport.write((frame_header(sum(map(len, messages))), *messages))

    def _await(self, pending: Pending) -> None:
        pending.final.add_done_callback(_retrieve)
        pending.interim.add_done_callback(_retrieve)
        self._pending[pending.message_id] = pending

    # -- receiving --

    def _receive(self, frame: memoryview) -> None:
        try:
            self._receive_frame(frame)
        except (ProtocolViolation, WireError, BadReply) as error:
            self._fail(BadReply(str(error)))

    def _receive_frame(self, frame: memoryview) -> None:
        sealed = bytes(frame[:4]) == TRANSFORM_PROTOCOL_ID
        if sealed:
            session_id = transform_session_id(frame)
            channel = self.channels.get(session_id)
            if channel is None or channel.session.unsealer is None:
                raise BadReply(f"sealed for session {session_id:#x}, which has no keys here")
            frame = memoryview(bytes(channel.session.unsealer.open(frame)))  # responses outlive the next frame
        if bytes(frame[:4]) != PROTOCOL_ID:
            raise BadReply(f"protocol id {bytes(frame[:4]).hex()}")
        members = split(frame)
        for member in members:
            self._receive_message(member, sealed)

    def _receive_message(self, message: memoryview, sealed: bool) -> None:
        header = Header.decode(message)
        if header.message_id == UNSOLICITED_MESSAGE_ID:
            self.breaks.put_nowait(Response(header, message, decode_notification(header, message), sealed))
            return
        pending = self._pending.get(header.message_id)
        if pending is None:
            raise BadReply(f"answer to message id {header.message_id}, which nobody sent")
        self.credits += header.credits
        self._more_credits.set()
        response = Response(header, message, decode_body(header, message), sealed, session=pending.request.session)
        error = self._verify(response)
        if header.status == Status.PENDING and header.flags & FLAG_ASYNC and not pending.interim.done():
            pending.interim.set_result(response)
            return
        del self._pending[header.message_id]
        if pending.final.done():
            return
        if error is not None:
            pending.final.set_exception(error)
        else:
            pending.final.set_result(response)

    def _verify(self, response: Response) -> BadReply | None:
        header = response.header
        channel = self.channels.get(header.session_id)
        if response.sealed or not header.flags & FLAG_SIGNED or channel is None or channel.signer is None:
            return None
        response.verified = channel.signer.verify(response.message, from_server=True)
        return None if response.verified else BadReply(f"wrong signature of the answer to {header.message_id}")

    # -- the end --

    @property
    def is_lost(self) -> bool:
        """Whether the connection has ended."""
        return self.lost.done()

    async def wait_lost(self, timeout: float = 20.0) -> None:  # noqa: ASYNC109
        """Wait until the connection has ended.  Raises TimeoutError."""
        async with asyncio.timeout(timeout):
            await asyncio.shield(self.lost)

    def close(self) -> None:
        """End the connection. Idempotent."""
        self._transport.close()
        self._ended(None)

    def _fail(self, error: Exception) -> None:
        self._transport.close()
        self._ended(error)

    def _ended(self, error: Exception | None) -> None:
        if self.lost.done():
            return
        self.lost.set_result(error)
        self._more_credits.set()
        pending, self._pending = list(self._pending.values()), {}
        reason = error if isinstance(error, BadReply) else ConnectionLost(str(error) if error else "connection closed")
        for waiting in pending:
            if not waiting.final.done():
                waiting.final.set_exception(reason)


def _session_id(request: Request) -> int:
    if request.how.session_id is not None:
        return request.how.session_id
    return request.session.session_id if request.session is not None else 0


def _retrieve(future: asyncio.Future[Response]) -> None:
    """Take note of a failure, so that one nobody awaits is not reported as lost."""
    if not future.cancelled():
        future.exception()
