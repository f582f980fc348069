"""What the services on pipes know of the server they run in.

`PipeContext` is implemented by the server, one object per opened pipe: it carries
the identity of the session that opened the pipe, and reaches the live tables through
the calls below. The calls are made on the event loop thread and must not block; they
return snapshots, which the services page and encode.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from smbcore.nt.sid import Sid
from smbcore.nt.token import Token

SHARE_DISK = 0
"""STYPE_DISKTREE  [MS-SRVS 2.2.2.4]."""
SHARE_IPC = 3
"""STYPE_IPC."""
SHARE_SPECIAL = 0x8000_0000
"""STYPE_SPECIAL: administrative, such as IPC$ and C$."""


class SidUse(IntEnum):
    """SID_NAME_USE: what kind of thing a SID names  [MS-LSAT 2.2.13]."""

    USER = 1
    GROUP = 2
    DOMAIN = 3
    ALIAS = 4
    WELL_KNOWN_GROUP = 5
    DELETED = 6
    INVALID = 7
    UNKNOWN = 8


@dataclass(frozen=True, slots=True)
class ShareEntry:
    r"""A share as srvsvc shows it.

    type       SHARE_DISK or SHARE_IPC, with SHARE_SPECIAL for administrative ones
    path       for administrators, in Windows form ("C:\data\demo"); "" for IPC$
    users      tree connects at present
    max_users  0xFFFFFFFF for no limit
    flags      SHI1005_FLAGS_*: caching mode, access based enumeration, encryption
    security   self-relative security descriptor of the share, b"" if there is none
    hidden     not listed (browsable off); still found by name
    """

    name: str
    type: int = SHARE_DISK
    comment: str = ""
    path: str = ""
    users: int = 0
    max_users: int = 0xFFFF_FFFF
    flags: int = 0
    security: bytes = b""
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class SessionEntry:
    """A signed-in session.

    client       address or name of the client, without leading backslashes
    user         account name
    opens        open files and pipes
    active, idle seconds
    guest        whether it is a guest session
    client_type  free text about the client's system
    """

    client: str
    user: str
    opens: int = 0
    active: int = 0
    idle: int = 0
    guest: bool = False
    client_type: str = ""


@dataclass(frozen=True, slots=True)
class FileEntry:
    r"""An open file or pipe.

    id           32-bit key that `close_file` takes
    permissions  PERM_FILE_READ 1, PERM_FILE_WRITE 2, PERM_FILE_CREATE 4
    locks        byte-range locks held
    path         in Windows form ("C:\data\demo\a.txt")
    """

    id: int
    permissions: int
    locks: int
    path: str
    user: str


@dataclass(frozen=True, slots=True)
class ConnectionEntry:
    """A tree connect.

    type    as `ShareEntry.type`
    active  seconds since it was made
    share   name of the share
    client  address or name of the client
    """

    id: int
    type: int
    opens: int
    users: int
    active: int
    user: str
    share: str
    client: str


@dataclass(frozen=True, slots=True)
class AccountName:
    """A name and its SID; `domain` is a NetBIOS name such as the server's or "BUILTIN"."""

    domain: str
    name: str
    sid: Sid
    use: SidUse


class PipeContext(Protocol):
    """The server as seen from one opened pipe."""

    @property
    def server_name(self) -> str:
        """NetBIOS name of this server, upper case, at most 15 characters."""

    @property
    def domain_name(self) -> str:
        """NetBIOS name of the workgroup or domain."""

    @property
    def comment(self) -> str:
        """The server's description, shown beside its name."""

    @property
    def machine_sid(self) -> Sid:
        """S-1-5-21-x-y-z: the domain of our own accounts."""

    @property
    def token(self) -> Token:
        """Who opened the pipe."""

    def now(self) -> int:
        """Return the time as FILETIME, UTC."""

    def uptime(self) -> int:
        """Return milliseconds since the server started."""

    def utc_offset(self) -> int:
        """Return minutes that local time is ahead of UTC."""

    def shares(self) -> Sequence[ShareEntry]:
        """Return every share that may be seen by `token`, IPC$ included."""

    def sessions(self) -> Sequence[SessionEntry]:
        """Return every session."""

    def files(self) -> Sequence[FileEntry]:
        """Return every open, ordered by id."""

    def connections(self) -> Sequence[ConnectionEntry]:
        """Return every tree connect, ordered by id."""

    def close_file(self, file_id: int) -> bool:
        """Start to close the open with this id; False if there is none.

        The caller has checked that `token` is an administrator's.
        """

    def close_sessions(self, client: str, user: str) -> int:
        """Start to end the sessions of `client` and `user` ("" for any); return how many.

        The caller has checked that `token` is an administrator's.
        """

    def accounts(self) -> Sequence[AccountName]:
        """Return our own users and groups, all under `machine_sid`."""


def is_administrator(token: Token) -> bool:
    """Say whether `token` may see and do what is an administrator's."""
    return token.administrator
