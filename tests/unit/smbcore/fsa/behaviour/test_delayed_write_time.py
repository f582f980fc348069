"""Write times that show late, on shares that are told so; see docs/decisions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from smbcore.fsa.api import VolumeConfig
from smbcore.nt.info import classes as ic
from smbcore.nt.status import Status
from smbcore.vfs.faulty import FaultyBackend, Schedule

DELAY = 2.0
BEFORE = 131_000_000_000_000_000


@pytest.fixture
def config(config: VolumeConfig) -> VolumeConfig:
    return replace(config, delayed_write_time=DELAY)


@pytest.fixture
async def old(lab: Any) -> Any:
    """An open file that was written long ago."""
    opened = await lab.create("a")
    await lab.set_basic(opened, 0, 0, BEFORE, 0)
    await opened.close()
    opened = await lab.open("a")
    yield opened
    await opened.close()


def shown(opened: Any) -> int:
    return int(opened.info().last_write_time)


async def test_the_time_shows_after_a_while(lab: Any, old: Any) -> None:
    await old.write(0, b"x")
    assert shown(old) == BEFORE
    lab.clock.advance(DELAY)
    settled = shown(old)
    assert settled > BEFORE
    # a second write through the same open shows only at its close
    lab.clock.advance(1)
    await old.write(0, b"y")
    lab.clock.advance(DELAY)
    assert shown(old) == settled
    lab.clock.advance(1)
    assert old.closing_info().last_write_time == lab.clock.now() != settled


@pytest.mark.parametrize("what", ["end of file", "flush", "basic information"])
async def test_what_settles_it(lab: Any, old: Any, what: str) -> None:
    await old.write(0, b"x")
    assert shown(old) == BEFORE
    if what == "end of file":
        await old.set_information(ic.FILE_END_OF_FILE_INFORMATION, (1).to_bytes(8, "little"))
    elif what == "flush":
        await old.flush()
    else:
        await lab.set_basic(old)
    assert shown(old) > BEFORE


async def test_a_time_that_is_set_shows_at_once(lab: Any, old: Any) -> None:
    await old.write(0, b"x")
    other = await lab.open("a")
    await lab.set_basic(other, 0, 0, BEFORE + 10_000_000, 0)
    await other.close()
    assert shown(old) == BEFORE + 10_000_000


async def test_the_close_of_the_last_writer_shows_it(lab: Any, old: Any) -> None:
    writer = await lab.open("a")
    await writer.write(0, b"x")
    assert shown(old) == BEFORE
    await writer.close()
    assert shown(old) > BEFORE


async def test_a_writer_that_failed_and_closed_leaves_the_others_the_time(lab: Any, old: Any) -> None:
    faults = Schedule()
    lab.volume.backend = FaultyBackend(lab.backend, faults)
    writer = await lab.open("a")
    faults.fail("write", Status.DISK_FULL)
    with lab.fails("DISK_FULL"):
        await writer.write(0, b"x")
    await writer.close()
    lab.clock.advance(DELAY)
    assert shown(old) == BEFORE
    await lab.set_basic(old, 0, 0, BEFORE + 10_000_000, 0)
    assert shown(old) == BEFORE + 10_000_000


async def test_the_time_follows_data_to_another_stream(lab: Any, old: Any) -> None:
    writer = await lab.open("a")
    await writer.write(0, b"x")
    await lab.rename(writer, ":s")
    lab.clock.advance(DELAY)
    assert shown(writer) > BEFORE
    await writer.close()


async def test_no_timer_outlives_the_file(lab: Any) -> None:
    opened = await lab.create("b")
    await opened.write(0, b"x")
    await opened.close()
    lab.clock.advance(10 * DELAY)
