"""A backend that fails on demand: wraps another one and follows a schedule that a test writes.

    faults = Schedule()
    faults.fail("write", Status.DISK_FULL, after=2)          # the third write
    faults.shorten("read_into", 10)                          # the next read gives 10 bytes
    faults.hold("flush", event)                              # the next flush waits for the event
    volume = FaultyBackend(MemoryBackend(), faults)

A call is named as its method of Backend or Node; "*" stands for all of them. `close` never fails.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from smbcore.fsa.backend import (
    Backend,
    Check,
    Guard,
    LocalChange,
    Node,
    NodeInfo,
    Observation,
    StreamInfo,
    Survey,
    VolumeInfo,
    unchecked,
)
from smbcore.nt.status import NtError, Status

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Fault:
    """One thing that will go wrong.

    call    method name, "*" for any;  path  only for a node or an `open` of this path, None for any
    after   calls that still pass;  times  calls that fail then, -1 for all
    status  raised, None to go on
    length  bytes that a read, write or copy is cut to before; None for all. A cut write raises `status` afterwards
    until   the call waits for this event first (async methods)
    """

    call: str
    path: tuple[str, ...] | None = None
    after: int = 0
    times: int = 1
    status: Status | None = None
    length: int | None = None
    until: asyncio.Event | None = None

    def applies(self, call: str, path: tuple[str, ...] | None) -> bool:
        """Tell whether this fault concerns the call, whether or not it is its turn."""
        return self.times != 0 and self.call in (call, "*") and self.path in (None, path)


class Schedule:
    """The faults to come and the calls seen.

    calls  how often each method was called, failed calls included
    """

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self._faults: list[Fault] = []

    def fail(
        self, call: str, status: Status, *, after: int = 0, times: int = 1, path: tuple[str, ...] | None = None
    ) -> Fault:
        """Raise `status` from `call`."""
        return self.add(Fault(call, path, after, times, status))

    def shorten(
        self,
        call: str,
        length: int,
        *,
        status: Status | None = None,
        after: int = 0,
        times: int = 1,
        path: tuple[str, ...] | None = None,
    ) -> Fault:
        """Cut a read, write or copy to `length` bytes; with `status` raise that after them (a torn write)."""
        return self.add(Fault(call, path, after, times, status, length))

    def hold(self, call: str, until: asyncio.Event, *, after: int = 0, path: tuple[str, ...] | None = None) -> Fault:
        """Let an async `call` wait for `until`, as one that needs a slow disk does."""
        return self.add(Fault(call, path, after, until=until))

    def add(self, fault: Fault) -> Fault:
        """Add a fault; earlier ones go first."""
        self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """Forget all faults."""
        self._faults.clear()

    def take(self, call: str, path: tuple[str, ...] | None) -> Fault | None:
        """Count a call and return the fault that it meets, if any."""
        self.calls[call] += 1
        for fault in self._faults:
            if not fault.applies(call, path):
                continue
            if fault.after > 0:
                fault.after -= 1
                continue
            if fault.times > 0:
                fault.times -= 1
            return fault
        return None

    def check(self, call: str, path: tuple[str, ...] | None) -> None:
        """Meet a call that cannot wait or be cut; raises the fault's NtError."""
        fault = self.take(call, path)
        if fault is not None:
            _raise(fault, call)

    async def meet(self, call: str, path: tuple[str, ...] | None) -> Fault | None:
        """Meet a call that can wait; raises the fault's NtError unless the call is to be cut first."""
        fault = self.take(call, path)
        if fault is None:
            return None
        if fault.until is not None:
            await fault.until.wait()
        if fault.length is None:
            _raise(fault, call)
        return fault


def _raise(fault: Fault, call: str) -> None:
    if fault.status is not None:
        raise NtError(fault.status, f"injected into {call}")


def _cut(fault: Fault | None, length: int) -> int:
    return length if fault is None or fault.length is None else min(length, fault.length)


class FaultyNode(Node):
    """A node whose calls meet the schedule first; everything else is the wrapped node's."""

    __slots__ = ("_schedule", "inner")

    def __init__(self, inner: Node, schedule: Schedule) -> None:
        self.inner = inner
        self._schedule = schedule

    @property
    def key(self) -> Hashable:  # type: ignore[override]
        return self.inner.key

    @property
    def path(self) -> tuple[str, ...]:
        return self.inner.path

    @path.setter
    def path(self, path: tuple[str, ...]) -> None:
        self.inner.path = path  # type: ignore[misc]

    @property
    def stream(self) -> str:  # type: ignore[override]
        return self.inner.stream

    @property
    def is_directory(self) -> bool:  # type: ignore[override]
        return self.inner.is_directory

    def info(self) -> NodeInfo:
        self._check("info")
        return self.inner.info()

    def set_times(
        self,
        *,
        creation: int | None = None,
        last_access: int | None = None,
        last_write: int | None = None,
        change: int | None = None,
    ) -> None:
        self._check("set_times")
        self.inner.set_times(creation=creation, last_access=last_access, last_write=last_write, change=change)

    def set_attributes(self, attributes: int) -> None:
        self._check("set_attributes")
        self.inner.set_attributes(attributes)

    def security(self) -> bytes | None:
        self._check("security")
        return self.inner.security()

    def set_security(self, descriptor: bytes) -> None:
        self._check("set_security")
        self.inner.set_security(descriptor)

    def extended_attributes(self) -> dict[bytes, bytes]:
        self._check("extended_attributes")
        return self.inner.extended_attributes()

    def set_extended_attribute(self, name: bytes, value: bytes) -> None:
        self._check("set_extended_attribute")
        self.inner.set_extended_attribute(name, value)

    def object_metadata(self, name: str) -> bytes | None:
        self._check("object_metadata")
        return self.inner.object_metadata(name)

    def set_object_metadata(self, name: str, value: bytes | None) -> None:
        self._check("set_object_metadata")
        self.inner.set_object_metadata(name, value)

    async def read_into(self, offset: int, into: memoryview) -> int:
        fault = await self._meet("read_into")
        count = await self.inner.read_into(offset, into[: _cut(fault, len(into))])
        if fault is not None:
            _raise(fault, "read_into")
        return count

    async def write(self, offset: int, data: bytes | memoryview) -> int:
        fault = await self._meet("write")
        count = await self.inner.write(offset, data[: _cut(fault, len(data))])
        if fault is not None:
            _raise(fault, "write")
        return count

    async def flush(self) -> None:
        await self._meet("flush")
        await self.inner.flush()

    async def set_end_of_file(self, size: int) -> None:
        await self._meet("set_end_of_file")
        await self.inner.set_end_of_file(size)

    async def set_allocation(self, size: int) -> None:
        await self._meet("set_allocation")
        await self.inner.set_allocation(size)

    def transfer_descriptor(self) -> int | None:
        """Return None: what is sent past the backend could meet no fault."""
        return None

    def main_size(self) -> int:
        self._check("main_size")
        return self.inner.main_size()

    async def zero_range(self, offset: int, beyond: int) -> None:
        await self._meet("zero_range")
        await self.inner.zero_range(offset, beyond)

    def allocated_ranges(self, offset: int, length: int) -> list[tuple[int, int]]:
        self._check("allocated_ranges")
        return self.inner.allocated_ranges(offset, length)

    async def copy_range(
        self, source: Node, source_offset: int, offset: int, length: int, *, clone: bool = False
    ) -> int:
        fault = await self._meet("copy_range")
        cut = _cut(fault, length)
        count = await self.inner.copy_range(unwrap(source), source_offset, offset, cut, clone=clone)
        if fault is not None:
            _raise(fault, "copy_range")
        return count

    def guard(self, wanted: Callable[[float], None]) -> Guard | None:
        return self.inner.guard(wanted)

    def claim(self, offset: int, beyond: int, kind: int) -> bool:
        self._check("claim")
        return self.inner.claim(offset, beyond, kind)

    def streams(self) -> list[StreamInfo]:
        self._check("streams")
        return self.inner.streams()

    def open_stream(self, name: str, *, create: bool, exclusive: bool = False) -> tuple[Node, bool]:
        self._check("open_stream")
        node, created = self.inner.open_stream(name, create=create, exclusive=exclusive)
        return FaultyNode(node, self._schedule), created

    async def names(self) -> list[str]:
        await self._meet("names")
        return await self.inner.names()

    async def entries(self, names: Sequence[str]) -> list[tuple[str, NodeInfo]]:
        await self._meet("entries")
        return await self.inner.entries(names)

    def short_name(self, name: str) -> str:
        self._check("short_name")
        return self.inner.short_name(name)

    def close(self) -> None:
        self._schedule.calls["close"] += 1
        self.inner.close()

    def _check(self, call: str) -> None:
        self._schedule.check(call, self.inner.path)

    async def _meet(self, call: str) -> Fault | None:
        return await self._schedule.meet(call, self.inner.path)


class FaultyBackend(Backend):
    """A volume whose calls meet the schedule first.

    inner  the wrapped volume, closed with this one;  schedule  what goes wrong when
    """

    def __init__(self, inner: Backend, schedule: Schedule | None = None) -> None:
        self.inner = inner
        self.schedule = Schedule() if schedule is None else schedule

    async def open(self, path: Sequence[str], *, writable: bool = False, follow: bool = True) -> Node:
        await self.schedule.meet("open", tuple(path))
        return self._wrap(await self.inner.open(path, writable=writable, follow=follow))

    async def open_by_id(self, file_id: int) -> Node:
        await self.schedule.meet("open_by_id", None)
        return self._wrap(await self.inner.open_by_id(file_id))

    async def create(
        self, parent: Node, name: str, *, directory: bool, attributes: int = 0, security: bytes | None = None
    ) -> Node:
        await self.schedule.meet("create", (*parent.path, name))
        into = unwrap(parent)
        return self._wrap(
            await self.inner.create(into, name, directory=directory, attributes=attributes, security=security)
        )

    async def rename(self, node: Node, new_parent: Node, name: str, *, replace: bool, check: Check = unchecked) -> None:
        await self.schedule.meet("rename", node.path)
        await self.inner.rename(unwrap(node), unwrap(new_parent), name, replace=replace, check=check)

    async def rename_stream(self, node: Node, name: str, *, replace: bool) -> None:
        await self.schedule.meet("rename_stream", node.path)
        await self.inner.rename_stream(unwrap(node), name, replace=replace)

    async def link(self, node: Node, new_parent: Node, name: str, *, replace: bool, check: Check = unchecked) -> None:
        await self.schedule.meet("link", node.path)
        await self.inner.link(unwrap(node), unwrap(new_parent), name, replace=replace, check=check)

    async def remove(self, node: Node) -> None:
        await self.schedule.meet("remove", node.path)
        await self.inner.remove(unwrap(node))

    async def is_empty(self, node: Node) -> bool:
        await self.schedule.meet("is_empty", node.path)
        return await self.inner.is_empty(unwrap(node))

    def volume_info(self) -> VolumeInfo:
        self.schedule.check("volume_info", None)
        return self.inner.volume_info()

    async def survey(self) -> Survey:
        await self.schedule.meet("survey", None)
        return await self.inner.survey()

    async def in_background(self, work: Callable[[], T]) -> T:
        return await self.inner.in_background(work)

    @property
    def snapshot_folder(self) -> str:  # type: ignore[override]  # an attribute of the others
        """As the wrapped volume."""
        return self.inner.snapshot_folder

    def snapshots(self) -> list[int]:
        self.schedule.check("snapshots", None)
        return self.inner.snapshots()

    def open_snapshot(self, time: int) -> Backend:
        self.schedule.check("open_snapshot", None)
        return FaultyBackend(self.inner.open_snapshot(time), self.schedule)

    def observe(
        self, path: tuple[str, ...], told: Callable[[list[LocalChange]], None], *, tree: bool
    ) -> Observation | None:
        return self.inner.observe(path, told, tree=tree)

    async def tidy(self) -> None:
        await self.schedule.meet("tidy", None)
        await self.inner.tidy()

    def close(self) -> None:
        self.inner.close()

    def _wrap(self, node: Node) -> Node:
        return FaultyNode(node, self.schedule)


def unwrap(node: Node) -> Node:
    """Return the node of the wrapped volume."""
    return node.inner if isinstance(node, FaultyNode) else node
