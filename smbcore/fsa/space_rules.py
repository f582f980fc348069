"""How much the files of a volume may take: by the volume as a whole, and by each owner  [MS-FSA 2.1.1.1].

Values only; `space.py` counts and enforces, `quota.py` shows and changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from smbcore.nt.info.fs import FILE_VC_QUOTA_ENFORCE, FILE_VC_QUOTA_TRACK
from smbcore.nt.sid import ADMINISTRATORS, SYSTEM, Sid

NO_LIMIT: Final = -1
EXEMPT: Final = frozenset({ADMINISTRATORS, SYSTEM})
"""Owners whose files no quota limits  [MS-FSA 2.1.5.22]."""


@dataclass(frozen=True, slots=True)
class QuotaEntry:
    """What one user may take; bytes, NO_LIMIT for none.

    threshold  from where on administrators should look;  limit  what is refused beyond, where quotas are enforced
    changed    FILETIME of the last change, 0 never
    """

    threshold: int = NO_LIMIT
    limit: int = NO_LIMIT
    changed: int = 0


@dataclass(frozen=True, slots=True)
class SpaceRules:
    """What a volume allows.

    size_limit  bytes that all files may take together, None for what the disk has
    tracks      usage is counted by owner;  enforces  and limited
    default     for owners without an entry;  users  the entries
    """

    size_limit: int | None = None
    tracks: bool = False
    enforces: bool = False
    default: QuotaEntry = QuotaEntry()
    users: Mapping[Sid, QuotaEntry] = field(default_factory=dict)

    @property
    def counts(self) -> bool:
        """Whether usage has to be known at all."""
        return self.size_limit is not None or self.tracks

    @property
    def flags(self) -> int:
        """FileSystemControlFlags  [MS-FSCC 2.5.2]."""
        if self.enforces:
            return FILE_VC_QUOTA_ENFORCE
        return FILE_VC_QUOTA_TRACK if self.tracks else 0

    def entry(self, owner: Sid) -> QuotaEntry:
        """Return what holds for `owner`."""
        found = self.users.get(owner)
        if found is not None:
            return found
        return QuotaEntry() if owner in EXEMPT else self.default

    def owner_limit(self, owner: Sid) -> int:
        """Return the bytes that `owner` may take, NO_LIMIT where nothing is enforced."""
        return self.entry(owner).limit if self.enforces else NO_LIMIT

    def with_users(self, users: Mapping[Sid, QuotaEntry]) -> SpaceRules:
        """Return the same rules with other entries."""
        return replace(self, users=dict(users))
