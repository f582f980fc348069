"""What a create context can do: change the open before it happens, act after it, and answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

from smbcore.fsa.api import OpenParameters, OplockLevel
from smbcore.wire.create import OPLOCK_BATCH, OPLOCK_EXCLUSIVE, OPLOCK_LEASE, OPLOCK_LEVEL_II, OPLOCK_NONE

if TYPE_CHECKING:
    from smbcore.server.lease import SmbLease
    from smbcore.server.open import SmbOpen
    from smbcore.server.request import SmbRequest
    from smbcore.wire.create import CreateRequest
    from smbcore.wire.types import Buffer

T = TypeVar("T")

WIRE_LEVELS: Final = {
    OplockLevel.NONE: OPLOCK_NONE,
    OplockLevel.LEVEL_TWO: OPLOCK_LEVEL_II,
    OplockLevel.LEVEL_ONE: OPLOCK_EXCLUSIVE,
    OplockLevel.BATCH: OPLOCK_BATCH,
    OplockLevel.GRANULAR: OPLOCK_LEASE,
}
"""What a client has, as a CREATE response says it."""


@dataclass(slots=True)
class CreatePlan:
    """One CREATE on its way.

    contexts       those of the request, in the order in which their hooks run
    parameters     what the file-system layer will be asked; hooks before the open may change it
    file, open     set once the file is open
    lease          the lease that the RqLs context claimed
    oplock_level   level for the response (wire value)
    first          to be called and awaited before the open;  last  before the response, which promises what they store
    """

    rq: SmbRequest
    msg: CreateRequest
    contexts: Sequence[ContextHandler]
    parameters: OpenParameters
    file: Any = None
    open: SmbOpen | None = None
    lease: SmbLease | None = None
    oplock_level: int = 0
    first: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    last: list[Callable[[], Awaitable[None]]] = field(default_factory=list)

    def find(self, kind: type[T]) -> T | None:
        """Return the context of that class."""
        for context in self.contexts:
            if isinstance(context, kind):
                return context
        return None


class ContextHandler:
    """Base: a context that does nothing. Constructed with the context's data; raises WireError where that is
    malformed.

    excludes  names of contexts that may not be in the same request
    """

    __slots__ = ()
    name: ClassVar[bytes]
    excludes: ClassVar[frozenset[bytes]] = frozenset()

    def __init__(self, data: Buffer) -> None:
        """Decode `data`."""

    def find_open(self, plan: CreatePlan) -> SmbOpen | None:
        """Return an open that answers the request in place of a new one, or refuse with NtError."""
        return None

    def before_open(self, plan: CreatePlan) -> None:
        """Change the parameters, or refuse with NtError."""

    def after_open(self, plan: CreatePlan) -> None:
        """Act on the open file; an NtError here undoes the open."""

    def undo(self, plan: CreatePlan) -> None:
        """Take back what `before_open` did: the request failed."""

    def reply(self, plan: CreatePlan) -> bytes | None:
        """Return the data of the response context, None for no response."""
        return None
