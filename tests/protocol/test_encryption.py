"""[MS-SMB2 3.3.5.2.1.1, 3.3.4.1.4]"""

from __future__ import annotations

import pytest

from smbcore.client.message import How
from smbcore.nt.status import Status
from smbcore.proto.sealing import Sealer
from smbcore.server.config import Encryption
from smbcore.wire.flush import FlushRequest
from smbcore.wire.header import Header
from smbcore.wire.session_setup import SessionFlags
from smbcore.wire.tree_connect import ShareFlags
from smbcore.wire.types import ANY_FILE_ID
from tests.protocol.steps import create_request, lives, only, opened

KINDS = [only(0x0300), only(0x0302)] + [only(0x0311, ciphers=(cipher,)) for cipher in (1, 2, 3, 4)]
SEALED = How(seal=True)
PLAIN = How(seal=False)


@pytest.mark.parametrize("offer", KINDS)
@pytest.mark.parametrize("size", [1, 4096, 300_000])
async def test_share_that_wants_encryption(server, offer, size):
    # 1 the share says so
    session = await server.session(offer)
    response = (await session.tree_connect(r"\\server\secret")).expect()
    assert response.body.share_flags & ShareFlags.ENCRYPT_DATA
    # 2 sealed requests get sealed answers
    raw = session.on_tree(response)
    data = bytes(range(256)) * (size // 256 + 1)
    file_id = await opened(raw)
    assert (await raw.write(file_id, 0, data[:size])).expect().sealed
    response = await raw.read(file_id, 0, size)
    assert response.expect().sealed
    assert bytes(response.body.data) == data[:size]
    # 3 again, with the same buffers
    assert bytes((await raw.read(file_id, 0, size)).expect().body.data) == data[:size]
    # 4 a failure is sealed too
    assert (await raw.create("nowhere\\x")).sealed
    # 5 what is not sealed is refused
    assert (await raw.flush(file_id, PLAIN)).status is Status.ACCESS_DENIED
    (await raw.flush(file_id)).expect()


@pytest.mark.parametrize("offer", KINDS)
async def test_server_that_wants_encryption(make, offer):
    server = make(encryption=Encryption.REQUIRED)
    raw = await server.tree(offer=offer)
    assert raw.session.flags & SessionFlags.ENCRYPT_DATA
    file_id = await opened(raw)
    assert (await raw.flush(file_id)).expect().sealed
    assert (await raw.flush(file_id, PLAIN)).status is Status.ACCESS_DENIED


@pytest.mark.parametrize("offer", KINDS)
async def test_who_seals_without_need_is_answered_sealed(server, offer):
    raw = await server.tree(offer=offer)
    file_id = await opened(raw)
    assert (await raw.flush(file_id, SEALED)).expect().sealed
    assert not (await raw.flush(file_id)).expect().sealed


@pytest.mark.parametrize("offer", KINDS)
async def test_compound_is_sealed_as_a_whole(server, offer):
    raw = await server.tree("secret", offer)
    responses = await raw.compound(create_request("a"), FlushRequest(ANY_FILE_ID))
    assert all(response.expect().sealed for response in responses)


async def test_client_that_cannot_is_refused_by_the_share(server):
    for offer in (only(0x0210), only(0x0311, ciphers=())):
        raw = await server.session(offer)
        assert (await raw.tree_connect(r"\\server\secret")).status is Status.ACCESS_DENIED


def echo(session_id=0, message_id=10):
    return Header(command=13, message_id=message_id, session_id=session_id).encode() + b"\x04\0\0\0"


async def dropped(server, raw, data):
    raw.connection.send_bytes(data)
    await raw.connection.wait_lost()
    await lives(server)


async def test_changed_ciphertext_drops_the_connection(server):
    raw = await server.tree("secret")
    frame = raw.session.sealer.seal([echo(raw.session.session_id)])
    frame[-1] ^= 1
    await dropped(server, raw, frame)


async def test_transform_of_an_unknown_session_drops_the_connection(server):
    raw = await server.tree("secret")
    await dropped(server, raw, Sealer(2, bytes(16), 0x9999).seal([echo()]))


async def test_transform_before_anything_else_drops_the_connection(server):
    from smbcore.client.raw import RawClient

    await dropped(server, RawClient(server.connection()), Sealer(2, bytes(16), 1).seal([echo()]))


async def test_session_of_another_connection_does_not_open_here(server):
    raw, other = await server.tree("secret"), await server.tree("secret")
    await dropped(server, raw, other.session.sealer.seal([echo()]))


async def test_request_of_another_session_inside_drops_the_connection(server):
    from smbcore.auth.initiator import Initiator
    from smbcore.client.session import sign_in
    from tests.memory_server import PASSWORD, USER

    raw = await server.tree("secret")
    other = await sign_in(raw.connection, Initiator(USER, PASSWORD))
    message = Header(command=2, message_id=raw.connection.next_message_id, session_id=other.session_id).encode()
    await dropped(server, raw, raw.session.sealer.seal([message + b"\x04\0\0\0"]))


async def test_transform_inside_of_a_transform_drops_the_connection(server):
    raw = await server.tree("secret")
    inner = raw.session.sealer.seal([echo(raw.session.session_id)])
    await dropped(server, raw, raw.session.sealer.seal([inner]))


@pytest.mark.parametrize("inside", [b"", b"\xfeSMB", b"\xfeSMB" + bytes(59)])
async def test_rubbish_inside_of_a_transform_drops_the_connection(server, inside):
    raw = await server.tree("secret")
    await dropped(server, raw, raw.session.sealer.seal([inside]))


@pytest.mark.parametrize("size", [4, 20, 51])
async def test_cut_transform_header_drops_the_connection(server, size):
    raw = await server.tree("secret")
    await dropped(server, raw, raw.session.sealer.seal([echo(raw.session.session_id)])[:size])
