"""An administrator takes back what clients cache, and closes files politely  [MS-SMB2 3.3.4.6, 3.3.4.7]"""

from __future__ import annotations

import asyncio

import pytest

from smbcore.control.errors import CommandFailed
from smbcore.control.messages import BreakLease, CloseOpen, Done, ListWaiting, Pong, Waiting
from smbcore.nt.access import FILE_GENERIC_READ, FILE_GENERIC_WRITE
from smbcore.nt.create import FILE_OPEN_IF
from smbcore.nt.status import Status
from smbcore.server.management import Management
from smbcore.wire.create import OPLOCK_BATCH, OPLOCK_LEASE, OPLOCK_NONE, CreateContext
from smbcore.wire.create_contexts import LeaseV2
from smbcore.wire.oplock_break import FLAG_ACK_REQUIRED, LeaseBreakNotification, OplockBreakNotification
from tests.protocol.steps import create_request, next_break, turn

R, H, W = 1, 2, 4
KEY = b"lease key number"
ACCESS = FILE_GENERIC_READ | FILE_GENERIC_WRITE


async def no_configuration():
    raise AssertionError


def management(server):
    return Management(server.server, no_configuration, Pong("node", "boot", "test", "2026-01-01T00:00:00Z"))


async def leased(raw, state=R | W | H, name="file.txt"):
    contexts = [CreateContext(b"RqLs", LeaseV2(KEY, state, epoch=1).encode())]
    response = await raw.create(name, ACCESS, FILE_OPEN_IF, oplock=OPLOCK_LEASE, contexts=contexts)
    return response.expect().body.file_id


def only_open(server):
    (open_,) = server.server.opens.values()
    return open_


def break_message(server, **options):
    lease = only_open(server).lease
    return BreakLease(lease.client_guid.hex(), lease.key.hex(), **options)


async def begin(coroutine):
    task = asyncio.ensure_future(coroutine)
    await turn()
    return task


async def test_lease_is_taken_back_on_command(manual):
    # 1 a client holds RWH
    raw = await manual.tree()
    await leased(raw)
    # 2 the administrator takes everything; the client is told, with its next epoch
    commanded = await begin(management(manual).handle(break_message(manual, wait=10.0)))
    assert (await next_break(raw)).body == LeaseBreakNotification(
        new_epoch=3, flags=FLAG_ACK_REQUIRED, lease_key=KEY, current_lease_state=R | W | H, new_lease_state=0
    )
    assert not commanded.done()
    assert only_open(manual).lease.row()["breaking_to"] == ""
    # 3 it acknowledges, and the command is done
    (await raw.acknowledge_lease_break(KEY, 0)).expect()
    assert (await commanded).count == 1
    row = only_open(manual).lease.row()
    assert (row["state"], row["breaking_to"]) == ("", None)


async def test_only_writes_are_taken_back(manual):
    raw = await manual.tree()
    await leased(raw)
    commanded = await begin(management(manual).handle(break_message(manual, keep="RH", wait=10.0)))
    assert (await next_break(raw)).body.new_lease_state == R | H
    (await raw.acknowledge_lease_break(KEY, R | H)).expect()
    assert (await commanded).count == 1
    assert only_open(manual).lease.row()["state"] == "RH"


async def test_command_without_a_wait_answers_at_once(manual):
    raw = await manual.tree()
    await leased(raw)
    reply = await management(manual).handle(break_message(manual))
    assert (reply.count, reply.detail) == (0, "The client did not answer in time.")
    await next_break(raw)
    (await raw.acknowledge_lease_break(KEY, 0)).expect()


async def test_record_follows_when_the_client_never_answers(manual):
    raw = await manual.tree()
    await leased(raw)
    told = []
    manual.server.records.put = lambda kind, _key, source: told.append((kind, source.row()))
    await management(manual).handle(break_message(manual))
    told.clear()
    manual.clock.advance(manual.server.config.break_timeout + 1)
    leases = [row for kind, row in told if kind == "lease"]
    assert [(row["state"], row["breaking_to"]) for row in leases] == [("", None)]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"keep": "W"}, "invalid"),
        ({"lease_key": "xx"}, "invalid"),
        ({"lease_key": "00" * 16}, "not_found"),
        ({"client_guid": ""}, "not_found"),
    ],
)
async def test_breaks_that_make_no_sense(manual, changes, code):
    raw = await manual.tree()
    await leased(raw)
    message = break_message(manual)
    for name, value in changes.items():
        setattr(message, name, value)
    with pytest.raises(CommandFailed) as refused:
        await management(manual).handle(message)
    assert refused.value.code == code


async def test_polite_close_waits_for_what_the_client_writes_back(manual):
    # 1 a client caches writes
    raw = await manual.tree()
    file_id = await leased(raw)
    key = only_open(manual).key
    # 2 it is asked to write back, and does so before it acknowledges
    closing = await begin(management(manual).handle(CloseOpen(key, "test", polite_wait=10.0)))
    await next_break(raw)
    (await raw.write(file_id, 0, b"unsaved")).expect()
    assert not closing.done()
    (await raw.acknowledge_lease_break(KEY, 0)).expect()
    # 3 then the file is closed, with everything on the server
    assert await closing == Done("The client has written back what it cached.", 1)
    assert (await raw.write(file_id, 0, b"late")).status is Status.FILE_CLOSED
    again = (await raw.create("file.txt", FILE_GENERIC_READ)).expect().body.file_id
    assert bytes((await raw.read(again, 0, 100)).expect().body.data) == b"unsaved"


async def test_polite_close_of_a_client_that_does_not_answer(manual):
    raw = await manual.tree()
    file_id = await leased(raw)
    closing = await begin(management(manual).handle(CloseOpen(only_open(manual).key, polite_wait=10.0)))
    manual.clock.advance(9)
    await turn()
    assert not closing.done()
    manual.clock.advance(2)
    assert await closing == Done("The client did not answer in time.", 1)
    assert (await raw.write(file_id, 0, b"late")).status is Status.FILE_CLOSED


async def test_polite_close_of_an_oplock(manual):
    raw = await manual.tree()
    file_id = (await raw.create("file.txt", ACCESS, FILE_OPEN_IF, oplock=OPLOCK_BATCH)).expect().body.file_id
    closing = await begin(management(manual).handle(CloseOpen(only_open(manual).key, polite_wait=10.0)))
    assert (await next_break(raw)).body == OplockBreakNotification(OPLOCK_NONE, file_id)
    (await raw.acknowledge_oplock_break(file_id, OPLOCK_NONE)).expect()
    assert (await closing).count == 1
    assert not manual.server.opens


async def test_polite_close_when_the_client_closes_by_itself(manual):
    raw = await manual.tree()
    file_id = await leased(raw)
    closing = await begin(management(manual).handle(CloseOpen(only_open(manual).key, polite_wait=10.0)))
    await next_break(raw)
    (await raw.close(file_id)).expect()
    assert await closing == Done("The client has closed it by itself.", 1)


async def test_polite_close_without_anything_cached_does_not_wait(manual):
    raw = await manual.tree()
    await raw.create("file.txt", ACCESS, FILE_OPEN_IF)
    reply = await management(manual).handle(CloseOpen(only_open(manual).key, polite_wait=10.0))
    assert reply == Done("The client cached nothing that it had to give back.", 1)


async def test_who_waits_for_a_lease_is_told(manual):
    one, two = await manual.tree(), await manual.tree(user="bob", password="builder")
    await leased(one)
    assert await management(manual).handle(ListWaiting()) == Waiting({})
    opening = await two.begin(create_request("file.txt", ACCESS))
    await next_break(one)
    await turn()
    message = break_message(manual)
    assert await management(manual).handle(ListWaiting()) == Waiting(
        {f"{message.client_guid}:{message.lease_key}": ["bob"]}
    )
    (await one.acknowledge_lease_break(KEY, R | H)).expect()
    (await opening.response()).expect()
    assert await management(manual).handle(ListWaiting()) == Waiting({})
