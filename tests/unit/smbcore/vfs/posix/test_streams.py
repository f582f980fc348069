"""The index of streams, and streams that grow when there is no room."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from smbcore.nt.status import NtError, Status
from smbcore.vfs.posix import xattr
from smbcore.vfs.posix.backend import PosixBackend
from smbcore.vfs.posix.streams import Stream, StreamTable


def test_index_survives_packing_and_refuses_damage() -> None:
    streams = [
        Stream("Zone.Identifier", b"12345678", in_side_store=False),
        Stream("\ud800ß", b"abcdefgh", in_side_store=True),
    ]
    table = StreamTable({stream.name.upper(): stream for stream in streams})
    packed = table.encode()
    assert packed is not None
    again = StreamTable.decode(packed)
    assert [(s.name, s.identity, s.in_side_store) for s in again.streams.values()] == [
        (s.name, s.identity, s.in_side_store) for s in streams
    ]
    assert StreamTable().encode() is None
    assert StreamTable.decode(None).streams == {}
    for damaged in (b"\x02" + packed[1:], packed[:5], packed[:-1] + b"\xff"):
        with pytest.raises(NtError) as caught:
            StreamTable.decode(damaged)
        assert caught.value.status is Status.FILE_CORRUPT_ERROR


async def test_failed_write_leaves_what_was_there(
    posix: PosixBackend, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = await posix.open(())
    node = await posix.create(root, "f", directory=False)
    stream, _ = node.open_stream("s", create=True)
    await stream.write(0, b"kept")

    def fail(*args: object, **kwargs: object) -> int:
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patch:
        patch.setattr(os, "setxattr", fail)
        patch.setattr(type(posix.side), "open", fail)
        for work in (stream.write(0, b"x" * 10), stream.write(0, b"x" * 10_000), stream.set_end_of_file(2)):
            with pytest.raises(NtError) as caught:
                await work
            assert caught.value.status is Status.DISK_FULL
        with pytest.raises(NtError):
            node.open_stream("another", create=True)
    buffer = memoryview(bytearray(100))
    assert bytes(buffer[: await stream.read_into(0, buffer)]) == b"kept"
    assert [s.name for s in node.streams()] == ["s"]
    for each in (stream, node, root):
        each.close()


@pytest.mark.parametrize("attribute_fits", [True, False])
async def test_stream_that_cannot_be_made_on_a_full_disk_leaves_nothing(
    posix: PosixBackend, share: Path, monkeypatch: pytest.MonkeyPatch, attribute_fits: bool
) -> None:
    """There is room for the data, in the attribute or beside the file, but not for the index of the streams."""
    root = await posix.open(())
    node = await posix.create(root, "f", directory=False)
    before = os.listxattr(share / "f")
    real = os.setxattr

    def full(file: int, name: str, value: bytes) -> None:
        if name == xattr.STREAMS or not attribute_fits:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(file, name, value)

    with monkeypatch.context() as patch:
        patch.setattr(os, "setxattr", full)
        patch.setattr(type(posix.side), "save", lambda *_: full(0, xattr.STREAMS, b""))
        with pytest.raises(NtError) as caught:
            node.open_stream("s", create=True)
    assert caught.value.status is Status.DISK_FULL
    assert os.listxattr(share / "f") == before
    assert [name for _, _, files in os.walk(share / ".holdfast-streams") for name in files] == []
    node.close()
    root.close()


async def test_small_stream_goes_to_the_side_store_when_attributes_are_full(
    posix: PosixBackend, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.setxattr

    def full(file: int, name: str, value: bytes) -> None:
        if ".s." in name:
            raise OSError(errno.ENOSPC, "full")
        real(file, name, value)

    monkeypatch.setattr(os, "setxattr", full)
    root = await posix.open(())
    node = await posix.create(root, "f", directory=False)
    stream, _ = node.open_stream("s", create=True)
    await stream.write(0, b"small")
    await stream.flush()
    stream.close()
    stream, _ = node.open_stream("s", create=False)
    buffer = memoryview(bytearray(100))
    assert bytes(buffer[: await stream.read_into(0, buffer)]) == b"small"
    assert stream.info().end_of_file == 5
    await posix.remove(stream)
    [folder] = (share / ".holdfast-streams").iterdir()
    assert os.listdir(folder) == []
    for each in (stream, node, root):
        each.close()


async def test_removed_small_stream_may_still_grow(posix: PosixBackend, share: Path) -> None:
    root = await posix.open(())
    node = await posix.create(root, "f", directory=False)
    stream, _ = node.open_stream("s", create=True)
    await posix.remove(stream)
    await stream.write(0, bytes(10_000))
    assert stream.info().end_of_file == 10_000
    assert node.streams() == []
    [folder] = (share / ".holdfast-streams").iterdir()
    assert os.listdir(folder) == []
    for each in (stream, node, root):
        each.close()
