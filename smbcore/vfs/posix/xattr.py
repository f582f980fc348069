"""What is kept with a file in extended attributes of the store, and the cache of it.

    user.holdfast.dos           attributes, creation time, reparse tag, size of the EAs: one small versioned record
    user.holdfast.sd            security descriptor, self-relative
    user.holdfast.ea            all EAs in one blob
    user.holdfast.meta.<name>   private object metadata
    user.holdfast.streams       index of the named streams (see streams.py); user.holdfast.s.<id> their data if small

A value that the file system has no room for moves to a file of the side store, and a short mark takes its place.

The cache is keyed by (device, inode) and an entry is good while the file's ctime is the one it was read at: any change
of any extended attribute by anybody moves ctime. So does every name that we make in a directory; the entry then holds
for the new ctime. Had somebody else changed the directory at that very moment, nothing would show it: such an entry is
read again after a second.
"""

from __future__ import annotations

import errno
import logging
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from smbcore.nt.filetime import from_unix_ns
from smbcore.vfs.posix import kernel
from smbcore.vfs.posix.store import SideStore

_log = logging.getLogger(__name__)

PREFIX = "user.holdfast."
DOS = PREFIX + "dos"
SECURITY = PREFIX + "sd"
EXTENDED = PREFIX + "ea"
STREAMS = PREFIX + "streams"
META = PREFIX + "meta."
STREAM_DATA = PREFIX + "s."

_DOS = struct.Struct("<BBHIQII")  # version, flags, 0, attributes, creation time, reparse tag, size of EAs
_CHANGE = struct.Struct("<Qq")  # change time, mtime (100 ns since 1970) at which it holds
_VERSION = 1
_HAS_CHANGE = 0x01
_SPILLED = b"\xffHFSPILL"
_TOKEN = 8
_TRUST_NS = 1_000_000_000
_LIGHT = 4096
_MOST_HEAVY = 64 * 1024 * 1024
"""Bytes of values longer than _LIGHT that are remembered."""
_NO_ROOM = frozenset({errno.ENOSPC, errno.E2BIG, errno.ERANGE})

Key = tuple[int, int]


@dataclass(slots=True, eq=False)
class Stored:
    """What one file carries, as read at ctime `stamp`.

    creation        FILETIME, 0 where neither stored nor asked for yet
    change          change time a client set, good while mtime (100 ns since 1970) is `change_mtime`; 0 for none
    security_known  False: `security` is of an older stamp and is compared when it is read again
    followed_at     time from which it held over changes of names without being read, ns; 0 for not at all
    """

    stamp: int = -1
    attributes: int = 0
    creation: int = 0
    reparse_tag: int = 0
    ea_size: int = 0
    change: int = 0
    change_mtime: int = 0
    security: bytes | None = None
    security_known: bool = False
    followed_at: int = 0
    values: dict[str, bytes | None] = field(default_factory=dict)

    def load(self, raw: bytes | None, stamp: int) -> None:
        """Take over the record `raw` (None: the file has none) read at `stamp`."""
        self.stamp = stamp
        self.followed_at = 0
        self.security_known = False
        self.values.clear()
        self.attributes = self.reparse_tag = self.ea_size = self.change = 0
        self.creation = 0
        if raw is not None and len(raw) >= _DOS.size and raw[0] == _VERSION:
            _, flags, _, self.attributes, self.creation, self.reparse_tag, self.ea_size = _DOS.unpack_from(raw)
            if flags & _HAS_CHANGE and len(raw) >= _DOS.size + _CHANGE.size:
                self.change, self.change_mtime = _CHANGE.unpack_from(raw, _DOS.size)
        elif raw is not None:
            _log.warning("unknown form of %s, ignored: %s", DOS, raw[:16].hex())

    def record(self) -> bytes:
        """Return the record to store."""
        flags = _HAS_CHANGE if self.change else 0
        head = _DOS.pack(_VERSION, flags, 0, self.attributes, self.creation, self.reparse_tag, self.ea_size)
        return head + _CHANGE.pack(self.change, self.change_mtime) if self.change else head


Fetched = tuple[bytes | None, int, bool]
"""A record (None: the file has none), the time of birth (0: unknown), and whether they are surely of that file."""

Write = Callable[[Stored], None]
"""A change of what a file carries; called with its entry."""


class XattrStore:
    """Reads and writes what files carry; one per backend.

    capacity  files remembered; at most twice as many are held
    now       the kernel's time in ns
    reads     records read from the store so far, for tests and figures
    """

    __slots__ = ("_capacity", "_heavy", "_now", "_old", "_side", "_young", "reads")

    def __init__(self, side: SideStore, capacity: int = 20_000, now: Callable[[], int] = kernel.kernel_time_ns) -> None:
        self._side = side
        self._capacity = capacity
        self._now = now
        self._young: dict[Key, Stored] = {}
        self._old: dict[Key, Stored] = {}
        self._heavy = 0
        self.reads = 0

    # -- the cache --
    def entry(self, key: Key) -> Stored:
        """Return the entry for `key`, an empty one (stamp -1) if it is not known."""
        found = self._young.get(key)
        if found is None:
            found = self._old.pop(key, None)
            if found is None:
                found = Stored()
            self._remember(key, found)
        return found

    def forget(self, key: Key) -> None:
        """Drop what is known of a file that is gone; its inode number may come back as another file."""
        self._young.pop(key, None)
        self._old.pop(key, None)

    def _remember(self, key: Key, entry: Stored) -> None:
        if len(self._young) >= self._capacity:
            self._old = self._young
            self._young = {}
        self._young[key] = entry

    def _weigh(self, size: int) -> None:
        """Count a value that is remembered; where long ones are too much together, all is forgotten."""
        if size > _LIGHT:
            self._heavy += size
            if self._heavy > _MOST_HEAVY:
                self._heavy, self._young, self._old = size, {}, {}

    def current(self, descriptor: int, status: os.stat_result) -> Stored:
        """Return what the open file carries, up to date for `status`."""
        key = (status.st_dev, status.st_ino)
        entry = self._young.get(key) or self.entry(key)
        if entry.stamp != status.st_ctime_ns or (entry.followed_at and self._is_doubtful(entry)):
            self.reads += 1
            entry.load(read(descriptor, DOS), status.st_ctime_ns)
            if not entry.creation:
                entry.creation = birth_of(descriptor, status)
        return entry

    def known(self, status: os.stat_result) -> Stored | None:
        """Return the entry of a file if it is up to date for `status`."""
        key = (status.st_dev, status.st_ino)
        found = self._young.get(key) or self._old.get(key)
        if found is None or found.stamp != status.st_ctime_ns:
            return None
        return None if found.followed_at and self._is_doubtful(found) else found

    def follow(self, before: os.stat_result, after: os.stat_result) -> None:
        """Let what is known of a directory hold over a change of ours of the names in it; see the module."""
        entry = self.known(before)
        if entry is not None:
            entry.stamp = after.st_ctime_ns
            if not entry.followed_at:
                entry.followed_at = self._now()

    def _is_doubtful(self, entry: Stored) -> bool:
        return not 0 <= self._now() - entry.followed_at < _TRUST_NS

    def adopt(self, status: os.stat_result, fetched: Fetched) -> Stored:
        """Take over what `fetch_by_name` found for a child of this status; not kept if it may be another file's."""
        self.reads += 1
        raw, creation, certain = fetched
        entry = self.entry((status.st_dev, status.st_ino)) if certain else Stored()
        entry.load(raw, status.st_ctime_ns)
        if not entry.creation:
            entry.creation = creation or from_unix_ns(earliest(status))
        return entry

    def security(self, descriptor: int, entry: Stored) -> bytes | None:
        """Return the security descriptor; the identical object while its content is the same."""
        if not entry.security_known:
            raw = self.value(descriptor, entry, SECURITY)
            if raw != entry.security:
                entry.security = raw
            entry.security_known = True
        return entry.security

    # -- values that may have moved to the side store --
    def value(self, descriptor: int, entry: Stored, name: str) -> bytes | None:
        """Return the value stored under `name`, None if there is none."""
        if name in entry.values:
            return entry.values[name]
        raw = self.fetch(descriptor, name)
        entry.values[name] = raw
        if raw is not None:
            self._weigh(len(raw))
        return raw

    def fetch(self, descriptor: int, name: str) -> bytes | None:
        """Return the value stored under `name` past the cache; may run in the pool."""
        raw = read(descriptor, name)
        if raw is not None and is_spilled(raw):
            raw = self._side.load(descriptor, name.removeprefix(PREFIX), raw[len(_SPILLED) :])
        return raw

    def set_value(self, descriptor: int, entry: Stored, name: str, value: bytes | None) -> None:
        """Store `value` under `name`, in the side store if it is too large; None removes it."""
        entry.values.pop(name, None)
        side_name = name.removeprefix(PREFIX)
        if value is None:
            self._remove(descriptor, name, side_name)
            return
        self._weigh(len(value))
        try:
            os.setxattr(descriptor, name, value)
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            # A mark that is there keeps its token: should it not be written again, it still leads to a value.
            mark = read(descriptor, name)
            token = mark[len(_SPILLED) :] if mark is not None and is_spilled(mark) else os.urandom(_TOKEN)
            self._side.save(descriptor, side_name, token, value)
            os.setxattr(descriptor, name, _SPILLED + token)

    def _remove(self, descriptor: int, name: str, side_name: str) -> None:
        raw = read(descriptor, name)
        if raw is None:
            return
        os.removexattr(descriptor, name)
        if raw.startswith(_SPILLED):
            self._side.discard(descriptor, side_name)

    # -- changes --
    def change(self, descriptor: int, write: Write) -> tuple[os.stat_result, os.stat_result]:
        """Let `write` change what the open file carries, and keep the cache good over it.

        Returns the status before and after the change.
        """
        before = os.fstat(descriptor)
        entry = self.current(descriptor, before)
        try:
            write(entry)
        except OSError:
            entry.stamp = -1
            raise
        after = os.fstat(descriptor)
        entry.stamp = after.st_ctime_ns
        return before, after

    def put_record(self, descriptor: int, entry: Stored) -> None:
        """Store the small record of `entry`."""
        os.setxattr(descriptor, DOS, entry.record())


def is_spilled(raw: bytes) -> bool:
    """Tell whether this is the mark of a value that is in the side store."""
    return raw.startswith(_SPILLED)


def read(file: int | bytes, name: str) -> bytes | None:
    """Return one extended attribute of the store, None where the file has none (or can have none)."""
    try:
        return os.getxattr(file, name, follow_symlinks=False) if isinstance(file, bytes) else os.getxattr(file, name)
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.EOPNOTSUPP, errno.EPERM):
            return None
        raise


def fetch_by_name(directory: int, name: bytes, status: os.stat_result) -> Fetched | None:
    """Read the record of the child `name` without opening it, None if it vanished; may run in the pool.

    Reads through /proc/self/fd, which leads to the very directory; the last component is not followed. The file may be
    replaced between the look at it (`status`) and the read: then the result is not certain.
    """
    try:
        raw = read(b"/proc/self/fd/%d/%s" % (directory, name), DOS)
        birth = kernel.birth_time_at(directory, name) if raw is None else None
        again = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return None
    same = again.st_ino == status.st_ino and again.st_ctime_ns == status.st_ctime_ns and again.st_dev == status.st_dev
    return raw, 0 if birth is None else from_unix_ns(birth), same


def birth_of(descriptor: int, status: os.stat_result) -> int:
    """Return the creation time of a file that has none stored, FILETIME."""
    birth = kernel.birth_time_ns(descriptor)
    return from_unix_ns(earliest(status) if birth is None else birth)


def earliest(status: os.stat_result) -> int:
    """Return the earliest time of a status, the best guess at a birth time that is not known; ns."""
    return min(status.st_mtime_ns, status.st_ctime_ns)
