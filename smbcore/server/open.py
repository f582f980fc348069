"""Opens  [MS-SMB2 3.3.1.10]: what a client holds a FileId for."""

from __future__ import annotations

import logging
from struct import Struct
from typing import TYPE_CHECKING, Any, Protocol

from smbcore.fsa.api import BreakNotice, Caching, FileRange, LockElement, OplockLevel
from smbcore.nt import filetime
from smbcore.nt.status import NtError
from smbcore.server import breaks

if TYPE_CHECKING:
    from smbcore.server.lease import SmbLease
    from smbcore.server.tree_connect import SmbTreeConnect

log = logging.getLogger(__name__)

_FILE_ID = Struct("<QQ")
_OPLOCK_NAMES = {
    OplockLevel.NONE: "",
    OplockLevel.LEVEL_TWO: "II",
    OplockLevel.LEVEL_ONE: "exclusive",
    OplockLevel.BATCH: "batch",
    OplockLevel.GRANULAR: "lease",
}


class File(Protocol):
    """What an open works on: an open of the file-system layer, or a pipe."""

    granted_access: int
    share_access: int
    create_options: int
    path: str
    stream: str
    is_directory: bool

    async def read_into(self, offset: int, view: memoryview) -> int:
        """Fill `view` from `offset`, return the bytes read."""

    def range_to_send(self, offset: int, length: int) -> FileRange | None:
        """Return the bytes for sending them without a copy, None where they have to be read."""

    async def write(self, offset: int, data: bytes | memoryview, write_through: bool = False) -> int:
        """Write `data` at `offset`."""

    async def flush(self) -> None:
        """Make the data stable."""

    async def lock(self, elements: list[LockElement], *, fail_immediately: bool) -> None:
        """Take byte ranges."""

    def unlock(self, elements: list[LockElement]) -> None:
        """Release byte ranges."""

    def query_information(self, info_class: int, max_length: int) -> bytes:
        """Return an information class."""

    async def set_information(self, info_class: int, data: bytes | memoryview) -> None:
        """Set an information class."""

    async def fsctl(self, code: int, data: bytes | memoryview, max_output: int) -> bytes:
        """Carry out a control code."""

    async def close(self) -> None:
        """Release it."""


def caching_letters(caching: int) -> str:
    """Return "RWH", or the part of it that is held."""
    letters = ((Caching.READ, "R"), (Caching.WRITE, "W"), (Caching.HANDLE, "H"))
    return "".join(letter for bit, letter in letters if caching & bit)


class SmbOpen:
    """An open of one client.

    Owned by its session (`opens`), listed by its tree connect and the server; created by CREATE; ended by `close`.
    file     Any: the file-system layer's Open, or a PipeFile; only disk shares see commands that pipes do not have
    lease    the lease that covers it, None without one
    """

    __slots__ = (
        "bytes_read", "bytes_written", "closed", "file", "file_id", "key", "lease", "opened_at", "persistent_id",
        "session",
        "told_bytes", "tree", "volatile_id",
    )  # fmt: skip

    def __init__(self, tree: SmbTreeConnect, file: Any, key: int, volatile_id: int) -> None:
        server = tree.session.server
        self.tree = tree
        self.session = tree.session
        self.file = file
        self.key = key
        self.persistent_id = key | server.persistent_high
        self.volatile_id = volatile_id
        self.file_id = _FILE_ID.pack(self.persistent_id, volatile_id)
        self.lease: SmbLease | None = None
        self.opened_at = server.clock.now()
        self.bytes_read = 0
        self.bytes_written = 0
        self.told_bytes = 0
        self.closed = False
        self.session.opens[self.file_id] = self
        tree.opens.add(self)
        server.open_added(self)

    async def close(self) -> None:
        """Release the FileId at once, then the file (which may wait for the disk). Idempotent."""
        if self.closed:
            return
        self._forget()
        await self.file.close()

    def close_in_background(self) -> None:
        """Close without anybody waiting; a failure is logged, the FileId is gone in any case."""
        if not self.closed:
            self._forget()
            self.session.server.background(self._release())

    async def _release(self) -> None:
        try:
            await self.file.close()
        except NtError as error:
            log.warning("close of %s failed: %s", self.file.path, error)

    def _forget(self) -> None:
        self.closed = True
        self.session.opens.pop(self.file_id, None)
        self.tree.opens.discard(self)
        if self.lease is not None:
            self.lease.remove(self)
        self.session.server.open_removed(self)

    def oplock_broken(self, notice: BreakNotice) -> None:
        """The file-system layer breaks this open's legacy oplock: tell the client  [MS-SMB2 3.3.4.6]."""
        breaks.send_oplock_break(self, notice)

    def row(self) -> dict[str, Any]:
        """Return the record as people see it (state/schema.py: open)."""
        file, session, lease = self.file, self.session, self.lease
        level, caching = file.oplock
        connection = next(iter(session.channels), None)
        self.told_bytes = self.bytes_read + self.bytes_written
        now = filetime.to_datetime(self.session.server.clock.now())
        return {
            "session_key": session.key,
            "tcon_key": self.tree.key,
            "persistent_id": self.persistent_id,
            "volatile_id": self.volatile_id,
            "share": self.tree.share.name,
            "path": file.path,
            "stream": file.stream,
            "is_directory": file.is_directory,
            "access": file.granted_access,
            "share_mode": file.share_access,
            "create_options": file.create_options,
            "oplock": _OPLOCK_NAMES[level],
            "lease_key": lease.key.hex() if lease else None,
            "lease_state": caching_letters(caching) if lease else "",
            "delete_pending": file.delete_pending,
            "durable": "",
            "timeout_ms": 0,
            "disconnected_at": None,
            "client_guid": connection.client_guid.hex() if connection else "",
            "create_guid": None,
            "owner_sid": str(session.token.user),
            "app_instance_id": None,
            "file_key": str(file.file_key),
            "locks": file.lock_count,
            "opened_at": filetime.to_datetime(self.opened_at),
            "last_io_at": now if self.told_bytes else filetime.to_datetime(self.opened_at),
            "bytes_read": self.bytes_read,
            "bytes_written": self.bytes_written,
            "doc": {},
        }
