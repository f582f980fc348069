"""The form of the messages that say nothing but their StructureSize of 4."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from smbcore.wire.reader import BodyReader

_FIXED = Struct("<HH")  # StructureSize, Reserved
EMPTY_BODY: Final = _FIXED.pack(4, 0)


@dataclass(slots=True)
class EmptyMessage:
    """A body of StructureSize and two reserved bytes."""

    @classmethod
    def decode(cls, r: BodyReader) -> Self:
        """Check the body; raises WireError."""
        r.fixed(_FIXED, 4)
        return cls()

    def encode(self) -> bytes:
        """Return the body."""
        return EMPTY_BODY
