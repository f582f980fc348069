"""Clients that do not answer breaks.

Others wait for the answer to a break, up to `ServerConfig.break_timeout` seconds each time. A client that lets the time
run out `Limits.unanswered_breaks` times in a row gets no more oplocks and leases: what it does not have nobody has to
wait for. It gets them again when it answers a break of those it still holds (by an acknowledgment, or by closing the
file), or after `PROBATION` seconds; then the first break that it does not answer is enough.

A client is a ClientGuid together with a user, so that it cannot escape by connecting anew, and nobody can spoil another
user's caching under a borrowed GUID. Without a GUID (dialect 2.0.2) it is the session.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from smbcore.server.reporting import report

if TYPE_CHECKING:
    from smbcore.server.open import SmbOpen
    from smbcore.server.server import SmbServer
    from smbcore.server.session import SmbSession

PROBATION: Final = 300.0
"""Seconds after which a client that got no more oplocks is trusted once again."""

_MOST: Final = 4096
_NO_GUID: Final = bytes(16)

Client = tuple[bytes, str | int]


class Conduct:
    """How one client answers breaks.

    unanswered  breaks that it has not answered, in all;  in_a_row  since its last answer
    until       end of its probation on the monotonic clock; None while it gets oplocks
    """

    __slots__ = ("in_a_row", "unanswered", "until")

    def __init__(self) -> None:
        self.unanswered = 0
        self.in_a_row = 0
        self.until: float | None = None


class ConductTable:
    """The clients that have left breaks unanswered, those of longest ago first. Owned by the server."""

    __slots__ = ("_clients", "_server")

    def __init__(self, server: SmbServer) -> None:
        self._server = server
        self._clients: OrderedDict[Client, Conduct] = OrderedDict()

    def __len__(self) -> int:
        return len(self._clients)

    def unanswered(self, session: SmbSession) -> None:
        """The client of a session has not answered a break in time."""
        client = _client(session)
        conduct = self._clients.setdefault(client, Conduct())
        self._clients.move_to_end(client)
        if len(self._clients) > _MOST:
            self._clients.popitem(last=False)
        withheld = self._is_withheld(conduct)
        conduct.unanswered += 1
        conduct.in_a_row += 1
        limit = self._server.config.limits.unanswered_breaks
        if limit and conduct.in_a_row >= limit and not withheld:
            conduct.until = self._server.clock.monotonic() + PROBATION
            for connection in list(session.channels)[:1]:
                report(connection, session, "caching.withhold", "unanswered", breaks=conduct.in_a_row)
        self._server.session_changed(session)

    def answered(self, session: SmbSession) -> None:
        """The client has answered a break."""
        conduct = self._clients.get(_client(session)) if self._clients else None
        if conduct is not None and conduct.in_a_row:
            conduct.in_a_row = 0
            conduct.until = None
            self._server.session_changed(session)

    def closing(self, open_: SmbOpen) -> None:
        """The client closes an open: that is an answer, too, if its oplock or lease is being broken."""
        holder = None if open_.share.is_pipe else open_.file.holder
        if holder is not None and holder.breaking:
            self.answered(open_.session)

    def withholds(self, session: SmbSession) -> bool:
        """Tell whether the client of a session gets no oplocks and leases for now."""
        conduct = self._clients.get(_client(session)) if self._clients else None
        return conduct is not None and self._is_withheld(conduct)

    def _is_withheld(self, conduct: Conduct) -> bool:
        """Tell whether a client gets none now; once its probation is over, the next break left unanswered is enough."""
        if conduct.until is None:
            return False
        limit = self._server.config.limits.unanswered_breaks
        if limit and self._server.clock.monotonic() < conduct.until:
            return True
        conduct.until = None
        conduct.in_a_row = max(limit - 1, 0)
        return False

    def withheld(self) -> int:
        """Return the number of clients that get no oplocks for now."""
        now = self._server.clock.monotonic()
        return sum(conduct.until is not None and now < conduct.until for conduct in self._clients.values())

    def figures(self, session: SmbSession) -> tuple[int, bool]:
        """Return how many breaks the client of a session has left unanswered, and whether it gets oplocks no more."""
        conduct = self._clients.get(_client(session)) if self._clients else None
        return (conduct.unanswered, self.withholds(session)) if conduct is not None else (0, False)


def _client(session: SmbSession) -> Client:
    for connection in session.channels:
        if connection.client_guid != _NO_GUID:
            return connection.client_guid, str(session.token.user)
    return _NO_GUID, session.key
