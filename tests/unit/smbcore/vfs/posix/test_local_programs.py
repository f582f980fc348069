"""Programs of this machine against clients that cache: who waits, who is told, what is given up."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from smbcore.fsa.api import Caching, OpenParameters, OplockLevel, VolumeConfig
from smbcore.fsa.open import Open
from smbcore.fsa.volume import Volume
from smbcore.nt import create as c
from smbcore.nt.clock import ManualClock
from smbcore.nt.status import NtError, Status
from smbcore.vfs.posix.backend import PosixBackend
from smbcore.vfs.posix.local_programs import LocalPrograms
from tests.unit.smbcore.vfs.posix.clients import ALICE, EVERYBODY, Holder

ALL, READS, LOOKS = 0x1F01FF, 0x1, 0x80
NONBLOCKING = os.O_NONBLOCK
RWH = Caching.READ | Caching.WRITE | Caching.HANDLE

_OPEN = "import os, sys; os.open(sys.argv[1], int(sys.argv[2])); print('open', flush=True); sys.stdin.read()"
_LEASE = """
import fcntl, os, signal, sys
signal.signal(signal.SIGIO, lambda *_: print('wanted', flush=True))
file = os.open(sys.argv[1], os.O_RDWR)
fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print('held', flush=True)
sys.stdin.read()
"""


class Program:
    """Another process that works on a file."""

    def __init__(self, code: str, *arguments: str) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own code
            [sys.executable, "-c", code, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    async def says(self) -> str:
        """Return its next line, while our loop runs on."""
        assert self._process.stdout is not None
        return (await asyncio.to_thread(self._process.stdout.readline)).strip()

    def end(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


@pytest.fixture
def programs() -> LocalPrograms:
    return LocalPrograms()


@pytest.fixture
async def volume(share: Path, programs: LocalPrograms) -> AsyncIterator[Volume]:
    (share / "f").write_bytes(b"content")
    config = VolumeConfig(EVERYBODY, guards_caching=True)
    made = Volume(PosixBackend(share, programs=programs), config, ManualClock())
    yield made
    await made.close()
    assert not programs.held


@pytest.fixture
async def begin() -> AsyncIterator[Callable[..., Program]]:
    with contextlib.ExitStack() as stack:

        def begin(code: str, *arguments: object) -> Program:
            program = Program(code, *map(str, arguments))
            stack.callback(program.end)
            return program

        yield begin


async def open_file(
    volume: Volume, access: int = ALL, *, path: str = "f", key: bytes | None = None, disposition: int = c.FILE_OPEN_IF
) -> Open:
    return await volume.open_file(OpenParameters(path, ALICE, access, 7, disposition, 0, oplock_key=key))


def lease(opened: Open, client: Holder, caching: Caching = RWH, key: bytes = b"1") -> Caching:
    return opened.request_oplock(OplockLevel.GRANULAR, caching, client, key).caching


async def until(happened: Callable[[], object]) -> None:
    for _ in range(100_000):
        if happened():
            return
        await asyncio.sleep(0)
    raise AssertionError("it did not happen")


@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_RDWR], ids=["reader", "writer"])
async def test_a_program_waits_until_the_client_has_answered(
    volume: Volume, share: Path, begin: Callable[..., Program], flags: int
) -> None:
    client = Holder()
    opened = await open_file(volume)
    assert lease(opened, client) == RWH
    program = begin(_OPEN, share / "f", flags)
    line = asyncio.ensure_future(program.says())
    await until(lambda: client.notices)
    assert client.notices[0].new_caching == Caching.NONE
    assert client.notices[0].acknowledge
    assert not line.done()
    await opened.write(0, b"written back")
    opened.acknowledge_break(OplockLevel.GRANULAR, Caching.NONE)
    assert await line == "open"
    await opened.close()


async def test_a_program_waits_no_longer_than_a_break_may_take(
    volume: Volume, share: Path, begin: Callable[..., Program]
) -> None:
    client = Holder()
    opened = await open_file(volume)
    lease(opened, client)
    program = begin(_OPEN, share / "f", os.O_RDONLY)
    await until(lambda: client.notices)
    assert isinstance(volume.clock, ManualClock)
    volume.clock.advance(volume.config.break_timeout)
    assert await program.says() == "open"
    assert opened.oplock[1] == Caching.NONE
    await opened.close()


async def test_nobody_caches_what_a_program_has_open(
    volume: Volume, share: Path, begin: Callable[..., Program]
) -> None:
    program = begin(_OPEN, share / "f", os.O_RDWR)
    assert await program.says() == "open"
    opened = await open_file(volume)
    assert lease(opened, Holder()) == Caching.NONE
    assert opened.request_oplock(OplockLevel.BATCH, Caching.NONE, Holder()).level == OplockLevel.NONE
    await opened.close()


async def test_readers_on_both_sides_leave_the_cache_alone(volume: Volume, share: Path) -> None:
    client = Holder()
    opened = await open_file(volume, READS)
    assert lease(opened, client) == RWH
    os.close(os.open(share / "f", os.O_RDONLY | NONBLOCKING))
    with pytest.raises(BlockingIOError):
        os.open(share / "f", os.O_WRONLY | NONBLOCKING)
    await until(lambda: client.notices)
    await opened.close()
    os.close(os.open(share / "f", os.O_WRONLY | NONBLOCKING))


async def test_further_opens_of_our_clients_are_no_strangers(volume: Volume) -> None:
    """Looking at a cached file, and opening it again under the lease, breaks nothing."""
    client = Holder()
    opened = await open_file(volume, READS, key=b"1")
    assert lease(opened, client) == RWH
    looking = await open_file(volume, LOOKS)
    writing = await open_file(volume, key=b"1")
    assert lease(writing, client) == RWH
    await writing.write(0, b"more")
    await asyncio.sleep(0)
    assert not client.notices
    buffer = bytearray(4)
    assert await opened.read_into(0, memoryview(buffer)) == 4
    assert buffer == b"more"
    for each in (looking, writing, opened):
        await each.close()


async def test_a_second_client_takes_only_what_it_has_to(volume: Volume, share: Path) -> None:
    first, second = Holder(), Holder()
    holding = await open_file(volume, key=b"1")
    lease(holding, first)
    opening = asyncio.ensure_future(open_file(volume, key=b"2"))
    await until(lambda: first.notices)
    assert first.notices.pop().new_caching == Caching.READ | Caching.HANDLE
    holding.acknowledge_break(OplockLevel.GRANULAR, Caching.READ | Caching.HANDLE)
    opened = await opening
    assert lease(opened, second, key=b"2") == Caching.READ | Caching.HANDLE
    with pytest.raises(BlockingIOError):
        os.open(share / "f", os.O_RDONLY | NONBLOCKING)
    await until(lambda: first.notices and second.notices)
    await holding.close()
    await opened.close()


async def test_a_reader_that_was_there_ends_the_cache_when_a_client_begins_to_write(
    volume: Volume, share: Path
) -> None:
    client = Holder()
    opened = await open_file(volume, READS, key=b"1")
    lease(opened, client)
    reader = os.open(share / "f", os.O_RDONLY | NONBLOCKING)
    writing = await open_file(volume, key=b"1")
    await until(lambda: client.notices)
    assert client.notices[0].new_caching == Caching.NONE
    os.close(reader)
    await writing.close()
    await opened.close()


async def test_nobody_caches_while_a_program_waits(volume: Volume, share: Path) -> None:
    client = Holder()
    opened = await open_file(volume, key=b"1")
    lease(opened, client)
    with pytest.raises(BlockingIOError):
        os.open(share / "f", os.O_RDONLY | NONBLOCKING)
    await until(lambda: client.notices)
    looking = await open_file(volume, LOOKS, key=b"2")
    assert lease(looking, Holder(), Caching.READ, key=b"2") == Caching.NONE
    opened.acknowledge_break(OplockLevel.GRANULAR, Caching.NONE)
    await looking.close()
    await opened.close()


async def test_named_streams_are_cached_without_asking(volume: Volume, share: Path) -> None:
    opened = await open_file(volume, path="f:stream")
    reader = os.open(share / "f", os.O_RDONLY | NONBLOCKING)
    assert lease(opened, Holder()) == RWH
    os.close(reader)
    await opened.close()


async def test_an_open_waits_for_the_lease_of_a_program(
    volume: Volume, share: Path, begin: Callable[..., Program]
) -> None:
    program = begin(_LEASE, share / "f")
    assert await program.says() == "held"
    opening = asyncio.ensure_future(open_file(volume))
    assert await program.says() == "wanted"
    assert not opening.done()
    await asyncio.to_thread(program.end)
    assert isinstance(volume.clock, ManualClock)
    clock = volume.clock
    await until(lambda: clock.advance(0.1) or opening.done())
    await (await opening).close()


async def test_an_open_does_not_wait_for_ever(volume: Volume, share: Path, begin: Callable[..., Program]) -> None:
    program = begin(_LEASE, share / "f")
    assert await program.says() == "held"
    opening = asyncio.ensure_future(open_file(volume))
    assert isinstance(volume.clock, ManualClock)
    clock = volume.clock
    await until(lambda: clock.advance(0.1) or opening.done())
    with pytest.raises(NtError) as caught:
        await opening
    assert caught.value.status is Status.SHARING_VIOLATION


async def test_without_a_handler_for_the_signal_nobody_caches(volume: Volume) -> None:
    def run() -> Caching:
        async def inside() -> Caching:
            opened = await open_file(volume)
            granted = lease(opened, Holder())
            await opened.close()
            return granted

        return asyncio.run(inside())

    assert await asyncio.to_thread(run) == Caching.NONE


async def test_no_level_two_beside_a_writer(volume: Volume) -> None:
    """Legacy oplocks of readers are as the kernel's read lease: nobody has the file open for writing, we included."""
    writer, reader = await open_file(volume), await open_file(volume, READS)
    level_two = OplockLevel.LEVEL_TWO
    assert reader.request_oplock(level_two, Caching.NONE, Holder()).level == OplockLevel.NONE
    await writer.close()
    assert reader.request_oplock(level_two, Caching.NONE, Holder()).level == level_two
    await reader.close()


async def test_two_shares_of_one_folder_are_strangers_that_wait_for_each_other(volume: Volume, share: Path) -> None:
    client = Holder()
    opened = await open_file(volume)
    lease(opened, client)
    other = Volume(PosixBackend(share), VolumeConfig(EVERYBODY), ManualClock())
    opening = asyncio.ensure_future(open_file(other, READS))
    await until(lambda: client.notices)
    assert not opening.done()
    opened.acknowledge_break(OplockLevel.GRANULAR, Caching.NONE)
    clock = other.clock
    assert isinstance(clock, ManualClock)
    await until(lambda: clock.advance(0.1) or opening.done())
    await (await opening).close()
    await other.close()
    await opened.close()
