"""A range of a file in an output queue: it goes from the file to the socket inside of the kernel."""

from __future__ import annotations

import os

from smbcore.fsa.api import FileRange


class QueuedRange:
    """What is left to send of a range; `len` of it is in bytes.

    The handle belongs to an open that may close as soon as the next request is worked on. A range that cannot leave at
    once has to `keep` a handle of its own, which `release` gives back.
    """

    __slots__ = ("_handle", "_left", "_offset", "_owned")

    def __init__(self, source: FileRange) -> None:
        self._handle = source.handle
        self._offset = source.offset
        self._left = source.length
        self._owned = False

    def __len__(self) -> int:
        return self._left

    def send(self, socket: int) -> bytes:
        """Send all of it; return zeros to send in the place of what the file has lost meanwhile, mostly none.

        Raises BlockingIOError when the socket takes no more, OSError from socket or file.
        """
        while self._left:
            sent = os.sendfile(socket, self._handle, self._offset, self._left)
            if not sent:
                lost, self._left = self._left, 0
                return bytes(lost)
            self._offset += sent
            self._left -= sent
        return b""

    def keep(self) -> None:
        """Go on with a handle of its own.  Raises OSError."""
        self._handle = os.dup(self._handle)
        self._owned = True

    def release(self) -> None:
        """Give back the handle if it is its own."""
        if self._owned:
            self._owned = False
            os.close(self._handle)
