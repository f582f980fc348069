"""What a continuously available share acknowledges is on stable storage  [MS-SMB2 3.3.5.13, 3.3.5.9.10]."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from smbcore.nt.create import FILE_OPEN, FILE_OVERWRITE_IF
from smbcore.nt.info import fsctl
from smbcore.nt.info.classes import FILE_END_OF_FILE_INFORMATION
from smbcore.nt.status import Status
from smbcore.vfs.faulty import FaultyBackend, Schedule
from smbcore.vfs.memory.backend import MemoryBackend
from smbcore.vfs.memory.node import MemoryNode
from smbcore.wire.ioctl import IoctlRequest
from smbcore.wire.set_info import SetInfoRequest
from smbcore.wire.write import WriteRequest
from tests.protocol.durable import connected, durable
from tests.protocol.steps import create_request, turn

SIZE = 64 * 1024
ALWAYS, ORDINARY = "always", "data"


@pytest.fixture
def disk():
    """What the disk was asked to do."""
    return Schedule()


class Sharing(MemoryBackend):
    """A store whose files may share blocks."""

    def volume_info(self):
        return replace(super().volume_info(), supports_reflink=True)


@pytest.fixture
def server(make, disk, monkeypatch):
    copied = MemoryNode.copy_range

    async def copy_range(node, source, source_offset, offset, length, *, clone=False):  # noqa: ARG001 - nobody sees it
        return await copied(node, source, source_offset, offset, length)

    monkeypatch.setattr(MemoryNode, "copy_range", copy_range)
    return make(backend=lambda clock: FaultyBackend(Sharing(clock), disk))


async def opened(raw, name="file.txt"):
    return (await durable(raw, name=name, share=7, guid=name.encode().ljust(16), persistent=True)).expect().body.file_id


async def resume_key(raw, file_id):
    response = await raw.ioctl(fsctl.FSCTL_SRV_REQUEST_RESUME_KEY, file_id=file_id, max_output=64)
    return bytes(response.expect().body.output)[:24]


async def write(raw, file_id, _source):
    return WriteRequest(file_id, 0, b"data")


async def truncate(raw, file_id, _source):
    return SetInfoRequest(1, FILE_END_OF_FILE_INFORMATION, file_id, bytes(8))


async def zero(raw, file_id, _source):
    return IoctlRequest(fsctl.FSCTL_SET_ZERO_DATA, file_id, bytes(8) + (16).to_bytes(8, "little"))


async def clone(raw, file_id, source):
    data = fsctl.DuplicateExtents(source, 0, 0, SIZE).encode()
    return IoctlRequest(fsctl.FSCTL_DUPLICATE_EXTENTS_TO_FILE, file_id, data)


async def copy(raw, file_id, source):
    chunk = fsctl.CopyChunk(0, 0, SIZE)
    data = fsctl.CopyChunkRequest(await resume_key(raw, source), [chunk]).encode()
    return IoctlRequest(fsctl.FSCTL_SRV_COPYCHUNK, file_id, data, max_output_response=12)


CHANGES = pytest.mark.parametrize("change", [write, truncate, zero, clone, copy], ids=lambda change: change.__name__)


async def two_files(raw):
    """A file and a source to copy from, each with data."""
    file_id, source = await opened(raw), await opened(raw, "source.txt")
    for one in (file_id, source):
        (await raw.write(one, 0, bytes(range(256)) * (SIZE // 256))).expect()
    return file_id, source


@CHANGES
async def test_a_change_is_answered_when_it_is_stable(server, disk, change):
    """1 a persistent handle  2 the disk takes its time to make the change stable  3 only then there is an answer."""
    raw = await connected(server, ALWAYS)
    file_id, source = await two_files(raw)
    message, stable = await change(raw, file_id, source), asyncio.Event()
    disk.hold("flush", stable, path=("file.txt",))
    pending = await raw.begin(message)
    await turn(50)
    assert not pending.final.done()
    stable.set()
    (await pending.response()).expect()


@CHANGES
async def test_a_change_that_does_not_become_stable_has_failed(server, disk, change):
    raw = await connected(server, ALWAYS)
    file_id, source = await two_files(raw)
    message = await change(raw, file_id, source)
    disk.fail("flush", Status.IO_DEVICE_ERROR, path=("file.txt",))
    assert (await (await raw.begin(message)).response()).status is Status.IO_DEVICE_ERROR


@CHANGES
async def test_other_shares_leave_that_to_the_client(server, disk, change):
    raw = await connected(server, ORDINARY)
    file_id, source = await two_files(raw)
    message = await change(raw, file_id, source)
    disk.calls.clear()
    (await (await raw.begin(message)).response()).expect()
    assert not disk.calls["flush"]


@pytest.mark.parametrize("disposition", ["new", FILE_OVERWRITE_IF])
async def test_a_file_is_stable_before_it_is_promised(server, disk, disposition):
    """The row of a persistent open leads to its file: that has to be there after a failure of the power."""
    raw = await connected(server, ALWAYS)
    if disposition != "new":
        (await raw.close(await opened(raw))).expect()
    stable = asyncio.Event()
    disk.hold("flush", stable)
    more = {} if disposition == "new" else {"disposition": disposition}
    opening = asyncio.ensure_future(durable(raw, persistent=True, **more))
    await turn(50)
    assert not opening.done()
    stable.set()
    (await opening).expect()


async def test_a_file_that_was_there_needs_nothing(server, disk):
    raw = await connected(server, ALWAYS)
    (await raw.close(await opened(raw))).expect()
    disk.calls.clear()
    (await durable(raw, persistent=True, disposition=FILE_OPEN)).expect()
    assert not disk.calls["flush"]


async def test_a_new_file_that_is_not_stable_is_not_promised(server, disk):
    """1 the disk fails  2 the open fails  3 no handle is left."""
    raw = await connected(server, ALWAYS)
    disk.fail("flush", Status.IO_DEVICE_ERROR)
    assert (await durable(raw, persistent=True)).status is Status.IO_DEVICE_ERROR
    pending = await raw.begin(create_request("file.txt", share=0))
    (await pending.response()).expect()
