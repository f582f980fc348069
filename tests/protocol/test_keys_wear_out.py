"""Nonces are used once, message ids too, and keys end before they have protected too much  [MS-SMB2 3.1.4.1, 3.1.4.3]."""

from __future__ import annotations

import pytest

from smbcore.auth.initiator import Initiator
from smbcore.client.errors import ConnectionLost
from smbcore.client.message import How
from smbcore.client.raw import RawClient
from smbcore.client.session import bind, reauthenticate, sign_in
from smbcore.nt.access import FILE_GENERIC_READ
from smbcore.nt.create import FILE_OPEN
from smbcore.nt.status import Status
from smbcore.wire.change_notify import ChangeNotifyRequest
from smbcore.wire.header import FLAG_SIGNED, Header
from smbcore.wire.negotiate import Capabilities
from smbcore.wire.server_notification import NOTIFY_SESSION_CLOSED
from smbcore.wire.transform import TRANSFORM_PROTOCOL_ID, TransformHeader
from smbcore.wire.write import WriteRequest
from tests.memory_server import PASSWORD, USER
from tests.protocol.durable import connected, durable, reclaimed
from tests.protocol.steps import lives, only, opened, turn

KINDS = [only(0x0300), only(0x0311, ciphers=(1,)), only(0x0311, ciphers=(2,)), only(0x0311, ciphers=(4,))]


class Tap:
    """Sees every frame that the server sends on a connection."""

    def __init__(self, raw):
        self.frames = []
        self._receive = raw.connection._transport.on_frame
        raw.connection._transport.on_frame = self._seen

    def _seen(self, frame):
        self.frames.append(bytes(frame))
        self._receive(frame)


def nonces(taps):
    sealed = [frame for tap in taps for frame in tap.frames if frame[:4] == TRANSFORM_PROTOCOL_ID]
    return [TransformHeader.decode(frame).nonce for frame in sealed]


@pytest.mark.parametrize("offer", KINDS)
async def test_no_nonce_comes_twice_over_channels_and_reauthentications(server, offer):
    one = await server.tree("secret", offer)
    channel = await server.negotiated(offer, client_guid=one.connection.client_guid)
    await bind(channel.connection, one.session, Initiator(USER, PASSWORD))
    other = RawClient(channel.connection, one.session, one.tree_id, seal=True)
    taps = [Tap(one), Tap(other)]
    file_id = await opened(one)
    for round_ in range(3):
        for raw in (one, other):
            (await raw.write(file_id, 0, b"x" * 5000)).expect()
            (await raw.read(file_id, 0, 5000)).expect()
            await raw.compound(WriteRequest(file_id, 0, b"y"), WriteRequest(file_id, 1, b"z"))
        await reauthenticate((one, other)[round_ % 2].connection, one.session, Initiator(USER, PASSWORD))
    # a channel that is lost takes none of them with it
    other.connection.close()
    await turn()
    (await one.flush(file_id)).expect()
    seen = nonces(taps)
    assert len(seen) >= 20
    assert len(set(seen)) == len(seen)


async def test_a_new_session_has_new_keys(server):
    one, other = await server.tree("secret"), await server.tree("secret")
    assert one.session.keys.s2c != other.session.keys.s2c
    assert one.session.keys.c2s != one.session.keys.s2c


@pytest.mark.parametrize("offer", KINDS)
@pytest.mark.parametrize("way", ["read", "write"])
async def test_a_session_whose_key_is_used_up_ends(make, caplog, offer, way):
    # 1 a session that encrypts, and may do so for 100,000 bytes in each direction
    server = make(key_limit=100_000)
    raw = await server.tree("secret", offer)
    file_id = await opened(raw)
    data = bytes(20_000)
    (await raw.write(file_id, 0, data)).expect()
    # 2 it does
    with pytest.raises(ConnectionLost):
        for _ in range(20):
            if way == "read":
                (await raw.read(file_id, 0, len(data))).expect()
            else:
                (await raw.write(file_id, 0, data)).expect()
    # 3 then it is gone, and its connection; the log tells why
    assert not server.server.sessions
    assert not server.server.connections
    assert len([r for r in caplog.records if "keys are used up" in r.getMessage()]) == 1
    await lives(server)


async def test_a_client_that_listens_is_told(make):
    server = make(key_limit=20_000)
    capabilities = int(Capabilities.NOTIFICATIONS | Capabilities.LEASING | Capabilities.LARGE_MTU)
    raw = await server.tree("secret", only(0x0311, capabilities=capabilities))
    with pytest.raises(ConnectionLost):
        for _ in range(200):
            await raw.echo(How(seal=True))
    notices = [raw.connection.breaks.get_nowait() for _ in range(raw.connection.breaks.qsize())]
    assert [notice.body.notification_type for notice in notices] == [NOTIFY_SESSION_CLOSED]


async def test_a_durable_handle_outlives_the_key(make):
    server = make(key_limit=50_000)
    raw = await connected(server, "secret")
    file_id = (await durable(raw)).expect().body.file_id
    with pytest.raises(ConnectionLost):
        for _ in range(20):
            (await raw.write(file_id, 0, bytes(20_000))).expect()
    again = await connected(server, "secret")
    (await reclaimed(again, file_id)).expect()


async def test_a_connection_with_another_session_stays(make):
    server = make(key_limit=20_000)
    raw = await server.tree("secret")
    other = raw.as_session(await sign_in(raw.connection, Initiator(USER, PASSWORD)))
    for _ in range(200):
        await raw.connection.start(raw.request(WriteRequest(b"\xff" * 16, 0, b""), How(seal=True)))
        await turn(3)
        if len(server.server.sessions) == 1:
            break
    (await other.echo()).expect()
    (await other.tree_connect(r"\\server\data")).expect()


async def test_sessions_that_do_not_encrypt_go_on(make):
    server = make(key_limit=10_000)
    raw = await server.tree()
    file_id = await opened(raw)
    for _ in range(5):
        (await raw.write(file_id, 0, bytes(20_000))).expect()


# -- message ids, of which AES-GMAC makes its nonces --


async def test_a_message_id_that_was_used_drops_the_connection(server):
    """[MS-SMB2 3.3.1.1, 3.3.5.2.3]: no id is accepted twice, so no nonce of a signature comes twice"""
    raw = await server.tree(offer=only(0x0311, signing=(2,)))
    used = raw.connection.next_message_id - 1
    raw.connection.send_bytes(Header(command=13, message_id=used).encode() + b"\x04\0\0\0")
    await raw.connection.wait_lost()
    await lives(server)


async def test_message_ids_do_not_start_again(server):
    """[MS-SMB2 3.3.1.1]: a connection whose numbers are used up ends"""
    raw = await server.tree(offer=only(0x0311, signing=(2,)))
    (connection,) = server.server.connections
    last = 2**64 - 1
    connection.window._low, connection.window._high = last, last + 1
    raw.connection.send_bytes(Header(command=13, message_id=0, credits=10).encode() + b"\x04\0\0\0")
    await raw.connection.wait_lost()
    await lives(server)


async def test_only_one_message_is_signed_under_an_id(make):
    """The interim response is not: it has the id of the final one  [MS-SMB2 3.1.4.1]"""
    server = make(signing_required=True)
    raw = await server.tree(offer=only(0x0311, signing=(2,)))
    tap = Tap(raw)
    directory = await opened(raw, "", FILE_GENERIC_READ, FILE_OPEN)
    for _ in range(3):
        watching = await raw.begin(ChangeNotifyRequest(directory, 1000, 3))
        await watching.pending()
        await raw.cancel(watching)
        assert (await watching.response()).status is Status.CANCELLED
    headers = [Header.decode(memoryview(frame)) for frame in tap.frames]
    signed = [header.message_id for header in headers if header.flags & FLAG_SIGNED]
    assert len(signed) == len(set(signed)) == 4
    assert len(headers) == 7
