"""The write-behind mirror of the core's memory in the database.

Theory of operation.  The event loop marks objects as dirty or gone (`put`, `drop`: two dictionary operations, no
I/O).  One runner task takes what is pending every `flush_interval`, asks each object for its row on the loop
thread, where nothing changes under it, and hands the batch to one writer thread.  An object that comes and goes
within an interval leaves no trace.  Rules:

* At most one batch is on its way, so the database sees the changes of an object in order.
* `_stored` holds the keys that the database has or may have: added when a batch is taken, so that a `drop`
  during the write is not lost, and kept when a write fails, because a commit may have happened all the same
  (`_unannounced` then remembers which of them no committed event has called new).
* A failed batch goes back to pending unless something newer is there; the next try is later and later.
* A row that the database refuses for what it contains would block all others for ever: the batch is then
  written row by row, and only the refused rows are given up, with an error in the log.  An older row of the same
  object is removed: it is not true any more.
* Incidents for the audit log (`report`) go the same way, after the rows, in a transaction of their own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from sqlalchemy import Engine

from smbcore.nt.clock import Clock, TimerHandle
from smbcore.nt.filetime import to_datetime
from smbcore.state import incidents, mirror_writer
from smbcore.state.engine import writing
from smbcore.state.errors import StateUnavailableError
from smbcore.state.incidents import Incident, Incidents, Pending
from smbcore.state.mirror_writer import KINDS, Item, Key, NodeInfo, Written
from smbcore.state.survivors import Survivors, take_over
from smbcore.state.version import RECORD_VERSION_CURRENT, RECORD_VERSION_MAX, RECORD_VERSION_MIN

log = logging.getLogger(__name__)

T = TypeVar("T")

FLUSH_INTERVAL = 0.25
"""Seconds between flushes."""

HEARTBEAT_INTERVAL = 5.0
"""Seconds between two signs of life of the node."""

WRITE_THROUGH_LIMIT = 3.0
"""Seconds that one who stores before going on waits at most."""

_MAX_BATCH = 1000
_FIRST_BACKOFF = 0.5
_LONGEST_BACKOFF = 30.0


class Record(Protocol):
    """An object that has a row."""

    def row(self) -> Mapping[str, Any]:
        """Return the values of its columns; key, node, boot and seq are filled in, missing ones are blank."""


class Mirror:
    """Owned by the core's main task, used on its event loop only: `start`, then anything, then `stop`.

    on_flushed  called on the loop after each commit with the number of the last event and the topics
    """

    def __init__(
        self,
        engine: Engine,
        node_id: str,
        boot_id: str,
        *,
        clock: Clock,
        flush_interval: float = FLUSH_INTERVAL,
        heartbeat_interval: float = HEARTBEAT_INTERVAL,
        name: str = "",
        software: str = "holdfast",
        addresses: Sequence[str] = (),
    ) -> None:
        self._engine = engine
        self._node = NodeInfo(node_id, boot_id, name, software, tuple(addresses))
        self._clock = clock
        self._flush_interval = flush_interval
        self._heartbeat_interval = heartbeat_interval
        self._dirty: dict[str, dict[Key, Record | None]] = {kind: {} for kind in KINDS}
        self._stored: dict[str, set[Key]] = {kind: set() for kind in KINDS}
        self._unannounced: set[tuple[str, Key]] = set()
        self._refused: set[tuple[str, Key]] = set()
        self._incidents = Incidents(clock)
        self._urgent: list[tuple[str, Sequence[Key], asyncio.Future[None]]] = []
        self._flushes: list[asyncio.Future[None]] = []
        self._listeners: list[Callable[[int, frozenset[str]], object]] = []
        self._wake = asyncio.Event()
        self._due = False
        self._stopping = False
        self._backoff = 0.0
        self._next_beat = 0.0
        self._timer: TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._executor: ThreadPoolExecutor | None = None

    def put(self, kind: str, key: Key, source: Record) -> None:
        """Note that an object is new or has changed."""
        self._dirty[kind][key] = source

    def drop(self, kind: str, key: Key) -> None:
        """Note that an object is gone; byte ranges of an open go with it."""
        if key in self._stored[kind]:
            self._dirty[kind][key] = None
        else:
            self._dirty[kind].pop(key, None)

    def report(self, incident: Incident) -> bool:
        """Have an incident recorded in the audit log; return whether it is news. Never waits, bounded in size."""
        return self._incidents.report(incident)

    async def write_through(self, kind: str, key: Key, source: Record) -> None:
        """Store an object before going on; many at a time share one transaction.

        Errors:  StateUnavailableError  it could not be stored, or not in time; it stays pending and is tried again
        """
        self.put(kind, key, source)
        await self.stored(kind, [key])

    async def stored(self, kind: str, keys: Sequence[Key]) -> None:
        """Return once the database has what is pending of these objects, be it that they are gone.

        Errors:  as `write_through`
        """
        self._rouse()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._urgent.append((kind, keys, done))
        late = StateUnavailableError(f"{kind} {keys} was not stored within {WRITE_THROUGH_LIMIT:.0f} s")
        timer = self._clock.call_later(WRITE_THROUGH_LIMIT, _settle, [done], late)
        try:
            await done
        finally:
            timer.cancel()

    async def flush(self) -> None:
        """Store everything that is pending now.

        Errors:  StateUnavailableError  the database did not take it; it stays pending and is tried again
        """
        self._rouse()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._flushes.append(done)
        await done

    @property
    def running(self) -> bool:
        """Whether it was started and not stopped yet."""
        return self._task is not None

    @property
    def pending(self) -> int:
        """How many changes wait to be stored."""
        return sum(map(len, self._dirty.values()))

    def on_flushed(self, callback: Callable[[int, frozenset[str]], object]) -> None:
        """Call `callback(seq, topics)` after each commit."""
        self._listeners.append(callback)

    async def start(self) -> Survivors:
        """Register the node, clear away its earlier life and begin; return what survived.

        Errors:  StateUnavailableError  the database cannot be used
        """
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="mirror")
        try:
            survivors = await self._in_thread(self._register)
        except Exception as error:
            self._executor.shutdown()
            self._executor = None
            raise StateUnavailableError(f"the database cannot be used: {error}") from error
        for kind, keys in survivors.keys().items():
            self._stored[kind].update(keys)
        self._next_beat = self._clock.monotonic() + self._heartbeat_interval
        self._stopping = False
        self._timer = self._clock.call_later(self._flush_interval, self._tick)
        self._task = asyncio.create_task(self._run(), name="mirror")
        return survivors

    async def stop(self) -> None:
        """Store what is pending, if the database lets us, mark the node as down and end."""
        if self._task is None or self._executor is None:
            return
        self._stopping = True
        self._rouse()
        await self._task
        self._task = None
        self._executor.shutdown()
        self._executor = None

    async def announce(self, state: str) -> None:
        """Write the node's state: "up", "stopping" or "down".

        Errors:  StateUnavailableError  the database did not take it
        """
        try:
            written = await self._in_thread(mirror_writer.announce, self._engine, self._node, state, self._now())
        except Exception as error:
            raise StateUnavailableError(f"the state {state} was not stored: {error}") from error
        self._tell(written)

    def _register(self) -> Survivors:
        versions = (RECORD_VERSION_MIN, RECORD_VERSION_MAX, RECORD_VERSION_CURRENT)
        now = self._now()
        with writing(self._engine) as connection:
            mirror_writer.register_node(connection, self._node, versions, now)
            return take_over(connection, self._node.node_id, self._node.boot_id, now=now)

    async def _run(self) -> None:
        while not self._stopping:
            await self._wake.wait()
            self._wake.clear()
            await self._serve_urgent()
            if self._flushes or self._due:
                await self._serve_all()
            if self._due:
                self._due = False
                await self._beat_if_due()
                self._timer = self._clock.call_later(max(self._flush_interval, self._backoff), self._tick)
        if self._timer is not None:
            self._timer.cancel()
        await self._serve_urgent()
        await self._serve_all()
        try:
            await self.announce("down")
        except StateUnavailableError as error:
            log.warning("%s", error)

    def _tick(self) -> None:
        self._due = True
        self._wake.set()

    def _rouse(self) -> None:
        if self._task is None:
            raise StateUnavailableError("the mirror is not running")
        self._wake.set()

    async def _serve_urgent(self) -> None:
        if not self._urgent:
            return
        urgent, self._urgent = self._urgent, []
        wanted = dict.fromkeys((kind, key) for kind, keys, _ in urgent for key in keys)
        # What is gone goes along: no row may contradict an older one that is only waiting to be removed.
        wanted.update((("open", key), None) for key, source in self._dirty["open"].items() if source is None)
        taken = [(kind, key, self._dirty[kind].pop(key)) for kind, key in wanted if key in self._dirty[kind]]
        self._refused.clear()
        error = await self._store(taken)
        for kind, keys, done in urgent:
            lost = [key for key in keys if (kind, key) in self._refused]
            _settle([done], error or (StateUnavailableError(f"{kind} {lost} was not stored") if lost else None))

    async def _serve_all(self) -> None:
        waiting, self._flushes = self._flushes, []
        self._refused.clear()
        error: StateUnavailableError | None = None
        left = self.pending
        while left > 0 and error is None:
            taken = self._take(_MAX_BATCH)
            if not taken:  # the rest was dropped, or stored as urgent, while the batch before was written
                break
            left -= len(taken)
            error = await self._store(taken)
            await self._serve_urgent()
        if error is None:
            error = await self._store_incidents()
        _settle(waiting, error)

    async def _store_incidents(self) -> StateUnavailableError | None:
        batch = self._incidents.take()
        try:
            await self._write_incidents(batch)
        except Exception as error:
            if mirror_writer.is_rows_fault(error) and len(batch) > 1:
                return await self._store_incidents_singly(batch)
            return self._incidents_failed(batch, error)
        return None

    async def _store_incidents_singly(self, batch: Sequence[Pending]) -> StateUnavailableError | None:
        for index, pending in enumerate(batch):
            try:
                await self._write_incidents([pending])
            except Exception as error:
                failed = self._incidents_failed([pending], error)
                if failed is not None:
                    self._incidents.put_back(batch[index + 1 :])
                    return failed
        return None

    async def _write_incidents(self, batch: Sequence[Pending]) -> None:
        if batch:
            self._incidents.stored(batch, await self._in_thread(incidents.write, self._engine, batch))
            self._recovered()

    def _incidents_failed(self, batch: Sequence[Pending], error: Exception) -> StateUnavailableError | None:
        if mirror_writer.is_rows_fault(error):
            log.error("mirror: the database refuses a record of %s: %s", batch[0].incident.action, error)
            return None
        self._complain(error, len(batch))
        self._incidents.put_back(batch)
        return StateUnavailableError(f"the database does not take changes: {error}")

    def _take(self, limit: int) -> list[tuple[str, Key, Record | None]]:
        taken: list[tuple[str, Key, Record | None]] = []
        for kind, dirty in self._dirty.items():
            room = limit - len(taken)
            if len(dirty) <= room:
                self._dirty[kind] = {}
                taken += [(kind, key, source) for key, source in dirty.items()]
            else:
                keys = [key for key, _ in zip(dirty, range(room), strict=False)]
                taken += [(kind, key, dirty.pop(key)) for key in keys]
        return taken

    async def _store(self, taken: Sequence[tuple[str, Key, Record | None]]) -> StateUnavailableError | None:
        items = list(self._snapshot(taken))
        if not items:
            return None
        try:
            written = await self._in_thread(mirror_writer.write_batch, self._engine, self._node, items, self._now())
        except Exception as error:
            if mirror_writer.is_rows_fault(error) and len(items) > 1:
                self._unannounced.update((item.kind, item.key) for item in items if item.is_new)
                return await self._store_singly(taken)
            return self._failed(taken, items, error)
        self._committed(items)
        self._tell(written)
        return None

    async def _store_singly(self, taken: Sequence[tuple[str, Key, Record | None]]) -> StateUnavailableError | None:
        for index, entry in enumerate(taken):
            error = await self._store([entry])
            if error is not None:
                self._put_back(taken[index + 1 :])
                return error
        return None

    def _snapshot(self, taken: Iterable[tuple[str, Key, Record | None]]) -> Iterable[Item]:
        for kind, key, source in taken:
            stored = self._stored[kind]
            if source is None:
                stored.discard(key)
                yield Item(kind, key, None)
                continue
            is_new = key not in stored or (kind, key) in self._unannounced
            try:
                row = source.row()
                mirror_writer.check_row(kind, row)
            except Exception:
                log.exception("mirror: %s %s has no usable row and is not stored", kind, key)
                self._refuse(kind, key, is_new=is_new)
                continue
            stored.add(key)
            yield Item(kind, key, row, is_new)

    def _failed(
        self, taken: Sequence[tuple[str, Key, Record | None]], items: Sequence[Item], error: Exception
    ) -> StateUnavailableError | None:
        if mirror_writer.is_rows_fault(error):
            for item in items:
                log.error("mirror: the database refuses %s %s: %s", item.kind, item.key, error)
                self._refuse(item.kind, item.key, is_new=item.is_new or item.row is None)
            return None
        self._complain(error, self.pending + len(taken))
        self._unannounced.update((item.kind, item.key) for item in items if item.is_new)
        self._put_back(taken)
        return StateUnavailableError(f"the database does not take changes: {error}")

    def _refuse(self, kind: str, key: Key, *, is_new: bool) -> None:
        """Give up a row, and have the older one removed where there is one."""
        self._refused.add((kind, key))
        if is_new:
            self._stored[kind].discard(key)
            self._unannounced.discard((kind, key))
        else:
            self._dirty[kind].setdefault(key, None)

    def _complain(self, error: Exception, waiting: int) -> None:
        """The database fails: say so once, and try again later and later."""
        if not self._backoff:
            log.error("mirror: the database does not take changes, %d wait: %s", waiting, error)
        self._backoff = min(self._backoff * 2 or _FIRST_BACKOFF, _LONGEST_BACKOFF)

    def _put_back(self, taken: Iterable[tuple[str, Key, Record | None]]) -> None:
        for kind, key, source in taken:
            if source is None:
                self._stored[kind].add(key)  # it may still be there: a later drop must reach it
            self._dirty[kind].setdefault(key, source)

    def _committed(self, items: Sequence[Item]) -> None:
        if self._unannounced:
            self._unannounced.difference_update((item.kind, item.key) for item in items)
        closed = {item.key for item in items if item.row is None and item.kind == "open"}
        if closed and self._stored["byte_range"]:
            ranges = self._stored["byte_range"]
            ranges.difference_update([key for key in ranges if isinstance(key, tuple) and key[0] in closed])
        self._recovered()

    def _recovered(self) -> None:
        if self._backoff:
            log.warning("mirror: the database takes changes again")
            self._backoff = 0.0
            if self._timer is not None:
                self._timer.cancel()
            self._tick()

    def _tell(self, written: Written) -> None:
        for listener in self._listeners:
            try:
                listener(written.seq, written.topics)
            except Exception:
                log.exception("mirror: a listener failed")

    async def _beat_if_due(self) -> None:
        if self._clock.monotonic() < self._next_beat or self._backoff:
            return
        self._next_beat = self._clock.monotonic() + self._heartbeat_interval
        try:
            await self._in_thread(mirror_writer.beat, self._engine, self._node, self._now())
        except Exception as error:
            log.warning("mirror: no heartbeat: %s", error)

    async def _in_thread(self, function: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, function, *args)

    def _now(self) -> Any:
        return to_datetime(self._clock.now())


def _settle(waiting: Iterable[asyncio.Future[None]], error: StateUnavailableError | None) -> None:
    for done in waiting:
        if done.done():  # its task was cancelled
            continue
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(StateUnavailableError(str(error)))
