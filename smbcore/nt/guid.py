"""GUIDs as 16 bytes in wire order  [MS-DTYP 2.3.4.2]."""

from __future__ import annotations

import uuid

SIZE = 16
NULL = bytes(SIZE)


def new_guid() -> bytes:
    """Return a random (version 4) GUID."""
    return uuid.uuid4().bytes_le


def to_text(guid: bytes) -> str:
    """Return the canonical lower-case text without braces.

    Raises ValueError unless `guid` is 16 bytes.
    """
    return str(uuid.UUID(bytes_le=bytes(guid)))


def from_text(text: str) -> bytes:
    """Parse "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", braces allowed; ValueError if malformed."""
    return uuid.UUID(text).bytes_le
