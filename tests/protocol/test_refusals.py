"""Requests that every command refuses alike: session, signature, encryption, tree, open, credits  [MS-SMB2 3.3.5.2].

One table of requests, one test for each check that comes before a command looks at its request; each names the status.
"""

from __future__ import annotations

import pytest

from smbcore.auth.initiator import Initiator
from smbcore.client.connection import Channel
from smbcore.client.message import How, Signature
from smbcore.client.session import sign_in
from smbcore.nt.info import fsctl
from smbcore.nt.info.classes import (
    FILE_BASIC_INFORMATION,
    FILE_ID_BOTH_DIRECTORY_INFORMATION,
    FILE_STANDARD_INFORMATION,
)
from smbcore.nt.status import Status
from smbcore.proto.signing import Signer
from smbcore.server.config import Encryption
from smbcore.wire.change_notify import ChangeNotifyRequest
from smbcore.wire.close import CloseRequest
from smbcore.wire.echo import EchoRequest
from smbcore.wire.flush import FlushRequest
from smbcore.wire.header import FLAG_SIGNED
from smbcore.wire.ioctl import IoctlRequest
from smbcore.wire.lock import LOCK_SHARED, LockElement, LockRequest
from smbcore.wire.logoff import LogoffRequest
from smbcore.wire.oplock_break import LeaseBreakAcknowledgment, OplockBreakAcknowledgment
from smbcore.wire.query_directory import QueryDirectoryRequest
from smbcore.wire.query_info import QueryInfoRequest
from smbcore.wire.read import ReadRequest
from smbcore.wire.session_setup import SessionFlags, SessionSetupRequest
from smbcore.wire.set_info import SetInfoRequest
from smbcore.wire.tree_connect import TreeConnectRequest
from smbcore.wire.tree_disconnect import TreeDisconnectRequest
from smbcore.wire.write import WriteRequest
from tests.memory_server import PASSWORD, USER
from tests.protocol.steps import ANY, SIGNED, UNSIGNED, WRONGLY_SIGNED, create_request, lives, only, opened

ON_OPEN = {
    "close": CloseRequest,
    "flush": FlushRequest,
    "read": lambda file_id: ReadRequest(file_id, 0, 1),
    "write": lambda file_id: WriteRequest(file_id, 0, b"x"),
    "lock": lambda file_id: LockRequest(file_id, [LockElement(0, 1, LOCK_SHARED)]),
    "ioctl": lambda file_id: IoctlRequest(fsctl.FSCTL_SRV_REQUEST_RESUME_KEY, file_id, b"", 100),
    "query_directory": lambda file_id: QueryDirectoryRequest(FILE_ID_BOTH_DIRECTORY_INFORMATION, file_id, "*", 100),
    "change_notify": lambda file_id: ChangeNotifyRequest(file_id, 100, 3),
    "query_info": lambda file_id: QueryInfoRequest(1, FILE_STANDARD_INFORMATION, file_id, 100),
    "set_info": lambda file_id: SetInfoRequest(1, FILE_BASIC_INFORMATION, file_id, bytes(40)),
    "oplock_break": lambda file_id: OplockBreakAcknowledgment(0, file_id),
}
ON_TREE = ON_OPEN | {
    "tree_disconnect": lambda _: TreeDisconnectRequest(),
    "create": lambda _: create_request("other.txt"),
}
IN_SESSION = ON_TREE | {
    "logoff": lambda _: LogoffRequest(),
    "tree_connect": lambda _: TreeConnectRequest(r"\\server\data"),
    "lease_break": lambda _: LeaseBreakAcknowledgment(bytes(16), 0),
}
NAMING_ONE = {
    "echo": lambda _: EchoRequest(),
    "session_setup": lambda _: SessionSetupRequest(Initiator(USER, PASSWORD).step(None)),
}
EVERY = IN_SESSION | NAMING_ONE
DIALECTS = pytest.mark.parametrize("dialect", [0x0202, 0x0300, 0x0311])


def each(table):
    return pytest.mark.parametrize("command", table)


async def with_file(server, dialect=0x0311, share="data", **options):
    raw = await server.tree(share, only(dialect), **options)
    return raw, await opened(raw)


# -- signatures  [MS-SMB2 3.3.5.2.4] --


@DIALECTS
@each(EVERY)
async def test_unsigned_in_a_session_that_signs(make, command, dialect):
    raw, file_id = await with_file(make(signing_required=True), dialect)
    assert (await raw.call(EVERY[command](file_id), UNSIGNED)).status is Status.ACCESS_DENIED
    # nothing has happened to session, tree and open
    (await raw.flush(file_id)).expect()


@DIALECTS
@each(EVERY)
async def test_wrongly_signed(server, command, dialect):
    raw, file_id = await with_file(server, dialect)
    response = await raw.call(EVERY[command](file_id), WRONGLY_SIGNED)
    assert response.status is Status.ACCESS_DENIED
    (await raw.flush(file_id, SIGNED)).expect()


@each(IN_SESSION)
async def test_signed_with_the_key_of_another_session(server, command):
    raw, file_id = await with_file(server)
    other = await server.session(only(0x0311))
    mine = raw.connection.channels[raw.session.session_id]
    theirs = other.connection.channels[other.session.session_id]
    raw.connection.channels[raw.session.session_id] = Channel(raw.session, theirs.signer)
    pending = await raw.begin(IN_SESSION[command](file_id), SIGNED)
    raw.connection.channels[raw.session.session_id] = mine
    assert (await pending.response()).status is Status.ACCESS_DENIED
    (await raw.flush(file_id)).expect()


@pytest.mark.parametrize("user", ["", "nobody known"])
async def test_a_session_without_keys_has_no_signatures_to_check(make, user):
    """A flag without a meaning: the request is answered, unsigned  [MS-SMB2 3.3.4.1.1]"""
    server = make(allow_guest=True, allow_anonymous=True)
    raw = await server.negotiated()
    session = await sign_in(raw.connection, Initiator(user, "", anonymous=not user))
    assert session.flags in (SessionFlags.IS_GUEST, SessionFlags.IS_NULL)
    raw.connection.channels[session.session_id] = Channel(session, Signer(1, bytes(16)))
    pending = await raw.as_session(session).begin(TreeConnectRequest(r"\\server\IPC$"), SIGNED)
    del raw.connection.channels[session.session_id]
    assert not (await pending.response()).expect().verified


# -- encryption  [MS-SMB2 3.3.5.2.9, 3.3.5.2.11] --


@pytest.mark.parametrize("dialect", [0x0300, 0x0311])
@each(IN_SESSION)
async def test_in_the_clear_in_a_session_that_encrypts(make, command, dialect):
    raw, file_id = await with_file(make(encryption=Encryption.REQUIRED), dialect)
    for how in (How(seal=False), How(seal=False, signature=Signature.ALWAYS)):
        assert (await raw.call(IN_SESSION[command](file_id), how)).status is Status.ACCESS_DENIED
    (await raw.flush(file_id)).expect()


@pytest.mark.parametrize("dialect", [0x0300, 0x0311])
@each(ON_TREE)
async def test_in_the_clear_on_a_share_that_encrypts(server, command, dialect):
    raw, file_id = await with_file(server, dialect, "secret")
    assert (await raw.call(ON_TREE[command](file_id), How(seal=False))).status is Status.ACCESS_DENIED
    (await raw.flush(file_id)).expect()


# -- sessions, trees, opens that are not there  [MS-SMB2 3.3.5.2.9, 3.3.5.2.11, 3.3.5.10 ...] --


@DIALECTS
@each(IN_SESSION)
async def test_unknown_session(server, command, dialect):
    raw, file_id = await with_file(server, dialect)
    other, _ = await with_file(server, dialect)
    for unknown in (0, 0x12345678, other.session.session_id, 0xFFFFFFFFFFFFFFFF):
        how = How(session_id=unknown)
        assert (await raw.call(IN_SESSION[command](file_id), how)).status is Status.USER_SESSION_DELETED


@DIALECTS
@each(IN_SESSION)
async def test_before_the_first_sign_in(server, command, dialect):
    """docs/decisions/0013: somebody else's session is as unknown as one that is not there"""
    owner, file_id = await with_file(server, dialect)
    raw = await server.negotiated(only(dialect))
    for named in (0, 0x12345678, owner.session.session_id):
        response = await raw.call(IN_SESSION[command](file_id), How(session_id=named))
        assert response.status is Status.USER_SESSION_DELETED
        assert not response.flags & FLAG_SIGNED
    (await owner.flush(file_id)).expect()


@DIALECTS
@each(IN_SESSION)
async def test_session_that_has_ended(server, command, dialect):
    raw, file_id = await with_file(server, dialect)
    (await raw.logoff()).expect()
    assert (await raw.call(IN_SESSION[command](file_id))).status is Status.USER_SESSION_DELETED
    response = await raw.call(IN_SESSION[command](file_id), SIGNED)
    assert response.status is Status.USER_SESSION_DELETED
    assert response.verified


@DIALECTS
@each(ON_TREE)
async def test_unknown_tree(server, command, dialect):
    raw, file_id = await with_file(server, dialect)
    other = raw.as_session(raw.session).on_tree((await raw.tree_connect(r"\\server\data")).expect())
    (await other.tree_disconnect()).expect()
    for unknown in (0, other.tree_id, 0xFFFFFFFF):
        how = How(tree_id=unknown)
        assert (await raw.call(ON_TREE[command](file_id), how)).status is Status.NETWORK_NAME_DELETED


@DIALECTS
@each(ON_OPEN)
async def test_unknown_open(server, command, dialect):
    raw, file_id = await with_file(server, dialect)
    closed = await opened(raw)
    (await raw.close(closed)).expect()
    other, foreign = await with_file(server, dialect)
    mixed = file_id[:8] + foreign[8:]
    for unknown in (bytes(16), ANY, closed, foreign, mixed):
        assert (await raw.call(ON_OPEN[command](unknown))).status is Status.FILE_CLOSED, unknown


@each(ON_OPEN)
async def test_open_of_another_tree_connect(server, command):
    raw, file_id = await with_file(server)
    other = raw.as_session(raw.session).on_tree((await raw.tree_connect(r"\\server\data")).expect())
    assert (await other.call(ON_OPEN[command](file_id))).status is Status.FILE_CLOSED
    (await raw.flush(file_id)).expect()


# -- credits  [MS-SMB2 3.3.5.2.5] --

LARGE = 65537
CHARGED = {
    "read": lambda file_id: ReadRequest(file_id, 0, LARGE),
    "write": lambda file_id: WriteRequest(file_id, 0, bytes(LARGE)),
    "ioctl input": lambda file_id: IoctlRequest(fsctl.FSCTL_SRV_REQUEST_RESUME_KEY, file_id, bytes(LARGE), 100),
    "ioctl output": lambda file_id: IoctlRequest(fsctl.FSCTL_SRV_REQUEST_RESUME_KEY, file_id, b"", LARGE),
    "query_directory": lambda file_id: QueryDirectoryRequest(FILE_ID_BOTH_DIRECTORY_INFORMATION, file_id, "*", LARGE),
    "change_notify": lambda file_id: ChangeNotifyRequest(file_id, LARGE, 3),
    "query_info": lambda file_id: QueryInfoRequest(1, FILE_STANDARD_INFORMATION, file_id, LARGE),
    "set_info": lambda file_id: SetInfoRequest(3, 0, file_id, bytes(LARGE)),
}


@pytest.mark.parametrize("charge", [0, 1])
@pytest.mark.parametrize("dialect", [0x0210, 0x0311])
@each(CHARGED)
async def test_a_charge_that_does_not_cover_the_size(server, command, dialect, charge):
    raw, file_id = await with_file(server, dialect)
    response = await raw.call(CHARGED[command](file_id), How(charge=charge))
    assert response.status is Status.INVALID_PARAMETER
    (await raw.flush(file_id)).expect()


@each(CHARGED)
async def test_larger_than_there_is_room_for_without_multi_credit(server, command):
    raw, file_id = await with_file(server, 0x0202)
    assert (await raw.call(CHARGED[command](file_id))).status is Status.INVALID_PARAMETER
    await lives(server)
