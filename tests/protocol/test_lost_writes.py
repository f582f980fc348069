"""Changes that are on their way to the disk when their connection is lost  [MS-SMB2 3.3.5.2.10, 3.3.7.1].

They cannot be called back. What repeats them or comes after them must not be overtaken by them.
"""

from __future__ import annotations

import asyncio

import pytest

from smbcore.auth.initiator import Initiator
from smbcore.client.message import How
from smbcore.client.raw import RawClient
from smbcore.client.session import bind
from smbcore.nt.info import fsctl
from smbcore.nt.info.classes import FILE_END_OF_FILE_INFORMATION
from smbcore.nt.status import Status
from smbcore.vfs.faulty import FaultyBackend, Schedule
from smbcore.vfs.memory.backend import MemoryBackend
from smbcore.wire.header import FLAG_REPLAY
from smbcore.wire.ioctl import IoctlRequest
from smbcore.wire.set_info import SetInfoRequest
from smbcore.wire.write import WriteRequest
from tests.memory_server import PASSWORD, USER
from tests.protocol.durable import connected, cut, durable, plain, reclaimed
from tests.protocol.steps import Gate, opened, turn


def at(sequence, flags=0):
    return How(channel_sequence=sequence, flags=flags)


class SlowDisk:
    """A server whose next write stays on its way to the disk until `arrives`."""

    def __init__(self, make):
        self.faults = Schedule()
        self.server = make(backend=lambda clock: FaultyBackend(MemoryBackend(clock), self.faults))
        self.on_disk = Gate()

    async def write(self, raw, file_id, data, how=at(0)):  # noqa: B008 - immutable
        self.faults.hold("write", self.on_disk)
        await raw.begin(WriteRequest(file_id, 0, data), how)
        await turn()

    async def arrives(self):
        self.on_disk.set()
        await turn()


@pytest.fixture
async def disk(make):
    made = SlowDisk(make)
    yield made
    await made.arrives()


async def bound(server, first):
    other = await server.negotiated(client_guid=first.connection.client_guid)
    await bind(other.connection, first.session, Initiator(USER, PASSWORD))
    return RawClient(other.connection, first.session, first.tree_id)


async def test_the_repetition_of_a_write_whose_channel_is_lost_has_to_wait(disk):
    one = await disk.server.tree()
    other = await bound(disk.server, one)
    file_id = await opened(one)
    # 1 a write is on its way to the disk when its channel is lost
    await disk.write(one, file_id, b"first!")
    await cut(one)
    # 2 its repetition on the other channel is refused as long as that lasts, once and again
    repeated = at(1, FLAG_REPLAY)
    for _ in range(2):
        assert (await other.write(file_id, 0, b"first!", repeated)).status is Status.FILE_NOT_AVAILABLE
    # 3 then it is accepted, and what was written last stays
    await disk.arrives()
    (await other.write(file_id, 0, b"first!", repeated)).expect()
    (await other.write(file_id, 0, b"second", at(1))).expect()
    assert bytes((await other.read(file_id, 0, 6, at(1))).expect().body.data) == b"second"


async def test_so_has_one_under_the_same_number(disk):
    """The number of a client that has not noticed the loss; its answer can reach nobody any more all the same."""
    one = await disk.server.tree()
    other = await bound(disk.server, one)
    file_id = await opened(one)
    await disk.write(one, file_id, b"first!")
    (await other.write(file_id, 100, b"x", at(0, FLAG_REPLAY))).expect()
    await cut(one)
    assert (await other.write(file_id, 0, b"first!", at(0, FLAG_REPLAY))).status is Status.FILE_NOT_AVAILABLE


@pytest.mark.parametrize("v2", [True, False])
async def test_a_handle_that_is_reclaimed_remembers_what_is_under_way(disk, v2):
    raw = await connected(disk.server)
    file_id = (await durable(raw, v2=v2)).expect().body.file_id
    await disk.write(raw, file_id, b"first!")
    await cut(raw)
    # 1 the client comes back and takes its handle
    again = await connected(disk.server)
    file_id = (await reclaimed(again, file_id, v2=v2)).expect().body.file_id
    # 2 what it repeats is refused until the disk is done
    assert (await again.write(file_id, 0, b"first!", at(0, FLAG_REPLAY))).status is Status.FILE_NOT_AVAILABLE
    await disk.arrives()
    (await again.write(file_id, 0, b"first!", at(0, FLAG_REPLAY))).expect()


async def test_a_disconnected_handle_closes_after_the_write_under_way(disk):
    raw = await connected(disk.server)
    file_id = (await durable(raw, share=7)).expect().body.file_id
    other = await disk.server.tree()
    await disk.write(raw, file_id, b"late")
    # 1 somebody else opens the file: the handle gives way, but its file is not closed under the write
    await cut(raw)
    opening = asyncio.ensure_future(plain(other))
    await turn()
    assert not opening.done()
    # 2 the write is done, and there
    await disk.arrives()
    file_id = (await opening).expect().body.file_id
    assert bytes((await other.read(file_id, 0, 4)).expect().body.data) == b"late"
    assert not disk.server.server.disconnected


async def test_a_session_that_ends_closes_its_files_after_the_write_under_way(disk):
    raw = await disk.server.tree()
    file_id = await opened(raw)
    await disk.write(raw, file_id, b"late")
    closed = disk.faults.calls["close"]
    await cut(raw)
    assert disk.faults.calls["close"] == closed
    await disk.arrives()
    await disk.server.server.drain()
    assert disk.faults.calls["close"] == closed + 1


# -- clients that do not mark what they repeat --


CHANGES = {
    "write": lambda file_id: WriteRequest(file_id, 0, b"second"),
    "set_info": lambda file_id: SetInfoRequest(1, FILE_END_OF_FILE_INFORMATION, file_id, (3).to_bytes(8, "little")),
    "ioctl": lambda file_id: IoctlRequest(
        fsctl.FSCTL_SET_ZERO_DATA, file_id, (0).to_bytes(8, "little") + (6).to_bytes(8, "little"), 0
    ),
}
RESULTS = {"write": b"second", "set_info": b"fir", "ioctl": bytes(6)}


async def test_a_copy_to_the_file_waits_for_a_lost_write_too(disk):
    one = await disk.server.tree()
    other = await bound(disk.server, one)
    source, file_id = await opened(one, "source.txt"), await opened(one)
    (await one.write(source, 0, b"copied")).expect()
    await disk.write(one, file_id, b"first!")
    await cut(one)
    chunks = fsctl.CopyChunkRequest(source + bytes(8), [fsctl.CopyChunk(0, 0, 6)]).encode()
    pending = await other.begin(IoctlRequest(fsctl.FSCTL_SRV_COPYCHUNK, file_id, chunks, 100), at(1))
    await pending.pending()
    await disk.arrives()
    (await pending.response()).expect()
    assert bytes((await other.read(file_id, 0, 6, at(1))).expect().body.data) == b"copied"


@pytest.mark.parametrize("change", CHANGES)
async def test_a_change_on_another_channel_waits_for_a_lost_write(disk, change):
    one = await disk.server.tree()
    other = await bound(disk.server, one)
    file_id = await opened(one)
    await disk.write(one, file_id, b"first!")
    await cut(one)
    # 1 it is told that it has to wait; looking is not
    pending = await other.begin(CHANGES[change](file_id), at(1))
    await pending.pending()
    assert (await other.read(file_id, 0, 1, at(1))).status is Status.END_OF_FILE
    # 2 and comes after it
    await disk.arrives()
    (await pending.response()).expect()
    assert bytes((await other.read(file_id, 0, 6, at(1))).expect().body.data) == RESULTS[change]


async def test_a_write_through_a_reclaimed_handle_waits_for_a_lost_one(disk):
    raw = await connected(disk.server)
    file_id = (await durable(raw)).expect().body.file_id
    await disk.write(raw, file_id, b"first!")
    await cut(raw)
    again = await connected(disk.server)
    file_id = (await reclaimed(again, file_id)).expect().body.file_id
    pending = await again.begin(WriteRequest(file_id, 0, b"second"))
    await pending.pending()
    # one that is given up does not end the wait of the others
    given_up = await again.begin(WriteRequest(file_id, 0, b"nobody"))
    await given_up.pending()
    await again.cancel(given_up)
    assert (await given_up.response()).status is Status.CANCELLED
    await disk.arrives()
    (await pending.response()).expect()
    assert bytes((await again.read(file_id, 0, 6)).expect().body.data) == b"second"


async def test_a_change_does_not_wait_for_those_that_are_not_lost(disk):
    one = await disk.server.tree()
    file_id = await opened(one)
    await disk.write(one, file_id, b"first!")
    (await one.write(file_id, 10, b"x")).expect()


async def test_what_waits_for_a_lost_write_ends_with_its_own_connection(disk):
    one = await disk.server.tree()
    other = await bound(disk.server, one)
    third = await bound(disk.server, one)
    file_id = await opened(one)
    await disk.write(one, file_id, b"first!")
    await cut(one)
    await (await other.begin(WriteRequest(file_id, 0, b"second"), at(1))).pending()
    await cut(other)
    pending = await third.begin(WriteRequest(file_id, 0, b"third!"), at(2))
    await pending.pending()
    await disk.arrives()
    (await pending.response()).expect()
    assert bytes((await third.read(file_id, 0, 6, at(2))).expect().body.data) == b"third!"
