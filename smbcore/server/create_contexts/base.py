"""What a create context can do: change the open before it happens, act after it, and answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from smbcore.fsa.api import OpenParameters

if TYPE_CHECKING:
    from smbcore.server.lease import SmbLease
    from smbcore.server.open import SmbOpen
    from smbcore.server.request import SmbRequest
    from smbcore.wire.create import CreateRequest
    from smbcore.wire.types import Buffer


@dataclass(slots=True)
class CreatePlan:
    """One CREATE on its way.

    parameters     what the file-system layer will be asked; hooks before the open may change it
    file, open     set once the file is open
    lease          the lease that the RqLs context claimed
    oplock_level   level for the response (wire value)
    """

    rq: SmbRequest
    msg: CreateRequest
    parameters: OpenParameters
    file: Any = None
    open: SmbOpen | None = None
    lease: SmbLease | None = None
    oplock_level: int = 0


class ContextHandler:
    """Base: a context that does nothing. Constructed with the context's data; raises WireError where that is
    malformed.
    """

    __slots__ = ()
    name: ClassVar[bytes]

    def __init__(self, data: Buffer) -> None:
        """Decode `data`."""

    def before_open(self, plan: CreatePlan) -> None:
        """Change the parameters, or refuse with NtError."""

    def after_open(self, plan: CreatePlan) -> None:
        """Act on the open file; an NtError here undoes the open."""

    def reply(self, plan: CreatePlan) -> bytes | None:
        """Return the data of the response context, None for no response."""
        return None
