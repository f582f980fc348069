"""Quotas and limited shares over the wire  [MS-SMB2 3.3.5.20.4, 3.3.5.21.4]"""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from smbcore.fsa.space_rules import QuotaEntry, SpaceRules
from smbcore.nt.access import FILE_ALL_ACCESS, FILE_READ_DATA
from smbcore.nt.create import FILE_OPEN
from smbcore.nt.info import fs
from smbcore.nt.info.classes import FILE_FS_CONTROL_INFORMATION, FILE_FS_FULL_SIZE_INFORMATION, FILE_FS_SIZE_INFORMATION
from smbcore.nt.info.quota import REMOVE, QuotaInformation, decode_quotas, encode_quotas, encode_sids
from smbcore.nt.sid import ADMINISTRATORS, Sid
from smbcore.nt.status import NtError, Status
from smbcore.nt.token import Token
from smbcore.vfs.faulty import FaultyBackend, Schedule
from smbcore.vfs.memory.backend import MemoryBackend
from smbcore.wire.query_info import InfoType, QueryQuotaInfo
from tests.memory_server import OTHER_PASSWORD, OTHER_USER
from tests.protocol.steps import opened

K = 1024
ALICE, BOB = Sid.parse("S-1-5-21-1-2-3-1000"), Sid.parse("S-1-5-21-1-2-3-1001")
INDEX = "$Extend\\$Quota:$Q:$INDEX_ALLOCATION"
TRACKED = SpaceRules(tracks=True, enforces=True, default=QuotaEntry(50 * K, 100 * K))


@pytest.fixture
def server(make):
    """A server whose alice is an administrator."""
    server = make()
    alice = server.accounts.tokens["alice"]
    server.accounts.tokens["alice"] = Token(alice.user, alice.groups, alice.privileges, "alice", administrator=True)
    return server


async def tree_of(server, rules, **options):
    """Connect to the share, whose volume has these rules."""
    raw = await server.tree(**options)
    volume = server.server.shares.find("data").volume()
    if volume.config.space != rules:
        volume.set_space_rules(rules)
    return raw


async def other_tree(server):
    return await server.tree(user=OTHER_USER, password=OTHER_PASSWORD)


async def put(raw, name, size):
    """Write a file; return the status of the write."""
    file_id = await opened(raw, name)
    try:
        return (await raw.write(file_id, 0, bytes(size))).status
    finally:
        (await raw.close(file_id)).expect()


async def ask(raw, file_id, length=4096, **asked):
    return await raw.query_info(file_id, 0, InfoType.QUOTA, max_output=length, input=QueryQuotaInfo(**asked).encode())


async def entries(raw, file_id, length=4096, **asked):
    return decode_quotas(bytes((await ask(raw, file_id, length, **asked)).expect().body.output))


async def index(raw, access=FILE_READ_DATA):
    return await opened(raw, INDEX, access, FILE_OPEN)


async def test_usage_by_sid_in_the_order_that_was_asked_for(server):
    raw = await tree_of(server, TRACKED)
    assert await put(raw, "a", 8 * K) is Status.SUCCESS
    assert await put(await other_tree(server), "b", 12 * K) is Status.SUCCESS
    file_id = await index(raw)
    nobody = ALICE.child(7)
    found = await entries(raw, file_id, sid_list=encode_sids([BOB, nobody, ALICE]))
    assert found == [
        QuotaInformation(BOB, 12 * K, 50 * K, 100 * K),
        QuotaInformation(nobody, 0, 0, 0),
        QuotaInformation(ALICE, 8 * K, 50 * K, 100 * K),
    ]
    assert await entries(raw, file_id, sid_list=encode_sids([BOB, ALICE]), single=True) == found[:1]


async def test_a_listing_goes_on_begins_anew_and_ends(server):
    """1 three entries, 2 one at a time, 3 the end, 4 anew, 5 from a SID on."""
    users = {sid: QuotaEntry(limit=number) for number, sid in enumerate((ALICE, BOB, ALICE.child(1)))}
    raw = await tree_of(server, TRACKED.with_users(users))
    file_id = await index(raw)
    listed = [(await entries(raw, file_id, single=True))[0].sid for _ in range(3)]
    assert listed == sorted(users)
    assert (await ask(raw, file_id)).status is Status.NO_MORE_ENTRIES
    assert [entry.sid for entry in await entries(raw, file_id, restart=True)] == listed
    assert (await ask(raw, file_id)).status is Status.NO_MORE_ENTRIES
    assert [entry.sid for entry in await entries(raw, file_id, start_sid=listed[0].encode())] == listed[1:]


async def test_only_whole_entries_are_returned(server):
    users = {sid: QuotaEntry(limit=5) for sid in (ALICE, BOB)}
    raw = await tree_of(server, TRACKED.with_users(users))
    file_id = await index(raw)
    size = len(encode_quotas([QuotaInformation(ALICE)]))
    assert (await ask(raw, file_id, size - 1)).status is Status.BUFFER_TOO_SMALL
    assert len(await entries(raw, file_id, size)) == 1
    assert len(await entries(raw, file_id, size + 8 + size - 1)) == 1
    assert len(await entries(raw, file_id, 2 * size + 8, restart=True)) == 2


async def test_a_user_sees_his_own_quota_and_sets_none(server):
    await tree_of(server, TRACKED)
    raw = await other_tree(server)
    await put(raw, "b", 12 * K)
    file_id = await index(raw)
    assert (await entries(raw, file_id, sid_list=encode_sids([BOB])))[0].used == 12 * K
    for asked in ({"sid_list": encode_sids([ALICE])}, {"sid_list": encode_sids([BOB, ALICE])}, {}):
        assert (await ask(raw, file_id, **asked)).status is Status.ACCESS_DENIED
    more = encode_quotas([QuotaInformation(BOB, limit=1 << 40)])
    assert (await raw.set_info(file_id, 0, more, kind=InfoType.QUOTA)).status is Status.ACCESS_DENIED
    control = fs.ControlInformation(flags=0).encode()
    refused = await raw.set_info(file_id, FILE_FS_CONTROL_INFORMATION, control, kind=InfoType.FILESYSTEM)
    assert refused.status is Status.ACCESS_DENIED


async def test_limits_are_set_enforced_and_removed(server):
    raw = await tree_of(server, TRACKED)
    file_id = await index(raw)
    volume = server.volumes["data"]
    set_to = encode_quotas([QuotaInformation(BOB, limit=20 * K, threshold=-1), QuotaInformation(ALICE)])
    (await raw.set_info(file_id, 0, set_to, kind=InfoType.QUOTA)).expect()
    assert set(volume.config.space.users) == {ALICE, BOB}
    bob = await other_tree(server)
    assert await put(bob, "b", 21 * K) is Status.DISK_FULL
    assert await put(bob, "b", 20 * K) is Status.SUCCESS
    found = (await entries(raw, file_id, sid_list=encode_sids([BOB])))[0]
    assert (found.used, found.threshold, found.limit) == (20 * K, -1, 20 * K)
    assert found.change_time > 0
    remove = encode_quotas([QuotaInformation(BOB, limit=REMOVE)])
    (await raw.set_info(file_id, 0, remove, kind=InfoType.QUOTA)).expect()
    assert (await raw.set_info(file_id, 0, remove, kind=InfoType.QUOTA)).status is Status.NO_MATCH
    assert await put(bob, "c", 80 * K) is Status.SUCCESS
    assert await put(bob, "d", 1) is Status.DISK_FULL


@pytest.mark.parametrize(
    ("data", "status"),
    [
        pytest.param(b"", Status.INVALID_PARAMETER, id="nothing"),
        pytest.param(bytes(39), Status.INVALID_PARAMETER, id="cut"),
        pytest.param(encode_quotas([QuotaInformation(BOB, limit=-3)]), Status.INVALID_PARAMETER, id="negative"),
        pytest.param(encode_quotas([QuotaInformation(ADMINISTRATORS, limit=5)]), Status.ACCESS_DENIED, id="group"),
    ],
)
async def test_impossible_quotas_are_refused(server, data, status):
    raw = await tree_of(server, TRACKED)
    assert (await raw.set_info(await index(raw), 0, data, kind=InfoType.QUOTA)).status is status
    assert server.volumes["data"].config.space == TRACKED


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(bytes(15), id="cut"),
        pytest.param(QueryQuotaInfo(sid_list=bytes(7)).encode(), id="list cut"),
        pytest.param(QueryQuotaInfo(sid_list=encode_sids([ALICE]) + b"\0").encode(), id="list of an odd length"),
        pytest.param(QueryQuotaInfo(start_sid=bytes(7)).encode(), id="SID cut"),
        pytest.param(b"\0\0\0\0\xff\xff\xff\xff" + bytes(8), id="list longer than the buffer"),
        pytest.param(bytes(8) + b"\x0c\0\0\0\xff\xff\xff\xff" + bytes(12), id="SID outside of the buffer"),
    ],
)
async def test_queries_that_make_no_sense_are_refused(server, data):
    raw = await tree_of(server, TRACKED)
    answer = await raw.query_info(await index(raw), 0, InfoType.QUOTA, input=data)
    assert answer.status is Status.INVALID_PARAMETER


async def test_rules_that_cannot_be_stored_do_not_hold(server):
    raw = await tree_of(server, TRACKED)

    async def fail(_change):
        raise NtError(Status.UNEXPECTED_IO_ERROR, "the database is away")

    server.volumes["data"].keep_rules = fail
    answer = await raw.set_info(await index(raw), 0, encode_quotas([QuotaInformation(BOB)]), kind=InfoType.QUOTA)
    assert answer.status is Status.UNEXPECTED_IO_ERROR
    assert server.volumes["data"].config.space == TRACKED


async def test_changes_are_made_to_what_is_stored(server):
    """1 an administrator has set a quota that did not get here yet  2 a client sets another one  3 both are stored."""
    raw = await tree_of(server, TRACKED)
    volume, stored = server.volumes["data"], TRACKED.with_users({ALICE: QuotaEntry(limit=5)})

    async def keep(change):
        volume.set_space_rules(change(stored))

    volume.keep_rules = keep
    set_to = encode_quotas([QuotaInformation(BOB)])
    (await raw.set_info(await index(raw), 0, set_to, kind=InfoType.QUOTA)).expect()
    assert set(volume.config.space.users) == {ALICE, BOB}


async def test_quotas_are_switched_on_and_off_by_the_control_class(server):
    raw = await tree_of(server, SpaceRules())
    await put(raw, "a", 8 * K)
    file_id = await index(raw)

    async def control():
        answer = await raw.query_info(file_id, FILE_FS_CONTROL_INFORMATION, InfoType.FILESYSTEM)
        return fs.ControlInformation.decode(bytes(answer.expect().body.output))

    assert await control() == fs.ControlInformation()
    assert (await ask(raw, file_id)).status is Status.NO_MORE_ENTRIES
    wanted = fs.ControlInformation(
        default_quota_limit=100 * K, flags=fs.FILE_VC_QUOTA_ENFORCE | fs.FILE_VC_CONTENT_INDEX_DISABLED
    )
    (await raw.set_info(file_id, FILE_FS_CONTROL_INFORMATION, wanted.encode(), kind=InfoType.FILESYSTEM)).expect()
    assert await control() == replace(wanted, flags=fs.FILE_VC_QUOTA_ENFORCE)
    assert await entries(raw, file_id) == [QuotaInformation(ALICE, 8 * K, limit=100 * K)]
    assert await put(raw, "b", 93 * K) is Status.DISK_FULL
    off = fs.ControlInformation()
    (await raw.set_info(file_id, FILE_FS_CONTROL_INFORMATION, off.encode(), kind=InfoType.FILESYSTEM)).expect()
    assert await put(raw, "b", 93 * K) is Status.SUCCESS
    too_much = replace(wanted, default_quota_limit=1 << 63).encode()
    refused = await raw.set_info(file_id, FILE_FS_CONTROL_INFORMATION, too_much, kind=InfoType.FILESYSTEM)
    assert refused.status is Status.INVALID_PARAMETER


async def test_free_space_is_the_users_own(server):
    raw = await tree_of(server, TRACKED)
    bob = await other_tree(server)
    await put(bob, "b", 40 * K)

    async def left(client):
        answer = await client.query_info(
            await opened(client, "", FILE_READ_DATA, FILE_OPEN), FILE_FS_FULL_SIZE_INFORMATION,
            InfoType.FILESYSTEM,
        )  # fmt: skip
        size = fs.FullSizeInformation.decode(bytes(answer.expect().body.output))
        return size.total_units * 4, size.caller_available_units * 4

    assert await left(bob) == (100, 60)
    assert await left(raw) == (100, 100)


# -- a share with a limit --
async def test_a_full_share_loses_nothing(server):
    """1 fill it, 2 everything that needs room is refused, 3 what was there is there, 4 room is made, 5 it is used."""
    raw = await tree_of(server, SpaceRules(size_limit=64 * K))
    assert await put(raw, "kept", 60 * K) is Status.SUCCESS
    assert await put(raw, "more", 5 * K) is Status.DISK_FULL
    file_id = await opened(raw, "kept", FILE_ALL_ACCESS, FILE_OPEN)
    assert bytes((await raw.read(file_id, 0, 60 * K)).expect().body.data) == bytes(60 * K)
    (await raw.write(file_id, 59 * K, b"in place")).expect()
    (await raw.close(file_id)).expect()
    assert await put(raw, "more", 4 * K) is Status.SUCCESS
    file_id = await opened(raw, "", FILE_READ_DATA, FILE_OPEN)
    answer = await raw.query_info(file_id, FILE_FS_SIZE_INFORMATION, InfoType.FILESYSTEM)
    assert fs.SizeInformation.decode(bytes(answer.expect().body.output)) == fs.SizeInformation(16, 0, 8, 512)


async def test_many_clients_together_stay_below_the_limit(server):
    limit = 512 * K
    await tree_of(server, SpaceRules(size_limit=limit))
    space = server.volumes["data"].space
    highest = 0

    async def client(number):
        nonlocal highest
        raw = await server.tree()
        refused = 0
        for step in range(12):
            file_id = await opened(raw, f"f{number}-{step % 3}")
            status = (await raw.write(file_id, (step % 5) * 9 * K, bytes(30 * K))).status
            assert status in (Status.SUCCESS, Status.DISK_FULL)
            refused += status is Status.DISK_FULL
            highest = max(highest, space.used)
            (await raw.close(file_id)).expect()
        return refused

    refused = await asyncio.gather(*(client(number) for number in range(10)))
    assert sum(refused) > 0
    assert limit // 2 < highest <= limit
    used = space.used
    await space.count()
    assert space.used == used


async def test_a_client_waits_while_the_files_are_counted(make):
    """1 a count that takes long, 2 reads go on, 3 a write and the free space wait, 4 it ends, 5 both are answered."""
    faults, gate = Schedule(), asyncio.Event()
    server = make(backend=lambda clock: FaultyBackend(MemoryBackend(clock), faults))
    raw = await server.tree()
    await put(raw, "a", 8 * K)
    faults.hold("survey", gate)
    server.volumes["data"].set_space_rules(SpaceRules(size_limit=16 * K))
    file_id = await opened(raw, "a")
    assert len((await raw.read(file_id, 0, 100)).expect().body.data) == 100
    writing = asyncio.create_task(raw.write(file_id, 8 * K, bytes(9 * K)))
    asking = asyncio.create_task(raw.query_info(file_id, FILE_FS_SIZE_INFORMATION, InfoType.FILESYSTEM))
    assert len((await raw.read(file_id, 0, 200)).expect().body.data) == 200
    assert not writing.done()
    assert not asking.done()
    gate.set()
    assert (await writing).status is Status.DISK_FULL
    size = fs.SizeInformation.decode(bytes((await asking).expect().body.output))
    assert (size.total_units, size.available_units) == (4, 2)
