"""Oplocks and leases: what is granted, breaks, acknowledgments  [MS-SMB2 3.3.4.6, 3.3.4.7, 3.3.5.9.8, 3.3.5.22]"""

from __future__ import annotations

import pytest

from smbcore.nt.access import FILE_GENERIC_READ, FILE_GENERIC_WRITE
from smbcore.nt.create import FILE_OPEN, FILE_OPEN_IF
from smbcore.nt.status import Status
from smbcore.wire.create import (
    OPLOCK_BATCH,
    OPLOCK_EXCLUSIVE,
    OPLOCK_LEASE,
    OPLOCK_LEVEL_II,
    OPLOCK_NONE,
    CreateContext,
)
from smbcore.wire.create_contexts import LeaseV1, LeaseV2
from smbcore.wire.header import UNSOLICITED_MESSAGE_ID
from smbcore.wire.oplock_break import FLAG_ACK_REQUIRED, LeaseBreakNotification, OplockBreakNotification
from tests.protocol.steps import create_request, lives, next_break, only, turn

R, H, W = 1, 2, 4
KEY, OTHER_KEY = b"lease key number", b"another lease ke"
ACCESS = FILE_GENERIC_READ | FILE_GENERIC_WRITE


async def notification(raw):
    response = await next_break(raw)
    assert response.header.message_id == UNSOLICITED_MESSAGE_ID
    assert response.header.session_id == response.header.tree_id == 0
    return response.body


async def no_notification(raw):
    await turn()
    assert raw.connection.breaks.empty()


async def with_oplock(raw, level, name="file.txt"):
    body = (await raw.create(name, ACCESS, FILE_OPEN_IF, oplock=level)).expect().body
    return body.file_id, body.oplock_level


@pytest.mark.parametrize("level", [OPLOCK_NONE, OPLOCK_LEVEL_II, OPLOCK_EXCLUSIVE, OPLOCK_BATCH])
async def test_who_is_alone_gets_what_he_asks_for(server, level):
    raw = await server.tree()
    assert (await with_oplock(raw, level))[1] == level


async def test_directories_get_no_oplock(server):
    raw = await server.tree()
    assert (await raw.create("", FILE_GENERIC_READ, FILE_OPEN, oplock=OPLOCK_BATCH)).expect().body.oplock_level == 0


async def test_second_open_breaks_a_batch_oplock(server):
    # 1 the first client holds a batch oplock
    one, two = await server.tree(), await server.tree()
    file_id, level = await with_oplock(one, OPLOCK_BATCH)
    assert level == OPLOCK_BATCH
    # 2 the second one opens, and waits
    opening = await two.begin(create_request("file.txt", ACCESS))
    assert await notification(one) == OplockBreakNotification(OPLOCK_LEVEL_II, file_id)
    await opening.pending()
    # 3 the first one acknowledges
    response = await one.acknowledge_oplock_break(file_id, OPLOCK_LEVEL_II)
    assert response.expect().body.oplock_level == OPLOCK_LEVEL_II
    # 4 the second one is in, and its write breaks what is left, without an acknowledgment
    other = (await opening.response()).expect().body.file_id
    (await two.write(other, 0, b"x")).expect()
    assert await notification(one) == OplockBreakNotification(OPLOCK_NONE, file_id)
    # 5 there is nothing to acknowledge any more
    assert (await one.acknowledge_oplock_break(file_id, OPLOCK_NONE)).status is Status.INVALID_OPLOCK_PROTOCOL


async def test_closing_answers_a_break(server):
    one, two = await server.tree(), await server.tree()
    file_id, _ = await with_oplock(one, OPLOCK_EXCLUSIVE)
    opening = await two.begin(create_request("file.txt", ACCESS))
    await notification(one)
    (await one.close(file_id)).expect()
    (await opening.response()).expect()


async def test_holder_that_goes_away_answers_a_break(server):
    one, two = await server.tree(), await server.tree()
    await with_oplock(one, OPLOCK_BATCH)
    opening = await two.begin(create_request("file.txt", ACCESS))
    await notification(one)
    one.connection.close()
    (await opening.response()).expect()


async def test_holder_that_does_not_answer_loses_it_after_35_seconds(manual):
    # 1 a break without an answer
    one, two = await manual.tree(), await manual.tree()
    file_id, _ = await with_oplock(one, OPLOCK_BATCH)
    opening = await two.begin(create_request("file.txt", ACCESS))
    await notification(one)
    # 2 34 seconds: the opener waits, and knows it
    manual.clock.advance(34)
    await opening.pending()
    await turn()
    assert not opening.final.done()
    # 3 35 seconds: he is in, the oplock is gone
    manual.clock.advance(1.5)
    (await opening.response()).expect()
    assert (await one.acknowledge_oplock_break(file_id, OPLOCK_LEVEL_II)).status is not Status.SUCCESS
    (await one.write(file_id, 0, b"still open")).expect()


async def test_cancelled_open_leaves_nothing(server):
    one, two = await server.tree(), await server.tree()
    file_id, _ = await with_oplock(one, OPLOCK_BATCH)
    opening = await two.begin(create_request("file.txt", ACCESS))
    await notification(one)
    await opening.pending()
    await two.cancel(opening)
    assert (await opening.response()).status is Status.CANCELLED
    (await one.acknowledge_oplock_break(file_id, OPLOCK_LEVEL_II)).expect()
    await turn()
    assert len(server.server.opens) == 1


async def test_opener_that_goes_away_leaves_nothing(server):
    one, two = await server.tree(), await server.tree()
    file_id, _ = await with_oplock(one, OPLOCK_BATCH)
    await two.begin(create_request("file.txt", ACCESS))
    await notification(one)
    two.connection.close()
    await turn()
    (await one.acknowledge_oplock_break(file_id, OPLOCK_LEVEL_II)).expect()
    await turn()
    await server.server.drain()
    assert len(server.server.opens) == 1
    await lives(server)


@pytest.mark.parametrize("level", [OPLOCK_LEASE, OPLOCK_BATCH, OPLOCK_EXCLUSIVE, 0x55])
async def test_acknowledgment_of_a_level_that_does_not_go(server, level):
    """1 a break  2 a wrong answer: refused, and the oplock is lost  3 so nobody has to wait any more  4 nor to answer."""
    one, two = await server.tree(), await server.tree()
    file_id, _ = await with_oplock(one, OPLOCK_BATCH)
    opening = await two.begin(create_request("file.txt", ACCESS))
    await notification(one)
    response = await one.acknowledge_oplock_break(file_id, level)
    assert response.status is (Status.INVALID_PARAMETER if level == OPLOCK_LEASE else Status.INVALID_OPLOCK_PROTOCOL)
    (await opening.response()).expect()
    assert (await one.acknowledge_oplock_break(file_id, OPLOCK_NONE)).status is Status.INVALID_OPLOCK_PROTOCOL
    await no_notification(one)


async def test_acknowledgment_without_a_break(server):
    raw = await server.tree()
    file_id, _ = await with_oplock(raw, OPLOCK_BATCH)
    response = await raw.acknowledge_oplock_break(file_id, OPLOCK_NONE)
    assert response.status is Status.INVALID_OPLOCK_PROTOCOL


def lease(state, key=KEY, version=2, epoch=1):
    data = LeaseV1(key, state) if version == 1 else LeaseV2(key, state, epoch=epoch)
    return [CreateContext(b"RqLs", data.encode())]


async def with_lease(raw, state, key=KEY, version=2, name="file.txt", **options):
    response = await raw.create(
        name, ACCESS, FILE_OPEN_IF, oplock=OPLOCK_LEASE, contexts=lease(state, key, version), **options
    )
    body = response.expect().body
    (context,) = body.contexts
    kind = LeaseV1 if version == 1 else LeaseV2
    assert body.oplock_level == OPLOCK_LEASE
    return body.file_id, kind.decode(context.data)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("state", [0, R, R | H, R | W, R | W | H])
async def test_lease_as_asked_for(server, version, state):
    raw = await server.tree()
    _, granted = await with_lease(raw, state, version=version)
    assert granted.lease_state == state
    assert bytes(granted.lease_key) == KEY


@pytest.mark.parametrize("state", [W, H, W | H])
async def test_lease_that_makes_no_sense(server, state):
    raw = await server.tree()
    _, granted = await with_lease(raw, state)
    assert granted.lease_state == 0


async def test_level_without_context_and_context_without_level(server):
    raw = await server.tree()
    body = (await raw.create("a", ACCESS, FILE_OPEN_IF, oplock=OPLOCK_LEASE)).expect().body
    assert (body.oplock_level, body.contexts) == (OPLOCK_NONE, [])
    body = (await raw.create("b", ACCESS, FILE_OPEN_IF, contexts=lease(R))).expect().body
    assert (body.oplock_level, body.contexts) == (OPLOCK_NONE, [])


async def test_leases_are_not_for_202(server):
    raw = await server.tree(offer=only(0x0202))
    body = (
        (await raw.create("a", ACCESS, FILE_OPEN_IF, oplock=OPLOCK_LEASE, contexts=lease(R, version=1))).expect().body
    )
    assert body.oplock_level == OPLOCK_NONE


async def test_opens_of_one_lease_do_not_break_it(server):
    raw = await server.tree()
    await with_lease(raw, R | W | H)
    _, granted = await with_lease(raw, R | W | H)
    assert granted.lease_state == R | W | H
    await no_notification(raw)


async def test_lease_key_is_for_one_file(server):
    raw = await server.tree()
    await with_lease(raw, R)
    response = await raw.create("other", ACCESS, FILE_OPEN_IF, oplock=OPLOCK_LEASE, contexts=lease(R))
    assert response.status is Status.INVALID_PARAMETER


async def test_second_client_breaks_the_write_part(server):
    # 1 the first client may cache everything
    one, two = await server.tree(), await server.tree()
    file_id, granted = await with_lease(one, R | W | H)
    # 2 the second one opens
    opening = await two.begin(create_request("file.txt", ACCESS))
    note = await notification(one)
    assert isinstance(note, LeaseBreakNotification)
    assert bytes(note.lease_key) == KEY
    assert (note.current_lease_state, note.new_lease_state) == (R | W | H, R | H)
    assert note.flags == FLAG_ACK_REQUIRED
    assert note.new_epoch == granted.epoch + 1
    await opening.pending()
    # 3 acknowledged, the opener is in
    response = await one.acknowledge_lease_break(KEY, R | H)
    assert response.expect().body.lease_state == R | H
    other = (await opening.response()).expect().body.file_id
    # 4 a write breaks the rest; nothing to wait for
    (await two.write(other, 0, b"x")).expect()
    note = await notification(one)
    assert note.new_lease_state == 0


async def test_acknowledgments_that_do_not_go(server):
    one, two = await server.tree(), await server.tree()
    await with_lease(one, R | W | H)
    # 1 nothing breaks
    assert (await one.acknowledge_lease_break(KEY, R)).status is Status.UNSUCCESSFUL
    # 2 no such lease, or not of this client
    assert (await one.acknowledge_lease_break(OTHER_KEY, R)).status is Status.OBJECT_NAME_NOT_FOUND
    assert (await two.acknowledge_lease_break(KEY, R)).status is Status.OBJECT_NAME_NOT_FOUND
    # 3 more than it may keep: refused, and it can be said better
    opening = await two.begin(create_request("file.txt", ACCESS))
    await notification(one)
    assert (await one.acknowledge_lease_break(KEY, R | W | H)).status is Status.REQUEST_NOT_ACCEPTED
    (await one.acknowledge_lease_break(KEY, R)).expect()
    (await opening.response()).expect()


async def test_lease_of_a_client_that_went_away(server):
    one, two = await server.tree(), await server.tree()
    await with_lease(one, R | W | H)
    one.connection.close()
    await turn()
    _, granted = await with_lease(two, R | W | H, OTHER_KEY)
    assert granted.lease_state == R | W | H
    assert len(server.server.leases._leases) == 1


async def test_closing_the_last_open_ends_the_lease(server):
    raw = await server.tree()
    one, _ = await with_lease(raw, R | H)
    two, _ = await with_lease(raw, R | H)
    (await raw.close(one)).expect()
    assert server.server.leases._leases
    (await raw.close(two)).expect()
    assert not server.server.leases._leases


async def test_failed_create_leaves_no_lease(server):
    raw = await server.tree()
    response = await raw.create("no\\where", ACCESS, FILE_OPEN_IF, oplock=OPLOCK_LEASE, contexts=lease(R))
    assert response.status is Status.OBJECT_PATH_NOT_FOUND
    assert not server.server.leases._leases
