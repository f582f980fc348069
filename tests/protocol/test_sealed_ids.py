"""Which session the requests inside of a transform may name  [MS-SMB2 3.3.5.2.1.1, 3.3.5.2.7].

A request alone, the first of a compound, and every further one that does not relate to the one before must name the
session whose key sealed them, whether or not the command needs a session; or the connection is dropped.
"""

from __future__ import annotations

import pytest

from smbcore.auth.initiator import Initiator
from smbcore.client.message import How
from smbcore.client.negotiated import Offer
from smbcore.client.session import SetupExchange, reauthenticate, sign_in
from smbcore.nt.access import FILE_GENERIC_READ
from smbcore.nt.create import FILE_OPEN
from smbcore.nt.status import Status
from smbcore.proto.sealing import Sealer
from smbcore.wire.cancel import CancelRequest
from smbcore.wire.change_notify import ChangeNotifyRequest
from smbcore.wire.close import CloseRequest
from smbcore.wire.echo import EchoRequest
from smbcore.wire.flush import FlushRequest
from smbcore.wire.header import CANCEL, FLAG_RELATED, RELATED_SESSION_ID
from smbcore.wire.logoff import LogoffRequest
from smbcore.wire.session_setup import SessionSetupRequest
from smbcore.wire.tree_connect import TreeConnectRequest
from tests.memory_server import OTHER_PASSWORD, OTHER_USER, PASSWORD, USER
from tests.protocol.steps import ANY, create_request, lives, only, opened, turn

OFFERS = [only(0x0300), only(0x0311)]
SEALED = How(seal=True)


def naming(session_id, **more):
    return How(seal=True, session_id=session_id, **more)


def negotiate_request():
    return Offer().request(bytes(16))


COMMANDS = {
    "echo": EchoRequest(),
    "session_setup": SessionSetupRequest(Initiator(USER, PASSWORD).step(None)),
    "negotiate": negotiate_request(),
    "logoff": LogoffRequest(),
    "tree_connect": TreeConnectRequest(r"\\server\data"),
    "flush": FlushRequest(ANY),
}


async def of_two(server, offer=None):
    """A session with keys, and the id of another one on the same connection."""
    raw = await server.tree("secret", offer)
    other = await sign_in(raw.connection, Initiator(OTHER_USER, OTHER_PASSWORD))
    return raw, other.session_id


async def dropped(server, raw):
    await raw.connection.wait_lost()
    await lives(server)


@pytest.mark.parametrize("offer", OFFERS)
@pytest.mark.parametrize("which", ["none", "unknown", "another"])
@pytest.mark.parametrize("command", COMMANDS)
async def test_a_request_for_another_session_drops_the_connection(server, command, which, offer):
    raw, other = await of_two(server, offer)
    named = {"none": 0, "unknown": 0x123456789, "another": other}[which]
    await raw.begin(COMMANDS[command], naming(named))
    await dropped(server, raw)


@pytest.mark.parametrize("which", ["none", "another"])
async def test_so_does_a_cancel(server, which):
    raw, other = await of_two(server)
    directory = await opened(raw, "", FILE_GENERIC_READ, FILE_OPEN)
    watching = await raw.begin(ChangeNotifyRequest(directory, 1000, 3))
    await watching.pending()
    request = raw.request(CancelRequest(), naming(0 if which == "none" else other, message_id=1), CANCEL)
    await raw.connection.start(request)
    await dropped(server, raw)


@pytest.mark.parametrize("offer", OFFERS)
async def test_what_needs_no_session_is_answered_sealed_where_it_names_the_right_one(server, offer):
    raw = await server.tree("secret", offer)
    assert (await raw.echo(SEALED)).expect().sealed
    exchange = SetupExchange(raw.connection, Initiator(USER, PASSWORD), session=raw.session, how=SEALED)
    response = await exchange.leg()
    assert response.status is Status.MORE_PROCESSING_REQUIRED
    assert response.sealed
    response = await exchange.leg()
    assert response.expect().sealed
    (await raw.echo(SEALED)).expect()


async def test_cancel_of_a_sealed_session(server):
    raw = await server.tree("secret")
    directory = await opened(raw, "", FILE_GENERIC_READ, FILE_OPEN)
    watching = await raw.begin(ChangeNotifyRequest(directory, 1000, 3))
    await watching.pending()
    await raw.cancel(watching)
    assert (await watching.response()).status is Status.CANCELLED


async def test_a_negotiate_inside_of_a_transform_drops_the_connection(server):
    """Whatever it names: the connection is negotiated  [MS-SMB2 3.3.5.4]"""
    raw = await server.tree("secret")
    await raw.begin(negotiate_request(), SEALED)
    await dropped(server, raw)


# -- compounds --


def compound(raw, *requests):
    """Send requests given as (body, session id, flags) in one transform."""
    made = [raw.request(body, naming(session_id, flags=flags)) for body, session_id, flags in requests]
    return raw.connection.start(*made)


@pytest.mark.parametrize("flags", [0, FLAG_RELATED])
async def test_first_of_a_compound_for_another_session_drops_the_connection(server, flags):
    raw, other = await of_two(server)
    own = raw.session.session_id
    await compound(raw, (EchoRequest(), other, flags), (EchoRequest(), own, 0))
    await dropped(server, raw)


@pytest.mark.parametrize("body", [EchoRequest(), create_request("other"), LogoffRequest()])
async def test_further_one_on_its_own_for_another_session_drops_the_connection(server, body):
    raw, other = await of_two(server)
    own = raw.session.session_id
    for wrong in (other, 0):
        raw, other = await of_two(server)
        await compound(raw, (EchoRequest(), raw.session.session_id, 0), (body, wrong, 0))
        await dropped(server, raw)
    assert own


@pytest.mark.parametrize(
    ("body", "status"), [(FlushRequest(ANY), Status.USER_SESSION_DELETED), (EchoRequest(), Status.SUCCESS)]
)
async def test_further_one_on_its_own_that_names_the_session_of_related_ones_is_answered(server, body, status):
    """smb2.compound.invalid2: the specification would drop the connection, clients that forget a flag hear why"""
    raw = await server.tree("secret")
    own = raw.session.session_id
    pendings = await compound(raw, (EchoRequest(), own, 0), (body, RELATED_SESSION_ID, 0))
    assert [(await pending.response()).status for pending in pendings] == [Status.SUCCESS, status]


@pytest.mark.parametrize("which", ["none", "all ones", "another"])
async def test_related_requests_take_the_session_of_the_first(server, which):
    raw, other = await of_two(server)
    named = {"none": 0, "all ones": RELATED_SESSION_ID, "another": other}[which]
    pendings = await compound(
        raw, (create_request("file"), raw.session.session_id, 0), (EchoRequest(), named, FLAG_RELATED),
        (CloseRequest(ANY), named, FLAG_RELATED),
    )  # fmt: skip
    for pending in pendings:
        assert (await pending.response()).expect().sealed


async def test_related_to_one_that_found_no_session(server):
    """Sealed rightly for a session that has ended: nothing is left to relate to."""
    raw = await server.tree("secret")
    own = raw.session.session_id
    pendings = await compound(
        raw, (LogoffRequest(), own, 0), (create_request("file"), own, 0), (CloseRequest(ANY), own, FLAG_RELATED)
    )
    statuses = [(await pending.response()).status for pending in pendings]
    assert statuses == [Status.SUCCESS, Status.USER_SESSION_DELETED, Status.INVALID_PARAMETER]


# -- sessions and connections that cannot be sealed for --


@pytest.mark.parametrize("user", ["", "nobody known"])
async def test_a_transform_for_a_session_without_keys_drops_the_connection(make, user):
    """[MS-SMB2 3.3.5.2.1.1]: guest and anonymous sessions are not encrypted"""
    server = make(allow_guest=True, allow_anonymous=True)
    raw = await server.negotiated()
    initiator = Initiator(user, "", anonymous=not user)
    session = await sign_in(raw.connection, initiator)
    sealer = Sealer(2, bytes(16), session.session_id)
    raw.connection.send_bytes(sealer.seal([b"\xfeSMB" + bytes(64)]))
    await dropped(server, raw)


@pytest.mark.parametrize("offer", [only(0x0202), only(0x0210), only(0x0311, ciphers=())])
async def test_a_transform_on_a_connection_without_a_cipher_drops_it(server, offer):
    """Though its key is right: the session lives on another connection"""
    owner = await server.tree("secret")
    raw = await server.negotiated(offer)
    raw.connection.send_bytes(owner.session.sealer.seal([b"\xfeSMB" + bytes(64)]))
    await dropped(server, raw)
    (await owner.echo(SEALED)).expect()


async def test_a_sealed_reauthentication_keeps_the_keys(server):
    raw = await server.tree("secret")
    file_id = await opened(raw)
    await reauthenticate(raw.connection, raw.session, Initiator(USER, PASSWORD))
    assert (await raw.flush(file_id)).expect().sealed
    await turn()
