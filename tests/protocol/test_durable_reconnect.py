"""Durable opens: what survives a lost connection, and who gets it back  [MS-SMB2 3.3.5.9.6, .7, .10, .12]."""

from __future__ import annotations

import pytest

from smbcore.control.messages import CloseOpen, DisconnectSession
from smbcore.nt.create import FILE_DELETE_ON_CLOSE, FILE_DIRECTORY_FILE, FILE_OPEN, FILE_OPENED
from smbcore.nt.info.classes import FILE_POSITION_INFORMATION
from smbcore.nt.status import Status
from smbcore.server.management import Management
from smbcore.wire.create import OPLOCK_BATCH, OPLOCK_EXCLUSIVE, OPLOCK_LEASE, OPLOCK_LEVEL_II, OPLOCK_NONE
from smbcore.wire.create_contexts import (
    DURABLE_REQUEST,
    DURABLE_REQUEST_V2,
    LEASE,
    DurableReconnect,
    DurableRequest,
    DurableResponseV2,
    decode_lease,
    wrap,
)
from smbcore.wire.lock import LOCK_EXCLUSIVE, LOCK_FAIL_IMMEDIATELY, LockElement
from tests.memory_server import OTHER_PASSWORD, OTHER_USER
from tests.protocol.durable import (
    CLIENT,
    OTHER_CLIENT,
    connected,
    cut,
    durable,
    granted,
    lease,
    plain,
    reclaimed,
    reconnect,
    request,
)
from tests.protocol.steps import next_break, opened, turn

BOTH = pytest.mark.parametrize("v2", [False, True], ids=["v1", "v2"])
HELD = pytest.mark.parametrize("leased", [False, True], ids=["batch", "lease"])
NOT_FOUND = Status.OBJECT_NAME_NOT_FOUND


# -- granting --


@BOTH
@pytest.mark.parametrize(("oplock", "is_granted"), [
    (OPLOCK_NONE, False), (OPLOCK_LEVEL_II, False), (OPLOCK_EXCLUSIVE, False), (OPLOCK_BATCH, True),
])  # fmt: skip
async def test_granted_with_a_batch_oplock_only(server, v2, oplock, is_granted):
    response = (await durable(await connected(server), v2=v2, oplock=oplock)).expect()
    name = DURABLE_REQUEST_V2 if v2 else DURABLE_REQUEST
    assert (granted(response, name) is not None) is is_granted


@BOTH
@pytest.mark.parametrize(("state", "is_granted"), [(0, False), (1, False), (5, False), (3, True), (7, True)])
async def test_granted_with_a_lease_that_has_handle_caching(server, v2, state, is_granted):
    response = (await durable(await connected(server), v2=v2, leased=True, state=state)).expect()
    name = DURABLE_REQUEST_V2 if v2 else DURABLE_REQUEST
    assert (granted(response, name) is not None) is is_granted


async def test_directories_are_not_durable(server):
    raw = await connected(server)
    response = (await durable(raw, leased=True, state=3, name="d", options=FILE_DIRECTORY_FILE)).expect()
    assert granted(response, DURABLE_REQUEST_V2) is None


@pytest.mark.parametrize(
    ("asked", "given"), [(0, 60_000), (1, 1), (5000, 5000), (300_000, 300_000), (2**32 - 1, 300_000)]
)
async def test_time_is_the_servers_or_the_wanted_one_up_to_a_limit(server, asked, given):
    response = (await durable(await connected(server), timeout=asked)).expect()
    assert DurableResponseV2.decode(granted(response, DURABLE_REQUEST_V2)) == DurableResponseV2(given, 0)


@pytest.mark.parametrize("contexts", [
    [request(v2=False), request()], [request(), reconnect(bytes(16))], [reconnect(bytes(16), v2=False), request()],
    [reconnect(bytes(16), v2=False), reconnect(bytes(16))], [request(v2=False), reconnect(bytes(16))],
])  # fmt: skip
async def test_versions_do_not_mix(server, contexts):
    response = await (await connected(server)).create("file.txt", oplock=OPLOCK_BATCH, contexts=contexts)
    assert response.status is Status.INVALID_PARAMETER


# -- coming back --


@BOTH
@HELD
async def test_open_comes_back_with_oplock_locks_and_position(server, v2, leased):
    """1 durable open, data, a lock, a position  2 cut  3 back through a new connection  4 everything is there."""
    raw = await connected(server)
    first = (await durable(raw, v2=v2, leased=leased)).expect()
    file_id = first.body.file_id
    (await raw.write(file_id, 0, b"0123456789")).expect()
    (await raw.lock(file_id, [LockElement(0, 4, LOCK_EXCLUSIVE | LOCK_FAIL_IMMEDIATELY)])).expect()
    (await raw.set_info(file_id, FILE_POSITION_INFORMATION, (0x1000).to_bytes(8, "little"))).expect()
    await cut(raw)
    raw = await connected(server)
    second = (await reclaimed(raw, file_id, v2=v2, leased=leased)).expect()
    assert second.body.file_id[:8] == file_id[:8]
    assert second.body.file_id[8:] != file_id[8:]
    assert second.body.create_action == FILE_OPENED
    assert second.body.oplock_level == (OPLOCK_LEASE if leased else OPLOCK_BATCH)
    if leased:
        assert decode_lease(granted(second, LEASE)).lease_state == 7
    assert granted(second, DURABLE_REQUEST) is None
    assert granted(second, DURABLE_REQUEST_V2) is None
    file_id = second.body.file_id
    position = bytes((await raw.query_info(file_id, FILE_POSITION_INFORMATION)).expect().body.output)
    assert int.from_bytes(position, "little") == 0x1000
    assert bytes((await raw.read(file_id, 0, 10)).expect().body.data) == b"0123456789"
    assert (await raw.lock(file_id, [LockElement(2, 1, LOCK_EXCLUSIVE | LOCK_FAIL_IMMEDIATELY)])).status is (
        Status.LOCK_NOT_GRANTED
    )
    (await raw.close(file_id)).expect()


@BOTH
async def test_open_survives_several_outages(server, v2):
    raw = await connected(server)
    file_id = (await durable(raw, v2=v2, leased=True)).expect().body.file_id
    for number in range(5):
        (await raw.write(file_id, number, b"x")).expect()
        await cut(raw)
        raw = await connected(server)
        file_id = (await reclaimed(raw, file_id, v2=v2, leased=True)).expect().body.file_id
    assert bytes((await raw.read(file_id, 0, 9)).expect().body.data) == b"xxxxx"


@pytest.mark.parametrize("leave", ["logoff", "previous session"])
async def test_open_survives_the_end_of_its_session(server, leave):
    """1 durable  2 log off, or sign in naming the old session while its connection is half open  3 reclaim."""
    raw = await connected(server)
    file_id = (await durable(raw)).expect().body.file_id
    if leave == "logoff":
        (await raw.logoff()).expect()
        raw = await connected(server)
    else:
        raw = await connected(server, previous_session_id=raw.session.session_id)
    (await reclaimed(raw, file_id)).expect()


async def test_tree_disconnect_closes_for_good(server):
    raw = await connected(server)
    file_id = (await durable(raw)).expect().body.file_id
    (await raw.tree_disconnect()).expect()
    await cut(raw)
    assert (await reclaimed(await connected(server), file_id)).status is NOT_FOUND


async def test_other_opens_close_with_their_connection(server):
    raw = await connected(server)
    await opened(raw, "plain.txt", share=0)
    await cut(raw)
    (await plain(await connected(server, guid=OTHER_CLIENT), "plain.txt")).expect()
    assert len(server.server.disconnected) == 0


async def test_a_second_claim_finds_nothing(server):
    raw = await connected(server)
    file_id = (await durable(raw)).expect().body.file_id
    assert (await reclaimed(await connected(server), file_id)).status is NOT_FOUND  # still connected
    await cut(raw)
    (await reclaimed(await connected(server), file_id)).expect()
    assert (await reclaimed(await connected(server), file_id)).status is NOT_FOUND


# -- refusals: nobody else gets it, and who should still does afterwards --


@pytest.mark.parametrize(("wrong", "status"), [
    ({"claim": {"guid": b"another create g"}}, NOT_FOUND),
    ({"claim": {"guid": bytes(16)}}, NOT_FOUND),
    ({"claim": {"persistent": True}}, NOT_FOUND),
    ({"file_id": b"\x99" * 16}, NOT_FOUND),
    ({"connect": {"guid": OTHER_CLIENT}}, NOT_FOUND),
    ({"connect": {"user": OTHER_USER, "password": OTHER_PASSWORD}}, Status.ACCESS_DENIED),
    ({"connect": {"share": "readable"}}, NOT_FOUND),
    ({"claim": {"key": b"another key.....".ljust(16)}}, NOT_FOUND),
    ({"claim": {"leased": False}}, NOT_FOUND),
    ({"claim": {"name": "other.txt"}}, Status.INVALID_PARAMETER),
])  # fmt: skip
async def test_wrong_claims_of_a_leased_open_are_refused(server, wrong, status):
    raw = await connected(server)
    file_id = (await durable(raw, leased=True)).expect().body.file_id
    await cut(raw)
    thief = await connected(server, **wrong.get("connect", {}))
    claim = {"leased": True, **wrong.get("claim", {})}
    assert (await reclaimed(thief, wrong.get("file_id", file_id), **claim)).status is status
    (await reclaimed(await connected(server), file_id, leased=True)).expect()


@pytest.mark.parametrize(("wrong", "status"), [
    ({"claim": {"leased": True}}, NOT_FOUND),
    ({"connect": {"user": OTHER_USER, "password": OTHER_PASSWORD}}, Status.ACCESS_DENIED),
    ({"connect": {"share": "readable"}}, NOT_FOUND),
])  # fmt: skip
@BOTH
async def test_wrong_claims_of_an_open_with_an_oplock_are_refused(server, wrong, status, v2):
    raw = await connected(server)
    file_id = (await durable(raw, v2=v2)).expect().body.file_id
    await cut(raw)
    thief = await connected(server, **wrong.get("connect", {}))
    assert (await reclaimed(thief, file_id, v2=v2, **wrong.get("claim", {}))).status is status
    (await reclaimed(await connected(server), file_id, v2=v2)).expect()


async def test_name_and_client_do_not_matter_for_an_oplock(server):
    raw = await connected(server)
    file_id = (await durable(raw)).expect().body.file_id
    await cut(raw)
    (await reclaimed(await connected(server, guid=OTHER_CLIENT), file_id, name="nothing like it")).expect()


async def test_version_1_request_beside_a_reconnect_is_ignored(server):
    raw = await connected(server)
    file_id = (await durable(raw, v2=False)).expect().body.file_id
    await cut(raw)
    raw = await connected(server)
    contexts = [wrap(DurableRequest()), wrap(DurableReconnect(file_id))]
    (await raw.create("file.txt", contexts=contexts)).expect()


# -- time, and others who want the file --


@BOTH
async def test_open_expires(manual, v2):
    raw = await connected(manual)
    file_id = (await durable(raw, v2=v2, timeout=10_000)).expect().body.file_id
    await cut(raw)
    manual.clock.advance(9.9 if v2 else 959.9)
    assert len(manual.server.disconnected) == 1
    manual.clock.advance(0.2)
    await turn()
    assert len(manual.server.disconnected) == 0
    raw = await connected(manual)
    assert (await reclaimed(raw, file_id, v2=v2)).status is NOT_FOUND
    (await plain(raw, share=0)).expect()


async def test_time_starts_anew_with_each_outage(manual):
    raw = await connected(manual)
    file_id = (await durable(raw, timeout=10_000)).expect().body.file_id
    for _ in range(3):
        await cut(raw)
        manual.clock.advance(9)
        raw = await connected(manual)
        file_id = (await reclaimed(raw, file_id)).expect().body.file_id
    manual.clock.advance(100)
    (await raw.write(file_id, 0, b"still mine")).expect()


@HELD
async def test_a_conflicting_opener_purges_it(manual, leased):
    """1 durable, exclusive  2 cut  3 another client opens: at once  4 the first one's open is gone."""
    raw = await connected(manual)
    file_id = (await durable(raw, leased=leased)).expect().body.file_id
    await cut(raw)
    other = await connected(manual, guid=OTHER_CLIENT)
    pending = await other.begin(_open())
    await turn()
    manual.clock.advance(0)
    await turn()
    (await pending.response()).expect()
    assert (await reclaimed(await connected(manual), file_id, leased=leased)).status is NOT_FOUND


def _open():
    from tests.protocol.steps import create_request

    return create_request("file.txt", disposition=FILE_OPEN)


async def test_an_opener_that_only_looks_at_it_does_not(server):
    raw = await connected(server)
    file_id = (await durable(raw)).expect().body.file_id
    await cut(raw)
    other = await connected(server, guid=OTHER_CLIENT)
    (await plain(other, access=0x80)).expect()
    (await reclaimed(await connected(server), file_id)).expect()


async def test_an_open_that_lost_its_oplock_is_not_kept(server):
    """1 durable  2 the oplock is broken and acknowledged  3 cut  4 nothing to come back to."""
    raw = await connected(server)
    file_id = (await durable(raw, share=7)).expect().body.file_id
    other = await connected(server, guid=OTHER_CLIENT)
    pending = await other.begin(_open())
    await next_break(raw)
    (await raw.acknowledge_oplock_break(file_id, OPLOCK_LEVEL_II)).expect()
    (await pending.response()).expect()
    await cut(raw)
    assert (await reclaimed(await connected(server), file_id)).status is NOT_FOUND


async def test_breaks_reach_the_client_after_its_return(server):
    raw = await connected(server)
    file_id = (await durable(raw, share=7)).expect().body.file_id
    await cut(raw)
    raw = await connected(server)
    file_id = (await reclaimed(raw, file_id)).expect().body.file_id
    other = await connected(server, guid=OTHER_CLIENT)
    pending = await other.begin(_open())
    notice = await next_break(raw)
    assert notice.body.file_id == file_id
    (await raw.acknowledge_oplock_break(file_id, OPLOCK_NONE)).expect()
    (await pending.response()).expect()


# -- deletion --


async def test_delete_on_close_happens_when_the_open_expires(manual):
    raw = await connected(manual)
    (await durable(raw, options=FILE_DELETE_ON_CLOSE, timeout=1000)).expect()
    await cut(raw)
    manual.clock.advance(1.1)
    await turn()
    assert (await plain(await connected(manual))).status is NOT_FOUND


async def test_delete_on_close_is_still_set_after_the_return(server):
    raw = await connected(server)
    file_id = (await durable(raw, options=FILE_DELETE_ON_CLOSE)).expect().body.file_id
    await cut(raw)
    raw = await connected(server)
    file_id = (await reclaimed(raw, file_id)).expect().body.file_id
    (await raw.close(file_id)).expect()
    assert (await plain(raw)).status is NOT_FOUND


# -- limits and administration --


async def test_too_many_disconnected_opens_are_closed(make):
    from smbcore.server.config import Limits

    server = make(limits=Limits(disconnected_opens=2))
    raw = await connected(server)
    for number in range(4):
        (await durable(raw, name=f"f{number}", guid=bytes([number]) * 16)).expect()
    await cut(raw)
    assert len(server.server.disconnected) == 2


async def test_lease_covers_what_is_left_of_it(server):
    """Two opens of one lease, one durable: the other one closes, the lease stays as it was."""
    raw = await connected(server)
    file_id = (await durable(raw, leased=True, share=7)).expect().body.file_id
    (await plain(raw, oplock=OPLOCK_LEASE, contexts=[lease()])).expect()
    await cut(raw)
    assert len(server.server.disconnected) == 1
    raw = await connected(server)
    response = (await reclaimed(raw, file_id, leased=True)).expect()
    assert decode_lease(granted(response, LEASE)).lease_state == 7
    assert raw.connection.client_guid == CLIENT


async def test_administrator_drops_a_disconnected_open(server):
    raw = await connected(server)
    file_id = (await durable(raw)).expect().body.file_id
    await cut(raw)
    (away,) = server.server.disconnected
    row = away.row()
    assert (row["durable"], row["timeout_ms"], row["session_key"] if "session_key" in row else None) == (
        "durable", 60_000, None,
    )  # fmt: skip
    assert row["disconnected_at"] is not None
    management = Management(server.server, None, None)
    assert (await management.handle(CloseOpen(away.key))).count == 1
    await turn()
    assert (await reclaimed(await connected(server), file_id)).status is NOT_FOUND
    (await plain(await connected(server, guid=OTHER_CLIENT), share=0)).expect()


async def test_session_ended_by_the_administrator_keeps_nothing(server):
    raw = await connected(server)
    file_id = (await durable(raw)).expect().body.file_id
    (session,) = server.server.sessions_by_key.values()
    await Management(server.server, None, None).handle(DisconnectSession(session.key))
    await turn()
    assert (await reclaimed(await connected(server), file_id)).status is NOT_FOUND
