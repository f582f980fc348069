"""Times that an open set by hand and that its own later changes leave alone  [MS-FSA 2.1.5.15.2, MS-FSCC 2.4.7].

Of a set: 0 leaves a time as it is; -1 stops automatic updates of it through this open; -2 lets them happen again; below
that is INVALID_PARAMETER; a time stands still too once it was set explicitly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smbcore.fsa.backend import Node
from smbcore.nt.clock import Clock, TimerHandle
from smbcore.nt.status import NtError, Status

if TYPE_CHECKING:
    from smbcore.fsa.file_table import FileState
    from smbcore.fsa.open import Open

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


class DelayedWriteTime:
    """The write time that a file shows while it is being written, where the share delays it.

    The store has the true time all along. Until some seconds after the first write through an open, the file shows the
    time from before; then that of the moment, which stays until the next open writes, something settles it, or the
    last open that wrote closes. Windows did so once, and smbd until 4.21; modern Windows shows every write at once.

    node  of an open of the file, to ask and to set
    """

    __slots__ = ("_clock", "_settled", "_timer", "node", "shown")

    def __init__(self, node: Node, clock: Clock) -> None:
        self.node = node
        self._clock = clock
        self._settled = False
        self._timer: TimerHandle | None = None
        self.shown = node.info().last_write_time

    def begin(self, delay: float) -> None:
        """An open writes for the first time."""
        if self._timer is None:
            self._timer = self._clock.call_later(delay, self.settle)

    def settle(self) -> None:
        """Show the true time, and a later one than before even where the store's clock ticks slowly."""
        self.end()
        now = self.node.info().last_write_time
        if now == self.shown and not self._settled:
            now = max(self._clock.now(), now + 1)
            self.node.set_times(last_write=now)
        self._settled = True
        self.shown = now

    def settle_at_close(self) -> None:
        """Show the time of the close, if writes are still to be shown."""
        if not self._settled:
            self.node.set_times(last_write=self._clock.now())
        self.settle()

    def written(self) -> None:
        """Note a write."""
        self._settled = False

    def end(self) -> None:
        """Settle no more by itself."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def before_write(opened: Open) -> None:
    """Keep the write time that the file shows; called before a change of data where the share delays it."""
    file = opened.file
    if file.delayed is None:
        file.delayed = DelayedWriteTime(opened.node, opened.volume.clock)
    if not opened.writes:
        file.delayed.begin(opened.volume.config.delayed_write_time)
    file.delayed.written()


def follow(file: FileState, old: Node, new: Node) -> None:
    """Ask `new` from now on, where `old` was asked for the write time."""
    if file.delayed is not None and file.delayed.node is old:
        file.delayed.node = new


def settle_write_time(opened: Open) -> None:
    """Show the true write time from now on."""
    if opened.file.delayed is not None:
        opened.file.delayed.settle()


def writer_closes(opened: Open) -> None:
    """Show the true write time when nobody writes any more; called while the open is still registered."""
    delayed = opened.file.delayed
    if delayed is None or not (opened.writes or delayed.node is opened.node):  # the first write may have failed
        return
    delayed.end()
    others = [other for other in opened.file.opens() if other is not opened and other.writes]
    opened.file.delayed = None
    if others:
        opened.file.delayed = DelayedWriteTime(others[0].node, opened.volume.clock)
