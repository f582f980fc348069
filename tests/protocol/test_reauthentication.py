"""A session whose user signs in anew, or as somebody else, while requests wait and handles are open.

What waits goes on for the user that it began with, what comes later is checked for the new one; what was granted stays
granted.  [MS-SMB2 3.3.5.5.2, 3.3.5.5.3, 3.3.5.2.9]
"""

from __future__ import annotations

import asyncio

import pytest

from smbcore.auth.initiator import Initiator
from smbcore.client.message import How
from smbcore.client.raw import RawClient
from smbcore.client.session import SetupExchange, bind, reauthenticate
from smbcore.nt.access import FILE_ALL_ACCESS, FILE_GENERIC_READ
from smbcore.nt.clock import ManualClock
from smbcore.nt.create import FILE_DIRECTORY_FILE, FILE_OPEN, FILE_OPEN_IF
from smbcore.nt.info.classes import FILE_LINK_INFORMATION, FILE_RENAME_INFORMATION
from smbcore.nt.info.rename import LinkInformation, RenameInformation
from smbcore.nt.sddl import from_sddl
from smbcore.nt.security import DACL_SECURITY_INFORMATION
from smbcore.nt.sid import EVERYONE
from smbcore.nt.status import NtError, Status
from smbcore.server.shares import LEVELS, Grant
from smbcore.wire.change_notify import ChangeNotifyRequest
from smbcore.wire.create import OPLOCK_BATCH, OPLOCK_LEASE, OPLOCK_LEVEL_II
from smbcore.wire.create_contexts import LeaseV2, wrap
from smbcore.wire.lock import LOCK_EXCLUSIVE, LOCK_FAIL_IMMEDIATELY, LOCK_UNLOCK, LockElement, LockRequest
from smbcore.wire.query_info import INFO_FILE, INFO_SECURITY
from smbcore.wire.set_info import SetInfoRequest
from tests.memory_server import OTHER_PASSWORD, OTHER_USER, PASSWORD, SHARES, USER, share_config
from tests.protocol import durable
from tests.protocol.steps import DIALECTS, create_request, next_break, only, opened, turn

KEY = b"lease key number"
READ, HANDLE = 1, 2
ALICE_SID = "S-1-5-21-1-2-3-1000"
HERS = from_sddl(f"D:P(A;OICI;FA;;;{ALICE_SID})").encode()
SIGNED_IN_AS = {USER: PASSWORD, OTHER_USER: OTHER_PASSWORD, "": ""}


async def become(raw, user):
    """Sign in to the same session as `user`; "" is nobody."""
    initiator = Initiator(user, SIGNED_IN_AS[user], anonymous=not user)
    await reauthenticate(raw.connection, raw.session, initiator)


async def private(server, name, options=0):
    """Make a file or folder that alice alone may use."""
    raw = await server.tree()
    file_id = await opened(raw, name, FILE_ALL_ACCESS, FILE_OPEN_IF, options=options)
    (await raw.set_info(file_id, 0, HERS, INFO_SECURITY, additional_information=DACL_SECURITY_INFORMATION)).expect()
    (await raw.close(file_id)).expect()


async def with_batch_oplock(server, name):
    """A client that holds a batch oplock on the file."""
    raw = await server.tree()
    response = await raw.create(name, FILE_ALL_ACCESS, FILE_OPEN, oplock=OPLOCK_BATCH)
    return raw, response.expect().body.file_id


def rename(raw, file_id, name):
    return raw.set_info(file_id, FILE_RENAME_INFORMATION, RenameInformation(name, 0).encode())


# -- what waits --


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_an_open_that_waits_is_made_for_whoever_asked(server, dialect):
    # 1 alice opens her file, which waits for another client's oplock
    await private(server, "hers")
    holder, held = await with_batch_oplock(server, "hers")
    raw = await server.tree(offer=only(dialect))
    opening = await raw.begin(create_request("hers", FILE_GENERIC_READ, FILE_OPEN))
    await next_break(holder)
    await opening.pending()
    # 2 the session becomes bob's, whom the file does not admit
    await become(raw, OTHER_USER)
    # 3 the break is answered: the open succeeds for alice, and stays usable
    (await holder.acknowledge_oplock_break(held, OPLOCK_LEVEL_II)).expect()
    file_id = (await opening.response()).expect().body.file_id
    assert (await raw.read(file_id, 0, 1)).status is Status.END_OF_FILE
    # 4 what bob asks for is checked for bob
    assert (await raw.create("hers", FILE_GENERIC_READ)).status is Status.ACCESS_DENIED
    # 5 until alice is back
    await become(raw, USER)
    (await raw.create("hers", FILE_GENERIC_READ)).expect()


async def test_an_open_that_began_for_nobody_gains_nothing(make):
    """the other way round: rights that come later do not help what waits"""
    server = make(allow_anonymous=True)
    await private(server, "folder", FILE_DIRECTORY_FILE)
    owner = await server.tree()
    file_id = await opened(owner, "folder\\file")
    (await owner.set_info(
        file_id, 0, from_sddl("D:P(A;;FR;;;WD)").encode(), INFO_SECURITY,
        additional_information=DACL_SECURITY_INFORMATION,
    )).expect()  # fmt: skip
    (await owner.close(file_id)).expect()
    holder, held = await with_batch_oplock_for_reading(server, "folder\\file")
    raw = await server.tree(user=OTHER_USER, password=OTHER_PASSWORD)
    opening = await raw.begin(create_request("folder\\file", FILE_GENERIC_READ, FILE_OPEN))
    await next_break(holder)
    await become(raw, USER)
    (await holder.acknowledge_oplock_break(held, OPLOCK_LEVEL_II)).expect()
    waited = (await opening.response()).expect().body.file_id
    # bob could read, so that is what the handle can do, although alice has the session now
    assert (await raw.write(waited, 0, b"x")).status is Status.ACCESS_DENIED


async def with_batch_oplock_for_reading(server, name):
    raw = await server.tree()
    response = await raw.create(name, FILE_GENERIC_READ, FILE_OPEN, oplock=OPLOCK_BATCH)
    return raw, response.expect().body.file_id


async def test_a_durable_open_that_waits_belongs_to_whoever_asked(server):
    # 1 alice asks for a durable open and waits
    await private(server, "hers")
    holder, held = await with_batch_oplock(server, "hers")
    raw = await durable.connected(server)
    asking = asyncio.get_running_loop().create_task(durable.durable(raw, name="hers", share=7, disposition=FILE_OPEN))
    await next_break(holder)
    # 2 the session becomes bob's, the open is made
    await become(raw, OTHER_USER)
    (await holder.close(held)).expect()
    file_id = (await asking).expect().body.file_id
    # 3 its connection is lost: alice gets it back, bob does not
    await durable.cut(raw)
    bob = await durable.connected(server, user=OTHER_USER, password=OTHER_PASSWORD)
    refused = await durable.reclaimed(bob, file_id, name="hers")
    assert refused.status in (Status.ACCESS_DENIED, Status.OBJECT_NAME_NOT_FOUND)
    alice = await durable.connected(server)
    (await durable.reclaimed(alice, file_id, name="hers")).expect()


async def test_a_lock_that_waits_is_granted(server):
    # 1 alice waits for a range that another client has locked
    await private(server, "hers")
    holder, raw = await server.tree(), await server.tree()
    theirs, ours = [await opened(client, "hers", disposition=FILE_OPEN) for client in (holder, raw)]
    (await holder.lock(theirs, [LockElement(0, 10, LOCK_EXCLUSIVE)])).expect()
    waiting = await raw.begin(LockRequest(ours, [LockElement(0, 10, LOCK_EXCLUSIVE)]))
    await waiting.pending()
    # 2 the session becomes bob's, the range is given back
    await become(raw, OTHER_USER)
    (await holder.lock(theirs, [LockElement(0, 10, LOCK_UNLOCK)])).expect()
    # 3 the lock is granted, and the handle goes on: it was granted to alice
    (await waiting.response()).expect()
    (await raw.write(ours, 0, b"x")).expect()
    assert (await raw.create("hers", FILE_GENERIC_READ)).status is Status.ACCESS_DENIED


async def test_a_watch_goes_on(server):
    raw = await server.tree()
    directory = await opened(raw, "", FILE_GENERIC_READ, FILE_OPEN)
    watching = await raw.begin(ChangeNotifyRequest(directory, 1000, 3, 0))
    await watching.pending()
    await become(raw, OTHER_USER)
    await turn()
    assert not watching.final.done()
    await opened(raw, "new file")
    (await watching.response()).expect()


async def test_a_rename_that_waits_is_made_for_whoever_asked(server):
    # 1 another client may keep its handle of the file in mind (a lease with H)
    await private(server, "folder", FILE_DIRECTORY_FILE)
    raw, holder = await server.tree(), await server.tree()
    file_id = await opened(raw, "moving")
    lease = wrap(LeaseV2(KEY, READ | HANDLE))
    (await holder.create("moving", FILE_GENERIC_READ, FILE_OPEN, oplock=OPLOCK_LEASE, contexts=[lease])).expect()
    # 2 alice moves the file to her folder, which waits; the session becomes bob's
    body = SetInfoRequest(INFO_FILE, FILE_RENAME_INFORMATION, file_id, RenameInformation("folder\\a", 0).encode())
    moving = await raw.begin(body)
    await next_break(holder)
    await become(raw, OTHER_USER)
    # 3 it is moved, for alice; bob cannot do it again
    (await holder.acknowledge_lease_break(KEY, READ)).expect()
    (await moving.response()).expect()
    assert (await rename(raw, await opened(raw, "bobs"), "folder\\b")).status is Status.ACCESS_DENIED


async def test_what_waits_when_the_session_expires_is_answered(make):
    """and what comes then is told that it has expired, CANCEL and the members of a compound included"""
    server = make(ManualClock(), session_lifetime=600.0)
    raw, holder = await server.tree(), await server.tree()
    theirs, ours = [await opened(client) for client in (holder, raw)]
    (await holder.lock(theirs, [LockElement(0, 10, LOCK_EXCLUSIVE)])).expect()
    # 1 a lock and a watch wait, then the session expires
    waiting = await raw.begin(LockRequest(ours, [LockElement(0, 10, LOCK_EXCLUSIVE)]))
    directory = await opened(raw, "", FILE_GENERIC_READ, FILE_OPEN)
    watching = await raw.begin(ChangeNotifyRequest(directory, 1000, 3, 0))
    await turn()
    server.clock.advance(0.01)
    await waiting.pending()
    await watching.pending()
    server.clock.advance(601)
    # 2 the lock is granted as soon as it can be, the watch is cancelled as ever
    (await holder.lock(theirs, [LockElement(0, 10, LOCK_UNLOCK)])).expect()
    (await waiting.response()).expect()
    await raw.cancel(watching)
    assert (await watching.response()).status is Status.CANCELLED
    # 3 every member of a compound hears the same
    answers = await raw.compound(create_request("a"), create_request("b"), related=False)
    assert [answer.status for answer in answers] == [Status.NETWORK_SESSION_EXPIRED] * 2


# -- what comes later --


async def test_a_rename_is_checked_for_whoever_asks_now(make):
    """what smb2.session.reauth5 is about: the handle may be renamed, but nobody may not add to her folder"""
    server = make(allow_anonymous=True)
    await private(server, "folder", FILE_DIRECTORY_FILE)
    raw = await server.tree()
    file_id = await opened(raw, "file")
    for user in ("", OTHER_USER):
        await become(raw, user)
        assert (await rename(raw, file_id, "folder\\file")).status is Status.ACCESS_DENIED
        link = LinkInformation("folder\\link", 0).encode()
        assert (await raw.set_info(file_id, FILE_LINK_INFORMATION, link)).status is Status.ACCESS_DENIED
    # where it is, it gets no other name either, whatever the file itself allows
    await become(raw, USER)
    (await rename(raw, file_id, "folder\\file")).expect()
    (await raw.set_info(
        file_id, 0, from_sddl("D:P(A;;FA;;;WD)(A;;FA;;;AN)").encode(), INFO_SECURITY,
        additional_information=DACL_SECURITY_INFORMATION,
    )).expect()  # fmt: skip
    await become(raw, "")
    assert (await rename(raw, file_id, "folder\\other")).status is Status.ACCESS_DENIED
    await become(raw, USER)
    (await rename(raw, file_id, "folder\\other")).expect()


async def test_replacing_a_file_is_checked_for_whoever_asks_now(server):
    await private(server, "hers")
    raw = await server.tree()
    root = await opened(raw, "", FILE_ALL_ACCESS, FILE_OPEN)
    descriptor = from_sddl("D:P(A;OICI;0x1201bf;;;WD)").encode()  # all but deleting what is in it
    secured = {"additional_information": DACL_SECURITY_INFORMATION}
    (await raw.set_info(root, 0, descriptor, INFO_SECURITY, **secured)).expect()
    (await raw.close(root)).expect()
    file_id = await opened(raw, "file", FILE_GENERIC_READ | 0x10000)
    replacing = RenameInformation("hers", 1).encode()
    await become(raw, OTHER_USER)
    assert (await raw.set_info(file_id, FILE_RENAME_INFORMATION, replacing)).status is Status.ACCESS_DENIED
    await become(raw, USER)
    (await raw.set_info(file_id, FILE_RENAME_INFORMATION, replacing)).expect()


async def test_what_was_granted_stays_granted(server):
    await private(server, "hers")
    raw = await server.tree()
    file_id = await opened(raw, "hers", disposition=FILE_OPEN)
    await become(raw, OTHER_USER)
    (await raw.write(file_id, 0, b"still")).expect()
    assert bytes((await raw.read(file_id, 0, 5)).expect().body.data) == b"still"
    (await raw.set_info(
        file_id, 0, HERS, INFO_SECURITY, additional_information=DACL_SECURITY_INFORMATION
    )).expect()  # fmt: skip
    (await raw.close(file_id)).expect()


async def test_the_access_list_of_a_share_is_looked_at_again(server):
    # 1 a share that admits alice alone, and one that lets others read
    alice = server.accounts.tokens[USER].user
    closed = (Grant(alice, LEVELS["full"]),)
    readable = (Grant(alice, LEVELS["full"]), Grant(EVERYONE, LEVELS["read"]))
    shares = ((share_config("hers"), closed), (share_config("shown"), readable))
    server.server.shares.load((*SHARES, *shares))
    hers = await server.tree("hers")
    shown = hers.on_tree((await hers.tree_connect(r"\\server\shown")).expect())
    mine, theirs = await opened(hers), await opened(shown)
    # 2 bob has the session: no more opens in the one, none to write in the other
    await become(hers, OTHER_USER)
    assert (await hers.create("file.txt")).status is Status.ACCESS_DENIED
    assert (await shown.create("file.txt", FILE_ALL_ACCESS)).status is Status.ACCESS_DENIED
    (await shown.create("file.txt", FILE_GENERIC_READ)).expect()
    # 3 the handles go on, and so does alice when she is back
    (await hers.write(mine, 0, b"x")).expect()
    (await shown.write(theirs, 0, b"x")).expect()
    await become(hers, USER)
    (await hers.create("file.txt", FILE_ALL_ACCESS)).expect()


async def test_a_pipe_stays_open(server):
    raw = await server.tree("IPC$")
    pipe = await opened(raw, "srvsvc", FILE_ALL_ACCESS, FILE_OPEN)
    await become(raw, OTHER_USER)
    (await raw.close(pipe)).expect()


# -- how it goes --


async def expired(make):
    """A session that is valid no more, and a file that it has open."""
    server = make(ManualClock(), session_lifetime=600.0)
    raw = await server.tree()
    file_id = await opened(raw)
    server.clock.advance(601)
    return raw, file_id


async def test_a_valid_session_goes_on_between_the_legs(server):
    raw = await server.tree()
    file_id = await opened(raw)
    exchange = SetupExchange(raw.connection, Initiator(USER, PASSWORD), session=raw.session)
    assert (await exchange.leg()).status is Status.MORE_PROCESSING_REQUIRED
    (await raw.write(file_id, 0, b"between")).expect()
    (await exchange.leg()).expect()
    (await raw.write(file_id, 0, b"after")).expect()


async def test_an_expired_session_does_not_go_on_between_the_legs(make):
    raw, file_id = await expired(make)
    exchange = SetupExchange(raw.connection, Initiator(USER, PASSWORD), session=raw.session)
    assert (await exchange.leg()).status is Status.MORE_PROCESSING_REQUIRED
    assert (await raw.write(file_id, 0, b"x")).status is Status.NETWORK_SESSION_EXPIRED
    (await exchange.leg()).expect()
    (await raw.write(file_id, 0, b"x")).expect()


async def test_an_expired_session_ends_with_a_wrong_password(make):
    raw, file_id = await expired(make)
    with pytest.raises(NtError) as error:
        await reauthenticate(raw.connection, raw.session, Initiator(USER, "wrong"))
    assert error.value.status is Status.LOGON_FAILURE
    assert (await raw.close(file_id)).status is Status.USER_SESSION_DELETED


@pytest.mark.parametrize("seal", [False, True])
async def test_a_lock_may_be_asked_for_on_an_expired_session(make, seal):
    """[MS-SMB2 3.3.5.2.9] names LOCK without regard to what it does; so does a session that is encrypted"""
    raw, file_id = await expired(make)
    how = How(seal=seal)
    element = [LockElement(0, 1, LOCK_EXCLUSIVE | LOCK_FAIL_IMMEDIATELY)]
    (await raw.lock(file_id, element, how=how)).expect()
    assert (await raw.flush(file_id, how)).status is Status.NETWORK_SESSION_EXPIRED
    (await raw.close(file_id, how=how)).expect()


async def test_requests_on_every_channel_of_an_expired_session_are_refused(make):
    # 1 two connections, one session, which expires
    server = make(ManualClock(), session_lifetime=600.0)
    raw = await server.tree(offer=only(0x0311))
    other = await server.negotiated(only(0x0311))
    await bind(other.connection, raw.session, Initiator(USER, PASSWORD))
    second = RawClient(other.connection, raw.session, raw.tree_id)
    file_id = await opened(raw)
    server.clock.advance(601)
    for client in (raw, second):
        assert (await client.flush(file_id)).status is Status.NETWORK_SESSION_EXPIRED
    # 2 a proof on one of them is good for both
    await reauthenticate(second.connection, raw.session, Initiator(USER, PASSWORD))
    for client in (raw, second):
        (await client.flush(file_id)).expect()
