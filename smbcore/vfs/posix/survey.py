"""Counting what the files of a share take; everything here runs in a thread of the pool.

Each file takes one stat and a look at two of its extended attributes. The stream store is reached through the files'
own indexes, so that what was left behind there counts for nobody.
"""

from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING

from smbcore.fsa.backend import Survey
from smbcore.nt.errors import WireError
from smbcore.nt.security import SecurityDescriptor
from smbcore.nt.status import NtError
from smbcore.vfs.posix import xattr
from smbcore.vfs.posix.streams import StreamTable

if TYPE_CHECKING:
    from smbcore.vfs.posix.backend import PosixBackend

_log = logging.getLogger(__name__)

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MOST_OWNERS = 4096


class Walk:
    """One count of a share.

    stop  set by whoever wants it to end early
    """

    def __init__(self, backend: PosixBackend, skipped: tuple[bytes, ...]) -> None:
        """Prepare to count everything but the folders `skipped` at the root."""
        self.stop = threading.Event()
        self._backend = backend
        self._skipped = skipped
        self._survey = Survey(backend.cluster_size)
        self._linked: set[int] = set()
        self._owners: dict[bytes, bytes | None] = {}

    def run(self) -> Survey:
        """Walk through the share.  Raises OSError where its root cannot be read."""
        waiting = [name for name in self._directory(b".") if name.lower() not in self._skipped]
        self._add(b"/proc/self/fd/%d/." % self._backend.root, os.fstat(self._backend.root), is_directory=True)
        while waiting and not self.stop.is_set():
            path = waiting.pop()
            try:
                waiting += [b"%s/%s" % (path, name) for name in self._directory(path)]
            except (OSError, NtError) as error:  # gone, or not ours to read: clients cannot add to it either
                _log.debug("%r is not counted: %s", path, error)
        return self._survey

    def _directory(self, path: bytes) -> list[bytes]:
        """Count the files in a directory and return the names of those below.  Raises OSError, NtError."""
        below = []
        directory = self._backend.open_raw(path, _DIRECTORY)
        try:
            here = os.fstat(directory)
            self._backend.file_id(here.st_dev, here.st_ino, directory)  # the files' ids go by this look at their device
            with os.scandir(directory) as listed:
                for entry in listed:
                    if self.stop.is_set():
                        break
                    name = os.fsencode(entry.name)
                    is_directory = entry.is_dir(follow_symlinks=False)
                    if is_directory:
                        below.append(name)
                    elif not entry.is_file(follow_symlinks=False):
                        continue
                    try:
                        status = entry.stat(follow_symlinks=False)
                        place = b"/proc/self/fd/%d/%s" % (directory, name)
                        self._add(place, status, is_directory=is_directory)
                    except (OSError, NtError) as error:
                        _log.debug("%r in %r is not counted: %s", name, path, error)
        finally:
            os.close(directory)
        return below

    def _add(self, place: bytes, status: os.stat_result, *, is_directory: bool) -> None:
        file_id = self._backend.file_id(status.st_dev, status.st_ino, place if is_directory else None)
        end_of_file = 0 if is_directory else status.st_size
        if status.st_nlink > 1 and not is_directory:
            if file_id in self._linked:
                return
            self._linked.add(file_id)
        size = self._survey.size_of(end_of_file) + self._streams(place, status)
        if size:
            self._survey.add(file_id, size, self._owner(place))

    def _streams(self, place: bytes, status: os.stat_result) -> int:
        """Return what the named streams of a file take."""
        raw = self._value(place, xattr.STREAMS)
        if raw is None:
            return 0
        total = 0
        for stream in StreamTable.decode(raw).streams.values():
            if stream.in_side_store:
                size = self._backend.side.size_of(status.st_dev, status.st_ino, stream.side_name)
            else:
                size = len(xattr.read(place, stream.attribute) or b"")
            total += self._survey.size_of(size or 0)
        return total

    def _owner(self, place: bytes) -> bytes | None:
        """Return the SID of a file's owner, None where it names none."""
        raw = self._value(place, xattr.SECURITY)
        if raw is None:
            return None
        if raw not in self._owners:
            if len(self._owners) >= _MOST_OWNERS:
                self._owners.clear()
            try:
                owner = SecurityDescriptor.decode(raw).owner
            except WireError as error:
                _log.debug("%r has an unreadable descriptor: %s", place, error)
                owner = None
            self._owners[raw] = None if owner is None else owner.encode()
        return self._owners[raw]

    def _value(self, place: bytes, name: str) -> bytes | None:
        """Return what is stored under `name`; a long value is beside the file."""
        raw = xattr.read(place, name)
        if raw is None or not xattr.is_spilled(raw):
            return raw
        descriptor = os.open(place, _FILE)
        try:
            return self._backend.xattrs.fetch(descriptor, name)
        finally:
            os.close(descriptor)
