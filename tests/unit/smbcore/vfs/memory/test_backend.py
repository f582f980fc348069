"""What only the volume in memory has: a capacity, a clock, a count of open nodes."""

from __future__ import annotations

import pytest

from smbcore.nt.clock import ManualClock
from smbcore.nt.status import NtError, Status
from smbcore.vfs.memory.backend import MemoryBackend
from smbcore.vfs.memory.data import CLUSTER
from smbcore.vfs.memory.node import MemoryNode
from smbcore.vfs.memory.objects import ROOT_ID


async def test_capacity_is_taken_and_given_back() -> None:
    volume = MemoryBackend(capacity=10 * CLUSTER)
    root = await volume.open(())
    node = await volume.create(root, "f", directory=False)
    await node.write(0, bytes(9 * CLUSTER))
    stream, _ = node.open_stream("s", create=True)
    await stream.write(0, b"x")
    with pytest.raises(NtError) as caught:
        await stream.write(CLUSTER, b"x")
    assert caught.value.status is Status.DISK_FULL
    with pytest.raises(NtError):
        await node.set_allocation(11 * CLUSTER)
    await node.set_end_of_file(4 * CLUSTER)
    assert volume.volume_info().free == 5 * CLUSTER
    await volume.remove(stream)
    assert volume.volume_info().free == 6 * CLUSTER
    await volume.remove(node)
    assert volume.volume_info().free == 10 * CLUSTER
    await node.write(0, bytes(5 * CLUSTER))
    assert volume.volume_info().free == 10 * CLUSTER


async def test_times_come_from_the_clock() -> None:
    clock = ManualClock()
    volume = MemoryBackend(clock)
    root = await volume.open(())
    node = await volume.create(root, "f", directory=False)
    assert node.info().creation_time == clock.now()
    clock.advance(10)
    await node.write(0, b"x")
    assert node.info().last_write_time == node.info().creation_time + 100_000_000


async def test_open_nodes_are_counted_and_closed_ones_refuse() -> None:
    volume = MemoryBackend()
    root = await volume.open(())
    assert isinstance(root, MemoryNode)
    assert root.info().file_id == ROOT_ID
    assert volume.open_nodes == 1
    root.close()
    root.close()
    assert volume.open_nodes == 0
    with pytest.raises(NtError) as caught:
        root.info()
    assert caught.value.status is Status.FILE_CLOSED


async def test_symbolic_links_stop_lead_on_or_open_themselves() -> None:
    volume = MemoryBackend()
    root = await volume.open(())
    (await volume.create(root, "f", directory=False)).close()
    volume.add_symlink(("inside",), "./f")
    volume.add_symlink(("outside",), "../f")
    assert (await volume.open(("INSIDE",))).path == ("f",)
    link = await volume.open(("outside",), follow=False)
    assert link.object_metadata("posix.symlink") == b"../f"
    for path in (("outside",), ("inside", "x")):
        with pytest.raises(NtError) as caught:
            await volume.open(path)
        assert caught.value.status is Status.STOPPED_ON_SYMLINK
