"""Conditions of durable opens, sentence by sentence  [MS-SMB2 3.3.5.9.6 to 3.3.5.9.12, 3.3.7.1]."""

from __future__ import annotations

import pytest

from smbcore.auth.initiator import Initiator
from smbcore.client.message import How
from smbcore.client.raw import RawClient
from smbcore.client.session import bind
from smbcore.nt.create import FILE_DELETE_ON_CLOSE, FILE_OPEN_IF
from smbcore.nt.info.classes import FILE_DISPOSITION_INFORMATION, FILE_RENAME_INFORMATION
from smbcore.nt.status import Status
from smbcore.wire.create import OPLOCK_BATCH, OPLOCK_LEASE
from smbcore.wire.create_contexts import (
    DURABLE_REQUEST,
    DURABLE_REQUEST_V2,
    LEASE,
    LeaseV1,
    LeaseV2,
    decode_lease,
    wrap,
)
from smbcore.wire.header import FLAG_REPLAY
from smbcore.wire.lock import LOCK_EXCLUSIVE, LOCK_FAIL_IMMEDIATELY, LOCK_UNLOCK, LockElement
from tests.memory_server import PASSWORD, USER
from tests.protocol.durable import (
    CLIENT,
    KEY,
    OTHER_CLIENT,
    RWH,
    connected,
    cut,
    durable,
    granted,
    plain,
    reclaimed,
    reconnect,
    request,
)
from tests.protocol.steps import create_request, next_break, turn

NOT_FOUND = Status.OBJECT_NAME_NOT_FOUND
EXCLUSIVE = LOCK_EXCLUSIVE | LOCK_FAIL_IMMEDIATELY
BOTH = pytest.mark.parametrize("v2", [False, True], ids=["v1", "v2"])
RH = 3


def renamed(name):
    target = name.encode("utf-16-le")
    return bytes(16) + len(target).to_bytes(4, "little") + target


# -- granting  [3.3.5.9.6, .10] --


@BOTH
async def test_a_lease_with_h_makes_durable_in_either_version_of_the_context(server, v2):
    raw = await connected(server)
    contexts = [request(v2=v2), wrap(LeaseV1(KEY, RWH))]
    response = (await raw.create("file.txt", disposition=FILE_OPEN_IF, oplock=OPLOCK_LEASE, contexts=contexts)).expect()
    assert granted(response, DURABLE_REQUEST_V2 if v2 else DURABLE_REQUEST) is not None


async def test_asking_for_h_is_not_enough(server):
    """1 somebody else keeps W and H from being granted  2 no promise."""
    other = await connected(server, guid=OTHER_CLIENT)
    (await plain(other, disposition=FILE_OPEN_IF, oplock=OPLOCK_BATCH)).expect()
    raw = await connected(server)
    pending = await raw.begin(
        create_request("file.txt", 0x80, oplock=OPLOCK_LEASE, contexts=[request(), wrap(LeaseV2(KEY, RWH))])
    )
    response = (await pending.response()).expect()
    assert granted(response, DURABLE_REQUEST_V2) is None


@pytest.mark.parametrize("dialect", [0x0202, 0x0210])
async def test_version_2_means_nothing_before_3_0(server, dialect):
    """[3.3.5.9.10]: for the 3.x dialects only; [3.3.5.9.12] likewise."""
    raw = await connected(server, dialects=(dialect,))
    response = (await durable(raw)).expect()
    assert granted(response, DURABLE_REQUEST_V2) is None


# -- what is kept when the connection goes  [3.3.7.1] --


async def test_not_while_the_lease_is_breaking(server):
    """1 RWH  2 an opener breaks it, no answer  3 cut: the state is not Held  4 gone, the opener is in."""
    raw = await connected(server)
    file_id = (await durable(raw, leased=True, share=7)).expect().body.file_id
    other = await connected(server, guid=OTHER_CLIENT)
    pending = await other.begin(create_request("file.txt"))
    await next_break(raw)
    await cut(raw)
    (await pending.response()).expect()
    assert (await reclaimed(await connected(server), file_id, leased=True)).status is NOT_FOUND


async def test_with_what_a_break_left_while_that_has_h(server):
    """1 RWH  2 broken to RH, acknowledged  3 cut  4 back with RH and the epoch of the break."""
    raw = await connected(server)
    first = (await durable(raw, leased=True, share=7)).expect()
    other = await connected(server, guid=OTHER_CLIENT)
    pending = await other.begin(create_request("file.txt", share=7))
    notice = (await next_break(raw)).body
    (await raw.acknowledge_lease_break(notice.lease_key, notice.new_lease_state)).expect()
    (await pending.response()).expect()
    await cut(raw)
    response = (await reclaimed(await connected(server), first.body.file_id, leased=True)).expect()
    lease = decode_lease(granted(response, LEASE))
    assert (lease.lease_state, lease.epoch) == (RH, notice.new_epoch)
    assert notice.new_epoch == decode_lease(granted(first, LEASE)).epoch + 1


async def test_the_loss_of_one_of_two_channels_is_no_loss(server):
    """1 durable, two channels  2 one goes: the open works on  3 the other goes: kept."""
    raw = await connected(server)
    file_id = (await durable(raw, leased=True)).expect().body.file_id
    second = await server.negotiated(client_guid=CLIENT)
    session = await bind(second.connection, raw.session, Initiator(USER, PASSWORD))
    second = RawClient(second.connection, session, raw.tree_id)
    await cut(raw)
    (await second.write(file_id, 0, b"still here")).expect()
    assert len(server.server.disconnected) == 0
    await cut(second)
    (await reclaimed(await connected(server), file_id, leased=True)).expect()


@BOTH
async def test_each_outage_leaves_locks_sequences_and_deletion_as_they_were(server, v2):
    """1 a lock under a sequence, delete on close  2 three outages  3 the lock is held, and known when it is repeated."""
    raw = await connected(server)
    file_id = (await durable(raw, v2=v2, options=FILE_DELETE_ON_CLOSE)).expect().body.file_id
    taken, sequence = [LockElement(0, 4, EXCLUSIVE)], 2 << 4 | 7
    (await raw.lock(file_id, taken, sequence)).expect()
    for _ in range(3):
        await cut(raw)
        raw = await connected(server)
        file_id = (await reclaimed(raw, file_id, v2=v2)).expect().body.file_id
        (await raw.lock(file_id, taken, sequence)).expect()
        assert (await raw.lock(file_id, taken)).status is Status.LOCK_NOT_GRANTED
    (await raw.lock(file_id, [LockElement(0, 4, LOCK_UNLOCK)], 2 << 4 | 8)).expect()
    (await raw.close(file_id)).expect()
    assert (await plain(raw)).status is NOT_FOUND


# -- reclaiming  [3.3.5.9.7, .12] --


@BOTH
async def test_a_half_open_connection_keeps_its_opens_until_it_is_known_to_be_gone(server, v2):
    """1 the client is back, its old connection still there: Open.Session is not NULL  2 that ends  3 now it is found."""
    raw = await connected(server)
    file_id = (await durable(raw, v2=v2, leased=True)).expect().body.file_id
    again = await connected(server)
    assert (await reclaimed(again, file_id, v2=v2, leased=True)).status is NOT_FOUND
    (await raw.write(file_id, 0, b"undisturbed")).expect()
    await cut(raw)
    (await reclaimed(again, file_id, v2=v2, leased=True)).expect()


@BOTH
async def test_the_name_is_that_of_now(server, v2):
    """1 renamed by its own handle  2 cut  3 the old name is refused, the new one good."""
    raw = await connected(server)
    file_id = (await durable(raw, v2=v2, leased=True)).expect().body.file_id
    (await raw.set_info(file_id, FILE_RENAME_INFORMATION, renamed("new.txt"))).expect()
    await cut(raw)
    raw = await connected(server)
    assert (await reclaimed(raw, file_id, v2=v2, leased=True)).status is Status.INVALID_PARAMETER
    (await reclaimed(raw, file_id, v2=v2, leased=True, name="new.txt")).expect()


@BOTH
async def test_the_name_of_a_file_that_goes_does_not_matter(server, v2):
    """Open.Lease.FileDeleteOnClose."""
    raw = await connected(server)
    file_id = (await durable(raw, v2=v2, leased=True, options=FILE_DELETE_ON_CLOSE)).expect().body.file_id
    await cut(raw)
    (await reclaimed(await connected(server), file_id, v2=v2, leased=True, name="whatever")).expect()


async def test_a_lease_of_version_1_is_reclaimed_as_such(server):
    raw = await connected(server)
    contexts = [request(), wrap(LeaseV1(KEY, RWH))]
    response = (await raw.create("file.txt", disposition=FILE_OPEN_IF, oplock=OPLOCK_LEASE, contexts=contexts)).expect()
    file_id = response.body.file_id
    await cut(raw)
    raw = await connected(server)
    contexts = [reconnect(file_id), wrap(LeaseV1(KEY, 0))]
    response = (await raw.create("file.txt", oplock=OPLOCK_LEASE, contexts=contexts)).expect()
    assert decode_lease(granted(response, LEASE)) == LeaseV1(KEY, RWH)


@pytest.mark.parametrize("times", [1, 3])
async def test_a_create_whose_answer_was_lost_is_repeated_after_outages(server, times):
    """1 durable  2 cut, the CREATE repeated with the replay flag, several times  3 one open, the same one."""
    raw = await connected(server)
    file_id = (await durable(raw, leased=True)).expect().body.file_id
    for _ in range(times):
        await cut(raw)
        raw = await connected(server)
        again = (await durable(raw, leased=True, how=How(flags=FLAG_REPLAY))).expect()
        assert again.body.file_id[:8] == file_id[:8]
    assert len(server.server.opens) == 1
    assert len(server.server.disconnected) == 0


# -- the end of a time  [3.3.6.2] --


@pytest.mark.parametrize("marked", [False, True], ids=["delete on close", "marked"])
async def test_expiry_deletes_what_was_to_go_with_the_handle(manual, marked):
    raw = await connected(manual)
    options = 0 if marked else FILE_DELETE_ON_CLOSE
    file_id = (await durable(raw, leased=True, timeout=2000, options=options)).expect().body.file_id
    if marked:
        (await raw.set_info(file_id, FILE_DISPOSITION_INFORMATION, b"\1")).expect()
    await cut(raw)
    manual.clock.advance(2.1)
    await turn()
    assert (await plain(await connected(manual, guid=OTHER_CLIENT))).status is NOT_FOUND
