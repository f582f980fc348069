"""What files take is counted, and never more than is allowed: whoever changes what, in whatever order."""

from __future__ import annotations

import asyncio
import os
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from smbcore.fsa.api import VolumeConfig
from smbcore.fsa.space import RECOUNT_INTERVAL
from smbcore.fsa.space_rules import QuotaEntry, SpaceRules
from smbcore.fsa.volume import Volume
from smbcore.nt import create as c
from smbcore.nt.clock import ManualClock
from smbcore.nt.info import classes as ic
from smbcore.nt.info import fs
from smbcore.nt.info.rename import LinkInformation
from smbcore.nt.security import OWNER_SECURITY_INFORMATION, SecurityDescriptor
from smbcore.nt.status import NtError, Status
from smbcore.vfs.posix.backend import PosixBackend
from tests.unit.smbcore.fsa.behaviour.space_steps import LIMIT, OWNED, K, boss, check, reserve, space_of


@pytest.fixture
def config(config: VolumeConfig) -> VolumeConfig:
    return replace(config, space=SpaceRules(size_limit=LIMIT))


# -- counting --
async def test_files_count_in_whole_clusters(lab: Any) -> None:
    await lab.make("empty")
    await lab.make("small", b"x")
    await lab.make("more", bytes(5 * K))
    await lab.mkdir("d")
    await lab.make("d\\below", bytes(4 * K))
    await check(lab, 16 * K)


async def test_every_way_to_change_a_size_counts(lab: Any) -> None:
    opened = await lab.create("f")
    await opened.write(10 * K, b"x")
    await check(lab, 12 * K)
    await opened.write(0, bytes(4 * K))
    await check(lab, 12 * K)
    await lab.resize(opened, 100 * K)
    await check(lab, 100 * K)
    await lab.resize(opened, 1)
    await check(lab, 4 * K)
    await lab.resize(opened, 0)
    await check(lab, 0)
    await opened.write(0, b"abc")
    other = await lab.create("g")
    await other.copy_chunks(opened, [(0, 20 * K, 3)])
    await check(lab, 28 * K)
    await other.close()
    await opened.close()
    await (await lab.open("g", disposition=c.FILE_OVERWRITE)).close()
    await check(lab, 4 * K)


async def test_streams_count_and_go_with_their_file(lab: Any) -> None:
    await lab.make("f", bytes(8 * K))
    for name, size in (("small", 10), ("large", 40 * K)):
        await lab.make(f"f:{name}", bytes(size))
    await check(lab, 52 * K)
    stream = await lab.open("f:large")
    await lab.dispose(stream)
    await stream.close()
    await check(lab, 12 * K)
    stream = await lab.open("f:small")
    await lab.rename(stream, ":other")
    await stream.write(5 * K, b"x")
    await stream.close()
    await check(lab, 16 * K)
    await (await lab.open("f", disposition=c.FILE_SUPERSEDE)).close()
    await check(lab, 0)


async def test_streams_of_directories_count(lab: Any) -> None:
    await lab.mkdir("d")
    await lab.make("d:s", bytes(9 * K))
    await check(lab, 12 * K)
    opened = await lab.open("d")
    await lab.dispose(opened)
    await opened.close()
    await check(lab, 0)


async def test_removed_and_replaced_files_count_no_more(lab: Any) -> None:
    for name in "abc":
        await lab.make(name, bytes(8 * K))
    opened = await lab.open("a")
    await lab.dispose(opened)
    await check(lab, 24 * K)
    await opened.close()
    await check(lab, 16 * K)
    opened = await lab.open("b")
    await lab.rename(opened, "c", replace=True)
    await check(lab, 8 * K)
    await opened.write(8 * K, b"x")
    await opened.close()
    await check(lab, 12 * K)


async def test_a_file_counts_once_however_many_links_it_has(lab: Any) -> None:
    await lab.make("a", bytes(8 * K))
    opened = await lab.open("a")
    await opened.set_information(ic.FILE_LINK_INFORMATION, LinkInformation("b").encode())
    await check(lab, 8 * K)
    await lab.dispose(opened)
    await opened.close()
    await check(lab, 8 * K)
    opened = await lab.open("b")
    await lab.dispose(opened)
    await opened.close()
    await check(lab, 0)


async def test_a_removed_file_counts_while_somebody_has_it_open(lab: Any) -> None:
    await lab.make("f", bytes(8 * K))
    kept = await lab.open("f")
    opened = await lab.open("f")
    await opened.set_information(ic.FILE_DISPOSITION_INFORMATION_EX, (3).to_bytes(4, "little"))
    await opened.close()
    assert not await lab.exists("f")
    await check(lab, 8 * K)
    await kept.write(8 * K, bytes(4 * K))
    await check(lab, 12 * K)
    await kept.close()
    await check(lab, 0)


async def test_reserved_space_counts_until_the_last_close(lab: Any) -> None:
    opened = await lab.create("f")
    await reserve(opened, 100 * K)
    await opened.write(0, b"x")
    await check(lab, 100 * K)
    with lab.fails("DISK_FULL"):
        await lab.make("g", bytes(160 * K))
    other = await lab.open("f")
    await opened.close()
    await check(lab, 100 * K)
    before = other.info().last_write_time
    await other.close()
    await check(lab, 4 * K)
    opened = await lab.open("f")
    assert opened.info().allocation_size <= 8 * K
    assert opened.info().last_write_time == before
    await opened.close()


# -- the limit --
async def test_nothing_gets_above_the_limit(lab: Any) -> None:
    await lab.make("f", bytes(200 * K))
    opened = await lab.open("f")
    other = await lab.create("g")
    with lab.fails("DISK_FULL"):
        await other.write(0, bytes(57 * K))
    with lab.fails("DISK_FULL"):
        await lab.resize(other, 57 * K)
    with lab.fails("DISK_FULL"):
        await reserve(other, 57 * K)
    with lab.fails("DISK_FULL"):
        await other.copy_chunks(opened, [(0, 0, 57 * K)])
    with lab.fails("DISK_FULL"):
        await lab.make("f:s", bytes(57 * K))
    with lab.fails("DISK_FULL"):
        await lab.create("h", allocation_size=57 * K)
    assert not await lab.exists("h")
    await check(lab, 200 * K)
    assert other.info().end_of_file == 0
    await other.write(0, bytes(56 * K))
    await check(lab, LIMIT)
    await other.write(0, b"again")
    with lab.fails("DISK_FULL"):
        await other.write(56 * K, b"x")
    await lab.resize(opened, 0)
    await other.write(56 * K, b"x")
    await other.close()
    await opened.close()
    await check(lab, 60 * K)
    assert await lab.exists("f:s")


async def test_the_first_count_comes_before_the_first_growth(lab: Any) -> None:
    """A volume that is opened with files in it knows them before it admits more."""
    await lab.make("f", bytes(200 * K))
    again = Volume(lab.backend, lab.config, lab.clock)
    lab.volume, first = again, lab.volume
    with lab.fails("DISK_FULL"):
        await lab.make("g", bytes(57 * K))
    await lab.make("h", bytes(56 * K))
    await check(lab, LIMIT)
    lab.volume = first
    assert again.space is not None
    await again.space.close()
    for opened in list(again.opens):
        await opened.close()


async def test_many_writers_at_the_limit_never_get_above_it(lab: Any) -> None:
    rng = random.Random(7)  # noqa: S311 - a course of events, no secret
    space = space_of(lab)
    highest = 0

    async def work(number: int) -> int:
        nonlocal highest
        refused = 0
        opened = await lab.create(f"f{number}")
        for _ in range(40):
            try:
                match rng.randrange(6):
                    case 0:
                        await lab.resize(opened, rng.randrange(60 * K))
                    case 1:
                        await lab.resize(opened, 0)
                    case 2 if space.counted and rng.random() < 0.2:
                        await space.count()
                    case _:
                        await opened.write(rng.randrange(40 * K), bytes(rng.randrange(1, 20 * K)))
            except NtError as error:
                if error.status is not Status.DISK_FULL:
                    raise
                refused += 1
            highest = max(highest, space.used)
            assert space.used <= LIMIT
            await asyncio.sleep(0)
        await opened.close()
        return refused

    refused = await asyncio.gather(*(work(number) for number in range(12)))
    assert sum(refused) > 0
    assert highest > LIMIT // 2
    await check(lab, space.used)


async def test_the_count_does_not_stop_writers_and_misses_nothing(lab: Any) -> None:
    for number in range(30):
        await lab.make(f"f{number}", bytes(4 * K))
    counting = space_of(lab).count()
    for number in range(0, 30, 2):
        opened = await lab.open(f"f{number}")
        await (lab.resize(opened, 0) if number % 4 else opened.write(4 * K, bytes(4 * K)))
        await opened.close()
        await asyncio.sleep(0)
    await lab.make("new", bytes(20 * K))
    opened = await lab.open("f1")
    await lab.dispose(opened)
    await opened.close()
    await counting
    expected = space_of(lab).used
    await check(lab, expected)
    assert expected == (30 * 4 + 8 * 4 - 7 * 4 + 20 - 4) * K


# -- what others do --
async def test_changes_past_the_server_show_at_the_next_count(config: VolumeConfig, tmp_path: Path) -> None:
    clock = ManualClock()
    volume = Volume(PosixBackend(tmp_path), config, clock)
    assert volume.space is not None
    await volume.space.ready()
    (tmp_path / "local").write_bytes(bytes(9 * K))
    (tmp_path / ".snapshots" / "@GMT-2024.01.01-00.00.00").mkdir(parents=True)
    (tmp_path / ".snapshots" / "@GMT-2024.01.01-00.00.00" / "old").write_bytes(bytes(90 * K))
    os.symlink("local", tmp_path / "link")
    assert volume.space.used == 0
    clock.advance(RECOUNT_INTERVAL)
    await volume.space.count()
    assert volume.space.used == 12 * K
    await volume.close()


# -- owners --
@pytest.fixture
def owned(lab: Any) -> Any:
    lab.volume.set_space_rules(OWNED)
    return lab


async def test_files_count_for_their_owners(owned: Any) -> None:
    lab = owned
    await lab.make("a", bytes(8 * K), token=lab.alice)
    await lab.make("b", bytes(4 * K), token=lab.bob)
    await check(lab, 12 * K)
    assert space_of(lab).by_owner == {lab.alice.user: 8 * K, lab.bob.user: 4 * K}


async def test_an_owner_is_refused_more_than_the_limit(owned: Any) -> None:
    lab = owned
    await lab.make("a", bytes(60 * K), token=lab.alice)
    await lab.make("b", bytes(60 * K), token=lab.bob)
    opened = await lab.open("a", token=lab.bob)
    with lab.fails("DISK_FULL"):
        await opened.write(60 * K, bytes(5 * K))
    await opened.write(60 * K, bytes(4 * K))
    with lab.fails("DISK_FULL"):
        await lab.make("c", b"x", token=lab.alice)
    await lab.make("d", b"x", token=lab.bob)
    lab.volume.set_space_rules(OWNED.with_users({lab.alice.user: QuotaEntry(limit=80 * K)}))
    await opened.write(64 * K, bytes(16 * K))
    await opened.close()
    assert space_of(lab).by_owner[lab.alice.user] == 80 * K


async def test_limits_refuse_nothing_where_they_are_only_tracked(owned: Any) -> None:
    lab = owned
    lab.volume.set_space_rules(replace(OWNED, enforces=False))
    await lab.make("a", bytes(100 * K), token=lab.alice)
    await check(lab, 100 * K)


async def test_a_new_owner_takes_over_what_a_file_takes(owned: Any) -> None:
    lab = owned
    await lab.make("a", bytes(40 * K), token=lab.alice)
    await lab.make("a:s", bytes(8 * K), token=lab.alice)
    opened = await lab.open("a", token=boss(lab))
    to_bob = SecurityDescriptor(owner=lab.bob.user).encode()
    opened.set_security(OWNER_SECURITY_INFORMATION, to_bob)
    await check(lab, 48 * K)
    assert space_of(lab).by_owner == {lab.bob.user: 48 * K}
    await opened.write(40 * K, b"x")
    assert space_of(lab).by_owner == {lab.bob.user: 52 * K}
    await lab.make("b", bytes(20 * K), token=lab.alice)
    other = await lab.open("b", token=boss(lab))
    with lab.fails("DISK_FULL"):
        other.set_security(OWNER_SECURITY_INFORMATION, to_bob)
    await other.close()
    await opened.close()
    await check(lab, 72 * K)


# -- what clients see --
def sizes(lab: Any, token: Any = None) -> tuple[int, int, int]:
    data = lab.volume.query_fs_information(ic.FILE_FS_FULL_SIZE_INFORMATION, 100, token)
    full = fs.FullSizeInformation.decode(data)
    unit = full.sectors_per_unit * full.bytes_per_sector
    plain = fs.SizeInformation.decode(lab.volume.query_fs_information(ic.FILE_FS_SIZE_INFORMATION, 100, token))
    assert (plain.total_units, plain.available_units) == (full.total_units, full.caller_available_units)
    return full.total_units * unit, full.caller_available_units * unit, full.actual_available_units * unit


async def test_free_space_is_what_is_left_of_the_limit(lab: Any) -> None:
    await lab.make("f", bytes(56 * K))
    assert sizes(lab) == (LIMIT, 200 * K, 200 * K)
    real = lab.backend.volume_info()
    lab.volume.set_space_rules(SpaceRules(size_limit=1 << 60))
    total, caller, actual = sizes(lab)
    assert total == real.total
    assert 0 < caller <= actual < real.total


async def test_free_space_is_what_the_user_may_take(owned: Any) -> None:
    lab = owned
    await lab.make("f", bytes(56 * K), token=lab.alice)
    assert sizes(lab, lab.alice)[:2] == (64 * K, 8 * K)
    assert sizes(lab, lab.bob)[:2] == (64 * K, 64 * K)
    assert sizes(lab)[0] == lab.backend.volume_info().total


async def test_the_extended_class_tells_of_the_disk_and_the_caller(lab: Any) -> None:
    await lab.make("f", bytes(56 * K))
    data = lab.volume.query_fs_information(ic.FILE_FS_FULL_SIZE_INFORMATION_EX, 96)
    full = fs.FullSizeInformationEx.decode(data)
    unit = full.sectors_per_unit * full.bytes_per_sector
    real = lab.backend.volume_info()
    assert (full.caller_total_units * unit, full.caller_available_units * unit) == (LIMIT, 200 * K)
    assert full.actual_total_units == real.total // unit
    assert full.used_units + full.actual_available_units <= full.actual_total_units


# -- rules that change --
async def test_a_limit_comes_and_goes_under_open_files(lab: Any) -> None:
    opened = await lab.create("f")
    await opened.write(0, bytes(200 * K))
    lab.volume.set_space_rules(SpaceRules())
    assert lab.volume.space is None
    await opened.write(0, bytes(LIMIT + 1))
    lab.volume.set_space_rules(SpaceRules(size_limit=LIMIT))
    await opened.write(0, bytes(LIMIT + 1))
    with lab.fails("DISK_FULL"):
        await opened.write(LIMIT + 4 * K, b"x")
    assert sizes(lab)[1] == 0
    await lab.resize(opened, 0)
    await opened.write(0, bytes(LIMIT))
    await opened.close()
    await check(lab, LIMIT)


# -- anything in any order --
@pytest.mark.parametrize("seed", range(4))
async def test_whatever_happens_the_account_is_what_a_count_finds(lab: Any, seed: int) -> None:
    """Random changes through several opens at once, with counts in between; at the end a count from nothing agrees."""
    rng = random.Random(seed)  # noqa: S311 - a course of events, no secret
    space = space_of(lab)
    await space.ready()
    opens: list[Any] = []

    async def step() -> None:
        name = f"f{rng.randrange(6)}" + rng.choice(("", "", ":s", ":t"))
        match rng.randrange(13):
            case 0 | 1:
                how = rng.choice((c.FILE_OPEN_IF, c.FILE_OPEN_IF, c.FILE_SUPERSEDE, c.FILE_OVERWRITE_IF))
                more = {"allocation_size": rng.choice((0, 0, 30 * K))}
                opens.append(await lab.open(name, disposition=how, **more))
            case 2 if opens:
                await opens.pop(rng.randrange(len(opens))).close()
            case 3 if opens:
                await lab.resize(rng.choice(opens), rng.choice((0, 1, 5 * K, 40 * K)))
            case 4 if opens:
                await reserve(rng.choice(opens), rng.choice((0, 20 * K, 60 * K)))
            case 5 if opens:
                await lab.dispose(rng.choice(opens), delete=rng.random() < 0.7)
            case 6 if opens:
                await rng.choice(opens).set_information(
                    ic.FILE_DISPOSITION_INFORMATION_EX, rng.choice((3, 0)).to_bytes(4, "little")
                )
            case 7 if opens:
                await lab.rename(rng.choice(opens), f"f{rng.randrange(6)}", replace=rng.random() < 0.7)
            case 8 if opens:
                data = LinkInformation(f"f{rng.randrange(6)}", flags=rng.randrange(2)).encode()
                await rng.choice(opens).set_information(ic.FILE_LINK_INFORMATION, data)
            case 9 if len(opens) > 1:
                source, target = rng.sample(opens, 2)
                await target.copy_chunks(source, [(0, rng.randrange(30 * K), 3 * K)])
            case 11 if opens:
                await lab.rename(rng.choice(opens), rng.choice((":s", ":t", "::$DATA")), replace=rng.random() < 0.7)
            case 10 if rng.random() < 0.3:
                space.begin()
                await asyncio.sleep(0)
            case _ if opens:
                await rng.choice(opens).write(rng.randrange(60 * K), bytes(rng.randrange(1, 12 * K)))

    for _ in range(250):
        try:
            await step()
        except NtError as error:
            if error.status is Status.INTERNAL_ERROR:
                raise
        assert 0 <= space.used <= LIMIT
    held = space.used
    await space.count()
    assert space.used == held
    for opened in opens:
        await opened.close()
    await check(lab, space.used)
