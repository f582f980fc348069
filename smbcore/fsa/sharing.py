"""Share modes: who may have a stream open beside whom  [MS-FSA 2.1.5.1.2.2].

Every open that reads, writes or deletes says what it lets others do; two opens of one stream get along when each admits
what the other does. Opens that ask only for metadata are outside of it. Deleting concerns the whole file: an open of
the main stream with DELETE and an open of a named stream have to admit each other too.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from smbcore.nt.access import DELETE, FILE_APPEND_DATA, FILE_EXECUTE, FILE_READ_DATA, FILE_WRITE_DATA
from smbcore.nt.create import FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE
from smbcore.nt.status import NtError, Status

_READS = FILE_READ_DATA | FILE_EXECUTE
_WRITES = FILE_WRITE_DATA | FILE_APPEND_DATA
SHARED_ACCESS = _READS | _WRITES | DELETE
"""Access that takes part in share modes."""


class Sharer(Protocol):
    """What of an open matters here; `sharing_access` is what it asked for that takes part in share modes."""

    sharing_access: int
    share_access: int


def admits(share: int, access: int) -> bool:
    """Tell whether a share mode lets another open do `access`."""
    if access & _READS and not share & FILE_SHARE_READ:
        return False
    if access & _WRITES and not share & FILE_SHARE_WRITE:
        return False
    return not access & DELETE or bool(share & FILE_SHARE_DELETE)


def conflicts(access: int, share: int, existing: Iterable[Sharer]) -> bool:
    """Tell whether an open for `access` that shares `share` collides with one of `existing`, opens of the same
    stream.
    """
    if not access & SHARED_ACCESS:
        return False
    for other in existing:
        held = other.sharing_access
        if held & SHARED_ACCESS and not (admits(other.share_access, access) and admits(share, held)):
            return True
    return False


def delete_conflicts(access: int, share: int, *, is_main: bool, others: Iterable[Sharer]) -> bool:
    """Tell whether deleting the file collides with `others`, opens of other streams of the file.

    is_main  the new open is of the main stream; then `others` are of named streams, else of the main one
    """
    if is_main:
        if not access & DELETE:
            return False
        return any(o.sharing_access & SHARED_ACCESS and not o.share_access & FILE_SHARE_DELETE for o in others)
    if not access & SHARED_ACCESS or share & FILE_SHARE_DELETE:
        return False
    return any(o.sharing_access & DELETE for o in others)


def check_sharing(access: int, share: int, existing: Iterable[Sharer]) -> None:
    """Raise SHARING_VIOLATION unless a new open and every open of the same stream admit each other.

    Opens that ask only for metadata never conflict.  [MS-FSA 2.1.5.1.2.2]
    """
    if conflicts(access, share, existing):
        raise NtError(Status.SHARING_VIOLATION, f"access {access:#x} share {share:#x} against an existing open")
