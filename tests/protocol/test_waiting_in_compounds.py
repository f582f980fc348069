"""Members of a compound that wait while others relate to them: nobody can be told so, but they count, and end as all
others do  [MS-SMB2 3.3.4.2, 3.3.5.2.7, 3.3.5.16].
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from smbcore.nt.access import FILE_GENERIC_READ
from smbcore.nt.create import FILE_OPEN
from smbcore.nt.info.classes import FILE_STANDARD_INFORMATION
from smbcore.nt.status import Status
from smbcore.server.config import Limits
from smbcore.server.conformance import FSP_ASYNC_SLEEP
from smbcore.wire.change_notify import ChangeNotifyRequest
from smbcore.wire.close import CloseRequest
from smbcore.wire.create import OPLOCK_BATCH, OPLOCK_LEVEL_II
from smbcore.wire.echo import EchoRequest, EchoResponse
from smbcore.wire.header import ECHO, FLAG_ASYNC
from smbcore.wire.ioctl import IoctlRequest
from smbcore.wire.lock import LOCK_EXCLUSIVE, LockElement, LockRequest
from smbcore.wire.query_info import QueryInfoRequest
from tests.protocol.steps import ANY, create_request, lives, opened, turn


async def held(server):
    """Somebody who has file.txt cached: opening it waits for the answer, which `let_go` gives."""
    holder = await server.tree()
    return holder, await opened(holder, oplock=OPLOCK_BATCH)


async def let_go(holder, file_id):
    (await holder.acknowledge_oplock_break(file_id, OPLOCK_LEVEL_II)).expect()


async def opening(raw):
    """Open file.txt and close it, in one frame."""
    pendings = await raw.begin_compound(create_request("file.txt"), CloseRequest(ANY))
    await turn()
    return pendings


async def statuses(pendings):
    return [(await pending.response()).status for pending in pendings]


async def test_they_are_bounded(make):
    server = make(limits=Limits(pending_per_connection=2))
    holder, file_id = await held(server)
    raw = await server.tree()
    # 1 as many as may wait, and one more
    waiting = [await opening(raw) for _ in range(2)]
    assert await statuses(await opening(raw)) == [Status.INSUFFICIENT_RESOURCES] * 2
    assert not any(pending.final.done() or pending.interim.done() for pair in waiting for pending in pair)
    # 2 nor may anything else wait
    directory = await opened(raw, "", FILE_GENERIC_READ, FILE_OPEN)
    watch = ChangeNotifyRequest(directory, 1000, 3)
    assert (await (await raw.begin(watch)).response()).status is Status.INSUFFICIENT_RESOURCES
    # 3 those that waited have their answers, and others may wait again
    await let_go(holder, file_id)
    for pair in waiting:
        assert await statuses(pair) == [Status.SUCCESS] * 2
    for _ in range(2):
        await (await raw.begin(watch)).pending()


async def test_those_that_were_told_so_count_with_them(make):
    server = make(limits=Limits(pending_per_connection=2))
    holder, file_id = await held(server)
    raw = await server.tree()
    directory = await opened(raw, "", FILE_GENERIC_READ, FILE_OPEN)
    watching = await raw.begin(ChangeNotifyRequest(directory, 1000, 3))
    await watching.pending()
    first = await opening(raw)
    assert await statuses(await opening(raw)) == [Status.INSUFFICIENT_RESOURCES] * 2
    # one that is cancelled makes room
    await raw.cancel(watching)
    assert (await watching.response()).status is Status.CANCELLED
    second = await opening(raw)
    await let_go(holder, file_id)
    assert await statuses(first + second) == [Status.SUCCESS] * 4


async def test_cancel_ends_one_and_the_chain_goes_on(server):
    holder, file_id = await held(server)
    raw = await server.tree()
    pendings = await raw.begin_compound(create_request("file.txt"), CloseRequest(ANY), EchoRequest())
    await turn()
    await raw.cancel(pendings[0])
    assert await statuses(pendings) == [Status.CANCELLED, Status.CANCELLED, Status.SUCCESS]
    responses = [await pending.response() for pending in pendings]
    assert not any(response.flags & FLAG_ASYNC for response in responses)
    assert all(response.credits for response in responses)
    # nothing is left of it
    await let_go(holder, file_id)
    assert len(server.server.opens) == 1


async def test_cancel_of_a_later_member_is_too_early(server):
    """It has not begun: there is nothing to cancel"""
    holder, file_id = await held(server)
    raw = await server.tree()
    pendings = await opening(raw)
    await raw.cancel(pendings[1])
    await turn()
    await let_go(holder, file_id)
    assert await statuses(pendings) == [Status.SUCCESS] * 2


async def test_logoff_while_one_waits(server):
    holder, file_id = await held(server)
    raw = await server.tree()
    pendings = await opening(raw)
    (await raw.logoff()).expect()
    await let_go(holder, file_id)
    assert await statuses(pendings) == [Status.NETWORK_NAME_DELETED, Status.USER_SESSION_DELETED]
    assert len(server.server.opens) == 1
    await lives(server)


async def test_tree_disconnect_while_one_waits(server):
    holder, file_id = await held(server)
    raw = await server.tree()
    pendings = await opening(raw)
    (await raw.tree_disconnect()).expect()
    await let_go(holder, file_id)
    assert await statuses(pendings) == [Status.NETWORK_NAME_DELETED] * 2
    assert len(server.server.opens) == 1


async def test_close_of_the_handle_that_one_works_on(make):
    server = make(test_controls=True)
    raw = await server.tree()
    file_id = await opened(raw)
    pendings = await raw.begin_compound(
        IoctlRequest(FSP_ASYNC_SLEEP, file_id, b"\x20"), QueryInfoRequest(1, FILE_STANDARD_INFORMATION, ANY, 100)
    )
    await turn()
    # the close waits for the member that has begun; the one after it comes too late
    (await raw.close(file_id)).expect()
    assert await statuses(pendings) == [Status.SUCCESS, Status.FILE_CLOSED]


@pytest.mark.parametrize("body", [
    ChangeNotifyRequest(ANY, 1000, 3), LockRequest(ANY, [LockElement(0, 1, LOCK_EXCLUSIVE)])
])  # fmt: skip
async def test_what_may_wait_for_ever_may_not_be_related_to(server, body):
    """smb2.compound.interim2: as Windows"""
    raw, other = await server.tree(), await server.tree()
    name = "" if isinstance(body, ChangeNotifyRequest) else "file.txt"
    if name:
        (await other.lock(await opened(other, name), [LockElement(0, 1, LOCK_EXCLUSIVE)])).expect()
    access = (FILE_GENERIC_READ, FILE_OPEN) if not name else ()
    pendings = await raw.begin_compound(create_request(name, *access), body, CloseRequest(ANY))
    assert await statuses(pendings) == [Status.SUCCESS, Status.INTERNAL_ERROR, Status.SUCCESS]


async def test_the_connection_is_lost_while_one_waits(server):
    holder, file_id = await held(server)
    raw = await server.tree()
    await opening(raw)
    raw.connection.close()
    await turn()
    await let_go(holder, file_id)
    await server.server.drain()
    assert len(server.server.opens) == 1
    await lives(server)


async def test_a_wait_after_another_one_is_told_too(server):
    """Whatever kept the request busy before it began to wait"""
    raw = await server.tree()
    (connection,) = server.server.connections
    busy, waited_for = asyncio.get_running_loop().create_future(), asyncio.get_running_loop().create_future()

    async def slow_echo(rq, _msg):
        await busy
        await rq.suspend(waited_for)
        return EchoResponse()

    rows = list(connection.commands)
    rows[ECHO] = replace(rows[ECHO], handler=slow_echo)
    connection.commands = tuple(rows)
    pending = await raw.begin(EchoRequest())
    await turn()
    assert not pending.interim.done()
    busy.set_result(None)
    await pending.pending()
    waited_for.set_result(None)
    assert (await pending.response()).expect().flags & FLAG_ASYNC
