"""Whether the rows can be believed if the server ends this very moment.

They cannot while the database does not take changes: leases break, locks come and go, and nothing of it is stored. A
file in the data directory says that they can. It is removed when a change could not be stored, which works on a full
disk too, and made again when everything is. A start that does not find it gives back nothing that may be wrong: no
plain durable handle, and no lease with a persistent one. The first start of all has no rows.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger(__name__)


class Trust:
    """Owned by the server; without a path (in tests) it remembers nothing.

    given    what is true now;  inherited  what the run before left;  losses  how often it was lost, or would have been
    """

    __slots__ = ("_path", "given", "inherited", "losses")

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self.given = path is not None and path.exists()
        self.inherited = path is None or self.given
        self.losses = 0

    def lose(self) -> None:
        """A change was not stored."""
        self.losses += 1
        if self.given:
            self.given = False
            log.warning("if the server ended now, it would not give back handles: their records are not up to date")
            self._keep()

    def regain(self) -> None:
        """Everything is stored. Idempotent."""
        if not self.given:
            self.given = True
            self._keep()

    def _keep(self) -> None:
        if self._path is None:
            return
        try:
            if self.given:
                self._path.touch(mode=0o600)
            else:
                self._path.unlink(missing_ok=True)
            directory = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
        except OSError as error:
            self.given = False
            log.warning("%s cannot be kept: %s", self._path, error)
