"""SMB2 OPLOCK_BREAK, for oplocks and for leases  [MS-SMB2 2.2.23, 2.2.24, 2.2.25].

Both kinds share one command; StructureSize tells them apart. The server notifies, the client acknowledges when
it must, the server answers the acknowledgment.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING, Final, Self

from smbcore.wire.errors import WireError

if TYPE_CHECKING:
    from smbcore.wire.reader import BodyReader

OPLOCK_SIZE: Final = 24
LEASE_NOTIFICATION_SIZE: Final = 44
LEASE_SIZE: Final = 36
_OPLOCK = Struct("<HB5x16s")
_LEASE_NOTIFICATION = Struct("<HHI16sIIIII")
_LEASE = Struct("<HxxI16sIQ")

FLAG_ACK_REQUIRED: Final = 0x0000_0001
"""LeaseBreakNotification.flags: the client must acknowledge."""


@dataclass(slots=True)
class _OplockBreak:
    oplock_level: int
    file_id: bytes

    @classmethod
    def decode(cls, r: BodyReader) -> Self:
        """Read the body; raises WireError."""
        return cls(*r.fixed(_OPLOCK, OPLOCK_SIZE))

    def encode(self) -> bytes:
        """Return the body."""
        return _OPLOCK.pack(OPLOCK_SIZE, self.oplock_level, self.file_id)


@dataclass(slots=True)
class OplockBreakNotification(_OplockBreak):
    """SMB2 Oplock Break Notification  [MS-SMB2 2.2.23.1]; oplock_level is what remains (create.OplockLevel)."""


@dataclass(slots=True)
class OplockBreakAcknowledgment(_OplockBreak):
    """SMB2 Oplock Break Acknowledgment  [MS-SMB2 2.2.24.1]; oplock_level is what the client keeps."""


@dataclass(slots=True)
class OplockBreakResponse(_OplockBreak):
    """SMB2 Oplock Break Response  [MS-SMB2 2.2.25.1]."""


@dataclass(slots=True)
class LeaseBreakNotification:
    """SMB2 Lease Break Notification  [MS-SMB2 2.2.23.2].

    lease_key            16 bytes
    current_lease_state  create_contexts.LeaseState
    new_lease_state      what it breaks to
    flags                FLAG_ACK_REQUIRED or 0
    new_epoch            of a version 2 lease, else 0
    break_reason, access_mask_hint, share_mask_hint  reserved
    """

    lease_key: bytes
    current_lease_state: int
    new_lease_state: int
    flags: int = 0
    new_epoch: int = 0
    break_reason: int = 0
    access_mask_hint: int = 0
    share_mask_hint: int = 0

    @classmethod
    def decode(cls, r: BodyReader) -> Self:
        """Read the body; raises WireError."""
        epoch, flags, key, current, new, *rest = r.fixed(_LEASE_NOTIFICATION, LEASE_NOTIFICATION_SIZE)
        return cls(key, current, new, flags, epoch, *rest)

    def encode(self) -> bytes:
        """Return the body."""
        return _LEASE_NOTIFICATION.pack(
            LEASE_NOTIFICATION_SIZE, self.new_epoch, self.flags, self.lease_key, self.current_lease_state,
            self.new_lease_state, self.break_reason, self.access_mask_hint, self.share_mask_hint,
        )  # fmt: skip


@dataclass(slots=True)
class _LeaseBreak:
    lease_key: bytes
    lease_state: int
    flags: int = 0
    lease_duration: int = 0

    @classmethod
    def decode(cls, r: BodyReader) -> Self:
        """Read the body; raises WireError."""
        flags, key, state, duration = r.fixed(_LEASE, LEASE_SIZE)
        return cls(key, state, flags, duration)

    def encode(self) -> bytes:
        """Return the body."""
        return _LEASE.pack(LEASE_SIZE, self.flags, self.lease_key, self.lease_state, self.lease_duration)


@dataclass(slots=True)
class LeaseBreakAcknowledgment(_LeaseBreak):
    """SMB2 Lease Break Acknowledgment  [MS-SMB2 2.2.24.2]; lease_state is what the client keeps."""


@dataclass(slots=True)
class LeaseBreakResponse(_LeaseBreak):
    """SMB2 Lease Break Response  [MS-SMB2 2.2.25.2]."""


def decode_break_notification(r: BodyReader) -> OplockBreakNotification | LeaseBreakNotification:
    """Read either notification, by StructureSize; raises WireError."""
    size = r.structure_size()
    if size == OPLOCK_SIZE:
        return OplockBreakNotification.decode(r)
    if size == LEASE_NOTIFICATION_SIZE:
        return LeaseBreakNotification.decode(r)
    raise WireError(f"break notification of StructureSize {size}")


def decode_break_acknowledgment(r: BodyReader) -> OplockBreakAcknowledgment | LeaseBreakAcknowledgment:
    """Read either acknowledgment, by StructureSize; raises WireError."""
    size = r.structure_size()
    if size == OPLOCK_SIZE:
        return OplockBreakAcknowledgment.decode(r)
    if size == LEASE_SIZE:
        return LeaseBreakAcknowledgment.decode(r)
    raise WireError(f"break acknowledgment of StructureSize {size}")


def decode_break_response(r: BodyReader) -> OplockBreakResponse | LeaseBreakResponse:
    """Read the answer to either acknowledgment, by StructureSize; raises WireError."""
    size = r.structure_size()
    if size == OPLOCK_SIZE:
        return OplockBreakResponse.decode(r)
    if size == LEASE_SIZE:
        return LeaseBreakResponse.decode(r)
    raise WireError(f"break response of StructureSize {size}")
