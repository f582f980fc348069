"""When an answer waits for the database, and when not: rows of handles that are to survive  [docs/decisions/0011]."""

from __future__ import annotations

import asyncio

import pytest

from smbcore.client.errors import ConnectionLost
from smbcore.nt.info.classes import FILE_DISPOSITION_INFORMATION, FILE_END_OF_FILE_INFORMATION
from smbcore.nt.info.fsctl import FSCTL_LMR_REQUEST_RESILIENCY, ResiliencyRequest
from smbcore.nt.status import NtError, Status
from smbcore.server.promises import RENEW_AFTER
from smbcore.server.trust import Trust
from smbcore.state.errors import StateUnavailableError
from smbcore.wire.close import CloseRequest
from smbcore.wire.create import OPLOCK_LEASE
from smbcore.wire.lock import LOCK_EXCLUSIVE, LOCK_FAIL_IMMEDIATELY, LOCK_UNLOCK, LockElement, LockRequest
from smbcore.wire.set_info import SetInfoRequest
from smbcore.wire.write import WriteRequest
from tests.protocol.durable import KEY, OTHER_CLIENT, connected, cut, durable, lease, plain, reclaimed
from tests.protocol.steps import create_request, next_break, opened, turn

EXCLUSIVE = LOCK_EXCLUSIVE | LOCK_FAIL_IMMEDIATELY
RH = 3


class Database:
    """What the mirror does. `rows` is what a crash would leave; nothing gets there while `gate` is closed.

    away  whoever wants something stored is told that it cannot be
    """

    def __init__(self):
        self.away = False
        self.pending, self.rows, self.commits = {}, {}, 0
        self.gate = asyncio.Event()
        self.gate.set()

    def put(self, kind, key, source):
        self.pending[kind, key] = source

    def drop(self, kind, key):
        self.pending[kind, key] = None

    async def write_through(self, kind, key, source):
        self.put(kind, key, source)
        await self.stored(kind, [key])

    async def stored(self, kind, keys):
        await self.gate.wait()
        self.check()
        self.commit([(kind, key) for key in keys])

    async def flush(self):
        self.check()
        self.commit(list(self.pending))

    def check(self):
        if self.away:
            raise StateUnavailableError("away")

    def commit(self, keys):
        self.commits += 1
        for key in keys:
            if key in self.pending:
                source = self.pending.pop(key)
                self.rows[key] = source.row() if source is not None else None

    def promised(self):
        """The open that a restart would give back, if any."""
        rows = [row for (kind, _), row in self.rows.items() if kind == "open" and row is not None]
        kept = [row for row in rows if row["durable"]]
        assert len(kept) <= 1
        return kept[0] if kept else None


@pytest.fixture
async def database(manual):
    manual.server.records = Database()
    return manual.server.records


async def stored(manual, database, share="data", **more):
    """A durable open that the database has; the gate is closed now."""
    raw = await connected(manual, share)
    file_id = (await durable(raw, leased=True, share=7, **more)).expect().body.file_id
    await database.flush()
    assert database.promised()
    database.gate.clear()
    return raw, file_id


async def held_back(database, pending):
    """The answer is not there before the database has stored."""
    await turn()
    assert not pending.final.done()
    database.gate.set()
    return (await pending.response()).expect()


def lock(file_id, offset, flags=EXCLUSIVE):
    return LockRequest(file_id, [LockElement(offset, 4, flags)])


# -- opening and closing --


async def test_a_lease_that_is_taken_up_again_while_its_last_handle_closes_is_heard_of(manual, database):
    """1 the last handle of a lease closes, which the database has to know first  2 the client opens the file again
    under the same key  3 the first handle has closed  4 another client opens: the break reaches the new handle.
    """
    raw, file_id = await stored(manual, database, "always", persistent=True)
    closing = await raw.begin(CloseRequest(file_id))
    await turn()
    again = await raw.begin(create_request("file.txt", oplock=OPLOCK_LEASE, contexts=[lease()]))
    (await again.response()).expect()
    await held_back(database, closing)
    other = await connected(manual, "always", guid=OTHER_CLIENT)
    opening = await other.begin(create_request("file.txt"))
    notice = (await next_break(raw)).body
    assert (notice.lease_key, notice.new_lease_state) == (KEY, RH)
    (await raw.acknowledge_lease_break(KEY, RH)).expect()
    (await opening.response()).expect()


async def test_a_durable_open_does_not_wait(manual, database):
    raw = await connected(manual)
    database.gate.clear()
    file_id = (await durable(raw, leased=True)).expect().body.file_id
    (await raw.close(file_id)).expect()


async def test_a_persistent_open_waits(manual, database):
    raw = await connected(manual, "always")
    database.gate.clear()
    opening = asyncio.ensure_future(durable(raw, leased=True, persistent=True))
    await turn()
    assert not opening.done()
    database.gate.set()
    (await opening).expect()
    assert database.promised()["durable"] == "persistent"


async def test_a_persistent_open_is_away_no_more_when_its_client_hears_of_it(manual, database):
    """1 the row says since when the client is away  2 it comes back: the answer waits until the row does not say so any
    more, or a crash would let the open expire by the time of that outage  3 a durable one need not wait.
    """
    raw, file_id = await stored(manual, database, "always", persistent=True)
    await cut(raw)
    database.gate.set()
    await database.flush()
    assert database.promised()["disconnected_at"] is not None
    raw = await connected(manual, "always")
    database.gate.clear()
    reclaiming = asyncio.ensure_future(reclaimed(raw, file_id, leased=True, persistent=True))
    await turn()
    assert not reclaiming.done()
    database.gate.set()
    (await reclaiming).expect()
    assert database.promised()["disconnected_at"] is None


async def test_a_durable_open_comes_back_without_waiting(manual, database):
    raw, file_id = await stored(manual, database)
    await cut(raw)
    database.gate.set()
    raw = await connected(manual)
    database.gate.clear()
    (await reclaimed(raw, file_id, leased=True)).expect()


@pytest.mark.parametrize("end", ["connection", "handle"])
async def test_a_persistent_open_that_ends_while_its_return_is_stored(manual, database, end):
    """1 it is given back, the row is on its way  2 lost again, or closed by an administrator: nothing is left behind."""
    raw, file_id = await stored(manual, database, "always", persistent=True)
    await cut(raw)
    database.gate.set()
    raw = await connected(manual, "always")
    database.gate.clear()
    reclaiming = asyncio.ensure_future(reclaimed(raw, file_id, leased=True, persistent=True))
    await turn()
    (given_back,) = manual.server.opens.values()
    if end == "connection":
        await cut(raw)
    else:
        closing = asyncio.ensure_future(given_back.close(asked=False))
        await turn()
    database.gate.set()
    if end == "connection":
        with pytest.raises(ConnectionLost):
            await reclaiming
        assert len(manual.server.disconnected) == 1
        raw = await connected(manual, "always")
        (await reclaimed(raw, file_id, leased=True, persistent=True)).expect()
        return
    await closing
    assert (await reclaiming).status is Status.OBJECT_NAME_NOT_FOUND
    assert not manual.server.opens


async def test_a_handle_that_becomes_resilient_is_stored_at_once(manual, database):
    """1 durable, stored  2 a lock withdraws its row for a moment  3 resilient: that moment is over."""
    raw, file_id = await stored(manual, database)
    database.gate.set()
    (await raw.lock(file_id, [LockElement(0, 4, EXCLUSIVE)])).expect()
    assert database.promised() is None
    (await raw.ioctl(FSCTL_LMR_REQUEST_RESILIENCY, ResiliencyRequest(1000).encode(), file_id=file_id)).expect()
    assert database.promised()["durable"] == "resilient"


async def test_a_handle_that_becomes_resilient_while_its_row_is_withdrawn(manual, database):
    """1 a lock is about to withdraw the row  2 resilient  3 both are stored: the row is there, and goes before 4."""
    raw, file_id = await stored(manual, database)
    locking = await raw.begin(lock(file_id, 0))
    data = ResiliencyRequest(1000).encode()
    becoming = asyncio.ensure_future(raw.ioctl(FSCTL_LMR_REQUEST_RESILIENCY, data, file_id=file_id))
    await held_back(database, locking)
    (await becoming).expect()
    assert database.promised()["durable"] == "resilient"
    database.gate.clear()
    await held_back(database, await raw.begin(CloseRequest(file_id)))
    assert database.promised() is None


async def test_closing_waits_only_for_more_than_the_handle(manual, database):
    raw, file_id = await stored(manual, database)
    (await raw.close(file_id)).expect()


@pytest.mark.parametrize("how", ["locked", "to be deleted", "persistent"])
async def test_a_row_is_gone_before_what_its_open_held(manual, database, how):
    persistent = how == "persistent"
    raw, file_id = await stored(manual, database, "always" if persistent else "data", persistent=persistent)
    database.gate.set()
    if how == "locked":
        (await raw.lock(file_id, [LockElement(0, 4, EXCLUSIVE)])).expect()
    elif how == "to be deleted":
        (await raw.set_info(file_id, FILE_DISPOSITION_INFORMATION, b"\1")).expect()
    manual.clock.advance(RENEW_AFTER)
    await database.flush()
    assert database.promised()
    database.gate.clear()
    await held_back(database, await raw.begin(CloseRequest(file_id)))
    assert database.promised() is None


# -- breaks --


async def test_a_write_waits_until_it_is_known_that_nobody_caches(manual, database):
    """1 RH, stored  2 another client writes: the notification leaves, the write waits  3 stored: no promise."""
    raw, _ = await stored(manual, database, state=RH)
    other = await connected_beside(manual, database)
    handle = (await plain(other)).expect().body.file_id
    pending = await other.begin(WriteRequest(handle, 0, b"changed"))
    await next_break(raw)
    await held_back(database, pending)
    assert database.promised() is None


async def connected_beside(manual, database):
    """Another client; signing in is stored first, too."""
    database.gate.set()
    other = await connected(manual, guid=OTHER_CLIENT)
    database.gate.clear()
    return other


async def test_an_opener_waits_for_the_answer_and_the_row(manual, database):
    raw, _ = await stored(manual, database)
    other = await connected_beside(manual, database)
    pending = await other.begin(create_request("file.txt"))
    notice = (await next_break(raw)).body
    answer = asyncio.ensure_future(raw.acknowledge_lease_break(notice.lease_key, notice.new_lease_state))
    await held_back(database, pending)
    (await answer).expect()
    assert database.promised() is None
    manual.clock.advance(RENEW_AFTER)
    await database.flush()
    assert database.promised()["lease_state"] == "RH"


async def test_an_opener_whom_an_absent_client_makes_way_waits_for_the_row(manual, database):
    raw, _ = await stored(manual, database)
    await cut(raw)
    other = await connected_beside(manual, database)
    pending = await other.begin(create_request("file.txt"))
    await turn()
    manual.clock.advance(0)
    await held_back(database, pending)
    assert database.promised() is None


async def test_nobody_waits_for_a_row_that_is_not_there(manual, database):
    raw = await connected(manual)
    (await durable(raw, leased=True, share=7, state=RH)).expect()
    other = await connected_beside(manual, database)
    handle = (await plain(other)).expect().body.file_id
    (await other.write(handle, 0, b"changed")).expect()


# -- locks and deletion --


async def test_a_burst_of_locks_stores_one_row(manual, database):
    """1 the first lock waits until the row promises nothing  2 others do not  3 quiet: the row knows all locks."""
    raw, file_id = await stored(manual, database)
    await held_back(database, await raw.begin(lock(file_id, 0)))
    database.gate.clear()
    before = database.commits
    for number in range(1, 10):
        (await raw.lock(file_id, [LockElement(number * 4, 4, EXCLUSIVE)])).expect()
        manual.clock.advance(RENEW_AFTER / 2)
        await database.flush()
        assert database.promised() is None
    (await raw.lock(file_id, [LockElement(0, 4, LOCK_UNLOCK)])).expect()
    assert database.commits == before + 9  # ours: none of them was waited for
    manual.clock.advance(RENEW_AFTER)
    await database.flush()
    assert len(database.promised()["doc"]["ranges"]) == 9


async def test_locks_of_a_persistent_open_are_stored_each(manual, database):
    raw, file_id = await stored(manual, database, "always", persistent=True)
    for number in (1, 2):
        database.gate.clear()
        await held_back(database, await raw.begin(lock(file_id, number * 4)))
        assert len(database.promised()["doc"]["ranges"]) == number


async def test_a_mark_for_deletion_concerns_the_rows_of_all_opens(manual, database):
    """1 durable, stored  2 another handle of the same lease is deleted by  3 the row of the first promises nothing."""
    raw, _ = await stored(manual, database)
    database.gate.set()
    second = (await durable(raw, leased=True, share=7, guid=b"second".ljust(16))).expect().body.file_id
    database.gate.clear()
    await held_back(database, await raw.begin(SetInfoRequest(1, FILE_DISPOSITION_INFORMATION, second, b"\1")))
    assert database.promised() is None


async def test_a_mark_that_the_disk_does_not_take_concerns_them_too(manual, database, monkeypatch):
    """1 persistent, marked, stored  2 the mark is taken off, which cannot be made stable  3 the row knows that."""
    raw, file_id = await stored(manual, database, "always", persistent=True)
    database.gate.set()
    (await raw.set_info(file_id, FILE_DISPOSITION_INFORMATION, b"\1")).expect()
    assert database.promised()["delete_pending"]
    (open_,) = manual.server.opens.values()

    async def flush(_node):
        raise NtError(Status.DISK_FULL, "no room")

    monkeypatch.setattr(type(open_.file.node), "flush", flush)
    assert (await raw.set_info(file_id, FILE_DISPOSITION_INFORMATION, b"\0")).status is Status.DISK_FULL
    assert not database.promised()["delete_pending"]


async def test_other_information_is_not_waited_for(manual, database):
    raw, file_id = await stored(manual, database)
    (await raw.set_info(file_id, FILE_END_OF_FILE_INFORMATION, bytes(8))).expect()
    assert database.promised()


async def resilient_beside_a_lock(manual, database):
    """A resilient open, and another client's that has a range of the file."""
    raw = await connected(manual)
    file_id = await opened(raw)
    (await raw.ioctl(FSCTL_LMR_REQUEST_RESILIENCY, ResiliencyRequest(1000).encode(), file_id=file_id)).expect()
    other = await connected_beside(manual, database)
    held = (await plain(other)).expect().body.file_id
    (await other.lock(held, [LockElement(0, 4, EXCLUSIVE)])).expect()
    return raw, file_id, other, held


async def test_cancel_does_not_undo_what_is_only_to_be_stored(manual, database):
    """1 a lock of a resilient open waits  2 it is granted, and cancelled before its row is stored: it succeeds."""
    raw, file_id, other, held = await resilient_beside_a_lock(manual, database)
    database.gate.clear()
    waiting = await raw.begin(lock(file_id, 0, LOCK_EXCLUSIVE))
    await turn()
    await other.begin(lock(held, 0, LOCK_UNLOCK))
    await raw.cancel(waiting)
    await held_back(database, waiting)
    assert database.promised()["doc"]["ranges"] == [(0, 4, True)]


async def test_a_lock_that_is_granted_while_its_open_closes_leaves_no_row(manual, database):
    """1 a lock of a resilient open waits  2 the open closes, and its row is being removed  3 the lock could be had."""
    raw, file_id, other, held = await resilient_beside_a_lock(manual, database)
    await raw.begin(lock(file_id, 0, LOCK_EXCLUSIVE))
    await turn()
    database.gate.clear()
    closing = await raw.begin(CloseRequest(file_id))
    await turn()
    await other.begin(lock(held, 0, LOCK_UNLOCK))
    await turn()
    database.gate.set()
    (await closing.response()).expect()
    await turn()
    await database.flush()
    assert [key for (kind, key), row in database.rows.items() if kind == "byte_range" and row is not None] == []


# -- whether the rows can be believed --


async def test_rows_are_believed_once_they_are_stored(manual, database, tmp_path):
    """1 a start without trust changes rows  2 the database does not take them: no trust  3 it does, a second later."""
    path = tmp_path / "records-trusted"
    manual.server.trust = Trust(path)
    raw = await connected(manual)
    (await durable(raw, leased=True)).expect()
    database.away = True
    await manual.server.regain_trust()
    assert not path.exists()
    manual.clock.advance(1)
    await turn()
    assert not path.exists()
    database.away = False
    manual.clock.advance(1)
    await turn()
    assert database.promised()
    assert path.exists()


async def test_a_change_that_is_not_stored_ends_that(manual, database, tmp_path):
    """1 everything is stored  2 a lock is answered though its handle's row is not withdrawn  3 stored after all."""
    path = tmp_path / "records-trusted"
    manual.server.trust = Trust(path)
    raw, file_id = await stored(manual, database)
    await manual.server.regain_trust()
    database.gate.set()
    database.away = True
    (await raw.lock(file_id, [LockElement(0, 4, EXCLUSIVE)])).expect()
    assert not path.exists()
    database.away = False
    manual.clock.advance(1)
    await turn()
    assert path.exists()


async def test_what_fails_while_others_are_stored_is_not_believed(manual, database, tmp_path, monkeypatch):
    """1 no trust, all is being stored  2 meanwhile something newer is not  3 no trust yet, but a second later."""
    path = tmp_path / "records-trusted"
    manual.server.trust = Trust(path)
    flush = database.flush

    async def interrupted():
        await flush()
        database.away = True
        assert not await manual.server.stored("open", [1])
        database.away = False

    with monkeypatch.context() as patch:
        patch.setattr(database, "flush", interrupted)
        await manual.server.regain_trust()
    assert not path.exists()
    manual.clock.advance(1)
    await turn()
    assert path.exists()


async def test_a_stop_that_is_not_let_wait_hands_over_every_handle_all_the_same(manual, database):
    """1 a withdrawn row  2 something takes long while the server stops, and is not waited for  3 the row promises."""
    raw, file_id = await stored(manual, database)
    database.gate.set()
    (await raw.lock(file_id, [LockElement(0, 4, EXCLUSIVE)])).expect()
    assert database.promised() is None
    slow = asyncio.Event()
    manual.server.background(slow.wait())
    stopping = asyncio.ensure_future(manual.server.close())
    await turn()
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    slow.set()
    await database.flush()
    assert len(database.promised()["doc"]["ranges"]) == 1


async def test_a_planned_stop_costs_an_open_none_of_its_time(manual, database):
    """Its client could not be there while the server was not: the time begins with the next start, as after a crash."""
    await stored(manual, database)
    database.gate.set()
    await manual.server.close()
    row = database.promised()
    assert row["durable"] == "durable"
    assert row["disconnected_at"] is None


async def test_an_open_whose_client_was_away_before_goes_on_waiting(manual, database):
    raw, _ = await stored(manual, database)
    await cut(raw)
    database.gate.set()
    await manual.server.close()
    assert database.promised()["disconnected_at"] is not None
