"""What strangers can make happen as often as they like is logged once in a while: the log is not theirs to fill."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from smbcore.nt.clock import Clock

_PAUSE: Final = 60.0
_MOST: Final = 4096


class Seldom:
    """Remembers what was told lately. Owned by the server."""

    __slots__ = ("_clock", "_told")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._told: dict[Hashable, float] = {}

    def is_due(self, *what: Hashable) -> bool:
        """Tell whether `what` is to be logged: it has not been for a minute."""
        now = self._clock.monotonic()
        told = self._told.get(what)
        if told is not None and now - told < _PAUSE:
            return False
        if len(self._told) >= _MOST:
            self._forget(now)
        self._told[what] = now
        return True

    def _forget(self, now: float) -> None:
        """Make room: forget what may be told again, or everything where that is not enough."""
        self._told = {what: told for what, told in self._told.items() if now - told < _PAUSE}
        if len(self._told) >= _MOST:
            self._told.clear()
