"""Leases  [MS-SMB2 3.3.1.11, 3.3.1.12]: what a client may cache of a file, across its opens and connections.

The file-system layer decides what is granted and when it breaks; this module keeps what only SMB knows: the key, the
version of the structure, and the epoch that counts changes of state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from smbcore.fsa.api import BreakNotice, Caching
from smbcore.nt.names import upcase
from smbcore.nt.status import NtError, Status
from smbcore.server import breaks, promises
from smbcore.server.disconnected import DisconnectedOpen
from smbcore.server.open_row import caching_letters

if TYPE_CHECKING:
    import asyncio

    from smbcore.server.open import SmbOpen
    from smbcore.server.server import SmbServer
    from smbcore.server.session import SmbSession


class SmbLease:
    """One lease of one client.

    Owned by `SmbServer.leases`; created by the first CREATE with its key; gone with its last open, unless a CREATE that
    is to join it is still on its way.
    key         16 bytes, chosen by the client;  version  1 or 2, of the create context
    epoch       counts changes of the state, 16 bits (version 2)
    claims      CREATE requests under way that are to join it;  clashes  the client means two files by it
    oplock_key  under which the file-system layer knows the holder;  record_key  the primary key of its row
    """

    __slots__ = (
        "_path", "claims", "clashes", "client_guid", "epoch", "key", "name", "opens", "oplock_key", "parent_key",
        "record_key", "server", "version",
    )  # fmt: skip

    def __init__(self, server: SmbServer, client_guid: bytes, key: bytes, name: str, version: int) -> None:
        self.server = server
        self.client_guid = client_guid
        self.key = key
        self.oplock_key = client_guid + key
        self.record_key = client_guid.hex(), key.hex()
        self.name = name
        self._path = ""
        self.version = version
        self.parent_key: bytes | None = None
        self.epoch = 0
        self.claims = 0
        self.clashes = False
        self.opens: dict[SmbOpen | DisconnectedOpen, None] = {}  # oldest first

    def state(self) -> Caching:
        """What the client may cache now."""
        for open_ in () if self.clashes else self.opens:
            caching: Caching = open_.file.oplock[1]
            return caching
        return Caching.NONE

    @property
    def breaking(self) -> bool:
        """Whether a break notification was sent and its acknowledgment is awaited."""
        for open_ in self.opens:
            holder = open_.file.holder
            return holder is not None and bool(holder.breaking)
        return False

    def add(self, open_: SmbOpen | DisconnectedOpen) -> None:
        """The lease covers `open_` too."""
        if not self.opens:
            self._path = open_.file.path
            self.clashes = False
        elif next(iter(self.opens)).file.stream_state is not open_.file.stream_state:
            self._give_up()
        self.opens[open_] = None
        open_.lease = self

    def _give_up(self) -> None:
        """Two files have the lease: nobody caches either until all of its opens are closed.

        A client with several users knows a file by share and path, and so takes their personal folders for one; whose
        cache it would be is for nobody to say. smbtorture smb2.lease.dynamic_share
        """
        self.clashes = True
        for open_ in self.opens:
            holder = open_.file.holder
            if holder is not None and holder.caching:
                holder.oplocks.take_back(holder, 0)

    def present(self) -> list[SmbOpen]:
        """Return the opens that have a session, oldest first."""
        return [open_ for open_ in self.opens if not isinstance(open_, DisconnectedOpen)]

    def sessions(self) -> list[SmbSession]:
        """Return the sessions by which the client hears of a break: all it has, for the lease is the client's
        [MS-SMB2 3.3.4.7]. Not those of other users, for anybody can call himself that client; and where the opens must
        be encrypted, only those that encrypt everything.
        """
        own = dict.fromkeys(open_.session for open_ in self.present())
        sealed = any(session.encryption_required for session in own)
        users = {session.token.user for session in own}
        others = {
            session: None
            for connection in self.server.connections
            if connection.client_guid == self.client_guid
            for session in (channel.session for channel in connection.channels.values())
            if session.valid and session.token.user in users and (session.encryption_required or not sealed)
        }
        return [*(own | others)]

    def away(self) -> list[DisconnectedOpen]:
        """Return the opens whose client is away."""
        return [open_ for open_ in self.opens if isinstance(open_, DisconnectedOpen)]

    def changed(self) -> None:
        """The state changed: the records of the lease and of its opens follow."""
        if self.opens:
            self.server.records.put("lease", self.record_key, self)
        for open_ in self.opens:
            self.server.records.put("open", open_.key, open_)

    def is_of(self, name: str) -> bool:
        """Tell whether the lease is of the file of that name (share and path, upper case); it follows a rename."""
        for open_ in self.opens:
            path = open_.file.path
            if path != self._path:
                self._path = path
                self.name = lease_name(open_.share.name, path, open_.file.stream)
            break
        return self.name == name

    def replace(self, old: SmbOpen | DisconnectedOpen, new: SmbOpen | DisconnectedOpen) -> None:
        """`new` goes on with what `old` had open."""
        self.opens.pop(old, None)
        self.opens[new] = None

    def remove(self, open_: SmbOpen | DisconnectedOpen) -> None:
        """`open_` closes; the lease goes with its last open."""
        self.opens.pop(open_, None)
        if not self.opens:
            self.server.leases.remove(self)

    def claimed(self) -> None:
        """A CREATE that is to join the lease begins: the lease stays findable until that has ended."""
        self.claims += 1

    def unclaimed(self) -> None:
        """A CREATE that claimed the lease has ended, well or not."""
        self.claims -= 1
        if not self.opens:
            self.server.leases.remove(self)

    def advance_epoch(self) -> None:
        """The state changed."""
        self.epoch = (self.epoch + 1) & 0xFFFF

    def oplock_broken(self, notice: BreakNotice) -> asyncio.Task[None] | None:
        """The file-system layer breaks the lease: tell the client  [MS-SMB2 3.3.4.7]."""
        if not notice.continues:
            self.advance_epoch()
        breaks.send_lease_break(self, notice)
        return promises.withdraw(self.server, self.opens)

    def caching_changed(self) -> asyncio.Task[None] | None:
        """The break is over."""
        self.changed()
        return promises.store_kept(self.server, self.opens)

    def break_timed_out(self) -> None:
        """The client has not answered the break of the lease; one that is away could not."""
        for open_ in self.present()[:1]:
            self.server.conduct.unanswered(open_.session)

    def row(self) -> dict[str, Any]:
        """Return the record as people see it (state/schema.py: lease)."""
        file = next(iter(self.opens)).file if self.opens else None
        holder = file.holder if file else None
        return {
            "client_guid": self.client_guid.hex(),
            "lease_key": self.key.hex(),
            "file_key": str(file.file_key) if file else "",
            "parent_key": self.parent_key.hex() if self.parent_key else None,
            "state": caching_letters(self.state()),
            "breaking_to": caching_letters(holder.requested) if holder and holder.breaking else None,
            "epoch": self.epoch,
            "version": self.version,
        }


def lease_name(share: str, path: str, stream: str) -> str:
    """Return the name of a file in the form in which leases know it."""
    return upcase(f"{share}\\{path}:{stream}" if stream else f"{share}\\{path}")


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
        elif not lease.is_of(name):
            raise NtError(Status.INVALID_PARAMETER, "the lease key is in use for another file")
        return lease

    def remove(self, lease: SmbLease) -> None:
        """Forget a lease without opens; one that is claimed has no record any more, but stays."""
        if self._leases.get((lease.client_guid, lease.key)) is lease:
            if not lease.claims:
                del self._leases[lease.client_guid, lease.key]
            self._server.records.drop("lease", lease.record_key)
