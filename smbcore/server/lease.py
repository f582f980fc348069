"""Leases  [MS-SMB2 3.3.1.11, 3.3.1.12]: what a client may cache of a file, across its opens and connections.

The file-system layer decides what is granted and when it breaks; this module keeps what only SMB knows: the key, the
version of the structure, and the epoch that counts changes of state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from smbcore.fsa.api import BreakNotice, Caching
from smbcore.nt.status import NtError, Status
from smbcore.server import breaks

if TYPE_CHECKING:
    from smbcore.server.open import SmbOpen
    from smbcore.server.server import SmbServer


class SmbLease:
    """One lease of one client.

    Owned by `SmbServer.leases`; created by the first open with its key; gone with the last.
    key         16 bytes, chosen by the client;  version  1 or 2, of the create context
    epoch       counts changes of the state, 16 bits (version 2)
    breaking    a break notification was sent and its acknowledgment is awaited
    """

    __slots__ = ("breaking", "client_guid", "epoch", "key", "name", "opens", "parent_key", "server", "version")

    def __init__(self, server: SmbServer, client_guid: bytes, key: bytes, name: str, version: int) -> None:
        self.server = server
        self.client_guid = client_guid
        self.key = key
        self.name = name
        self.version = version
        self.parent_key: bytes | None = None
        self.epoch = 0
        self.breaking = False
        self.opens: set[SmbOpen] = set()

    @property
    def oplock_key(self) -> bytes:
        """The key under which the file-system layer knows the holder."""
        return self.client_guid + self.key

    def state(self) -> Caching:
        """What the client may cache now."""
        for open_ in self.opens:
            caching: Caching = open_.file.oplock[1]
            return caching
        return Caching.NONE

    def add(self, open_: SmbOpen) -> None:
        """The lease covers `open_` too."""
        self.opens.add(open_)
        open_.lease = self

    def remove(self, open_: SmbOpen) -> None:
        """`open_` closes; the lease goes with its last open."""
        self.opens.discard(open_)
        if not self.opens:
            self.server.leases.remove(self)

    def advance_epoch(self) -> None:
        """The state changed."""
        self.epoch = (self.epoch + 1) & 0xFFFF

    def oplock_broken(self, notice: BreakNotice) -> None:
        """The file-system layer breaks the lease: tell the client  [MS-SMB2 3.3.4.7]."""
        self.advance_epoch()
        self.breaking = notice.acknowledge
        breaks.send_lease_break(self, notice)

    def row(self) -> dict[str, Any]:
        """Return the record as people see it (state/schema.py: lease)."""
        from smbcore.server.open import caching_letters

        file = next(iter(self.opens)).file if self.opens else None
        return {
            "client_guid": self.client_guid.hex(),
            "lease_key": self.key.hex(),
            "file_key": str(file.file_key) if file else "",
            "parent_key": self.parent_key.hex() if self.parent_key else None,
            "state": caching_letters(self.state()),
            "breaking_to": None,
            "epoch": self.epoch,
            "version": self.version,
        }


class LeaseTable:
    """All leases, by client and key  [MS-SMB2 3.3.1.11]."""

    __slots__ = ("_leases", "_server")

    def __init__(self, server: SmbServer) -> None:
        self._server = server
        self._leases: dict[tuple[bytes, bytes], SmbLease] = {}

    def find(self, client_guid: bytes, key: bytes) -> SmbLease | None:
        """Return the lease that the client names."""
        return self._leases.get((client_guid, key))

    def claim(self, client_guid: bytes, key: bytes, name: str, version: int) -> SmbLease:
        """Return the lease of this key, made if need be.

        name  share and path, upper case.  Raises INVALID_PARAMETER where the key is in use for another file.
        """
        lease = self._leases.get((client_guid, key))
        if lease is None:
            lease = self._leases[client_guid, key] = SmbLease(self._server, client_guid, key, name, version)
        elif lease.name != name and lease.opens:
            raise NtError(Status.INVALID_PARAMETER, "the lease key is in use for another file")
        return lease

    def remove(self, lease: SmbLease) -> None:
        """Forget a lease without opens."""
        if self._leases.get((lease.client_guid, lease.key)) is lease:
            del self._leases[lease.client_guid, lease.key]
