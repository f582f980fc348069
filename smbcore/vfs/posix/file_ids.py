"""From a file's id to its path: what was opened lately, else a walk through the whole share.

All who ask at a time share one walk, which has no limit but the share's size and ends when everybody has an answer or
has gone. It runs in the pool in pieces. Whoever asks in the middle of a walk, and is not answered by the rest of it, is
answered by the next one. A path is a hint: the caller opens it and looks whether it still is the file. A file that
local programs move meanwhile, from where the walk has yet to come to where it has been, is not found.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Callable, Iterator

from smbcore.nt.status import NtError, Status
from smbcore.vfs.posix import names
from smbcore.vfs.posix.pool import IoPool

Path = tuple[str, ...]

IdOf = Callable[[int, int, int | bytes | None], int]

_REMEMBERED = 16_384
_PIECE = 20_000
"""Directory entries that one piece of a walk looks at, at least; a directory is not divided."""
_MOST_WAITING = 4096


class FileIds:
    """The file ids of one volume.

    open_directory  opens a directory by its real names; raises OSError, NtError
    id_of           the file id for a device, an inode number, and a descriptor or path of a file on the device
    walks           walks begun so far, for tests and figures
    """

    __slots__ = ("_id_of", "_known", "_open_directory", "_pool", "_task", "_waiting", "walks")

    def __init__(self, pool: IoPool, open_directory: Callable[[Path], int], id_of: IdOf) -> None:
        self._pool = pool
        self._open_directory = open_directory
        self._id_of = id_of
        self._known: dict[int, Path] = {}
        self._waiting: dict[int, list[asyncio.Future[Path | None]]] = {}
        self._task: asyncio.Task[None] | None = None
        self.walks = 0

    def note(self, file_id: int, path: Path) -> None:
        """Remember where a file was opened."""
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[file_id] = path

    def known(self, file_id: int) -> Path | None:
        """Return where the file was seen last, if it was."""
        return self._known.get(file_id)

    def forget(self, file_id: int) -> None:
        """Note that the file is not where it was seen."""
        self._known.pop(file_id, None)

    async def find(self, file_id: int) -> Path | None:
        """Return the path of the file, None if a whole walk came across no such.

        Errors: INSUFFICIENT_RESOURCES too many files are looked for;  FILE_CLOSED the volume was closed meanwhile;
        what opening the root of the volume fails with.
        """
        if file_id not in self._waiting and len(self._waiting) >= _MOST_WAITING:
            raise NtError(Status.INSUFFICIENT_RESOURCES, f"{_MOST_WAITING} files are looked for by their ids")
        future: asyncio.Future[Path | None] = asyncio.get_running_loop().create_future()
        asking = self._waiting.setdefault(file_id, [])
        asking.append(future)
        if self._task is None:
            self._task = asyncio.ensure_future(self._run())
        try:
            return await future
        except asyncio.CancelledError:
            asking.remove(future)
            if not asking and self._waiting.get(file_id) is asking:
                del self._waiting[file_id]
            raise

    async def _run(self) -> None:
        """Walk until nobody waits."""
        try:
            while self._waiting:
                await self._walk()
        except Exception as error:
            for future in itertools.chain.from_iterable(self._waiting.values()):
                if not future.done():
                    future.set_exception(error)
            self._waiting.clear()
        finally:
            self._task = None

    async def _walk(self) -> None:
        self.walks += 1
        asked = set(self._waiting)
        pieces = self._pieces()
        while not asked.isdisjoint(self._waiting):
            found = await self._pool.run(next, pieces, None)
            if found is None:
                for file_id in asked:
                    self._answer(file_id, None)
                return
            for file_id in self._waiting.keys() & found.keys():
                self._answer(file_id, found[file_id])

    def _answer(self, file_id: int, path: Path | None) -> None:
        for future in self._waiting.pop(file_id, ()):
            if not future.done():
                future.set_result(path)

    def _pieces(self) -> Iterator[dict[int, Path]]:
        """Walk depth first; yield the ids and paths of what one piece came across. Each step runs in the pool."""
        found: dict[int, Path] = {}
        waiting: list[Path] = [()]
        while waiting:
            at = waiting.pop()
            try:
                directory = self._open_directory(at)
            except (OSError, NtError):
                if not at:
                    raise
                continue  # gone, or not ours to read
            try:
                waiting += self._entries(directory, at, found)
            except OSError:  # it fails in the middle: what is there is there
                continue
            finally:
                os.close(directory)
            if len(found) >= _PIECE:
                yield found
                found = {}
        yield found

    def _entries(self, directory: int, at: Path, found: dict[int, Path]) -> list[Path]:
        """Take in the entries of a directory; return the directories among them."""
        status = os.fstat(directory)
        device = status.st_dev
        found[self._id_of(device, status.st_ino, directory)] = at
        below = []
        with os.scandir(directory) as listed:
            for entry in listed:
                name = names.from_listed(entry.name)
                if names.is_reserved(name):
                    continue
                path = (*at, name)
                if entry.is_dir(follow_symlinks=False):
                    try:
                        inside = entry.stat(follow_symlinks=False)  # another device where something is mounted
                    except FileNotFoundError:
                        continue
                    below.append(path)
                    place = (
                        None
                        if inside.st_dev == device
                        else b"/proc/self/fd/%d/%s" % (directory, os.fsencode(entry.name))
                    )
                    found[self._id_of(inside.st_dev, inside.st_ino, place)] = path
                else:
                    found[self._id_of(device, entry.inode(), None)] = path
        return below
