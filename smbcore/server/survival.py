"""Handles that outlive the server: from rows of an earlier run to disconnected opens of this one.

Everything is opened before anything is granted, and granted before anything is locked (see `smbcore.fsa.restoring`),
and all of it before the first client is let in. What cannot be made as it was, because the share, the account or the
file is gone, the oplock cannot be had or the row does not say what it should (it may be of another build), is dropped
with its rows: its client will be told that there is no such open, which is true, and nothing keeps the server from
starting. What has expired meanwhile is closed, with the deletion that was due.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from smbcore.fsa.api import Caching, OplockLevel
from smbcore.fsa.restoring import SavedOpen, restore_open, restore_ranges
from smbcore.nt import filetime
from smbcore.nt.sid import Sid
from smbcore.nt.status import NtError, Status
from smbcore.server import range_rows
from smbcore.server.disconnected import DisconnectedOpen
from smbcore.server.lease import lease_name
from smbcore.server.open_row import OPLOCK_NAMES, caching_of
from smbcore.server.record import Kind, OpenRecord

if TYPE_CHECKING:
    from smbcore.server.lease import SmbLease
    from smbcore.server.server import SmbServer
    from smbcore.state.survivors import Survivors

log = logging.getLogger(__name__)

Row = Mapping[str, Any]
_SECOND = 10_000_000
_LEVELS = {name: level for level, name in OPLOCK_NAMES.items()}
_NOT_KEPT: Final = (NtError, KeyError, ValueError, TypeError)
"""It cannot be made as it was, or its row does not say how."""


async def restore(server: SmbServer, survivors: Survivors) -> None:
    """Take over what an earlier run of this node promised to keep."""
    opened = []
    for row in survivors.opens:
        try:
            opened.append((row, await _open(server, row)))
        except _NOT_KEPT as error:
            _tell(row, error)
            server.records.drop("open", row["key"])
    granted = [(row, away) for row, away in opened if _restored(_grant, row, away)]
    kept = [(row, away) for row, away in granted if _restored(_lock, row, away)]
    for row, away in kept:
        _keep(server, row, away)
    _drop_leftovers(server, survivors)
    server.counters["opens_restored"] = len(server.disconnected)
    if survivors.opens:
        log.info("%d of %d handles carried over", len(server.disconnected), len(survivors.opens))


def _restored(restore_part: Callable[[Row, DisconnectedOpen], None], row: Row, away: DisconnectedOpen) -> bool:
    """Restore a part of what an open had; tell whether it may stay."""
    try:
        restore_part(row, away)
    except _NOT_KEPT as error:
        _tell(row, error)
        _abandon(away)
        return False
    return True


def _tell(row: Row, error: Exception) -> None:
    log.warning("open %#x of %s\\%s is not kept: %r", row["key"], row["share"], row["path"], error)


async def _open(server: SmbServer, row: Row) -> DisconnectedOpen:
    """Open the file of one row and rebuild its record.  Raises NtError where that cannot be."""
    if row["durable"] == Kind.DURABLE and not server.trust.inherited:
        raise NtError(Status.OBJECT_NAME_NOT_FOUND, "its record may be outdated: the database was away at the end")
    share = server.shares.find(row["share"])
    if share is None or share.is_pipe:
        raise NtError(Status.BAD_NETWORK_NAME, "the share is gone")
    owner = Sid.parse(row["owner_sid"])
    token = server.accounts.token_of_sid(owner)
    if token is None:
        raise NtError(Status.NO_SUCH_USER, "the account is gone")
    document, client_guid = row["doc"], bytes.fromhex(row["client_guid"])
    record = _record(row, client_guid, owner)  # before the file is open: the row may be at fault
    lease_key = bytes.fromhex(row["lease_key"]) if row["lease_key"] else None
    parent = document["parent_oplock_key"]
    volume = share.volume(share.folder_of(token))
    if document.get("snapshot"):  # not in rows of older builds
        volume = await volume.snapshots.volume_at(document["snapshot"])
    file = await restore_open(
        volume,
        SavedOpen(
            row["path"], row["stream"], int(document["file_id"]), token, row["access"], row["share_mode"],
            row["create_options"], document["mode"], document["position"], document["delete_on_close"],
            row["delete_pending"],
            oplock_key=client_guid + lease_key if lease_key else None,
            parent_oplock_key=bytes.fromhex(parent) if parent else None,
        ),
    )  # fmt: skip
    away = DisconnectedOpen(server, share, file, record, row["key"], row["persistent_id"], row["volatile_id"])
    away.opened_at = filetime.from_datetime(row["opened_at"])
    away.last_io_at = filetime.from_datetime(row["last_io_at"])
    away.since = filetime.from_datetime(row["disconnected_at"])
    away.bytes_read, away.bytes_written = row["bytes_read"], row["bytes_written"]
    return away


def _record(row: Row, client_guid: bytes, owner: Sid) -> OpenRecord:
    document = row["doc"]
    record = OpenRecord(client_guid, owner)
    record.kind = Kind(row["durable"])
    record.timeout_ms = row["timeout_ms"]
    record.version = document["version"]
    record.offered = True
    record.replay_eligible = document.get("replay_eligible", False)  # not in rows of older builds
    record.create_guid = bytes.fromhex(row["create_guid"]) if row["create_guid"] else None
    record.app_instance = bytes.fromhex(row["app_instance_id"]) if row["app_instance_id"] else None
    version = document["app_version"]
    record.app_version = (version[0], version[1]) if version else None
    record.locks = bytearray.fromhex(document["locks"]) if document["locks"] else None
    return record


def _grant(row: Row, away: DisconnectedOpen) -> None:
    """Ask for the oplock or lease that the open had.  Raises NtError where it may not stay without."""
    file, trusted = away.file, away.server.trust.inherited
    if row["lease_key"]:
        before = caching_of(row["lease_state"])
        caching = before if trusted else Caching.NONE
        lease = _lease(row, away)
        granted_caching = file.request_oplock(OplockLevel.GRANULAR, caching, lease, lease.oplock_key).caching
        if granted_caching != before:
            lease.advance_epoch()
        granted = granted_caching == caching
    else:
        level = _LEVELS[row["oplock"]] if trusted else OplockLevel.NONE
        granted = level == OplockLevel.NONE or file.request_oplock(level, Caching.NONE, away, None).level == level
    if not granted and away.record.kind is Kind.DURABLE:
        raise NtError(Status.OPLOCK_NOT_GRANTED, "its oplock cannot be had any more")


def _lease(row: Row, away: DisconnectedOpen) -> SmbLease:
    """Return the lease of an open, which covers it now.  Raises INVALID_PARAMETER where it is that of another file."""
    client_guid, key = bytes.fromhex(row["client_guid"]), bytes.fromhex(row["lease_key"])
    name = lease_name(away.share.name, away.file.path, away.file.stream)
    document = row["doc"]
    version, epoch, parent = document["lease_version"], document["lease_epoch"], document["lease_parent"]
    lease = away.server.leases.claim(client_guid, key, name, version)
    if not lease.opens:
        lease.epoch = epoch
        lease.parent_key = bytes.fromhex(parent) if parent else None
    lease.add(away)
    return lease


def _lock(row: Row, away: DisconnectedOpen) -> None:
    restore_ranges(away.file, [(offset, length, exclusive) for offset, length, exclusive in row["doc"]["ranges"]])


def _abandon(away: DisconnectedOpen) -> None:
    """Forget an open that could not be made as it was; nothing is deleted on its account."""
    away.closed = True
    if away.lease is not None:
        away.lease.remove(away)
    away.server.record_gone(away.record, away.key)
    away.file.discard()


def _keep(server: SmbServer, row: Row, away: DisconnectedOpen) -> None:
    """Let the open wait for its client for the rest of its time, or close it if that is over."""
    server.index.add(away.record)
    server.allowance.take(away.record, None)
    left = away.record.timeout_ms / 1000 - (server.clock.now() - away.since) / _SECOND
    server.disconnected.add(away, max(left, 0.0))
    range_rows.restored(server.records, away)
    if away.lease is not None:
        away.lease.changed()
    if left <= 0:
        log.info("open %#x of %s expired while the server was down", row["key"], away.file.path)
        away.close()


def _drop_leftovers(server: SmbServer, survivors: Survivors) -> None:
    """Remove rows of leases and ranges that belong to nothing that was kept."""
    for row in survivors.leases:
        if server.leases.find(bytes.fromhex(row["client_guid"]), bytes.fromhex(row["lease_key"])) is None:
            server.records.drop("lease", (row["client_guid"], row["lease_key"]))
    for row in survivors.byte_ranges:
        if row["open_key"] not in server.disconnected:
            server.records.drop("byte_range", (row["open_key"], row["offset"], row["length"], row["exclusive"]))
