"""What of an open outlives its connection  [MS-SMB2 3.3.1.10: the Durable…, Resilient…, App… and CreateGuid fields].

An open has a local part (session, tree connect, file id: `SmbOpen`) and, once a client asked for something that must
be found again, an `OpenRecord`. While the client is away the record belongs to a `DisconnectedOpen`; when it comes
back, to a new `SmbOpen`. The index finds records by what clients name them with.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from smbcore.fsa.api import Caching, OplockLevel

if TYPE_CHECKING:
    from smbcore.fsa.open import Open
    from smbcore.nt.sid import Sid
    from smbcore.server.disconnected import DisconnectedOpen
    from smbcore.server.open import SmbOpen

BUCKETS: Final = 64
_UNUSED: Final = 0xFF


class Kind(StrEnum):
    """What was promised; the words of the column open.durable."""

    NONE = ""
    DURABLE = "durable"
    RESILIENT = "resilient"
    PERSISTENT = "persistent"


class OpenRecord:
    """The record of one open.

    holder           who has it now
    kind, timeout_ms how it survives the loss of its connection, and for how long
    version          of the durable contexts that the client used, 0 for none
    client_guid, owner   who may have it back: the client (where it has a lease) and the user
    create_guid      names the CREATE itself, so that it can be replayed
    replay_eligible  nothing has been done with the open since its CREATE
    counted          it is one of those that `smbcore.server.allowance` counts
    app_instance, app_version   16 bytes, and (high, low); None if the client gave none
    locks            lock sequence number by bucket, `_UNUSED` where none is valid; None before the first
    offered          the database may hold a row by which a restart gives the open back, see `smbcore.server.promises`
    withdrawn        its row must promise nothing for now, until `renew_at` of the monotonic clock
    promises, marks  whether the last row that was asked for promises anything, and what it says about deletion
    """

    __slots__ = (
        "app_instance", "app_version", "client_guid", "counted", "create_guid", "holder", "kind", "locks", "marks",
        "offered", "owner", "promises", "renew_at", "replay_eligible", "timeout_ms", "version", "withdrawn",
    )  # fmt: skip

    holder: SmbOpen | DisconnectedOpen

    def __init__(self, client_guid: bytes, owner: Sid) -> None:
        self.kind = Kind.NONE
        self.timeout_ms = 0
        self.version = 0
        self.client_guid = client_guid
        self.owner = owner
        self.create_guid: bytes | None = None
        self.replay_eligible = True
        self.app_instance: bytes | None = None
        self.app_version: tuple[int, int] | None = None
        self.locks: bytearray | None = None
        self.offered = False
        self.withdrawn = False
        self.renew_at = 0.0
        self.promises = False
        self.marks = (False, False)
        self.counted = False

    @property
    def persistent(self) -> bool:
        """Whether the open survives everything but its time-out."""
        return self.kind is Kind.PERSISTENT

    def survives(self, file: Open) -> bool:
        """Tell whether the open is kept when its last connection goes  [MS-SMB2 3.3.7.1]."""
        if self.kind is Kind.DURABLE:
            return holds_handle(file)
        return self.kind is not Kind.NONE

    @property
    def written_through(self) -> bool:
        """Whether changes are stored before the reply: what a client asked for by name survives every crash."""
        return self.kind is Kind.PERSISTENT or self.kind is Kind.RESILIENT

    def promised(self, file: Open) -> Kind:
        """Return what a restart may give back if it finds the open as it is now."""
        withdrawn = self.withdrawn and not self.written_through  # an open may become resilient while it is
        return Kind.NONE if withdrawn or not self.survives(file) else self.kind

    # -- lock sequences  [MS-SMB2 3.3.5.14] --

    def is_replayed_lock(self, bucket: int, number: int) -> bool:
        """Tell whether the lock request of this sequence has been carried out."""
        return self.locks is not None and self.locks[bucket - 1] == number

    def free_lock_number(self, bucket: int) -> bool:
        """Forget the number of a bucket, which is in use for another request now; tell whether there was one."""
        if self.locks is None or self.locks[bucket - 1] == _UNUSED:
            return False
        self.locks[bucket - 1] = _UNUSED
        return True

    def lock_done(self, bucket: int, number: int) -> None:
        """Remember a lock request that succeeded."""
        if self.locks is None:
            self.locks = bytearray([_UNUSED]) * BUCKETS
        self.locks[bucket - 1] = number


def holds_handle(file: Open) -> bool:
    """Tell whether the client may cache the handle: a batch oplock, or a lease with H, that no break is taking away."""
    holder = file.holder
    if holder is None or holder.breaking:
        return False
    level, caching = file.oplock
    return level == OplockLevel.BATCH or (level == OplockLevel.GRANULAR and bool(caching & Caching.HANDLE))


class RecordIndex:
    """Records by CreateGuid and by application instance. Owned by the server."""

    __slots__ = ("_applications", "_creates", "_pending")

    def __init__(self) -> None:
        self._creates: dict[tuple[bytes, bytes], OpenRecord] = {}
        self._pending: set[tuple[bytes, bytes]] = set()
        self._applications: dict[bytes, set[OpenRecord]] = {}

    def add(self, record: OpenRecord) -> None:
        """Make a record findable; again after it was given a further name."""
        if record.create_guid is not None:
            self._creates[record.client_guid, record.create_guid] = record
        if record.app_instance is not None:
            self._applications.setdefault(record.app_instance, set()).add(record)

    def remove(self, record: OpenRecord) -> None:
        """Forget the record of an open that closes."""
        if record.create_guid is not None:
            key = record.client_guid, record.create_guid
            if self._creates.get(key) is record:
                del self._creates[key]
        if record.app_instance is not None:
            same = self._applications.get(record.app_instance, set())
            same.discard(record)
            if not same:
                self._applications.pop(record.app_instance, None)

    def find_create(self, client_guid: bytes, create_guid: bytes) -> OpenRecord | None:
        """Return the record that this CREATE made."""
        return self._creates.get((client_guid, create_guid))

    def of_application(self, app_instance: bytes) -> Iterator[OpenRecord]:
        """Iterate over the records of an application instance, as of now."""
        return iter(list(self._applications.get(app_instance, ())))

    def is_pending(self, client_guid: bytes, create_guid: bytes) -> bool:
        """Tell whether a CREATE of that name is being carried out."""
        return (client_guid, create_guid) in self._pending

    def begin(self, client_guid: bytes, create_guid: bytes) -> None:
        """Note that a CREATE is being carried out."""
        self._pending.add((client_guid, create_guid))

    def end(self, client_guid: bytes, create_guid: bytes) -> None:
        """Note that it has ended, well or not."""
        self._pending.discard((client_guid, create_guid))
