"""Tunneling: a name that comes back soon gets what it had before  [MS-FSA 2.1.1.1 Volume.TunnelCacheList, 2.1.5.1.1].

Programs save by writing a new file, removing or renaming the old one and giving the new one its name. For some seconds
after a file's name went, a file that is made with it gets its creation time; one that is made with the 8.3 name that
the old one had gets the long name back. A new name by renaming counts as made, too.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

from smbcore.nt.filetime import TICKS_PER_SECOND
from smbcore.nt.names import is_8dot3, stable_short_name, upcase

LIFETIME = 15 * TICKS_PER_SECOND
CAPACITY = 1024


class Gone:
    """What a name led to.

    name  as it was spelled;  creation_time  of the file;  at  when it went, FILETIME
    """

    __slots__ = ("at", "creation_time", "name")

    def __init__(self, name: str, creation_time: int, at: int) -> None:
        self.name = name
        self.creation_time = creation_time
        self.at = at


class TunnelCache:
    """The names that went lately, by directory; bounded, the oldest dropped first. Files only, as in NTFS."""

    __slots__ = ("_gone",)

    def __init__(self) -> None:
        self._gone: OrderedDict[tuple[Hashable, str], Gone] = OrderedDict()

    def __len__(self) -> int:
        return len(self._gone)

    def add(self, directory: Hashable, name: str, creation_time: int, now: int) -> None:
        """Note that `name` went from the directory with this key."""
        key = (directory, upcase(name))
        self._gone.pop(key, None)
        if len(self._gone) >= CAPACITY:
            self._gone.popitem(last=False)
        self._gone[key] = Gone(name, creation_time, now)

    def take(self, directory: Hashable, name: str, now: int) -> Gone | None:
        """Return, and forget, what had `name` as its long or 8.3 name in the directory."""
        if not self._gone:
            return None
        self._expire(now)
        folded = upcase(name)
        found = self._gone.pop((directory, folded), None)
        if found is None and "~" in folded and is_8dot3(folded):
            found = self._take_short(directory, folded)
        return found

    def _take_short(self, directory: Hashable, folded: str) -> Gone | None:
        for key, gone in self._gone.items():
            if key[0] == directory and not is_8dot3(gone.name) and stable_short_name(gone.name) == folded:
                del self._gone[key]
                return gone
        return None

    def _expire(self, now: int) -> None:
        while self._gone:
            key = next(iter(self._gone))
            if self._gone[key].at > now - LIFETIME:
                return
            del self._gone[key]
