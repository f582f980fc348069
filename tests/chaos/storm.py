"""The storm: clients with durable and persistent handles at work while connections break and the core is killed.

Eight sorts of clients: `keeper` has a durable handle with a lease and locks on a file of its own; `rival` opens one of
a few files exclusively, as persistent, against all other rivals, and an `intruder` tries the same files without
excluding anybody; `counter` adds to one number in a file that all counters have open, under a byte-range lock; `brief`
has persistent handles of files that go with them; `reader` keeps what it read of a file that a `writer` changes, for as
long as its lease lets it, over outages and crashes; `sharer` takes leases from other sharers and loses them again. Every
one writes down what was acknowledged, and when it had which lease.

Some crashes are ambushes: the readers' connections are deaf, the writer's next write is acknowledged, and that very
moment the core is killed. What it has not stored by then, nobody knows.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import signal
import struct
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Row, Select, select

from smbcore.client.message import How
from smbcore.client.raw import RawClient
from smbcore.nt.access import FILE_GENERIC_READ, FILE_GENERIC_WRITE
from smbcore.nt.status import Status
from smbcore.state import schema
from smbcore.state.engine import open_engine
from smbcore.wire.create_contexts import LEASE_READ, LEASE_WRITE
from smbcore.wire.lock import LOCK_EXCLUSIVE, LOCK_FAIL_IMMEDIATELY, LOCK_UNLOCK, LockElement
from tests.chaos.client import PATIENCE, Client, HandleChanged, HandleGone, HandleLost, Kill
from tests.chaos.history import Cached, Held, conflicts, lease_conflicts
from tests.chaos.proxy import Proxy
from tests.interop.server_process import ServerProcess

RECORD = struct.Struct("<8sQ")
SHARES = ({"name": "files"}, {"name": "always", "continuously_available": True})
WORDS = (
    "runs", "writes", "cached", "leases", "cuts", "kills", "ambushes", "stops", "hurried", "reclaims", "young", "ceded", "losses",
)  # fmt: skip
BUSY = {Status.SHARING_VIOLATION, Status.FILE_NOT_AVAILABLE, Status.FILE_LOCK_CONFLICT}
TABLES = (schema.open_, schema.lease, schema.byte_range, schema.tcon, schema.session)
AFTER = 1.0
"""Seconds in which all work with a core that lives on, for its start has cleared away what the one before left behind.

What was closed in the last moment before a kill may be back; it gives way to the next open, or to the next write.
"""
ROWS_GO = 20.0
"""Seconds until the database has heard of the last CLOSE, on a busy machine."""
TELLING = "took too long|follow later|not up to date|does not take changes|would not give back handles"
HURRIED = "ending the connections took too long"
QUIET = 0.9
"""Seconds without a change until the database has what the readers may cache, for sure."""


@dataclass
class Report:
    """What happened.

    acknowledged  file -> records in the order of writing
    struck        what the readers' file may hold: what the writer was told last, and whatever was not answered
    """

    counts: Counter[str] = field(default_factory=Counter)
    acknowledged: dict[tuple[str, str], list[bytes]] = field(default_factory=dict)
    history: list[Held] = field(default_factory=list)
    leases: list[Cached] = field(default_factory=list)
    added: int = 0
    struck: list[bytes] = field(default_factory=lambda: [b""])
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
        self.kills: list[Kill] = []
        self.calm = False
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
        self.report.faults += [f"after the end: {one}" for one in self._left_over()]
        self._judge()
        if self.report.faults:
            self.report.faults[-1] += self._said(TELLING)
        self.report.counts["runs"] += 1
        return self.report

    async def _blow(self, proxy: Proxy, readers: Proxy) -> None:
        keepers, rivals, counters = self.numbers
        work = [self._keeper(proxy.port, number) for number in range(keepers)]
        work += [self._rival(proxy.port, number) for number in range(rivals)]
        work += [self._counter(proxy.port, number) for number in range(counters)]
        work += [self._reader(readers.port, number) for number in range(2)]
        work += [self._sharer(proxy.port, share) for share in ("files", "files", "always", "always")]
        work += [self._writer(proxy.port), self._intruder(proxy.port, rivals), self._brief(proxy.port)]
        tasks = [asyncio.create_task(one, name=one.__name__) for one in work]
        weather = asyncio.create_task(self._weather(proxy, readers))
        await asyncio.sleep(self.seconds)
        self.calm = True
        await weather
        self.struck.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.struck.wait(), ROWS_GO)
        await asyncio.sleep(AFTER)
        self.over = True
        done, late = await asyncio.wait(tasks, timeout=90)
        for task in late:
            task.cancel()
            self.report.faults.append(f"a client did not come to its end: {task.get_name()}")
        for error in filter(None, (task.exception() for task in done)):
            self.report.faults.append(f"{error!r}{self._background(error)}")
        deadline = time.monotonic() + ROWS_GO
        while (left := self._left_over()) and time.monotonic() < deadline:
            await asyncio.sleep(0.1)
        self.report.faults += left

    def _background(self, error: BaseException) -> str:
        """Return what the server's log says of a handle that was lost."""
        if not isinstance(error, HandleLost | HandleChanged):
            return ""
        name = re.escape(str(error).partition(",")[0])
        return self._said(rf"open 0x.*{name}.*(not kept|gives way|did not come back)|{name}.*caching_lost")

    def _said(self, pattern: str) -> str:
        said = [line for line in self.server.log.splitlines() if re.search(pattern, line)]
        return "".join(f"\n    {line[:250]}" for line in said[-12:])

    async def _weather(self, proxy: Proxy, readers: Proxy) -> None:
        counts = self.report.counts
        next_kill = time.monotonic() + self.dice.uniform(1.0, 3.0)
        while not self.calm:
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
                await self._stop()
            await asyncio.to_thread(self.server.start)
            next_kill = time.monotonic() + self.dice.uniform(1.5, 4.0)

    async def _kill(self) -> None:
        process, self.server.process = self.server.process, None
        assert process is not None
        at = time.monotonic()
        process.send_signal(signal.SIGKILL)
        status = await asyncio.to_thread(process.wait)
        if status != -signal.SIGKILL:
            self.report.faults.append(f"the core had ended before it was killed, with status {status}")
        self.kills.append(self._end(at))
        self.report.counts["kills"] += 1

    async def _stop(self) -> None:
        """Stop as planned. If the core gave up waiting for something, then it may have forgotten what a kill forgets."""
        at, before = time.monotonic(), len(self.server.log)
        status = await asyncio.to_thread(self.server.stop)
        if status:
            self.report.faults.append(f"a planned stop ended with status {status}")
        if HURRIED in self.server.log[before:]:
            self.kills.append(self._end(at))
            self.report.counts["hurried"] += 1
        self.report.counts["stops"] += 1

    def _end(self, at: float) -> Kill:
        """Look at what the core left behind."""
        table = schema.open_
        rows = self._select(select(table.c.create_guid).where(table.c.durable != ""))
        return Kill(at, frozenset(row.create_guid for row in rows), self.server.directory.records_trusted.exists())

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

    def _client(self, port: int, share: str, *, may_lose: bool = False, alone: bool = False) -> Client:
        report = self.report
        return Client(port, share, report.counts, self.kills, report.leases, may_lose=may_lose, alone=alone)

    async def _records(self, client: Client, share: str, name: str, count: int) -> None:
        """Append numbered records and remember those that were acknowledged."""
        written = self.report.acknowledged.setdefault((share, name), [])
        for _ in range(count):
            record = RECORD.pack(client.guid[:8], len(written))
            await client.write(len(written) * RECORD.size, record)
            written.append(record)
            self.report.counts["writes"] += 1

    async def _keeper(self, port: int, number: int) -> None:
        client, name = self._client(port, "files", alone=True), f"keeper{number}"
        closed = False
        while not (self.over and closed):
            closed = False
            status = await client.open(name, share_mode=0, persistent=False, leased=True)
            if status is not Status.SUCCESS:
                self.report.faults.append(f"{name}: {status.name}")
                break
            locked = False
            with contextlib.suppress(HandleGone):
                while not self.over and self.dice.random() < (0.95 if number else 0.998):  # one keeps it for long
                    await self._records(client, "files", name, 10)
                    if number and self.dice.random() < 0.1:  # and is never young because of its locks
                        locked = not locked
                        await self._turn_lock(client, name, locked=locked)
                await client.close_handle()
                closed = True
        client.lose()

    async def _turn_lock(self, client: Client, name: str, *, locked: bool) -> None:
        """Take or release a range that nothing is in; it must be as it was left."""
        flags = LOCK_EXCLUSIVE | LOCK_FAIL_IMMEDIATELY if locked else LOCK_UNLOCK
        status = await client.lock(LockElement(1 << 40, 8, flags))
        if status is not Status.SUCCESS:
            self.report.faults.append(f"{name}: {'lock' if locked else 'unlock'} {status.name}")

    async def _rival(self, port: int, number: int) -> None:
        client = self._client(port, "always")
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
        client = self._client(port, "always")
        while not self.over:
            await asyncio.sleep(self.dice.uniform(0.0, 0.1))
            name = f"prize{self.dice.randrange(2)}"
            raw = await client.ready()
            response = await client.once(raw.create(name, FILE_GENERIC_READ, share=7, how=How(timeout=PATIENCE)))
            if response is None or response.status in BUSY | {Status.OBJECT_NAME_NOT_FOUND}:
                continue
            if response.status is not Status.SUCCESS:
                self.report.faults.append(f"intruder, {name}: {response.status.name}")
                break
            since = time.monotonic()
            self.report.history.append(Held(name, number, since, time.monotonic()))
            await client.once(raw.close(response.body.file_id, how=How(timeout=PATIENCE)))
        client.lose()

    async def _brief(self, port: int) -> None:
        """Have files that go with their handle, or were deleted while that is open: there before, gone after."""
        client, number = self._client(port, "always"), 0
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
            ends = len(self.kills), self.report.counts["stops"]
            if not await client.close_handle():
                await self._expect_gone(path, ends)
            elif path.exists():
                self.report.faults.append(f"{name} is there after its handle")
        client.lose()

    async def _expect_gone(self, path: Path, ends: tuple[int, int]) -> None:
        """A file goes with its handle also where nobody hears of it, unless the core ended meanwhile."""
        deadline = time.monotonic() + PATIENCE
        while path.exists() and self.server.process is not None:
            if ends != (len(self.kills), self.report.counts["stops"]):
                return
            if time.monotonic() > deadline:
                self.report.faults.append(f"{path.name} is there though its handle has gone")
                return
            await asyncio.sleep(0.05)

    async def _counter(self, port: int, number: int) -> None:
        client = self._client(port, "always")
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
            if status is not Status.SUCCESS:
                self.report.faults.append(f"lock: {status.name}")
                break
            held = Held("the lock on count", number, time.monotonic())
            value = int.from_bytes(await client.read(0, 8), "little")
            await client.write(0, (value + 1).to_bytes(8, "little"))
            self.report.added += 1
            held.until = time.monotonic()
            self.report.history.append(held)
            status = await client.lock(LockElement(0, 8, LOCK_UNLOCK))
            if status is not Status.SUCCESS:
                self.report.faults.append(f"unlock: {status.name}")
                break
        await client.close_handle()
        client.lose()

    async def _reader(self, port: int, number: int) -> None:
        """Keep what was read for as long as the lease says, over outages too, and look whether it is still so."""
        client, name = self._client(port, "files", may_lose=True), f"reader{number}"
        closed = False
        while not (self.over and closed):
            closed = False
            with contextlib.suppress(HandleGone):
                status = await client.open("shared", share_mode=7, persistent=False, leased=True)
                if status is not Status.SUCCESS:
                    self.report.faults.append(f"{name}: {status.name}")
                    break
                while not self.over and self.dice.random() < (0.98 if _caches(client) else 0.7):
                    await self._compare(client, name)
                await client.close_handle()
                closed = True
        client.lose()

    async def _sharer(self, port: int, share: str) -> None:
        """Have a lease of a file that others open at any moment, which takes W from it, and give it back."""
        is_persistent, closed = share == "always", False
        client = self._client(port, share, may_lose=not is_persistent)
        while not (self.over and closed):
            closed = False
            with contextlib.suppress(HandleGone):
                status = await client.open("swapped", share_mode=7, persistent=is_persistent, leased=True)
                if status in BUSY:
                    await asyncio.sleep(0.05)
                    continue
                if status is not Status.SUCCESS:
                    self.report.faults.append(f"sharer of {share}: {status.name}")
                    break
                for _ in range(self.dice.randrange(1, 30)):
                    await client.read(0, 8)
                    await asyncio.sleep(self.dice.uniform(0.0, 0.02))
                if self.dice.random() < 0.3:  # takes all from the others, and from who closed just before a kill
                    await client.write(0, self.dice.randbytes(8))
                await client.close_handle()
                closed = True
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
        client, file_id = self._client(port, "files"), None
        while not self.over:
            await asyncio.sleep(self.dice.uniform(0.0, 0.05 if self.hush else 0.3))
            connected = client.raw
            raw = await client.ready()
            if raw is not connected or file_id is None:
                response = await client.once(
                    raw.create("shared", FILE_GENERIC_WRITE, share=7, how=How(timeout=PATIENCE))
                )
                missing = response is None or response.status is Status.OBJECT_NAME_NOT_FOUND
                file_id = None if missing else response.expect().body.file_id
            elif not self.hush:
                await self._strike(client, raw, file_id)
        client.lose()

    async def _strike(self, client: Client, raw: RawClient, file_id: bytes) -> None:
        data, struck = self.dice.randbytes(8), self.report.struck
        response = await client.once(raw.write(file_id, 0, data, how=How(timeout=PATIENCE)))
        if response is None:
            struck.append(data)
            return
        response.expect()
        struck[0] = data
        self.struck.set()

    # -- afterwards --

    def _select(self, query: Select[Any]) -> Sequence[Row[Any]]:
        engine = open_engine(self.server.database_url or self.server.directory.database_url)
        try:
            with engine.connect() as connection:
                return connection.execute(query).all()
        finally:
            engine.dispose()

    def _left_over(self) -> list[str]:
        """Return a fault for every table that has rows though no client is there and none has a handle."""
        found = {table.name: self._select(select(table)) for table in TABLES}
        return [
            f"{len(rows)} rows left over in {name}, as {str(rows[0])[:300]}" for name, rows in found.items() if rows
        ]

    def _judge(self) -> None:
        report, faults = self.report, self.report.faults
        for (share, name), records in report.acknowledged.items():
            content = (self.server.folder / share / name).read_bytes()
            if not content.startswith(b"".join(records)):
                faults.append(f"{share}\\{name}: an acknowledged record is not in the file")
        counted = self.server.folder / "always" / "count"
        value = int.from_bytes(counted.read_bytes()[:8], "little") if counted.exists() else 0
        if value != report.added:
            faults.append(f"the counters added {report.added}, the file says {value}")
        if (self.server.folder / "files" / "shared").read_bytes() not in report.struck:
            faults.append("the file of the readers is as the writer was not told that it would be")
        faults += conflicts(report.history)
        faults += lease_conflicts(report.leases)
        report.counts["leases"] = sum(bool(cached.caching & LEASE_WRITE) for cached in report.leases)
