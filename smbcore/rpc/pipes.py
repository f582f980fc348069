"""Message-mode named pipes with an RPC service behind them.

A pipe never waits: a request is carried out within the `write` that completes it.
`read` gives one message (RPC fragment) at a time; a limit smaller than the message
leaves the rest for the next read, which is what STATUS_BUFFER_OVERFLOW means on a
message-mode pipe. An empty pipe reads as (b"", False): whether the client's READ then
pends or fails is the caller's business (`available` tells beforehand).
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from typing import Final

from smbcore.nt.errors import WireError
from smbcore.nt.status import NtError, Status
from smbcore.rpc import lsarpc, samr, srvsvc, wkssvc
from smbcore.rpc.connection import RpcConnection
from smbcore.rpc.context import PipeContext
from smbcore.rpc.service import Service

log = logging.getLogger(__name__)

MAX_UNREAD: Final = 4 * 1024 * 1024
"""Bytes of replies a client may leave unread before its pipe is broken."""
_ALIASES: Final = {"lsass": "lsarpc", "netlogon": "lsarpc", "ntsvcs": "srvsvc"}


def default_services() -> list[Service]:
    """Return every service of this package."""
    return [srvsvc.SERVICE, wkssvc.SERVICE, lsarpc.SERVICE, samr.SERVICE]


class Pipe:
    """One opened pipe; made by `PipeRegistry.open`, owned by the SMB open that it belongs to.

    name  as opened, without a leading backslash
    """

    __slots__ = ("_connection", "_out", "_unread", "_usable", "name")

    def __init__(self, name: str, connection: RpcConnection) -> None:
        self.name = name
        self._connection = connection
        self._out: deque[memoryview] = deque()
        self._unread = 0
        self._usable = True

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Take bytes from the client; return how many, always all.

        Raises NtError: PIPE_DISCONNECTED once the client has broken the protocol,
        PIPE_BROKEN for the write that does.
        """
        if not self._usable:
            raise NtError(Status.PIPE_DISCONNECTED, f"pipe {self.name} is closed")
        try:
            for reply in self._connection.receive(data):
                self._keep(reply)
        except WireError as error:
            log.info("pipe %s broken: %s", self.name, error)
            self.close()
            raise NtError(Status.PIPE_BROKEN, f"pipe {self.name}: {error}") from error
        return len(data)

    def _keep(self, reply: bytes) -> None:
        self._unread += len(reply)
        if self._unread > MAX_UNREAD:
            msg = "replies are not read"
            raise WireError(msg)
        self._out.append(memoryview(reply))

    def read(self, limit: int) -> tuple[bytes, bool]:
        """Return at most `limit` bytes of the next message, and whether more of it is left.

        Raises NtError PIPE_DISCONNECTED when the pipe is closed and nothing is left.
        """
        if not self._out:
            if not self._usable:
                raise NtError(Status.PIPE_DISCONNECTED, f"pipe {self.name} is closed")
            return b"", False
        message = self._out.popleft()
        data = bytes(message[:limit])
        self._unread -= len(data)
        if len(data) < len(message):
            self._out.appendleft(message[limit:])
            return data, True
        return data, False

    def available(self) -> int:
        """Return how many bytes the next read can return; 0 when there is no message."""
        return len(self._out[0]) if self._out else 0

    @property
    def unread(self) -> int:
        """Bytes in all messages that wait to be read."""
        return self._unread

    def transceive(self, data: bytes | bytearray | memoryview, limit: int) -> tuple[bytes, bool]:
        """Write a message and read the reply  [MS-FSCC 2.3.51].

        Raises NtError: PIPE_BUSY when an earlier reply has not been read, otherwise as
        `write` and `read`. (b"", False) means that the request is not complete yet.
        """
        if self._out:
            raise NtError(Status.PIPE_BUSY, f"pipe {self.name} has a reply that was not read")
        self.write(data)
        return self.read(limit)

    def close(self) -> None:
        """Forget everything; reads and writes fail from now on."""
        self._usable = False
        self._out.clear()
        self._unread = 0


class PipeRegistry:
    """The pipes that exist, by name; immutable once made."""

    __slots__ = ("_services",)

    def __init__(self, services: Sequence[Service] | None = None) -> None:
        self._services = tuple(default_services() if services is None else services)

    @property
    def names(self) -> list[str]:
        """Names of the pipes, lower case."""
        return sorted({service.pipe for service in self._services})

    def open(self, name: str, context: PipeContext) -> Pipe | None:
        """Open the pipe `name` ("srvsvc", any case, no backslashes); None if there is none.

        Any service may be bound on any pipe, as on Windows, where they share a process.
        """
        short = name.lower()
        short = _ALIASES.get(short, short)
        if short not in self.names:
            return None
        return Pipe(short, RpcConnection(short, self._services, context))
