"""Tree connects  [MS-SMB2 3.3.1.9]."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from smbcore.nt import filetime

if TYPE_CHECKING:
    from smbcore.fsa.volume import Volume
    from smbcore.server.open import SmbOpen
    from smbcore.server.personal import PersonalFolder
    from smbcore.server.session import SmbSession
    from smbcore.server.shares import Share


class SmbTreeConnect:
    """A session's connection to one share.

    Owned by its session (`trees`); created by TREE_CONNECT; ended by `close`, which closes its opens for good.
    maximal_access  what the share's access list gives this user, as a file access mask
    folder          the user's own folder in the share, None where all users see the whole share
    """

    __slots__ = (
        "closed",
        "created_at",
        "encryption_required",
        "folder",
        "key",
        "maximal_access",
        "opens",
        "session",
        "share",
        "tree_id",
    )

    def __init__(
        self,
        session: SmbSession,
        share: Share,
        maximal_access: int,
        key: int,
        folder: PersonalFolder | None = None,
    ) -> None:
        self.session = session
        self.share = share
        self.maximal_access = maximal_access
        self.folder = folder
        self.key = key
        self.encryption_required = share.encryption_required
        self.created_at = session.server.clock.now()
        self.opens: set[SmbOpen] = set()
        self.closed = False
        self.tree_id = session.add_tree(self)

    def volume(self) -> Volume:
        """Return the volume that the tree connect is to.  Raises BAD_NETWORK_NAME."""
        return self.share.volume(self.folder)

    def close(self) -> None:
        """End the tree connect and close what is open through it. Idempotent."""
        if self.closed:
            return
        self.closed = True
        self.session.trees.pop(self.tree_id, None)
        for open_ in list(self.opens):
            open_.close_in_background()
        self.session.server.tree_closed(self)

    def row(self) -> dict[str, Any]:
        """Return the record as people see it (state/schema.py: tcon)."""
        path = self.share.config.path
        return {
            "session_key": self.session.key,
            "wire_id": self.tree_id,
            "share": self.share.name,
            "share_path": f"{path}/{self.folder.name}" if self.folder else path,
            "encrypted": self.encryption_required,
            "access": self.maximal_access,
            "opens": len(self.opens),
            "created_at": filetime.to_datetime(self.created_at),
        }
