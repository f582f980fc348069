"""SMB2 LOCK  [MS-SMB2 2.2.26, 2.2.27]."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from struct import Struct
from typing import TYPE_CHECKING, Final, Self

from smbcore.wire.empty import EmptyMessage
from smbcore.wire.header import HEADER_SIZE

if TYPE_CHECKING:
    from smbcore.wire.reader import BodyReader

_REQUEST = Struct("<HHI16s")
_REQUEST_END: Final = HEADER_SIZE + _REQUEST.size
_ELEMENT = Struct("<QQI4x")
_NUMBER_BITS: Final = 4
_NUMBER_MASK: Final = 0x0F


class LockFlags(IntFlag):
    """Flags of one lock element."""

    SHARED_LOCK = 0x0000_0001
    EXCLUSIVE_LOCK = 0x0000_0002
    UNLOCK = 0x0000_0004
    FAIL_IMMEDIATELY = 0x0000_0010


LOCK_SHARED: Final = 0x0000_0001
LOCK_EXCLUSIVE: Final = 0x0000_0002
LOCK_UNLOCK: Final = 0x0000_0004
LOCK_FAIL_IMMEDIATELY: Final = 0x0000_0010


@dataclass(slots=True)
class LockElement:
    """SMB2_LOCK_ELEMENT  [MS-SMB2 2.2.26.1]; offset and length in bytes, flags LockFlags."""

    offset: int
    length: int
    flags: int


@dataclass(slots=True)
class LockRequest:
    """SMB2 LOCK Request  [MS-SMB2 2.2.26].

    lock_sequence  LockSequenceNumber in the low 4 bits, LockSequenceIndex above; 0 in dialect 2.0.2
    """

    file_id: bytes
    locks: list[LockElement]
    lock_sequence: int = 0

    @property
    def lock_sequence_number(self) -> int:
        """The value that tells a replayed request from a new one."""
        return self.lock_sequence & _NUMBER_MASK

    @property
    def lock_sequence_index(self) -> int:
        """The entry of the open's sequence array, counted from 1; 0 means no check."""
        return self.lock_sequence >> _NUMBER_BITS

    @classmethod
    def decode(cls, r: BodyReader) -> Self:
        """Read the body; raises WireError. An empty list passes: that it is invalid is the server's to say."""
        count, sequence, file_id = r.fixed(_REQUEST, 48)
        table = r.block(_REQUEST_END, count * _ELEMENT.size)
        return cls(
            file_id,
            [LockElement(*fields) for fields in _ELEMENT.iter_unpack(table)],
            sequence,
        )

    def encode(self) -> bytes:
        """Return the body."""
        fixed = _REQUEST.pack(48, len(self.locks), self.lock_sequence, self.file_id)
        return fixed + b"".join(_ELEMENT.pack(lock.offset, lock.length, lock.flags) for lock in self.locks)


@dataclass(slots=True)
class LockResponse(EmptyMessage):
    """SMB2 LOCK Response  [MS-SMB2 2.2.27]."""
