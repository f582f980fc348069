"""Quota information  [MS-FSCC 2.4.40 FileQuotaInformation]."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct

from smbcore.nt.errors import WireError
from smbcore.nt.info.buffers import Buffer, cut, join_aligned, next_entry, unpack
from smbcore.nt.sid import Sid

_QUOTA = Struct("<IIqqqq")
_GET = Struct("<II")

NO_LIMIT = -1
"""Threshold or limit that is not set."""
REMOVE = -2
"""Limit in a request to set quotas: forget the entry  [MS-FSA 2.1.5.22]."""

MAX_ENTRIES = 4096
"""SIDs that one request may name."""


@dataclass(slots=True)
class QuotaInformation:
    """FILE_QUOTA_INFORMATION: what one user takes and may take, in bytes.

    change_time  FILETIME of the last change of the entry
    """

    sid: Sid
    used: int = 0
    threshold: int = NO_LIMIT
    limit: int = NO_LIMIT
    change_time: int = 0

    def encode(self) -> bytes:
        """Return one entry with NextEntryOffset 0."""
        sid = self.sid.encode()
        return _QUOTA.pack(0, len(sid), self.change_time, self.used, self.threshold, self.limit) + sid


def encode_quotas(entries: list[QuotaInformation]) -> bytes:
    """Join entries, each on an 8-byte boundary."""
    return join_aligned([entry.encode() for entry in entries], 8)


def size_with(size: int, entry: QuotaInformation) -> int:
    """Return the length of a buffer of `size` bytes with one more entry."""
    return -(-size // 8) * 8 + _QUOTA.size + len(entry.sid.encode())


def decode_quotas(data: Buffer) -> list[QuotaInformation]:
    """Decode a list of entries. Raises WireError."""
    found: list[QuotaInformation] = []
    offset = 0
    while offset >= 0:
        step, length, changed, used, threshold, limit = unpack(_QUOTA, data, offset)
        sid = _sid(data, offset + _QUOTA.size, length)
        found.append(QuotaInformation(sid, used, threshold, limit, changed))
        _check_count(found)
        offset = next_entry(data, offset, step, _QUOTA.size + length)
    return found


def encode_sids(sids: list[Sid]) -> bytes:
    """Return a list of FILE_GET_QUOTA_INFORMATION  [MS-FSCC 2.4.40.1]."""
    encoded = [sid.encode() for sid in sids]
    return join_aligned([_GET.pack(0, len(sid)) + sid for sid in encoded], 4)


def decode_sids(data: Buffer) -> list[Sid]:
    """Decode a list of FILE_GET_QUOTA_INFORMATION. Raises WireError."""
    found: list[Sid] = []
    offset = 0
    while offset >= 0:
        step, length = unpack(_GET, data, offset)
        found.append(_sid(data, offset + _GET.size, length))
        _check_count(found)
        offset = next_entry(data, offset, step, _GET.size + length)
    return found


def _sid(data: Buffer, offset: int, length: int) -> Sid:
    raw = cut(data, offset, length)
    sid = Sid.decode(raw)
    if len(sid.encode()) != length:
        msg = f"a SID of {len(sid.encode())} bytes in {length}"
        raise WireError(msg)
    return sid


def _check_count(found: list[Sid] | list[QuotaInformation]) -> None:
    if len(found) > MAX_ENTRIES:
        msg = f"more than {MAX_ENTRIES} quota entries"
        raise WireError(msg)
