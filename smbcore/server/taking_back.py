"""Taking back what a client caches because an administrator wants it, not another opener  [MS-SMB2 3.3.4.6, 3.3.4.7].

The client is told as by any other break. Before it acknowledges that it gives up W, it writes back what it holds, so an
acknowledgment also means that the server has all data.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from smbcore.fsa.api import Caching

if TYPE_CHECKING:
    from smbcore.server.disconnected import DisconnectedOpen
    from smbcore.server.open import SmbOpen
    from smbcore.server.server import SmbServer


class Answer(Enum):
    """What became of it; the value is for people."""

    NOTHING_CACHED = "The client cached nothing that it had to give back."
    GIVEN_BACK = "The client has written back what it cached."
    NO_ANSWER = "The client did not answer in time."


async def take_back(open_: SmbOpen | DisconnectedOpen, keep: Caching, seconds: float) -> Answer:
    """Break the oplock or lease of an open down to `keep`, and wait at most `seconds` for the client's answer."""
    holder = None if open_.share.is_pipe else open_.file.holder
    if holder is None or not holder.caching & ~int(keep):
        return Answer.NOTHING_CACHED
    oplocks, lease = holder.oplocks, open_.lease
    if oplocks.take_back(holder, int(keep)):
        over = await oplocks.wait_for(holder, seconds)
        answered = over and not (holder.opens and holder.caching & ~int(keep))  # else the server stops: called off
    else:
        answered = True
    if lease is not None and lease.opens:
        lease.changed()
    return Answer.GIVEN_BACK if answered else Answer.NO_ANSWER


def waiting_users(server: SmbServer) -> dict[str, list[str]]:
    """Return who waits for leases that are being broken, by "CLIENT_GUID:LEASE_KEY"."""
    found: dict[str, list[str]] = {}
    for open_ in [*server.opens.values(), *server.disconnected]:
        if open_.lease is None:
            continue
        holder = open_.file.holder
        if holder is not None and holder.breaking and holder.oplocks.waiting:
            name = f"{open_.lease.client_guid.hex()}:{open_.lease.key.hex()}"
            found[name] = sorted(set(holder.oplocks.waiting))
    return found
