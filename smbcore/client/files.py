r"""A plain file API over one share: open, read, write, list, rename, copy.

Paths are relative to the share; "/" and "\" both separate. Failures are NtError with the server's status.

    async with await connect("nas", "data", "alice", "secret") as share:
        await share.write("notes/today.txt", b"...")
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final, Self

from smbcore.auth.initiator import Initiator
from smbcore.client.connection import Connection
from smbcore.client.errors import BadReply
from smbcore.client.message import How, Signature, checked
from smbcore.client.open_file import File
from smbcore.client.raw import RawClient, negotiate
from smbcore.client.session import sign_in
from smbcore.client.transport import connect_tcp
from smbcore.nt.access import (
    DELETE,
    FILE_GENERIC_READ,
    FILE_GENERIC_WRITE,
    FILE_LIST_DIRECTORY,
    FILE_READ_ATTRIBUTES,
    SYNCHRONIZE,
)
from smbcore.nt.attributes import FILE_ATTRIBUTE_DIRECTORY
from smbcore.nt.create import (
    FILE_CREATE,
    FILE_DIRECTORY_FILE,
    FILE_NON_DIRECTORY_FILE,
    FILE_OPEN,
    FILE_OPEN_IF,
    FILE_OPEN_REPARSE_POINT,
    FILE_OVERWRITE_IF,
)
from smbcore.nt.info import fsctl
from smbcore.nt.info.classes import (
    FILE_ALL_INFORMATION,
    FILE_DISPOSITION_INFORMATION,
    FILE_ID_BOTH_DIRECTORY_INFORMATION,
    FILE_RENAME_INFORMATION,
)
from smbcore.nt.info.directory import DirectoryEntry, decode_entries
from smbcore.nt.info.file import AllInformation, DispositionInformation
from smbcore.nt.info.rename import RenameInformation
from smbcore.nt.status import NtError, Status
from smbcore.proto.keys import DIALECT_300, DIALECT_311
from smbcore.wire.create import CreateResponse
from smbcore.wire.ioctl import IoctlResponse
from smbcore.wire.query_directory import QueryDirectoryResponse
from smbcore.wire.query_info import QueryInfoResponse

if TYPE_CHECKING:
    from smbcore.client.negotiated import Offer
    from smbcore.client.transport import Transport

SIGNED: Final = How(signature=Signature.ALWAYS)
_LISTING: Final = 64 * 1024
_CHUNK: Final = 1024 * 1024
_CHUNKS: Final = 16
_READ: Final = (FILE_GENERIC_READ, FILE_OPEN)
_MODES: Final = {
    "r": _READ,
    "w": (FILE_GENERIC_WRITE, FILE_OVERWRITE_IF),
    "x": (FILE_GENERIC_WRITE, FILE_CREATE),
    "r+": (FILE_GENERIC_READ | FILE_GENERIC_WRITE, FILE_OPEN),
    "w+": (FILE_GENERIC_READ | FILE_GENERIC_WRITE, FILE_OVERWRITE_IF),
    "a+": (FILE_GENERIC_READ | FILE_GENERIC_WRITE, FILE_OPEN_IF),
}


class Share:
    """One share of a server, as one user. Closing it ends the connection."""

    def __init__(self, raw: RawClient) -> None:
        self.raw = raw

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Sign out and end the connection."""
        if not self.raw.connection.is_lost:
            await self.raw.logoff()
        self.raw.connection.close()

    # -- files --

    async def open(self, path: str, mode: str = "r") -> File:
        """Open a file: "r" for reading, "w" anew for writing, "x" only if it is new, "r+", "w+", "a+" for both."""
        access, disposition = _MODES[mode]
        return await self._open(path, access, disposition, FILE_NON_DIRECTORY_FILE)

    async def read(self, path: str) -> bytes:
        """Return a file's content."""
        async with await self.open(path) as file:
            return await file.read(0, file.size)

    async def write(self, path: str, data: bytes) -> None:
        """Make `data` a file's content."""
        async with await self.open(path, "w") as file:
            await file.write(0, data)

    async def remove(self, path: str) -> None:
        """Delete a file.  Raises CANNOT_DELETE where it is read-only."""
        await self._delete(path, FILE_NON_DIRECTORY_FILE)

    async def copy(self, source: str, target: str) -> None:
        """Copy a file on the server, without its bytes travelling."""
        async with await self.open(source) as origin, await self.open(target, "w+") as copy:
            reply = await self._ioctl(origin, fsctl.FSCTL_SRV_REQUEST_RESUME_KEY)
            key = fsctl.ResumeKey.decode(reply).key
            step = _CHUNK * _CHUNKS
            for start in range(0, origin.size, step):
                chunks = _chunks(start, min(start + step, origin.size))
                await self._ioctl(copy, fsctl.FSCTL_SRV_COPYCHUNK, fsctl.CopyChunkRequest(key, chunks).encode())

    async def rename(self, path: str, target: str, *, replace: bool = False) -> None:
        """Move a file or directory.  Raises OBJECT_NAME_COLLISION where the target exists and `replace` is not set."""
        async with await self._open(path, DELETE | SYNCHRONIZE, FILE_OPEN, FILE_OPEN_REPARSE_POINT) as file:
            data = RenameInformation(_wire_path(target), int(replace)).encode()
            checked(await self.raw.set_info(file.file_id, FILE_RENAME_INFORMATION, data))

    async def stat(self, path: str) -> AllInformation:
        """Return everything that is known about a file or directory."""
        async with await self._open(path, FILE_READ_ATTRIBUTES, FILE_OPEN, 0) as file:
            response = await self.raw.query_info(file.file_id, FILE_ALL_INFORMATION)
            return AllInformation.decode(checked(response).body_as(QueryInfoResponse).output)

    async def exists(self, path: str) -> bool:
        """Whether there is a file or directory of that name."""
        try:
            await self.stat(path)
        except NtError as error:
            if error.status in (Status.OBJECT_NAME_NOT_FOUND, Status.OBJECT_PATH_NOT_FOUND):
                return False
            raise
        return True

    # -- directories --

    async def listdir(self, path: str = "", pattern: str = "*") -> list[DirectoryEntry]:
        """Return the entries of a directory, without "." and ".."; the pattern knows * and ?."""
        entries: list[DirectoryEntry] = []
        access = FILE_LIST_DIRECTORY | FILE_READ_ATTRIBUTES | SYNCHRONIZE
        async with await self._open(path, access, FILE_OPEN, FILE_DIRECTORY_FILE) as directory:
            while batch := await self._batch(directory, pattern):
                entries += batch
        return [entry for entry in entries if entry.name not in (".", "..")]

    async def mkdir(self, path: str) -> None:
        """Make a directory.  Raises OBJECT_NAME_COLLISION where there is something of that name."""
        directory = await self._open(path, FILE_READ_ATTRIBUTES, FILE_CREATE, FILE_DIRECTORY_FILE)
        await directory.close()

    async def rmdir(self, path: str) -> None:
        """Remove an empty directory.  Raises DIRECTORY_NOT_EMPTY."""
        await self._delete(path, FILE_DIRECTORY_FILE)

    async def walk(self, path: str = "") -> AsyncIterator[tuple[str, list[DirectoryEntry], list[DirectoryEntry]]]:
        """Yield (path, directories, files) of a directory and of all below it, top down."""
        left = [path]
        while left:
            here = left.pop()
            entries = await self.listdir(here)
            directories = [entry for entry in entries if entry.attributes & FILE_ATTRIBUTE_DIRECTORY]
            files = [entry for entry in entries if not entry.attributes & FILE_ATTRIBUTE_DIRECTORY]
            yield here, directories, files
            left += [f"{here}/{entry.name}" if here else entry.name for entry in reversed(directories)]

    # -- inside --

    async def _open(self, path: str, access: int, disposition: int, options: int) -> File:
        response = await self.raw.create(_wire_path(path), access, disposition, options=options)
        body = checked(response).body_as(CreateResponse)
        return File(self.raw, body.file_id, body.end_of_file)

    async def _delete(self, path: str, kind: int) -> None:
        async with await self._open(path, DELETE, FILE_OPEN, kind | FILE_OPEN_REPARSE_POINT) as file:
            data = DispositionInformation(1).encode()
            checked(await self.raw.set_info(file.file_id, FILE_DISPOSITION_INFORMATION, data))

    async def _batch(self, directory: File, pattern: str) -> list[DirectoryEntry]:
        response = await self.raw.query_directory(
            directory.file_id, FILE_ID_BOTH_DIRECTORY_INFORMATION, pattern, max_output=_LISTING
        )
        if response.status in (Status.NO_MORE_FILES, Status.NO_SUCH_FILE):
            return []
        output = checked(response).body_as(QueryDirectoryResponse).output
        return decode_entries(FILE_ID_BOTH_DIRECTORY_INFORMATION, bytes(output))

    async def _ioctl(self, file: File, code: int, data: bytes = b"") -> bytes:
        response = await self.raw.ioctl(code, data, file_id=file.file_id)
        return bytes(checked(response).body_as(IoctlResponse).output)


async def connect(
    host: str,
    share: str,
    user: str,
    password: str,
    *,
    domain: str = "",
    port: int = 445,
    offer: Offer | None = None,
    timeout: float = 30.0,  # noqa: ASYNC109 - for the TCP connection and signing in together
) -> Share:
    """Connect to a share over TCP.  Raises OSError, TimeoutError, NtError, BadReply."""
    async with asyncio.timeout(timeout):
        transport = await connect_tcp(host, port, timeout=timeout)
        return await attach(transport, host, share, Initiator(user, password, domain), offer)


async def attach(
    transport: Transport, host: str, share: str, initiator: Initiator, offer: Offer | None = None
) -> Share:
    """Connect to a share over `transport`, which is closed if that fails."""
    connection = Connection(transport)
    try:
        await negotiate(connection, offer)
        session = await sign_in(connection, initiator)
        raw = RawClient(connection).as_session(session)
        tree = raw.on_tree(checked(await raw.tree_connect(rf"\\{host}\{share}")))
        if DIALECT_300 <= connection.dialect < DIALECT_311:
            await validate_negotiation(tree)
    except BaseException:
        connection.close()
        raise
    return Share(tree)


async def validate_negotiation(raw: RawClient) -> None:
    """Make sure that nobody changed what was negotiated, dialects 3.0 and 3.0.2  [MS-SMB2 3.2.5.5].

    Raises BadReply where the server remembers something else; a server that finds a difference drops the connection.
    """
    negotiated = raw.connection.negotiated
    assert negotiated is not None
    asked, answered = negotiated.request, negotiated.response
    request = fsctl.ValidateNegotiateRequest(
        asked.capabilities, asked.client_guid, asked.security_mode, list(asked.dialects)
    )
    response = await raw.ioctl(fsctl.FSCTL_VALIDATE_NEGOTIATE_INFO, request.encode(), max_output=24, how=SIGNED)
    if not (response.verified or response.sealed):
        raise BadReply("the answer to VALIDATE_NEGOTIATE_INFO is not signed")
    told = fsctl.ValidateNegotiateResponse.decode(bytes(response.expect().body_as(IoctlResponse).output))
    if (told.capabilities, bytes(told.server_guid), told.security_mode, told.dialect) != (
        answered.capabilities, bytes(answered.server_guid), answered.security_mode, answered.dialect,
    ):  # fmt: skip
        raise BadReply("the server remembers another negotiation")


def _wire_path(path: str) -> str:
    return path.replace("/", "\\").strip("\\")


def _chunks(start: int, end: int) -> list[fsctl.CopyChunk]:
    return [fsctl.CopyChunk(at, at, min(_CHUNK, end - at)) for at in range(start, end, _CHUNK)]
