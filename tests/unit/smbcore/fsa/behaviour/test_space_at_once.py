"""What files take stays right whatever the disk refuses, and whatever happens while it takes its time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from smbcore.fsa.api import VolumeConfig
from smbcore.fsa.backend import Survey
from smbcore.fsa.quota import QuotaScan
from smbcore.fsa.space import RECOUNT_INTERVAL
from smbcore.fsa.space_rules import SpaceRules
from smbcore.fsa.volume import Volume
from smbcore.nt.clock import ManualClock
from smbcore.nt.info import classes as ic
from smbcore.nt.info.rename import RenameInformationEx
from smbcore.nt.security import OWNER_SECURITY_INFORMATION, SecurityDescriptor
from smbcore.nt.status import Status
from smbcore.vfs.faulty import FaultyBackend, Schedule
from smbcore.vfs.memory import MemoryBackend
from tests.unit.smbcore.fsa.behaviour.space_steps import LIMIT, OWNED, K, boss, check, reserve, space_of

Faulty = tuple[Any, Schedule]


@pytest.fixture
async def faulty(config: VolumeConfig, lab_class: Any) -> AsyncIterator[Faulty]:
    """A volume on a disk that does what the schedule says."""
    config = replace(config, space=SpaceRules(size_limit=LIMIT))
    clock, faults = ManualClock(), Schedule()
    lab = lab_class(Volume(FaultyBackend(MemoryBackend(clock), faults), config, clock), clock, None)
    yield lab, faults
    await lab.volume.close()


# -- what goes wrong --
@pytest.mark.parametrize("status", [Status.DISK_FULL, Status.QUOTA_EXCEEDED, Status.IO_DEVICE_ERROR])
async def test_what_the_disk_refused_is_not_counted(faulty: Faulty, status: Status) -> None:
    lab, faults = faulty
    opened = await lab.create("f")
    for call, work in (
        ("write", lambda: opened.write(0, bytes(20 * K))),
        ("set_end_of_file", lambda: lab.resize(opened, 20 * K)),
        ("set_allocation", lambda: reserve(opened, 20 * K)),
    ):
        faults.fail(call, status)
        with lab.fails(status.name):
            await work()
        await check(lab, 0)
    faults.shorten("write", 5 * K, status=status)
    with lab.fails(status.name):
        await opened.write(0, bytes(20 * K))
    await check(lab, 8 * K)
    await opened.close()


async def test_a_failed_count_is_told_and_tried_again(faulty: Faulty) -> None:
    lab, faults = faulty
    opened = await lab.create("f")
    faults.fail("survey", Status.IO_DEVICE_ERROR)
    with lab.fails("IO_DEVICE_ERROR"):
        await opened.write(0, b"x")
    await opened.write(0, b"x")
    await check(lab, 4 * K)
    faults.fail("survey", Status.IO_DEVICE_ERROR)
    lab.clock.advance(RECOUNT_INTERVAL)
    await lab.settle()
    assert space_of(lab).used == 4 * K
    await opened.close()


async def test_concurrent_writes_count_together_before_any_is_done(faulty: Faulty) -> None:
    lab, faults = faulty
    slow, other = await lab.create("slow"), await lab.create("other")
    await other.write(0, b"x")
    gate = asyncio.Event()
    faults.hold("write", gate, path=("slow",))
    first = await lab.start(slow.write(0, bytes(200 * K)))
    with lab.fails("DISK_FULL"):
        await other.write(0, bytes(60 * K))
    faults.fail("write", Status.IO_DEVICE_ERROR, path=("slow",))
    with lab.fails("IO_DEVICE_ERROR"):
        await slow.write(0, b"x")
    assert space_of(lab).used == 204 * K
    await space_of(lab).count()
    assert space_of(lab).used == 204 * K
    gate.set()
    await first
    await check(lab, 204 * K)
    await slow.close()
    await other.close()


# -- what happens at the same time, on a disk that takes its time --
def slow_count(lab: Any, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Let counts be through with the files, and wait then."""
    backend, gate = lab.volume.backend, asyncio.Event()
    survey = backend.survey

    async def slow() -> Survey:
        found = await survey()
        await gate.wait()
        return found

    monkeypatch.setattr(backend, "survey", slow)
    return gate


@pytest.mark.parametrize("work", ["write", "resize", "reserve", "ask"])
async def test_who_waits_for_the_first_count_goes_on_when_nothing_is_counted_any_more(
    faulty: Faulty, work: str
) -> None:
    lab, faults = faulty
    opened = await lab.create("f")
    faults.hold("survey", asyncio.Event())
    waiting = await lab.start(
        {
            "write": lambda: opened.write(0, bytes(LIMIT + 1)),
            "resize": lambda: lab.resize(opened, LIMIT + 1),
            "reserve": lambda: reserve(opened, LIMIT + 1),
            "ask": lambda: opened.query_quota(QuotaScan([lab.alice.user]), 4096),
        }[work]()
    )
    assert not waiting.done()
    lab.volume.set_space_rules(SpaceRules())
    await lab.settle()
    assert waiting.done()
    await waiting
    lab.volume.set_space_rules(SpaceRules(size_limit=LIMIT))
    await opened.write(0, b"x")
    await opened.close()
    await check(lab, space_of(lab).used)


async def test_files_that_go_during_the_first_count_are_not_in_it(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab, _ = faulty
    names = ("removed", "replaced", "given", "kept")
    for name in names:
        await lab.make(name, bytes(8 * K))
    lab.volume.set_space_rules(SpaceRules())
    removed, kept = await lab.open("removed"), await lab.open("kept")
    given = await lab.open("given", token=boss(lab))
    gate = slow_count(lab, monkeypatch)
    lab.volume.set_space_rules(OWNED)
    counting = space_of(lab).count()
    await lab.settle()
    await lab.dispose(removed)
    await removed.close()
    await lab.rename(kept, "replaced", replace=True)
    given.set_security(OWNER_SECURITY_INFORMATION, SecurityDescriptor(owner=lab.bob.user).encode())
    gate.set()
    await counting
    monkeypatch.undo()
    assert space_of(lab).by_owner == {lab.alice.user: 8 * K, lab.bob.user: 8 * K}
    await check(lab, 16 * K)
    await given.close()
    await kept.close()


async def test_a_write_while_the_last_close_gives_reserved_space_back_loses_nothing(faulty: Faulty) -> None:
    lab, faults = faulty
    opened = await lab.create("f")
    await reserve(opened, 100 * K)
    gate = asyncio.Event()
    faults.hold("set_end_of_file", gate)
    closing = await lab.start(opened.close())
    await (await lab.open("f")).close()
    other = await lab.open("f")
    writing = await lab.start(other.write(0, b"data"))
    gate.set()
    await asyncio.gather(closing, writing)
    assert await lab.read(other) == b"data"
    await other.close()
    await check(lab, 4 * K)


async def test_what_is_written_while_a_file_is_replaced_counts_once(faulty: Faulty) -> None:
    lab, faults = faulty
    await lab.make("old", bytes(8 * K))
    await lab.make("new", bytes(8 * K))
    old, new = await lab.open("old"), await lab.open("new")
    gate = asyncio.Event()
    faults.hold("rename", gate)
    renaming = await lab.start(
        new.set_information(ic.FILE_RENAME_INFORMATION_EX, RenameInformationEx("old", 3).encode())
    )
    await old.write(8 * K, bytes(8 * K))
    assert not renaming.done()
    gate.set()
    await renaming
    await check(lab, 24 * K)
    await old.close()
    await check(lab, 8 * K)
    await new.close()


async def test_what_is_written_while_data_moves_to_another_stream_counts_once(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab, faults = faulty
    main, other = await lab.create("f"), await lab.create("f:t")
    await main.write(0, bytes(8 * K))
    held, gate = asyncio.Event(), slow_count(lab, monkeypatch)
    faults.hold("set_end_of_file", held)
    renaming = await lab.start(lab.rename(main, ":s"))
    counting = space_of(lab).count()
    await lab.settle()
    await other.write(0, bytes(4 * K))
    assert not renaming.done()
    held.set()
    await renaming
    assert space_of(lab).used == 12 * K
    gate.set()
    await counting
    monkeypatch.undo()
    await check(lab, 12 * K)
    await main.close()
    await other.close()


async def test_a_removed_file_whose_open_closes_during_a_write_counts_no_more(faulty: Faulty) -> None:
    lab, faults = faulty
    await lab.make("f", bytes(8 * K))
    writer, remover = await lab.open("f"), await lab.open("f")
    await remover.set_information(ic.FILE_DISPOSITION_INFORMATION_EX, (3).to_bytes(4, "little"))
    await remover.close()
    gate = asyncio.Event()
    faults.hold("write", gate)
    writing = await lab.start(writer.write(8 * K, bytes(8 * K)))
    await writer.close()
    gate.set()
    await asyncio.gather(writing, return_exceptions=True)
    await check(lab, 0)
