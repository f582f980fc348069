"""Connections and sign-ins beyond what there may be: those that do not finish go first, each limit is logged once."""

from __future__ import annotations

import pytest

from smbcore.auth.initiator import Initiator
from smbcore.client.raw import RawClient
from smbcore.client.session import SetupExchange, sign_in
from smbcore.nt.clock import ManualClock
from smbcore.nt.status import NtError, Status
from smbcore.server.config import Limits
from tests.memory_server import PASSWORD, USER, Link
from tests.protocol.steps import lives, opened, turn


def alice():
    return Initiator(USER, PASSWORD)


def knock(server):
    """Try to connect; tell whether the server let us in."""
    return server.server.accept(Link(server.server).server_end) is not None


def told(caplog):
    return [record.getMessage() for record in caplog.records if record.name == "smbcore.server.admission"]


# -- connections --


async def test_more_clients_than_there_may_be_are_refused_and_that_is_logged_once(make, caplog):
    server = make(ManualClock(), limits=Limits(connections=3))
    raws = [await server.tree() for _ in range(3)]
    assert [knock(server) for _ in range(50)] == [False] * 50
    assert told(caplog) == ["3 clients are connected: one more is refused, from memory:1"]
    # those that are in are served, and one that goes makes room
    for raw in raws:
        await opened(raw)
    raws[0].connection.close()
    await turn()
    await lives(server)


async def test_those_that_never_sign_in_make_room_for_others(make, caplog):
    server = make(limits=Limits(connections=4))
    raw = await server.tree()
    silent = [RawClient(server.connection()) for _ in range(2)]
    talking = await server.negotiated()
    for _ in range(20):
        other = await server.tree()
        await opened(other)
        other.connection.close()
        await turn()
    assert [client.connection.is_lost for client in silent] == [True, False]
    assert not talking.connection.is_lost
    await opened(raw)
    assert told(caplog) == ["4 connections are open: those that do not sign in are closed"]


async def test_a_flood_of_connections_displaces_itself(make):
    server = make(limits=Limits(connections=10))
    raw = await server.tree()
    assert all(knock(server) for _ in range(200))
    assert len(server.server.connections) == 10
    await opened(raw)
    await lives(server)
    assert not raw.connection.is_lost


async def test_who_has_signed_off_is_not_new(make):
    """It has been let in once, and may sign in again"""
    server = make(limits=Limits(connections=1))
    raw = await server.session()
    (await raw.logoff()).expect()
    assert not knock(server)
    await sign_in(raw.connection, alice())


# -- sign-ins --


async def begun(raw):
    exchange = SetupExchange(raw.connection, alice())
    assert (await exchange.leg()).status is Status.MORE_PROCESSING_REQUIRED
    return exchange


async def test_sign_ins_that_are_not_finished_make_room(make, caplog):
    server = make(max_sessions=5)
    raw = await server.tree()
    flooding = await server.negotiated()
    half = [await begun(flooding) for _ in range(20)]
    assert len(server.server.sessions) == 5
    other = await server.tree()
    await opened(other)
    await opened(raw)
    # the oldest are gone, the latest ones go on
    assert (await half[0].leg()).status is Status.USER_SESSION_DELETED
    assert (await half[-1].leg()).status is Status.SUCCESS
    assert told(caplog) == ["5 sessions: sign-ins that are not finished are given up"]


async def test_sessions_in_use_are_not_given_up(make, caplog):
    server = make(ManualClock(), max_sessions=2)
    raws = [await server.tree(), await server.tree()]
    refused = await server.negotiated()
    for _ in range(30):
        with pytest.raises(NtError) as error:
            await sign_in(refused.connection, alice())
        assert error.value.status is Status.INSUFFICIENT_RESOURCES
    for raw in raws:
        await opened(raw)
    assert told(caplog) == ["2 sessions: one more is refused"]
    server.clock.advance(61)
    later = await server.negotiated()
    with pytest.raises(NtError):
        await sign_in(later.connection, alice())
    assert len(told(caplog)) == 2


async def test_a_new_proof_of_a_session_in_use_is_no_new_sign_in(make):
    server = make(max_sessions=2)
    raw = await server.tree()
    reauthentication = SetupExchange(raw.connection, alice(), session=raw.session)
    assert (await reauthentication.leg()).status is Status.MORE_PROCESSING_REQUIRED
    flooding = await server.negotiated()
    for _ in range(10):
        await begun(flooding)
    assert (await reauthentication.leg()).status is Status.SUCCESS
    await opened(raw)
