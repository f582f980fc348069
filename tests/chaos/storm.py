"""The storm: clients with durable and persistent handles at work while connections break and the core is killed.

Seven sorts of clients: `keeper` has a durable handle with a lease and locks on a file of its own; `rival` opens one of
a few files exclusively, as persistent, against all other rivals, and an `intruder` tries the same files without
excluding anybody; `counter` adds to one number in a file that all counters have open, under a byte-range lock; `brief`
has persistent handles of files that go with them; `reader` keeps what it read of a file that a `writer` changes, for as
long as its lease lets it, over outages and crashes. Every one writes down what was acknowledged.

Some crashes are ambushes: the readers' connections are deaf, the writer's next write is acknowledged, and that very
moment the core is killed. What it has not stored by then, nobody knows.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import struct
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import func, select

from smbcore.client.message import How
from smbcore.nt.access import FILE_GENERIC_READ, FILE_GENERIC_WRITE
from smbcore.nt.status import Status
from smbcore.state import schema
from smbcore.state.engine import open_engine
from smbcore.wire.create_contexts import LEASE_READ
from smbcore.wire.lock import LOCK_EXCLUSIVE, LOCK_FAIL_IMMEDIATELY, LOCK_UNLOCK, LockElement
from tests.chaos.client import AGAIN, LOST, PATIENCE, Client, HandleGone
from tests.chaos.proxy import Proxy
from tests.interop.server_process import ServerProcess

RECORD = struct.Struct("<8sQ")
SHARES = ({"name": "files"}, {"name": "always", "continuously_available": True})
WORDS = ("runs", "writes", "cached", "cuts", "kills", "ambushes", "stops", "reclaims", "young", "ceded", "losses")
BUSY = {Status.SHARING_VIOLATION, Status.FILE_NOT_AVAILABLE, Status.FILE_LOCK_CONFLICT}
TABLES = (schema.open_, schema.lease, schema.byte_range)
QUIET = 0.9
"""Seconds without a change until the database has what the readers may cache, for sure."""


@dataclass
class Held:
    """When one client surely had an exclusive handle: from the answer to its CREATE until it sent its CLOSE."""

    file: str
    client: int
    since: float
    until: float = 0.0


@dataclass
class Report:
    """What happened. `acknowledged` is file -> records in the order of writing."""

    counts: Counter[str] = field(default_factory=Counter)
    acknowledged: dict[tuple[str, str], list[bytes]] = field(default_factory=dict)
    history: list[Held] = field(default_factory=list)
    added: int = 0
    faults: list[str] = field(default_factory=list)

    def line(self) -> str:
        return ", ".join(f"{word} {self.counts[word]}" for word in WORDS) + f", faults {len(self.faults)}"


def _caches(client: Client) -> bool:
    return client.handle is not None and bool(client.handle.caching & LEASE_READ)


class Storm:
    """One run of `seconds` on a server in `base`."""

    def __init__(
        self, base: Path, seconds: float, *, seed: int, keepers: int = 3, rivals: int = 3, counters: int = 3,
        database_url: str | None = None,
    ):  # fmt: skip
        self.server = ServerProcess(base, shares=SHARES, database_url=database_url)
        self.dice = random.Random(seed)
        self.seconds = seconds
        self.numbers = (keepers, rivals, counters)
        self.report = Report()
        self.kills: list[float] = []
        self.over = False
        self.hush = False
        self.struck = asyncio.Event()

    async def run(self) -> Report:
        self.server.prepare()
        await asyncio.to_thread(self.server.start)
        proxy, readers = Proxy(self.server.port, self.dice), Proxy(self.server.port, self.dice)
        await proxy.start()
        await readers.start()
        try:
            await self._blow(proxy, readers)
        finally:
            await proxy.stop()
            await readers.stop()
            status = await asyncio.to_thread(self.server.stop)
        if status or "Traceback" in self.server.log:
            start = max(self.server.log.find("Traceback") - 300, 0)
            self.report.faults.append(f"exit status {status}: {self.server.log[start : start + 2500]}")
        self._judge()
        self.report.counts["runs"] += 1
        return self.report

    async def _blow(self, proxy: Proxy, readers: Proxy) -> None:
        keepers, rivals, counters = self.numbers
        work = [self._keeper(proxy.port, number) for number in range(keepers)]
        work += [self._rival(proxy.port, number) for number in range(rivals)]
        work += [self._counter(proxy.port, number) for number in range(counters)]
        work += [self._reader(readers.port, number) for number in range(2)]
        work += [self._writer(proxy.port), self._intruder(proxy.port, rivals), self._brief(proxy.port)]
        tasks = [asyncio.create_task(one) for one in work]
        weather = asyncio.create_task(self._weather(proxy, readers))
        await asyncio.sleep(self.seconds)
        self.over = True
        await weather
        done, late = await asyncio.wait(tasks, timeout=90)
        for task in late:
            task.cancel()
            self.report.faults.append("a client did not come to its end")
        self.report.faults += [repr(task.exception()) for task in done if task.exception() is not None]
        await asyncio.sleep(0.7)
        self._check_rows()

    async def _weather(self, proxy: Proxy, readers: Proxy) -> None:
        counts = self.report.counts
        next_kill = time.monotonic() + self.dice.uniform(1.0, 3.0)
        while not self.over:
            await asyncio.sleep(self.dice.uniform(0.05, 0.4))
            if time.monotonic() < next_kill:
                counts["cuts"] += (readers if self.dice.random() < 0.2 else proxy).disturb()
                continue
            kind = self.dice.random()
            if kind < 0.4:
                await self._ambush(readers)
            elif kind < 0.75:
                await self._kill()
            else:
                await asyncio.to_thread(self.server.stop)
                counts["stops"] += 1
            await asyncio.to_thread(self.server.start)
            next_kill = time.monotonic() + self.dice.uniform(1.5, 4.0)

    async def _kill(self) -> None:
        process, self.server.process = self.server.process, None
        assert process is not None
        self.kills.append(time.monotonic())
        process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(process.wait)
        self.report.counts["kills"] += 1

    async def _ambush(self, readers: Proxy) -> None:
        """Let the readers cache for long enough that it is stored; kill after a write that they do not hear of."""
        self.hush = True
        await asyncio.sleep(QUIET)
        readers.mute()
        self.struck.clear()
        self.hush = False
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.struck.wait(), 1.0)
            self.report.counts["ambushes"] += 1
        await self._kill()
        readers.drop()

    # -- clients --

    async def _records(self, client: Client, share: str, name: str, count: int) -> None:
        """Append numbered records and remember those that were acknowledged."""
        written = self.report.acknowledged.setdefault((share, name), [])
        for _ in range(count):
            record = RECORD.pack(client.guid[:8], len(written))
            await client.write(len(written) * RECORD.size, record)
            written.append(record)
            self.report.counts["writes"] += 1

    async def _keeper(self, port: int, number: int) -> None:
        client, name = Client(port, "files", self.report.counts, self.kills, alone=True), f"keeper{number}"
        while not self.over:
            status = await client.open(name, share_mode=0, persistent=False, leased=True)
            if status is not Status.SUCCESS:
                self.report.faults.append(f"{name}: {status.name}")
                break
            locked = False
            with contextlib.suppress(HandleGone):
                while not self.over and self.dice.random() < 0.95:
                    await self._records(client, "files", name, 10)
                    if number and self.dice.random() < 0.1:  # one of them is never young because of its locks
                        locked = not locked
                        await self._turn_lock(client, name, locked=locked)
                await client.close_handle()
        client.lose()

    async def _turn_lock(self, client: Client, name: str, *, locked: bool) -> None:
        """Take or release a range that nothing is in; it must be as it was left."""
        flags = LOCK_EXCLUSIVE | LOCK_FAIL_IMMEDIATELY if locked else LOCK_UNLOCK
        status = await client.lock(LockElement(1 << 40, 8, flags))
        if status is not Status.SUCCESS:
            self.report.faults.append(f"{name}: {'lock' if locked else 'unlock'} {status.name}")

    async def _rival(self, port: int, number: int) -> None:
        client = Client(port, "always", self.report.counts, self.kills)
        while not self.over:
            name = f"prize{self.dice.randrange(2)}"
            status = await client.open(name, share_mode=0, persistent=True, leased=self.dice.random() < 0.5)
            if status in BUSY:
                await asyncio.sleep(0.05)
                continue
            if status is not Status.SUCCESS:
                self.report.faults.append(f"{name}: {status.name}")
                break
            held = Held(name, number, time.monotonic())
            await self._records(client, "always", name, self.dice.randrange(1, 20))
            held.until = time.monotonic()
            self.report.history.append(held)
            await client.close_handle()
        client.lose()

    async def _intruder(self, port: int, number: int) -> None:
        """Open what rivals have for themselves, with all share modes: only when none of them has it."""
        client = Client(port, "always", self.report.counts, self.kills)
        while not self.over:
            await asyncio.sleep(self.dice.uniform(0.0, 0.1))
            name = f"prize{self.dice.randrange(2)}"
            raw = await client.ready()
            try:
                response = await raw.create(name, FILE_GENERIC_READ, share=7, how=How(timeout=PATIENCE))
                if response.status is Status.SUCCESS:
                    since = time.monotonic()
                    self.report.history.append(Held(name, number, since, time.monotonic()))
                    await raw.close(response.body.file_id, how=How(timeout=PATIENCE))
            except LOST:
                client.lose()
                continue
            if response.status in AGAIN:
                client.lose()
        client.lose()

    async def _brief(self, port: int) -> None:
        """Have files that go with their handle, or were deleted while that is open: there before, gone after."""
        client, number = Client(port, "always", self.report.counts, self.kills), 0
        while not self.over:
            number += 1
            name, on_close = f"brief{number}", self.dice.random() < 0.5
            path = self.server.folder / "always" / name
            status = await client.open(name, share_mode=7, persistent=True, leased=False, temporary=on_close)
            if status is not Status.SUCCESS:
                self.report.faults.append(f"{name}: {status.name}")
                break
            if not on_close:
                await client.delete()
            for _ in range(self.dice.randrange(1, 10)):
                await client.write(0, b"brief")
                await asyncio.sleep(0.02)
            if not path.exists():
                self.report.faults.append(f"{name} is gone before its handle")
            if await client.close_handle() and path.exists():
                self.report.faults.append(f"{name} is there after its handle")
        client.lose()

    async def _counter(self, port: int, number: int) -> None:
        client = Client(port, "always", self.report.counts, self.kills)
        while (status := await client.open("count", share_mode=7, persistent=True, leased=False)) in BUSY:
            await asyncio.sleep(0.05)
        if status is not Status.SUCCESS:
            self.report.faults.append(f"counter {number}: {status.name}")
            return
        while not self.over:
            status = await client.lock(LockElement(0, 8, LOCK_EXCLUSIVE | LOCK_FAIL_IMMEDIATELY))
            if status is Status.LOCK_NOT_GRANTED:
                await asyncio.sleep(0.01)
                continue
            value = int.from_bytes(await client.read(0, 8), "little")
            await client.write(0, (value + 1).to_bytes(8, "little"))
            self.report.added += 1
            status = await client.lock(LockElement(0, 8, LOCK_UNLOCK))
            if status is not Status.SUCCESS:
                self.report.faults.append(f"unlock: {status.name}")
                break
        await client.close_handle()
        client.lose()

    async def _reader(self, port: int, number: int) -> None:
        """Keep what was read for as long as the lease says, over outages too, and look whether it is still so."""
        client, name = Client(port, "files", self.report.counts, self.kills, may_lose=True), f"reader{number}"
        while not self.over:
            with contextlib.suppress(HandleGone):
                status = await client.open("shared", share_mode=7, persistent=False, leased=True)
                if status is not Status.SUCCESS:
                    self.report.faults.append(f"{name}: {status.name}")
                    break
                while not self.over and self.dice.random() < (0.98 if _caches(client) else 0.7):
                    await self._compare(client, name)
                await client.close_handle()
        client.lose()

    async def _compare(self, client: Client, name: str) -> None:
        handle = client.handle
        assert handle is not None
        content = await client.read(0, 8)
        await asyncio.sleep(0.02)  # a notification that came before the content is heard by now
        if handle.cache is not None and handle.cache != content:
            self.report.faults.append(f"{name} keeps {handle.cache!r}, the file has {content!r}")
        if handle.caching & LEASE_READ:
            handle.cache = content
            self.report.counts["cached"] += 1

    async def _writer(self, port: int) -> None:
        """Change what the readers keep, through an ordinary handle; not while there is to be `hush`."""
        client, file_id = Client(port, "files", self.report.counts, self.kills), None
        while not self.over:
            await asyncio.sleep(self.dice.uniform(0.0, 0.05 if self.hush else 0.3))
            connected = client.raw
            raw = await client.ready()
            try:
                if raw is not connected or file_id is None:
                    response = await raw.create("shared", FILE_GENERIC_WRITE, share=7, how=How(timeout=PATIENCE))
                    file_id = response.body.file_id if response.status is Status.SUCCESS else None
                elif not self.hush:
                    response = await raw.write(file_id, 0, self.dice.randbytes(8), how=How(timeout=PATIENCE))
                    if response.status is Status.SUCCESS:
                        self.struck.set()
            except LOST:
                client.lose()
                continue
            if response.status in AGAIN:
                client.lose()
        client.lose()

    # -- afterwards --

    def _check_rows(self) -> None:
        engine = open_engine(self.server.database_url or self.server.directory.database_url)
        try:
            with engine.connect() as connection:
                for table in TABLES:
                    left = connection.scalar(select(func.count()).select_from(table))
                    if left:
                        self.report.faults.append(f"{left} rows left over in {table.name}")
        finally:
            engine.dispose()

    def _judge(self) -> None:
        faults = self.report.faults
        for (share, name), records in self.report.acknowledged.items():
            content = (self.server.folder / share / name).read_bytes()
            if not content.startswith(b"".join(records)):
                faults.append(f"{share}\\{name}: an acknowledged record is not in the file")
        counted = self.server.folder / "always" / "count"
        value = int.from_bytes(counted.read_bytes()[:8], "little") if counted.exists() else 0
        if value != self.report.added:
            faults.append(f"the counters added {self.report.added}, the file says {value}")
        for one in self.report.history:
            for other in self.report.history:
                if one is not other and one.file == other.file and one.since < other.since < one.until:
                    faults.append(f"{one.file} was held by {one.client} and {other.client} at one time")
