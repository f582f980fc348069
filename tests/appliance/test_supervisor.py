"""Starting, watching, restarting and stopping processes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
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


SUPERVISES = """
import asyncio, pathlib, sys
from appliance.supervisor import ChildSpec, Supervisor
program, *marks = sys.argv[1:]

def spec(mark):
    async def is_ready():
        return pathlib.Path(mark).exists()
    return ChildSpec("child", [sys.executable, "-c", program, mark], is_ready)

asyncio.run(Supervisor([spec(mark) for mark in marks], lambda: print("ready", flush=True)).run())
"""
STAYS_AND_TELLS = (
    "import os, pathlib, sys, time; pathlib.Path(sys.argv[1]).write_text(str(os.getpid())); time.sleep(60)"
)


def wait_for_the_end(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Return those that still run after a while."""
    _, alive = psutil.wait_procs(processes, timeout=20)
    return alive


def test_children_end_when_the_supervisor_is_killed(tmp_path):
    marks = [tmp_path / "one", tmp_path / "two"]
    command = [sys.executable, "-c", SUPERVISES, STAYS_AND_TELLS, *map(str, marks)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as supervisor:
        assert supervisor.stdout.readline() == b"ready\n"
        children = [psutil.Process(int(mark.read_text())) for mark in marks]
        assert all(child.ppid() == supervisor.pid for child in children)
        supervisor.send_signal(signal.SIGKILL)
        supervisor.wait(10)
        assert wait_for_the_end(children) == []


def test_a_child_whose_parent_is_gone_already_does_not_start(tmp_path):
    from appliance import leash

    command = [sys.executable, "-I", "-S", leash.__file__, "1", sys.executable, "-c", "open('started', 'w')"]
    assert subprocess.run(command, cwd=tmp_path, check=False, timeout=30).returncode == 1
    assert not (tmp_path / "started").exists()


def test_the_whole_product_ends_when_its_supervisor_is_killed(tmp_path):
    command = [sys.executable, "-m", "appliance.cli", "serve", "--demo", "--data", str(tmp_path / "d")]
    log = tmp_path / "log"
    with log.open("wb") as output:
        product = subprocess.Popen(
            [*command, "--smb", "127.0.0.1:0", "--web", "127.0.0.1:0"], stdout=output, stderr=output
        )
    deadline = time.monotonic() + 60
    while "Stop with Ctrl-C" not in log.read_text():
        assert product.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)
    children = psutil.Process(product.pid).children()
    assert len(children) == 2
    product.kill()
    product.wait(10)
    assert wait_for_the_end(children) == []
    assert "Traceback" not in log.read_text()
