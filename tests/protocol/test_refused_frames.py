"""What is wrong with a whole frame or with the state of the connection: it is dropped, or the request refused
[MS-SMB2 3.3.5.2, 3.3.5.2.1.1, 3.3.5.2.2, 3.3.5.3, 3.3.5.4].
"""

from __future__ import annotations

import struct

import pytest

from smbcore.auth.initiator import Initiator
from smbcore.client.message import How
from smbcore.client.raw import RawClient, negotiate
from smbcore.client.session import sign_in
from smbcore.nt.status import NtError, Status
from smbcore.server.config import Encryption
from smbcore.wire.header import HEADER_SIZE, NEGOTIATE, Header
from smbcore.wire.negotiate import Capabilities
from smbcore.wire.negotiate_contexts import Encryption as Ciphers
from smbcore.wire.negotiate_contexts import Preauth, Signing
from smbcore.wire.smb1 import MultiProtocolNegotiate
from tests.memory_server import PASSWORD, USER
from tests.protocol.steps import lives, only, opened

SMB1_ECHO = b"\xffSMB\x2b" + bytes(27) + b"\x01\x01\x00\x03\x00abc"
PREAUTH = Preauth([1], bytes(32))
NEGOTIATE_FIXED = 36
FIXED = struct.Struct("<HHHxxI16sIHxx")


async def dropped(server, raw, data):
    raw.connection.send_bytes(data)
    await raw.connection.wait_lost()
    await lives(server)


# -- transforms --


def echo_of(raw):
    header = Header(command=13, message_id=raw.connection.next_message_id, session_id=raw.session.session_id)
    return header.encode() + b"\x04\0\0\0"


@pytest.mark.parametrize("dialect", [0x0300, 0x0302, 0x0311])
@pytest.mark.parametrize("name, offset, value", [
    ("signature", 4, b"\xaa" * 16), ("nonce", 20, b"\xaa" * 11), ("a larger size", 36, b"\xff\0\0\0"),
    ("a smaller size", 36, b"\x10\0\0\0"), ("no size", 36, bytes(4)), ("no flags", 42, bytes(2)),
    ("another flag", 42, b"\x02\0"), ("one flag more", 42, b"\x03\0"), ("no session", 44, bytes(8)),
    ("another session", 44, b"\x01" * 8), ("reserved, which is authenticated", 40, b"\x01\0"),
])  # fmt: skip
async def test_a_transform_header_that_was_changed(server, dialect, name, offset, value):
    raw = await server.tree("secret", only(dialect))
    frame = raw.session.sealer.seal([echo_of(raw)])
    frame[offset : offset + len(value)] = value
    await dropped(server, raw, frame)


async def test_a_transform_without_a_message(server):
    """[MS-SMB2 3.3.5.2.1.1]: not greater than its header"""
    raw = await server.tree("secret")
    await dropped(server, raw, raw.session.sealer.seal([]))


async def test_more_behind_the_message_than_the_transform_says(server):
    raw = await server.tree("secret")
    await dropped(server, raw, bytes(raw.session.sealer.seal([echo_of(raw)])) + b"more")


@pytest.mark.parametrize("inside", [b"\xfcSMB" + bytes(60), b"\xffSMB" + bytes(60), b"\xfdSMB" + bytes(60)])
async def test_a_transform_around_anything_but_a_message(server, inside):
    raw = await server.tree("secret")
    await dropped(server, raw, raw.session.sealer.seal([inside]))


async def test_a_response_inside_of_a_transform(server):
    raw = await server.tree("secret")
    message = bytearray(echo_of(raw))
    message[16] |= 1
    await dropped(server, raw, raw.session.sealer.seal([message]))


@pytest.mark.parametrize("dialect", [0x0210, 0x0311])
async def test_a_compressed_message_where_no_compression_was_negotiated(server, dialect):
    raw = await server.tree(offer=only(dialect))
    await dropped(server, raw, b"\xfcSMB" + struct.pack("<IHHI", 100, 1, 0, 0) + bytes(60))


# -- SMB1 --


@pytest.mark.parametrize("data", [
    SMB1_ECHO, b"\xffSMB\x72", b"\xffSMB\x72" + bytes(27), MultiProtocolNegotiate([]).encode(),
    MultiProtocolNegotiate(["SMB 2.???"]).encode()[:-5], MultiProtocolNegotiate(["smb 2.???"]).encode(),
])  # fmt: skip
async def test_smb1_that_is_no_way_to_smb2(server, data):
    raw = RawClient(server.connection())
    await dropped(server, raw, data)


@pytest.mark.parametrize("data", [SMB1_ECHO, MultiProtocolNegotiate(["SMB 2.002", "SMB 2.???"]).encode()])
async def test_smb1_on_a_negotiated_connection(server, data):
    raw = await server.tree()
    await dropped(server, raw, data)


# -- NEGOTIATE --


def negotiate_message(body):
    return Header(command=NEGOTIATE, message_id=0, credits=10).encode() + body


def contexts(*pieces, offset=None, count=None, dialects=(0x0311,)):
    """A NEGOTIATE body with contexts given as bytes, each aligned."""
    head = struct.pack(f"<{len(dialects)}H", *dialects)
    start = HEADER_SIZE + NEGOTIATE_FIXED + len(head)
    padding = bytes(-start % 8)
    place = start + len(padding) if offset is None else offset
    fixed = FIXED.pack(
        NEGOTIATE_FIXED, len(dialects), 1, 0x7F, bytes(16), place, len(pieces) if count is None else count
    )
    data = b""
    for piece in pieces:
        data += bytes(-len(data) % 8) + piece
    return fixed + head + padding + data


def context(kind, data, length=None):
    return struct.pack("<HH4x", kind, len(data) if length is None else length) + data


HASHES = context(1, struct.pack("<HHH", 1, 4, 1) + b"salt")


MISTAKES = {
    "fewer contexts than counted": contexts(HASHES, count=2),
    "far fewer contexts than counted": contexts(HASHES, count=0xFFFF),
    "no contexts counted": contexts(HASHES, count=0),
    "contexts at the header": contexts(HASHES, offset=0),
    "contexts inside of the header": contexts(HASHES, offset=10),
    "contexts behind the message": contexts(HASHES, offset=0xFFFFFFFF),
    "hashes cut short": contexts(context(1, b"\x01")),
    "context longer than the message": contexts(context(1, b"\x01\x00\x04\x00", 200)),
    "fewer hashes than counted": contexts(context(1, struct.pack("<HHH", 9, 0, 1))),
    "salt longer than the context": contexts(context(1, struct.pack("<HHH", 1, 500, 1))),
    "fewer ciphers than counted": contexts(HASHES, context(2, b"\x09\0\x02\0")),
    "ciphers without a count": contexts(HASHES, context(2, b"")),
    "fewer signing algorithms than counted": contexts(HASHES, context(8, b"\x02\0\x01\0")),
    "compression cut short": contexts(HASHES, context(3, b"\x01\0")),
    "fewer dialects than counted": FIXED.pack(NEGOTIATE_FIXED, 5, 1, 0, bytes(16), 0, 0) + b"\x02\x02",
    "another structure size": FIXED.pack(NEGOTIATE_FIXED - 1, 1, 1, 0, bytes(16), 0, 0) + b"\x02\x02",
}


@pytest.mark.parametrize("mistake", MISTAKES)
async def test_a_negotiate_that_does_not_hold_together(server, mistake):
    raw = RawClient(server.connection())
    pending = raw.connection.expect_answer(0)
    raw.connection.send_bytes(negotiate_message(MISTAKES[mistake]))
    assert (await pending.response()).status is Status.INVALID_PARAMETER
    # the client may try again on the same connection
    raw.connection.next_message_id = 1
    await negotiate(raw.connection)
    assert raw.connection.dialect == 0x0311


@pytest.mark.parametrize("dialect", [0x0202, 0x0210, 0x0300])
async def test_nothing_of_a_refused_negotiate_stays(server, dialect):
    """Cipher and signing algorithm were chosen before its mistake was found"""
    raw = RawClient(server.connection())
    with pytest.raises(NtError) as error:
        await negotiate(raw.connection, only(0x0311, contexts=[PREAUTH, Ciphers([2]), Signing([2]), Signing([2])]))
    assert error.value.status is Status.INVALID_PARAMETER
    with pytest.raises(NtError):
        await negotiate(raw.connection, only(0x0311, contexts=[PREAUTH, Ciphers([4]), Signing([])]))
    await negotiate(raw.connection, only(dialect, capabilities=0))
    raw = raw.as_session(await sign_in(raw.connection, Initiator(USER, PASSWORD)))
    raw = raw.on_tree((await raw.tree_connect(r"\\server\data")).expect())
    assert raw.session.sealer is None
    (session,) = server.server.sessions.values()
    assert session.sealer is None
    await opened(raw)


async def test_a_negotiate_without_ciphers_after_a_refused_one_with_them(server):
    raw = RawClient(server.connection())
    with pytest.raises(NtError):
        await negotiate(raw.connection, only(0x0311, contexts=[PREAUTH, Ciphers([2]), Signing([])]))
    await negotiate(raw.connection, only(0x0311, ciphers=()))
    (connection,) = server.server.connections
    assert connection.cipher == 0


# -- who may sign in where the server wants encryption  [MS-SMB2 3.3.5.5 steps 1 and 2] --


@pytest.mark.parametrize("offer", [
    only(0x0202), only(0x0210), only(0x0300, capabilities=int(Capabilities.LARGE_MTU)),
    only(0x0302, capabilities=int(Capabilities.LARGE_MTU)), only(0x0311, ciphers=()), only(0x0311, ciphers=(99,)),
])  # fmt: skip
async def test_a_client_that_cannot_encrypt_does_not_sign_in(make, offer):
    server = make(encryption=Encryption.REQUIRED)
    raw = await server.negotiated(offer)
    with pytest.raises(NtError) as error:
        await sign_in(raw.connection, Initiator(USER, PASSWORD))
    assert error.value.status is Status.ACCESS_DENIED
    assert not server.server.sessions


# -- sign-ins under way  [MS-SMB2 3.3.5.2.9] --


async def test_a_sign_in_under_way_may_be_given_up(server):
    raw = await server.negotiated()
    response = await raw.session_setup(Initiator(USER, PASSWORD).step(None))
    how = How(session_id=response.header.session_id)
    assert (await raw.tree_connect(r"\\server\data", how)).status is Status.USER_SESSION_DELETED
    (await raw.logoff(how)).expect()
    assert not server.server.sessions
    assert (await raw.session_setup(b"x", how)).status is Status.USER_SESSION_DELETED
