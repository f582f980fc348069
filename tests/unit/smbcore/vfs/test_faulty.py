"""Faults on schedule, over both kinds of volume."""

from __future__ import annotations

import asyncio

import pytest

from smbcore.fsa.backend import Backend
from smbcore.nt.status import NtError, Status
from smbcore.vfs.faulty import FaultyBackend, Schedule


@pytest.fixture
def faults() -> Schedule:
    return Schedule()


@pytest.fixture
def volume(backend: Backend, faults: Schedule) -> FaultyBackend:
    return FaultyBackend(backend, faults)


async def status_of(work) -> str:
    with pytest.raises(NtError) as caught:
        await work
    return caught.value.status.name


async def test_without_faults_everything_passes(volume: FaultyBackend, faults: Schedule) -> None:
    root = await volume.open(())
    node = await volume.create(root, "f", directory=False)
    await node.write(0, b"data")
    stream, _ = node.open_stream("s", create=True)
    await stream.write(0, b"more")
    await stream.copy_range(node, 0, 4, 4)
    await volume.rename(node, root, "g", replace=False)
    node.path = ("g",)
    assert (node.path, node.stream, node.is_directory, node.key) == (("g",), "", False, stream.key)
    assert await root.names() == ["g"]
    buffer = memoryview(bytearray(20))
    assert await stream.read_into(0, buffer) == 8
    assert bytes(buffer[:8]) == b"moredata"
    await volume.remove(node)
    for each in (stream, node, root):
        each.close()
    assert faults.calls["write"] == 2


async def test_the_third_write_finds_the_disk_full(volume: FaultyBackend, faults: Schedule) -> None:
    root = await volume.open(())
    node = await volume.create(root, "f", directory=False)
    faults.fail("write", Status.DISK_FULL, after=2)
    await node.write(0, b"1")
    await node.write(1, b"2")
    assert await status_of(node.write(2, b"3")) == "DISK_FULL"
    assert await node.write(2, b"4") == 1
    assert node.info().end_of_file == 3
    node.close()
    root.close()


async def test_torn_write_leaves_its_first_bytes(volume: FaultyBackend, faults: Schedule) -> None:
    root = await volume.open(())
    node = await volume.create(root, "f", directory=False)
    faults.shorten("write", 3, status=Status.DISK_FULL)
    assert await status_of(node.write(0, b"abcdef")) == "DISK_FULL"
    buffer = memoryview(bytearray(10))
    faults.shorten("read_into", 2)
    assert await node.read_into(0, buffer) == 2
    assert await node.read_into(0, buffer) == 3
    assert bytes(buffer[:3]) == b"abc"
    node.close()
    root.close()


async def test_input_output_errors_until_cleared(volume: FaultyBackend, faults: Schedule) -> None:
    root = await volume.open(())
    node = await volume.create(root, "f", directory=False)
    other = await volume.create(root, "other", directory=False)
    faults.fail("*", Status.IO_DEVICE_ERROR, times=-1, path=("f",))
    for _ in range(3):
        assert await status_of(node.read_into(0, memoryview(bytearray(1)))) == "IO_DEVICE_ERROR"
        assert await status_of(node.flush()) == "IO_DEVICE_ERROR"
        assert await status_of(volume.open(("f",))) == "IO_DEVICE_ERROR"
        with pytest.raises(NtError):
            node.set_security(b"\1")
    await other.flush()
    faults.clear()
    await node.flush()
    assert node.security() is None
    for each in (node, other, root):
        each.close()


async def test_held_call_waits_for_its_event(volume: FaultyBackend, faults: Schedule) -> None:
    root = await volume.open(())
    event = asyncio.Event()
    faults.hold("open", event)
    task = asyncio.ensure_future(volume.open(()))
    await asyncio.sleep(0)
    assert not task.done()
    event.set()
    (await task).close()
    root.close()


async def test_failed_create_is_not_made(volume: FaultyBackend, faults: Schedule) -> None:
    root = await volume.open(())
    faults.fail("create", Status.QUOTA_EXCEEDED, path=("f",))
    assert await status_of(volume.create(root, "f", directory=False)) == "QUOTA_EXCEEDED"
    assert await root.names() == []
    root.close()
