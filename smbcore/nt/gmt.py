"""Snapshot tokens: @GMT-YYYY.MM.DD-HH.MM.SS, a moment in UTC to the second  [MS-SMB2 2.2.32.2, MS-SMB 3.3.5.1.1]."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from smbcore.nt.filetime import TICKS_PER_SECOND, from_datetime, to_datetime

PREFIX = "@GMT-"
_TOKEN = re.compile(r"@GMT-(\d{4})\.(\d\d)\.(\d\d)-(\d\d)\.(\d\d)\.(\d\d)", re.ASCII)


def from_token(token: str) -> int | None:
    """Return the FILETIME that a token stands for, None for anything that is no token."""
    match = _TOKEN.fullmatch(token)
    if match is None:
        return None
    year, month, day, hour, minute, second = map(int, match.groups())
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    time = from_datetime(moment)
    return time if time > 0 else None


def to_token(time: int) -> str:
    """Return the token of a FILETIME, rounded down to the second."""
    return to_datetime(time).strftime("@GMT-%Y.%m.%d-%H.%M.%S")


def whole_seconds(time: int) -> int:
    """Return a FILETIME rounded down to the second, as tokens are."""
    return time // TICKS_PER_SECOND * TICKS_PER_SECOND
