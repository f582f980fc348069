from __future__ import annotations

import asyncio

import pytest

from smbcore.client.charge import charge_of
from smbcore.client.connection import Channel, Connection
from smbcore.client.errors import BadReply, ConnectionLost
from smbcore.client.message import How, Request, Signature, checked
from smbcore.client.session import ClientSession
from smbcore.client.transport import connect_tcp
from smbcore.nt.status import NtError, Status
from smbcore.proto.framing import FrameReader
from smbcore.proto.sealing import Sealer, Unsealer
from smbcore.proto.signing import Signer
from smbcore.wire.echo import EchoRequest
from smbcore.wire.error import EMPTY_ERROR
from smbcore.wire.header import FLAG_ASYNC, FLAG_RELATED, FLAG_RESPONSE, FLAG_SIGNED, UNSOLICITED_MESSAGE_ID, Header
from smbcore.wire.oplock_break import OplockBreakNotification
from smbcore.wire.query_info import QueryInfoRequest
from smbcore.wire.read import ReadRequest
from smbcore.wire.write import WriteRequest

ECHO_REPLY = b"\x04\0\0\0"
KEY = bytes(range(16))


class Wire:
    """Takes what the client sends, and says what the test tells it to."""

    def __init__(self):
        self.reader = FrameReader(1 << 20)
        self.frames: list[bytes] = []
        self.closed = False

    def start(self, on_frame, on_lost):
        self.on_frame, self.on_lost = on_frame, on_lost

    def write(self, parts):
        self.frames += [bytes(frame) for frame in self.reader.feed(b"".join(parts))]

    def close(self):
        self.closed = True

    def say(self, body=ECHO_REPLY, **header):
        header.setdefault("command", 13)
        header["flags"] = header.get("flags", 0) | FLAG_RESPONSE
        header.setdefault("credits", 1)
        self.on_frame(memoryview(Header(**header).encode() + body))


@pytest.fixture
async def wire():
    return Wire()


@pytest.fixture
async def connection(wire):
    return Connection(wire)


def echo(**how):
    return Request(EchoRequest(), how=How(**how))


async def test_answers_find_their_requests_in_any_order(wire, connection):
    connection.credits = 3
    first, second, third = [(await connection.start(echo()))[0] for _ in range(3)]
    wire.say(message_id=2, credits=5)
    wire.say(message_id=0)
    assert (await third.response()).credits == 5
    assert (await first.response()).header.message_id == 0
    assert not second.final.done()
    assert connection.credits == 6


async def test_requests_wait_for_credits(wire, connection):
    await connection.start(echo())
    waiting = asyncio.ensure_future(connection.start(echo()))
    await asyncio.sleep(0)
    assert len(wire.frames) == 1
    wire.say(message_id=0, credits=1)
    await waiting
    assert len(wire.frames) == 2


async def test_waiting_for_credits_ends_in_time_and_with_the_connection(wire, connection):
    await connection.start(echo())
    with pytest.raises(TimeoutError):
        await connection.start(echo(timeout=0.01))
    waiting = asyncio.ensure_future(connection.start(echo()))
    await asyncio.sleep(0)
    connection.close()
    with pytest.raises(ConnectionLost):
        await waiting


async def test_header_is_what_it_is_told_to_be(wire, connection):
    how = How(credits=9, charge=3, message_id=77, flags=0x20000000, session_id=5, tree_id=6, channel_sequence=8)
    await connection.start(Request(b"body", 13, how=how))
    header = Header.decode(wire.frames[0])
    assert header == Header(13, 77, 3, 8, 9, 0x20000000, 0, 0, 0, 6, 5)
    assert wire.frames[0][64:] == b"body"
    assert connection.credits == 1


async def test_related_requests_are_linked_and_marked(wire, connection):
    connection.credits = 2
    await connection.start(echo(), echo(), related=True)
    (frame,) = wire.frames
    assert Header.decode(frame).next_command == 72
    assert Header.decode(frame[72:]).flags == FLAG_RELATED


async def test_interim_response_is_not_the_final_one(wire, connection):
    (pending,) = await connection.start(echo())
    wire.say(EMPTY_ERROR, message_id=0, status=Status.PENDING, flags=FLAG_ASYNC, async_id=9, credits=4)
    assert (await pending.pending()).credits == 4
    assert pending.async_id == 9
    assert not pending.final.done()
    await connection.cancel(pending)
    cancel = Header.decode(wire.frames[-1])
    assert (cancel.command, cancel.async_id, cancel.message_id) == (12, 9, 0)
    wire.say(EMPTY_ERROR, message_id=0, status=Status.CANCELLED, flags=FLAG_ASYNC, async_id=9, credits=0)
    assert (await pending.response()).status is Status.CANCELLED


async def test_waiting_for_an_interim_response_that_does_not_come(wire, connection):
    (pending,) = await connection.start(echo())
    wire.say(message_id=0)
    with pytest.raises(BadReply):
        await pending.pending()


async def test_break_notifications_go_to_their_queue(wire, connection):
    wire.say(OplockBreakNotification(1, b"f" * 16).encode(), command=0x12, message_id=UNSOLICITED_MESSAGE_ID)
    assert (await connection.breaks.get()).body.oplock_level == 1


@pytest.mark.parametrize("frame", [b"", b"rubbish", b"\xfdSMB", bytes(64), b"\xfeSMB" + bytes(100)])
async def test_rubbish_ends_the_connection_and_what_waits(wire, connection, frame):
    (pending,) = await connection.start(echo())
    wire.on_frame(memoryview(frame))
    with pytest.raises(BadReply):
        await pending.response()
    assert wire.closed
    assert connection.is_lost


@pytest.mark.parametrize(
    "header, body", [({"message_id": 5}, ECHO_REPLY), ({"message_id": 0}, b"\x05\0\0\0"), ({"message_id": 0}, b"")]
)
async def test_answers_nobody_asked_for_and_bodies_that_are_none(wire, connection, header, body):
    (pending,) = await connection.start(echo())
    wire.say(body, **header)
    with pytest.raises(BadReply):
        await pending.response()


async def test_lost_connection_fails_what_waits(wire, connection):
    (pending,) = await connection.start(echo())
    wire.on_lost(OSError("cable"))
    with pytest.raises(ConnectionLost):
        await pending.response()
    with pytest.raises(ConnectionLost):
        await connection.start(echo())
    await connection.wait_lost()


async def test_no_answer_is_a_timeout(connection):
    (pending,) = await connection.start(echo(timeout=0.01))
    with pytest.raises(TimeoutError):
        await pending.response()


def session_of(connection, *, sign=False, seal=False):
    session = ClientSession(7)
    session.sign = sign
    if seal:
        session.sealer, session.unsealer = Sealer(2, KEY, 7), Unsealer(2, bytes(16))
    connection.channels[7] = Channel(session, Signer(1, KEY))
    return session


@pytest.mark.parametrize("kind, sign, flagged, right", [
    (Signature.AUTO, False, False, False), (Signature.AUTO, True, True, True), (Signature.NEVER, True, False, False),
    (Signature.ALWAYS, False, True, True), (Signature.WRONG, True, True, False),
])  # fmt: skip
async def test_signatures_as_told(wire, connection, kind, sign, flagged, right):
    session = session_of(connection, sign=sign)
    await connection.start(Request(EchoRequest(), session=session, how=How(signature=kind)))
    (frame,) = wire.frames
    assert bool(Header.decode(frame).flags & FLAG_SIGNED) == flagged
    assert Signer(1, KEY).verify(memoryview(frame), from_server=False) == right


async def test_wrong_signature_of_an_answer(wire, connection):
    session = session_of(connection, sign=True)
    (pending,) = await connection.start(Request(EchoRequest(), session=session))
    wire.say(message_id=0, session_id=7, flags=FLAG_SIGNED, signature=b"x" * 16)
    with pytest.raises(BadReply):
        await pending.response()


async def test_right_signature_is_noted(wire, connection):
    session = session_of(connection, sign=True)
    (pending,) = await connection.start(Request(EchoRequest(), session=session))
    message = bytearray(Header(13, 0, flags=FLAG_RESPONSE, session_id=7).encode() + ECHO_REPLY)
    Signer(1, KEY).sign(message, is_server=True)
    wire.on_frame(memoryview(bytes(message)))
    response = await pending.response()
    assert response.verified
    assert checked(response) is response


async def test_sealed_both_ways(wire, connection):
    session = session_of(connection, seal=True)
    (pending,) = await connection.start(Request(EchoRequest(), session=session, seal=True))
    assert Header.decode(Unsealer(2, KEY).open(memoryview(wire.frames[0]))).command == 13
    reply = Header(13, 0, flags=FLAG_RESPONSE, session_id=7).encode() + ECHO_REPLY
    wire.on_frame(memoryview(Sealer(2, bytes(16), 7).seal([reply])))
    assert (await pending.response()).sealed


async def test_failures_name_status_and_command(wire, connection):
    (pending,) = await connection.start(echo())
    wire.say(EMPTY_ERROR, message_id=0, status=Status.SHARING_VIOLATION)
    response = await pending.response()
    with pytest.raises(NtError, match="ECHO answered SHARING_VIOLATION"):
        response.expect()
    assert response.expect(Status.SHARING_VIOLATION) is response


@pytest.mark.parametrize("body, charge", [
    (EchoRequest(), 1), (ReadRequest(bytes(16), 0, 65536), 1), (ReadRequest(bytes(16), 0, 65537), 2),
    (WriteRequest(bytes(16), 0, bytes(200_000)), 4), (QueryInfoRequest(1, 4, bytes(16), 70_000), 2), (b"raw", 1),
])  # fmt: skip
def test_charges(body, charge):
    assert charge_of(body) == charge


async def test_tcp_delivers_frames_and_the_end():
    async def serve(reader, writer):
        assert await reader.readexactly(5) == b"hello"
        big = bytes(200_000)
        writer.write(b"\0\0\0\3one" + len(big).to_bytes(4, "big") + big + b"\0\0\0\5three")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    transport = await connect_tcp(*server.sockets[0].getsockname()[:2])
    frames, lost = [], asyncio.get_running_loop().create_future()
    transport.start(frames.append, lost.set_result)
    transport.write([b"he", b"llo"])
    async with asyncio.timeout(10):
        assert await lost is None
    assert [bytes(frame) for frame in frames] == [b"one", bytes(200_000), b"three"]
    transport.close()
    server.close()


async def test_tcp_ends_where_frames_are_none():
    async def serve(_reader, writer):
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    transport = await connect_tcp(*server.sockets[0].getsockname()[:2])
    lost = asyncio.get_running_loop().create_future()
    transport.start(lambda _frame: None, lost.set_result)
    async with asyncio.timeout(10):
        await lost
    server.close()
