"""The order of requests over several channels  [MS-SMB2 3.3.5.2.10].

A client that loses a channel counts its channel sequence up and sends again what was not answered. A change that still
arrives under an older number was overtaken and must not be made any more; a repeated change must not be made while
the first one may still be under way. Requests that finish at once are never under way when another one arrives, so
only those that wait are looked at, and only where a number changes or a request is repeated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from smbcore.nt.status import NtError, Status
from smbcore.proto.keys import DIALECT_300
from smbcore.wire.header import IOCTL, SET_INFO, WRITE

if TYPE_CHECKING:
    from smbcore.server.open import SmbOpen
    from smbcore.server.request import SmbRequest

_CHANGES: Final = frozenset({WRITE, SET_INFO, IOCTL})
_NEWEST: Final = 0x7FFF


def verify(rq: SmbRequest, open_: SmbOpen) -> None:
    """Check a request whose sequence is not the open's, or that is repeated.  Raises FILE_NOT_AVAILABLE."""
    if rq.dialect < DIALECT_300:
        return
    ahead = (rq.sequence - open_.channel_sequence) & 0xFFFF
    if ahead > _NEWEST:
        if rq.command in _CHANGES:
            raise NtError(Status.FILE_NOT_AVAILABLE, f"stale channel sequence {rq.sequence}")
        return
    open_.channel_sequence = rq.sequence
    if rq.replay and rq.command in _CHANGES and open_.under_way.before(rq.sequence):
        raise NtError(Status.FILE_NOT_AVAILABLE, "the request that is repeated may still be under way")
