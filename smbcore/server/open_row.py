"""The row of an open, connected or not (state/schema.py: open). What has no column of its own is in `doc`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from smbcore.fsa.api import Caching, OplockLevel
from smbcore.nt import filetime

if TYPE_CHECKING:
    from smbcore.server.disconnected import DisconnectedOpen
    from smbcore.server.lease import SmbLease
    from smbcore.server.open import SmbOpen
    from smbcore.server.record import OpenRecord

OPLOCK_NAMES: Final = {
    OplockLevel.NONE: "",
    OplockLevel.LEVEL_TWO: "II",
    OplockLevel.LEVEL_ONE: "exclusive",
    OplockLevel.BATCH: "batch",
    OplockLevel.GRANULAR: "lease",
}
_LETTERS: Final = ((Caching.READ, "R"), (Caching.WRITE, "W"), (Caching.HANDLE, "H"))


def caching_letters(caching: int) -> str:
    """Return "RWH", or the part of it that is held."""
    return "".join(letter for bit, letter in _LETTERS if caching & bit)


def caching_of(letters: str) -> Caching:
    """Return the bits of "RWH" or a part of it."""
    return Caching(sum(bit for bit, letter in _LETTERS if letter in letters))


def name_of(open_: SmbOpen | DisconnectedOpen) -> str:
    r"""Return share and path for people: data\folder\file.txt:stream."""
    file = open_.file
    path = f"{open_.share.name}\\{file.path}" if file.path else open_.share.name
    return f"{path}:{file.stream}" if file.stream else path


def common(open_: SmbOpen | DisconnectedOpen) -> dict[str, Any]:
    """Return the columns that mean the same for both."""
    file, lease, record = open_.file, open_.lease, open_.record
    promised = ""
    if record is not None and record.kind:
        promised = record.promised(file).value
        record.marks = file.delete_pending, file.delete_on_close
        record.promises = bool(promised)
        record.offered = record.offered or record.promises
    opened_at = filetime.to_datetime(open_.opened_at)
    return {
        "persistent_id": open_.persistent_id,
        "volatile_id": open_.volatile_id,
        "share": open_.share.name,
        "path": file.path,
        "stream": file.stream,
        "is_directory": file.is_directory,
        "access": file.granted_access,
        "share_mode": file.share_access,
        "create_options": file.create_options,
        "oplock": OPLOCK_NAMES[file.oplock[0]],
        "lease_key": lease.key.hex() if lease else None,
        "lease_state": caching_letters(_lasting(file)) if lease else "",
        "delete_pending": file.delete_pending,
        "durable": promised,
        "timeout_ms": record.timeout_ms if record else 0,
        "disconnected_at": None,
        "create_guid": record.create_guid.hex() if record and record.create_guid else None,
        "app_instance_id": record.app_instance.hex() if record and record.app_instance else None,
        "file_key": str(file.file_key),
        "locks": file.lock_count,
        "opened_at": opened_at,
        "last_io_at": opened_at,
        "bytes_read": open_.bytes_read,
        "bytes_written": open_.bytes_written,
        "doc": _document(file, record, lease) if record and promised else {},
    }


def _lasting(file: Any) -> int:
    """Return what the client may cache if everything ended now.

    What a break takes is gone at once, unless the client must write back first: others wait for that.
    """
    holder = file.holder
    if holder is None:
        return 0
    return int(holder.requested if holder.breaking and not holder.caching & Caching.WRITE else holder.caching)


def _document(file: Any, record: OpenRecord, lease: SmbLease | None) -> dict[str, Any]:
    """Return what a restart needs to make the open anew, and nobody wants to see."""
    key = file.parent_oplock_key
    return {
        "file_id": str(file.file_id),
        "snapshot": file.volume.snapshot_time,
        "version": record.version,
        "replay_eligible": record.replay_eligible,
        "position": file.position,
        "mode": file.mode,
        "delete_on_close": file.delete_on_close,
        "parent_oplock_key": key.hex() if key else None,
        "app_version": list(record.app_version) if record.app_version else None,
        "locks": record.locks.hex() if record.locks else None,
        "ranges": file.held_ranges(),
        "lease_version": lease.version if lease else 0,
        "lease_epoch": lease.epoch if lease else 0,
        "lease_parent": lease.parent_key.hex() if lease and lease.parent_key else None,
    }
