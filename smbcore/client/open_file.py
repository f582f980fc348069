"""An open file of the plain file API: reads and writes of any size, several requests in flight."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final, Self, TypeVar

from smbcore.client.message import checked
from smbcore.nt.info.classes import FILE_END_OF_FILE_INFORMATION
from smbcore.nt.info.file import EndOfFileInformation
from smbcore.nt.status import NtError, Status
from smbcore.wire.read import ReadResponse
from smbcore.wire.write import WriteResponse

if TYPE_CHECKING:
    from smbcore.client.raw import RawClient

T = TypeVar("T")
A = TypeVar("A")

_PIECE: Final = 1024 * 1024
_SMALL_PIECE: Final = 64 * 1024
_IN_FLIGHT: Final = 8


class File:
    """An open file.

    size  bytes when it was opened, and what was written behind that since
    """

    def __init__(self, raw: RawClient, file_id: bytes, size: int) -> None:
        self.raw = raw
        self.file_id = file_id
        self.size = size
        negotiated = raw.connection.negotiated
        assert negotiated is not None
        piece = _PIECE if negotiated.multi_credit else _SMALL_PIECE
        self._read_size = min(piece, negotiated.response.max_read)
        self._write_size = min(piece, negotiated.response.max_write)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        if not self.raw.connection.is_lost:
            await self.close()

    async def read(self, offset: int = 0, length: int | None = None) -> bytes:
        """Return up to `length` bytes from `offset`, fewer only at the end of the file; None reads to the known end."""
        end = self.size if length is None else offset + length
        step = self._read_size
        pieces = await _several(lambda at: self._read_piece(at, min(step, end - at)), range(offset, end, step))
        whole = []
        for index, piece in enumerate(pieces):
            whole.append(piece)
            if len(piece) < min(step, end - offset - index * step):
                break
        return b"".join(whole)

    async def write(self, offset: int, data: bytes) -> int:
        """Write all of `data` at `offset`; return its length."""
        view, step = memoryview(data), self._write_size
        await _several(lambda at: self._write_all(offset + at, view[at : at + step]), range(0, len(view), step))
        self.size = max(self.size, offset + len(view))
        return len(view)

    async def truncate(self, size: int) -> None:
        """Cut or extend the file to `size` bytes."""
        data = EndOfFileInformation(size).encode()
        checked(await self.raw.set_info(self.file_id, FILE_END_OF_FILE_INFORMATION, data))
        self.size = size

    async def flush(self) -> None:
        """Have everything written on stable storage."""
        checked(await self.raw.flush(self.file_id))

    async def close(self) -> None:
        """Close it."""
        checked(await self.raw.close(self.file_id))

    async def _read_piece(self, offset: int, length: int) -> bytes:
        data = bytearray()
        while len(data) < length:
            response = await self.raw.read(self.file_id, offset + len(data), length - len(data))
            if response.status is Status.END_OF_FILE:
                break
            data += checked(response, Status.SUCCESS, Status.BUFFER_OVERFLOW).body_as(ReadResponse).data
        return bytes(data)

    async def _write_all(self, offset: int, data: memoryview) -> None:
        while data:
            response = await self.raw.write(self.file_id, offset, data)
            count = checked(response).body_as(WriteResponse).count
            if not count:
                raise NtError(Status.DISK_FULL, "nothing was written")
            offset += count
            data = data[count:]


async def _several(work: Callable[[A], Awaitable[T]], arguments: Sequence[A]) -> list[T]:
    """Run `work` for each argument, a bounded number at a time; return results in order, or raise the first error."""
    limit = asyncio.Semaphore(_IN_FLIGHT)

    async def one(argument: A) -> T:
        async with limit:
            return await work(argument)

    if len(arguments) == 1:
        return [await work(arguments[0])]
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(argument)) for argument in arguments]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]
