"""Starting, watching, restarting and stopping processes."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from appliance.errors import OperationProblem
from appliance.supervisor import ChildSpec, Restarts, Supervisor

STAYS = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).write_text('up'); time.sleep(60)"
ENDS_ONCE = (
    "import pathlib, sys, time; p = pathlib.Path(sys.argv[1]); first = not p.exists();"
    "open(p, 'a').write('x'); time.sleep(0.3 if first else 60); sys.exit(3)"
)
IGNORES = (
    "import pathlib, signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "pathlib.Path(sys.argv[1]).write_text(str(__import__('os').getpid())); time.sleep(60)"
)


def child(program: str, mark: Path, **options) -> ChildSpec:
    async def is_ready() -> bool:
        return mark.exists()

    return ChildSpec(mark.name, [sys.executable, "-c", program, str(mark)], is_ready, **options)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_pause_doubles_and_the_sixth_crash_in_a_minute_is_too_many():
    restarts = Restarts()
    assert [restarts.pause_after_crash(float(second)) for second in range(6)] == [0.5, 1, 2, 4, 8, None]


def test_old_crashes_are_forgotten():
    restarts = Restarts()
    for second in range(5):
        restarts.pause_after_crash(float(second))
    assert restarts.pause_after_crash(100.0) == 0.5


async def test_children_are_announced_when_all_are_ready_and_stopped_on_request(tmp_path):
    marks = [tmp_path / "one", tmp_path / "two"]
    seen = []
    supervisor: Supervisor

    def announce() -> None:
        seen.extend(mark.exists() for mark in marks)
        supervisor.request_stop()

    supervisor = Supervisor([child(STAYS, mark) for mark in marks], announce)
    await asyncio.wait_for(supervisor.run(), 30)
    assert seen == [True, True]


async def test_a_child_that_cannot_start_ends_everything_with_one_line(tmp_path):
    fails = ChildSpec("SMB server", [sys.executable, "-c", "raise SystemExit(1)"], child("", tmp_path / "x").is_ready)
    supervisor = Supervisor([fails, child(STAYS, tmp_path / "never")], lambda: pytest.fail("announced"))
    with pytest.raises(OperationProblem, match=r"the SMB server did not start \(exit status 1\)"):
        await asyncio.wait_for(supervisor.run(), 30)
    assert not (tmp_path / "never").exists()


async def test_a_child_that_is_never_ready_counts_as_failed(tmp_path):
    async def never() -> bool:
        return False

    spec = ChildSpec("web service", [sys.executable, "-c", "import time; time.sleep(60)"], never, ready_timeout=0.2)
    with pytest.raises(OperationProblem, match="not ready after"):
        await asyncio.wait_for(Supervisor([spec], lambda: None).run(), 30)


async def test_a_crashed_child_is_started_again(tmp_path):
    mark = tmp_path / "crashes"
    supervisor = Supervisor([child(ENDS_ONCE, mark)], lambda: None)
    running = asyncio.ensure_future(supervisor.run())
    async with asyncio.timeout(30):
        while not mark.exists() or len(mark.read_text()) < 2:
            await asyncio.sleep(0.05)
    supervisor.request_stop()
    await asyncio.wait_for(running, 30)


async def test_a_child_that_ignores_the_request_is_killed(tmp_path):
    mark = tmp_path / "stubborn"
    supervisor: Supervisor

    def stop() -> None:
        supervisor.request_stop()

    supervisor = Supervisor([child(IGNORES, mark, stop_timeout=0.2)], stop)
    await asyncio.wait_for(supervisor.run(), 30)
    assert not is_alive(int(mark.read_text()))
