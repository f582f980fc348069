"""Change notification: watches on open directories  [MS-FSA 2.1.4.1, 2.1.5.11, MS-SMB2 3.3.5.19].

The first request of an open starts its watch and fixes filter, depth and buffer size. From then on changes are kept for
the next request; when they outgrow the buffer they are forgotten and that request fails with NOTIFY_ENUM_DIR: the
client has to list the directory. A pending request is completed by the first change; the two halves of a rename come
together.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from smbcore.nt.access import FILE_LIST_DIRECTORY
from smbcore.nt.names import utf16_length
from smbcore.nt.status import NtError, Status

if TYPE_CHECKING:
    from smbcore.fsa.backend import Observation
    from smbcore.fsa.open import Open

# Actions  [MS-FSCC 2.7.1].
ADDED = 1
REMOVED = 2
MODIFIED = 3
RENAMED_OLD_NAME = 4
RENAMED_NEW_NAME = 5
ADDED_STREAM = 6
REMOVED_STREAM = 7
MODIFIED_STREAM = 8

# Completion filters  [MS-SMB2 2.2.35].
FILE_NAME = 0x001
DIR_NAME = 0x002
ATTRIBUTES = 0x004
SIZE = 0x008
LAST_WRITE = 0x010
LAST_ACCESS = 0x020
CREATION = 0x040
EA = 0x080
SECURITY = 0x100
STREAM_NAME = 0x200
STREAM_SIZE = 0x400
STREAM_WRITE = 0x800

Event = tuple[int, str]
Change = tuple[int, tuple[str, ...], str]
"""Action, path of the file, and what follows its name (":stream:$DATA" or "")."""


def encoded_size(name: str) -> int:
    """Return the bytes that one entry takes: 12 and the name, rounded up to 4  [MS-FSCC 2.7.1]."""
    return (12 + 2 * utf16_length(name) + 3) & ~3


class Watch:
    """What one open directory is told.

    change_filter  which changes;  tree  whether of the whole tree below;  capacity  bytes kept between requests
    observation    what tells of changes by other processes, None for nothing
    """

    __slots__ = ("_pending", "_size", "capacity", "change_filter", "events", "observation", "overflown", "tree")

    def __init__(self, change_filter: int, capacity: int, *, tree: bool) -> None:
        self.change_filter = change_filter
        self.tree = tree
        self.capacity = capacity
        self.observation: Observation | None = None
        self.events: list[Event] = []
        self.overflown = False
        self._size = 0
        self._pending: deque[tuple[asyncio.Future[list[Event]], int]] = deque()

    async def next(self, max_length: int) -> list[Event]:
        """Return changes, waiting for the first.

        Errors: NOTIFY_ENUM_DIR more changes than fit;  NOTIFY_CLEANUP closed;  DELETE_PENDING the directory goes.
        """
        if self.overflown or self.events:
            return self._take(max_length)
        future: asyncio.Future[list[Event]] = asyncio.get_running_loop().create_future()
        entry = (future, max_length)
        self._pending.append(entry)
        try:
            return await future
        except asyncio.CancelledError:
            if not future.done() or future.cancelled():
                raise
            return future.result()  # it was complete already, and what it tells is told once
        finally:
            if entry in self._pending:
                self._pending.remove(entry)

    def add(self, events: list[Event]) -> None:
        """Keep changes that happened together, and complete a request that waits."""
        if not self.overflown:
            self._size += sum(encoded_size(name) for _, name in events)
            if self._size > self.capacity:
                self.overflown = True
                self.events = []
            else:
                self.events += events
        while self._pending and (self.overflown or self.events):
            future, max_length = self._pending.popleft()
            if future.done():
                continue
            try:
                future.set_result(self._take(max_length))
            except NtError as error:
                future.set_exception(error)

    def overflow(self) -> None:
        """Changes happened that nobody can name: the client has to list anew."""
        self.overflown = True
        self.events = []
        self.add([])

    def _take(self, max_length: int) -> list[Event]:
        events, size, overflown = self.events, self._size, self.overflown
        self.events = []
        self._size = 0
        self.overflown = False
        if overflown or size > max_length:
            raise NtError(Status.NOTIFY_ENUM_DIR, f"{size} bytes of changes")
        return events

    def fail(self, status: Status) -> None:
        """Complete every request that waits with `status`."""
        while self._pending:
            future, _ = self._pending.popleft()
            if not future.done():
                future.set_exception(NtError(status, "watch ended"))


class Notifier:
    """Every watch of a volume by the path of its directory; `report` costs one test where there is none."""

    __slots__ = ("_watches",)

    def __init__(self) -> None:
        self._watches: dict[tuple[str, ...], list[Watch]] = {}

    def __bool__(self) -> bool:
        return bool(self._watches)

    def add(self, path: tuple[str, ...], watch: Watch) -> None:
        """Begin a watch of the directory at `path`."""
        self._watches.setdefault(path, []).append(watch)

    def remove(self, path: tuple[str, ...], watch: Watch) -> None:
        """End a watch."""
        watches = self._watches.get(path, [])
        if watch in watches:
            watches.remove(watch)
            if not watches:
                del self._watches[path]

    def moved(self, old: tuple[str, ...], new: tuple[str, ...]) -> None:
        """Follow a directory that was renamed."""
        watches = self._watches.pop(old, None)
        if watches:
            self._watches.setdefault(new, []).extend(watches)

    def fail(self, path: tuple[str, ...], status: Status) -> None:
        """Complete what waits on the directory at `path` with `status`."""
        for watch in self._watches.get(path, ()):
            watch.fail(status)

    def overflow(self) -> None:
        """Tell every watch that changes were lost."""
        for watches in self._watches.values():
            for watch in watches:
                watch.overflow()

    def report(self, changes: list[Change], change_filter: int) -> None:
        """Tell every watch that covers one of `changes`, which happened together."""
        told: dict[Watch, list[Event]] = {}
        for action, path, suffix in changes:
            for depth in range(len(path) - 1, -1, -1):
                watches = self._watches.get(path[:depth])
                if not watches:
                    continue
                direct = depth == len(path) - 1
                name = "\\".join(path[depth:]) + suffix
                for watch in watches:
                    if watch.change_filter & change_filter and (direct or watch.tree):
                        told.setdefault(watch, []).append((action, name))
        for watch, events in told.items():
            watch.add(events)


async def change_notify(opened: Open, completion_filter: int, watch_tree: bool, max_length: int) -> list[Event]:
    """Wait for changes in the directory `opened`  [MS-FSA 2.1.5.11]. See `Watch.next` for what it raises."""
    volume = opened.volume
    if not volume.config.change_notify:
        raise NtError(Status.NOT_IMPLEMENTED, "change notify is off")
    if not opened.is_directory:
        raise NtError(Status.INVALID_PARAMETER, "watching a file")
    if not opened.granted_access & FILE_LIST_DIRECTORY:
        raise NtError(Status.ACCESS_DENIED, f"watching {opened.path!r}")
    if opened.delete_pending:
        raise NtError(Status.DELETE_PENDING, "the directory is being deleted")
    watch = opened.watch
    if watch is None:
        watch = opened.watch = Watch(completion_filter, max_length, tree=watch_tree)
        volume.notifier.add(opened.node.path, watch)
        with suppress(NtError):  # what happens through this server is told all the same
            watch.observation = volume.local.observe(opened.node.path, tree=watch_tree)
    return await watch.next(max_length)
