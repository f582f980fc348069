"""One share that shows every user a folder of their own."""

from __future__ import annotations

from dataclasses import replace

from smbcore.auth.initiator import Initiator
from smbcore.client.session import sign_in
from smbcore.nt.access import FILE_GENERIC_READ, FILE_GENERIC_WRITE
from smbcore.nt.create import FILE_CREATE, FILE_OPEN, FILE_OPEN_IF
from smbcore.nt.status import Status
from smbcore.wire.create import OPLOCK_LEASE, CreateContext
from smbcore.wire.create_contexts import LeaseV2
from tests.memory_server import OTHER_PASSWORD, OTHER_USER, PASSWORD, USER
from tests.protocol.steps import next_break, turn

ACCESS = FILE_GENERIC_READ | FILE_GENERIC_WRITE
CLIENT = b"one of many user"
KEY = b"lease key number"
RWH = 7


async def test_users_do_not_see_each_other(server):
    alice = await server.tree("home")
    bob = await server.tree("home", user=OTHER_USER, password=OTHER_PASSWORD)
    (await alice.create("note", ACCESS, FILE_CREATE)).expect()
    (await bob.create("note", ACCESS, FILE_OPEN)).expect(Status.OBJECT_NAME_NOT_FOUND)
    (await bob.create("note", ACCESS, FILE_CREATE)).expect()
    for way_out in ("..\\alice\\note", "\\alice\\note", "alice\\note", "../alice/note"):
        assert (await bob.create(way_out, ACCESS, FILE_OPEN)).status is not Status.SUCCESS
    assert set(server.volumes) >= {"home/alice", "home/bob"}


async def test_connections_of_one_user_see_the_same(server):
    first, second = await server.tree("home"), await server.tree("home")
    (await first.create("note", ACCESS, FILE_CREATE)).expect()
    (await second.create("note", ACCESS, FILE_OPEN)).expect()


async def test_the_tree_connect_tells_its_folder(server):
    await server.tree("home")
    tree = next(iter(server.server.trees.values()))
    assert tree.row()["share_path"] == "/home/alice"


async def test_quotas_that_change_hold_in_the_folders_of_all(server):
    await server.tree("home")
    await server.tree("home", user=OTHER_USER, password=OTHER_PASSWORD)
    share = server.server.shares.find("home")
    options = replace(share.config.options, quota="enforce", quota_limit=5)
    assert share.replace(replace(share.config, options=options), share.grants)
    assert [server.volumes[f"home/{name}"].config.space.default.limit for name in (USER, OTHER_USER)] == [5, 5]


async def tree_of(server, user, password):
    """Connect a user of the one client that serves several."""
    raw = await server.negotiated(client_guid=CLIENT)
    raw = raw.as_session(await sign_in(raw.connection, Initiator(user, password)))
    return raw.on_tree((await raw.tree_connect(r"\\server\home")).expect())


async def with_lease(raw) -> tuple[bytes, int]:
    context = CreateContext(b"RqLs", LeaseV2(KEY, RWH, epoch=1).encode())
    response = await raw.create("same", ACCESS, FILE_OPEN_IF, oplock=OPLOCK_LEASE, contexts=[context])
    body = response.expect().body
    return body.file_id, LeaseV2.decode(body.contexts[0].data).lease_state


async def test_a_lease_key_for_two_folders_caches_neither(server):
    """A client that serves several users takes their folders for one; smbtorture smb2.lease.dynamic_share."""
    # 1 the first user's file is cached
    alice = await tree_of(server, USER, PASSWORD)
    bob = await tree_of(server, OTHER_USER, OTHER_PASSWORD)
    first, state = await with_lease(alice)
    assert state == RWH
    # 2 the same key for the file of that name in the second user's folder
    second, state = await with_lease(bob)
    assert state == 0
    notice = await next_break(alice)
    assert (notice.body.current_lease_state, notice.body.new_lease_state) == (RWH, 0)
    (await alice.acknowledge_lease_break(KEY, 0)).expect()
    # 3 asking again does not help while both are open
    third, state = await with_lease(alice)
    assert state == 0
    # 4 when all are closed, the key is as good as new
    for raw, file_id in ((alice, first), (bob, second), (alice, third)):
        (await raw.close(file_id)).expect()
    assert (await with_lease(bob))[1] == RWH
    await turn()
