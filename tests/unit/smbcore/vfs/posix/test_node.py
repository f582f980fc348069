"""What only a volume on a real file system does: cold reads, descriptors, links, errors of the kernel."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
import threading
from pathlib import Path

import pytest

from smbcore.fsa.backend import Node
from smbcore.nt.status import NtError, Status
from smbcore.vfs.posix import data, kernel
from smbcore.vfs.posix.backend import PosixBackend


async def status_of(work) -> str:
    with pytest.raises(NtError) as caught:
        await work
    return caught.value.status.name


async def opened(posix: PosixBackend, share: Path, content: bytes) -> Node:
    (share / "f").write_bytes(content)
    return await posix.open(("f",))


def drive(work):
    """Run a coroutine that must not suspend."""
    with pytest.raises(StopIteration) as finished:
        work.send(None)
    return finished.value.value


async def test_cached_read_and_small_write_do_not_suspend(posix: PosixBackend, share: Path) -> None:
    node = await opened(posix, share, b"x" * 10_000)
    buffer = memoryview(bytearray(20_000))
    assert drive(node.read_into(0, buffer[:10_000])) == 10_000
    assert drive(node.read_into(5000, buffer)) == 5000
    assert drive(node.write(10_000, b"y")) == 1
    assert drive(posix.open(("f",))).path == ("f",)
    node.close()


@pytest.mark.parametrize("cached", [-1, 0, 3])
async def test_cold_read_goes_to_the_pool(
    posix: PosixBackend, share: Path, monkeypatch: pytest.MonkeyPatch, cached: int
) -> None:
    """Nothing (EAGAIN) or only the first bytes are in the page cache."""
    node = await opened(posix, share, b"0123456789")

    def cold(descriptor: int, offset: int, into: memoryview) -> int:
        return data.read_all(descriptor, offset, into[:cached]) if cached > 0 else cached

    monkeypatch.setattr(data, "read_cached", cold)
    buffer = memoryview(bytearray(8))
    assert await node.read_into(1, buffer) == 8
    assert bytes(buffer) == b"12345678"
    assert await node.read_into(7, buffer) == 3
    node.close()


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (errno.ENOSPC, "DISK_FULL"),
        (errno.EDQUOT, "QUOTA_EXCEEDED"),
        (errno.EIO, "IO_DEVICE_ERROR"),
        (errno.EROFS, "MEDIA_WRITE_PROTECTED"),
        (errno.ESTALE, "FILE_INVALID"),
        (errno.EACCES, "ACCESS_DENIED"),
        (errno.EMFILE, "TOO_MANY_OPENED_FILES"),
        (12345, "UNEXPECTED_IO_ERROR"),
    ],
)
async def test_errno_becomes_a_status(
    posix: PosixBackend, share: Path, monkeypatch: pytest.MonkeyPatch, number: int, status: str
) -> None:
    node = await opened(posix, share, b"x")

    def fail(*args: object, **kwargs: object) -> int:
        raise OSError(number, "injected")

    await node.write(0, b"open for writing")
    monkeypatch.setattr(os, "pwrite", fail)
    assert await status_of(node.write(0, b"y")) == status
    monkeypatch.setattr(os, "fsync", fail)
    assert await status_of(node.flush()) == status
    monkeypatch.setattr(os, "open", fail)
    assert await status_of(posix.open(("f",))) == status
    node.close()


async def test_partial_write_goes_on(posix: PosixBackend, share: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = await opened(posix, share, b"")
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, view, offset: real(fd, bytes(view)[:3], offset))
    assert await node.write(0, b"0123456789") == 10
    assert (share / "f").read_bytes() == b"0123456789"
    node.close()


async def test_transfer_descriptor_stays_the_same_when_the_node_becomes_writable(
    posix: PosixBackend, share: Path
) -> None:
    node = await opened(posix, share, b"abc")
    descriptor = node.transfer_descriptor()
    assert descriptor is not None
    await node.write(0, b"x")
    assert node.transfer_descriptor() == descriptor
    assert os.pread(descriptor, 3, 0) == b"xbc"
    assert not os.get_inheritable(descriptor)
    node.close()


async def test_no_descriptor_is_left_open(posix: PosixBackend, share: Path) -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))

    async def use() -> None:
        root = await posix.open(())
        node = await posix.create(root, "Some long name", directory=False)
        await node.write(0, b"x")
        for size in (10, 10_000):
            stream, _ = node.open_stream(f"s{size}", create=True)
            await stream.write(0, bytes(size))
            stream.close()
        (await posix.open(("SOME LONG NAME",))).close()
        (share / "link").symlink_to("Some long name")
        (await posix.open(("link",))).close()
        (await posix.open(("link",), follow=False)).close()
        (share / "link").unlink()
        for path in (("none",), ("none", "x"), ("..",), ("Some long name", "x")):
            await status_of(posix.open(path))
        await posix.link(node, root, "l2", replace=False)
        await posix.rename(node, root, "other", replace=False)
        await posix.remove(node)
        node.close()
        node = await posix.open(("l2",))
        await posix.remove(node)
        node.close()
        root.close()

    await use()
    before = count()
    await use()
    assert count() == before


async def test_streams_go_with_the_last_link(posix: PosixBackend, share: Path) -> None:
    root = await posix.open(())
    node = await posix.create(root, "f", directory=False)
    stream, _ = node.open_stream("s", create=True)
    await stream.write(0, bytes(10_000))
    stream.close()
    await posix.link(node, root, "g", replace=False)
    await posix.remove(node)
    node.close()
    node = await posix.open(("g",))
    assert [s.end_of_file for s in node.streams()] == [10_000]
    target = await posix.create(root, "new", directory=False)
    await posix.rename(target, root, "g", replace=True)
    assert os.listdir(share / ".holdfast-streams") == []
    for each in (node, target, root):
        each.close()


async def test_streams_of_a_copied_attribute_are_absent_not_shared(posix: PosixBackend, share: Path) -> None:
    """A local copy with its extended attributes lists a large stream whose data belongs to the original."""
    root = await posix.open(())
    node = await posix.create(root, "f", directory=False)
    stream, _ = node.open_stream("s", create=True)
    await stream.write(0, bytes(10_000))
    (share / "copy").touch()
    os.setxattr(share / "copy", "user.holdfast.streams", os.getxattr(share / "f", "user.holdfast.streams"))
    copy = await posix.open(("copy",))
    assert copy.streams() == []
    for each in (stream, node, copy, root):
        each.close()


async def test_clone_shares_blocks_or_says_that_it_cannot(posix: PosixBackend, share: Path) -> None:
    node = await opened(posix, share, b"x" * 65_536)
    root = await posix.open(())
    target = await posix.create(root, "t", directory=False)
    if posix.volume_info().supports_reflink:
        assert await target.copy_range(node, 0, 0, 65_536, clone=True) == 65_536
    else:
        assert await status_of(target.copy_range(node, 0, 0, 65_536, clone=True)) == "NOT_SUPPORTED"
    for each in (node, target, root):
        each.close()


async def test_copy_falls_back_to_a_buffer(posix: PosixBackend, share: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = os.urandom(2_500_000)
    node = await opened(posix, share, content)
    root = await posix.open(())
    target = await posix.create(root, "t", directory=False)

    def fail(*args: object) -> int:
        raise OSError(errno.EXDEV, "another file system")

    monkeypatch.setattr(os, "copy_file_range", fail)
    assert await target.copy_range(node, 0, 0, 3_000_000) == 2_500_000
    assert (share / "t").read_bytes() == content
    assert await target.copy_range(target, 0, 1_000_000, 1_500_000) == 1_500_000
    assert (share / "t").read_bytes() == content[:1_000_000] + content[:1_500_000]
    assert await target.copy_range(target, 1_000_000, 0, 1_500_000) == 1_500_000
    assert (share / "t").read_bytes() == content[:1_500_000] + content[500_000:1_500_000]
    for each in (node, target, root):
        each.close()


async def test_zero_range_writes_zeros_where_there_are_no_holes(
    posix: PosixBackend, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = await opened(posix, share, b"x" * 200_000)

    def fail(*args: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "no holes")

    monkeypatch.setattr(kernel, "fallocate", fail)
    await node.zero_range(10, 199_990)
    assert (share / "f").read_bytes() == b"x" * 10 + bytes(199_980) + b"x" * 10
    await node.set_allocation(1 << 20)
    node.close()


async def test_allocation_counts_the_data_not_the_attributes(posix: PosixBackend) -> None:
    root = await posix.open(())
    node = await posix.create(root, "f", directory=False, security=b"\1" * 2000)
    assert node.info().allocation_size == 0
    await node.write(0, b"x" * 100)
    await node.flush()
    assert node.info().allocation_size == posix.cluster_size
    node.close()
    root.close()


async def test_rename_without_the_flag_for_it(
    posix: PosixBackend, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = await opened(posix, share, b"x")
    root = await posix.open(())
    (share / "taken").touch()

    def fail(*args: object) -> None:
        raise OSError(errno.EINVAL, "no flags")

    monkeypatch.setattr(kernel, "renameat2", fail)
    await posix.rename(node, root, "g", replace=False)
    assert (share / "g").read_bytes() == b"x"
    assert await status_of(posix.rename(node, root, "TAKEN", replace=False)) == "OBJECT_NAME_COLLISION"
    node.close()
    root.close()


async def test_file_id_is_found_without_having_been_opened(posix: PosixBackend, share: Path) -> None:
    (share / "d" / "e").mkdir(parents=True)
    (share / "d" / "e" / "f").touch()
    inode = os.stat(share / "d" / "e" / "f").st_ino
    node = await posix.open_by_id(inode)
    assert node.path == ("d", "e", "f")
    node.close()
    (share / "d").rename(share / "moved")
    node = await posix.open_by_id(inode)
    assert node.path == ("moved", "e", "f")
    node.close()


async def test_many_entries_and_a_large_directory(posix: PosixBackend, share: Path) -> None:
    names = [f"file-{number:05}" + "x" * 60 for number in range(1500)]
    for name in names:
        (share / name).touch()
    root = await posix.open(())
    listed = await root.names()
    assert sorted(listed) == names
    assert [name for name, _ in await root.entries(listed)] == listed
    root.close()


async def test_second_look_sees_what_changed_since_the_first(posix: PosixBackend, share: Path) -> None:
    node = await opened(posix, share, b"x" * 10)
    info, security = node.look()
    assert (info, security) == (node.info(), node.security())
    (share / "f").write_bytes(b"x" * 30)
    node.set_security(b"descriptor")
    info, security = node.look()
    assert (info.end_of_file, security) == (30, b"descriptor")
    node.close()


async def test_look_at_a_stream_shows_its_own_size(posix: PosixBackend, share: Path) -> None:
    node = await opened(posix, share, b"x" * 10)
    stream, _ = node.open_stream("s", create=True)
    await stream.write(0, b"abc")
    assert stream.look()[0].end_of_file == 3
    stream.close()
    node.close()


@pytest.mark.parametrize("stream", ["", "large"])
async def test_close_during_a_write_waits_for_the_thread(
    posix: PosixBackend, share: Path, monkeypatch: pytest.MonkeyPatch, stream: str
) -> None:
    """1 a thread is about to write, 2 the node is closed, 3 another file is opened, 4 the thread writes.

    The other file must not have got the descriptor number that the thread holds.
    """
    node = await opened(posix, share, b"")
    if stream:
        carrier = node
        node, _ = carrier.open_stream(stream, create=True)
        carrier.close()
        await node.write(0, bytes(200_000))
    (share / "other").write_bytes(b"untouched")
    begun, go_on = threading.Event(), threading.Event()
    write_all = data.write_all

    def slow(descriptor: int, offset: int, content: memoryview) -> int:
        begun.set()
        go_on.wait(10)
        return write_all(descriptor, offset, content)

    monkeypatch.setattr(data, "write_all", slow)
    content = b"w" * (2 << 20)
    writing = asyncio.ensure_future(node.write(0, content))
    await asyncio.to_thread(begun.wait, 10)
    node.close()
    others = [await posix.open(("other",), writable=True) for _ in range(5)]
    go_on.set()
    assert await writing == len(content)
    assert (share / "other").read_bytes() == b"untouched"
    assert node.descriptor == -1
    for other in others:
        other.close()
    assert await status_of(node.write(0, content)) == "FILE_CLOSED"


async def test_source_of_a_copy_is_not_closed_under_the_thread(
    posix: PosixBackend, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = await opened(posix, share, b"source")
    target = await posix.create(await posix.open(()), "target", directory=False)
    begun, go_on = threading.Event(), threading.Event()
    copy = data.copy

    def slow(*arguments: int) -> int:
        begun.set()
        go_on.wait(10)
        return copy(*arguments)

    monkeypatch.setattr(data, "copy", slow)
    copying = asyncio.ensure_future(target.copy_range(source, 0, 0, 6))
    await asyncio.to_thread(begun.wait, 10)
    source.close()
    target.close()
    source.close()
    go_on.set()
    assert await copying == 6
    assert (share / "target").read_bytes() == b"source"
    assert (source.descriptor, target.descriptor) == (-1, -1)


async def test_volume_closes_while_a_thread_is_at_work(share: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    posix = PosixBackend(share)
    root = await posix.open(())
    node = await posix.create(root, "f", directory=False)
    begun, may_end = threading.Event(), threading.Event()
    sync = os.fsync

    def slow(descriptor: int) -> None:
        begun.set()
        may_end.wait(10)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", slow)
    flush = asyncio.ensure_future(node.flush())
    await asyncio.to_thread(begun.wait, 10)
    descriptor = posix.root
    node.close()
    root.close()
    posix.close()  # 1 nobody waits
    assert stat.S_ISDIR(os.fstat(descriptor).st_mode)  # 2 and the number is nobody else's yet
    for attempt in (posix.open(("f",)), posix.open(()), posix.open(("d", "f"))):
        with pytest.raises(NtError) as caught:  # 3 nothing is opened relative to it any more
            await attempt
        assert caught.value.status is Status.FILE_CLOSED
    posix.close()
    may_end.set()
    await flush
    for thread in threading.enumerate():
        if thread.name == "holdfast-io-end":
            await asyncio.to_thread(thread.join, 10)
    with pytest.raises(OSError):
        os.fstat(descriptor)
