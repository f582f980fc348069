"""Named pipes as files of IPC$: the RPC layer's pipes behind the calls that opens are worked with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from smbcore.fsa.api import Caching, LockElement, OplockLevel
from smbcore.nt.access import FILE_GENERIC_READ, FILE_GENERIC_WRITE
from smbcore.nt.info.file import PipeInformation, PipeLocalInformation, StandardInformation
from smbcore.nt.info.fsctl import PipePeek
from smbcore.nt.status import NtError, Status

if TYPE_CHECKING:
    from smbcore.nt.token import Token
    from smbcore.rpc.pipes import Pipe

FSCTL_PIPE_PEEK: Final = 0x0011400C
FSCTL_PIPE_TRANSCEIVE: Final = 0x0011C017
_CONNECTED: Final = 3
_STANDARD_INFORMATION: Final = 5
_PIPE_INFORMATION: Final = 23
_PIPE_LOCAL_INFORMATION: Final = 24
_MESSAGE_MODE: Final = 1


class PipeFile:
    """An open pipe. A pipe answers within the write that completes a request, so that a read never has to wait for
    one.
    """

    __slots__ = ("create_options", "granted_access", "path", "pipe", "share_access")

    stream = ""
    is_directory = False
    delete_pending = False
    file_key = "pipe"
    lock_count = 0
    oplock = (OplockLevel.NONE, Caching.NONE)

    def __init__(self, pipe: Pipe, path: str, share_access: int) -> None:
        self.pipe = pipe
        self.path = path
        self.share_access = share_access
        self.granted_access = FILE_GENERIC_READ | FILE_GENERIC_WRITE
        self.create_options = 0

    async def read_into(self, _offset: int, view: memoryview) -> int:
        """Read from the current message; raises BUFFER_OVERFLOW with the data where more of it is left, PIPE_EMPTY."""
        if not self.pipe.available():
            raise NtError(Status.PIPE_EMPTY, "nothing to read")
        data, more = self.pipe.read(len(view))
        if more:
            raise NtError(Status.BUFFER_OVERFLOW, "more of the message is left", data)
        view[: len(data)] = data
        return len(data)

    def range_to_send(self, _offset: int, _length: int) -> None:
        """Pipes have nothing to send from where it lies."""

    async def write(self, _offset: int, data: bytes | memoryview, write_through: bool = False) -> int:
        """Write to the pipe."""
        return self.pipe.write(data)

    async def flush(self) -> None:
        """Pipes keep nothing back."""

    def act_as(self, _token: Token) -> None:
        """A pipe goes on serving who opened it."""

    async def lock(self, elements: list[LockElement], *, fail_immediately: bool) -> None:
        """Refuse: pipes have no byte ranges."""
        raise NtError(Status.INVALID_DEVICE_REQUEST, "lock on a pipe")

    def unlock(self, elements: list[LockElement]) -> None:
        """Refuse: pipes have no byte ranges."""
        raise NtError(Status.INVALID_DEVICE_REQUEST, "unlock on a pipe")

    def query_information(self, info_class: int, max_length: int) -> bytes:
        """Return FileStandardInformation or FilePipe(Local)Information; others are INVALID_PARAMETER."""
        if info_class == _STANDARD_INFORMATION:
            data = StandardInformation(4096, 0, delete_pending=True).encode()
        elif info_class == _PIPE_INFORMATION:
            data = PipeInformation(_MESSAGE_MODE).encode()
        elif info_class == _PIPE_LOCAL_INFORMATION:
            data = PipeLocalInformation(read_data_available=self.pipe.available()).encode()
        else:
            raise NtError(Status.INVALID_PARAMETER, f"information class {info_class} of a pipe")
        if len(data) > max_length:
            raise NtError(Status.INFO_LENGTH_MISMATCH, "buffer too small")
        return data

    async def set_information(self, info_class: int, data: bytes | memoryview) -> None:
        """Accept a change of the pipe's mode (it stays in message mode); refuse everything else."""
        if info_class != _PIPE_INFORMATION:
            raise NtError(Status.NOT_SUPPORTED, f"information class {info_class} of a pipe")

    async def fsctl(self, code: int, data: bytes | memoryview, max_output: int) -> bytes:
        """Transceive and peek  [MS-FSCC 2.3.51, 2.3.47]."""
        if code == FSCTL_PIPE_TRANSCEIVE:
            reply, more = self.pipe.transceive(data, max_output)
            if more:
                raise NtError(Status.BUFFER_OVERFLOW, "more of the message is left", reply)
            return reply
        if code == FSCTL_PIPE_PEEK:
            available = self.pipe.available()
            return PipePeek(_CONNECTED, available, 1 if available else 0, available).encode()
        raise NtError(Status.INVALID_DEVICE_REQUEST, f"control code {code:#x} on a pipe")

    async def close(self) -> None:
        """Close the pipe."""
        self.pipe.close()
