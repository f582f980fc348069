"""Requests that go on though their channel is lost: a client repeats them on another one  [MS-SMB2 3.3.5.9.10]."""

from __future__ import annotations

import pytest

from smbcore.auth.initiator import Initiator
from smbcore.client.message import How
from smbcore.client.raw import RawClient
from smbcore.client.session import bind
from smbcore.nt.status import Status
from smbcore.server.config import Limits
from smbcore.wire.create import OPLOCK_BATCH, OPLOCK_LEVEL_II
from smbcore.wire.header import FLAG_REPLAY
from tests.memory_server import PASSWORD, USER
from tests.protocol.durable import request
from tests.protocol.steps import create_request, lives, opened, turn

MOST = 3


def guid(number):
    return bytes([number]) * 16


@pytest.fixture
async def held(make):
    """A server, somebody who has file.txt cached, and his file id."""
    server = make(limits=Limits(pending_per_connection=MOST))
    holder = await server.tree()
    return server, holder, await opened(holder, oplock=OPLOCK_BATCH)


async def begin_and_lose(server, raw, number):
    """Begin to open file.txt on a further channel, which is lost."""
    other = await server.negotiated(client_guid=raw.connection.client_guid)
    await bind(other.connection, raw.session, Initiator(USER, PASSWORD))
    channel = RawClient(other.connection, raw.session, raw.tree_id)
    pending = await channel.begin(create_request("file.txt", contexts=[request(guid=guid(number))]))
    await pending.pending()
    other.connection.close()
    await turn()


def orphans(server, raw):
    return server.server.sessions[raw.session.session_id].orphans


def repetition(number):
    return create_request("file.txt", contexts=[request(guid=guid(number))])


async def test_what_goes_on_is_found_by_its_repetition(held):
    server, holder, file_id = held
    raw = await server.tree()
    await begin_and_lose(server, raw, 1)
    replay = How(flags=FLAG_REPLAY, channel_sequence=1)
    assert (await raw.call(repetition(1), replay)).status is Status.FILE_NOT_AVAILABLE
    (await holder.acknowledge_oplock_break(file_id, OPLOCK_LEVEL_II)).expect()
    await turn()
    (await raw.call(repetition(1), replay)).expect()
    assert len(server.server.opens) == 2


async def test_they_are_forgotten_when_they_are_done(held):
    server, holder, file_id = held
    raw = await server.tree()
    for number in range(MOST):
        await begin_and_lose(server, raw, number)
    assert len(orphans(server, raw)) == MOST
    (await holder.acknowledge_oplock_break(file_id, OPLOCK_LEVEL_II)).expect()
    await turn()
    assert not orphans(server, raw)


async def test_they_are_bounded(held):
    server, holder, file_id = held
    raw = await server.tree()
    for number in range(MOST + 2):
        await begin_and_lose(server, raw, number)
    assert len(orphans(server, raw)) == MOST
    # those that were too many have ended: only the others make opens
    (await holder.acknowledge_oplock_break(file_id, OPLOCK_LEVEL_II)).expect()
    await turn()
    assert len(server.server.opens) == 1 + MOST
    await lives(server)


async def test_the_end_of_the_session_ends_them(held):
    server, holder, file_id = held
    raw = await server.tree()
    await begin_and_lose(server, raw, 1)
    (await raw.logoff()).expect()
    await turn()
    (await holder.acknowledge_oplock_break(file_id, OPLOCK_LEVEL_II)).expect()
    await turn()
    assert len(server.server.opens) == 1


async def test_with_its_last_channel_a_request_ends(held):
    server, holder, file_id = held
    raw = await server.tree()
    pending = await raw.begin(repetition(1))
    await pending.pending()
    raw.connection.close()
    await turn()
    (await holder.acknowledge_oplock_break(file_id, OPLOCK_LEVEL_II)).expect()
    await turn()
    assert len(server.server.opens) == 1
