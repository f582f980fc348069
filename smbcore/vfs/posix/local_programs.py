"""Programs of this machine that want a file which clients cache, from the kernel's file leases.

A lease keeps an open(2) of another program waiting until it is given up, and tells us by a signal. One signal serves
all volumes of the process: it says only that some lease is to be given up, and the kernel is asked which one.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import signal
from collections.abc import Callable
from pathlib import Path

from smbcore.fsa.backend import Guard

_log = logging.getLogger(__name__)

_PATIENCE = Path("/proc/sys/fs/lease-break-time")
_USUAL_PATIENCE = 45.0
READING = fcntl.F_RDLCK
"""A lease that lets others read the file."""
WRITING = fcntl.F_WRLCK
"""A lease that lets nobody else open the file."""


class Lease(Guard):
    """One lease on an open file description.

    descriptor  says which descriptor leads to the description now;  kind READING or WRITING
    """

    __slots__ = ("_descriptor", "_programs", "_wanted", "kind")

    def __init__(
        self, programs: LocalPrograms, descriptor: Callable[[], int], kind: int, wanted: Callable[[float], None]
    ) -> None:
        self._programs = programs
        self._descriptor = descriptor
        self._wanted: Callable[[float], None] | None = wanted
        self.kind = kind

    def look(self) -> None:
        """Say so if the kernel wants it back: it shows what is to become of the lease, or that it is gone."""
        try:
            is_kept = fcntl.fcntl(self._descriptor(), fcntl.F_GETLEASE) == self.kind
        except OSError:  # the description went without us
            is_kept = False
        if not is_kept:
            self.tell()

    def tell(self) -> None:
        """Tell, once, that the file is wanted."""
        wanted, self._wanted = self._wanted, None
        if wanted is not None:
            wanted(self._programs.patience)

    def pause(self) -> None:
        """Give the lease up for a moment in which this process itself opens the file."""
        _set(self._descriptor(), fcntl.F_UNLCK)

    def resume(self, kind: int) -> None:
        """Take the lease again; where somebody was quicker, the file is wanted."""
        self.kind = kind
        if not _set(self._descriptor(), kind):
            self.tell()

    def release(self) -> None:
        if self in self._programs.held:
            self._programs.held.discard(self)
            self._wanted = None
            _set(self._descriptor(), fcntl.F_UNLCK)


class LocalPrograms:
    """The leases of this process, and its handler of their signal. Touched on the event-loop thread only.

    patience  seconds after which the kernel takes a lease that is wanted
    """

    __slots__ = ("_complained", "_loop", "held", "patience")

    def __init__(self) -> None:
        self.held: set[Lease] = set()
        self.patience = _patience()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._complained = False

    def take(self, descriptor: Callable[[], int], kind: int, wanted: Callable[[float], None]) -> Lease | None:
        """Take a lease; None where the kernel refuses it: the file is open elsewhere, or not ours, or has no leases."""
        if not self._listens():
            return None
        lease = Lease(self, descriptor, kind, wanted)
        if not _set(descriptor(), kind):
            return None
        self.held.add(lease)
        return lease

    def signalled(self) -> None:
        """Ask which leases are to be given up."""
        for lease in list(self.held):
            lease.look()

    def _listens(self) -> bool:
        """Handle the signal on the running loop; it would end a process that does not."""
        loop = asyncio.get_running_loop()
        if loop is self._loop:
            return True
        try:
            loop.add_signal_handler(signal.SIGIO, self.signalled)
        except (RuntimeError, ValueError, NotImplementedError) as error:  # not the main thread's loop
            if not self._complained:
                self._complained = True
                _log.warning("clients may not cache: file leases cannot be used here (%s)", error)
            return False
        self._loop = loop
        return True


def _set(descriptor: int, kind: int) -> bool:
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, kind)
    except OSError as error:
        _log.debug("lease %d: %s", kind, error.strerror)
        return False
    return True


def _patience() -> float:
    try:
        return float(_PATIENCE.read_text())
    except (OSError, ValueError):
        return _USUAL_PATIENCE
