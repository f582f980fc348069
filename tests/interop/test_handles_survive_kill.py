"""The core is killed at the worst moments: what comes back is never more than what was true  [docs/decisions/0011].

Plain durable handles are written behind and may be missing after a crash; they may not be wrong. Persistent ones are
there, as they were.
"""

from __future__ import annotations

import asyncio
import signal

import pytest
from waiting import eventually, promises, rows

from smbcore.nt.create import FILE_DELETE_ON_CLOSE
from smbcore.nt.info.classes import FILE_DISPOSITION_INFORMATION
from smbcore.nt.status import Status
from smbcore.state.schema import open_
from smbcore.wire.create_contexts import LEASE, decode_lease
from smbcore.wire.lock import LOCK_EXCLUSIVE, LOCK_FAIL_IMMEDIATELY, LOCK_UNLOCK, LockElement
from tests.interop.server_process import ServerProcess
from tests.interop.test_handles_survive_restart import SHARES, connected, killed, no_rows
from tests.protocol.durable import OTHER_CLIENT, durable, granted, plain, reclaimed
from tests.protocol.steps import next_break

NOT_FOUND = Status.OBJECT_NAME_NOT_FOUND
EXCLUSIVE = LOCK_EXCLUSIVE | LOCK_FAIL_IMMEDIATELY
RH = 3


@pytest.fixture
def server(tmp_path):
    process = ServerProcess(tmp_path, shares=SHARES)
    with process.running():
        yield process


async def stored(server, raw, **more):
    """A durable open whose row the database has."""
    file_id = (await durable(raw, **more)).expect().body.file_id
    await eventually(lambda: promises(server, file_id))
    return file_id


async def test_a_handle_that_gave_way_in_its_clients_absence_does_not_come_back(server):
    """1 durable with RWH  2 cut  3 another client changes the file  4 kill  5 the cache of the first one is worthless."""
    raw = await connected(server)
    file_id = await stored(server, raw, leased=True, share=7)
    raw.connection.close()
    other = await connected(server, guid=OTHER_CLIENT)
    handle = (await plain(other)).expect().body.file_id
    (await other.write(handle, 0, b"changed")).expect()
    await killed(server, other)
    assert (await reclaimed(await connected(server), file_id, leased=True)).status is NOT_FOUND


@pytest.mark.parametrize(("share", "persistent"), [("files", False), ("always", True)], ids=["durable", "persistent"])
async def test_what_a_client_cached_for_reading_is_not_trusted_after_a_write(server, share, persistent):
    """1 RH, durable or persistent  2 another client writes, the break is not answered  3 kill  4 no R comes back."""
    raw = await connected(server, share)
    file_id = await stored(server, raw, leased=True, share=7, state=RH, persistent=persistent)
    other = await connected(server, share, OTHER_CLIENT)
    handle = (await plain(other)).expect().body.file_id
    (await other.write(handle, 0, b"changed")).expect()
    await killed(server, raw, other)
    response = await reclaimed(await connected(server, share), file_id, leased=True, persistent=persistent)
    if not persistent:
        assert response.status is NOT_FOUND
    else:
        assert decode_lease(granted(response.expect(), LEASE)).lease_state == 0


@pytest.mark.parametrize(("share", "persistent"), [("files", False), ("always", True)], ids=["durable", "persistent"])
async def test_an_acknowledged_break_is_not_forgotten(server, share, persistent):
    """1 RWH  2 broken to RH, acknowledged, the other one is in  3 kill at once  4 not RWH again."""
    raw = await connected(server, share)
    file_id = await stored(server, raw, leased=True, share=7, persistent=persistent)
    other = await connected(server, share, OTHER_CLIENT)
    opening = asyncio.ensure_future(plain(other))
    notice = (await next_break(raw)).body
    await raw.acknowledge_lease_break(notice.lease_key, notice.new_lease_state)
    (await opening).expect()
    await killed(server, raw, other)
    response = await reclaimed(await connected(server, share), file_id, leased=True, persistent=persistent)
    if not persistent:
        assert response.status is NOT_FOUND
    else:
        assert decode_lease(granted(response.expect(), LEASE)).lease_state == RH


async def test_a_lock_that_was_just_taken_is_there_or_the_handle_is_not(server):
    raw = await connected(server)
    file_id = await stored(server, raw, leased=True)
    (await raw.lock(file_id, [LockElement(0, 4, EXCLUSIVE)])).expect()
    await killed(server, raw)
    assert (await reclaimed(await connected(server), file_id, leased=True)).status is NOT_FOUND


async def test_a_lock_that_was_just_released_does_not_come_back(server):
    raw = await connected(server)
    file_id = (await durable(raw, leased=True)).expect().body.file_id
    (await raw.lock(file_id, [LockElement(0, 4, EXCLUSIVE)])).expect()
    await eventually(lambda: promises(server, file_id))
    (await raw.lock(file_id, [LockElement(0, 4, LOCK_UNLOCK)])).expect()
    await killed(server, raw)
    assert (await reclaimed(await connected(server), file_id, leased=True)).status is NOT_FOUND


async def test_after_a_quiet_moment_the_handle_survives_again_with_its_lock(server):
    raw = await connected(server)
    file_id = await stored(server, raw, leased=True)
    (await raw.lock(file_id, [LockElement(0, 4, EXCLUSIVE)])).expect()
    await eventually(lambda: promises(server, file_id))
    await killed(server, raw)
    raw = await connected(server)
    file_id = (await reclaimed(raw, file_id, leased=True)).expect().body.file_id
    assert (await raw.lock(file_id, [LockElement(0, 4, EXCLUSIVE)])).status is Status.LOCK_NOT_GRANTED


@pytest.mark.parametrize(("share", "persistent"), [("files", False), ("always", True)], ids=["durable", "persistent"])
async def test_the_number_of_a_lock_is_free_again_after_one_that_failed(server, share, persistent):
    """1 lock with number 5  2 lock with number 6 fails, which frees 5  3 kill  4 number 5 is no repetition: it locks.

    [MS-SMB2 3.3.5.14]
    """
    raw = await connected(server, share)
    file_id = await stored(server, raw, leased=True, persistent=persistent)
    (await raw.lock(file_id, [LockElement(8, 4, EXCLUSIVE)], 1 << 4 | 5)).expect()
    await eventually(lambda: promises(server, file_id))
    again = await raw.lock(file_id, [LockElement(8, 4, EXCLUSIVE)], 1 << 4 | 6)
    assert again.status is Status.LOCK_NOT_GRANTED
    await killed(server, raw)
    raw = await connected(server, share)
    response = await reclaimed(raw, file_id, leased=True, persistent=persistent)
    if not persistent:
        assert response.status is NOT_FOUND
        return
    file_id = response.expect().body.file_id
    (await raw.lock(file_id, [LockElement(16, 4, EXCLUSIVE)], 1 << 4 | 5)).expect()
    assert (await raw.lock(file_id, [LockElement(16, 4, EXCLUSIVE)])).status is Status.LOCK_NOT_GRANTED


async def test_a_planned_stop_hands_over_every_handle_at_once(server):
    """1 a new handle, and one whose row is withdrawn  2 stop right now  3 both are back."""
    raw = await connected(server)
    locked = await stored(server, raw, leased=True)
    fresh = (await durable(raw, name="fresh.txt", guid=b"another".ljust(16), key=b"k" * 16, leased=True)).expect()
    (await raw.lock(locked, [LockElement(0, 4, EXCLUSIVE)])).expect()
    await killed(server, raw, how=signal.SIGTERM)
    raw = await connected(server)
    locked = (await reclaimed(raw, locked, leased=True)).expect().body.file_id
    assert (await raw.lock(locked, [LockElement(0, 4, EXCLUSIVE)])).status is Status.LOCK_NOT_GRANTED
    (await reclaimed(
        raw, fresh.body.file_id, name="fresh.txt", guid=b"another".ljust(16), key=b"k" * 16, leased=True
    )).expect()  # fmt: skip


async def test_a_handle_of_this_moment_may_be_gone_and_is_in_nobodys_way(server):
    raw = await connected(server)
    file_id = (await durable(raw, leased=True)).expect().body.file_id
    await killed(server, raw)
    response = await reclaimed(await connected(server), file_id, leased=True)
    assert response.status in (NOT_FOUND, Status.SUCCESS)
    if response.status is NOT_FOUND:
        (await plain(await connected(server, guid=OTHER_CLIENT), share=0)).expect()


async def test_a_closed_handle_is_in_nobodys_way(server):
    raw = await connected(server)
    file_id = await stored(server, raw, leased=True)
    (await raw.close(file_id)).expect()
    await killed(server, raw)
    (await plain(await connected(server, guid=OTHER_CLIENT), share=0)).expect()


async def test_a_file_that_is_not_to_be_deleted_any_more_stays(server):
    """1 marked for deletion, stored so  2 unmarked  3 kill  4 the handle expires or is gone: the file is there."""
    raw = await connected(server)
    file_id = (await durable(raw, leased=True, timeout=200)).expect().body.file_id
    (await raw.set_info(file_id, FILE_DISPOSITION_INFORMATION, b"\1")).expect()
    await eventually(lambda: any(row.durable and row.delete_pending for row in rows(server, open_)))
    (await raw.set_info(file_id, FILE_DISPOSITION_INFORMATION, b"\0")).expect()
    await killed(server, raw)
    await no_rows(server, open_)
    (await plain(await connected(server, guid=OTHER_CLIENT))).expect()


async def test_the_row_of_a_handle_is_gone_before_its_file_is_deleted(server):
    """1 delete on close, stored  2 closed, made anew by somebody else  3 kill  4 the new file is nobody's to delete."""
    raw = await connected(server)
    file_id = await stored(server, raw, leased=True, options=FILE_DELETE_ON_CLOSE, timeout=200)
    (await raw.close(file_id)).expect()
    (server.folder / "files" / "file.txt").write_text("new")
    await killed(server, raw)
    await no_rows(server, open_)
    assert (server.folder / "files" / "file.txt").read_text() == "new"
