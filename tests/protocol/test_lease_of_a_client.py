"""One lease of one client: over handles, connections, breaks and changes of mind  [MS-SMB2 3.3.5.9.11, 3.3.5.22.2]."""

from __future__ import annotations

import pytest

from smbcore.nt.create import FILE_DELETE_ON_CLOSE, FILE_DIRECTORY_FILE, FILE_OPEN_IF
from smbcore.nt.info.classes import FILE_DISPOSITION_INFORMATION
from smbcore.nt.status import Status
from smbcore.wire.create import OPLOCK_LEASE
from smbcore.wire.create_contexts import LEASE, LEASE_FLAG_BREAK_IN_PROGRESS, LeaseV2, decode_lease, wrap
from tests.protocol.durable import KEY, OTHER_CLIENT, connected, cut, durable, granted, lease, plain, reclaimed
from tests.protocol.steps import create_request, next_break, turn

R, RH, RWH = 1, 3, 7
OTHER_KEY = b"other key".ljust(16, b".")
BREAK_SECONDS = 35


def told(response):
    return decode_lease(granted(response.expect(), LEASE))


async def leased(raw, state, name="file.txt", key=KEY, **more):
    return await raw.create(
        name, 0x1F01FF, FILE_OPEN_IF, share=7, oplock=OPLOCK_LEASE, contexts=[lease(key, state)], **more
    )


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
