"""Web passwords, checked a few at a time.

One argon2id hash takes 64 MiB and tens of milliseconds on purpose.  The methods block: call them from a worker
thread.  Only a few run at once, so that a flood of sign-ins cannot take the memory or the threads that everything
else needs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore

from appliance.problems import too_many_attempts
from smbcore.state.passwords import Credentials, derive, verify_web

_AT_A_TIME = 2
_WAIT = 5.0


class PasswordWork:
    """Derives and verifies passwords in turns; raises Problem 429 when the queue is too long."""

    def __init__(self) -> None:
        self._turns = BoundedSemaphore(_AT_A_TIME)

    def derive(self, password: str) -> Credentials:
        """Hash a new password; StateError if it is too short or too long."""
        with self._turn():
            return derive(password)

    def verify(self, stored: str | None, password: str) -> bool:
        """Tell whether the password is the stored one, in the same time when nothing is stored."""
        with self._turn():
            return verify_web(stored, password)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._turns.acquire(timeout=_WAIT):
            raise too_many_attempts(int(_WAIT))
        try:
            yield
        finally:
            self._turns.release()
