"""Earlier versions: each snapshot is a read-only volume of its own, opened when it is asked for  [MS-SMB2 3.3.5.9.4].

A client names a snapshot by the time of a TWrp context, or by a token @GMT-... as a component of the path. As Windows
does, a file of a snapshot may be opened for writing; what would change it then fails with MEDIA_WRITE_PROTECTED.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from smbcore.fsa.api import OpenParameters
from smbcore.nt import gmt
from smbcore.nt.status import NtError, Status

if TYPE_CHECKING:
    from smbcore.fsa.open import Open
    from smbcore.fsa.volume import Volume

_MOST_IDLE = 8


class Snapshots:
    """The snapshots of one volume. Owned by it; the volumes of its snapshots share it."""

    __slots__ = ("_live", "_opening", "_volumes")

    def __init__(self, live: Volume) -> None:
        self._live = live
        self._opening: Counter[int] = Counter()
        self._volumes: dict[int, Volume] = {}

    def __len__(self) -> int:
        """Return how many are open."""
        return len(self._volumes)

    def tokens(self) -> list[str]:
        """Return the tokens of all snapshots, the newest first."""
        return [gmt.to_token(time) for time in self._live.backend.snapshots()]

    async def open_file(self, p: OpenParameters) -> Open:
        """Open what the timewarp or the token of `p` names.

        Errors: OBJECT_NAME_NOT_FOUND no such snapshot;  MEDIA_WRITE_PROTECTED to create or overwrite;  all of an open.
        """
        path, named = _split(p.path)
        time = named or gmt.whole_seconds(p.timewarp)
        past = await self.volume_at(time)
        self._opening[time] += 1
        try:
            return await past.open_file(replace(p, path=path, timewarp=0))
        finally:
            self._opening[time] -= 1

    async def close(self) -> None:
        """Close the volumes of all snapshots, and what is open in them."""
        volumes = list(self._volumes.values())
        self._volumes.clear()
        for volume in volumes:
            await volume.close()

    async def volume_at(self, time: int) -> Volume:
        """Return the volume of the snapshot of `time` (FILETIME, whole seconds).

        Errors: OBJECT_NAME_NOT_FOUND no such snapshot;  those of the backend.
        """
        found = self._volumes.get(time)
        if found is None:
            await self._make_room()
            live = self._live
            backend = live.backend.open_snapshot(time)
            found = self._volumes[time] = live.of_snapshot(backend, time)
        return found

    async def _make_room(self) -> None:
        """Close volumes that nobody uses, the first opened ones first."""
        self._opening = +self._opening  # without those that came to nothing
        idle = [time for time, volume in self._volumes.items() if not volume.opens and not self._opening[time]]
        for time in idle[: max(0, len(idle) - _MOST_IDLE + 1)]:
            await self._volumes.pop(time).close()


def names_snapshot(p: OpenParameters) -> bool:
    """Tell whether an open is for a snapshot."""
    return p.timewarp != 0 or (gmt.PREFIX in p.path and _split(p.path)[1] != 0)


def _split(path: str) -> tuple[str, int]:
    """Return the path without its token, and the token's time; the path as it is and 0 where there is none.

    Errors: OBJECT_NAME_INVALID two tokens.
    """
    names = path.split("\\")
    times = [gmt.from_token(name) for name in names]
    found = [time for time in times if time is not None]
    if not found:
        return path, 0
    if len(found) > 1:
        raise NtError(Status.OBJECT_NAME_INVALID, f"two snapshots in {path!r}")
    return "\\".join(name for name, time in zip(names, times, strict=True) if time is None), found[0]
