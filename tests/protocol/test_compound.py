"""[MS-SMB2 3.3.5.2.7, 3.3.4.1.3]"""

from __future__ import annotations

import pytest

from smbcore.client.message import How, Request
from smbcore.nt.access import FILE_GENERIC_READ
from smbcore.nt.create import FILE_OPEN
from smbcore.nt.info import fsctl
from smbcore.nt.info.classes import FILE_STANDARD_INFORMATION
from smbcore.nt.status import Status
from smbcore.proto.compound import link
from smbcore.wire.change_notify import ChangeNotifyRequest
from smbcore.wire.close import CloseRequest
from smbcore.wire.create import OPLOCK_BATCH
from smbcore.wire.echo import EchoRequest
from smbcore.wire.header import CREATE, FLAG_RELATED, Header
from smbcore.wire.ioctl import IoctlRequest
from smbcore.wire.lock import LOCK_EXCLUSIVE, LOCK_UNLOCK, LockElement, LockRequest
from smbcore.wire.query_info import QueryInfoRequest
from smbcore.wire.read import ReadRequest
from smbcore.wire.tree_connect import TreeConnectRequest
from smbcore.wire.write import WriteRequest
from tests.protocol.steps import ANY, SIGNED, create_request, lives, opened, turn


def statuses(responses):
    return [response.status for response in responses]


async def test_related_requests_use_the_open_of_the_create(server):
    raw = await server.tree()
    responses = await raw.compound(
        create_request("file"),
        WriteRequest(ANY, 0, b"in one go"),
        ReadRequest(ANY, 0, 100),
        QueryInfoRequest(1, FILE_STANDARD_INFORMATION, ANY, 100),
        IoctlRequest(fsctl.FSCTL_SRV_REQUEST_RESUME_KEY, ANY, b"", 100),
        CloseRequest(ANY),
    )
    assert statuses(responses) == [Status.SUCCESS] * 6
    assert bytes(responses[2].body.data) == b"in one go"
    await server.server.drain()
    assert not server.server.opens


async def test_file_id_of_related_requests_does_not_matter(server):
    raw = await server.tree()
    responses = await raw.compound(create_request("file"), WriteRequest(bytes(16), 0, b"x"), CloseRequest(b"z" * 16))
    assert statuses(responses) == [Status.SUCCESS] * 3


async def test_answers_are_one_frame_aligned_and_marked(server):
    raw = await server.tree()
    responses = await raw.compound(
        create_request("file"), WriteRequest(ANY, 0, b"odd"), ReadRequest(ANY, 0, 3), how=SIGNED
    )
    assert [bool(r.header.next_command) for r in responses] == [True, True, False]
    assert [len(r.message) % 8 for r in responses[:2]] == [0, 0]
    assert [bool(r.flags & FLAG_RELATED) for r in responses] == [False, True, True]
    assert all(r.verified for r in responses)


async def test_failed_create_fails_all_that_follow_in_the_same_way(server):
    raw = await server.tree()
    responses = await raw.compound(
        create_request("missing", FILE_GENERIC_READ, FILE_OPEN), ReadRequest(ANY, 0, 1), CloseRequest(ANY)
    )
    assert statuses(responses) == [Status.OBJECT_NAME_NOT_FOUND] * 3


async def test_a_create_that_is_refused_before_it_begins_hands_on_no_open_of_before(server):
    """[MS-SMB2 3.3.5.2.7.2]: what relates to it does not mean the file of the one before it"""
    raw = await server.tree()
    cut_short = raw.request(create_request("second").encode()[:40], command=CREATE)
    requests = raw.request(create_request("first")), cut_short, raw.request(CloseRequest(ANY))
    responses = await raw.connection.compound(*requests)
    assert statuses(responses) == [Status.SUCCESS, Status.INVALID_PARAMETER, Status.INVALID_PARAMETER]
    assert len(server.server.opens) == 1


async def test_failure_in_the_middle_does_not_end_the_chain(server):
    raw = await server.tree()
    responses = await raw.compound(
        create_request("file"), ReadRequest(ANY, 0, 1), WriteRequest(ANY, 0, b"x"), CloseRequest(ANY)
    )
    assert statuses(responses) == [Status.SUCCESS, Status.END_OF_FILE, Status.SUCCESS, Status.SUCCESS]


async def test_unrelated_requests_are_on_their_own(server):
    raw = await server.tree()
    one, two = await opened(raw, "one"), await opened(raw, "two")
    responses = await raw.compound(
        WriteRequest(one, 0, b"1"), create_request("missing", disposition=FILE_OPEN), EchoRequest(), WriteRequest(two, 0, b"22"),
        related=False,
    )  # fmt: skip
    assert statuses(responses) == [Status.SUCCESS, Status.OBJECT_NAME_NOT_FOUND, Status.SUCCESS, Status.SUCCESS]


async def test_handle_of_an_unrelated_request_goes_to_the_related_one(server):
    raw = await server.tree()
    file_id = await opened(raw)
    assert (
        statuses(await raw.compound(WriteRequest(file_id, 0, b"abc"), ReadRequest(ANY, 0, 3))) == [Status.SUCCESS] * 2
    )


async def test_first_request_must_not_be_related(server):
    """Each of them is INVALID_PARAMETER then"""
    raw = await server.tree()
    related = How(flags=FLAG_RELATED)
    responses = await raw.compound(create_request("file"), CloseRequest(ANY), how=related)
    assert statuses(responses) == [Status.INVALID_PARAMETER] * 2
    assert (await raw.echo(related)).status is Status.INVALID_PARAMETER


async def test_related_request_without_a_handle_before_it(server):
    raw = await server.tree()
    responses = await raw.compound(EchoRequest(), CloseRequest(ANY))
    assert responses[1].status is Status.INVALID_HANDLE


async def test_tree_connect_and_create_in_one_frame(server):
    raw = await server.session()
    responses = await raw.compound(
        TreeConnectRequest(r"\\server\data"),
        create_request("file"),
        WriteRequest(ANY, 0, b"x"),
        CloseRequest(ANY),
        how=SIGNED,
    )
    assert statuses(responses) == [Status.SUCCESS] * 4


async def test_nothing_can_be_created_where_the_tree_connect_failed(server):
    raw = await server.session()
    responses = await raw.compound(
        TreeConnectRequest(r"\\server\nothing"), create_request("x"), CloseRequest(ANY), how=SIGNED
    )
    assert responses[0].status is Status.BAD_NETWORK_NAME
    assert all(r.status is not Status.SUCCESS for r in responses[1:])


async def test_wait_at_the_end_leaves_an_interim_response_in_the_frame(server):
    # 1 open a directory and watch it, in one frame
    raw = await server.tree()
    directory = create_request("", FILE_GENERIC_READ, FILE_OPEN)
    created, watching = await raw.begin_compound(directory, ChangeNotifyRequest(ANY, 1000, 0xFFF), related=True)
    # 2 both are answered, the second one for the time being
    response = await created.response()
    await watching.pending()
    # 3 a change completes it
    await opened(raw, "new")
    assert (await watching.response()).expect().header.async_id == watching.async_id
    (await raw.close(response.expect().body.file_id)).expect()


async def test_unrelated_requests_do_not_wait_for_each_other(server):
    # 1 the watch waits before the end of the chain
    raw = await server.tree()
    file_id = await opened(raw, "", FILE_GENERIC_READ, FILE_OPEN)
    requests = ChangeNotifyRequest(file_id, 1000, 0xFFF), EchoRequest()
    watching, echo = await raw.begin_compound(*requests, related=False)
    await watching.pending()
    (await echo.response()).expect()
    # 2 a change completes it
    await opened(raw, "new")
    (await watching.response()).expect()


async def test_the_interim_response_comes_before_the_answer_whatever_else_waits(server):
    """1 a member waits and says so; 2 the next one waits, too, which another relates to; 3 the first is answered"""
    raw, other = await server.tree(), await server.tree()
    file_id, held = await opened(raw, "a"), await opened(other, "a")
    await opened(other, "b", oplock=OPLOCK_BATCH)
    (await other.lock(held, [LockElement(0, 1, LOCK_EXCLUSIVE)])).expect()
    related = How(flags=FLAG_RELATED)
    locking, creating, closing = await raw.connection.start(
        raw.request(LockRequest(file_id, [LockElement(0, 1, LOCK_EXCLUSIVE)])), raw.request(create_request("b")),
        raw.request(CloseRequest(ANY), related),
    )  # fmt: skip
    assert (await locking.pending()).status is Status.PENDING
    (await other.lock(held, [LockElement(0, 1, LOCK_UNLOCK)])).expect()
    (await locking.response()).expect()
    assert not creating.final.done()
    other.connection.close()
    assert statuses([await creating.response(), await closing.response()]) == [Status.SUCCESS] * 2
    assert not raw.connection.is_lost


async def test_connection_that_ends_with_a_chain_under_way(server):
    raw = await server.tree()
    file_id = await opened(raw, "", FILE_GENERIC_READ, FILE_OPEN)
    await raw.begin_compound(ChangeNotifyRequest(file_id, 1000, 0xFFF), EchoRequest(), related=False)
    await turn()
    raw.connection.close()
    await turn()
    await server.server.drain()
    assert not server.server.opens
    await lives(server)


@pytest.mark.parametrize("following", [1, 60, 63, 68, 100, 0x7FFFFFF8])
async def test_misaligned_or_endless_next_command_drops_the_connection(server, following):
    raw = await server.tree()
    message = Header(command=13, message_id=raw.connection.next_message_id, next_command=following).encode()
    raw.connection.send_bytes(message + b"\x04\0\0\0" + bytes(4) + message + b"\x04\0\0\0")
    await raw.connection.wait_lost()
    await lives(server)


async def test_very_long_compounds(server):
    raw = await server.tree()
    await raw.echo(How(credits=500))
    responses = await raw.compound(*(EchoRequest() for _ in range(100)), related=False)
    assert statuses(responses) == [Status.SUCCESS] * 100
    messages = [bytearray(Header(command=13, message_id=1000 + n).encode() + b"\x04\0\0\0") for n in range(1000)]
    link(messages)
    raw.connection.send_bytes(b"".join(messages))
    await raw.connection.wait_lost()


async def test_cancel_inside_of_a_compound_is_not_answered(server):
    raw = await server.tree()
    from smbcore.wire.cancel import CancelRequest

    pendings = await raw.connection.start(
        Request(EchoRequest()), Request(CancelRequest(), how=How(message_id=999)), Request(EchoRequest())
    )
    for pending in (pendings[0], pendings[2]):
        (await pending.response()).expect()


LONG = 240


@pytest.mark.parametrize("how", [How(), SIGNED, How(seal=True)])
async def test_a_long_compound_lets_others_have_their_turn(server, how):
    """and is one frame all the same, whose members are worked on in order"""
    raw, other = await server.tree(), await server.tree()
    await raw.echo(How(credits=500))
    bodies = [body for number in range(LONG // 3) for body in (
        create_request(f"file{number}"), WriteRequest(ANY, 0, b"%d" % number), CloseRequest(ANY))]  # fmt: skip
    requests = [raw.request(body, how) for body in bodies]
    messages = await raw.connection.start(*requests, related=True)
    echo = await other.begin(EchoRequest())
    await echo.response()
    assert not messages[-1].final.done()
    responses = [await message.response() for message in messages]
    assert statuses(responses) == [Status.SUCCESS] * LONG
    assert [bool(response.header.next_command) for response in responses] == [True] * (LONG - 1) + [False]
    for number in (0, 1, LONG // 3 - 1):
        file_id = await opened(raw, f"file{number}")
        assert bytes((await raw.read(file_id, 0, 100)).expect().body.data) == b"%d" % number


async def test_what_comes_behind_a_long_compound_does_not_change_it(server):
    """Its bytes lie in a buffer that the next message would be received into"""
    raw = await server.tree()
    await raw.echo(How(credits=800))
    file_id = await opened(raw)
    first = await raw.connection.start(*(raw.request(WriteRequest(file_id, n, b"a")) for n in range(100)))
    second = await raw.connection.start(*(raw.request(WriteRequest(file_id, 100 + n, b"b")) for n in range(100)))
    for message in [*first, *second]:
        (await message.response()).expect()
    assert bytes((await raw.read(file_id, 0, 300)).expect().body.data) == b"a" * 100 + b"b" * 100


@pytest.mark.parametrize("end", ["connection", "session", "tree"])
async def test_what_ends_in_the_middle_of_a_long_compound(server, end):
    raw, other = await server.tree(), await server.tree()
    await raw.echo(How(credits=500))
    file_id = await opened(raw)
    session = server.server.sessions[raw.session.session_id]
    messages = await raw.connection.start(*(raw.request(WriteRequest(file_id, n, b"a")) for n in range(100)))
    await turn(4)
    if end == "connection":
        raw.connection.close()
    elif end == "session":
        session.close()
    else:
        next(iter(session.trees.values())).close()
    if end != "connection":
        got = statuses([await message.response() for message in messages])
        wanted = Status.USER_SESSION_DELETED if end == "session" else Status.NETWORK_NAME_DELETED
        assert got[0] is Status.SUCCESS
        assert got[-1] is wanted
        assert sorted(set(got)) == [Status.SUCCESS, wanted]
    await turn()
    (await other.echo()).expect()
    await lives(server)
