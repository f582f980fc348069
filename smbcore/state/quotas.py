"""Limits of space per owner, as they are kept among a share's options.

One text each: the owner's SID, the threshold and the limit in bytes (-1 for none), and when they were set (FILETIME).
They change one at a time, from the pages, the API and by clients over SMB, so each change reads what is stored.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from smbcore.nt.sid import ADMINISTRATORS, Sid

NO_LIMIT: Final = -1
MOST_ENTRIES: Final = 1000
MOST_BYTES: Final = 0x7FFF_FFFF_FFFF_FFFF
_PARTS: Final = 4


@dataclass(frozen=True, slots=True)
class ShareQuota:
    """What one owner may take of a share, in bytes; `changed_at` is a FILETIME."""

    sid: Sid
    threshold: int = NO_LIMIT
    limit: int = NO_LIMIT
    changed_at: int = 0

    def __post_init__(self) -> None:
        if not all(NO_LIMIT <= value <= MOST_BYTES for value in (self.threshold, self.limit)) or self.changed_at < 0:
            msg = "a threshold or limit is a number of bytes, or -1 for none"
            raise ValueError(msg)
        if self.sid == ADMINISTRATORS and self.limit != NO_LIMIT:
            msg = "the administrators have no limit"
            raise ValueError(msg)

    @classmethod
    def parse(cls, text: str) -> ShareQuota:
        """Read the stored form.  Raises ValueError."""
        parts = text.split()
        if len(parts) != _PARTS:
            msg = f"a limit has a SID and three numbers, not {text!r}"
            raise ValueError(msg)
        return cls(Sid.parse(parts[0]), int(parts[1]), int(parts[2]), int(parts[3]))

    def __str__(self) -> str:
        return f"{self.sid} {self.threshold} {self.limit} {self.changed_at}"


def parse_entries(texts: Iterable[str]) -> dict[Sid, ShareQuota]:
    """Read the entries of a share.  Raises ValueError."""
    found = {entry.sid: entry for entry in map(ShareQuota.parse, texts)}
    if len(found) > MOST_ENTRIES:
        msg = f"a share keeps limits of {MOST_ENTRIES} owners at most"
        raise ValueError(msg)
    return found


def format_entries(entries: Iterable[ShareQuota]) -> tuple[str, ...]:
    """Return the stored form, in the order of SIDs."""
    return tuple(str(entry) for entry in sorted(entries, key=lambda entry: entry.sid))
