"""Who gets in where there are many: a limit is a limit for those who flood, not for those who come to work.

Whoever has signed in keeps his place. Whoever has not yet holds one only as long as nobody else needs it: where all are
taken, the one that has been waiting for the longest makes room for the one that comes. A flood of connections or
sign-ins that are never finished so displaces itself; a client that signs in needs a moment only, and has to meet as
many newcomers in that moment as there are places to be displaced. Only where everybody has signed in is one refused.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from smbcore.nt.status import NtError, Status
from smbcore.server.session import SessionState

if TYPE_CHECKING:
    from smbcore.server.connection import SmbConnection
    from smbcore.server.server import SmbServer
    from smbcore.server.session import SmbSession

log = logging.getLogger(__name__)


class Admission:
    """Connections and sessions in the order in which they came. Owned by the server."""

    __slots__ = ("_arrivals", "_server", "_sign_ins")

    def __init__(self, server: SmbServer) -> None:
        self._server = server
        self._arrivals: dict[SmbConnection, None] = {}
        self._sign_ins: dict[SmbSession, None] = {}

    def arrived(self, connection: SmbConnection) -> None:
        """A connection is there, and has not signed in."""
        self._arrivals[connection] = None

    def left(self, connection: SmbConnection) -> None:
        """A connection has ended."""
        self._arrivals.pop(connection, None)

    def begun(self, session: SmbSession) -> None:
        """A sign-in has begun."""
        self._sign_ins[session] = None

    def ended(self, session: SmbSession) -> None:
        """A session, or a sign-in, has ended."""
        self._sign_ins.pop(session, None)

    def has_room(self, peer: str) -> bool:
        """Tell whether one more connection may come in, of `peer`; one that has not signed in may have to go for it."""
        most = self._server.config.limits.connections
        if len(self._server.connections) < most:
            return True
        while self._arrivals:
            oldest = next(iter(self._arrivals))
            del self._arrivals[oldest]
            if not oldest.has_signed_in:
                self._tell("connections", "%d connections are open: those that do not sign in are closed", most)
                oldest.close()
                return True
        self._tell("clients", "%d clients are connected: one more is refused, from %s", most, peer)
        return False

    def make_room(self) -> None:
        """Make room for one more sign-in; the oldest one that is not finished may have to go for it.

        Raises INSUFFICIENT_RESOURCES.
        """
        most = self._server.config.max_sessions
        if len(self._server.sessions) < most:
            return
        while self._sign_ins:
            oldest = next(iter(self._sign_ins))
            del self._sign_ins[oldest]
            if oldest.state is SessionState.IN_PROGRESS:
                self._tell("sign-ins", "%d sessions: sign-ins that are not finished are given up", most)
                oldest.close()
                return
        self._tell("sessions", "%d sessions: one more is refused", most)
        raise NtError(Status.INSUFFICIENT_RESOURCES, f"{most} sessions")

    def _tell(self, what: str, text: str, *values: object) -> None:
        if self._server.seldom.is_due("admission", what):
            log.warning(text, *values)
