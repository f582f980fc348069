"""The core ends while somebody waits for a break: what its clients get back fits together  [docs/decisions/0011]."""

from __future__ import annotations

import asyncio
import signal

import pytest
from waiting import eventually, promises

from smbcore.nt.create import FILE_OVERWRITE
from smbcore.nt.info.classes import FILE_DISPOSITION_INFORMATION, FILE_RENAME_INFORMATION
from smbcore.nt.info.rename import RenameInformation
from smbcore.nt.status import Status
from smbcore.server.promises import RENEW_AFTER
from smbcore.state.mirror import FLUSH_INTERVAL
from smbcore.wire.create import OPLOCK_BATCH, OPLOCK_LEVEL_II
from smbcore.wire.create_contexts import LEASE, decode_lease
from smbcore.wire.query_info import INFO_FILE
from smbcore.wire.set_info import SetInfoRequest
from tests.interop.server_process import ServerProcess
from tests.interop.test_handles_survive_kill import stored
from tests.interop.test_handles_survive_restart import SHARES, connected, killed
from tests.protocol.durable import OTHER_CLIENT, RWH, granted, plain, reclaimed
from tests.protocol.steps import create_request, next_break

READ_HANDLE = 3
BOTH = pytest.mark.parametrize(
    ("share", "persistent"), [("files", False), ("always", True)], ids=["durable", "persistent"]
)


@pytest.fixture
def server(tmp_path):
    process = ServerProcess(tmp_path, shares=SHARES)
    with process.running():
        yield process


async def breaking(server, share, persistent):
    """A handle with RWH that another opener makes write back; nobody answers yet."""
    raw = await connected(server, share)
    file_id = await stored(server, raw, leased=True, share=7, persistent=persistent)
    other = await connected(server, share, OTHER_CLIENT)
    await other.begin(create_request("file.txt"))
    notice = (await next_break(raw)).body
    assert (notice.current_lease_state, notice.new_lease_state) == (RWH, READ_HANDLE)
    return raw, other, file_id


@BOTH
async def test_a_planned_stop_leaves_the_holder_what_it_has(server, share, persistent):
    """1 RWH  2 another opener: break  3 stop before the answer  4 back, and again asked before others get in."""
    raw, other, file_id = await breaking(server, share, persistent)
    await killed(server, raw, other, how=signal.SIGTERM)
    raw = await connected(server, share)
    response = (await reclaimed(raw, file_id, leased=True, persistent=persistent)).expect()
    (await raw.write(response.body.file_id, 0, b"written back")).expect()
    assert decode_lease(granted(response, LEASE)).lease_state == RWH
    other = await connected(server, share, OTHER_CLIENT)
    opening = asyncio.ensure_future(plain(other))
    notice = (await next_break(raw)).body
    assert not opening.done()
    await raw.acknowledge_lease_break(notice.lease_key, notice.new_lease_state)
    handle = (await opening).expect().body.file_id
    assert bytes((await other.read(handle, 0, 12)).expect().body.data) == b"written back"


@BOTH
async def test_a_kill_takes_nothing_from_a_persistent_holder(server, share, persistent):
    raw, other, file_id = await breaking(server, share, persistent)
    if not persistent:
        await eventually(lambda: not promises(server, file_id))
    await asyncio.sleep(RENEW_AFTER + 2 * FLUSH_INTERVAL)  # long enough for a row to come back that must not
    await killed(server, raw, other)
    response = await reclaimed(await connected(server, share), file_id, leased=True, persistent=persistent)
    if persistent:
        assert decode_lease(granted(response.expect(), LEASE)).lease_state == RWH
    else:
        assert response.status is Status.OBJECT_NAME_NOT_FOUND


async def conflicting_open(other):
    await other.begin(create_request("file.txt", share=0))


async def overwriting_open(other):
    await other.begin(create_request("file.txt", disposition=FILE_OVERWRITE))


async def renaming(other):
    file_id = (await plain(other)).expect().body.file_id
    moved = RenameInformation("moved.txt").encode()
    await other.begin(SetInfoRequest(INFO_FILE, FILE_RENAME_INFORMATION, file_id, moved))


async def deletion(other):
    file_id = (await plain(other)).expect().body.file_id
    await other.begin(SetInfoRequest(INFO_FILE, FILE_DISPOSITION_INFORMATION, file_id, b"\1"))


@pytest.mark.parametrize(
    ("state", "act", "left"),
    [
        (RWH, conflicting_open, 5),
        (RWH, overwriting_open, 0),
        (READ_HANDLE, renaming, 1),
        (READ_HANDLE, deletion, 1),
    ],
)
@BOTH
async def test_a_planned_stop_hands_over_what_a_break_was_to_take(server, share, persistent, state, act, left):
    """1 a lease  2 another client wants what it has to give up H for, and waits  3 stop  4 back, with all it had."""
    raw = await connected(server, share)
    file_id = await stored(server, raw, leased=True, state=state, share=7, persistent=persistent)
    other = await connected(server, share, OTHER_CLIENT)
    await act(other)
    notice = (await next_break(raw)).body
    assert (notice.current_lease_state, notice.new_lease_state) == (state, left)
    await killed(server, raw, other, how=signal.SIGTERM)
    raw = await connected(server, share)
    response = (await reclaimed(raw, file_id, leased=True, persistent=persistent)).expect()
    assert decode_lease(granted(response, LEASE)).lease_state == state
    (await raw.write(response.body.file_id, 0, b"kept")).expect()


@BOTH
async def test_a_planned_stop_hands_over_a_batch_oplock_that_is_breaking(server, share, persistent):
    raw = await connected(server, share)
    file_id = await stored(server, raw, share=7, persistent=persistent)
    other = await connected(server, share, OTHER_CLIENT)
    await other.begin(create_request("file.txt"))
    assert (await next_break(raw)).body.oplock_level == OPLOCK_LEVEL_II
    await killed(server, raw, other, how=signal.SIGTERM)
    raw = await connected(server, share)
    response = (await reclaimed(raw, file_id, persistent=persistent)).expect()
    assert response.body.oplock_level == OPLOCK_BATCH
    (await raw.write(response.body.file_id, 0, b"kept")).expect()


@BOTH
async def test_a_planned_stop_gives_nothing_back_that_somebody_went_by(server, share, persistent):
    """1 RH  2 another client writes: nothing is left to cache, and the handle is not durable any more  3 stop"""
    raw = await connected(server, share)
    file_id = await stored(server, raw, leased=True, state=READ_HANDLE, share=7, persistent=persistent)
    other = await connected(server, share, OTHER_CLIENT)
    writing = (await plain(other)).expect().body.file_id
    (await other.write(writing, 0, b"new")).expect()
    assert (await next_break(raw)).body.new_lease_state == 0
    await killed(server, raw, other, how=signal.SIGTERM)
    response = await reclaimed(await connected(server, share), file_id, leased=True, persistent=persistent)
    if persistent:
        assert decode_lease(granted(response.expect(), LEASE)).lease_state == 0
    else:
        assert response.status is Status.OBJECT_NAME_NOT_FOUND
