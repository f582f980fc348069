"""Binding connections whose algorithms differ, and what a connection that is not bound may ask  [MS-SMB2 3.3.5.5]."""

from __future__ import annotations

import pytest

from smbcore.auth.initiator import Initiator
from smbcore.client.connection import Channel
from smbcore.client.message import How
from smbcore.client.raw import RawClient
from smbcore.client.session import ClientSession, SetupExchange, bind, sign_in
from smbcore.nt.clock import ManualClock
from smbcore.nt.status import NtError, Status
from smbcore.proto.signing import Signer
from smbcore.server.config import Limits
from smbcore.wire.session_setup import FLAG_BINDING
from tests.memory_server import OTHER_PASSWORD, OTHER_USER, PASSWORD, USER
from tests.protocol.steps import SIGNED, UNSIGNED, WRONGLY_SIGNED, only, opened

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


async def test_a_later_leg_of_a_binding_that_is_not_signed(server):
    """Step 4 holds for each of them"""
    session, other = await two(server, CMAC, CMAC)
    exchange = SetupExchange(other.connection, alice(), session=session.session, bind=True)
    assert (await exchange.leg()).status is Status.MORE_PROCESSING_REQUIRED
    exchange.how = UNSIGNED
    assert (await exchange.leg()).status is Status.INVALID_PARAMETER
    assert len(server.server.sessions[session.session.session_id].channels) == 1


async def test_channels_of_a_session_are_bounded(make):
    server = make(limits=Limits(channels_per_session=2))
    session, other = await two(server, GMAC, GMAC)
    await bind(other.connection, session.session, alice())
    third = await server.negotiated(signing(GMAC), client_guid=GUID)
    with pytest.raises(NtError) as error:
        await bind(third.connection, session.session, alice())
    assert error.value.status is Status.INSUFFICIENT_RESOURCES


async def test_channels_that_are_bound_at_the_same_time_are_bounded_too(make):
    server = make(limits=Limits(channels_per_session=2))
    session, other = await two(server, GMAC, GMAC)
    third = await server.negotiated(signing(GMAC), client_guid=GUID)
    exchanges = [SetupExchange(raw.connection, alice(), session=session.session, bind=True) for raw in (other, third)]
    for status in ([Status.MORE_PROCESSING_REQUIRED] * 2, [Status.SUCCESS, Status.INSUFFICIENT_RESOURCES]):
        assert [(await exchange.leg()).status for exchange in exchanges] == status
    assert len(server.server.sessions[session.session.session_id].channels) == 2


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


# -- what the other tests leave of the list of refusals  [MS-SMB2 3.3.5.5 step 4, 3.3.5.5.2, 3.3.5.5.3] --


async def leg(connection, session_id, token, how=SIGNED, key=bytes(16), **fields):
    """Send one leg with the binding flag, signed with `key`."""
    session = ClientSession(session_id)
    session.binding_signer = Signer(CMAC, key)
    fields = {"flags": FLAG_BINDING} | fields
    return await RawClient(connection, session).session_setup(token, how, **fields)


async def test_a_session_that_is_signing_in_cannot_be_bound(server):
    one = await server.negotiated(signing(CMAC), client_guid=GUID)
    first = await one.session_setup(alice().step(None))
    assert first.status is Status.MORE_PROCESSING_REQUIRED
    other = await server.negotiated(signing(CMAC), client_guid=GUID)
    response = await leg(other.connection, first.header.session_id, alice().step(None))
    assert response.status is Status.REQUEST_NOT_ACCEPTED
    # nor on its own connection
    response = await leg(one.connection, first.header.session_id, alice().step(None))
    assert response.status is Status.REQUEST_NOT_ACCEPTED


@pytest.mark.parametrize("user", ["", "nobody known"])
async def test_guest_and_anonymous_sessions_cannot_be_bound(make, user):
    server = make(allow_guest=True, allow_anonymous=True)
    one = await server.negotiated(signing(CMAC), client_guid=GUID)
    session = await sign_in(one.connection, Initiator(user, "", anonymous=not user))
    other = await server.negotiated(signing(CMAC), client_guid=GUID)
    response = await leg(other.connection, session.session_id, alice().step(None))
    assert response.status is Status.NOT_SUPPORTED
    assert (await one.as_session(session).tree_connect(r"\\server\IPC$")).status is Status.SUCCESS


async def test_a_session_that_has_ended_cannot_be_bound(server):
    session, other = await two(server, CMAC, CMAC)
    (await session.logoff()).expect()
    with pytest.raises(NtError) as error:
        await bind(other.connection, session.session, alice())
    assert error.value.status is Status.USER_SESSION_DELETED


async def test_a_session_that_ends_while_it_is_being_bound(server):
    session, other = await two(server, CMAC, CMAC)
    exchange = SetupExchange(other.connection, alice(), session=session.session, bind=True)
    assert (await exchange.leg()).status is Status.MORE_PROCESSING_REQUIRED
    (await session.logoff()).expect()
    assert (await exchange.leg()).status is Status.USER_SESSION_DELETED
    # nothing of it is left on the connection, which may sign in for itself
    (connection,) = [c for c in server.server.connections if c.bindings or not c.channels and c.number == 2]
    assert not connection.bindings
    await sign_in(other.connection, alice())


async def test_a_session_that_expires_while_it_is_being_bound(make):
    server = make(ManualClock(), session_lifetime=30.0)
    session, other = await two(server, CMAC, CMAC)
    exchange = SetupExchange(other.connection, alice(), session=session.session, bind=True)
    assert (await exchange.leg()).status is Status.MORE_PROCESSING_REQUIRED
    server.clock.advance(31)
    assert (await exchange.leg()).status is Status.NETWORK_SESSION_EXPIRED


async def test_a_leg_without_the_flag_does_not_go_on_with_a_binding(server):
    """It asks for a session of this connection, and there is none"""
    session, other = await two(server, CMAC, CMAC)
    exchange = SetupExchange(other.connection, alice(), session=session.session, bind=True)
    assert (await exchange.leg()).status is Status.MORE_PROCESSING_REQUIRED
    token = exchange.initiator.step(exchange._token)
    response = await leg(other.connection, session.session.session_id, token, key=session.session.keys.signing, flags=0)
    assert response.status is Status.USER_SESSION_DELETED
    assert len(session.connection.channels) == 1


async def test_the_flag_where_no_session_is_named(server):
    """It is an ordinary sign-in: step 3 comes before step 4"""
    raw = await server.negotiated(signing(CMAC))
    response = await raw.session_setup(alice().step(None), flags=FLAG_BINDING)
    assert response.status is Status.MORE_PROCESSING_REQUIRED
    assert [session.wire_id for session in server.server.sessions.values()] == [response.header.session_id]


@pytest.mark.parametrize("key", ["zeros", "the channel's", "of another session"])
async def test_a_binding_signed_with_a_key_that_is_not_the_sessions(server, key):
    """[MS-SMB2 3.3.5.2.4]: the key of a channel that was bound later is not it either"""
    session, second = await two(server, CMAC, CMAC)
    await bind(second.connection, session.session, alice())
    other = await server.session(signing(CMAC))
    keys = {
        "zeros": Signer(CMAC, bytes(16)),
        "the channel's": second.connection.channels[session.session.session_id].signer,
        "of another session": Signer(CMAC, other.session.keys.signing),
    }
    third = await server.negotiated(signing(CMAC), client_guid=GUID)
    wrong = ClientSession(session.session.session_id)
    wrong.binding_signer = keys[key]
    raw = RawClient(third.connection, wrong)
    response = await raw.session_setup(alice().step(None), SIGNED, flags=FLAG_BINDING)
    assert response.status is Status.ACCESS_DENIED
    assert len(server.server.sessions[session.session.session_id].channels) == 2


async def test_a_second_binding_of_the_same_connection(server):
    session, other = await two(server, CMAC, CMAC)
    await bind(other.connection, session.session, alice())
    exchange = SetupExchange(other.connection, alice(), session=session.session, bind=True)
    # 1 signed with the key of the session: here it has one of its own
    assert (await exchange.leg()).status is Status.ACCESS_DENIED
    # 2 signed with that
    raw = RawClient(other.connection, session.session)
    response = await raw.session_setup(alice().step(None), SIGNED, flags=FLAG_BINDING)
    assert response.status is Status.REQUEST_NOT_ACCEPTED
    (await session.tree_connect(r"\\server\data")).expect()


async def test_a_failed_binding_leaves_the_session_and_may_be_tried_again(server):
    session, other = await two(server, GMAC, GMAC)
    for wrong in (alice("wrong"), Initiator(OTHER_USER, OTHER_PASSWORD)):
        with pytest.raises(NtError) as error:
            await bind(other.connection, session.session, wrong)
        assert error.value.status in (Status.LOGON_FAILURE, Status.ACCESS_DENIED)
    (await session.tree_connect(r"\\server\data")).expect()
    await bind(other.connection, session.session, alice())


async def test_a_sealed_binding_is_no_signed_one(server):
    """[MS-SMB2 3.2.4.1.8]: a client must not encrypt it"""
    session, other = await two(server, CMAC, CMAC)
    raw = RawClient(other.connection, session.session)
    how = How(seal=True)
    other.connection.channels[session.session.session_id] = Channel(session.session, None)
    response = await raw.session_setup(alice().step(None), how, flags=FLAG_BINDING)
    assert response.status is Status.INVALID_PARAMETER
    assert response.sealed
