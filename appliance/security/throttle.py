"""Slows down who guesses passwords, and nobody else.

Failures are counted per (account, address): one bad device behind a shared address does not lock out its office,
and one guesser does not lock out an account everywhere.  The same wrong password again counts once, because a phone
that keeps trying an old password is no attack.  From the fifth failure on every further one doubles the wait.
"""

from __future__ import annotations

import hmac
import math
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock

_FREE_ATTEMPTS = 5
_LONGEST_WAIT = 300.0
_FORGET_AFTER = 3600.0
_MOST_ENTRIES = 10_000


@dataclass(slots=True)
class _Record:
    failures: int = 0
    last_failure: float = 0.0
    seen: set[bytes] = field(default_factory=set)


class SignInThrottle:
    """Counts failed sign-ins; safe in any thread."""

    def __init__(self) -> None:
        self._records: OrderedDict[tuple[str, str], _Record] = OrderedDict()
        self._key = secrets.token_bytes(32)
        self._lock = Lock()

    def seconds_to_wait(self, account: str, address: str, now: float) -> int:
        """Return how long this caller must wait before the next attempt is looked at; 0 if not at all."""
        with self._lock:
            record = self._records.get((account.casefold(), address))
            if record is None or record.failures < _FREE_ATTEMPTS:
                return 0
            wait = min(2.0 ** (record.failures - _FREE_ATTEMPTS + 1), _LONGEST_WAIT)
            return max(0, math.ceil(record.last_failure + wait - now))

    def failed(self, account: str, address: str, password: str, now: float) -> None:
        """Note a failed attempt."""
        mark = hmac.digest(self._key, password.encode(errors="surrogatepass"), "sha256")
        with self._lock:
            record = self._records.setdefault((account.casefold(), address), _Record())
            self._records.move_to_end((account.casefold(), address))
            if now - record.last_failure > _FORGET_AFTER:
                record.failures = 0
                record.seen.clear()
            if mark not in record.seen:
                record.failures += 1
                record.seen.add(mark)
            record.last_failure = now
            while len(self._records) > _MOST_ENTRIES:
                self._records.popitem(last=False)

    def succeeded(self, account: str, address: str) -> None:
        """Forget the failures of a caller who has proved who they are."""
        with self._lock:
            self._records.pop((account.casefold(), address), None)
