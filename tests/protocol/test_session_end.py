"""How sessions end: expiry, sign-ins that take too long, LOGOFF beside requests that wait, the administrator.

[MS-SMB2 3.3.5.2.9, 3.3.5.6, 3.3.4.12, 2.2.44]
"""

from __future__ import annotations

import dataclasses

import pytest

from smbcore.auth.initiator import Initiator
from smbcore.client.message import How
from smbcore.client.negotiated import CAPABILITIES
from smbcore.client.raw import RawClient
from smbcore.client.session import SetupExchange, bind, sign_in
from smbcore.nt.access import FILE_GENERIC_READ
from smbcore.nt.clock import ManualClock
from smbcore.nt.create import FILE_OPEN
from smbcore.nt.info import fsctl
from smbcore.nt.info.classes import FILE_BASIC_INFORMATION
from smbcore.nt.status import NtError, Status
from smbcore.server.config import Limits
from smbcore.server.management import end_session
from smbcore.wire.change_notify import ChangeNotifyRequest
from smbcore.wire.header import SERVER_TO_CLIENT_NOTIFICATION, UNSOLICITED_MESSAGE_ID
from smbcore.wire.lock import LOCK_EXCLUSIVE, LOCK_UNLOCK, LockElement, LockRequest
from smbcore.wire.negotiate import Capabilities
from smbcore.wire.set_info import SetInfoRequest
from tests.memory_server import PASSWORD, USER
from tests.protocol.steps import only, opened, turn

LISTENING = CAPABILITIES | int(Capabilities.NOTIFICATIONS)


def alice(password=PASSWORD):
    return Initiator(USER, password)


# -- expiry --


async def expired(make):
    """A tree connect with an open and a lock, whose session has expired."""
    server = make(ManualClock(), session_lifetime=600.0)
    raw = await server.tree()
    file_id = await opened(raw)
    (await raw.lock(file_id, [LockElement(0, 1, LOCK_EXCLUSIVE)])).expect()
    server.clock.advance(601)
    return server, raw, file_id


@pytest.mark.parametrize("command", [
    "create", "read", "write", "flush", "ioctl", "query_directory", "change_notify", "query_info", "set_info",
    "tree_connect", "tree_disconnect", "oplock_break",
])  # fmt: skip
async def test_an_expired_session_is_told_so(make, command):
    """smb2.session.expire2"""
    _, raw, file_id = await expired(make)
    send = {
        "create": lambda: raw.create("other", FILE_GENERIC_READ),
        "read": lambda: raw.read(file_id, 0, 1),
        "write": lambda: raw.write(file_id, 0, b"x"),
        "flush": lambda: raw.flush(file_id),
        "ioctl": lambda: raw.ioctl(fsctl.FSCTL_SRV_REQUEST_RESUME_KEY, file_id),
        "query_directory": lambda: raw.query_directory(file_id, 1, "*"),
        "change_notify": lambda: raw.change_notify(file_id, 1),
        "query_info": lambda: raw.query_info(file_id, 1, FILE_BASIC_INFORMATION),
        "set_info": lambda: raw.call(SetInfoRequest(1, FILE_BASIC_INFORMATION, file_id, bytes(40))),
        "tree_connect": lambda: raw.tree_connect(r"\\server\data"),
        "tree_disconnect": raw.tree_disconnect,
        "oplock_break": lambda: raw.acknowledge_oplock_break(file_id, 0),
    }[command]
    assert (await send()).status is Status.NETWORK_SESSION_EXPIRED


async def test_an_expired_session_may_still_give_back_what_it_holds(make):
    """unlock, close, echo, logoff"""
    server, raw, file_id = await expired(make)
    (await raw.call(LockRequest(file_id, [LockElement(0, 1, LOCK_UNLOCK)]))).expect()
    (await raw.close(file_id)).expect()
    (await raw.echo()).expect()
    (await raw.logoff()).expect()
    assert not server.server.sessions


async def test_an_expired_session_goes_on_after_a_new_proof(make):
    """[MS-SMB2 3.3.5.5.2]: the handles are still there, and the time starts anew"""
    server, raw, file_id = await expired(make)
    await SetupExchange(raw.connection, alice(), session=raw.session).run()
    (await raw.write(file_id, 0, b"again")).expect()
    server.clock.advance(599)
    (await raw.write(file_id, 0, b"again")).expect()
    server.clock.advance(2)
    assert (await raw.write(file_id, 0, b"x")).status is Status.NETWORK_SESSION_EXPIRED


async def test_a_proof_in_time_puts_the_end_off(make):
    server = make(ManualClock(), session_lifetime=600.0)
    raw = await server.tree()
    server.clock.advance(400)
    await SetupExchange(raw.connection, alice(), session=raw.session).run()
    server.clock.advance(400)
    (await raw.tree_connect(r"\\server\data")).expect()


async def test_an_expired_session_cannot_be_bound(make):
    server, raw, _ = await expired(make)
    other = await server.negotiated(client_guid=raw.connection.client_guid)
    with pytest.raises(NtError) as error:
        await bind(other.connection, raw.session, alice())
    assert error.value.status is Status.NETWORK_SESSION_EXPIRED


# -- bounds --


async def test_a_sign_in_that_takes_too_long_is_given_up(make):
    """beside a session of the same connection that is in use"""
    server = make(ManualClock())
    raw = await server.tree()
    exchange = SetupExchange(raw.connection, alice())
    assert (await exchange.leg()).status is Status.MORE_PROCESSING_REQUIRED
    assert len(server.server.sessions) == 2
    server.clock.advance(46)
    assert len(server.server.sessions) == 1
    assert (await exchange.leg()).status is Status.USER_SESSION_DELETED
    (await raw.tree_connect(r"\\server\data")).expect()


async def test_sessions_of_the_server_are_bounded(make):
    server = make(max_sessions=2)
    raw = await server.session()
    await server.session()
    refused = await server.negotiated()
    with pytest.raises(NtError) as error:
        await sign_in(refused.connection, alice())
    assert error.value.status is Status.INSUFFICIENT_RESOURCES
    (await raw.logoff()).expect()
    await sign_in(refused.connection, alice())


# -- LOGOFF --


async def test_logoff_completes_what_waits(server):
    other, raw = await server.tree(), await server.tree()
    held = await opened(other)
    (await other.lock(held, [LockElement(0, 1, LOCK_EXCLUSIVE)])).expect()
    file_id = await opened(raw)
    directory = await opened(raw, "", FILE_GENERIC_READ, FILE_OPEN)
    watching = await raw.begin(ChangeNotifyRequest(directory, 1000, 1))
    await watching.pending()
    locking = await raw.begin(LockRequest(file_id, [LockElement(0, 1, LOCK_EXCLUSIVE)]))
    await locking.pending()
    (await raw.logoff()).expect()
    assert (await watching.response()).status is Status.NOTIFY_CLEANUP
    assert (await locking.response()).status is Status.RANGE_NOT_LOCKED
    assert (await raw.tree_connect(r"\\server\data")).status is Status.USER_SESSION_DELETED


# -- the administrator --


async def listening(server, capabilities=LISTENING, **options):
    raw = await server.negotiated(dataclasses.replace(only(0x0311), capabilities=capabilities))
    return raw.as_session(await sign_in(raw.connection, alice(), **options))


def session_of(server, raw):
    return server.server.sessions[raw.session.session_id]


async def test_a_client_that_listens_hears_that_its_session_is_closed(server):
    raw = await listening(server)
    assert raw.connection.negotiated.response.capabilities & Capabilities.NOTIFICATIONS
    end_session(session_of(server, raw))
    await turn()
    heard = raw.connection.breaks.get_nowait()
    assert heard.header.command == SERVER_TO_CLIENT_NOTIFICATION
    assert heard.header.message_id == UNSOLICITED_MESSAGE_ID
    assert heard.header.session_id == raw.session.session_id
    assert heard.body.notification_type == 0
    assert raw.connection.is_lost


async def test_every_channel_hears_it(server):
    raw = await listening(server)
    other = await server.negotiated(
        dataclasses.replace(only(0x0311), capabilities=LISTENING), client_guid=raw.connection.client_guid
    )
    await bind(other.connection, raw.session, alice())
    end_session(session_of(server, raw))
    await turn()
    assert [client.connection.breaks.qsize() for client in (raw, other)] == [1, 1]


@pytest.mark.parametrize("dialect, capabilities", [(0x0311, CAPABILITIES & ~int(Capabilities.NOTIFICATIONS)),
                                                   (0x0302, LISTENING)])  # fmt: skip
async def test_others_hear_nothing(server, dialect, capabilities):
    raw = await server.negotiated(dataclasses.replace(only(dialect), capabilities=capabilities))
    raw = raw.as_session(await sign_in(raw.connection, alice()))
    assert not raw.connection.negotiated.response.capabilities & Capabilities.NOTIFICATIONS
    end_session(session_of(server, raw))
    await turn()
    assert raw.connection.breaks.empty()
    assert raw.connection.is_lost


async def test_binding_wants_the_same_on_both_connections(server):
    """[MS-SMB2 3.3.5.5 step 4]"""
    raw = await listening(server)
    deaf = dataclasses.replace(only(0x0311), capabilities=CAPABILITIES & ~int(Capabilities.NOTIFICATIONS))
    other = await server.negotiated(deaf, client_guid=raw.connection.client_guid)
    with pytest.raises(NtError) as error:
        await bind(other.connection, raw.session, alice())
    assert error.value.status is Status.INVALID_PARAMETER


async def test_a_connection_with_another_session_stays(server):
    raw = await listening(server)
    other = raw.as_session(await sign_in(raw.connection, alice()))
    end_session(session_of(server, raw))
    (await RawClient(raw.connection, other.session).tree_connect(r"\\server\data")).expect()


# -- floods --


async def test_a_limit_is_logged_once(make, caplog):
    server = make(limits=Limits(sessions_per_connection=2, trees_per_session=3, pending_per_connection=1))
    raw = await server.session()
    for _ in range(5):
        await raw.session_setup(alice().step(None), How(session_id=0))
        await raw.tree_connect(r"\\server\data")
    told = [record.getMessage() for record in caplog.records if "too many" in record.getMessage()]
    assert [text.rpartition("too many ")[2] for text in told] == ["sessions", "tree connects"]
    # another connection has its own bounds
    await server.tree()
