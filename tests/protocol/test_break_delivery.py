"""Break notifications to clients with several channels  [MS-SMB2 3.3.4.6, 3.3.4.7]."""

from __future__ import annotations

import pytest

from smbcore.auth.initiator import Initiator
from smbcore.client.raw import RawClient
from smbcore.client.session import bind, sign_in
from smbcore.nt.access import FILE_GENERIC_READ, FILE_GENERIC_WRITE
from smbcore.nt.clock import ManualClock
from smbcore.nt.create import FILE_OPEN, FILE_OPEN_IF
from smbcore.nt.status import Status
from smbcore.server.conformance import FORCE_UNACKED_TIMEOUT
from smbcore.wire.create import OPLOCK_BATCH, OPLOCK_LEASE, OPLOCK_LEVEL_II, CreateContext
from smbcore.wire.create_contexts import LeaseV2
from smbcore.wire.ioctl import IoctlRequest
from tests.memory_server import OTHER_PASSWORD, OTHER_USER, PASSWORD, USER
from tests.protocol.steps import ANY, create_request, turn

ACCESS = FILE_GENERIC_READ | FILE_GENERIC_WRITE
KEY = b"lease key number"
RETRY = 1.25


async def channels(server, count=3):
    """A tree connect seen over several channels, with a batch oplock on file.txt."""
    first = await server.tree()
    found = [first]
    for _ in range(count - 1):
        other = await server.negotiated(client_guid=first.connection.client_guid)
        await bind(other.connection, first.session, Initiator(USER, PASSWORD))
        found.append(RawClient(other.connection, first.session, first.tree_id))
    return found


def transports(server):
    """The server's ends, oldest first."""
    return [connection.transport for connection in sorted(server.server.connections, key=lambda c: c.number)]


def counts(clients):
    return [client.connection.breaks.qsize() for client in clients]


async def pass_time(server, seconds):
    """In small steps, so that what one timer starts is seen by the next."""
    for _ in range(round(seconds / 0.25)):
        server.clock.advance(0.25)
        await turn()


async def break_of(server, holder, **fields):
    """Somebody else opens what the holder has cached."""
    file_id = (await holder.create("file.txt", ACCESS, FILE_OPEN_IF, oplock=OPLOCK_BATCH)).expect().body.file_id
    other = await server.tree()
    opening = await other.begin(create_request("file.txt", ACCESS, FILE_OPEN, **fields))
    await turn()
    return file_id, opening


async def test_a_break_goes_to_one_channel(manual):
    clients = await channels(manual)
    await break_of(manual, clients[1])
    assert counts(clients) == [1, 0, 0]
    await pass_time(manual, 10)
    assert counts(clients) == [1, 0, 0]


async def test_a_break_that_is_not_taken_goes_to_the_next_channel(manual):
    clients = await channels(manual)
    ends = transports(manual)
    ends[0].taken = ends[1].taken = False
    file_id, opening = await break_of(manual, clients[0])
    await pass_time(manual, RETRY)
    assert counts(clients) == [1, 1, 0]
    await pass_time(manual, RETRY)
    assert counts(clients) == [1, 1, 1]
    (await clients[2].acknowledge_oplock_break(file_id, OPLOCK_LEVEL_II)).expect()
    (await opening.response()).expect()
    await pass_time(manual, 20)
    assert counts(clients) == [1, 1, 1]


async def test_a_channel_that_did_not_take_one_is_tried_last(manual):
    clients = await channels(manual)
    transports(manual)[0].taken = False
    file_id, opening = await break_of(manual, clients[0])
    await pass_time(manual, RETRY)
    (await clients[1].acknowledge_oplock_break(file_id, OPLOCK_LEVEL_II)).expect()
    (await opening.response()).expect()
    # the next break, of another file
    (await clients[0].create("other.txt", ACCESS, FILE_OPEN_IF, oplock=OPLOCK_BATCH)).expect()
    another = await manual.tree()
    await another.begin(create_request("other.txt", ACCESS, FILE_OPEN))
    await turn()
    assert counts(clients) == [1, 2, 0]


async def test_a_break_outlives_the_channel_that_it_was_sent_on(manual):
    clients = await channels(manual)
    file_id, opening = await break_of(manual, clients[0])
    clients[0].connection.close()
    await turn()
    await pass_time(manual, RETRY)
    assert counts(clients)[1:] == [1, 0]
    (await clients[1].acknowledge_oplock_break(file_id, OPLOCK_LEVEL_II)).expect()
    (await opening.response()).expect()


async def test_a_lease_break_goes_to_the_next_channel_too(manual):
    clients = await channels(manual)
    transports(manual)[0].taken = False
    lease = CreateContext(b"RqLs", LeaseV2(KEY, 7, 0).encode())
    (await clients[0].call(create_request("file.txt", ACCESS, oplock=OPLOCK_LEASE, contexts=[lease]))).expect()
    other = await manual.tree()
    opening = await other.begin(create_request("file.txt", ACCESS, FILE_OPEN))
    await turn()
    await pass_time(manual, RETRY)
    assert counts(clients) == [1, 1, 0]
    (await clients[1].acknowledge_lease_break(KEY, 3)).expect()
    (await opening.response()).expect()


@pytest.mark.parametrize(
    ("user", "password", "heard"), [(USER, PASSWORD, [1, 0]), (OTHER_USER, OTHER_PASSWORD, [0, 1])]
)
async def test_a_lease_break_goes_to_the_oldest_connection_of_the_client(manual, user, password, heard):
    """smb2.lease.v2_complex1: of the client, whichever opened the file; but of its user"""
    older = await manual.tree(user=user, password=password)
    newer = await manual.negotiated(client_guid=older.connection.client_guid)
    newer = newer.as_session(await sign_in(newer.connection, Initiator(USER, PASSWORD)))
    newer = newer.on_tree((await newer.tree_connect(r"\\server\data")).expect())
    lease = CreateContext(b"RqLs", LeaseV2(KEY, 7, 0).encode())
    (await newer.call(create_request("file.txt", ACCESS, oplock=OPLOCK_LEASE, contexts=[lease]))).expect()
    other = await manual.tree()
    opening = await other.begin(create_request("file.txt", ACCESS, FILE_OPEN))
    await turn()
    assert counts([older, newer]) == heard
    (await newer.acknowledge_lease_break(KEY, 3)).expect()
    (await opening.response()).expect()


async def test_a_client_that_takes_nothing_is_disconnected(manual):
    """smb2.oplock.batch22b: whoever waits for its answer need not wait for long"""
    clients = await channels(manual, 2)
    for end in transports(manual):
        end.taken = False
    _, opening = await break_of(manual, clients[0])
    await pass_time(manual, 4)
    assert counts(clients) == [1, 1]
    assert not opening.final.done()
    await pass_time(manual, 3)
    (await opening.response()).expect()
    assert all(client.connection.is_lost for client in clients)


async def test_a_client_with_one_channel_that_answers_late_is_left_alone(manual):
    (client,) = await channels(manual, 1)
    file_id, opening = await break_of(manual, client)
    await pass_time(manual, 30)
    assert counts([client]) == [1]
    (await client.acknowledge_oplock_break(file_id, OPLOCK_LEVEL_II)).expect()
    (await opening.response()).expect()


async def test_as_windows_the_newest_channel_hears_it_once(make):
    server = make(ManualClock(), break_retry=0.0)
    clients = await channels(server)
    for end in transports(server):
        end.taken = False
    await break_of(server, clients[0])
    await pass_time(server, 20)
    assert counts(clients) == [0, 0, 1]


async def test_a_test_suite_may_say_that_nothing_is_acknowledged(make):
    """FSCTL_SMBTORTURE_FORCE_UNACKED_TIMEOUT names no session"""
    server = make(ManualClock(), test_controls=True)
    clients = await channels(server, 2)
    bare = RawClient(clients[0].connection)
    (await bare.call(IoctlRequest(FORCE_UNACKED_TIMEOUT, ANY, b""))).expect()
    await break_of(server, clients[0])
    await pass_time(server, RETRY)
    assert counts(clients) == [1, 1]


@pytest.mark.parametrize("code", [0x83848003, 0x83848013, 0x83848023, 0x83848043])
async def test_without_the_switch_the_codes_are_unknown(server, code):
    raw = await server.tree()
    file_id = (await raw.create("file.txt", ACCESS, FILE_OPEN_IF)).expect().body.file_id
    bare = await RawClient(raw.connection).call(IoctlRequest(code, ANY, b""))
    assert bare.status is Status.USER_SESSION_DELETED
    response = await raw.call(IoctlRequest(code, file_id, b"\x01" if code == 0x83848043 else b""))
    assert response.status is Status.INVALID_DEVICE_REQUEST
