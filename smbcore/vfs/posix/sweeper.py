"""Removing what the side store keeps for files that local programs removed.

Each run looks at a bounded number of folders and goes on from there the next time. It decides on the loop's thread,
where folders are put into use, and by proof only (see `store.py`); the looking and the removing are work for the pool.
The kernel calls a handle stale too when its disk fails at that moment, so a folder goes when two runs say the same.
"""

from __future__ import annotations

import logging

from smbcore.nt.status import NtError
from smbcore.vfs.posix.pool import IoPool
from smbcore.vfs.posix.store import SideStore

_log = logging.getLogger(__name__)

_MOST = 2_000
_AT_ONCE = 100


class Sweeper:
    """The sweeper of one volume.

    removed  folders removed so far, for tests and figures
    """

    __slots__ = ("_after", "_most", "_pool", "_running", "_store", "_suspects", "removed")

    def __init__(self, store: SideStore, pool: IoPool, *, most: int = _MOST) -> None:
        self._store = store
        self._pool = pool
        self._most = most
        self._after = ""
        self._running = False
        self._suspects: list[str] = []
        self.removed = 0

    async def run(self) -> None:
        """Look at some folders and remove those that are nobody's. Failures are logged, the next run tries again."""
        if self._running:
            return
        self._running = True
        before = self.removed
        try:
            await self._sweep()
        except OSError as error:
            _log.warning("the stream store cannot be tidied: %s", error)
        except NtError as error:  # the volume was closed meanwhile
            _log.debug("tidying ended: %s", error)
        finally:
            self._running = False
        if self.removed > before:
            _log.info("removed side files of %d files that are gone", self.removed - before)

    async def _sweep(self) -> None:
        suspects, self._suspects = self._suspects, []
        for start in range(0, len(suspects), _AT_ONCE):
            for name in await self._pool.run(self._store.orphans, suspects[start : start + _AT_ONCE]):
                aside = self._store.set_aside(name)
                if aside is not None:
                    await self._pool.run(self._store.remove_aside, aside)
                    self.removed += 1
        names = await self._pool.run(self._store.folders, self._after, self._most)
        for start in range(0, len(names), _AT_ONCE):
            batch = names[start : start + _AT_ONCE]
            self._suspects += await self._pool.run(self._store.orphans, batch)
            self._after = batch[-1]
