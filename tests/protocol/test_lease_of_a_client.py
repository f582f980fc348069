"""One lease of one client: over handles, connections, breaks and changes of mind  [MS-SMB2 3.3.5.9.11, 3.3.5.22.2]."""

from __future__ import annotations

import pytest

from smbcore.fsa.open import Open
from smbcore.nt.create import FILE_DELETE_ON_CLOSE, FILE_DIRECTORY_FILE, FILE_OPEN_IF
from smbcore.nt.info.classes import FILE_DISPOSITION_INFORMATION, FILE_DISPOSITION_INFORMATION_EX
from smbcore.nt.status import NtError, Status
from smbcore.wire.create import OPLOCK_LEASE
from smbcore.wire.create_contexts import LEASE, LEASE_FLAG_BREAK_IN_PROGRESS, LeaseV2, decode_lease, wrap
from tests.protocol.durable import KEY, OTHER_CLIENT, connected, cut, durable, granted, lease, plain, reclaimed
from tests.protocol.steps import create_request, next_break, turn

R, RH, RWH = 1, 3, 7
OTHER_KEY = b"other key".ljust(16, b".")
BREAK_SECONDS = 35


def told(response):
    return decode_lease(granted(response.expect(), LEASE))


async def leased(raw, state, name="file.txt", key=KEY, share=7, **more):
    return await raw.create(
        name, 0x1F01FF, FILE_OPEN_IF, share=share, oplock=OPLOCK_LEASE, contexts=[lease(key, state)], **more
    )


async def begun(raw, state=RWH, name="file.txt"):
    """A CREATE under the lease that is on its way."""
    return await raw.begin(create_request(name, oplock=OPLOCK_LEASE, contexts=[lease(KEY, state)]))


async def breaks_like_any_other(raw, other):
    """Another client's open breaks the lease; its holder is heard."""
    pending = await other.begin(create_request("file.txt"))
    assert (await next_break(raw)).body.new_lease_state == RH
    (await raw.acknowledge_lease_break(KEY, RH)).expect()
    (await pending.response()).expect()


async def test_it_covers_handles_of_two_connections_and_either_may_answer(server):
    """1 two connections, one ClientGuid, one key  2 a break is told once  3 answered over the other connection."""
    one, two = await connected(server), await connected(server)
    (await leased(one, RWH)).expect()
    assert told(await leased(two, RWH)).lease_state == RWH
    other = await connected(server, guid=OTHER_CLIENT)
    pending = await other.begin(create_request("file.txt"))
    assert (await next_break(one)).body.new_lease_state == RH
    assert two.connection.breaks.empty()
    (await two.acknowledge_lease_break(KEY, RH)).expect()
    (await pending.response()).expect()


async def test_it_outlives_the_connection_that_it_came_from(server):
    one, two = await connected(server), await connected(server)
    (await leased(one, RWH)).expect()
    (await leased(two, RWH)).expect()
    await cut(one)
    other = await connected(server, guid=OTHER_CLIENT)
    pending = await other.begin(create_request("file.txt"))
    assert (await next_break(two)).body.new_lease_state == RH
    (await two.acknowledge_lease_break(KEY, RH)).expect()
    (await pending.response()).expect()


async def test_each_change_of_state_counts_once(server):
    """1 granted  2 the same again  3 more  4 the next handle asks for less  5 broken  6 answered, no change."""
    raw = await connected(server)
    first = told(await leased(raw, R))
    assert (first.lease_state, first.epoch) == (R, 1)
    assert told(await leased(raw, R)).epoch == 1
    grown = told(await leased(raw, RWH))
    assert (grown.lease_state, grown.epoch) == (RWH, 2)
    same = told(await leased(raw, R))
    assert (same.lease_state, same.epoch) == (RWH, 2)
    other = await connected(server, guid=OTHER_CLIENT)
    pending = await other.begin(create_request("file.txt"))
    assert (await next_break(raw)).body.new_epoch == 3
    (await raw.acknowledge_lease_break(KEY, RH)).expect()
    handle = (await pending.response()).expect().body.file_id
    assert told(await leased(raw, RH)).epoch == 3
    (await other.write(handle, 0, b"x")).expect()
    assert (await next_break(raw)).body.new_epoch == 4


async def test_it_does_not_grow_while_it_breaks(server):
    """1 RH  2 a write: break to nothing, not answered  3 another handle of the lease asks for RWH: told what there is."""
    raw = await connected(server)
    (await leased(raw, RH)).expect()
    other = await connected(server, guid=OTHER_CLIENT)
    handle = (await plain(other)).expect().body.file_id
    (await other.write(handle, 0, b"x")).expect()
    notice = (await next_break(raw)).body
    during = told(await leased(raw, RWH))
    assert (during.lease_state, during.flags) == (RH, LEASE_FLAG_BREAK_IN_PROGRESS)
    assert during.epoch == notice.new_epoch
    (await raw.acknowledge_lease_break(KEY, 0)).expect()
    assert told(await leased(raw, 0)).lease_state == 0


async def test_an_answer_that_comes_too_late_changes_nothing(manual):
    raw = await connected(manual)
    (await leased(raw, RWH)).expect()
    other = await connected(manual, guid=OTHER_CLIENT)
    pending = await other.begin(create_request("file.txt"))
    await turn()
    manual.clock.advance(BREAK_SECONDS)
    (await pending.response()).expect()
    assert (await raw.acknowledge_lease_break(KEY, RH)).status is Status.UNSUCCESSFUL
    assert told(await leased(raw, 0)).lease_state == 0


async def test_an_answer_for_another_lease_does_not_count(server):
    """1 two leases of one client, one is breaking  2 the other is acknowledged: refused  3 the opener still waits."""
    raw = await connected(server)
    (await leased(raw, RWH)).expect()
    (await leased(raw, RWH, "other.txt", OTHER_KEY)).expect()
    opener = await connected(server, guid=OTHER_CLIENT)
    pending = await opener.begin(create_request("file.txt"))
    await next_break(raw)
    assert (await raw.acknowledge_lease_break(OTHER_KEY, RH)).status is Status.UNSUCCESSFUL
    await turn()
    assert not pending.final.done()
    (await raw.acknowledge_lease_break(KEY, RH)).expect()
    (await pending.response()).expect()


async def test_it_outlives_its_last_handle_while_another_one_is_on_its_way(server):
    """1 a handle of the lease  2 the next one has to wait for another client  3 the first one closes  4 the next one is
    there, and so is the lease: its break can be answered.
    """
    raw, other = await connected(server), await connected(server, guid=OTHER_CLIENT)
    reader = await other.create(
        "file.txt", 0x1, FILE_OPEN_IF, share=1, oplock=OPLOCK_LEASE, contexts=[lease(OTHER_KEY, RH)]
    )
    first = (await plain(raw, access=0x1, oplock=OPLOCK_LEASE, contexts=[lease(KEY, RH)])).expect().body.file_id
    pending = await begun(raw)
    assert (await next_break(other)).body.new_lease_state == R
    (await raw.close(first)).expect()
    (await other.close(reader.expect().body.file_id)).expect()
    assert told(await pending.response()).lease_state == RWH
    await breaks_like_any_other(raw, other)


async def test_it_outlives_a_create_that_was_cancelled_while_another_one_is_on_its_way(server):
    raw, other = await connected(server), await connected(server, guid=OTHER_CLIENT)
    holder = (await leased(other, RWH, key=OTHER_KEY)).expect().body.file_id
    cancelled, pending = await begun(raw), await begun(raw)
    await next_break(other)
    await cancelled.pending()
    await raw.cancel(cancelled)
    assert (await cancelled.response()).status is Status.CANCELLED
    (await other.close(holder)).expect()
    assert told(await pending.response()).lease_state == RWH
    await breaks_like_any_other(raw, other)


async def test_its_key_is_for_one_file_before_that_is_open(server):
    """1 the first handle has to wait  2 another file by that key: refused  3 it fails  4 the key is free again."""
    raw, other = await connected(server), await connected(server, guid=OTHER_CLIENT)
    (await leased(other, RWH, key=OTHER_KEY, share=0)).expect()
    pending = await begun(raw)
    await next_break(other)
    assert (await leased(raw, RWH, "other.txt")).status is Status.INVALID_PARAMETER
    (await other.acknowledge_lease_break(OTHER_KEY, R | 4)).expect()
    assert (await pending.response()).status is Status.SHARING_VIOLATION
    assert told(await leased(raw, RWH, "other.txt")).lease_state == RWH


async def test_its_key_is_free_again_after_a_create_that_failed_twice(server, monkeypatch):
    """1 a CREATE has to wait, and its tree connect goes  2 the disk fails while the file is closed again  3 the key may
    be used for another file.
    """

    async def fails(opened):
        opened.discard()
        raise NtError(Status.IO_DEVICE_ERROR, "the disk")

    raw, other = await connected(server), await connected(server, guid=OTHER_CLIENT)
    (await leased(other, RWH, key=OTHER_KEY)).expect()
    pending = await begun(raw)
    await next_break(other)
    (await raw.tree_disconnect()).expect()
    with monkeypatch.context() as patch:
        patch.setattr(Open, "close", fails)
        (await other.acknowledge_lease_break(OTHER_KEY, R)).expect()
        assert (await pending.response()).status is Status.IO_DEVICE_ERROR
    again = await connected(server)
    assert told(await leased(again, RWH, "other.txt")).lease_state == RWH


async def test_two_files_of_one_name_are_not_cached_as_one(server):
    """1 a handle of the lease  2 the name goes, as POSIX has it, the handle stays  3 a new file of that name under the
    same key: nobody can say what the client caches by it, so it caches nothing  4 all closed: the key is as good as new.
    """
    raw = await connected(server)
    first = (await leased(raw, R)).expect().body.file_id
    deletes = (await plain(raw)).expect().body.file_id
    (await raw.set_info(deletes, FILE_DISPOSITION_INFORMATION_EX, b"\3\0\0\0")).expect()
    (await raw.close(deletes)).expect()
    second = await leased(raw, RWH)
    assert told(second).lease_state == 0
    for file_id in (first, second.body.file_id):
        (await raw.close(file_id)).expect()
    assert told(await leased(raw, RWH)).lease_state == RWH


@pytest.mark.parametrize("share", ["data", "always"])
async def test_directories_have_leases_on_every_share(server, share):
    """1 RH on a directory  2 the holder's own file, named by the parent key: nothing  3 somebody else's: broken."""
    raw = await connected(server, share)
    folder = await leased(raw, RWH, "folder", options=FILE_DIRECTORY_FILE)
    assert told(folder).lease_state == RH
    own = LeaseV2(OTHER_KEY, RWH, 4, parent_lease_key=KEY)
    (await raw.create(
        "folder\\own.txt", 0x1F01FF, FILE_OPEN_IF, share=7, oplock=OPLOCK_LEASE, contexts=[wrap(own)]
    )).expect()  # fmt: skip
    await turn()
    assert raw.connection.breaks.empty()
    other = await connected(server, share, guid=OTHER_CLIENT)
    (await plain(other, "folder\\theirs.txt", disposition=FILE_OPEN_IF)).expect()
    notice = (await next_break(raw)).body
    assert (notice.lease_key, notice.new_lease_state) == (KEY, 0)


@pytest.mark.parametrize("marked", ["on close", "by disposition"])
async def test_a_file_goes_with_the_last_of_several_kept_handles(manual, marked):
    """1 two durable handles of one lease, one deletes the file  2 cut  3 that one is back and closes: it is there for
    the other one still  4 the other one's time is over: it is gone.
    """
    raw = await connected(manual)
    options = FILE_DELETE_ON_CLOSE if marked == "on close" else 0
    second = b"second".ljust(16)
    (await durable(raw, leased=True, share=7)).expect()
    deletes = (await durable(raw, leased=True, share=7, guid=second, options=options)).expect().body.file_id
    if not options:
        (await raw.set_info(deletes, FILE_DISPOSITION_INFORMATION, b"\1")).expect()
    await cut(raw)
    assert len(manual.server.disconnected) == 2
    raw = await connected(manual)
    deletes = (await reclaimed(raw, deletes, leased=True, guid=second)).expect().body.file_id
    (await raw.close(deletes)).expect()
    assert (await plain(raw)).status is Status.DELETE_PENDING
    manual.clock.advance(301)
    await turn(50)
    assert (await plain(raw)).status is Status.OBJECT_NAME_NOT_FOUND


async def test_a_handle_is_free_as_soon_as_its_old_session_is_given_up(server):
    """1 the old connection is half open  2 a new session names the old one  3 the handle is there, the old one's not."""
    raw = await connected(server)
    file_id = (await durable(raw, leased=True)).expect().body.file_id
    again = await connected(server, previous_session_id=raw.session.session_id)
    (await reclaimed(again, file_id, leased=True)).expect()
    assert (await raw.close(file_id)).status is Status.USER_SESSION_DELETED
