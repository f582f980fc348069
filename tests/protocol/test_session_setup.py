"""[MS-SMB2 3.3.5.5, 3.3.5.6]"""

from __future__ import annotations

import pytest

from smbcore.auth.initiator import Initiator
from smbcore.client.message import How
from smbcore.client.negotiated import Offer
from smbcore.client.raw import RawClient
from smbcore.client.session import SetupExchange, bind, reauthenticate, sign_in
from smbcore.nt.status import NtError, Status
from smbcore.server.config import Encryption, Limits
from smbcore.wire.session_setup import SessionFlags
from tests.memory_server import OTHER_PASSWORD, OTHER_USER, PASSWORD, USER
from tests.protocol.steps import ANY, DIALECTS, SIGNED, UNSIGNED, WRONGLY_SIGNED, lives, only, opened, turn


def alice():
    return Initiator(USER, PASSWORD)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("spnego", [True, False])
async def test_signing_in(server, dialect, spnego):
    # 1 two legs lead to a session
    raw = await server.negotiated(only(dialect))
    exchange = SetupExchange(raw.connection, Initiator(USER, PASSWORD, spnego=spnego))
    first = await exchange.leg()
    first.expect(Status.MORE_PROCESSING_REQUIRED)
    last = await exchange.leg()
    session = exchange.finish(last)
    # 2 the final answer is signed with the new key
    assert last.verified
    assert session.session_id == first.header.session_id == last.header.session_id != 0
    # 3 the session works
    (await raw.as_session(session).tree_connect(r"\\server\data")).expect()


@pytest.mark.parametrize("user, password", [(USER, "wrong"), ("nobody", PASSWORD), (USER, "")])
async def test_wrong_credentials(server, user, password):
    # 1 the second leg is LOGON_FAILURE
    raw = await server.negotiated()
    exchange = SetupExchange(raw.connection, Initiator(user, password))
    response = await exchange.run()
    assert response.status is Status.LOGON_FAILURE
    # 2 the session is gone
    again = await raw.session_setup(b"x", How(session_id=exchange._sender.session_id))
    assert again.status is Status.USER_SESSION_DELETED
    assert not server.server.sessions
    # 3 the connection is not
    await sign_in(raw.connection, alice())


async def test_anonymous_is_refused_unless_allowed(server):
    raw = await server.negotiated()
    with pytest.raises(NtError) as error:
        await sign_in(raw.connection, Initiator("", "", anonymous=True))
    assert error.value.status in (Status.LOGON_FAILURE, Status.ACCESS_DENIED)
    assert not server.server.sessions


async def test_anonymous_session_has_no_keys_and_sees_only_ipc(make):
    raw = await make(allow_anonymous=True).negotiated()
    session = await sign_in(raw.connection, Initiator("", "", anonymous=True))
    assert session.flags == SessionFlags.IS_NULL
    assert session.keys is None
    raw = raw.as_session(session)
    (await raw.tree_connect(r"\\server\IPC$")).expect()


async def test_guest_session(make):
    server = make(allow_guest=True)
    raw = await server.negotiated()
    session = await sign_in(raw.connection, Initiator("nobody", "nothing"))
    assert session.flags == SessionFlags.IS_GUEST
    response = await raw.as_session(session).tree_connect(r"\\server\data")
    assert response.status is Status.ACCESS_DENIED


@pytest.mark.parametrize("token", [b"", b"x", b"NTLMSSP\0", b"\x60\x82\xff\xff", bytes(2000)])
async def test_malformed_tokens_are_errors_and_leave_nothing(server, token):
    raw = await server.negotiated()
    response = await raw.session_setup(token)
    assert response.status in (Status.INVALID_PARAMETER, Status.LOGON_FAILURE)
    assert not server.server.sessions
    await sign_in(raw.connection, alice())


async def test_unknown_session_id(server):
    raw = await server.negotiated()
    response = await raw.session_setup(alice().step(None), How(session_id=0x1234))
    assert response.status is Status.USER_SESSION_DELETED


async def test_session_in_progress_serves_nothing(server):
    raw = await server.negotiated()
    response = await raw.session_setup(alice().step(None))
    assert response.status is Status.MORE_PROCESSING_REQUIRED
    how = How(session_id=response.header.session_id)
    assert (await raw.tree_connect(r"\\server\data", how)).status is Status.USER_SESSION_DELETED
    assert (await raw.close(ANY, how=how)).status is Status.NETWORK_NAME_DELETED


async def test_session_of_another_connection_is_unknown_here(server):
    one, two = await server.session(), await server.session()
    response = await two.tree_connect(r"\\server\data", How(session_id=one.session.session_id))
    assert response.status is Status.USER_SESSION_DELETED


async def test_logoff_ends_the_session_with_its_trees_and_opens(server):
    # 1 a file is open
    raw = await server.tree()
    file_id = await opened(raw)
    # 2 LOGOFF, answered under the session's key
    response = await raw.logoff(SIGNED)
    assert response.expect().verified
    await server.server.drain()
    assert not server.server.opens
    assert not server.server.trees
    assert not server.server.sessions
    # 3 nothing works any more
    assert (await raw.close(file_id)).status is Status.USER_SESSION_DELETED
    assert (await raw.logoff()).status is Status.USER_SESSION_DELETED


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_reauthentication_keeps_session_keys_and_opens(server, dialect):
    # 1 a file is open
    raw = await server.tree(offer=only(dialect))
    file_id = await opened(raw)
    # 2 the same user signs in again with the session's id
    await reauthenticate(raw.connection, raw.session, alice())
    # 3 the old keys sign, the old handle reads
    assert (await raw.flush(file_id, SIGNED)).expect().verified
    assert len(server.server.sessions) == 1


async def test_failed_reauthentication_ends_the_session(server):
    """[MS-SMB2 3.3.5.5.2]"""
    raw = await server.tree()
    file_id = await opened(raw)
    with pytest.raises(NtError):
        await reauthenticate(raw.connection, raw.session, Initiator(USER, "wrong"))
    assert (await raw.flush(file_id)).status is Status.USER_SESSION_DELETED


async def test_reauthentication_of_a_session_that_signs_is_signed(make):
    raw = await make(signing_required=True).tree()
    exchange = SetupExchange(raw.connection, alice(), session=raw.session)
    response = await exchange.run()
    assert response.expect().verified


async def test_previous_session_of_the_same_user_ends(server):
    """[MS-SMB2 3.3.5.5.3]"""
    # 1 a session with an open
    old = await server.tree()
    file_id = await opened(old)
    # 2 the client comes back and names it
    new = await server.session(previous_session_id=old.session.session_id)
    # 3 the old one is gone
    assert (await old.flush(file_id)).status is Status.USER_SESSION_DELETED
    (await new.tree_connect(r"\\server\data")).expect()


async def test_previous_session_of_another_user_stays(server):
    old = await server.tree()
    file_id = await opened(old)
    await server.session(user=OTHER_USER, password=OTHER_PASSWORD, previous_session_id=old.session.session_id)
    (await old.flush(file_id)).expect()


async def test_previous_session_that_is_unknown_or_the_own_one_is_ignored(server):
    raw = await server.session(previous_session_id=0x5555)
    (await raw.tree_connect(r"\\server\data")).expect()


async def test_who_does_not_sign_in_is_dropped_after_45_seconds(manual):
    # 1 a silent connection, a negotiated one, one that failed, and one that signed in
    silent = RawClient(manual.connection())
    negotiated = await manual.negotiated()
    failed = await manual.negotiated()
    with pytest.raises(NtError):
        await sign_in(failed.connection, Initiator(USER, "wrong"))
    fine = await manual.tree()
    # 2 44 seconds: all are there
    manual.clock.advance(44)
    await turn()
    assert not any(raw.connection.is_lost for raw in (silent, negotiated, failed, fine))
    # 3 45 seconds
    manual.clock.advance(1.1)
    await turn()
    assert all(raw.connection.is_lost for raw in (silent, negotiated, failed))
    assert not fine.connection.is_lost
    # 4 hours: who signed in stays
    manual.clock.advance(36_000)
    await turn()
    (await fine.echo()).expect()


async def test_sessions_of_one_connection_are_bounded(make):
    server = make(limits=Limits(sessions_per_connection=3))
    raw = await server.negotiated()
    sessions = [await sign_in(raw.connection, alice()) for _ in range(3)]
    assert (await raw.session_setup(alice().step(None))).status is Status.INSUFFICIENT_RESOURCES
    (await raw.as_session(sessions[0]).logoff()).expect()
    await sign_in(raw.connection, alice())


async def test_closing_the_connection_ends_its_sessions(server):
    raw = await server.tree()
    await opened(raw)
    raw.connection.close()
    await turn()
    await server.server.drain()
    assert not server.server.connections
    assert not server.server.sessions
    assert not server.server.opens


@pytest.mark.parametrize("dialect", [0x0300, 0x0302, 0x0311])
async def test_second_channel(server, dialect):
    """[MS-SMB2 3.3.5.5.2, 3.3.4.1.1]: own signing key for each channel, one session"""
    # 1 a session with an open
    guid = b"client guid 1234"
    first = await server.negotiated(only(dialect), client_guid=guid)
    first = first.as_session(await sign_in(first.connection, alice()))
    tree = first.on_tree((await first.tree_connect(r"\\server\data")).expect())
    file_id = await opened(tree)
    # 2 another connection of the same client binds to it
    second = await server.negotiated(only(dialect), client_guid=guid)
    await bind(second.connection, first.session, alice())
    other = RawClient(second.connection, first.session, tree.tree_id)
    # 3 the handle works on both, each signs with its own key
    (await other.write(file_id, 0, b"by channel", SIGNED)).expect()
    response = await tree.read(file_id, 0, 10, SIGNED)
    assert bytes(response.expect().body.data) == b"by channel"
    assert response.verified
    keys = [c.connection.channels[first.session.session_id].signer for c in (tree, other)]
    assert keys[0] is not keys[1]
    # 4 the first connection goes, the session stays
    first.connection.close()
    await turn()
    assert bytes((await other.read(file_id, 0, 10, SIGNED)).expect().body.data) == b"by channel"
    # 5 and the last one takes it along
    second.connection.close()
    await turn()
    assert not server.server.sessions


async def binding_refused(server, status, *, offer=None, guid=b"client guid 1234", who=None, signing=(2, 1)):
    first = await server.negotiated(only(0x0311, signing=signing), client_guid=b"client guid 1234")
    session = await sign_in(first.connection, alice())
    second = await server.negotiated(offer or only(0x0311), client_guid=guid)
    with pytest.raises(NtError) as error:
        await bind(second.connection, session, who or alice())
    assert error.value.status is status
    # the session is unharmed, and unknown on the second connection
    (await first.as_session(session).tree_connect(r"\\server\data")).expect()
    response = await second.as_session(session).tree_connect(r"\\server\data")
    assert response.status is Status.USER_SESSION_DELETED


async def test_binding_with_another_client_guid(server):
    """[MS-SMB2 3.3.5.5] lets a server refuse it; Windows does not (smb2.session.bind_negative_smb3signCtoHd)"""
    first = await server.session(only(0x0311))
    second = await server.negotiated(only(0x0311), client_guid=b"another client!!")
    await bind(second.connection, first.session, alice())
    (await second.as_session(first.session).tree_connect(r"\\server\data")).expect()


async def test_binding_with_another_dialect(server):
    await binding_refused(server, Status.INVALID_PARAMETER, offer=only(0x0302), signing=(1,))


async def test_binding_with_another_cipher(server):
    await binding_refused(server, Status.INVALID_PARAMETER, offer=only(0x0311, ciphers=(1,)))


async def test_binding_by_another_user(server):
    await binding_refused(server, Status.ACCESS_DENIED, who=Initiator(OTHER_USER, OTHER_PASSWORD))


async def test_binding_with_a_wrong_password(server):
    await binding_refused(server, Status.LOGON_FAILURE, who=Initiator(USER, "wrong"))


async def test_binding_without_multi_channel(make):
    await binding_refused(make(multi_channel=False), Status.REQUEST_NOT_ACCEPTED)


@pytest.mark.parametrize("how, status", [
    (UNSIGNED, Status.INVALID_PARAMETER), (WRONGLY_SIGNED, Status.ACCESS_DENIED),
])  # fmt: skip
async def test_binding_must_be_signed_with_the_sessions_key(server, how, status):
    guid = b"client guid 1234"
    first = await server.negotiated(client_guid=guid)
    session = await sign_in(first.connection, alice())
    second = await server.negotiated(client_guid=guid)
    exchange = SetupExchange(second.connection, alice(), session=session, bind=True, how=how)
    assert (await exchange.leg()).status is status


async def test_binding_where_it_is_bound_already(server):
    first = await server.negotiated()
    session = await sign_in(first.connection, alice())
    exchange = SetupExchange(first.connection, alice(), session=session, bind=True)
    assert (await exchange.leg()).status is Status.REQUEST_NOT_ACCEPTED


async def test_binding_to_nothing(server):
    raw = await server.negotiated()
    response = await raw.session_setup(b"x", How(session_id=77), flags=1)
    assert response.status is Status.USER_SESSION_DELETED
    raw = await server.negotiated(only(0x0210))
    response = await raw.session_setup(b"x", How(session_id=77), flags=1)
    assert response.status is Status.REQUEST_NOT_ACCEPTED


async def test_encryption_required_needs_a_client_that_can(make):
    server = make(encryption=Encryption.REQUIRED)
    raw = await server.negotiated(only(0x0210))
    with pytest.raises(NtError) as error:
        await sign_in(raw.connection, alice())
    assert error.value.status is Status.ACCESS_DENIED
    assert not server.server.sessions
    raw = await server.negotiated(Offer(ciphers=()))
    with pytest.raises(NtError) as error:
        await sign_in(raw.connection, alice())
    assert error.value.status is Status.ACCESS_DENIED
    await lives(server)
