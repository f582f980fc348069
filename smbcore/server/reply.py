"""Building and sending replies: header, credits, signature, encryption, compounds  [MS-SMB2 3.3.4.1]."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from smbcore.fsa.api import FileRange
from smbcore.nt.status import Status
from smbcore.proto.compound import link
from smbcore.proto.framing import frame_header
from smbcore.server.replies import FRAME_HEADER, HEADROOM, READ_HEAD, Payload
from smbcore.wire.error import EMPTY_ERROR
from smbcore.wire.header import (
    FLAG_ASYNC,
    FLAG_PRIORITY_MASK,
    FLAG_RELATED,
    FLAG_REPLAY,
    FLAG_SIGNED,
    HEADER_SIZE,
    pack_response_into,
)
from smbcore.wire.read import ReadResponse

if TYPE_CHECKING:
    from smbcore.proto.signing import Signer
    from smbcore.server.chain import Chain
    from smbcore.server.connection import SmbConnection
    from smbcore.server.request import SmbRequest

_KEPT_FLAGS: Final = FLAG_RELATED | FLAG_REPLAY | FLAG_PRIORITY_MASK
_MESSAGE = HEADROOM - READ_HEAD - HEADER_SIZE
_RANGE_HEAD = FRAME_HEADER + HEADER_SIZE + READ_HEAD
_PADDING: Final = 8
_LARGEST_FRAME: Final = 0xFFFFFF - 1024
"""A frame's length has 24 bits; room is left for the transform header and padding."""


def send(rq: SmbRequest, status: Status, answer: Any) -> None:
    """Send the (final) reply of `rq`, or add it to the replies of its chain."""
    connection = rq.connection
    if connection.closed:
        return
    if type(answer) is Payload:
        if rq.chain is None:
            _send_payload(rq, status, answer)
            return
        data = bytes(answer.room(answer.length))
        connection.server.pool.give(answer.buffer)
        body = ReadResponse.encode_head(len(data)) + data
    elif type(answer) is FileRange:
        _send_range(rq, status, answer)
        return
    else:
        body = answer if type(answer) is bytes else answer.encode()
    if rq.chain is None:
        _send_single(rq, status, body)
        return
    message = bytearray(HEADER_SIZE + len(body))
    message[HEADER_SIZE:] = body
    _pack_header(rq, status, message)
    _collect(rq.chain, message, _signer(rq))
    if rq.on_reply is not None:
        rq.on_reply(message)


def _collect(chain: Chain, message: bytearray, signer: Signer | None) -> None:
    """Add a reply to its chain; what was collected before leaves first where one frame cannot hold both.

    The server may compound replies, but need not  [MS-SMB2 3.3.4.1.3].
    """
    if sum(len(reply) + _PADDING for reply, _ in chain.replies) + len(message) > _LARGEST_FRAME:
        send_chain(chain.connection, chain)
    chain.replies.append((message, signer))
    chain.answered += len(message)


def _send_single(rq: SmbRequest, status: Status, body: bytes) -> None:
    """Send the reply of a request that came alone: frame header and message in one buffer, signed there."""
    size = HEADER_SIZE + len(body)
    frame = bytearray(FRAME_HEADER + size)
    frame[:FRAME_HEADER] = frame_header(size)
    frame[FRAME_HEADER + HEADER_SIZE :] = body
    _pack_header(rq, status, frame, FRAME_HEADER)
    parts: tuple[bytes | bytearray, ...] = (frame,)
    signer = _signer(rq)
    if signer is not None or rq.sealed is not None or rq.on_reply is not None:
        message = memoryview(frame)[FRAME_HEADER:]
        if signer is not None:
            signer.sign(message, is_server=True)
        if rq.on_reply is not None:
            rq.on_reply(message)
        if rq.sealed is not None:
            sealed = rq.sealed.seal((message,))
            parts = (frame_header(len(sealed)), sealed)
    rq.connection.transport.write(parts)


def send_interim(rq: SmbRequest) -> None:
    """Tell the client that `rq` takes long  [MS-SMB2 3.3.4.2]. All its credits go with this message, except those of a
    large one: it holds as much memory as they stand for, so all but one follow with the final response.

    In a compound only a member may say so that the one after it does not relate to; it leaves the compound, and the
    replies so far leave with it unless it was the last.
    It is not signed: clients do not verify it, and the final response has the same message id, from which AES-GMAC
    makes its nonce; two different messages under one nonce would give away the key  [MS-SMB2 3.1.4.1, 3.2.5.1.3].
    """
    connection = rq.connection
    chain = rq.chain
    if connection.closed or rq.interim or (chain is not None and chain.is_needed):
        return
    connection.register_async(rq)
    rq.interim = True
    message = bytearray(HEADER_SIZE + len(EMPTY_ERROR))
    message[HEADER_SIZE:] = EMPTY_ERROR
    granted = rq.granted
    rq.granted = granted if rq.charge <= 1 else min(granted, 1)
    _pack_header(rq, Status.PENDING, message)
    rq.granted = granted - rq.granted
    if chain is not None:
        rq.chain = None
        chain.busy = False
        _collect(chain, message, None)
        if not chain.at_end:  # those behind it may take longer than it does, and its answer must not come before
            send_chain(connection, chain)
        connection.resume(chain)
        return
    if rq.sealed is not None:
        message = rq.sealed.seal((message,))
    connection.transport.write((frame_header(len(message)), message))


def send_chain(connection: SmbConnection, chain: Chain) -> None:
    """Send the collected replies of a compound as one frame, each signed with its padding, or sealed as a whole."""
    replies, chain.replies = chain.replies, []
    if connection.closed or not replies:
        return
    messages = [message for message, _ in replies]
    link(messages)
    if chain.sealed is not None:
        messages = [chain.sealed.seal(messages)]
    else:
        for message, signer in replies:
            if signer is not None:
                signer.sign(message, is_server=True)
    connection.transport.write((frame_header(sum(map(len, messages))), *messages))


def _pack_header(rq: SmbRequest, status: Status, message: bytearray | memoryview, offset: int = 0) -> None:
    flags = rq.flags & _KEPT_FLAGS
    if rq.interim:
        flags |= FLAG_ASYNC
        tail = rq.async_id
    else:
        tail = rq.process_id | rq.tree_id << 32
    if rq.task is not None:
        rq.connection.window.open(rq.granted)
    pack_response_into(
        message, offset, credit_charge=rq.charge, status=status, command=rq.command, credits=rq.granted, flags=flags,
        next_command=0, message_id=rq.message_id, tail64=tail, session_id=rq.session_id,
    )  # fmt: skip


def _signer(rq: SmbRequest) -> Signer | None:
    """Return what signs the reply: only if the request was signed or the session demands it, never if it was sealed."""
    channel = rq.channel
    if rq.sealed is not None:
        return None
    if channel is None:
        return rq.reply_signer
    if rq.flags & FLAG_SIGNED or channel.session.signing_required:
        return channel.signer
    return None


def takes_range(rq: SmbRequest) -> bool:
    """Tell whether the reply of `rq` may be a FileRange: nobody has to see the bytes that are sent."""
    return rq.sealed is None and rq.chain is None and rq.connection.transport.sends_ranges and _signer(rq) is None


def _send_range(rq: SmbRequest, status: Status, source: FileRange) -> None:
    """Send a READ response whose data goes from the file to the peer without passing through here."""
    head = bytearray(_RANGE_HEAD)
    head[:FRAME_HEADER] = frame_header(HEADER_SIZE + READ_HEAD + source.length)
    _pack_header(rq, status, head, FRAME_HEADER)
    head[FRAME_HEADER + HEADER_SIZE :] = ReadResponse.encode_head(source.length)
    rq.connection.transport.write_range(head, source)


def _send_payload(rq: SmbRequest, status: Status, payload: Payload) -> None:
    """Put the headers before data that was read in place, sign or seal it there, and send it without a copy."""
    buffer, length = payload.buffer, HEADER_SIZE + READ_HEAD + payload.length
    view = memoryview(buffer)[_MESSAGE : _MESSAGE + length]
    _pack_header(rq, status, view)
    view[HEADER_SIZE : HEADER_SIZE + READ_HEAD] = ReadResponse.encode_head(payload.length)
    if rq.sealed is not None:
        view = rq.sealed.seal_in_place(buffer, _MESSAGE, length)
    else:
        signer = _signer(rq)
        if signer is not None:
            signer.sign(view, is_server=True)
    rq.connection.transport.write((frame_header(len(view)), view), buffer)
