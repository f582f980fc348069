"""The same random operations on a volume in memory and on a real directory: same answers, same trees."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from smbcore.fsa.backend import Backend
from smbcore.nt.status import NtError
from smbcore.vfs.memory import MemoryBackend
from smbcore.vfs.posix.backend import PosixBackend

NAMES = ["a", "A", "b", "Bb", "long file name.txt", "LONG FILE NAME.TXT", "d", "D", "e"]
PLACES = [(), (), ("d",), ("D",), ("d", "e"), ("e",)]

Operation = Callable[..., Awaitable[object]]
PathOf = tuple[str, ...]


async def create(volume: Backend, parent: PathOf, name: str, directory: bool) -> object:
    into = await volume.open(parent)
    try:
        (await volume.create(into, name, directory=directory, attributes=0x20)).close()
    finally:
        into.close()
    return "created"


async def write(volume: Backend, path: PathOf, offset: int, data: bytes) -> object:
    node = await volume.open(path)
    try:
        return None if node.is_directory else await node.write(offset, data)
    finally:
        node.close()


async def rename(volume: Backend, path: PathOf, parent: PathOf, name: str, replace: bool) -> object:
    return await with_parent(volume, path, parent, volume.rename, name, replace)


async def link(volume: Backend, path: PathOf, parent: PathOf, name: str, replace: bool) -> object:
    return await with_parent(volume, path, parent, volume.link, name, replace)


async def with_parent(
    volume: Backend, path: PathOf, parent: PathOf, work: Operation, name: str, replace: bool
) -> object:
    node = await volume.open(path)
    try:
        into = await volume.open(parent)
        try:
            await work(node, into, name, replace=replace)
        finally:
            into.close()
        return node.path
    finally:
        node.close()


async def remove(volume: Backend, path: PathOf) -> object:
    node = await volume.open(path)
    try:
        await volume.remove(node)
    finally:
        node.close()
    return "removed"


async def stream(volume: Backend, path: PathOf, name: str, size: int) -> object:
    node = await volume.open(path)
    try:
        opened, created = node.open_stream(name, create=True)
        await opened.write(0, bytes(size))
        await opened.set_end_of_file(size // 2)
        opened.close()
    finally:
        node.close()
    return created


async def remove_stream(volume: Backend, path: PathOf, name: str) -> object:
    node = await volume.open(path)
    try:
        opened, _ = node.open_stream(name, create=False)
        await volume.remove(opened)
        opened.close()
    finally:
        node.close()
    return "removed"


async def tree(volume: Backend, path: PathOf = ()) -> list[object]:
    directory = await volume.open(path)
    names = sorted(await directory.names())
    assert [name for name, _ in await directory.entries(names)] == names
    directory.close()
    return [await leaf(volume, (*path, name)) for name in names]


async def leaf(volume: Backend, path: PathOf) -> object:
    node = await volume.open(path)
    assert node.path == path
    info = node.info()
    streams = [(each.name, each.end_of_file) for each in node.streams()]
    buffer = memoryview(bytearray(100))
    data = b"" if node.is_directory else bytes(buffer[: await node.read_into(0, buffer)])
    node.close()
    below = await tree(volume, path) if info.attributes & 0x10 else []
    return path[-1], info.attributes, info.end_of_file, info.number_of_links, data, streams, below


def choose(dice: random.Random) -> tuple[Operation, tuple[object, ...]]:
    path = (*dice.choice(PLACES), dice.choice(NAMES))
    target = (dice.choice(PLACES), dice.choice(NAMES), dice.random() < 0.5)
    return dice.choice(
        [
            (create, (dice.choice(PLACES), dice.choice(NAMES), dice.random() < 0.4)),
            (write, (path, dice.choice([0, 5, 50]), b"x" * dice.randrange(1, 20))),
            (rename, (path, *target)),
            (link, (path, *target)),
            (remove, (path,)),
            (stream, (path, dice.choice("sSt"), dice.choice([10, 2000, 9000]))),
            (remove_stream, (path, dice.choice("sSt"))),
        ]
    )


async def answer(volume: Backend, operation: Operation, arguments: tuple[object, ...]) -> object:
    try:
        return await operation(volume, *arguments)
    except NtError as error:
        return error.status.name


@pytest.mark.parametrize("seed", [1, 5, 39, 46])
async def test_both_volumes_answer_alike(share: Path, seed: int) -> None:
    dice = random.Random(seed)
    memory, posix = MemoryBackend(), PosixBackend(share)
    for number in range(200):
        operation, arguments = choose(dice)
        wanted = await answer(memory, operation, arguments)
        assert await answer(posix, operation, arguments) == wanted, (number, operation.__name__, arguments)
        if number % 5 == 0:
            assert await tree(posix) == await tree(memory), (number, operation.__name__, arguments)
    assert memory.open_nodes == 0
    posix.close()
