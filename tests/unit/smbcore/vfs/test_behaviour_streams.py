"""What every backend does alike with named streams."""

from __future__ import annotations

from collections.abc import Awaitable

import pytest

from smbcore.fsa.backend import Backend, Node
from smbcore.nt.attributes import FILE_ATTRIBUTE_HIDDEN
from smbcore.nt.status import NtError, Status


async def make(backend: Backend, *path: str, directory: bool = False, data: bytes = b"") -> Node:
    parent = await backend.open(path[:-1])
    node = await backend.create(parent, path[-1], directory=directory)
    parent.close()
    if data:
        await node.write(0, data)
    return node


async def content(node: Node, size: int = 100_000) -> bytes:
    buffer = bytearray(size)
    return bytes(buffer[: await node.read_into(0, memoryview(buffer))])


async def fails(status: Status, work: Awaitable[object]) -> None:
    with pytest.raises(NtError) as caught:
        await work
    assert caught.value.status.name == status.name


def fails_now(status: Status, error: pytest.ExceptionInfo[NtError]) -> None:
    assert error.value.status.name == status.name


async def test_streams_are_created_listed_and_opened_in_any_case(backend: Backend) -> None:
    node = await make(backend, "f", data=b"main")
    assert node.streams() == []
    stream, created = node.open_stream("Info", create=True)
    assert created
    assert (stream.stream, stream.path, stream.key, stream.is_directory) == ("Info", ("f",), node.key, False)
    await stream.write(0, b"twelve bytes")
    assert stream.info().end_of_file == 12
    assert node.info().end_of_file == 4
    same, created = node.open_stream("iNFO", create=True)
    assert not created
    assert same.stream == "Info"
    assert await content(same) == b"twelve bytes"
    assert [(s.name, s.end_of_file) for s in node.streams()] == [("Info", 12)]
    with pytest.raises(NtError) as caught:
        node.open_stream("INFO", create=True, exclusive=True)
    fails_now(Status.OBJECT_NAME_COLLISION, caught)
    with pytest.raises(NtError) as caught:
        node.open_stream("other", create=False)
    fails_now(Status.OBJECT_NAME_NOT_FOUND, caught)
    for each in (node, stream, same):
        each.close()


@pytest.mark.parametrize("size", [0, 1, 3000, 3073, 5000, 70_000, 2_000_000])
async def test_streams_of_any_size_survive_closing(backend: Backend, size: int) -> None:
    node = await make(backend, "f")
    stream, _ = node.open_stream("s", create=True)
    data = (b"stream data " * (size // 12 + 1))[:size]
    await stream.write(0, data)
    stream.close()
    node.close()
    again = await backend.open(("f",))
    stream, created = again.open_stream("s", create=True)
    assert not created
    assert await content(stream, size + 10) == data
    assert [s.end_of_file for s in again.streams()] == [size]
    stream.close()
    again.close()


async def test_nodes_of_a_stream_see_each_other_while_it_grows(backend: Backend) -> None:
    node = await make(backend, "f")
    one, _ = node.open_stream("s", create=True)
    two, _ = node.open_stream("s", create=False)
    await one.write(0, b"a" * 100)
    assert await content(two) == b"a" * 100
    await two.write(100, b"b" * 10_000)
    assert await content(one) == b"a" * 100 + b"b" * 10_000
    await one.set_end_of_file(50)
    assert await content(two) == b"a" * 50
    await two.zero_range(10, 20)
    assert await content(one) == b"a" * 10 + bytes(10) + b"a" * 30
    for each in (one, two, node):
        each.close()


async def test_many_streams_fit(backend: Backend) -> None:
    node = await make(backend, "f")
    for number in range(60):
        stream, _ = node.open_stream(f"a stream with a long name, number {number}", create=True)
        await stream.write(0, b"%d" % number * 100)
        stream.close()
    assert len(node.streams()) == 60
    stream, _ = node.open_stream("A STREAM with a long name, number 41", create=False)
    assert await content(stream) == b"41" * 100
    stream.close()
    node.close()


async def test_stream_is_removed_and_open_nodes_keep_it(backend: Backend) -> None:
    node = await make(backend, "f")
    for size in (10, 10_000):
        stream, _ = node.open_stream("s", create=True)
        await stream.write(0, b"x" * size)
        await backend.remove(stream)
        assert node.streams() == []
        assert await content(stream) == b"x" * size
        fresh, created = node.open_stream("s", create=True)
        assert created
        assert await content(fresh) == b""
        await fails(Status.OBJECT_NAME_NOT_FOUND, backend.remove(stream))
        await backend.remove(fresh)
        stream.close()
        fresh.close()
    node.close()


async def test_stream_is_renamed(backend: Backend) -> None:
    node = await make(backend, "f")
    one, _ = node.open_stream("one", create=True)
    two, _ = node.open_stream("two", create=True)
    await one.write(0, b"1")
    await two.write(0, b"22")
    two.close()
    await fails(Status.OBJECT_NAME_COLLISION, backend.rename_stream(one, "TWO", replace=False))
    await backend.rename_stream(one, "ONE", replace=False)
    assert one.stream == "ONE"
    await backend.rename_stream(one, "Two", replace=True)
    assert [(s.name, s.end_of_file) for s in node.streams()] == [("Two", 1)]
    one.close()
    node.close()


async def test_directory_can_have_streams(backend: Backend) -> None:
    node = await make(backend, "d", directory=True)
    stream, _ = node.open_stream("s", create=True)
    assert not stream.is_directory
    await stream.write(0, b"in a directory")
    assert await content(stream) == b"in a directory"
    assert await node.names() == []
    stream.close()
    node.close()


async def test_metadata_through_a_stream_is_the_files(backend: Backend) -> None:
    node = await make(backend, "f")
    stream, _ = node.open_stream("s", create=True)
    stream.set_attributes(FILE_ATTRIBUTE_HIDDEN)
    stream.set_security(b"\1sd")
    assert node.info().attributes == FILE_ATTRIBUTE_HIDDEN
    assert node.security() == b"\1sd"
    stream.close()
    node.close()
