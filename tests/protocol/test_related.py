"""What members of a compound take over from the one before, and members that wait  [MS-SMB2 3.3.5.2.7.2]."""

from __future__ import annotations

import pytest

from smbcore.client.message import How
from smbcore.nt.access import FILE_GENERIC_READ
from smbcore.nt.create import FILE_DIRECTORY_FILE, FILE_OPEN
from smbcore.nt.info.classes import FILE_STANDARD_INFORMATION
from smbcore.nt.status import Status
from smbcore.wire.change_notify import ChangeNotifyRequest
from smbcore.wire.close import CloseRequest
from smbcore.wire.echo import EchoRequest
from smbcore.wire.lock import LOCK_EXCLUSIVE, LockElement, LockRequest
from smbcore.wire.query_info import QueryInfoRequest
from smbcore.wire.read import ReadRequest
from smbcore.wire.write import WriteRequest
from tests.protocol.steps import ANY, create_request, lives, only, opened, turn

RELATED = 4
QUERY = QueryInfoRequest(1, FILE_STANDARD_INFORMATION, ANY, 100)


async def chained(raw, *members):
    """Send (body, flags, fields of How) as one compound."""
    requests = [raw.request(body, How(flags=flags, **fields)) for body, flags, fields in members]
    pending = await raw.connection.start(*requests)
    return [(await one.response()).status for one in pending]


async def test_a_request_without_session_breaks_the_relation(server):
    """smb2.compound.invalid2"""
    raw = await server.tree()
    nowhere = {"session_id": 0xFFFFFFFFFFFFFFFF, "tree_id": 0xFFFFFFFF}
    assert await chained(
        raw,
        (create_request("file"), 0, {}),
        (CloseRequest(ANY), RELATED, nowhere),
        (CloseRequest(ANY), 0, nowhere),
        (CloseRequest(ANY), 0, nowhere),
        (CloseRequest(ANY), RELATED, nowhere),
    ) == [
        Status.SUCCESS, Status.SUCCESS, Status.USER_SESSION_DELETED, Status.USER_SESSION_DELETED,
        Status.INVALID_PARAMETER,
    ]  # fmt: skip


async def test_a_request_without_tree_breaks_the_relation(server):
    raw = await server.tree()
    assert await chained(
        raw,
        (QUERY, 0, {"tree_id": 4711}),
        (QUERY, RELATED, {"tree_id": 4711}),
        (QUERY, RELATED, {}),
    ) == [Status.NETWORK_NAME_DELETED, Status.INVALID_PARAMETER, Status.INVALID_PARAMETER]


async def test_ids_of_an_echo_are_taken_over(server):
    raw = await server.tree()
    elsewhere = {"session_id": 1, "tree_id": 4711}
    assert (
        await chained(
            raw, (EchoRequest(), 0, {}), (create_request("file"), RELATED, elsewhere), (QUERY, RELATED, elsewhere)
        )
        == [Status.SUCCESS] * 3
    )


async def test_nothing_is_taken_over_from_an_echo_without_session(server):
    raw = await server.tree()
    nowhere = {"session_id": 0, "tree_id": 0}
    assert await chained(raw, (EchoRequest(), 0, nowhere), (create_request("file"), RELATED, {})) == [
        Status.SUCCESS, Status.INVALID_PARAMETER,
    ]  # fmt: skip


@pytest.mark.parametrize("member", [
    ChangeNotifyRequest(ANY, 1000, 1),
    LockRequest(ANY, [LockElement(0, 1, LOCK_EXCLUSIVE)]),
], ids=["notify", "lock"])  # fmt: skip
async def test_a_wait_without_end_inside_of_a_compound_is_refused(server, member):
    """smb2.compound.interim2: Windows lets the last member wait, and only that"""
    raw = await server.tree()
    directory = isinstance(member, ChangeNotifyRequest)
    first = create_request("", FILE_GENERIC_READ, FILE_OPEN, FILE_DIRECTORY_FILE) if directory else create_request("f")
    if not directory:
        other = await server.tree()
        file_id = await opened(other, "f")
        (await other.lock(file_id, [LockElement(0, 1, LOCK_EXCLUSIVE)])).expect()
    responses = await raw.compound(first, member, QUERY)
    assert [r.status for r in responses] == [Status.SUCCESS, Status.INTERNAL_ERROR, Status.SUCCESS]
    await lives(server)


@pytest.mark.parametrize("dialect", [0x0202, 0x0210, 0x0300, 0x0311])
async def test_the_last_member_may_wait(server, dialect):
    raw = await server.tree(offer=only(dialect))
    pending = await raw.begin_compound(
        create_request("", FILE_GENERIC_READ, FILE_OPEN, FILE_DIRECTORY_FILE), ChangeNotifyRequest(ANY, 1000, 1)
    )
    (await pending[0].response()).expect()
    interim = await pending[1].pending()
    assert interim.status is Status.PENDING
    await opened(raw, "new")
    (await pending[1].response()).expect()


@pytest.mark.parametrize("seal", [False, True])
async def test_every_response_of_a_compound_is_padded(server, seal):
    """smb2.compound.compound-padding: the last one, too"""
    raw = await server.tree()
    file_id = await opened(raw)
    (await raw.write(file_id, 0, b"123")).expect()
    responses = await raw.compound(
        ReadRequest(file_id, 0, 3), ReadRequest(file_id, 0, 3), related=False, how=How(seal=seal)
    )
    assert [len(r.message) for r in responses] == [64 + 24, 64 + 24]
    alone = await raw.read(file_id, 0, 3, How(seal=seal))
    assert len(alone.message) == 64 + 19


async def test_members_wait_for_the_one_before(make):
    """A CREATE in the middle that waits for a break holds up what follows, and all leave together."""
    server = make()
    raw, other = await server.tree(), await server.tree()
    held = (await other.call(create_request("held", oplock=9))).expect().body.file_id
    pending = await raw.begin_compound(create_request("held"), WriteRequest(ANY, 0, b"late"), CloseRequest(ANY))
    await turn()
    assert not any(one.final.done() for one in pending)
    (await other.acknowledge_oplock_break(held, 0)).expect()
    assert [(await one.response()).status for one in pending] == [Status.SUCCESS] * 3
