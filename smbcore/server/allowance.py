"""How many opens may be kept for clients that are away, and for whom.

A handle that outlives its connection keeps a file open, with what it reserves, for somebody who may never come back. So
one client, one user and one session get so many of them and no more. It is decided when the promise is asked for, not
when the connection is lost: what was promised is kept. Whoever has reached a limit opens files as before, and is told
by the missing response context that this handle ends with its connection  [MS-SMB2 3.3.5.9.6, 3.3.5.9.10: "if the
underlying object store does not grant durability"]; persistent handles are no exception (docs/decisions/0012).
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from smbcore.nt.sid import Sid
    from smbcore.server.config import Limits
    from smbcore.server.record import OpenRecord
    from smbcore.server.session import SmbSession

_NO_GUID: Final = bytes(16)


class Reached(StrEnum):
    """The limit that one more would exceed; the words of the audit log."""

    SESSION = "session_limit"
    CLIENT = "client_limit"
    USER = "user_limit"


class Allowance:
    """Counts the opens that were promised to be kept, whether their client is there or away. Owned by the server.

    Clients are told apart by their ClientGuid; those of dialect 2.0.2 have none, and their users count alone.
    """

    __slots__ = ("_clients", "_users")

    def __init__(self) -> None:
        self._clients: dict[bytes, int] = {}
        self._users: dict[Sid, int] = {}

    def reached(self, limits: Limits, session: SmbSession, record: OpenRecord) -> Reached | None:
        """Return the limit that keeps one more open of the session from being kept, None if there is room."""
        if session.kept >= limits.kept_per_session:
            return Reached.SESSION
        if record.client_guid != _NO_GUID and self._clients.get(record.client_guid, 0) >= limits.kept_per_client:
            return Reached.CLIENT
        if self._users.get(record.owner, 0) >= limits.kept_per_user:
            return Reached.USER
        return None

    def take(self, record: OpenRecord, session: SmbSession | None) -> None:
        """Count an open that is to be kept. Idempotent.

        session  that it belongs to; None while its client is away
        """
        if not record.counted:
            record.counted = True
            _add(self._clients, record.client_guid, 1)
            _add(self._users, record.owner, 1)
            if session is not None:
                session.kept += 1

    def give_back(self, record: OpenRecord) -> None:
        """An open has closed. Idempotent; its session, if it has one, has counted it out before."""
        if record.counted:
            record.counted = False
            _add(self._clients, record.client_guid, -1)
            _add(self._users, record.owner, -1)


def _add(counts: dict[Any, int], key: Any, change: int) -> None:
    left = counts.get(key, 0) + change
    if left:
        counts[key] = left
    else:
        del counts[key]
