"""The truth about open files: who has what open, with which promises  [MS-FSA 2.1.1.3, 2.1.1.6].

`async with table.file(key) as state` is the only way in. The table in this module lives in the memory of one process
and never suspends there; one that serves several workers would. A state lives as long as somebody is inside or has
the file open.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING

from smbcore.fsa.byte_ranges import ByteRanges
from smbcore.fsa.oplock import Oplocks
from smbcore.nt.clock import Clock

if TYPE_CHECKING:
    from smbcore.fsa.open import Open
    from smbcore.fsa.space import Charge
    from smbcore.fsa.times import DelayedWriteTime


class StreamState:
    """What is open of one stream.

    opens           in the order of opening
    oplocks         None until somebody asked for one;  ranges  None until somebody locked one
    delete_pending  a named stream is removed when its last open closes
    charge          what it counts for, where the volume counts and it changed
    changed         changes of the data beside what the opens that are there wrote; see `data_changes`
    """

    __slots__ = ("changed", "charge", "delete_pending", "file", "name", "opens", "oplocks", "ranges")

    def __init__(self, file: FileState, name: str) -> None:
        self.file = file
        self.name = name
        self.opens: list[Open] = []
        self.oplocks: Oplocks | None = None
        self.ranges: ByteRanges | None = None
        self.delete_pending = False
        self.charge: Charge | None = None
        self.changed = 0

    def data_changes(self) -> int:
        """Return a count that every change of the data through an open moves on."""
        return self.changed + sum(opened.writes for opened in self.opens)

    @property
    def is_settling(self) -> bool:
        """Whether breaks are still being noted; see `Oplocks.settled`."""
        return self.oplocks is not None and bool(self.oplocks.settling)

    def ensure_ranges(self) -> ByteRanges:
        """Return the byte ranges of this stream."""
        if self.ranges is None:
            self.ranges = ByteRanges()
        return self.ranges

    def ensure_oplocks(self, clock: Clock, timeout: float) -> Oplocks:
        """Return the oplocks of this stream."""
        if self.oplocks is None:
            self.oplocks = Oplocks(clock, timeout)
        return self.oplocks


class FileState:
    """What is open of one file.

    main           the main data stream or directory;  streams  the named ones that are open by up-cased name, and those
                   that were until the next open of the file closes; None if none ever was
    deleting       links (paths) that are removed when their last open closes: the delete tokens
    delayed        the write time shown meanwhile, where the share delays it
    archive_known  the ARCHIVE attribute is known to be set, so writing need not look
    """

    __slots__ = ("_inside", "_table", "archive_known", "count", "delayed", "deleting", "key", "main", "streams")

    def __init__(self, table: FileTable, key: Hashable) -> None:
        self._table = table
        self._inside = 0
        self.key = key
        self.count = 0
        self.main = StreamState(self, "")
        self.streams: dict[str, StreamState] | None = None
        self.deleting: set[tuple[str, ...]] | None = None
        self.archive_known = False
        self.delayed: DelayedWriteTime | None = None

    async def __aenter__(self) -> FileState:
        self._inside += 1
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._inside -= 1
        if not self.count and not self._inside:
            self._table.drop(self)

    def stream(self, folded: str) -> StreamState:
        """Return the state of the stream of that (up-cased) name."""
        if not folded:
            return self.main
        if self.streams is None:
            self.streams = {}
        found = self.streams.get(folded)
        if found is None:
            found = self.streams[folded] = StreamState(self, folded)
        return found

    def rename_stream(self, stream: StreamState, folded: str) -> None:
        """Follow a stream that was renamed; it takes the place of one that nobody has open. "" is the main stream."""
        if stream is self.main:
            self.main = StreamState(self, "")
        elif self.streams is not None and self.streams.get(stream.name) is stream:
            del self.streams[stream.name]
        stream.name = folded
        stream.changed += 1
        if not folded:
            self.main = stream
            return
        if self.streams is None:
            self.streams = {}
        self.streams[folded] = stream

    def all_streams(self) -> Iterator[StreamState]:
        """Iterate over the streams that are or were open, the main one first."""
        yield self.main
        if self.streams is not None:
            yield from self.streams.values()

    def opens(self) -> Iterator[Open]:
        """Iterate over every open of the file."""
        for stream in self.all_streams():
            yield from stream.opens

    def is_deleting(self, path: tuple[str, ...]) -> bool:
        """Tell whether the link at `path` waits for its deletion."""
        return self.deleting is not None and path in self.deleting

    def add(self, opener: Open, stream: StreamState) -> None:
        """Count an open."""
        self.count += 1
        stream.opens.append(opener)

    def remove(self, opener: Open, stream: StreamState) -> None:
        """Forget an open; the state goes with the last one."""
        stream.opens.remove(opener)
        self.count -= 1
        if self.streams:
            self.streams = {name: s for name, s in self.streams.items() if s.opens or s.is_settling}
        if not self.count and not self._inside:
            self._table.drop(self)


class FileTable:
    """Every file that is open in one volume, by the backend's key."""

    __slots__ = ("_files",)

    def __init__(self) -> None:
        self._files: dict[Hashable, FileState] = {}

    def __len__(self) -> int:
        return len(self._files)

    def file(self, key: Hashable) -> FileState:
        """Return the state of a file, to be entered with `async with`."""
        state = self._files.get(key)
        if state is None:
            state = self._files[key] = FileState(self, key)
        return state

    def find(self, key: Hashable) -> FileState | None:
        """Return the state of a file that is open, None if it is not."""
        return self._files.get(key)

    def drop(self, state: FileState) -> None:
        """Forget a file that nobody has open."""
        if self._files.get(state.key) is state:
            del self._files[state.key]
