"""What RPC services learn of the server, seen by the session that opened the pipe
(`smbcore.rpc.context.PipeContext`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from smbcore.nt.access import DELETE, FILE_APPEND_DATA, FILE_READ_DATA, FILE_WRITE_DATA
from smbcore.nt.sid import Sid
from smbcore.rpc.context import (
    SHARE_DISK,
    SHARE_IPC,
    SHARE_SPECIAL,
    AccountName,
    ConnectionEntry,
    FileEntry,
    SessionEntry,
    ShareEntry,
    SidUse,
)

if TYPE_CHECKING:
    from smbcore.server.server import SmbServer
    from smbcore.server.session import SmbSession
    from smbcore.server.shares import Share

_TICKS = 10_000_000


class SessionPipeContext:
    """Snapshots of the live tables for one pipe.

    token  who opened the pipe: another sign-in of the session later does not change whom it serves
    """

    __slots__ = ("_server", "token")

    def __init__(self, server: SmbServer, session: SmbSession) -> None:
        self._server = server
        self.token = session.token

    @property
    def server_name(self) -> str:
        """NetBIOS name of this server."""
        return self._server.config.name

    @property
    def domain_name(self) -> str:
        """The workgroup."""
        return self._server.accounts.configuration.settings.workgroup

    @property
    def comment(self) -> str:
        """The server's description."""
        return self._server.accounts.configuration.settings.server_comment

    @property
    def machine_sid(self) -> Sid:
        """The domain of our own accounts."""
        return Sid.parse(self._server.accounts.configuration.settings.machine_sid)

    def now(self) -> int:
        """Return the time as FILETIME."""
        return self._server.clock.now()

    def uptime(self) -> int:
        """Return milliseconds since the start."""
        return int((self._server.clock.monotonic() - self._server.started_monotonic) * 1000)

    def utc_offset(self) -> int:
        """Return minutes that local time is ahead of UTC."""
        return time.localtime().tm_gmtoff // 60

    def shares(self) -> Sequence[ShareEntry]:
        """Return the shares with the number of their tree connects."""
        users: dict[str, int] = {}
        for tree in self._server.trees.values():
            users[tree.share.name] = users.get(tree.share.name, 0) + 1
        return [self._share(share, users.get(share.name, 0)) for share in self._server.shares]

    def _share(self, share: Share, users: int) -> ShareEntry:
        kind = SHARE_IPC | SHARE_SPECIAL if share.is_pipe else SHARE_DISK
        if share.name.endswith("$") and not share.is_pipe:
            kind |= SHARE_SPECIAL
        path = "" if share.is_pipe else "C:" + share.config.path.replace("/", "\\")
        return ShareEntry(
            share.name, kind, share.config.comment, path, users, hidden=not (share.config.browsable or share.is_pipe)
        )

    def sessions(self) -> Sequence[SessionEntry]:
        """Return every signed-in session."""
        now = self.now()
        return [
            SessionEntry(
                client=_client(session),
                user=session.user,
                opens=len(session.opens),
                active=(now - session.created_at) // _TICKS,
                guest=session.guest,
            )
            for session in self._server.sessions.values()
            if session.valid
        ]

    def files(self) -> Sequence[FileEntry]:
        """Return every open."""
        return [
            FileEntry(
                key, _permissions(open_.file.granted_access), open_.file.lock_count, open_.file.path, open_.session.user
            )
            for key, open_ in sorted(self._server.opens.items())
        ]

    def connections(self) -> Sequence[ConnectionEntry]:
        """Return every tree connect."""
        now = self.now()
        return [
            ConnectionEntry(
                key,
                SHARE_IPC if tree.share.is_pipe else SHARE_DISK,
                len(tree.opens),
                1,
                (now - tree.created_at) // _TICKS,
                tree.session.user,
                tree.share.name,
                _client(tree.session),
            )
            for key, tree in sorted(self._server.trees.items())
        ]

    def close_file(self, file_id: int) -> bool:
        """Start to close an open."""
        open_ = self._server.opens.get(file_id)
        if open_ is None:
            return False
        open_.close_in_background()
        return True

    def close_sessions(self, client: str, user: str) -> int:
        """Start to end sessions; the caller's own goes last and after its reply."""
        chosen = [
            session
            for session in self._server.sessions.values()
            if session.valid and session.user.casefold() == (user or session.user).casefold()
            and client in ("", _client(session))
        ]  # fmt: skip
        for session in chosen:
            self._server.clock.call_later(0, session.close)
        return len(chosen)

    def accounts(self) -> Sequence[AccountName]:
        """Return our users and groups."""
        return [
            AccountName(self.server_name, name, Sid.parse(sid), SidUse.ALIAS if is_group else SidUse.USER)
            for name, sid, is_group in self._server.accounts.principals()
        ]


def _client(session: SmbSession) -> str:
    connection = next(iter(session.channels), None)
    return connection.transport.peer.rpartition(":")[0] if connection else ""


def _permissions(access: int) -> int:
    """Return PERM_FILE_READ 1, PERM_FILE_WRITE 2, PERM_FILE_CREATE 4  [MS-SRVS 2.2.4.7]."""
    bits = 1 if access & FILE_READ_DATA else 0
    if access & (FILE_WRITE_DATA | FILE_APPEND_DATA):
        bits |= 2
    return bits | 4 if access & DELETE else bits
