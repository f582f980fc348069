"""One client, one user and one session get so many handles kept  [MS-SMB2 3.3.5.9.6, 3.3.5.9.10, 3.3.5.15.9]."""

from __future__ import annotations

import pytest

from smbcore.auth.initiator import Initiator
from smbcore.client.session import reauthenticate
from smbcore.nt.info.fsctl import FSCTL_LMR_REQUEST_RESILIENCY, ResiliencyRequest
from smbcore.nt.status import Status
from smbcore.server.config import Limits
from smbcore.wire.create import OPLOCK_BATCH, OPLOCK_LEASE, OPLOCK_NONE
from smbcore.wire.create_contexts import DURABLE_REQUEST, DURABLE_REQUEST_V2
from tests.memory_server import OTHER_PASSWORD, OTHER_USER, USER
from tests.protocol.durable import (
    CLIENT,
    OTHER_CLIENT,
    connected,
    cut,
    durable,
    granted,
    lease,
    reclaimed,
    request,
)
from tests.protocol.steps import create_request, next_break, opened, turn

RH = 3

BOTH = pytest.mark.parametrize("v2", [False, True], ids=["v1", "v2"])
BOB = {"user": OTHER_USER, "password": OTHER_PASSWORD}


def guid(number):
    return f"create {number}".encode().ljust(16, b".")


async def kept(raw, number, *, v2=True, **options):
    """Ask for a durable open of a file of its own; return its id and whether it will be kept."""
    response = (await durable(raw, name=f"{number}.txt", v2=v2, guid=guid(number), **options)).expect()
    assert response.body.oplock_level == options.get("oplock", OPLOCK_BATCH)
    answer = granted(response, DURABLE_REQUEST_V2 if v2 else DURABLE_REQUEST)
    return response.body.file_id, answer is not None


def reported(server):
    incident = server.trail.only()
    return incident.action, incident.condition, incident.object


@BOTH
async def test_a_session_gets_so_many(make, v2):
    """1 two are granted  2 the third opens, works, and is not durable  3 one is closed, and there is room."""
    server = make(limits=Limits(kept_per_session=2))
    raw = await connected(server)
    first, is_kept = await kept(raw, 1, v2=v2)
    assert is_kept
    assert (await kept(raw, 2, v2=v2))[1]
    third, is_kept = await kept(raw, 3, v2=v2)
    assert not is_kept
    assert reported(server) == ("handle.keep", "session_limit", "files of data")
    (await raw.write(third, 0, b"an ordinary handle")).expect()
    (await raw.close(first)).expect()
    assert (await kept(raw, 4, v2=v2))[1]
    # the one that was not granted goes with its connection, the others stay
    await cut(raw)
    assert len(server.server.disconnected) == 2


async def test_a_session_of_the_same_client_has_its_own_limit(make):
    server = make(limits=Limits(kept_per_session=1))
    assert (await kept(await connected(server), 1))[1]
    assert (await kept(await connected(server), 2))[1]


async def test_a_client_gets_so_many_wherever_they_are(make):
    """Those whose client is away count, and so do those of its other sessions and users."""
    server = make(limits=Limits(kept_per_client=2))
    raw = await connected(server)
    file_id, _ = await kept(raw, 1)
    await cut(raw)
    other = await connected(server, **BOB)
    assert (await kept(other, 2))[1]
    assert not (await kept(other, 3))[1]
    assert reported(server) == ("handle.keep", "client_limit", "files of data")
    assert (await kept(await connected(server, guid=OTHER_CLIENT), 4))[1]
    # who comes back for what was kept does not need more room
    raw = await connected(server)
    file_id = (await reclaimed(raw, file_id, name="1.txt", guid=guid(1))).expect().body.file_id
    assert not (await kept(other, 5))[1]
    (await raw.close(file_id)).expect()
    assert (await kept(other, 6))[1]


async def test_a_user_gets_so_many_over_all_clients(make):
    server = make(limits=Limits(kept_per_user=1))
    assert (await kept(await connected(server), 1))[1]
    assert not (await kept(await connected(server, guid=OTHER_CLIENT), 2))[1]
    assert reported(server)[1] == "user_limit"
    assert (await kept(await connected(server, **BOB), 3))[1]


async def test_clients_without_a_guid_count_by_their_users_alone(make):
    server = make(limits=Limits(kept_per_client=1))
    options = {"guid": bytes(16), "dialects": [0x0202]}
    assert (await kept(await connected(server, **options), 1, v2=False))[1]
    assert (await kept(await connected(server, **options), 2, v2=False))[1]


async def test_expired_handles_make_room(make):
    server = make(limits=Limits(kept_per_client=1), durable_timeout=0.0)
    raw = await connected(server)
    await kept(raw, 1, timeout=1)
    (open_,) = server.server.opens.values()
    await cut(raw)
    server.server.disconnected.find(open_.persistent_id).close()
    await turn()
    assert (await kept(await connected(server), 2))[1]


async def test_what_was_promised_is_kept_at_the_limit(make):
    server = make(limits=Limits(kept_per_client=3, kept_per_session=3, kept_per_user=3))
    raw = await connected(server)
    ids = [(await kept(raw, number))[0] for number in range(3)]
    await cut(raw)
    raw = await connected(server)
    for number, file_id in enumerate(ids):
        (await reclaimed(raw, file_id, name=f"{number}.txt", guid=guid(number))).expect()
    (session,) = server.server.sessions.values()
    assert session.kept == 3


async def test_persistent_handles_count_as_well(make):
    """Nothing says that it is persistent, and nothing that it is durable."""
    server = make(limits=Limits(kept_per_client=1))
    raw = await connected(server, "always")
    assert (await kept(raw, 1, persistent=True, oplock=OPLOCK_NONE))[1]
    assert not (await kept(raw, 2, persistent=True, oplock=OPLOCK_NONE))[1]
    assert not (await kept(raw, 3, persistent=True))[1]
    await cut(raw)
    assert len(server.server.disconnected) == 1


async def test_resilient_handles_count_as_well(make):
    """A handle that is kept already may become resilient; another one is told that there is no room."""
    server = make(limits=Limits(kept_per_session=1))
    raw = await connected(server)
    durable_id, _ = await kept(raw, 1)
    plain_id = await opened(raw, "plain.txt")
    data = ResiliencyRequest(1000).encode()
    (await raw.ioctl(FSCTL_LMR_REQUEST_RESILIENCY, data, file_id=durable_id)).expect()
    response = await raw.ioctl(FSCTL_LMR_REQUEST_RESILIENCY, data, file_id=plain_id)
    assert response.status is Status.INSUFFICIENT_RESOURCES
    assert server.trail.only().status == "INSUFFICIENT_RESOURCES"


async def test_none_at_all(make):
    server = make(limits=Limits(kept_per_client=0))
    raw = await connected(server, guid=CLIENT)
    assert not (await kept(raw, 1))[1]
    await cut(raw)
    assert not server.server.opens
    assert len(server.server.disconnected) == 0


async def test_counts_end_with_the_handles(make):
    server = make()
    for number in range(3):
        raw = await connected(server)
        file_id, _ = await kept(raw, number)
        await kept(raw, number + 10)
        (await raw.close(file_id)).expect()
        (await raw.tree_disconnect()).expect()
        await cut(raw)
    assert server.server.allowance._clients == {}
    assert server.server.allowance._users == {}


async def test_a_session_that_is_full_says_so(make):
    """[MS-ERREF]: TOO_MANY_OPENED_FILES; for pipes the same"""
    server = make(limits=Limits(opens_per_session=2))
    raw = await server.tree()
    for number in range(2):
        await opened(raw, f"{number}")
    assert (await raw.create("3")).status is Status.TOO_MANY_OPENED_FILES
    assert reported(server) == ("open.limit", "session_limit", "files of data")
    pipes = raw.on_tree((await raw.tree_connect(r"\\server\IPC$")).expect())
    assert (await pipes.create("srvsvc")).status is Status.TOO_MANY_OPENED_FILES


async def test_an_open_that_waited_counts_for_whoever_asked_for_it(server):
    """1 alice asks for a durable open, which waits  2 the session becomes bob's  3 hers, and given back by her."""
    holder = await connected(server, guid=OTHER_CLIENT)
    held = await opened(holder, "1.txt", oplock=OPLOCK_BATCH)
    raw = await connected(server)
    contexts = [request(guid=guid(1)), lease(state=RH)]
    opening = await raw.begin(create_request("1.txt", oplock=OPLOCK_LEASE, contexts=contexts))
    await next_break(holder)
    await reauthenticate(raw.connection, raw.session, Initiator(OTHER_USER, OTHER_PASSWORD))
    (await holder.close(held)).expect()
    file_id = (await opening.response()).expect().body.file_id
    users = server.accounts.tokens
    assert server.server.allowance._users == {users[USER].user: 1}
    (await raw.close(file_id)).expect()
    assert not server.server.allowance._users
