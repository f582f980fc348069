"""What no honest client sends: an error status or a drop, and the server lives  [MS-SMB2 3.3.5.2]"""

from __future__ import annotations

import struct

import pytest

from smbcore.client.message import How
from smbcore.client.raw import RawClient
from smbcore.nt.status import Status
from smbcore.server.config import Limits
from smbcore.wire.header import FLAG_RESPONSE, Header, Opcode
from tests.protocol.steps import ANY, lives, opened, turn

BODY_SIZES = {
    Opcode.SESSION_SETUP: 25, Opcode.LOGOFF: 4, Opcode.TREE_CONNECT: 9, Opcode.TREE_DISCONNECT: 4, Opcode.CREATE: 57,
    Opcode.CLOSE: 24, Opcode.FLUSH: 24, Opcode.READ: 49, Opcode.WRITE: 49, Opcode.LOCK: 48, Opcode.IOCTL: 57,
    Opcode.ECHO: 4, Opcode.QUERY_DIRECTORY: 33, Opcode.CHANGE_NOTIFY: 32, Opcode.QUERY_INFO: 41, Opcode.SET_INFO: 33,
    Opcode.OPLOCK_BREAK: 24,
}  # fmt: skip
ENDING = {Opcode.SESSION_SETUP, Opcode.LOGOFF, Opcode.TREE_DISCONNECT}  # what may end the session or the tree
BAD = (Status.INVALID_PARAMETER, Status.LOGON_FAILURE)


async def dropped(server, data, *, framed=True, before=None):
    raw = before or RawClient(server.connection())
    raw.connection.send_bytes(data, framed=framed)
    await raw.connection.wait_lost()
    await lives(server)


@pytest.mark.parametrize("data", [
    b"", b"\xfe", b"\xfeSMB", b"\xfeSMB" + bytes(59), b"\xfeSMB" + bytes(60), b"GET / HTTP/1.1\r\n\r\n", bytes(64), b"\xff" * 200,
    b"\xfdSMB" + bytes(48), b"\xfcSMB" + bytes(60), b"\xffSMB", b"\xffSMBr" + bytes(27), b"\xffSMBr" + bytes(28) + b"\xff\xff",
])  # fmt: skip
async def test_first_frames_that_are_nothing(server, data):
    await dropped(server, data)


@pytest.mark.parametrize("data", [
    b"\x81\0\0\x44" + bytes(68), b"\x85\0\0\0", b"\0\xff\xff\xff", b"\0\x02\0\x01", b"\x01\0\0\0", b"SSH-2.0-OpenSSH\r\n",
])  # fmt: skip
async def test_frame_headers_that_are_none(server, data):
    await dropped(server, data, framed=False)


async def test_large_frames_are_for_those_who_signed_in(make):
    server = make(limits=Limits(frame_before_sign_in=4096))
    await dropped(server, bytes(4097))
    raw = await server.tree()
    file_id = await opened(raw)
    await raw.echo(How(credits=100))
    (await raw.write(file_id, 0, bytes(1 << 20))).expect()


@pytest.mark.parametrize("field, value", [
    ("<H", 63), ("<H", 65), ("<H", 0),
])  # fmt: skip
async def test_header_of_another_size(server, field, value):
    raw = await server.tree()
    message = bytearray(Header(command=13, message_id=raw.connection.next_message_id).encode() + b"\x04\0\0\0")
    struct.pack_into(field, message, 4, value)
    await dropped(server, message, before=raw)


async def test_response_from_a_client(server):
    raw = await server.tree()
    header = Header(command=13, message_id=raw.connection.next_message_id, flags=FLAG_RESPONSE)
    await dropped(server, header.encode() + b"\x04\0\0\0", before=raw)


@pytest.mark.parametrize("command", [0x13, 0x14, 0xFF, 0xFFFF])
async def test_unknown_commands(server, command):
    """smb2.compound.invalid4, against [MS-SMB2 3.3.5.2.6]"""
    raw = await server.tree()
    raw.connection.credits -= 1
    message_id, raw.connection.next_message_id = raw.connection.next_message_id, raw.connection.next_message_id + 1
    # the client knows no answer to such a command: look at it as bytes
    answer = raw.connection.expect_answer(message_id)
    header = Header(command=command, message_id=message_id, session_id=raw.session.session_id, credits=1)
    raw.connection.send_bytes(header.encode() + b"\x04\0\0\0")
    response = await answer.response()
    assert response.status is Status.INVALID_PARAMETER


@pytest.mark.parametrize("command", sorted(BODY_SIZES))
async def test_bodies_of_every_length_and_structure_size(server, command):
    """Cut anywhere, claiming any StructureSize: INVALID_PARAMETER, and the connection lives."""
    raw = await server.tree()
    size = BODY_SIZES[command]
    good = struct.pack("<H", size) + bytes(size)
    bodies = [b"", *(good[:length] for length in range(1, min(size - 1, 24)))]
    bodies += [struct.pack("<H", wrong) + bytes(100) for wrong in (0, 1, size - 1, size + 1, 0xFFFF) if wrong != size]
    for body in bodies:
        response = await raw.call(body, command=command)
        assert response.status in BAD, (body, response)
    await lives(server)


@pytest.mark.parametrize("command", sorted(set(BODY_SIZES) - ENDING))
async def test_bodies_full_of_ones_and_zeros(server, command):
    raw = await server.tree()
    file_id = await opened(raw)
    size = BODY_SIZES[command]
    for filler in (b"\0", b"\xff", b"\x01", b"\x78", b"\x40"):
        for _ in range(2):
            pending = await raw.begin(struct.pack("<H", size) + filler * 120, command=command)
            await turn()
            if not pending.final.done():
                await raw.cancel(pending)
            await pending.response()
    (await raw.flush(file_id)).expect()
    await lives(server)


@pytest.mark.parametrize(
    "offset, length", [(0, 10), (63, 10), (0xFFFF, 10), (120, 0xFFFF), (0xFFFF, 0xFFFF), (121, 3), (120, 1)]
)
async def test_names_outside_of_the_message(server, offset, length):
    raw = await server.tree()
    body = struct.pack("<HBBIQ8xIIIIIHHII", 57, 0, 0, 2, 0, 0x120089, 0, 7, 1, 0, offset, length, 0, 0) + b"\0" * 4
    assert (await raw.call(body, command=Opcode.CREATE)).status is Status.INVALID_PARAMETER


@pytest.mark.parametrize("offset, length", [(0, 1), (0x6F, 1), (0x70, 5), (0xFFFF, 1), (0x70, 0xFFFFFFFF)])
async def test_data_outside_of_the_message(server, offset, length):
    raw = await server.tree()
    file_id = await opened(raw)
    body = struct.pack("<HHIQ16sIIHHI", 49, offset, length, 0, file_id, 0, 0, 0, 0, 0) + b"data"
    assert (await raw.call(body, command=Opcode.WRITE)).status is Status.INVALID_PARAMETER


@pytest.mark.parametrize("context", [
    b"", b"\0" * 15, struct.pack("<IHHxxHI", 0, 16, 4, 24, 1000) + b"MxAc", struct.pack("<IHHxxHI", 7, 16, 4, 0, 0) + b"MxAc",
    struct.pack("<IHHxxHI", 0, 16, 0xFFFF, 0, 0) + b"MxAc", struct.pack("<IHHxxHI", 0, 0, 4, 0, 0) + b"MxAc",
    struct.pack("<IHHxxHI", 0xFFFFFFF8, 16, 4, 0, 0) + b"MxAc", struct.pack("<IHHxxHI", 0, 16, 0, 0, 0),
    struct.pack("<IHHxxHI", 0, 16, 4, 24, 3) + b"RqLs\0\0\0\0abc", struct.pack("<IHHxxHI", 0, 16, 4, 24, 1) + b"AlSi\0\0\0\0a",
    struct.pack("<IHHxxHI", 0, 16, 4, 24, 1) + b"SecD\0\0\0\0a", struct.pack("<IHHxxHI", 0, 16, 4, 24, 1) + b"ExtA\0\0\0\0a",
    struct.pack("<IHHxxHI", 0, 16, 4, 24, 1) + b"TWrp\0\0\0\0a",
])  # fmt: skip
async def test_create_contexts_that_do_not_hold_together(server, context):
    raw = await server.tree()
    body = (
        struct.pack("<HBBIQ8xIIIIIHHII", 57, 0, 0xFF, 2, 0, 0x120089, 0, 7, 3, 0, 120, 0, 120, len(context) or 5)
        + context
    )
    assert (await raw.call(body, command=Opcode.CREATE)).status is Status.INVALID_PARAMETER
    await server.server.drain()
    assert not server.server.opens


@pytest.mark.parametrize("offset, length, count", [
    (1 << 63, 1, 0), ((1 << 64) - 1, 1, 0), ((1 << 63) - 1, 10, 0), (0, 1, 0xFFFFFFFF),
])  # fmt: skip
async def test_offsets_beyond_everything(server, offset, length, count):
    raw = await server.tree()
    file_id = await opened(raw)
    (await raw.write(file_id, 0, b"x")).expect()
    assert (await raw.read(file_id, offset, length, minimum_count=count)).status in (
        Status.INVALID_PARAMETER, Status.END_OF_FILE,
    )  # fmt: skip
    if offset:
        assert (await raw.write(file_id, offset, b"x")).status in (
            Status.INVALID_PARAMETER, Status.ACCESS_DENIED, Status.DISK_FULL, Status.FILE_TOO_LARGE,
        ) or offset == (1 << 64) - 1  # fmt: skip


async def test_connections_are_bounded(make):
    server = make(limits=Limits(connections=2))
    one, two = await server.session(), await server.session()
    link, _ = _attach(server)
    assert link is None
    one.connection.close()
    await turn()
    assert _attach(server)[0] is not None
    (await two.echo()).expect()


def _attach(server):
    from tests.memory_server import Link

    link = Link(server.server)
    connection = server.server.accept(link.server_end)
    link.server_end.connection = connection
    return connection, link


async def test_every_drop_leaves_nothing_behind(server):
    for _ in range(5):
        raw = await server.tree()
        await opened(raw)
        raw.connection.send_bytes(b"\xfeSMB" + ANY * 4)
        await raw.connection.wait_lost()
    await turn()
    await server.server.drain()
    assert not server.server.connections
    assert not server.server.sessions
    assert not server.server.trees
    assert not server.server.opens
