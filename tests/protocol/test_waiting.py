"""Requests that wait: notify, locks; CANCEL, and what ends the wait otherwise  [MS-SMB2 3.3.4.2, 3.3.5.14, 3.3.5.16, 3.3.5.19]"""

from __future__ import annotations

import pytest

from smbcore.client.message import DEFAULT, How
from smbcore.nt.access import FILE_GENERIC_READ
from smbcore.nt.create import FILE_CREATE, FILE_DIRECTORY_FILE, FILE_OPEN
from smbcore.nt.info.notify import decode_changes
from smbcore.nt.status import Status
from smbcore.server.config import Limits
from smbcore.wire.change_notify import FLAG_WATCH_TREE, ChangeNotifyRequest
from smbcore.wire.header import FLAG_ASYNC
from smbcore.wire.lock import (
    LOCK_EXCLUSIVE,
    LOCK_FAIL_IMMEDIATELY,
    LOCK_SHARED,
    LOCK_UNLOCK,
    LockElement,
    LockRequest,
)
from tests.protocol.steps import SIGNED, WRONGLY_SIGNED, lives, opened, turn

NAMES = 0x003
ADDED, REMOVED, RENAMED_OLD, RENAMED_NEW = 1, 2, 4, 5


async def watch(raw, *, flags=0, size=1000, how=DEFAULT, name=""):
    directory = await opened(raw, name, FILE_GENERIC_READ, FILE_OPEN)
    pending = await raw.begin(ChangeNotifyRequest(directory, size, NAMES, flags), how)
    return directory, pending


async def test_notify_tells_what_changed(server):
    raw = await server.tree()
    directory, watching = await watch(raw)
    interim = await watching.pending()
    assert interim.flags & FLAG_ASYNC
    assert interim.header.async_id
    await opened(raw, "new file")
    response = await watching.response()
    assert response.flags & FLAG_ASYNC
    assert response.header.async_id == interim.header.async_id
    assert decode_changes(bytes(response.expect().body.output)) == [(ADDED, "new file")]


async def test_changes_between_two_requests_are_not_lost(server):
    raw = await server.tree()
    directory, watching = await watch(raw)
    await opened(raw, "one")
    (await watching.response()).expect()
    await opened(raw, "two")
    await opened(raw, "three")
    response = await raw.change_notify(directory, NAMES, max_output=1000)
    assert decode_changes(bytes(response.expect().body.output)) == [(ADDED, "two"), (ADDED, "three")]


async def test_watching_a_tree(server):
    raw = await server.tree()
    await opened(raw, "dir", disposition=FILE_CREATE, options=FILE_DIRECTORY_FILE)
    _, watching = await watch(raw, flags=FLAG_WATCH_TREE)
    _, flat = await watch(raw)
    await opened(raw, "dir\\inside")
    response = await watching.response()
    assert decode_changes(bytes(response.expect().body.output)) == [(ADDED, "dir\\inside")]
    await turn()
    assert not flat.final.done()


async def test_too_many_changes_for_the_buffer(server):
    raw = await server.tree()
    directory, watching = await watch(raw, size=40)
    await opened(raw, "a name that is much too long for so small a buffer")
    response = await watching.response()
    assert response.status is Status.NOTIFY_ENUM_DIR
    assert not response.body.output


async def test_notify_on_a_file_is_refused(server):
    raw = await server.tree()
    assert (await raw.change_notify(await opened(raw), NAMES)).status is Status.INVALID_PARAMETER


@pytest.mark.parametrize("by", ["close", "tree", "logoff"])
async def test_what_ends_the_handle_completes_the_watch(server, by):
    raw = await server.tree()
    directory, watching = await watch(raw)
    await watching.pending()
    if by == "close":
        (await raw.close(directory)).expect()
    elif by == "tree":
        (await raw.tree_disconnect()).expect()
    else:
        (await raw.logoff()).expect()
    response = await watching.response()
    assert response.status is Status.NOTIFY_CLEANUP
    await lives(server)


async def test_cancel_by_message_id_before_the_interim_response(manual):
    # time stands still, so no interim response comes
    raw = await manual.tree()
    _, watching = await watch(raw)
    await turn()
    await raw.cancel(watching)
    response = await watching.response()
    assert response.status is Status.CANCELLED
    assert not response.flags & FLAG_ASYNC
    assert response.credits


async def test_cancel_that_comes_together_with_its_request(server):
    """Both in one segment: the request has not had a turn of the loop yet."""
    # 1 a file that is watched and locked
    raw = await server.tree()
    one, two = await opened(raw), await opened(raw)
    (await raw.lock(one, [element(LOCK_EXCLUSIVE)])).expect()
    directory = await opened(raw, "", FILE_GENERIC_READ, FILE_OPEN)
    # 2 requests, each with its CANCEL right behind it
    for body in (ChangeNotifyRequest(directory, 1000, NAMES), LockRequest(two, [element(LOCK_EXCLUSIVE)])):
        waiting = await raw.begin(body)
        await raw.cancel(waiting)
        assert (await waiting.response(5)).status is Status.CANCELLED
    # 3 nothing is left behind
    (await raw.lock(one, [element(LOCK_UNLOCK)])).expect()
    (await raw.lock(one, [element(LOCK_EXCLUSIVE | LOCK_FAIL_IMMEDIATELY)])).expect()


async def test_cancel_by_async_id(server):
    raw = await server.tree()
    _, watching = await watch(raw)
    await watching.pending()
    await raw.cancel(watching)
    response = await watching.response()
    assert response.status is Status.CANCELLED
    assert response.header.async_id == watching.async_id


async def test_cancel_by_message_id_after_the_interim_response(server):
    raw = await server.tree()
    _, watching = await watch(raw)
    await watching.pending()
    watching.interim.result().header.async_id = 0
    await raw.cancel(watching)
    assert (await watching.response()).status is Status.CANCELLED


async def test_signed_cancel_of_a_session_that_signs(make):
    raw = await make(signing_required=True).tree()
    _, watching = await watch(raw)
    await watching.pending()
    await raw.cancel(watching)
    response = await watching.response()
    assert response.status is Status.CANCELLED
    assert response.verified


async def test_cancel_with_a_wrong_signature_cancels_nothing(server):
    """[MS-SMB2 3.3.5.2.4, 3.3.5.16]"""
    raw = await server.tree()
    _, watching = await watch(raw, how=SIGNED)
    await watching.pending()
    await raw.cancel(watching, WRONGLY_SIGNED)
    await turn()
    assert not watching.final.done()
    await raw.cancel(watching, SIGNED)
    assert (await watching.response()).status is Status.CANCELLED


async def test_cancel_of_nothing_is_silent(server):
    raw = await server.tree()
    _, watching = await watch(raw)
    await raw.cancel(watching, How(message_id=12345))
    (await raw.echo()).expect()
    await turn()
    assert not watching.final.done()


async def test_cancelled_twice_is_answered_once(server):
    raw = await server.tree()
    _, watching = await watch(raw)
    await watching.pending()
    await raw.cancel(watching)
    await raw.cancel(watching)
    assert (await watching.response()).status is Status.CANCELLED
    (await raw.echo()).expect()


async def test_waiting_requests_are_bounded(make):
    server = make(limits=Limits(pending_per_connection=5))
    raw = await server.tree()
    directory = await opened(raw, "", FILE_GENERIC_READ, FILE_OPEN)
    pendings = [await raw.begin(ChangeNotifyRequest(directory, 1000, NAMES)) for _ in range(8)]
    for pending in pendings[:5]:
        await pending.pending()
    for pending in pendings[5:]:
        assert (await pending.response()).status is not Status.SUCCESS
    await lives(server)


def element(flags, offset=0, length=10):
    return LockElement(offset, length, flags)


async def test_lock_conflicts_and_unlock(server):
    # 1 two handles, one exclusive range
    raw = await server.tree()
    one, two = await opened(raw), await opened(raw)
    (await raw.write(one, 0, bytes(100))).expect()
    (await raw.lock(one, [element(LOCK_EXCLUSIVE | LOCK_FAIL_IMMEDIATELY)])).expect()
    # 2 the other one neither locks nor reads nor writes there
    response = await raw.lock(two, [element(LOCK_SHARED | LOCK_FAIL_IMMEDIATELY)])
    assert response.status is Status.LOCK_NOT_GRANTED
    assert (await raw.read(two, 5, 1)).status is Status.FILE_LOCK_CONFLICT
    assert (await raw.write(two, 5, b"x")).status is Status.FILE_LOCK_CONFLICT
    (await raw.read(two, 10, 1)).expect()
    # 3 unlocked, it does
    (await raw.lock(one, [element(LOCK_UNLOCK)])).expect()
    (await raw.write(two, 5, b"x")).expect()
    # 4 a range that is not locked
    assert (await raw.lock(one, [element(LOCK_UNLOCK)])).status is Status.RANGE_NOT_LOCKED


@pytest.mark.parametrize("locks", [
    [], [element(0)], [element(LOCK_SHARED | LOCK_EXCLUSIVE)], [element(LOCK_UNLOCK | LOCK_FAIL_IMMEDIATELY)],
    [element(LOCK_SHARED | LOCK_FAIL_IMMEDIATELY), element(LOCK_UNLOCK, 50)],
    [element(LOCK_SHARED), element(LOCK_SHARED, 50)], [element(0x100)],
])  # fmt: skip
async def test_lock_flags_that_do_not_go(server, locks):
    raw = await server.tree()
    assert (await raw.lock(await opened(raw), locks)).status is Status.INVALID_PARAMETER


async def test_several_ranges_are_taken_together_or_not_at_all(server):
    raw = await server.tree()
    one, two = await opened(raw), await opened(raw)
    (await raw.lock(one, [element(LOCK_EXCLUSIVE | LOCK_FAIL_IMMEDIATELY, 50)])).expect()
    wanted = [element(LOCK_EXCLUSIVE | LOCK_FAIL_IMMEDIATELY, 0), element(LOCK_EXCLUSIVE | LOCK_FAIL_IMMEDIATELY, 50)]
    assert (await raw.lock(two, wanted)).status is Status.LOCK_NOT_GRANTED
    (await raw.lock(one, [element(LOCK_EXCLUSIVE | LOCK_FAIL_IMMEDIATELY, 0)])).expect()


async def blocked_lock(raw):
    one, two = await opened(raw), await opened(raw)
    (await raw.lock(one, [element(LOCK_EXCLUSIVE)])).expect()
    waiting = await raw.begin(LockRequest(two, [element(LOCK_EXCLUSIVE)]))
    await waiting.pending()
    return one, two, waiting


async def test_lock_waits_until_the_range_is_free(server):
    raw = await server.tree()
    one, _, waiting = await blocked_lock(raw)
    (await raw.lock(one, [element(LOCK_UNLOCK)])).expect()
    (await waiting.response()).expect()


async def test_lock_waits_until_the_holder_closes(server):
    raw = await server.tree()
    one, _, waiting = await blocked_lock(raw)
    (await raw.close(one)).expect()
    (await waiting.response()).expect()


async def test_waiting_lock_is_cancelled(server):
    # 1 cancelled, it leaves nothing behind
    raw = await server.tree()
    one, two, waiting = await blocked_lock(raw)
    await raw.cancel(waiting)
    assert (await waiting.response()).status is Status.CANCELLED
    # 2 the range goes to who asks next
    (await raw.lock(one, [element(LOCK_UNLOCK)])).expect()
    (await raw.lock(one, [element(LOCK_EXCLUSIVE | LOCK_FAIL_IMMEDIATELY)])).expect()


async def test_waiting_lock_of_a_handle_that_closes(server):
    raw = await server.tree()
    _, two, waiting = await blocked_lock(raw)
    (await raw.close(two)).expect()
    assert (await waiting.response()).status is Status.RANGE_NOT_LOCKED


async def test_waiting_lock_of_a_connection_that_ends(server):
    raw, other = await server.tree(), await server.tree()
    file_id = await opened(raw)
    (await raw.lock(file_id, [element(LOCK_EXCLUSIVE)])).expect()
    waiting = await other.begin(LockRequest(await opened(other), [element(LOCK_EXCLUSIVE)]))
    await waiting.pending()
    other.connection.close()
    await turn()
    (await raw.lock(file_id, [element(LOCK_UNLOCK)])).expect()
    (await raw.lock(file_id, [element(LOCK_EXCLUSIVE | LOCK_FAIL_IMMEDIATELY)])).expect()


async def test_quick_answers_have_no_interim_response(manual):
    raw = await manual.tree()
    _, watching = await watch(raw)
    await turn()
    assert not watching.interim.done()
    await opened(raw, "new")
    response = await watching.response()
    assert not response.expect().flags & FLAG_ASYNC
    assert response.credits
    # the timer that would have sent one finds nothing any more
    manual.clock.advance(10)
    (await raw.echo()).expect()


def unlock_of(file_id, *places, flags=LOCK_UNLOCK):
    return LockRequest(file_id, [LockElement(offset, 1, LOCK_UNLOCK) for offset in places] + [LockElement(9, 1, flags)])


@pytest.mark.parametrize(("flags", "status"), [(LOCK_SHARED, "INVALID_PARAMETER"), (LOCK_UNLOCK, "RANGE_NOT_LOCKED")])
async def test_unlocks_before_a_bad_element_take_effect(server, flags, status):
    """[MS-SMB2 3.3.5.14.1]"""
    raw = await server.tree()
    file_id, other = await opened(raw), await opened(raw)
    taken = [LockElement(offset, 1, LOCK_EXCLUSIVE | LOCK_FAIL_IMMEDIATELY) for offset in (0, 1)]
    (await raw.call(LockRequest(file_id, taken))).expect()
    # 1 unlock the first, then what cannot be: the first is free, the second still taken
    assert (await raw.call(unlock_of(file_id, 0, flags=flags))).status.name == status
    (await raw.call(LockRequest(other, taken[:1]))).expect()
    assert (await raw.call(LockRequest(other, taken[1:]))).status is Status.LOCK_NOT_GRANTED
    # 2 an unlock of what nobody locked goes before the check of the flags of the next element
    assert (await raw.call(unlock_of(file_id, 5, flags=0))).status is Status.RANGE_NOT_LOCKED
