"""The message ids a peer may use, and the credits that open them  [MS-SMB2 3.3.1.1, 3.3.1.2, 3.3.5.2.3].

The window is the half-open range [low, high): every id in it may be used once, in any order. Each granted credit moves
`high` by one; `low` follows the used ids. `_used` holds used ids above `low`, so it is as large as the disorder; that
is bounded: a client that leaves an id unused gets no more credits once the window spans twice the maximum.

What is granted to a request that waits is withheld until its response tells of it: a client that used it before, for it
knows what it will get, could have as much waiting as it likes. It counts as granted meanwhile.
"""

from __future__ import annotations

MAX_CREDITS = 8192


class CommandWindow:
    """Ids that the client may use, seen from the server."""

    __slots__ = ("_high", "_low", "_used", "_withheld", "maximum")

    def __init__(self, maximum: int = MAX_CREDITS) -> None:
        self.maximum = maximum
        self._low = 0
        self._high = 1
        self._used: set[int] = set()
        self._withheld = 0

    @property
    def available(self) -> int:
        """Credits the client holds and has not used."""
        return self._high - self._low - len(self._used)

    def consume(self, message_id: int, charge: int) -> bool:
        """Take `charge` consecutive ids from `message_id`; False if one of them is not available."""
        last = message_id + max(charge, 1)
        if message_id == self._low and last <= self._high and not self._used:  # in order, as nearly always
            self._low = last
            return True
        if message_id < self._low or last > self._high:
            return False
        ids = range(message_id, last)
        if self._used and not self._used.isdisjoint(ids):
            return False
        self._used.update(ids)
        while self._low in self._used:
            self._used.discard(self._low)
            self._low += 1
        return True

    def grant(self, requested: int) -> int:
        """Open the window by what the client gets for a request, and return it.

        At least one credit while the client would otherwise have none; never beyond `maximum` in all.
        """
        granted = requested or 1
        span = self._high - self._low + self._withheld
        if granted <= self.maximum - span:
            self._high += granted
            return granted
        room = min(self.maximum - self.available - self._withheld, 2 * self.maximum - span)
        granted = min(granted, room)
        if granted <= 0:
            granted = 0 if self.available else 1
        self._high += granted
        return granted

    def withhold(self, granted: int) -> None:
        """Take back the credits granted last: the response that brings them takes a while."""
        self._high -= granted
        self._withheld += granted

    def open(self, granted: int) -> None:
        """Open the window by credits that were withheld: a response brings them."""
        self._high += granted
        self._withheld -= granted


def credit_charge(payload: int, response: int) -> int:
    """Return the credits that a request with these many payload or response bytes costs  [MS-SMB2 3.1.5.2]."""
    size = max(payload, response)
    return (size - 1) // 65536 + 1 if size > 0 else 1
