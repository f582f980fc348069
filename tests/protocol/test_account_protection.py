"""Accounts that demand signing or encryption, on a server that demands neither.

[MS-SMB2 3.3.5.2.4, 3.3.5.2.9, 3.3.5.5.3]
"""

from __future__ import annotations

import logging

import pytest

from smbcore.auth.initiator import Initiator
from smbcore.client.message import How
from smbcore.client.negotiated import CAPABILITIES, Offer
from smbcore.client.raw import RawClient
from smbcore.client.session import SetupExchange, bind, reauthenticate, sign_in
from smbcore.nt.status import NtError, Status
from smbcore.server.config import Encryption
from smbcore.wire.flush import FlushRequest
from smbcore.wire.header import FLAG_SIGNED
from smbcore.wire.negotiate import Capabilities, SecurityMode
from smbcore.wire.session_setup import SessionFlags
from smbcore.wire.types import ANY_FILE_ID
from tests.memory_server import OTHER_PASSWORD, OTHER_USER, PASSWORD, USER
from tests.protocol.steps import DIALECTS, SIGNED, UNSIGNED, WRONGLY_SIGNED, create_request, lives, only, opened

SEALED = How(seal=True)
PLAIN = How(seal=False)
SIGNED_PLAIN = How(seal=False, signature=SIGNED.signature)
PLAIN_AND_UNSIGNED = How(seal=False, signature=UNSIGNED.signature)
WITH_ENCRYPTION = (0x0300, 0x0302, 0x0311)
NO_ENCRYPTION = CAPABILITIES & ~int(Capabilities.ENCRYPTION)
WITHOUT_ENCRYPTION = (
    only(0x0202),
    only(0x0210),
    only(0x0300, capabilities=NO_ENCRYPTION),
    only(0x0302, capabilities=NO_ENCRYPTION),
    only(0x0311, ciphers=()),
)
GUID = b"client guid 1234"


def alice():
    return Initiator(USER, PASSWORD)


@pytest.fixture
def sign(server):
    """A server on which alice must sign."""
    server.accounts.demand(USER, signing=True)
    return server


@pytest.fixture
def encrypt(server):
    """A server on which alice must encrypt."""
    server.accounts.demand(USER, encryption=True)
    return server


async def signing_tree(server, dialect, **options):
    """A tree connect of alice whose client signs by itself."""
    raw = await server.session(only(dialect), **options)
    raw.session.sign = True
    return raw.on_tree((await raw.tree_connect(r"\\server\data")).expect())


# -- signing --


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_an_account_that_must_sign_is_refused_unsigned(sign, dialect):
    """[MS-SMB2 3.3.5.2.4]"""
    # 1 signing in says nothing about it: the protocol has no flag for it
    raw = await signing_tree(sign, dialect)
    assert raw.session.flags == 0
    # 2 signed requests are served, and answered signed
    file_id = await opened(raw)
    assert (await raw.write(file_id, 0, b"signed")).expect().verified
    # 3 unsigned and wrongly signed ones are refused, those without a session's need included
    for how in (UNSIGNED, WRONGLY_SIGNED):
        assert (await raw.flush(file_id, how)).status is Status.ACCESS_DENIED
        assert (await raw.create("x", how=how)).status is Status.ACCESS_DENIED
        assert (await raw.echo(how)).status is Status.ACCESS_DENIED
        assert (await raw.logoff(how)).status is Status.ACCESS_DENIED
    # 4 nothing is lost
    (await raw.flush(file_id)).expect()


async def test_a_client_that_does_not_sign_does_not_get_a_tree_connect(sign):
    raw = await sign.session(only(0x0302))
    assert (await raw.tree_connect(r"\\server\data", UNSIGNED)).status is Status.ACCESS_DENIED


@pytest.mark.parametrize("dialect", WITH_ENCRYPTION)
async def test_what_is_sealed_needs_no_signature(sign, dialect):
    raw = await signing_tree(sign, dialect)
    file_id = await opened(raw)
    assert (await raw.flush(file_id, How(seal=True))).expect().sealed


async def test_each_member_of_a_compound_must_be_signed(sign):
    raw = await signing_tree(sign, 0x0311)
    assert all(r.expect().verified for r in await raw.compound(create_request("a"), FlushRequest(ANY_FILE_ID)))
    refused = await raw.compound(create_request("a"), create_request("b"), related=False, how=UNSIGNED)
    assert [r.status for r in refused] == [Status.ACCESS_DENIED] * 2


async def test_other_accounts_are_not_touched(sign):
    sign.accounts.demand(USER, signing=True, encryption=True)
    raw = await sign.tree(offer=only(0x0210), user=OTHER_USER, password=OTHER_PASSWORD)
    file_id = await opened(raw)
    assert not (await raw.flush(file_id, UNSIGNED)).expect().flags & FLAG_SIGNED


async def test_the_log_tells_of_a_client_that_did_not_announce_to_sign(sign, caplog):
    caplog.set_level(logging.INFO, logger="smbcore")
    # 1 a client that demands signing itself needs no word
    await sign.session(Offer(security_mode=int(SecurityMode.SIGNING_REQUIRED)))
    assert "must sign" not in caplog.text
    # 2 of another one the log says what will happen
    await sign.session()
    assert f"user={USER} must sign, which its client does not announce: unsigned requests are refused" in caplog.text


async def test_the_record_of_the_session_shows_it(sign):
    raw = await sign.session()
    session = sign.server.sessions[raw.session.session_id]
    assert session.row()["signing_required"] is True


# -- encryption --


@pytest.mark.parametrize("dialect", WITH_ENCRYPTION)
async def test_an_account_that_must_encrypt_is_refused_in_the_clear(encrypt, dialect):
    """[MS-SMB2 3.3.5.2.9]"""
    # 1 the answer to signing in says so, and clients encrypt from there on
    raw = await encrypt.tree(offer=only(dialect))
    assert raw.session.flags == SessionFlags.ENCRYPT_DATA
    # 2 sealed requests get sealed answers
    file_id = await opened(raw)
    assert (await raw.write(file_id, 0, b"sealed")).expect().sealed
    # 3 what is not sealed is refused, be it signed
    for how in (PLAIN, SIGNED_PLAIN):
        assert (await raw.flush(file_id, how)).status is Status.ACCESS_DENIED
        assert (await raw.create("x", how=how)).status is Status.ACCESS_DENIED
        assert (await raw.logoff(how)).status is Status.ACCESS_DENIED
    assert (await raw.tree_connect(r"\\server\data", SIGNED_PLAIN)).status is Status.ACCESS_DENIED
    # 4 nothing is lost
    (await raw.flush(file_id)).expect()
    session = encrypt.server.sessions[raw.session.session_id]
    assert session.row()["encryption"].startswith("AES")


@pytest.mark.parametrize("offer", WITHOUT_ENCRYPTION)
async def test_an_account_that_must_encrypt_needs_a_client_that_can(encrypt, offer, caplog):
    """[MS-SMB2 3.3.5.5.3]"""
    caplog.set_level(logging.INFO, logger="smbcore")
    # 1 the right password does not help
    raw = await encrypt.negotiated(offer)
    with pytest.raises(NtError) as error:
        await sign_in(raw.connection, alice())
    assert error.value.status is Status.ACCESS_DENIED
    assert not encrypt.server.sessions
    # 2 the log says why, and what the client speaks
    assert f"{USER} must encrypt, which this connection cannot (SMB " in caplog.text
    incident = encrypt.trail.only()
    assert (incident.action, incident.object, incident.condition) == ("sign_in", "user alice", "unencrypted")
    # 3 a wrong one is a wrong one: what the account demands is told to nobody else
    with pytest.raises(NtError) as error:
        await sign_in(raw.connection, Initiator(USER, "wrong"))
    assert error.value.status is Status.LOGON_FAILURE
    # 4 somebody else may use the very connection
    await sign_in(raw.connection, Initiator(OTHER_USER, OTHER_PASSWORD))


async def test_an_account_that_must_encrypt_is_refused_by_a_server_that_never_does(make):
    server = make(encryption=Encryption.OFF)
    server.accounts.demand(USER, encryption=True)
    raw = await server.negotiated()
    with pytest.raises(NtError) as error:
        await sign_in(raw.connection, alice())
    assert error.value.status is Status.ACCESS_DENIED


async def test_a_compound_in_the_clear_is_refused_member_by_member(encrypt):
    raw = await encrypt.tree()
    refused = await raw.compound(create_request("a"), create_request("b"), related=False, how=SIGNED_PLAIN)
    assert [r.status for r in refused] == [Status.ACCESS_DENIED] * 2


# -- who has no keys --


async def test_guest_and_anonymous_sessions_are_not_touched(make):
    """They prove nothing and can neither sign nor encrypt; not even an account of that name makes them."""
    server = make(allow_guest=True, allow_anonymous=True)
    for name in ("", "Guest", "nobody"):
        server.accounts.demand(name, signing=True, encryption=True)
    raw = await server.negotiated()
    guest = await sign_in(raw.connection, Initiator("nobody", "nothing"))
    assert guest.flags == SessionFlags.IS_GUEST
    assert (await raw.as_session(guest).tree_connect(r"\\server\IPC$", UNSIGNED)).status is Status.SUCCESS
    anonymous = await sign_in(raw.connection, Initiator("", "", anonymous=True))
    assert anonymous.flags == SessionFlags.IS_NULL
    (await raw.as_session(anonymous).tree_connect(r"\\server\IPC$", UNSIGNED)).expect()


async def test_a_guest_may_prove_again_that_he_is_nobody(make):
    """A server that demands signatures lets guests in without; so it does when they sign in anew."""
    server = make(allow_guest=True, signing_required=True)
    raw = await server.negotiated()
    guest = await sign_in(raw.connection, Initiator("nobody", "nothing"))
    await reauthenticate(raw.connection, guest, Initiator("nobody", "nothing"))
    (await raw.as_session(guest).tree_connect(r"\\server\IPC$", UNSIGNED)).expect()


@pytest.mark.parametrize("demands", [{"signing": True}, {"encryption": True}])
async def test_a_session_without_keys_does_not_become_one_of_such_an_account(make, demands):
    server = make(allow_anonymous=True)
    server.accounts.demand(USER, **demands)
    raw = await server.negotiated(only(0x0302))
    session = await sign_in(raw.connection, Initiator("", "", anonymous=True))
    with pytest.raises(NtError) as error:
        await reauthenticate(raw.connection, session, alice())
    assert error.value.status is Status.ACCESS_DENIED
    assert not server.server.sessions


@pytest.mark.parametrize("settings", [{"signing_required": True}, {"encryption": Encryption.REQUIRED}])
async def test_a_session_without_keys_does_not_get_round_the_server_either(make, settings):
    # 1 an anonymous session, of a time when the server demanded nothing
    server = make(allow_anonymous=True)
    raw = await server.negotiated(only(0x0302))
    session = await sign_in(raw.connection, Initiator("", "", anonymous=True))
    # 2 the server demands more, and alice takes the session over
    server.configure(**settings)
    with pytest.raises(NtError) as error:
        await reauthenticate(raw.connection, session, alice())
    assert error.value.status is Status.ACCESS_DENIED


# -- changes, and reauthentication --


async def test_a_change_holds_from_the_next_sign_in(server):
    # 1 alice is signed in and does not sign
    old = await server.tree(offer=only(0x0302))
    file_id = await opened(old)
    # 2 from now on she must sign and encrypt: who is signed in goes on
    server.accounts.demand(USER, signing=True, encryption=True)
    (await old.flush(file_id, UNSIGNED)).expect()
    # 3 the next sign-in is another matter
    new = await server.tree(offer=only(0x0302))
    assert new.session.flags == SessionFlags.ENCRYPT_DATA
    assert (await new.echo(PLAIN_AND_UNSIGNED)).status is Status.ACCESS_DENIED
    # 4 and so is one after that, when she need not any more
    server.accounts.demand(USER)
    free = await server.tree(offer=only(0x0302))
    (await free.flush(await opened(free), UNSIGNED)).expect()
    assert (await new.flush(await opened(new), PLAIN)).status is Status.ACCESS_DENIED


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_reauthentication_makes_the_session_sign(server, dialect):
    raw = await server.tree(offer=only(dialect))
    file_id = await opened(raw)
    server.accounts.demand(USER, signing=True)
    await reauthenticate(raw.connection, raw.session, alice())
    assert (await raw.flush(file_id, UNSIGNED)).status is Status.ACCESS_DENIED
    assert (await raw.flush(file_id, SIGNED)).expect().verified


@pytest.mark.parametrize("dialect", WITH_ENCRYPTION)
async def test_reauthentication_makes_the_session_encrypt(server, dialect):
    # 1 an open in the clear
    raw = await server.tree(offer=only(dialect))
    file_id = await opened(raw)
    # 2 the account demands encryption, the answer to the next proof says so, our client follows
    server.accounts.demand(USER, encryption=True)
    session = await reauthenticate(raw.connection, raw.session, alice())
    assert session.flags == SessionFlags.ENCRYPT_DATA
    # 3 the handle goes on, sealed only
    assert (await raw.flush(file_id, PLAIN)).status is Status.ACCESS_DENIED
    assert (await raw.flush(file_id)).expect().sealed


@pytest.mark.parametrize("offer", WITHOUT_ENCRYPTION)
async def test_reauthentication_of_a_client_that_cannot_encrypt_ends_the_session(server, offer):
    raw = await server.tree(offer=offer)
    file_id = await opened(raw)
    server.accounts.demand(USER, encryption=True)
    with pytest.raises(NtError) as error:
        await reauthenticate(raw.connection, raw.session, alice())
    assert error.value.status is Status.ACCESS_DENIED
    assert (await raw.flush(file_id)).status is Status.USER_SESSION_DELETED
    await lives_as_somebody_else(server)


async def lives_as_somebody_else(server):
    server.accounts.demand(USER)
    await lives(server)


@pytest.mark.parametrize("who", [alice, lambda: Initiator(OTHER_USER, OTHER_PASSWORD)])
async def test_reauthentication_never_makes_a_session_weaker(server, who):
    # 1 alice must sign and encrypt
    server.accounts.demand(USER, signing=True, encryption=True)
    raw = await server.tree(offer=only(0x0311))
    file_id = await opened(raw)
    # 2 she need not any more, or bob takes the session over: it goes on as it is
    server.accounts.demand(USER)
    await reauthenticate(raw.connection, raw.session, who())
    assert raw.session.flags == SessionFlags.ENCRYPT_DATA
    assert (await raw.flush(file_id, SIGNED_PLAIN)).status is Status.ACCESS_DENIED
    assert (await raw.echo(PLAIN_AND_UNSIGNED)).status is Status.ACCESS_DENIED


async def test_anonymous_reauthentication_leaves_the_demands(make):
    server = make(allow_anonymous=True)
    server.accounts.demand(USER, signing=True)
    raw = await signing_tree(server, 0x0311)
    await reauthenticate(raw.connection, raw.session, Initiator("", "", anonymous=True))
    assert (await raw.tree_connect(r"\\server\IPC$", UNSIGNED)).status is Status.ACCESS_DENIED
    (await raw.tree_connect(r"\\server\IPC$", SIGNED)).expect()


async def test_reauthentication_in_the_clear_is_possible(encrypt):
    """SESSION_SETUP is the one request of such a session that need not be encrypted: it holds nothing secret"""
    raw = await encrypt.tree()
    exchange = SetupExchange(raw.connection, alice(), session=raw.session, how=SIGNED_PLAIN)
    (await exchange.run()).expect()
    (await raw.flush(await opened(raw))).expect()


# -- binding --


async def second_connection(server, dialect, first):
    other = await server.negotiated(only(dialect), client_guid=GUID)
    return RawClient(other.connection, first.session, first.tree_id)


@pytest.mark.parametrize("dialect", WITH_ENCRYPTION)
@pytest.mark.parametrize("demands", [{"signing": True}, {"encryption": True}])
async def test_a_bound_channel_is_held_to_the_same(server, dialect, demands):
    # 1 alice with one connection
    server.accounts.demand(USER, **demands)
    first = await server.negotiated(only(dialect), client_guid=GUID)
    first = first.as_session(await sign_in(first.connection, alice()))
    first.session.sign = True
    tree = first.on_tree((await first.tree_connect(r"\\server\data")).expect())
    file_id = await opened(tree)
    # 2 and another one
    second = await second_connection(server, dialect, tree)
    await bind(second.connection, first.session, alice())
    # 3 is refused what the first one is refused
    (await second.flush(file_id)).expect()
    refused = UNSIGNED if "signing" in demands else SIGNED_PLAIN
    assert (await second.flush(file_id, refused)).status is Status.ACCESS_DENIED
    assert (await tree.flush(file_id, refused)).status is Status.ACCESS_DENIED


@pytest.mark.parametrize("dialect", WITH_ENCRYPTION)
@pytest.mark.parametrize("demands", [{"signing": True}, {"encryption": True}])
async def test_a_session_from_before_the_demand_gets_no_further_channel(server, dialect, demands):
    # 1 a session in the clear
    first = await server.negotiated(only(dialect), client_guid=GUID)
    first = first.as_session(await sign_in(first.connection, alice()))
    tree = first.on_tree((await first.tree_connect(r"\\server\data")).expect())
    file_id = await opened(tree)
    # 2 the account demands more: no channel is added to it
    server.accounts.demand(USER, **demands)
    second = await second_connection(server, dialect, tree)
    with pytest.raises(NtError) as error:
        await bind(second.connection, first.session, alice())
    assert error.value.status is Status.ACCESS_DENIED
    # 3 where it is, it goes on
    (await tree.flush(file_id, UNSIGNED)).expect()
    # 4 after a new proof it may be bound
    await reauthenticate(first.connection, first.session, alice())
    await bind(second.connection, first.session, alice())
    (await second.flush(file_id, SIGNED if "signing" in demands else SEALED)).expect()
