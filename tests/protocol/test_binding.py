"""Binding connections whose algorithms differ, and what a connection that is not bound may ask  [MS-SMB2 3.3.5.5]."""

from __future__ import annotations

import pytest

from smbcore.auth.initiator import Initiator
from smbcore.client.connection import Channel
from smbcore.client.raw import RawClient
from smbcore.client.session import SetupExchange, bind, sign_in
from smbcore.nt.status import NtError, Status
from smbcore.server.config import Limits
from tests.memory_server import PASSWORD, USER
from tests.protocol.steps import SIGNED, WRONGLY_SIGNED, only, opened

HMAC, CMAC, GMAC = 0, 1, 2
GUID = b"client guid 1234"


def alice(password=PASSWORD):
    return Initiator(USER, password)


def signing(algorithm):
    if algorithm == "3.0":
        return only(0x0300)
    if algorithm == "2.1":
        return only(0x0210)
    return only(0x0311, signing=(algorithm,))


async def two(server, first, second):
    """A session on one connection, and another connection."""
    raw = await server.negotiated(signing(first), client_guid=GUID)
    raw = raw.as_session(await sign_in(raw.connection, alice()))
    return raw, await server.negotiated(signing(second), client_guid=GUID)


@pytest.mark.parametrize("first, second, status", [
    (GMAC, CMAC, Status.REQUEST_OUT_OF_SEQUENCE),
    (GMAC, HMAC, Status.REQUEST_OUT_OF_SEQUENCE),
    (GMAC, "3.0", Status.REQUEST_OUT_OF_SEQUENCE),
    (GMAC, "2.1", Status.REQUEST_OUT_OF_SEQUENCE),
    (CMAC, GMAC, Status.NOT_SUPPORTED),
    (HMAC, GMAC, Status.NOT_SUPPORTED),
    ("3.0", GMAC, Status.NOT_SUPPORTED),
    ("2.1", GMAC, Status.NOT_SUPPORTED),
    (CMAC, "2.1", Status.REQUEST_NOT_ACCEPTED),
    ("2.1", "2.1", Status.REQUEST_NOT_ACCEPTED),
    ("2.1", CMAC, Status.INVALID_PARAMETER),
    ("3.0", CMAC, Status.INVALID_PARAMETER),
    (CMAC, "3.0", Status.INVALID_PARAMETER),
])  # fmt: skip
async def test_algorithms_and_dialects_that_do_not_go_together(server, first, second, status):
    """As smb2.session.bind_negative_smb3sign*; GMAC is looked at before the dialect."""
    session, other = await two(server, first, second)
    with pytest.raises(NtError) as error:
        await bind(other.connection, session.session, alice())
    assert error.value.status is status
    (await session.tree_connect(r"\\server\data")).expect()
    assert not other.connection.channels.get(session.session.session_id)


@pytest.mark.parametrize("first, second", [(CMAC, HMAC), (HMAC, CMAC), (GMAC, GMAC)])
async def test_algorithms_that_go_together(server, first, second):
    """Each channel signs with its own algorithm."""
    session, other = await two(server, first, second)
    tree = session.on_tree((await session.tree_connect(r"\\server\data")).expect())
    file_id = await opened(tree)
    await bind(other.connection, session.session, alice())
    bound = RawClient(other.connection, session.session, tree.tree_id)
    (await bound.write(file_id, 0, b"bound", SIGNED)).expect()
    response = await tree.read(file_id, 0, 5, SIGNED)
    assert bytes(response.expect().body.data) == b"bound"
    assert response.verified


async def test_a_connection_that_is_being_bound_serves_nothing_of_the_session(server):
    """[MS-SMB2 3.3.5.2.9]: the session's key is no proof of who the user is"""
    session, other = await two(server, CMAC, CMAC)
    # 1 the first leg of a binding is accepted
    exchange = SetupExchange(other.connection, alice(), session=session.session, bind=True)
    assert (await exchange.leg()).status is Status.MORE_PROCESSING_REQUIRED
    # 2 a signed request on that connection
    response = await other.as_session(session.session).tree_connect(r"\\server\data")
    assert response.status is Status.USER_SESSION_DELETED
    # 3 and the binding goes on where it was
    assert (await exchange.leg()).status is Status.SUCCESS


async def test_every_leg_of_a_binding_is_signed(server):
    session, other = await two(server, CMAC, CMAC)
    exchange = SetupExchange(other.connection, alice(), session=session.session, bind=True)
    assert (await exchange.leg()).status is Status.MORE_PROCESSING_REQUIRED
    exchange.how = WRONGLY_SIGNED
    assert (await exchange.leg()).status is Status.ACCESS_DENIED


async def test_channels_of_a_session_are_bounded(make):
    server = make(limits=Limits(channels_per_session=2))
    session, other = await two(server, GMAC, GMAC)
    await bind(other.connection, session.session, alice())
    third = await server.negotiated(signing(GMAC), client_guid=GUID)
    with pytest.raises(NtError) as error:
        await bind(third.connection, session.session, alice())
    assert error.value.status is Status.INSUFFICIENT_RESOURCES


async def test_a_signed_request_for_a_session_elsewhere_is_answered_signed(server):
    """[MS-SMB2 3.3.5.2.4]: or the client would not believe USER_SESSION_DELETED"""
    session, other = await two(server, CMAC, CMAC)
    foreign = other.as_session(session.session)
    response = await foreign.tree_connect(r"\\server\data", SIGNED)
    assert response.status is Status.USER_SESSION_DELETED


async def test_a_sealed_request_for_a_session_elsewhere_is_answered_sealed(server):
    session, other = await two(server, GMAC, GMAC)
    session.session.encrypt = True
    other.connection.channels[session.session.session_id] = Channel(session.session, None)
    response = await other.as_session(session.session).tree_connect(r"\\server\data")
    assert response.status is Status.USER_SESSION_DELETED
    assert response.sealed


async def test_a_failed_reauthentication_on_one_channel_ends_the_session_on_all(server):
    """[MS-SMB2 3.3.5.5.3], smb2.session.bind_invalid_auth"""
    session, other = await two(server, GMAC, GMAC)
    await bind(other.connection, session.session, alice())
    exchange = SetupExchange(other.connection, alice("wrong"), session=session.session)
    assert (await exchange.leg()).status is Status.MORE_PROCESSING_REQUIRED
    assert (await exchange.leg()).status is Status.LOGON_FAILURE
    assert (await session.tree_connect(r"\\server\data", SIGNED)).status is Status.USER_SESSION_DELETED
    assert not server.server.sessions
