"""Times that an open set by hand and that its own later changes leave alone  [MS-FSA 2.1.5.15.2, MS-FSCC 2.4.7].

Of a set: 0 leaves a time as it is; -1 stops automatic updates of it through this open; -2 lets them happen again; below
that is INVALID_PARAMETER; a time stands still too once it was set explicitly.
"""

from __future__ import annotations

from smbcore.fsa.backend import Node
from smbcore.nt.status import NtError, Status

KEEP = 0
FREEZE = -1
THAW = -2


class StickyTimes:
    """The times that stand still for one open; None ones move. FILETIME."""

    __slots__ = ("change", "last_access", "last_write")

    def __init__(self) -> None:
        self.last_access: int | None = None
        self.last_write: int | None = None
        self.change: int | None = None

    def after_write(self, node: Node) -> None:
        """Put back what writing moved."""
        if self.last_write is not None or self.change is not None or self.last_access is not None:
            node.set_times(last_access=self.last_access, last_write=self.last_write, change=self.change)

    def after_read(self, node: Node) -> None:
        """Put back what reading moved."""
        if self.last_access is not None:
            node.set_times(last_access=self.last_access, change=self.change)


def check_time(value: int) -> None:
    """Raise INVALID_PARAMETER for a time that is neither one nor a known sign."""
    if value < THAW:
        raise NtError(Status.INVALID_PARAMETER, f"time {value}")


def settle(requested: int, current: int) -> tuple[int | None, int | None, bool]:
    """Return (time to set or None, time that stands still or None, whether stillness changes) for one requested
    time.
    """
    if requested == KEEP:
        return None, None, False
    if requested == FREEZE:
        return None, current, True
    if requested == THAW:
        return None, None, True
    return requested, requested, True
