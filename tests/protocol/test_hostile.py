"""What nobody should try: each is answered as the specification says, or ends the connection, and nobody else notices.

[MS-SMB2 3.3.5.2 and its subsections]
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging

import pytest

from smbcore.auth.initiator import Initiator
from smbcore.client.message import How
from smbcore.client.raw import RawClient
from smbcore.client.session import SetupExchange, sign_in
from smbcore.nt.access import FILE_GENERIC_READ
from smbcore.nt.clock import ManualClock
from smbcore.nt.create import FILE_OPEN
from smbcore.nt.status import Status
from smbcore.server.commands.table import COMMANDS
from smbcore.server.config import Limits
from smbcore.wire.change_notify import ChangeNotifyRequest
from smbcore.wire.close import CloseRequest
from smbcore.wire.echo import EchoRequest
from smbcore.wire.header import ECHO, Header
from smbcore.wire.query_info import QueryInfoRequest
from smbcore.wire.read import ReadRequest
from smbcore.wire.write import WriteRequest
from tests.memory_server import OTHER_PASSWORD, OTHER_USER, PASSWORD, USER
from tests.protocol.steps import ANY, SIGNED, WRONGLY_SIGNED, create_request, lives, opened, turn


async def two_users(server, share="data"):
    """Two users on one connection, each with a tree connect and a file."""
    alice = await server.session()
    bob = alice.as_session(await sign_in(alice.connection, Initiator(OTHER_USER, OTHER_PASSWORD)))
    alice = alice.on_tree((await alice.tree_connect(rf"\\server\{share}")).expect())
    bob = bob.on_tree((await bob.tree_connect(rf"\\server\{share}")).expect())
    return alice, bob


# -- several sessions in one compound  [MS-SMB2 3.3.5.2.7] --


async def test_members_of_a_compound_may_belong_to_several_sessions(server):
    """Each on its own: its session, its signature, and that of the answer"""
    alice, bob = await two_users(server)
    mine, his = await opened(alice, "alice.txt"), await opened(bob, "bob.txt")
    requests = [
        alice.request(WriteRequest(mine, 0, b"a"), SIGNED), bob.request(WriteRequest(his, 0, b"b"), SIGNED),
        alice.request(ReadRequest(mine, 0, 1), SIGNED), bob.request(ReadRequest(mine, 0, 1), SIGNED),
        bob.request(ReadRequest(his, 0, 1)), alice.request(EchoRequest()),
    ]  # fmt: skip
    responses = [await item.response() for item in await alice.connection.start(*requests)]
    assert [response.status for response in responses] == [
        Status.SUCCESS, Status.SUCCESS, Status.SUCCESS, Status.FILE_CLOSED, Status.SUCCESS, Status.SUCCESS,
    ]  # fmt: skip
    assert [response.verified for response in responses] == [True, True, True, True, False, False]
    sessions = [response.header.session_id for response in responses]
    assert sessions == [raw.session.session_id for raw in (alice, bob, alice, bob, bob, alice)]


async def test_related_members_belong_to_the_session_of_the_first(server):
    """whatever they name, and must be signed by it"""
    alice, bob = await two_users(server)
    requests = [
        alice.request(create_request("alice.txt"), SIGNED), bob.request(WriteRequest(ANY, 0, b"a")),
        alice.request(CloseRequest(ANY), SIGNED),
    ]  # fmt: skip
    responses = [await item.response() for item in await alice.connection.start(*requests, related=True)]
    assert [response.status for response in responses] == [Status.SUCCESS] * 3
    assert {response.header.session_id for response in responses} == {alice.session.session_id}
    assert {response.header.tree_id for response in responses} == {alice.tree_id}
    # signed with the key of another session it does not go through
    requests[1] = bob.request(WriteRequest(ANY, 0, b"a"), SIGNED)
    responses = [await item.response() for item in await alice.connection.start(*requests, related=True)]
    assert [response.status for response in responses] == [Status.SUCCESS, Status.ACCESS_DENIED, Status.SUCCESS]


async def test_a_tree_connect_of_another_session_is_none(server):
    alice, bob = await two_users(server)
    stolen = RawClient(bob.connection, bob.session, 4711)
    assert (await stolen.create("x", disposition=FILE_OPEN)).status is Status.NETWORK_NAME_DELETED
    both = await alice.connection.start(
        alice.request(create_request("alice.txt")), bob.request(QueryInfoRequest(1, 5, ANY, 100))
    )
    assert [(await item.response()).status for item in both] == [Status.SUCCESS, Status.FILE_CLOSED]


async def test_a_compound_under_one_seal_serves_one_session(server):
    """[MS-SMB2 3.3.5.2.9]"""
    alice, bob = await two_users(server, "secret")
    await alice.connection.start(
        alice.request(EchoRequest(), How(seal=True)), bob.request(EchoRequest(), How(seal=True))
    )
    await alice.connection.wait_lost()
    await lives(server)


# -- signing in --


async def test_many_sign_ins_that_name_the_sessions_of_others(server):
    """None of them is touched: neither by sign-ins under way, nor by one that succeeds as another user"""
    raws = [await server.tree() for _ in range(3)]
    files = [await opened(raw) for raw in raws]
    connection = (await server.negotiated()).connection
    for raw in raws:
        for _ in range(20):
            exchange = SetupExchange(connection, Initiator(USER, PASSWORD), previous_session_id=raw.session.session_id)
            assert (await exchange.leg()).status is Status.MORE_PROCESSING_REQUIRED
        await sign_in(connection, Initiator(OTHER_USER, OTHER_PASSWORD), previous_session_id=raw.session.session_id)
        wrong = SetupExchange(connection, Initiator(USER, "wrong"), previous_session_id=raw.session.session_id)
        await wrong.leg()
        assert (await wrong.leg()).status is Status.LOGON_FAILURE
    for raw, file_id in zip(raws, files, strict=True):
        (await raw.read(file_id, 0, 0)).expect()


async def test_the_last_leg_decides_which_session_was_before(server):
    """[MS-SMB2 3.3.5.5.3]: PreviousSessionId of the request that completes the sign-in"""
    first, second = await server.tree(), await server.tree()
    raw = await server.negotiated()
    exchange = SetupExchange(raw.connection, Initiator(USER, PASSWORD), previous_session_id=first.session.session_id)
    await exchange.leg()
    exchange.previous_session_id = second.session.session_id
    (await exchange.leg()).expect()
    (await first.tree_connect(r"\\server\data")).expect()
    assert (await second.tree_connect(r"\\server\data")).status is Status.USER_SESSION_DELETED


# -- credits --


async def test_a_client_that_leaves_one_id_unused_gets_no_more_than_twice_the_credits(make):
    """and is not starved either: the id that it left is one that it may use"""
    server = make(max_credits=64)
    raw = await server.negotiated()
    hole = (await raw.echo(How(credits=64))).header.message_id + 1
    raw.connection.next_message_id = message_id = hole + 1
    for _ in range(1000):
        response = await raw.echo(How(message_id=message_id, credits=64))
        message_id += 1
        if not response.credits and message_id > hole + 126:
            break
    (connection,) = server.server.connections
    assert len(connection.window._used) <= 128
    assert (await raw.echo(How(message_id=hole, credits=64))).credits >= 1
    (await raw.echo(How(message_id=message_id, credits=1))).expect()


@pytest.mark.parametrize("waiting", [0, 1, 30, 64])
async def test_credits_of_requests_that_wait_are_given_back_while_they_wait(make, waiting):
    """A client with one watch per credit can still ask for something else"""
    server = make(max_credits=64)
    raw = await server.tree()
    await raw.echo(How(credits=64))
    folder = await opened(raw, "", FILE_GENERIC_READ, FILE_OPEN)
    watches = []
    for _ in range(waiting):
        watches.append(await raw.begin(ChangeNotifyRequest(folder, 1000, 1), How(credits=1)))
        await watches[-1].pending()
    assert raw.connection.credits >= 1
    (await raw.echo(How(credits=64))).expect()
    assert raw.connection.credits <= 64
    (await raw.close(folder)).expect()
    for watch in watches:
        assert (await watch.response()).credits == 0


# -- CANCEL --


async def test_a_storm_of_cancels(server):
    """Of what waits, of what is done, of what never was, of what others wait for; none is answered"""
    raw, other = await server.tree(), await server.tree()
    folder = await opened(raw, "", FILE_GENERIC_READ, FILE_OPEN)
    elsewhere = await opened(other, "", FILE_GENERIC_READ, FILE_OPEN)
    staying = await other.begin(ChangeNotifyRequest(elsewhere, 1000, 1))
    await staying.pending()
    watches = [await raw.begin(ChangeNotifyRequest(folder, 1000, 1)) for _ in range(20)]
    for watch in watches[::2]:
        await watch.pending()
    for _ in range(10):
        for watch in watches:
            await raw.cancel(watch)
        for message_id in (0, 1, 5000, (1 << 64) - 1):
            await raw.cancel(watches[0], How(message_id=message_id))
        await raw.cancel(watches[0], SIGNED)
        await raw.cancel(watches[0], WRONGLY_SIGNED)
        await raw.cancel(watches[0], How(session_id=0xDEAD))
    assert [(await watch.response()).status for watch in watches] == [Status.CANCELLED] * 20
    await turn()
    assert not staying.final.done()
    (await raw.echo()).expect()


async def test_a_cancel_that_is_all_there_is_of_a_compound(server):
    raw = await server.tree()
    folder = await opened(raw, "", FILE_GENERIC_READ, FILE_OPEN)
    watch = await raw.begin(ChangeNotifyRequest(folder, 1000, 1))
    await watch.pending()
    cancel = Header(
        command=12, message_id=watch.message_id, session_id=raw.session.session_id, next_command=72
    ).encode()
    cancel += b"\x04\0\0\0" + bytes(4)
    last = (
        Header(command=12, flags=2, async_id=watch.async_id, session_id=raw.session.session_id).encode() + b"\x04\0\0\0"
    )
    raw.connection.send_bytes(cancel + last)
    assert (await watch.response()).status is Status.CANCELLED
    (await raw.echo()).expect()


# -- limits --


async def test_thousands_of_watches_and_one_who_works_beside_them(make, caplog):
    server = make(limits=Limits(pending_per_connection=100))
    raw, other = await server.tree(), await server.tree()
    await raw.echo(How(credits=4000))
    folder = await opened(raw, "", FILE_GENERIC_READ, FILE_OPEN)
    watches = [await raw.begin(ChangeNotifyRequest(folder, 1000, 1)) for _ in range(2000)]
    refused = []
    while len(refused) < 1900:
        (await other.echo()).expect()
        await asyncio.sleep(0)
        refused = [watch for watch in watches if watch.final.done()]
    assert {watch.final.result().status for watch in refused} == {Status.INSUFFICIENT_RESOURCES}
    assert len([record for record in caplog.records if "requests that wait" in record.getMessage()]) == 1
    (await raw.close(folder)).expect()
    statuses = [(await watch.response()).status for watch in watches if watch not in refused]
    assert statuses == [Status.NOTIFY_CLEANUP] * 100


@pytest.mark.parametrize("what", ["tree", "file"])
async def test_what_a_session_may_have_is_bounded_and_logged_once(make, what, caplog):
    server = make(limits=Limits(trees_per_session=5, opens_per_session=5))
    raw = await server.tree()
    statuses = []
    for number in range(20):
        if what == "tree":
            statuses.append((await raw.tree_connect(r"\\server\data")).status)
        else:
            statuses.append((await raw.call(create_request(f"file{number}"))).status)
    allowed = 4 if what == "tree" else 5
    assert statuses[:allowed] == [Status.SUCCESS] * allowed
    if what == "tree":
        assert set(statuses[allowed:]) == {Status.INSUFFICIENT_RESOURCES}
        assert len([record for record in caplog.records if "too many" in record.getMessage()]) == 1
    else:  # the audit log counts them, and says what is news
        assert set(statuses[allowed:]) == {Status.TOO_MANY_OPENED_FILES}
        assert {incident.condition for incident in server.trail.incidents} == {"session_limit"}
    await lives(server)


# -- the log --


async def test_strangers_do_not_fill_the_log(make, caplog):
    """Connections that are dropped, sign-ins that fail or are never finished: a line of each kind, of each address"""
    caplog.set_level(logging.INFO, logger="smbcore")
    server = make(ManualClock())
    for _ in range(30):
        raw = await server.negotiated()
        wrong = SetupExchange(raw.connection, Initiator(USER, "wrong"))
        await wrong.leg()
        assert (await wrong.leg()).status is Status.LOGON_FAILURE
        assert (await raw.session_setup(b"rubbish")).status is Status.INVALID_PARAMETER
        await SetupExchange(raw.connection, Initiator(USER, PASSWORD)).leg()
        raw.connection.send_bytes(b"rubbish")
        await raw.connection.wait_lost()
        silent = await server.negotiated()
        await SetupExchange(silent.connection, Initiator(USER, PASSWORD)).leg()
        server.clock.advance(1)
    server.clock.advance(45)
    told = [record.getMessage() for record in caplog.records if record.name != "smbcore.server.reporting"]
    assert len(told) <= 5, told
    # the one thing that is said once a minute is said again after a minute
    server.clock.advance(60)
    raw = await server.negotiated()
    raw.connection.send_bytes(b"rubbish")
    await raw.connection.wait_lost()
    assert "dropped" in caplog.records[-1].getMessage()


async def test_what_a_decoder_did_not_expect_is_our_bug_and_is_answered(server, caplog):
    raw = await server.tree()
    (connection,) = server.server.connections

    def decode(_reader):
        raise KeyError("nobody thought of this")

    connection.commands = tuple(
        dataclasses.replace(row, decode=decode) if opcode == ECHO else row for opcode, row in enumerate(COMMANDS)
    )
    assert (await raw.call(EchoRequest(), How(timeout=5))).status is Status.INTERNAL_ERROR
    assert "nobody thought of this" in caplog.text
    caplog.clear()
    await opened(raw)
