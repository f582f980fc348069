"""Handles that outlive the core: planned stop and kill -9, what comes back, what does not, what stays in the schema."""

from __future__ import annotations

import asyncio
import os
import signal
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update
from waiting import eventually, promises, rows

from smbcore.auth.initiator import Initiator
from smbcore.client.connection import Connection
from smbcore.client.raw import RawClient, negotiate
from smbcore.client.session import sign_in
from smbcore.client.transport import connect_tcp
from smbcore.control.client import ControlClient
from smbcore.control.messages import ListCounters
from smbcore.nt.create import FILE_DELETE_ON_CLOSE, FILE_OPEN
from smbcore.nt.info.fsctl import FSCTL_LMR_REQUEST_RESILIENCY, ResiliencyRequest
from smbcore.nt.status import Status
from smbcore.state.engine import open_engine, writing
from smbcore.state.schema import byte_range, lease, open_, session, tcon
from smbcore.wire.create_contexts import LEASE, decode_lease
from smbcore.wire.lock import LOCK_EXCLUSIVE, LOCK_FAIL_IMMEDIATELY, LockElement
from tests.interop.server_process import PASSWORD, USER, ServerProcess
from tests.protocol.durable import CLIENT, OTHER_CLIENT, durable, granted, plain, reclaimed
from tests.protocol.steps import create_request, opened

SHARES = ({"name": "files"}, {"name": "always", "continuously_available": True})
EXCLUSIVE = LOCK_EXCLUSIVE | LOCK_FAIL_IMMEDIATELY
VOLATILE = (session, tcon, open_, lease, byte_range)
HOW = pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])


@pytest.fixture
def server(tmp_path):
    process = ServerProcess(tmp_path, shares=SHARES)
    with process.running():
        yield process


async def connected(server, share="files", guid=CLIENT):
    connection = Connection(await connect_tcp("127.0.0.1", server.port), guid)
    await negotiate(connection)
    raw = RawClient(connection).as_session(await sign_in(connection, Initiator(USER, PASSWORD)))
    return raw.on_tree((await raw.tree_connect(rf"\\server\{share}")).expect())


async def killed(server, *clients, how=signal.SIGKILL):
    """End the core this very moment and start it again."""
    assert await asyncio.to_thread(server.stop, how) == (-how if how == signal.SIGKILL else 0)
    for raw in clients:
        raw.connection.close()
    await asyncio.to_thread(server.start)


async def restarted(server, how, raw, *kept):
    """Let the rows of the handles that are to be kept be stored, end the core, start it again."""
    await eventually(lambda: promises(server, *kept))
    await killed(server, raw, how=how)


async def no_rows(server, *tables):
    await eventually(lambda: not any(rows(server, table) for table in tables))


@HOW
@pytest.mark.parametrize(("share", "leased"), [("files", True), ("always", False)], ids=["durable", "persistent"])
async def test_open_comes_back_with_what_it_reserved(server, how, share, leased):
    """1 durable or persistent open, data, a lock  2 the core ends  3 nobody else gets in  4 back, all there."""
    persistent = share == "always"
    kind = {"persistent": persistent, "leased": leased}
    raw = await connected(server, share)
    file_id = (await durable(raw, **kind)).expect().body.file_id
    (await raw.write(file_id, 0, b"kept")).expect()
    (await raw.lock(file_id, [LockElement(0, 4, EXCLUSIVE)], 1 << 4 | 5)).expect()
    await restarted(server, how, raw, file_id)
    raw = await connected(server, share)
    if persistent:
        other = await connected(server, share, OTHER_CLIENT)
        pending = await other.begin(create_request("file.txt", disposition=FILE_OPEN))
        await asyncio.sleep(0.2)
        assert not pending.final.done()
        await other.cancel(pending)
    response = (await reclaimed(raw, file_id, **kind)).expect()
    if leased:
        assert decode_lease(granted(response, LEASE)).lease_state == 7
    file_id = response.body.file_id
    assert bytes((await raw.read(file_id, 0, 4)).expect().body.data) == b"kept"
    (await raw.lock(file_id, [LockElement(0, 4, EXCLUSIVE)], 1 << 4 | 5)).expect()
    assert (await raw.lock(file_id, [LockElement(0, 4, EXCLUSIVE)])).status is Status.LOCK_NOT_GRANTED
    (await raw.close(file_id)).expect()
    await no_rows(server, open_, lease, byte_range)


@HOW
async def test_resilient_open_comes_back(server, how):
    raw = await connected(server)
    file_id = await opened(raw, share=0)
    (await raw.ioctl(FSCTL_LMR_REQUEST_RESILIENCY, ResiliencyRequest(0).encode(), file_id=file_id)).expect()
    await restarted(server, how, raw, file_id)
    other = await connected(server, guid=OTHER_CLIENT)
    assert (await plain(other)).status is Status.SHARING_VIOLATION
    (await reclaimed(await connected(server), file_id, v2=False)).expect()


@HOW
async def test_plain_opens_are_gone(server, how):
    raw = await connected(server)
    await opened(raw, share=0)
    await restarted(server, how, raw)
    (await plain(await connected(server, guid=OTHER_CLIENT), share=0)).expect()


async def test_expired_opens_are_removed_and_their_deletion_is_done(server):
    raw = await connected(server, "always")
    (await durable(raw, persistent=True, timeout=60_000, options=FILE_DELETE_ON_CLOSE)).expect()
    raw.connection.close()
    await eventually(lambda: rows(server, open_)[0].disconnected_at is not None)
    await asyncio.to_thread(server.stop, signal.SIGKILL)
    assert (server.folder / "always" / "file.txt").exists()
    engine = open_engine(server.directory.database_url)
    with writing(engine) as database:  # as if the server had been down for that long
        database.execute(update(open_).values(disconnected_at=datetime.now(UTC) - timedelta(seconds=61)))
    engine.dispose()
    await asyncio.to_thread(server.start)
    await eventually(lambda: not (server.folder / "always" / "file.txt").exists())
    await no_rows(server, open_)


async def test_file_that_was_moved_meanwhile_is_found(server):
    raw = await connected(server)
    file_id = (await durable(raw)).expect().body.file_id
    (await raw.write(file_id, 0, b"kept")).expect()
    await eventually(lambda: promises(server, file_id))
    await asyncio.to_thread(server.stop, signal.SIGKILL)
    os.rename(server.folder / "files" / "file.txt", server.folder / "files" / "moved.txt")
    await asyncio.to_thread(server.start)
    raw = await connected(server)
    file_id = (await reclaimed(raw, file_id)).expect().body.file_id
    assert bytes((await raw.read(file_id, 0, 4)).expect().body.data) == b"kept"


async def test_file_that_is_gone_leaves_nothing(server):
    raw = await connected(server)
    file_id = (await durable(raw)).expect().body.file_id
    await eventually(lambda: promises(server, file_id))
    await asyncio.to_thread(server.stop, signal.SIGKILL)
    (server.folder / "files" / "file.txt").unlink()
    await asyncio.to_thread(server.start)
    assert (await reclaimed(await connected(server), file_id)).status is Status.OBJECT_NAME_NOT_FOUND
    await no_rows(server, open_)


@HOW
async def test_a_file_of_a_snapshot_comes_back_as_that(server, how):
    """1 a durable handle of the earlier version of a file, which has the id of the file of now  2 the core ends
    3 the handle is back: the earlier version, that nobody can change.
    """
    folder = server.folder / "files"
    (folder / "file.txt").write_bytes(b"before")
    past = folder / ".snapshots" / "@GMT-2026.01.02-03.04.05"
    past.mkdir(parents=True)
    os.link(folder / "file.txt", past / "file.txt")
    name = "@GMT-2026.01.02-03.04.05\\file.txt"
    raw = await connected(server)
    file_id = (await durable(raw, name=name, disposition=FILE_OPEN)).expect().body.file_id
    await restarted(server, how, raw, file_id)
    raw = await connected(server)
    file_id = (await reclaimed(raw, file_id)).expect().body.file_id
    assert bytes((await raw.read(file_id, 0, 6)).expect().body.data) == b"before"
    assert (await raw.write(file_id, 0, b"after!")).status is Status.MEDIA_WRITE_PROTECTED


@HOW
async def test_handles_carried_over_are_counted_and_leave_no_rows(server, how):
    """1 handles of every kind, with locks  2 restart  3 the overview tells how many  4 all back, closed: no row is left."""
    plain_share, always = await connected(server), await connected(server, "always")
    leased = (await durable(plain_share, name="leased", leased=True)).expect().body.file_id
    batch = (await durable(plain_share, name="batch", guid=b"2" * 16)).expect().body.file_id
    kept = (await durable(always, name="kept", persistent=True, leased=True, key=b"k" * 16, guid=b"3" * 16)).expect()
    resilient = await opened(plain_share, "resilient", share=0)
    request = ResiliencyRequest(0).encode()
    (await plain_share.ioctl(FSCTL_LMR_REQUEST_RESILIENCY, request, file_id=resilient)).expect()
    await opened(plain_share, "plain", share=0)
    for raw, file_id in ((plain_share, leased), (plain_share, resilient), (always, kept.body.file_id)):
        (await raw.lock(file_id, [LockElement(0, 4, EXCLUSIVE)])).expect()
    always.connection.close()
    await restarted(server, how, plain_share, leased, batch, kept.body.file_id, resilient)
    async with ControlClient(server.directory.control_socket) as control:
        counters = await control.request(ListCounters())
    assert counters.values["opens_restored"] == 4
    plain_share, always = await connected(server), await connected(server, "always")
    back = [
        (plain_share, await reclaimed(plain_share, leased, name="leased", leased=True)),
        (plain_share, await reclaimed(plain_share, batch, guid=b"2" * 16)),
        (plain_share, await reclaimed(plain_share, resilient, v2=False)),
        (always, await reclaimed(
            always, kept.body.file_id, name="kept", persistent=True, leased=True, key=b"k" * 16, guid=b"3" * 16
        )),
    ]  # fmt: skip
    for raw, response in back:
        (await raw.close(response.expect().body.file_id)).expect()
    for raw in (plain_share, always):
        (await raw.logoff()).expect()
        raw.connection.close()
    await no_rows(server, *VOLATILE)
