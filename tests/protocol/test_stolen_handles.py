"""Wrong, stolen and stale identifiers reach no handle, and administrators hear of each  [MS-SMB2 3.3.5.9.7, .10, .12]."""

from __future__ import annotations

import pytest

from smbcore.auth.initiator import Initiator
from smbcore.client.message import How
from smbcore.client.session import SetupExchange, bind, sign_in
from smbcore.nt.create import FILE_DELETE_ON_CLOSE
from smbcore.nt.status import NtError, Status
from smbcore.wire.create import OPLOCK_NONE
from smbcore.wire.header import FLAG_REPLAY
from tests.memory_server import OTHER_PASSWORD, OTHER_USER, PASSWORD, USER
from tests.protocol.durable import CLIENT, GUID, OTHER_CLIENT, connected, cut, durable, plain, reclaimed
from tests.protocol.steps import WRONGLY_SIGNED, turn

NOT_FOUND = Status.OBJECT_NAME_NOT_FOUND
BOTH = pytest.mark.parametrize("v2", [False, True], ids=["v1", "v2"])
BOB = {"user": OTHER_USER, "password": OTHER_PASSWORD}
BOBS_SID = "S-1-5-21-1-2-3-1001"
ALICES_SID = "S-1-5-21-1-2-3-1000"


def reported(server, action="handle.reconnect"):
    """Return condition, status and object of the one incident that there is."""
    incident = server.trail.only()
    assert incident.action == action
    assert incident.address == "memory"
    return incident.condition, incident.status, incident.object


def handle(file_id):
    return f"handle {int.from_bytes(file_id[:8], 'little'):#x}"


LEASED = [
    # condition, status, what the thief does differently
    ("create_guid", NOT_FOUND, {"claim": {"guid": b"another create g"}}),
    ("create_guid", NOT_FOUND, {"claim": {"guid": bytes(16)}}),
    ("share", NOT_FOUND, {"connect": {"share": "readable"}}),
    ("client_guid", NOT_FOUND, {"connect": {"guid": OTHER_CLIENT}}),
    ("user", Status.ACCESS_DENIED, {"connect": BOB}),
    ("file_name", Status.INVALID_PARAMETER, {"claim": {"name": "other.txt"}}),
    ("lease_key", NOT_FOUND, {"claim": {"key": b"another key.....".ljust(16)}}),
    ("lease_key", NOT_FOUND, {"claim": {"leased": False}}),
    ("not_persistent", NOT_FOUND, {"claim": {"persistent": True}}),
]


@pytest.mark.parametrize(("condition", "status", "wrong"), LEASED)
async def test_wrong_claims_of_a_leased_open(server, condition, status, wrong):
    """1 alice's open loses its client  2 a wrong claim is refused and reported once  3 alice gets it back."""
    raw = await connected(server)
    file_id = (await durable(raw, leased=True)).expect().body.file_id
    await cut(raw)
    thief = await connected(server, **wrong.get("connect", {}))
    claim = {"leased": True, **wrong.get("claim", {})}
    assert (await reclaimed(thief, file_id, **claim)).status is status
    assert reported(server) == (condition, status.name, "data\\file.txt")
    assert server.trail.only().detail["owner"] == ALICES_SID
    assert server.trail.only().detail["handle"] == handle(file_id).removeprefix("handle ")
    assert not server.server.opens
    (await reclaimed(await connected(server), file_id, leased=True)).expect()
    server.trail.only()


@BOTH
@pytest.mark.parametrize(("condition", "status", "wrong"), [
    ("lease_key", NOT_FOUND, {"claim": {"leased": True}}),
    ("user", Status.ACCESS_DENIED, {"connect": BOB}),
    ("share", NOT_FOUND, {"connect": {"share": "readable"}}),
])  # fmt: skip
async def test_wrong_claims_of_an_open_with_an_oplock(server, condition, status, wrong, v2):
    raw = await connected(server)
    file_id = (await durable(raw, v2=v2)).expect().body.file_id
    await cut(raw)
    thief = await connected(server, **wrong.get("connect", {}))
    assert (await reclaimed(thief, file_id, v2=v2, **wrong.get("claim", {}))).status is status
    assert reported(server) == (condition, status.name, "data\\file.txt")
    (await reclaimed(await connected(server), file_id, v2=v2)).expect()


async def test_the_record_tells_who_claimed_and_whose_it_is(server):
    raw = await connected(server)
    file_id = (await durable(raw)).expect().body.file_id
    await cut(raw)
    await reclaimed(await connected(server, guid=OTHER_CLIENT, **BOB), file_id)
    incident = server.trail.only()
    assert incident.actor == OTHER_USER
    assert incident.detail == {
        "sid": BOBS_SID, "owner": ALICES_SID, "client": OTHER_CLIENT.hex(), "handle": handle(file_id)[7:],
    }  # fmt: skip


@BOTH
async def test_a_handle_that_never_was(server, v2):
    unknown = b"\x99" * 16
    assert (await reclaimed(await connected(server), unknown, v2=v2)).status is NOT_FOUND
    assert reported(server) == ("unknown_handle", "OBJECT_NAME_NOT_FOUND", handle(unknown))


@BOTH
async def test_a_handle_whose_client_is_still_there(server, v2):
    raw = await connected(server)
    file_id = (await durable(raw, v2=v2)).expect().body.file_id
    assert (await reclaimed(await connected(server, guid=OTHER_CLIENT, **BOB), file_id, v2=v2)).status is NOT_FOUND
    assert reported(server) == ("in_use", "OBJECT_NAME_NOT_FOUND", "data\\file.txt")
    (await raw.write(file_id, 0, b"still mine")).expect()


@pytest.mark.parametrize("v2", [False, True])
async def test_a_handle_whose_time_is_over(manual, v2):
    raw = await connected(manual)
    file_id = (await durable(raw, v2=v2, timeout=10_000)).expect().body.file_id
    await cut(raw)
    manual.clock.advance(961)
    await turn()
    assert (await reclaimed(await connected(manual), file_id, v2=v2)).status is NOT_FOUND
    assert reported(manual) == ("unknown_handle", "OBJECT_NAME_NOT_FOUND", handle(file_id))


async def test_a_handle_that_was_closed(server):
    raw = await connected(server)
    file_id = (await durable(raw)).expect().body.file_id
    (await raw.close(file_id)).expect()
    assert (await reclaimed(raw, file_id)).status is NOT_FOUND
    assert reported(server) == ("unknown_handle", "OBJECT_NAME_NOT_FOUND", handle(file_id))


async def test_a_handle_that_gave_way_to_another_opener(server):
    raw = await connected(server)
    file_id = (await durable(raw, options=FILE_DELETE_ON_CLOSE, share=7)).expect().body.file_id
    await cut(raw)
    await plain(await connected(server, guid=OTHER_CLIENT, **BOB))
    assert (await reclaimed(await connected(server), file_id)).status is NOT_FOUND
    assert reported(server)[:2] == ("unknown_handle", "OBJECT_NAME_NOT_FOUND")


async def test_a_plain_open_is_never_given_back(server):
    raw = await connected(server)
    file_id = (await durable(raw, oplock=OPLOCK_NONE)).expect().body.file_id
    assert (await reclaimed(await connected(server), file_id)).status is NOT_FOUND
    await cut(raw)
    assert (await reclaimed(await connected(server), file_id)).status is NOT_FOUND
    assert [incident.condition for incident in server.trail.incidents] == ["in_use", "unknown_handle"]


PERSISTENT = [
    ("create_guid", NOT_FOUND, {"claim": {"guid": b"another create g"}}),
    ("share", NOT_FOUND, {"connect": {"share": "data"}}),
    ("client_guid", NOT_FOUND, {"connect": {"guid": OTHER_CLIENT}}),
    ("user", Status.ACCESS_DENIED, {"connect": BOB}),
    ("lease_key", NOT_FOUND, {"claim": {"leased": False}}),
    ("persistent", NOT_FOUND, {"claim": {"persistent": False}}),
]


@pytest.mark.parametrize(("condition", "status", "wrong"), PERSISTENT)
async def test_wrong_claims_of_a_persistent_open(server, condition, status, wrong):
    raw = await connected(server, "always")
    file_id = (await durable(raw, leased=True, persistent=True)).expect().body.file_id
    await cut(raw)
    thief = await connected(server, **{"share": "always", **wrong.get("connect", {})})
    claim = {"leased": True, "persistent": True, **wrong.get("claim", {})}
    assert (await reclaimed(thief, file_id, **claim)).status is status
    assert reported(server) == (condition, status.name, "always\\file.txt")
    owner = await connected(server, "always")
    (await reclaimed(owner, file_id, leased=True, persistent=True)).expect()


@pytest.mark.parametrize(("guid", "client"), [(b"another create g", CLIENT), (GUID, OTHER_CLIENT)])
async def test_persistent_opens_are_found_by_both_names_only(server, guid, client):
    """Without its file id, the CreateGuid finds it only for the client that made it."""
    raw = await connected(server, "always")
    (await durable(raw, persistent=True, oplock=OPLOCK_NONE)).expect()
    await cut(raw)
    thief = await connected(server, "always", guid=client, **BOB)
    assert (await reclaimed(thief, b"\xff" * 16, persistent=True, guid=guid)).status is NOT_FOUND
    assert reported(server)[0] == "unknown_handle"


async def test_a_durable_open_whose_caching_was_lost(server):
    """What was kept for the sake of a lease goes with it, even where the handle is still there."""
    raw = await connected(server)
    file_id = (await durable(raw, leased=True, share=7)).expect().body.file_id
    (open_,) = server.server.opens.values()
    await cut(raw)
    away = server.server.disconnected.find(open_.persistent_id)
    away.file.holder.caching = 1  # as between a break and the close that follows it
    assert (await reclaimed(await connected(server), file_id, leased=True)).status is NOT_FOUND
    assert reported(server)[0] == "caching_lost"


# -- the same create again --


async def test_replay_by_another_user(server):
    raw = await connected(server)
    (await durable(raw)).expect()
    thief = await connected(server, **BOB)
    response = await durable(thief, how=How(flags=FLAG_REPLAY))
    assert response.status is Status.ACCESS_DENIED
    assert reported(server, "handle.replay") == ("user", "ACCESS_DENIED", "data\\file.txt")
    assert server.trail.only().actor == OTHER_USER


async def test_replay_through_another_share(server):
    raw = await connected(server)
    (await durable(raw)).expect()
    response = await durable(await connected(server, "readable"), how=How(flags=FLAG_REPLAY))
    assert response.status is Status.ACCESS_DENIED
    assert reported(server, "handle.replay")[0] == "share"


# -- sessions --


@pytest.mark.parametrize(("user", "password", "condition", "what"), [
    (USER, "wrong", "password", f"user {USER}"),
    (USER.upper(), "wrong", "password", f"user {USER}"),
    ("wonderland", "wrong", "name", "an unknown user"),
])  # fmt: skip
async def test_failed_sign_ins(server, user, password, condition, what):
    """A name that is no account's is not written down: it may be a password."""
    raw = await server.negotiated()
    with pytest.raises(NtError):
        await sign_in(raw.connection, Initiator(user, password))
    assert reported(server, "sign_in") == (condition, "LOGON_FAILURE", what)
    incident = server.trail.only()
    assert incident.actor == ""
    assert "wonderland" not in repr(incident)


async def test_anonymous_that_is_not_allowed(server):
    raw = await server.negotiated()
    with pytest.raises(NtError):
        await sign_in(raw.connection, Initiator("", "", anonymous=True))
    assert reported(server, "sign_in") == ("name", "LOGON_FAILURE", "nobody")


async def test_garbage_is_no_sign_in(server):
    raw = await server.negotiated()
    assert (await raw.session_setup(b"garbage")).status is Status.INVALID_PARAMETER
    assert not server.trail.incidents


async def test_binding_by_another_user(server):
    raw = await connected(server)
    other = await server.negotiated(client_guid=CLIENT)
    with pytest.raises(NtError) as error:
        await bind(other.connection, raw.session, Initiator(OTHER_USER, OTHER_PASSWORD))
    assert error.value.status is Status.ACCESS_DENIED
    assert reported(server, "session.bind") == ("not_admitted", "ACCESS_DENIED", f"session of {USER}")
    assert server.trail.only().detail == {"claimed": f"user {OTHER_USER}"}


async def test_binding_without_the_key_of_the_session(server):
    raw = await connected(server)
    other = await server.negotiated(client_guid=CLIENT)
    exchange = SetupExchange(other.connection, Initiator(USER, PASSWORD), session=raw.session, bind=True)
    exchange.how = WRONGLY_SIGNED
    assert (await exchange.leg()).status is Status.ACCESS_DENIED
    assert reported(server, "session.bind") == ("signature", "ACCESS_DENIED", f"session of {USER}")


async def test_previous_session_of_another_user_stays(server):
    """[MS-SMB2 3.3.5.5.3]: only the user's own earlier session ends"""
    raw = await connected(server)
    await connected(server, guid=OTHER_CLIENT, previous_session_id=raw.session.session_id, **BOB)
    assert reported(server, "session.previous") == ("user", "", f"session of {USER}")
    assert server.trail.only().actor == OTHER_USER
    (await raw.tree_connect(r"\\server\data")).expect()


async def test_ordinary_work_is_not_reported(server):
    raw = await connected(server)
    file_id = (await durable(raw, leased=True)).expect().body.file_id
    assert (await plain(raw, "missing.txt")).status is NOT_FOUND
    await cut(raw)
    raw = await connected(server, previous_session_id=raw.session.session_id)
    file_id = (await reclaimed(raw, file_id, leased=True)).expect().body.file_id
    (await raw.close(file_id)).expect()
    assert not server.trail.incidents
