"""Clients that leave breaks unanswered get no more oplocks and leases until they answer one."""

from __future__ import annotations

import pytest

from smbcore.control.messages import ListCounters, ListUnanswered, Pong, Unanswered
from smbcore.nt.clock import ManualClock
from smbcore.nt.create import FILE_OPEN_IF
from smbcore.server.conduct import PROBATION
from smbcore.server.config import Limits
from smbcore.server.management import Management
from smbcore.wire.create import OPLOCK_BATCH, OPLOCK_LEASE, OPLOCK_LEVEL_II, OPLOCK_NONE
from smbcore.wire.create_contexts import LEASE, decode_lease
from tests.memory_server import OTHER_PASSWORD, OTHER_USER
from tests.protocol.durable import CLIENT, OTHER_CLIENT, connected, cut, granted, lease
from tests.protocol.steps import create_request, turn

BOB = {"user": OTHER_USER, "password": OTHER_PASSWORD}


@pytest.fixture
async def server(make):
    """Two breaks may be left unanswered, the second one is too many."""
    return make(ManualClock(), limits=Limits(unanswered_breaks=2))


async def no_configuration():
    raise AssertionError


def key(name):
    return name.encode().ljust(16, b".")


async def hold(raw, name, *, leased=False):
    """Open a file; return its id and what may be cached of it, by level or by the bits of a lease."""
    contexts = [lease(key(name))] if leased else []
    oplock = OPLOCK_LEASE if leased else OPLOCK_BATCH
    response = (await raw.create(name, disposition=FILE_OPEN_IF, oplock=oplock, contexts=contexts)).expect()
    if leased:
        return response.body.file_id, decode_lease(granted(response, LEASE)).lease_state
    return response.body.file_id, response.body.oplock_level


async def want(server, name):
    """Somebody else opens the file, and waits for the holder's answer."""
    other = await connected(server, guid=OTHER_CLIENT, **BOB)
    opening = await other.begin(create_request(name))
    await turn()
    return opening


async def ignore(server, raw, name, *, leased=False):
    """Hold a file that somebody else wants, and do not answer."""
    file_id, _ = await hold(raw, name, leased=leased)
    await ignored(server, await want(server, name))
    return file_id


async def ignored(server, opening):
    """The holder does not answer, and its time runs out."""
    server.clock.advance(35.5)
    (await opening.response()).expect()


@pytest.mark.parametrize("leased", [False, True], ids=["oplock", "lease"])
async def test_who_does_not_answer_gets_no_more(server, leased):
    """1 one break is left unanswered: nothing follows  2 a second one  3 neither oplocks nor leases."""
    raw = await connected(server)
    await ignore(server, raw, "1", leased=leased)
    assert not server.trail.incidents
    await ignore(server, raw, "2", leased=leased)
    incident = server.trail.only()
    assert (incident.action, incident.condition, incident.actor) == ("caching.withhold", "unanswered", "alice")
    assert incident.detail["breaks"] == 2
    assert (await hold(raw, "3"))[1] == OPLOCK_NONE
    assert (await hold(raw, "4", leased=True))[1] == 0
    # nobody has to wait for it any more
    (await (await want(server, "3")).response()).expect()
    (await (await want(server, "4")).response()).expect()


async def test_an_acknowledgment_of_what_it_still_holds_brings_them_back(server):
    raw = await connected(server)
    old, _ = await hold(raw, "old")
    leased, _ = await hold(raw, "leased", leased=True)
    await ignore(server, raw, "1")
    await ignore(server, raw, "2")
    opening = await want(server, "old")
    (await raw.acknowledge_oplock_break(old, OPLOCK_LEVEL_II)).expect()
    (await opening.response()).expect()
    assert (await hold(raw, "3"))[1] == OPLOCK_BATCH
    # the same with a lease
    await ignore(server, raw, "4")
    await ignore(server, raw, "5")
    assert (await hold(raw, "6"))[1] == OPLOCK_NONE
    opening = await want(server, "leased")
    (await raw.acknowledge_lease_break(key("leased"), 3)).expect()
    (await opening.response()).expect()
    assert (await hold(raw, "7", leased=True))[1] == 7
    assert leased


async def test_closing_the_file_is_an_answer(server):
    raw = await connected(server)
    old, _ = await hold(raw, "old")
    await ignore(server, raw, "1")
    await ignore(server, raw, "2")
    opening = await want(server, "old")
    (await raw.close(old)).expect()
    (await opening.response()).expect()
    assert (await hold(raw, "3"))[1] == OPLOCK_BATCH


async def test_only_breaks_in_a_row_count(server):
    raw = await connected(server)
    old, _ = await hold(raw, "old")
    await ignore(server, raw, "1")
    opening = await want(server, "old")
    (await raw.acknowledge_oplock_break(old, OPLOCK_LEVEL_II)).expect()
    (await opening.response()).expect()
    await ignore(server, raw, "2")
    assert (await hold(raw, "3"))[1] == OPLOCK_BATCH
    assert not server.trail.incidents
    (session,) = [session for session in server.server.sessions.values() if session.user == "alice"]
    assert server.server.conduct.figures(session) == (2, False)


async def test_an_answer_that_comes_too_late_is_none(server):
    raw = await connected(server)
    file_id = await ignore(server, raw, "1")
    await ignore(server, raw, "2")
    await raw.acknowledge_oplock_break(file_id, OPLOCK_LEVEL_II)
    assert (await hold(raw, "3"))[1] == OPLOCK_NONE


async def test_after_a_while_it_is_trusted_once_again(server):
    raw = await connected(server)
    await ignore(server, raw, "1")
    await ignore(server, raw, "2")
    server.clock.advance(PROBATION - 1)
    assert (await hold(raw, "3"))[1] == OPLOCK_NONE
    server.clock.advance(2)
    assert (await hold(raw, "4"))[1] == OPLOCK_BATCH
    await ignore(server, raw, "5")
    assert (await hold(raw, "6"))[1] == OPLOCK_NONE


async def test_after_a_while_the_first_break_of_what_it_still_holds_is_enough(server):
    """Nothing was opened since the probation ended, so nobody has asked yet whether it is over."""
    raw = await connected(server)
    for name in ("1", "2", "3"):
        await hold(raw, name)
    for name in ("1", "2"):
        await ignored(server, await want(server, name))
    server.clock.advance(PROBATION)
    await ignored(server, await want(server, "3"))
    assert (await hold(raw, "4"))[1] == OPLOCK_NONE


async def test_a_new_connection_changes_nothing(server):
    raw = await connected(server)
    await ignore(server, raw, "1")
    await ignore(server, raw, "2")
    await cut(raw)
    assert (await hold(await connected(server), "3"))[1] == OPLOCK_NONE


async def test_nobody_spoils_the_caching_of_another_user_under_a_borrowed_guid(server):
    raw = await connected(server)
    await ignore(server, raw, "1")
    await ignore(server, raw, "2")
    assert (await hold(await connected(server, guid=CLIENT, **BOB), "3"))[1] == OPLOCK_BATCH
    assert (await hold(await connected(server, guid=OTHER_CLIENT), "4"))[1] == OPLOCK_BATCH


async def test_clients_without_a_guid_are_told_apart_by_their_sessions(server):
    options = {"guid": bytes(16), "dialects": [0x0202]}
    raw = await connected(server, **options)
    await ignore(server, raw, "1")
    await ignore(server, raw, "2")
    assert (await hold(raw, "3"))[1] == OPLOCK_NONE
    assert (await hold(await connected(server, **options), "4"))[1] == OPLOCK_BATCH


async def test_a_lease_that_it_has_stays_as_it_is(server):
    """A further open under the same key does not lose what the first one has, and gets no more."""
    raw = await connected(server)
    await hold(raw, "old", leased=True)
    await ignore(server, raw, "1")
    await ignore(server, raw, "2")
    assert (await hold(raw, "old", leased=True))[1] == 7


async def test_no_limit(make):
    server = make(ManualClock(), limits=Limits(unanswered_breaks=0))
    raw = await connected(server)
    for number in range(6):
        await ignore(server, raw, f"{number}")
    assert (await hold(raw, "last"))[1] == OPLOCK_BATCH
    assert not server.trail.incidents
    (session,) = [session for session in server.server.sessions.values() if session.user == "alice"]
    assert server.server.conduct.figures(session) == (6, False)


async def test_administrators_are_told_who_it_is(server):
    management = Management(server.server, no_configuration, Pong("node", "boot", "test", "2026-01-01T00:00:00Z"))
    raw = await connected(server)
    (session,) = server.server.sessions.values()
    assert await management.handle(ListUnanswered()) == Unanswered({}, [])
    await ignore(server, raw, "1")
    assert await management.handle(ListUnanswered()) == Unanswered({str(session.key): 1}, [])
    await ignore(server, raw, "2")
    assert await management.handle(ListUnanswered()) == Unanswered({str(session.key): 2}, [str(session.key)])
    assert (await management.handle(ListCounters())).values["caching_withheld"] == 1
    server.clock.advance(PROBATION + 1)
    assert (await management.handle(ListCounters())).values["caching_withheld"] == 0
