"""Runs the SMB core and the web service as two processes, and keeps them running.

    starting ──ready──> running ──crash──> starting (after a back-off)
        └──never ready / too many crashes──> stop everything, status 1

The supervisor owns its children by process id and signals nothing else.  A child that ends by itself is
started again after 0.5 s, 1 s, 2 s, ...; the sixth crash within a minute ends the supervisor, because a
service that cannot stay up needs a person.  SIGINT and SIGTERM stop the children in reverse order of their
start: SIGTERM, ten seconds, SIGKILL.  If the supervisor itself is killed, the kernel sends the children
SIGTERM (leash.py), so that none is left behind.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from appliance import leash
from appliance.errors import OperationProblem

_log = logging.getLogger(__name__)

_CRASHES_ALLOWED = 5
_CRASH_WINDOW = 60.0
_FIRST_PAUSE = 0.5
_PROBE_PAUSE = 0.05
_LEASH = (sys.executable, "-I", "-S", leash.__file__)


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """One process to run.

    name           for messages: "SMB server"
    command        program and arguments
    is_ready       asked repeatedly after the start until it answers True
    ready_timeout  seconds until a child that is not ready counts as failed
    stop_timeout   seconds between SIGTERM and SIGKILL
    environment    its environment; None for that of the supervisor
    """

    name: str
    command: Sequence[str]
    is_ready: Callable[[], Awaitable[bool]]
    ready_timeout: float = 30.0
    stop_timeout: float = 10.0
    environment: Mapping[str, str] | None = None


@dataclass(slots=True)
class Restarts:
    """Decides how long to wait before a crashed child is started again."""

    crashes: deque[float] = field(default_factory=deque)

    def pause_after_crash(self, now: float) -> float | None:
        """Return the seconds to wait, or None when there were too many crashes in a minute."""
        while self.crashes and now - self.crashes[0] > _CRASH_WINDOW:
            self.crashes.popleft()
        self.crashes.append(now)
        if len(self.crashes) > _CRASHES_ALLOWED:
            return None
        return _FIRST_PAUSE * 2.0 ** (len(self.crashes) - 1)


class Supervisor:
    """Starts children in order, watches them, and stops them in reverse order."""

    def __init__(self, specs: Sequence[ChildSpec], announce: Callable[[], None]) -> None:
        """Take what to run, and what to call once everything was ready for the first time."""
        self._specs = specs
        self._announce = announce
        self._stopping = asyncio.Event()
        self._failure: str | None = None

    def request_stop(self) -> None:
        """Ask for an orderly end; `run` returns when the children are gone."""
        self._stopping.set()

    async def run(self) -> None:
        """Run until asked to stop; raise OperationProblem if a child cannot be kept running."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.request_stop)
        keepers: list[asyncio.Task[None]] = []
        try:
            async with asyncio.TaskGroup() as group:
                for spec in self._specs:
                    started = asyncio.Event()
                    keepers.append(group.create_task(self._keep(spec, started)))
                    if not await self._first(started):
                        break
                else:
                    self._announce()
                await self._stopping.wait()
                for keeper in reversed(keepers):
                    keeper.cancel()
                    await asyncio.wait([keeper])
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)
        if self._failure is not None:
            raise OperationProblem(self._failure)

    async def _first(self, started: asyncio.Event) -> bool:
        """Wait for `started` or the end; tell whether it was `started`."""
        waits = [asyncio.ensure_future(started.wait()), asyncio.ensure_future(self._stopping.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return started.is_set() and not self._stopping.is_set()

    async def _keep(self, spec: ChildSpec, started: asyncio.Event) -> None:
        """Run one child, again and again if it crashes, until cancelled."""
        restarts = Restarts()
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            status = await self._run_once(spec, started)
            if not started.is_set():
                self._fail(f"the {spec.name} did not start ({status}); its message is above")
                return
            pause = restarts.pause_after_crash(loop.time())
            if pause is None:
                self._fail(f"the {spec.name} ended {_CRASHES_ALLOWED + 1} times within a minute ({status})")
                return
            _log.warning("the %s ended (%s); starting it again in %.1f s", spec.name, status, pause)
            await asyncio.sleep(pause)

    def _fail(self, why: str) -> None:
        self._failure = why
        self._stopping.set()

    async def _run_once(self, spec: ChildSpec, started: asyncio.Event) -> str:
        """Start a child, wait for its end, and return that in words; stop it when cancelled."""
        process = await asyncio.create_subprocess_exec(
            *_LEASH, str(os.getpid()), *spec.command, env=spec.environment, start_new_session=True
        )
        ended = asyncio.ensure_future(process.wait())
        ready = asyncio.ensure_future(self._until_ready(spec))
        try:
            await asyncio.wait([ended, ready], return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                if not ready.result():
                    return f"it was not ready after {spec.ready_timeout:.0f} seconds"
                started.set()
            return _describe(await ended)
        finally:
            ready.cancel()
            await _stop(process, spec)

    async def _until_ready(self, spec: ChildSpec) -> bool:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + spec.ready_timeout
        while loop.time() < deadline:
            if await spec.is_ready():
                return True
            await asyncio.sleep(_PROBE_PAUSE)
        return False


async def _stop(process: asyncio.subprocess.Process, spec: ChildSpec) -> None:
    """End one child of ours: SIGTERM, then SIGKILL when it does not go."""
    if process.returncode is not None:
        return
    try:
        process.terminate()
        await asyncio.wait_for(process.wait(), spec.stop_timeout)
    except ProcessLookupError:
        return
    except TimeoutError:
        _log.warning("the %s did not stop within %.0f s and is killed", spec.name, spec.stop_timeout)
        process.kill()
        await process.wait()


def _describe(status: int) -> str:
    return f"by signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
