"""Persistent, resilient and replayed opens, application instances  [MS-SMB2 3.3.5.9.10, .13, .16, 3.3.5.14, .15.9]."""

from __future__ import annotations

import pytest

from smbcore.client.message import How
from smbcore.nt.access import FILE_READ_ATTRIBUTES
from smbcore.nt.create import FILE_CREATED, FILE_DELETE_ON_CLOSE, FILE_OPEN
from smbcore.nt.info.fsctl import FSCTL_LMR_REQUEST_RESILIENCY, ResiliencyRequest
from smbcore.nt.sddl import from_sddl
from smbcore.nt.security import DACL_SECURITY_INFORMATION
from smbcore.nt.status import Status
from smbcore.wire.create import OPLOCK_BATCH, OPLOCK_LEASE, OPLOCK_NONE
from smbcore.wire.create_contexts import (
    DURABLE_FLAG_PERSISTENT,
    DURABLE_REQUEST_V2,
    AppInstanceId,
    AppInstanceVersion,
    DurableResponseV2,
    wrap,
)
from smbcore.wire.header import FLAG_REPLAY
from smbcore.wire.lock import LOCK_EXCLUSIVE, LOCK_FAIL_IMMEDIATELY, LOCK_UNLOCK, LockElement
from smbcore.wire.query_info import INFO_SECURITY
from tests.memory_server import OTHER_PASSWORD, OTHER_USER, USER
from tests.protocol.durable import OTHER_CLIENT, connected, cut, durable, granted, lease, plain, reclaimed, request
from tests.protocol.steps import create_request, next_break, opened, turn

REPLAY = How(flags=FLAG_REPLAY)
NOT_FOUND = Status.OBJECT_NAME_NOT_FOUND
EXCLUSIVE = LOCK_EXCLUSIVE | LOCK_FAIL_IMMEDIATELY
APPLICATION = b"application".ljust(16, b".")


def _open(**more):
    return create_request("file.txt", disposition=FILE_OPEN, **more)


# -- persistent --


@pytest.mark.parametrize("oplock", [OPLOCK_NONE, OPLOCK_BATCH])
async def test_granted_on_a_continuously_available_share_whatever_is_cached(server, oplock):
    response = (await durable(await connected(server, "always"), persistent=True, oplock=oplock)).expect()
    assert DurableResponseV2.decode(granted(response, DURABLE_REQUEST_V2)).flags == DURABLE_FLAG_PERSISTENT


async def test_only_durable_on_another_share(server):
    response = (await durable(await connected(server), persistent=True)).expect()
    assert DurableResponseV2.decode(granted(response, DURABLE_REQUEST_V2)).flags == 0


async def test_persistent_open_comes_back_by_its_create_guid_alone(server):
    raw = await connected(server, "always")
    (await durable(raw, persistent=True, oplock=OPLOCK_NONE)).expect()
    await cut(raw)
    (await reclaimed(await connected(server, "always"), b"\xff" * 16, persistent=True)).expect()


async def test_conflicting_opener_without_a_way_to_tell_the_holder_is_put_off(server):
    """1 persistent, caches nothing, shares nothing  2 cut  3 FILE_NOT_AVAILABLE  4 back  5 SHARING_VIOLATION."""
    raw = await connected(server, "always")
    file_id = (await durable(raw, persistent=True, oplock=OPLOCK_NONE)).expect().body.file_id
    await cut(raw)
    other = await connected(server, "always", guid=OTHER_CLIENT)
    assert (await plain(other)).status is Status.FILE_NOT_AVAILABLE
    (await plain(other, access=0x80)).expect()
    (await reclaimed(await connected(server, "always"), file_id, persistent=True)).expect()
    assert (await plain(other)).status is Status.SHARING_VIOLATION


async def test_conflicting_opener_waits_for_the_holder_of_a_handle_lease(server):
    """1 persistent with RWH  2 cut  3 an opener waits  4 back: now the break comes  5 closed: the opener goes on."""
    raw = await connected(server, "always")
    file_id = (await durable(raw, persistent=True, leased=True)).expect().body.file_id
    await cut(raw)
    other = await connected(server, "always", guid=OTHER_CLIENT)
    pending = await other.begin(_open())
    await turn()
    raw = await connected(server, "always")
    file_id = (await reclaimed(raw, file_id, persistent=True, leased=True)).expect().body.file_id
    await next_break(raw)
    (await raw.close(file_id)).expect()
    (await pending.response()).expect()


async def test_the_wait_for_a_holder_ends(manual):
    raw = await connected(manual, "always")
    file_id = (await durable(raw, persistent=True, leased=True, timeout=300_000)).expect().body.file_id
    await cut(raw)
    other = await connected(manual, "always", guid=OTHER_CLIENT)
    pending = await other.begin(_open())
    await turn()
    manual.clock.advance(35.1)
    await turn()
    assert (await pending.response()).status is Status.FILE_NOT_AVAILABLE
    (await reclaimed(await connected(manual, "always"), file_id, persistent=True, leased=True)).expect()


async def test_locks_without_write_caching_keep_others_out(server):
    raw = await connected(server, "always")
    file_id = (await durable(raw, persistent=True, oplock=OPLOCK_NONE, share=7)).expect().body.file_id
    (await raw.lock(file_id, [LockElement(0, 1, EXCLUSIVE)])).expect()
    await cut(raw)
    other = await connected(server, "always", guid=OTHER_CLIENT)
    assert (await plain(other)).status is Status.FILE_NOT_AVAILABLE


async def test_expiry_runs_delete_on_close(manual):
    raw = await connected(manual, "always")
    (await durable(raw, persistent=True, timeout=5000, options=FILE_DELETE_ON_CLOSE)).expect()
    await cut(raw)
    manual.clock.advance(5.1)
    await turn()
    assert (await plain(await connected(manual, "always"))).status is NOT_FOUND


# -- replay --


@pytest.mark.parametrize("leased", [False, True])
async def test_repeated_create_returns_the_same_open(server, leased):
    raw = await connected(server)
    first = (await durable(raw, leased=leased)).expect()
    second = (await durable(raw, leased=leased, how=REPLAY, share=7)).expect()
    assert second.body.file_id == first.body.file_id
    assert second.body.create_action == FILE_CREATED
    assert second.body.oplock_level == first.body.oplock_level
    assert granted(second, DURABLE_REQUEST_V2) == granted(first, DURABLE_REQUEST_V2)


async def test_create_guid_in_use_is_refused_without_the_replay_flag(server):
    raw = await connected(server)
    (await durable(raw)).expect()
    assert (await durable(raw, name="other.txt")).status is Status.DUPLICATE_OBJECTID


async def test_create_guids_of_two_clients_have_nothing_to_do_with_each_other(server):
    (await durable(await connected(server))).expect()
    (await durable(await connected(server, guid=OTHER_CLIENT), name="other.txt", how=REPLAY)).expect()


async def test_repeated_create_with_another_lease_is_refused(server):
    raw = await connected(server)
    (await durable(raw, leased=True)).expect()
    assert (await durable(raw, leased=True, key=b"k" * 16, how=REPLAY)).status is Status.ACCESS_DENIED


async def test_create_whose_answer_was_lost_is_repeated_after_the_outage(server):
    """1 durable, the connection goes before the client hears of it  2 the same CREATE, as a replay  3 the same open."""
    raw = await connected(server)
    first = (await durable(raw)).expect()
    await cut(raw)
    raw = await connected(server)
    second = (await durable(raw, how=REPLAY)).expect()
    assert second.body.file_id[:8] == first.body.file_id[:8]
    assert second.body.create_action == FILE_CREATED


async def test_an_open_that_was_used_is_not_replayed(server):
    raw = await connected(server)
    first = (await durable(raw, share=7)).expect()
    (await raw.write(first.body.file_id, 0, b"x")).expect()
    pending = await raw.begin(create_request("file.txt", share=7, contexts=[request()]), REPLAY)
    await next_break(raw)
    (await raw.acknowledge_oplock_break(first.body.file_id, OPLOCK_NONE)).expect()
    assert (await pending.response()).expect().body.file_id != first.body.file_id


async def test_repeated_create_while_the_first_one_waits_is_put_off(server):
    raw = await connected(server)
    file_id = (await durable(raw, guid=b"h" * 16, share=7)).expect().body.file_id
    other = await connected(server, guid=OTHER_CLIENT)
    pending = await other.begin(_open(contexts=[request()]))
    await next_break(raw)
    assert (await other.call(_open(contexts=[request()]), REPLAY)).status is Status.FILE_NOT_AVAILABLE
    (await raw.acknowledge_oplock_break(file_id, OPLOCK_NONE)).expect()
    first = (await pending.response()).expect()
    assert (await other.call(_open(contexts=[request()]), REPLAY)).expect().body.file_id == first.body.file_id


# -- lock sequences --


async def test_repeated_lock_is_not_taken_twice(server):
    raw = await connected(server)
    file_id = (await durable(raw)).expect().body.file_id
    (await raw.lock(file_id, [LockElement(0, 1, EXCLUSIVE)], 1 << 4 | 3)).expect()
    (await raw.lock(file_id, [LockElement(0, 1, EXCLUSIVE)], 1 << 4 | 3)).expect()
    assert (await raw.lock(file_id, [LockElement(0, 1, EXCLUSIVE)], 1 << 4 | 4)).status is Status.LOCK_NOT_GRANTED
    (await raw.lock(file_id, [LockElement(0, 1, LOCK_UNLOCK)], 2 << 4 | 3)).expect()
    (await raw.lock(file_id, [LockElement(0, 1, LOCK_UNLOCK)], 2 << 4 | 3)).expect()


async def test_failed_lock_invalidates_its_bucket(server):
    raw = await connected(server)
    file_id = (await durable(raw)).expect().body.file_id
    (await raw.lock(file_id, [LockElement(0, 1, EXCLUSIVE)], 1 << 4 | 3)).expect()
    assert (await raw.lock(file_id, [LockElement(0, 1, EXCLUSIVE)], 1 << 4 | 4)).status is Status.LOCK_NOT_GRANTED
    assert (await raw.lock(file_id, [LockElement(0, 1, EXCLUSIVE)], 1 << 4 | 3)).status is Status.LOCK_NOT_GRANTED


async def test_lock_sequence_survives_an_outage(server):
    raw = await connected(server)
    file_id = (await durable(raw)).expect().body.file_id
    (await raw.lock(file_id, [LockElement(0, 1, EXCLUSIVE)], 64 << 4 | 9)).expect()
    await cut(raw)
    raw = await connected(server)
    file_id = (await reclaimed(raw, file_id)).expect().body.file_id
    (await raw.lock(file_id, [LockElement(0, 1, EXCLUSIVE)], 64 << 4 | 9)).expect()


@pytest.mark.parametrize("bucket", [0, 65, 0xFFFFFFF])
async def test_buckets_out_of_range_are_not_checked(server, bucket):
    raw = await connected(server)
    file_id = (await durable(raw)).expect().body.file_id
    (await raw.lock(file_id, [LockElement(0, 1, EXCLUSIVE)], bucket << 4 | 3)).expect()
    again = await raw.lock(file_id, [LockElement(0, 1, EXCLUSIVE)], bucket << 4 | 3)
    assert again.status is Status.LOCK_NOT_GRANTED


async def test_before_3_0_only_handles_that_survive_are_checked(server):
    raw = await connected(server, dialects=[0x0210])
    file_id = await opened(raw)
    (await raw.lock(file_id, [LockElement(0, 1, EXCLUSIVE)], 1 << 4 | 3)).expect()
    assert (await raw.lock(file_id, [LockElement(0, 1, EXCLUSIVE)], 1 << 4 | 3)).status is Status.LOCK_NOT_GRANTED


# -- resilient --


async def resilient(raw, file_id, timeout=0):
    return await raw.ioctl(FSCTL_LMR_REQUEST_RESILIENCY, ResiliencyRequest(timeout).encode(), file_id=file_id)


@pytest.mark.parametrize(("timeout", "seconds"), [(0, 120), (7000, 7), (300_000, 300)])
async def test_resilient_open_is_kept_without_any_oplock(manual, timeout, seconds):
    raw = await connected(manual, dialects=[0x0210])
    file_id = await opened(raw, share=0)
    (await resilient(raw, file_id, timeout)).expect()
    await cut(raw)
    manual.clock.advance(seconds - 0.1)
    raw = await connected(manual, dialects=[0x0210])
    file_id = (await reclaimed(raw, file_id, v2=False)).expect().body.file_id
    await cut(raw)
    manual.clock.advance(seconds + 0.1)
    await turn()
    assert (await reclaimed(await connected(manual), file_id, v2=False)).status is NOT_FOUND


async def test_resilient_open_is_not_purged(server):
    raw = await connected(server)
    file_id = await opened(raw, share=0)
    (await resilient(raw, file_id)).expect()
    await cut(raw)
    other = await connected(server, guid=OTHER_CLIENT)
    assert (await plain(other)).status is Status.SHARING_VIOLATION
    (await reclaimed(await connected(server), file_id, v2=False)).expect()


@pytest.mark.parametrize(("data", "status"), [
    (b"", Status.INVALID_PARAMETER), (bytes(7), Status.INVALID_PARAMETER),
    (ResiliencyRequest(300_001).encode(), Status.INVALID_PARAMETER),
])  # fmt: skip
async def test_bad_resiliency_requests(server, data, status):
    raw = await connected(server)
    file_id = await opened(raw)
    assert (await raw.ioctl(FSCTL_LMR_REQUEST_RESILIENCY, data, file_id=file_id)).status is status


async def test_no_resiliency_in_2_0_2(server):
    raw = await connected(server, dialects=[0x0202])
    assert (await resilient(raw, await opened(raw))).status is Status.INVALID_DEVICE_REQUEST


# -- application instances --


def application(version=None):
    contexts = [wrap(AppInstanceId(APPLICATION))]
    return contexts if version is None else [*contexts, wrap(AppInstanceVersion(*version))]


async def test_application_on_another_client_takes_its_file_along(server):
    """1 exclusive open of an application  2 the same application elsewhere: the first open is closed, without a break."""
    raw = await connected(server)
    file_id = (await raw.create("file.txt", 0x1F01FF, 3, share=0, oplock=OPLOCK_BATCH, contexts=application())).expect()
    other = await connected(server, guid=OTHER_CLIENT)
    (await other.create("file.txt", 0x1F01FF, 3, share=0, contexts=application())).expect()
    assert (await raw.close(file_id.body.file_id)).status is Status.FILE_CLOSED
    assert raw.connection.breaks.empty()


async def test_disconnected_open_of_an_application_is_closed_too(server):
    raw = await connected(server, "always")
    contexts = [*application(), request(persistent=True)]
    (await raw.create("file.txt", 0x1F01FF, 3, share=0, contexts=contexts)).expect()
    await cut(raw)
    other = await connected(server, "always", guid=OTHER_CLIENT)
    (await other.create("file.txt", 0x1F01FF, 3, share=0, contexts=application())).expect()


@pytest.mark.parametrize(("share", "name"), [("data", "other.txt"), ("always", "file.txt")])
async def test_an_application_keeps_its_other_files(server, share, name):
    """1 a file of the application  2 it opens another one elsewhere, or one of that name on another share: both open."""
    raw = await connected(server)
    file_id = (await raw.create("file.txt", 0x1F01FF, 3, share=0, contexts=application())).expect().body.file_id
    other = await connected(server, share, guid=OTHER_CLIENT)
    (await other.create(name, 0x1F01FF, 3, share=0, contexts=application())).expect()
    (await raw.close(file_id)).expect()


async def test_who_may_not_read_a_file_takes_it_from_no_application(server):
    """1 a file of an application, that only its user may read  2 another user claims to be that application: it stays open."""
    raw = await connected(server)
    created = await raw.create("file.txt", 0x1F01FF, 3, share=0, contexts=application())
    file_id = created.expect().body.file_id
    owner = server.accounts.tokens[USER].user
    only = from_sddl(f"D:P(A;;FA;;;{owner})").encode()
    (await raw.set_info(file_id, 0, only, INFO_SECURITY, additional_information=DACL_SECURITY_INFORMATION)).expect()
    other = await connected(server, guid=OTHER_CLIENT, user=OTHER_USER, password=OTHER_PASSWORD)
    (await other.create("file.txt", FILE_READ_ATTRIBUTES, 1, share=7, contexts=application())).expect()
    (await raw.close(file_id)).expect()


async def test_same_client_closes_nothing(server):
    raw = await connected(server)
    (await raw.create("file.txt", 0x1F01FF, 3, share=0, contexts=application())).expect()
    again = await raw.create("file.txt", 0x1F01FF, 3, share=0, contexts=application())
    assert again.status is Status.SHARING_VIOLATION


@pytest.mark.parametrize(("old", "new", "status"), [
    ((1, 5), (1, 6), Status.SUCCESS), ((1, 5), (2, 0), Status.SUCCESS), ((1, 5), (1, 5), Status.FILE_FORCED_CLOSED),
    ((1, 5), (0, 9), Status.FILE_FORCED_CLOSED), (None, (0, 1), Status.SUCCESS), ((9, 9), None, Status.FILE_FORCED_CLOSED),
])  # fmt: skip
async def test_only_a_newer_incarnation_takes_the_file(server, old, new, status):
    raw = await connected(server)
    (await raw.create("file.txt", 0x1F01FF, 3, share=0, contexts=application(old))).expect()
    other = await connected(server, guid=OTHER_CLIENT)
    assert (await other.create("file.txt", 0x1F01FF, 3, share=0, contexts=application(new))).status is status


# -- the order of requests --


async def test_stale_changes_are_refused(server):
    raw = await connected(server)
    file_id = (await durable(raw)).expect().body.file_id
    (await raw.write(file_id, 0, b"new", how=How(channel_sequence=5))).expect()
    assert (await raw.write(file_id, 0, b"old", how=How(channel_sequence=4))).status is Status.FILE_NOT_AVAILABLE
    assert bytes((await raw.read(file_id, 0, 3, how=How(channel_sequence=4))).expect().body.data) == b"new"
    (await raw.write(file_id, 0, b"far", how=How(channel_sequence=5 + 0x7FFF))).expect()


async def test_lease_follows_a_rename(server):
    """1 lease on a file  2 renamed  3 the key works for the new name, not for a new file of the old name."""
    from smbcore.nt.info.classes import FILE_RENAME_INFORMATION
    from smbcore.nt.info.rename import RenameInformation

    raw = await connected(server)
    contexts = [lease()]
    file_id = (await raw.create("a.txt", 0x1F01FF, 3, oplock=OPLOCK_LEASE, contexts=contexts)).expect().body.file_id
    (await raw.set_info(file_id, FILE_RENAME_INFORMATION, RenameInformation("b.txt").encode())).expect()
    (await raw.create("b.txt", 0x1F01FF, 1, oplock=OPLOCK_LEASE, contexts=contexts)).expect()
    response = await raw.create("a.txt", 0x1F01FF, 3, oplock=OPLOCK_LEASE, contexts=contexts)
    assert response.status is Status.INVALID_PARAMETER
