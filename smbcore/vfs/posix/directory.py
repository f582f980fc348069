"""Case-insensitive look-up: an index per directory, built by one scan and kept while the directory is unchanged.

An index holds for the (mtime, ctime) of the directory that it was built at. Our own changes go into it in place: the
times are checked before the change and taken over after it.

The kernel's time stamps are only as fine as its tick on older kernels, so a change by somebody else within the tick of
the scan (or of our own change) can go unseen. Such an index is "unsettled". It is trusted for a while that grows with
the size of the directory, then the directory is scanned again; what a wrong answer can do in that while is small:
every hit is verified by opening it, and an exact name never needs the index.
"""

from __future__ import annotations

import os
from collections import ChainMap, OrderedDict
from collections.abc import Callable, Iterable

from smbcore.nt.names import is_8dot3, stable_short_name, upcase
from smbcore.vfs.posix import names
from smbcore.vfs.posix.kernel import kernel_time_ns
from smbcore.vfs.posix.xattr import XattrStore

Key = tuple[int, int]
Stamp = tuple[int, int]

_TICK_NS = 20_000_000
"""Longer than any kernel's tick."""
_TRUST_NS = 2_000_000_000
_TRUST_PER_NAME_NS = 100_000
SHORT_NAMES_UP_TO = 10_000
LARGE = 64 * 1024
"""Size of a directory file (not of its content) from which a scan is work for the pool."""


def stamp_of(status: os.stat_result) -> Stamp:
    """Return what an index of the directory is validated by."""
    return status.st_mtime_ns, status.st_ctime_ns


class DirectoryIndex:
    """Upper-cased long and 8.3 names of one directory, leading to the real ones.

    stamp     times of the directory that the index holds for
    built_at  when the scan began
    """

    __slots__ = ("_ambiguous", "_answers", "_by_short", "_changed_at", "_names", "_shorts", "built_at", "stamp")

    def __init__(self, listed: list[str], stamp: Stamp, now: int) -> None:
        self.stamp = stamp
        self.built_at = now
        self._changed_at = max(stamp)
        self._names: dict[str, str] = {}
        self._by_short: dict[str, str] | None = None
        self._shorts: dict[str, str] = {}
        self._answers: dict[str, str] = {}
        self._ambiguous = False
        for name in listed:
            fold = upcase(name)
            if fold in self._names:
                self._ambiguous = True
                self._names[fold] = min(self._names[fold], name)
            else:
                self._names[fold] = name

    def __len__(self) -> int:
        return len(self._names)

    def find(self, name: str) -> str | None:
        """Return the real name that `name` matches: a long name in any case, else an 8.3 name."""
        fold = upcase(name)
        found = self._names.get(fold)
        if found is None and "~" in fold and len(self._names) <= SHORT_NAMES_UP_TO and is_8dot3(fold):
            return self._short_table().get(fold)
        return found

    def short(self, name: str) -> str | None:
        """Return the 8.3 name of the child `name`, "" if that is one itself, None for a name that is not here.

        Directories of more than SHORT_NAMES_UP_TO names have no 8.3 names: to make them takes too long.
        """
        if len(self._names) > SHORT_NAMES_UP_TO:
            return ""
        known = self._answers.get(name)
        if known is not None:
            return known
        if is_8dot3(name):
            answer: str | None = ""
        else:
            self._short_table()
            answer = self._shorts.get(upcase(name))
        if answer is not None and self._names.get(upcase(name)) == name:
            self._answers[name] = answer
        return answer

    def listing(self) -> list[str] | None:
        """Return the names as a scan would, None where only a scan knows them for sure."""
        return None if self._ambiguous or not self._is_settled() else list(self._names.values())

    def _is_settled(self) -> bool:
        """Tell whether the scan was so long after the last change that it saw all of it; see the module."""
        return self.built_at - self._changed_at > _TICK_NS

    def is_trusted(self, now: int) -> bool:
        """Tell whether the index may be used for a look-up without another scan; see the module."""
        if self._is_settled():
            return True
        return 0 <= now - self.built_at <= max(_TRUST_NS, len(self._names) * _TRUST_PER_NAME_NS)

    def add(self, name: str) -> None:
        """Take in a name that we made."""
        fold = upcase(name)
        if self._names.get(fold, name) != name:
            self._ambiguous = True
        self._names[fold] = name
        if self._by_short is not None:
            self._add_short(fold, name)

    def discard(self, name: str) -> bool:
        """Take out a name that we removed; False if the index cannot tell what is left."""
        if self._ambiguous:
            return False
        fold = upcase(name)
        self._names.pop(fold, None)
        self._answers.pop(name, None)
        short = self._shorts.pop(fold, None)
        if short and self._by_short is not None:
            self._by_short.pop(short, None)
        return True

    def follow(self, stamp: Stamp) -> None:
        """Hold for the times that the directory has after our own change."""
        self.stamp = stamp
        self._changed_at = max(stamp)

    def _short_table(self) -> dict[str, str]:
        if self._by_short is None:
            self._by_short = {}
            for fold in sorted(self._names):
                self._add_short(fold, self._names[fold])
        return self._by_short

    def _add_short(self, fold: str, name: str) -> None:
        if self._by_short is None or is_8dot3(fold):
            return
        short = stable_short_name(name, ChainMap[str, str](self._names, self._by_short))
        if short:
            self._by_short[short] = name
            self._shorts[fold] = short


Scan = tuple[list[str], DirectoryIndex, os.stat_result, bool]


class DirectoryIndexes:
    """The indexes in use, least recently used ones dropped.

    capacity        directories at most
    capacity_names  names in all of them together, at most (the newest index is kept whatever its size)
    scans           directories read so far, for tests and figures
    """

    __slots__ = ("_capacity", "_capacity_names", "_indexes", "_names", "_now", "scans")

    def __init__(
        self,
        capacity: int = 256,
        capacity_names: int = 1_000_000,
        now: Callable[[], int] = kernel_time_ns,
    ) -> None:
        self._capacity = capacity
        self._capacity_names = capacity_names
        self._now = now
        self._indexes: OrderedDict[Key, DirectoryIndex] = OrderedDict()
        self.scans = 0

    def valid(self, status: os.stat_result) -> DirectoryIndex | None:
        """Return the index of the directory if it holds for `status`."""
        key = (status.st_dev, status.st_ino)
        index = self._indexes.get(key)
        if index is None:
            return None
        if index.stamp != (status.st_mtime_ns, status.st_ctime_ns) or not index.is_trusted(self._now()):
            del self._indexes[key]
            return None
        self._indexes.move_to_end(key)
        return index

    def drop(self, status: os.stat_result) -> None:
        """Forget the index of the directory."""
        self._indexes.pop((status.st_dev, status.st_ino), None)

    def keep(self, status: os.stat_result, index: DirectoryIndex) -> None:
        """Keep the index of a directory from a scan during which its times stayed at `status`."""
        self._indexes[(status.st_dev, status.st_ino)] = index
        total = sum(map(len, self._indexes.values()))
        while len(self._indexes) > self._capacity or (total > self._capacity_names and len(self._indexes) > 1):
            _, dropped = self._indexes.popitem(last=False)
            total -= len(dropped)

    def scan(self, directory: int) -> Scan:
        """Read the directory; return its names, an index of them, its status before, and whether its times stayed so.

        Uses a descriptor of its own, because a scan moves the position; may run in the pool.
        """
        self.scans += 1
        began = self._now()  # what came within the tick of this moment may have come too late for the scan
        before = os.fstat(directory)
        listed = list_names(directory)
        stamp = stamp_of(before)
        return listed, DirectoryIndex(listed, stamp, began), before, stamp_of(os.fstat(directory)) == stamp

    def follow(self, before: os.stat_result, after: os.stat_result) -> None:
        """Keep the index of a directory valid over a change of ours that touched no name."""
        index = self.valid(before)
        if index is not None:
            index.follow(stamp_of(after))


def list_names(directory: int) -> list[str]:
    """Return the client's names of the open directory, without the stream store."""
    try:
        own = os.open(b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=directory)
    except FileNotFoundError:
        return []  # the directory was removed while it was open
    try:
        listed = os.listdir(own)  # noqa: PTH208 - a descriptor, not a path
    finally:
        os.close(own)
    return [name for name in map(names.from_listed, listed) if not names.is_reserved(name)]


class NameChange:
    """Our own change of names in one directory: check what is cached of it before, bring it up to date after.

    `directory` is any descriptor of it, O_PATH too; `carried` what is known of what directories carry.
    """

    __slots__ = ("_carried", "_directory", "_index", "_indexes", "_status")

    def __init__(self, indexes: DirectoryIndexes, directory: int, carried: XattrStore) -> None:
        self._indexes = indexes
        self._carried = carried
        self._directory = directory
        self._status = os.fstat(directory)
        self._index = indexes.valid(self._status)

    def done(self, *, added: str | None = None, removed: Iterable[str] = ()) -> None:
        """Note what was removed and what was added then; the index follows where that is safe, else it is dropped."""
        after = os.fstat(self._directory)
        self._carried.follow(self._status, after)
        index = self._index
        if index is None:
            return
        for name in removed:
            if not index.discard(name):
                self._indexes.drop(self._status)
                return
        if added is not None:
            index.add(added)
        index.follow(stamp_of(after))
