"""Changes that other processes make in directories somebody watches, from the kernel's inotify.

Theory of operation. One inotify descriptor per volume, opened with the first watch, read by the event loop. A watched
directory is known by the kernel's watch number and by its path in the volume; the path follows renames, of which the
directories that hold it tell where they are watched too, and the backend where it renames itself. For a whole tree
every directory below gets a watch, some in each turn of the loop, new ones as they appear, up to a bound of ours and
one of the kernel's; beyond it only the upper ones tell, and the log says so once. Who asks for a directory that cannot
be watched itself hears that. When the kernel has lost news, the tree is looked at again. What our own process does is
reported by the kernel too: telling it apart is left to the listener.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import logging
import os
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

from smbcore.fsa.backend import LocalChange, Observation
from smbcore.nt.status import NtError, Status
from smbcore.vfs.posix.errors import nt_error
from smbcore.vfs.posix.names import decode, encode, is_reserved

if TYPE_CHECKING:
    from smbcore.vfs.posix.openat2 import Resolver

_log = logging.getLogger(__name__)

_MODIFY, _ATTRIB, _MOVED_FROM, _MOVED_TO = 0x2, 0x4, 0x40, 0x80
_CREATE, _DELETE = 0x100, 0x200
_OVERFLOW, _IGNORED, _IS_DIRECTORY = 0x4000, 0x8000, 0x4000_0000
_ONLY_DIRECTORY = 0x0100_0000
_MASK = _MODIFY | _ATTRIB | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE | _ONLY_DIRECTORY
_EVENT = struct.Struct("=iIII")
_READ_SIZE = 64 * 1024
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY
MOST_WATCHES = 8192
_AT_ONCE = 64
"""Directories that are begun to be watched in one turn of the loop."""

_LIBC = ctypes.CDLL(None, use_errno=True)
_INIT = _LIBC["inotify_init1"]
_INIT.argtypes = (ctypes.c_int,)
_ADD = _LIBC["inotify_add_watch"]
_ADD.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_uint32)
_REMOVE = _LIBC["inotify_rm_watch"]
_REMOVE.argtypes = (ctypes.c_int, ctypes.c_int)

Path = tuple[str, ...]
Listener = Callable[[list[LocalChange]], None]


class _Watched:
    """A directory with a watch of the kernel; `users` observations want it."""

    __slots__ = ("path", "users")

    def __init__(self, path: Path) -> None:
        self.path = path
        self.users: set[_Observation] = set()


class _Observation(Observation):
    """One directory or tree that somebody observes; `path` follows renames."""

    __slots__ = ("_observer", "ended", "path", "tree")

    def __init__(self, observer: LocalObserver, path: Path, *, tree: bool) -> None:
        self._observer = observer
        self.path = path
        self.tree = tree
        self.ended = False

    def covers(self, path: Path) -> bool:
        """Tell whether the directory at `path` is observed."""
        return path == self.path or (self.tree and path[: len(self.path)] == self.path)

    def close(self) -> None:
        self._observer.end(self)


class LocalObserver:
    """The inotify descriptor of one volume and what it watches. Touched on the event-loop thread only.

    listener  told of changes; an empty list: some were lost
    most      directories watched at most
    """

    def __init__(self, resolver: Resolver, listener: Listener, *, most: int = MOST_WATCHES) -> None:
        self._resolver = resolver
        self._listener = listener
        self._most = most
        self._descriptor = -1
        self._loop: asyncio.AbstractEventLoop | None = None
        self._watched: dict[int, _Watched] = {}
        self._uncovered: list[tuple[Path, set[_Observation]]] = []
        self._turn: asyncio.Handle | None = None
        self._complaints: set[str] = set()

    def observe(self, path: Path, *, tree: bool) -> Observation:
        """Begin to observe the directory at `path` (real names).

        Errors: INSUFFICIENT_RESOURCES the kernel refuses, or the bound is reached;  OBJECT_PATH_NOT_FOUND.
        """
        try:
            self._open()
        except OSError as error:
            self._complain(f"{error.strerror}; is fs.inotify.max_user_instances too low?")
            raise NtError(Status.INSUFFICIENT_RESOURCES, f"inotify: {error.strerror}") from error
        observation = _Observation(self, path, tree=tree)
        try:
            self._cover(path, {observation})
        except NtError:
            if not self._watched:
                self.close()
            raise
        return observation

    def end(self, observation: _Observation) -> None:
        """Observe no more; the descriptor goes with the last observation."""
        observation.ended = True
        for number, watched in list(self._watched.items()):
            watched.users.discard(observation)
            if not watched.users:
                self._drop(number)
        if not self._watched:
            self.close()

    def moved(self, old: Path, new: Path) -> None:
        """Follow a directory that this server renamed; the kernel tells of it only where both directories that held it
        are watched, and does so in the order of what happened.
        """
        paths = {watched.path for watched in self._watched.values()}
        if old[:-1] in paths and new[:-1] in paths:
            return
        self._follow(old, new)
        for number, watched in list(self._watched.items()):
            if watched.path[: len(new)] == new:
                watched.users = {user for user in watched.users if user.covers(watched.path)}
                if not watched.users:
                    self._drop(number)

    def close(self) -> None:
        """Release the descriptor."""
        if self._descriptor >= 0:
            if self._loop is not None and not self._loop.is_closed():
                self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1
        self._watched.clear()
        self._uncovered.clear()
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None

    def _open(self) -> None:
        if self._descriptor >= 0:
            return
        descriptor = _INIT(os.O_NONBLOCK | os.O_CLOEXEC)
        if descriptor < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        self._descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(descriptor, self.read)

    # -- what is watched --
    def _cover(self, path: Path, users: set[_Observation]) -> None:
        """Watch the directory at `path`, and all below it, as far as it can be had, for those who observe the tree: the
        first ones now, more of them in each turn of the loop.

        Errors: as `_add`, about the directory itself.
        """
        self._add(path, users)
        users = {user for user in users if user.tree}
        if users:
            self._uncovered += [(below, users) for below in self._directories(path)]
            self._cover_more()

    def _cover_more(self) -> None:
        for _ in range(_AT_ONCE):
            if not self._uncovered:
                return
            path, users = self._uncovered.pop()
            users = {user for user in users if not user.ended}
            if users:
                self._cover_below(path, users)
        if self._loop is not None and self._turn is None:
            self._turn = self._loop.call_soon(self._next_turn)

    def _next_turn(self) -> None:
        self._turn = None
        self._cover_more()

    def _cover_below(self, path: Path, users: set[_Observation]) -> None:
        try:
            self._add(path, users)
        except NtError:  # it vanished, or the log has the reason
            return
        self._uncovered += [(below, users) for below in self._directories(path)]

    def _add(self, path: Path, users: set[_Observation]) -> None:
        """Watch one directory.  Errors: INSUFFICIENT_RESOURCES;  OBJECT_PATH_NOT_FOUND;  others of the kernel's."""
        if len(self._watched) >= self._most:
            self._complain(f"there are more than {self._most} directories to watch")
            raise NtError(Status.INSUFFICIENT_RESOURCES, f"{self._most} directories are watched already")
        directory = self._open_directory(path)
        if directory < 0:
            raise NtError(Status.OBJECT_PATH_NOT_FOUND, "/".join(path))
        try:
            number = _ADD(self._descriptor, b"/proc/self/fd/%d" % directory, _MASK)
        finally:
            os.close(directory)
        if number < 0:
            self._refused(OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno())), path)
        watched = self._watched.get(number)
        if watched is None:
            watched = self._watched[number] = _Watched(path)
        watched.path = path
        watched.users |= users

    def _refused(self, error: OSError, path: Path) -> NoReturn:
        """Raise what the kernel's refusal to watch the directory at `path` means."""
        if error.errno in (errno.ENOSPC, errno.ENOMEM):
            self._complain("the kernel lets us watch no more directories; raise fs.inotify.max_user_watches")
            raise NtError(Status.INSUFFICIENT_RESOURCES, f"inotify: {error.strerror}") from error
        raise nt_error(error, "/".join(path)) from error

    def _complain(self, reason: str) -> None:
        """Say once why local changes stay unseen, however often clients ask."""
        if reason not in self._complaints:
            self._complaints.add(reason)
            _log.warning("changes that other programs make in some directories stay unseen: %s", reason)

    def _open_directory(self, path: Path) -> int:
        try:
            return self._resolver.open(b"/".join(map(encode, path)), _DIRECTORY)
        except (OSError, NtError):
            return -1  # gone meanwhile

    def _directories(self, path: Path) -> list[Path]:
        directory = self._open_directory(path)
        if directory < 0:
            return []
        try:
            with os.scandir(directory) as listed:
                names = [os.fsencode(entry.name) for entry in listed if entry.is_dir(follow_symlinks=False)]
        except OSError:
            return []
        finally:
            os.close(directory)
        return [(*path, name) for name in map(decode, names) if not is_reserved(name)]

    def _drop(self, number: int) -> None:
        self._watched.pop(number, None)
        if self._descriptor >= 0:
            _REMOVE(self._descriptor, number)

    # -- what happens --
    def read(self) -> None:
        """Read what the kernel has to tell, and tell it."""
        if self._descriptor < 0:
            return
        try:
            data = os.read(self._descriptor, _READ_SIZE)
        except BlockingIOError:
            return
        changes: list[LocalChange] = []
        moved: dict[int, LocalChange] = {}
        lost = False
        at = 0
        while at < len(data):
            number, mask, cookie, length = _EVENT.unpack_from(data, at)
            at += _EVENT.size
            raw = data[at : at + length].rstrip(b"\0")
            at += length
            if mask & _OVERFLOW:
                lost = True
                continue
            watched = self._watched.get(number)
            if mask & _IGNORED:
                self._watched.pop(number, None)
            if watched is None or not raw:
                continue
            self._take(watched, mask, cookie, decode(raw), changes, moved)
        for change in moved.values():  # moved out of what is watched
            if change.is_directory:
                self._forget_below(change.path)
        if changes:
            self._listener(changes)
        if lost:
            self._look_again()
            self._listener([])

    def _look_again(self) -> None:
        """Watch what there is now: news of directories that came, moved and went are among those that were lost."""
        before, self._watched = self._watched, {}
        for user in {user for watched in before.values() for user in watched.users}:
            try:
                self._add(user.path, {user})  # first, that no tree takes all there may be
            except NtError as error:
                _log.debug("%r is not watched any more: %s", user.path, error)
                continue
            if user.tree:
                self._uncovered += [(below, {user}) for below in self._directories(user.path)]
        while self._uncovered:  # whoever lists anew now is to hear of what comes then
            self._cover_more()
        for number in before.keys() - self._watched.keys():
            _REMOVE(self._descriptor, number)

    def _take(
        self,
        watched: _Watched,
        mask: int,
        cookie: int,
        name: str,
        changes: list[LocalChange],
        moved: dict[int, LocalChange],
    ) -> None:
        if is_reserved(name):
            return
        path = (*watched.path, name)
        directory = bool(mask & _IS_DIRECTORY)
        if mask & _MOVED_TO and cookie in moved:
            origin = moved.pop(cookie)
            origin.renamed_to = path
            if directory:
                self._follow(origin.path, path)
                self._cover_new(watched, path)
            return
        action = LocalChange.MODIFIED
        if mask & (_CREATE | _MOVED_TO):
            action = LocalChange.ADDED
        elif mask & (_DELETE | _MOVED_FROM):
            action = LocalChange.REMOVED
        change = LocalChange(action, path, directory, attributes_only=bool(mask & _ATTRIB))
        changes.append(change)
        if mask & _MOVED_FROM and cookie:
            moved[cookie] = change
        elif directory and action == LocalChange.ADDED:
            self._cover_new(watched, path)

    def _cover_new(self, watched: _Watched, path: Path) -> None:
        users = {user for user in watched.users if user.tree}
        if users:
            try:
                self._cover(path, users)
            except NtError as error:
                _log.debug("a new directory is not watched: %s", error)

    def _follow(self, old: Path, new: Path) -> None:
        """A watched directory has another path now, and so has everything below it."""
        depth = len(old)
        for watched in self._watched.values():
            if watched.path[:depth] == old:
                watched.path = new + watched.path[depth:]
            for user in watched.users:
                if user.path[:depth] == old:
                    user.path = new + user.path[depth:]
        self._uncovered = [
            (new + path[depth:] if path[:depth] == old else path, users) for path, users in self._uncovered
        ]

    def _forget_below(self, path: Path) -> None:
        depth = len(path)
        for number, watched in list(self._watched.items()):
            if watched.path[:depth] == path:
                self._drop(number)
