"""Telling administrators what clients were refused: one line in our log, and a record in the audit log.

Only for what may be an attempt on something that is not the client's own, or a client that harms others; an ordinary
ACCESS_DENIED is no news. Called on the path of requests: nothing here waits, and what is repeated costs a look-up
(smbcore.state.incidents).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, Protocol

from smbcore.nt.status import NtError, Status
from smbcore.state.incidents import Incident

if TYPE_CHECKING:
    from smbcore.server.connection import SmbConnection
    from smbcore.server.session import SmbChannel, SmbSession

log = logging.getLogger(__name__)

_ABOUT_TRUST: Final = frozenset({Status.LOGON_FAILURE, Status.ACCOUNT_DISABLED, Status.ACCESS_DENIED})
_CONDITIONS: Final = {Status.ACCOUNT_DISABLED: "disabled", Status.ACCESS_DENIED: "not_admitted"}


class Unprotected(NtError):
    """A sign-in that is refused because the session would not be protected as is demanded.

    condition  for the audit log: "unsigned" or "unencrypted"
    """

    __slots__ = ("condition",)

    def __init__(self, condition: str, why: str) -> None:
        super().__init__(Status.ACCESS_DENIED, why)
        self.condition = condition


class AuditTrail(Protocol):
    """Where incidents go; `smbcore.state.mirror.Mirror`, or nothing in tests."""

    def report(self, incident: Incident) -> bool:
        """Have an incident recorded; return whether it is news. Never waits."""


class NoTrail:
    """Keeps nothing; everything is news."""

    def report(self, incident: Incident) -> bool:
        """Forget it."""
        return True


def host(peer: str) -> str:
    """Return "10.0.0.7" for "10.0.0.7:50123", and "fd00::7" for "[fd00::7]:50123"."""
    return peer.rpartition(":")[0].strip("[]") or peer


def report(
    connection: SmbConnection,
    session: SmbSession | None,
    action: str,
    condition: str,
    *,
    what: str = "",
    status: Status | None = None,
    **detail: Any,
) -> None:
    """Report something that was refused to the client of a connection.

    session    whose user asked for it; None where nobody has signed in
    condition  a word for what was wrong
    what       what it was about: a share and path
    status     what the client was told, None if it was told nothing
    """
    actor = ""
    if session is not None and session.user:
        actor = session.user
        detail["sid"] = str(session.token.user)
    incident = Incident(
        action, actor, host(connection.transport.peer), what, status.name if status else "", condition, detail
    )
    if connection.server.trail.report(incident):
        log.warning(
            "%s peer=%s user=%s %s %s: %s", connection.name, connection.transport.peer, actor, action, what, condition
        )


def sign_in_refused(channel: SmbChannel, claimed: str, error: NtError) -> None:
    """Report a failed sign-in, or a failed binding of a connection to a session.

    claimed  who the client says that it is. A name that is no account's is left out of the record: people type their
             password in the wrong place
    """
    if error.status not in _ABOUT_TRUST:
        return
    connection, session = channel.connection, channel.session
    name = connection.server.accounts.spelling(claimed) if claimed else ""
    user = f"user {name}" if name else "an unknown user" if claimed else "nobody"
    condition = _CONDITIONS.get(error.status, "password" if name else "name")
    if isinstance(error, Unprotected):
        condition = error.condition
    if channel.binding:
        owner = f"session of {session.user}"
        report(connection, None, "session.bind", condition, what=owner, status=error.status, claimed=user)
    else:
        report(connection, None, "sign_in", condition, what=user, status=error.status, over="SMB")
