"""Byte ranges of clients and locks of programs on the server: each keeps the other out, clients only each other."""

from __future__ import annotations

import asyncio
import fcntl
import os
import struct
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from smbcore.fsa.api import VolumeConfig
from smbcore.fsa.byte_ranges import ByteRange
from smbcore.fsa.mirrored_locks import together
from smbcore.fsa.volume import Volume
from smbcore.nt.clock import ManualClock
from smbcore.vfs.posix.backend import PosixBackend
from smbcore.vfs.posix.local_programs import LocalPrograms

if TYPE_CHECKING:
    from tests.unit.smbcore.fsa.behaviour.conftest import Lab
else:
    Lab = Any

_FLOCK = struct.Struct("hhqqi4x")
_TOP = (1 << 64) - 1
_HALF = 1 << 63


class Program:
    """A program on the server with the file open; its locks are its description's."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR)

    def lock(self, offset: int, length: int, kind: int = fcntl.F_WRLCK) -> bool:
        """Try to lock (length 0: as far as there is); tell whether it worked."""
        try:
            fcntl.fcntl(self._file, fcntl.F_OFD_SETLK, _FLOCK.pack(kind, os.SEEK_SET, offset, length, 0))
        except BlockingIOError:
            return False
        return True

    def unlock(self) -> None:
        self.lock(0, 0, fcntl.F_UNLCK)

    def sees(self, offset: int, length: int = 1) -> str:
        """Return what it finds locked by others: "", "shared" or "exclusive"."""
        asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, offset, length, 0)
        found = _FLOCK.unpack(fcntl.fcntl(self._file, fcntl.F_OFD_GETLK, asked))[0]
        return {fcntl.F_UNLCK: "", fcntl.F_RDLCK: "shared", fcntl.F_WRLCK: "exclusive"}[found]

    def close(self) -> None:
        os.close(self._file)


@pytest.fixture(params=["alone", "with guards"])
async def lab(
    request: pytest.FixtureRequest, config: VolumeConfig, tmp_path: Path, lab_class: type[Lab]
) -> AsyncIterator[Lab]:
    (tmp_path / "f").write_bytes(bytes(1000))
    clock = ManualClock()
    backend = PosixBackend(tmp_path, programs=LocalPrograms() if request.param == "with guards" else None)
    volume = Volume(backend, replace(config, mirrors_locks=True), clock)
    yield lab_class(volume, clock, backend)
    await volume.close()


@pytest.fixture
def program(lab: Lab, tmp_path: Path) -> Iterator[Program]:
    made = Program(tmp_path / "f")
    yield made
    made.close()


async def test_a_program_sees_what_clients_hold_until_they_release_it(lab: Lab, program: Program) -> None:
    opened = await lab.open("f")
    await lab.lock(opened, 10, 10)
    await lab.lock(opened, 30, 10, exclusive=False)
    assert [program.sees(at) for at in (9, 10, 19, 20, 30, 39, 40)] == [
        "", "exclusive", "exclusive", "", "shared", "shared", "",
    ]  # fmt: skip
    lab.unlock(opened, 10, 10)
    assert program.sees(10, 10) == ""
    assert program.sees(30) == "shared"
    await opened.close()
    assert program.sees(0, 1000) == ""


async def test_a_lock_of_a_program_refuses_a_client(lab: Lab, program: Program) -> None:
    opened = await lab.open("f")
    assert program.lock(15, 1)
    with lab.fails("LOCK_NOT_GRANTED"):
        await lab.lock(opened, 10, 10)
    with lab.fails("LOCK_NOT_GRANTED"):
        await lab.lock(opened, 10, 10, exclusive=False)
    assert opened.lock_count == 0
    await lab.lock(opened, 16, 10)
    await opened.close()


async def test_refused_locks_keep_no_file_open(lab: Lab, program: Program) -> None:
    assert program.lock(0, 0)
    before = len(os.listdir("/proc/self/fd"))
    opened = await lab.open("f")
    with lab.fails("LOCK_NOT_GRANTED"):
        await lab.lock(opened, 10, 10)
    await opened.close()
    assert len(os.listdir("/proc/self/fd")) == before


async def test_shared_locks_of_both_get_along(lab: Lab, program: Program) -> None:
    opened = await lab.open("f")
    assert program.lock(10, 10, fcntl.F_RDLCK)
    await lab.lock(opened, 10, 10, exclusive=False)
    with lab.fails("LOCK_NOT_GRANTED"):
        await lab.lock(opened, 15, 10)
    await opened.close()


async def test_a_refused_lock_leaves_nothing_behind(lab: Lab, program: Program) -> None:
    """The pieces before the one that is taken are shown no more, those that were held before still are."""
    opened, other = await lab.open("f"), await lab.open("f")
    await lab.lock(other, 20, 10, exclusive=False)
    await lab.lock(opened, 20, 10, exclusive=False)
    assert program.lock(35, 1, fcntl.F_RDLCK)
    lab.unlock(other, 20, 10)
    with lab.fails("LOCK_NOT_GRANTED"):
        await lab.lock(opened, 30, 10)
    assert [program.sees(at) for at in (15, 25, 32, 37)] == ["", "shared", "", ""]
    assert opened.lock_count == 1
    await opened.close()
    await other.close()


async def test_clients_are_kept_apart_by_the_server_alone(lab: Lab, program: Program) -> None:
    """Two opens of one file do not meet in the kernel; what one releases the other still holds."""
    first, second = await lab.open("f"), await lab.open("f", 1)
    await lab.lock(first, 0, 20, exclusive=False)
    await lab.lock(second, 10, 20, exclusive=False)
    with lab.fails("LOCK_NOT_GRANTED"):
        await lab.lock(second, 0, 5)
    lab.unlock(first, 0, 20)
    assert [program.sees(at) for at in (5, 15, 25)] == ["", "shared", "shared"]
    await second.close()
    assert program.sees(0, 1000) == ""
    await first.close()


async def test_stacked_ranges_are_one_lock_outside(lab: Lab, program: Program) -> None:
    opened = await lab.open("f")
    await lab.lock(opened, 0, 10)
    await lab.lock(opened, 0, 10, exclusive=False)
    assert program.sees(0) == "exclusive"
    lab.unlock(opened, 0, 10)
    assert program.sees(0) == "shared"
    lab.unlock(opened, 0, 10)
    assert program.sees(0) == ""
    await opened.close()


async def test_an_open_that_only_reads_can_lock_exclusively(lab: Lab, program: Program) -> None:
    opened = await lab.open("f", 1)
    await lab.lock(opened, 0, 10)
    assert program.sees(5) == "exclusive"
    await opened.close()


@pytest.mark.parametrize(
    ("offset", "length", "seen", "unseen"),
    [
        (_HALF - 2, 10, [_HALF - 2, _HALF - 1], [_HALF - 3]),
        (0, _TOP, [0, _HALF - 1], []),
        (_HALF, 10, [], [_HALF - 1]),
        (_TOP, 1, [], [_HALF - 1]),
        (5, 0, [], [4, 5, 6]),
    ],
)
async def test_places_that_the_kernel_cannot_count_to_are_not_shown(
    lab: Lab, program: Program, offset: int, length: int, seen: list[int], unseen: list[int]
) -> None:
    opened = await lab.open("f")
    await lab.lock(opened, offset, length)
    assert [program.sees(at) for at in seen] == ["exclusive"] * len(seen)
    assert [program.sees(at) for at in unseen] == [""] * len(unseen)
    lab.unlock(opened, offset, length)
    assert program.sees(0, 0) == ""
    await opened.close()


async def test_streams_are_not_shown(lab: Lab, program: Program) -> None:
    assert program.lock(0, 0)
    stream = await lab.create("f:stream")
    await lab.lock(stream, 0, 10)
    program.unlock()
    assert program.sees(0) == ""
    await stream.close()


async def test_waiting_for_a_program_ends_when_it_releases(lab: Lab, program: Program) -> None:
    opened = await lab.open("f")
    assert program.lock(0, 10)
    waiting = await lab.start(lab.lock(opened, 5, 10, wait=True))
    lab.clock.advance(5)
    await lab.settle()
    assert not waiting.done()
    program.unlock()
    lab.clock.advance(1)
    await lab.settle()
    assert waiting.done()
    assert program.sees(5) == "exclusive"
    await opened.close()


async def test_who_waits_for_a_program_keeps_no_other_client_waiting(lab: Lab, program: Program) -> None:
    opened, other = await lab.open("f"), await lab.open("f")
    assert program.lock(0, 10)
    waiting = await lab.start(lab.lock(opened, 5, 10, wait=True))
    await lab.lock(other, 12, 5)
    program.unlock()
    lab.clock.advance(1)
    await lab.settle()
    assert not waiting.done()
    lab.unlock(other, 12, 5)
    lab.clock.advance(1)
    await lab.settle()
    assert waiting.done()
    await opened.close()
    await other.close()


async def test_a_cancelled_wait_for_a_program_leaves_nothing_behind(lab: Lab, program: Program) -> None:
    opened = await lab.open("f")
    assert program.lock(0, 10)
    waiting = await lab.start(lab.lock(opened, 5, 10, wait=True))
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    program.unlock()
    lab.clock.advance(1)
    await lab.settle()
    assert opened.lock_count == 0
    assert program.sees(0, 0) == ""
    await opened.close()


async def test_closing_ends_the_wait_for_a_program(lab: Lab, program: Program) -> None:
    opened = await lab.open("f")
    assert program.lock(0, 10)
    waiting = await lab.start(lab.lock(opened, 5, 10, wait=True))
    await opened.close()
    with lab.fails("RANGE_NOT_LOCKED"):
        await waiting


async def test_who_closes_just_when_a_program_has_released_locks_nothing(lab: Lab, program: Program) -> None:
    opened, other = await lab.open("f"), await lab.open("f")
    assert program.lock(0, 10)
    waiting = await lab.start(lab.lock(opened, 5, 10, wait=True))
    program.unlock()
    lab.clock.advance(1)
    await opened.close()
    with lab.fails("RANGE_NOT_LOCKED"):
        await waiting
    await lab.lock(other, 0, 20)
    await other.close()


def test_together_is_the_strongest_of_every_byte() -> None:
    owner: Any = object()
    ranges = [
        ByteRange(owner, 0, 10, exclusive=False),
        ByteRange(owner, 5, 8, exclusive=True),
        ByteRange(owner, 8, 20, exclusive=False),
        ByteRange(owner, 30, 30, exclusive=True),
    ]
    assert together(ranges, 2, 40) == [(2, 5, 1), (5, 8, 2), (8, 20, 1), (20, 40, 0)]
    assert together([], 3, 4) == [(3, 4, 0)]
