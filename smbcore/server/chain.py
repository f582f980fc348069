"""The requests of one compound frame, worked on one after the other  [MS-SMB2 3.3.5.2.7].

A chain is owned by nobody but the request it is at: a member that waits holds the chain, and its reply moves the
chain on. Replies are collected and leave as one frame, or as several where one would be too large. Only a member that
waits long and that no other relates to leaves behind an interim response in that frame and answers alone later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smbcore.nt.errors import WireError
from smbcore.nt.status import NtError, Status
from smbcore.wire.header import CREATE, FLAG_RELATED, unpack

if TYPE_CHECKING:
    from smbcore.proto.signing import Signer
    from smbcore.server.connection import SmbConnection
    from smbcore.server.request import SmbRequest
    from smbcore.server.session import SmbSession


class Chain:
    """State that related requests hand on: the ids of the request before, or why there are none.

    session_id, tree_id  None if the request before did not find its session or tree connect
    file_id   16 bytes; None if no member has produced or named one yet, or the CREATE that should have failed
    failure   status of that CREATE
    busy      the current member waits; its reply continues the chain
    replies   collected for one frame, with what signs them
    answered  bytes of all replies so far
    """

    __slots__ = (
        "answered", "busy", "connection", "failure", "file_id", "index", "members", "replies", "sealed", "session_id",
        "tree_id",
    )  # fmt: skip

    def __init__(self, connection: SmbConnection, members: list[memoryview], sealed: SmbSession | None) -> None:
        self.connection = connection
        self.members = members
        self.sealed = sealed
        self.index = 0
        self.busy = False
        self.replies: list[tuple[bytearray, Signer | None]] = []
        self.answered = 0
        self.session_id: int | None = None
        self.tree_id: int | None = None
        self.file_id: bytes | None = None
        self.failure: Status | None = None

    @property
    def at_end(self) -> bool:
        """Whether the current member is the last one."""
        return self.index >= len(self.members)

    @property
    def is_needed(self) -> bool:
        """Whether the member that follows relates to the current one, and has to wait for its answer."""
        if self.at_end:
            return False
        try:
            return bool(unpack(self.members[self.index])[4] & FLAG_RELATED)
        except WireError:  # no header: the connection is dropped when its turn comes
            return False

    def adopt(self, rq: SmbRequest) -> None:
        """Give a related request the ids of the one before; forget all for an unrelated one, which brings its own.

        Raises INVALID_PARAMETER where there is nothing before it, or what was before it found no session.
        """
        if not rq.related:
            self.session_id = self.tree_id = self.file_id = self.failure = None
            return
        if self.index <= 1 or self.session_id is None:
            raise NtError(Status.INVALID_PARAMETER, "related request without one before it, or that had no session")
        rq.session_id = self.session_id
        if self.tree_id is not None:
            rq.tree_id = self.tree_id

    def found_session(self, rq: SmbRequest, *, names_tree: bool) -> None:
        """Remember the session of `rq`, and the tree that it names unless that is still to be found or made."""
        self.session_id = rq.session_id
        if not names_tree and not rq.related:
            self.tree_id = rq.tree_id

    def check_tree(self, rq: SmbRequest) -> None:
        """Raise INVALID_PARAMETER if a related request needs the tree that the one before did not find."""
        if rq.related and self.tree_id is None:
            raise NtError(Status.INVALID_PARAMETER, "the request before has no tree connect")

    def failed(self, rq: SmbRequest, status: Status) -> None:
        """Remember why there is no open for those that relate to a CREATE; an open of before is not what they mean."""
        if rq.command == CREATE:
            self.file_id, self.failure = None, status

    def related_file_id(self) -> bytes:
        """Return the file id for a related request; raises the failure of the CREATE, or INVALID_HANDLE."""
        if self.file_id is not None:
            return self.file_id
        raise NtError(self.failure or Status.INVALID_HANDLE, "no open from the request before")
