"""The open sessions, tree connects and files in the layout of `smbstatus --json`, for scripts that read it.

The layout is that of the manual page smbstatus(1).  Where Samba names a process, we name the node: `pid` is the
record's key, so that every row stays distinct.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, select

from smbcore.nt import access
from smbcore.state.schema import open_, session, share, tcon, version

SHARE_READ, SHARE_WRITE, SHARE_DELETE = 1, 2, 4

_DIALECTS: Mapping[str, str] = {
    "2.0.2": "SMB2_02",
    "2.1": "SMB2_10",
    "3.0": "SMB3_00",
    "3.0.2": "SMB3_02",
    "3.1.1": "SMB3_11",
}
_MASK_NAMES = (
    ("READ_DATA", access.FILE_READ_DATA),
    ("WRITE_DATA", access.FILE_WRITE_DATA),
    ("APPEND_DATA", access.FILE_APPEND_DATA),
    ("READ_EA", access.FILE_READ_EA),
    ("WRITE_EA", access.FILE_WRITE_EA),
    ("EXECUTE", access.FILE_EXECUTE),
    ("READ_ATTRIBUTES", access.FILE_READ_ATTRIBUTES),
    ("WRITE_ATTRIBUTES", access.FILE_WRITE_ATTRIBUTES),
    ("DELETE_CHILD", access.FILE_DELETE_CHILD),
    ("DELETE", access.DELETE),
    ("READ_CONTROL", access.READ_CONTROL),
    ("WRITE_DAC", access.WRITE_DAC),
    ("SYNCHRONIZE", access.SYNCHRONIZE),
    ("ACCESS_SYSTEM_SECURITY", access.ACCESS_SYSTEM_SECURITY),
)


def read_status(connection: Connection, now: datetime) -> dict[str, Any]:
    """Return the whole status as one JSON object."""
    sessions = {row["key"]: row for row in connection.execute(select(session).order_by(session.c.key)).mappings()}
    tcons = connection.execute(select(tcon).order_by(tcon.c.key)).mappings().all()
    software = connection.scalar(select(version.c.software).limit(1)) or "unknown"
    return {
        "timestamp": now.isoformat(timespec="microseconds"),
        "version": software,
        "smb_conf": "",
        "sessions": {str(key): _session(row) for key, row in sessions.items()},
        "tcons": {str(row["key"]): _tcon(row, sessions.get(row["session_key"])) for row in tcons},
        "open_files": _open_files(connection),
    }


def server_id(key: int) -> dict[str, str]:
    """Return what stands where Samba names the serving process."""
    return {"pid": str(key), "task_id": "0", "vnn": "4294967295", "unique_id": str(key)}


def _session(row: RowMapping) -> dict[str, Any]:
    return {
        "session_id": str(row["key"]),
        "server_id": server_id(row["key"]),
        "uid": -1,
        "gid": -1,
        "username": row["user"],
        "groupname": "",
        "creation_time": row["created_at"].isoformat(),
        "expiration_time": row["expires_at"].isoformat() if row["expires_at"] else "",
        "auth_time": row["created_at"].isoformat(),
        "remote_machine": row["client_name"] or row["client_address"],
        "hostname": row["client_address"],
        "session_dialect": _DIALECTS.get(row["dialect"], row["dialect"]),
        "client_guid": row["client_guid"],
        "encryption": {"cipher": row["encryption"] or "-", "degree": "full" if row["encryption"] else "none"},
        "signing": {"cipher": row["signing"] or "-", "degree": _signing_degree(row)},
    }


def _signing_degree(row: RowMapping) -> str:
    if not row["signing"]:
        return "none"
    return "full" if row["signing_required"] else "partial"


def _tcon(row: RowMapping, owner: RowMapping | None) -> dict[str, Any]:
    cipher = owner["encryption"] if owner is not None and row["encrypted"] else ""
    return {
        "service": row["share"],
        "server_id": server_id(row["session_key"]),
        "tcon_id": str(row["key"]),
        "session_id": str(row["session_key"]),
        "machine": owner["client_name"] or owner["client_address"] if owner is not None else "",
        "connected_at": row["created_at"].isoformat(),
        "encryption": {"cipher": cipher or "-", "degree": "full" if cipher else "none"},
        "signing": {
            "cipher": (owner["signing"] if owner is not None else "") or "-",
            "degree": _signing_degree(owner) if owner is not None else "none",
        },
    }


def _open_files(connection: Connection) -> dict[str, Any]:
    query = (
        select(open_, share.c.path.label("service_path"))
        .select_from(open_.outerjoin(share, share.c.name == open_.c.share))
        .order_by(open_.c.path, open_.c.key)
    )
    files: dict[str, Any] = {}
    for row in connection.execute(query).mappings():
        service_path = row["service_path"] or row["share"]
        name = row["path"].replace("\\", "/") or "."
        if row["stream"]:
            name = f"{name}:{row['stream']}"
        file = files.setdefault(
            f"{service_path}/{name}",
            {
                "service_path": service_path,
                "filename": name,
                "fileid": _file_id(row["file_key"]),
                "num_pending_deletes": 0,
                "opens": {},
            },
        )
        file["num_pending_deletes"] += row["delete_pending"]
        file["opens"][f"{row['session_key'] or 0}/{row['key']}"] = _open(row)
    return files


def _file_id(file_key: str) -> dict[str, Any]:
    parts = [int(part) for part in file_key.replace("/", ":").split(":") if part.isdecimal()]
    device, inode, *_ = (*parts, 0, 0)
    return {"devid": device, "inode": inode, "extid": 0}


def _open(row: RowMapping) -> dict[str, Any]:
    lease_key = row["lease_key"] if row["oplock"] == "lease" else None
    batch, exclusive = row["oplock"] == "batch", row["oplock"] in ("batch", "exclusive")
    flags = {"READ": "R" in row["lease_state"], "WRITE": "W" in row["lease_state"], "HANDLE": "H" in row["lease_state"]}
    return {
        "server_id": server_id(row["session_key"] or 0),
        "uid": -1,
        "share_file_id": str(row["key"]),
        "sharemode": _share_mode(row["share_mode"]),
        "access_mask": _access_mask(row["access"]),
        "caching": _caching(flags, row["oplock"]),
        "oplock": {}
        if lease_key or not row["oplock"]
        else {"EXCLUSIVE": exclusive, "BATCH": batch, "LEVEL_II": not exclusive, "LEASE": False, "text": row["oplock"]},
        "lease": {"lease_key": lease_key, **flags, "text": row["lease_state"]} if lease_key else {},
        "opened_at": row["opened_at"].isoformat(),
    }


def _share_mode(mode: int) -> dict[str, Any]:
    flags = {"READ": bool(mode & SHARE_READ), "WRITE": bool(mode & SHARE_WRITE), "DELETE": bool(mode & SHARE_DELETE)}
    return {"hex": f"0x{mode:08x}", **flags, "text": _letters(flags)}


def _access_mask(mask: int) -> dict[str, Any]:
    flags = {name: bool(mask & bit) for name, bit in _MASK_NAMES}
    shown = {"R": flags["READ_DATA"], "W": flags["WRITE_DATA"] or flags["APPEND_DATA"], "D": flags["DELETE"]}
    return {"hex": f"0x{mask:08x}", **flags, "text": _letters(shown)}


def _caching(lease: Mapping[str, bool], oplock: str) -> dict[str, Any]:
    if oplock == "lease":
        flags = dict(lease)
    else:
        alone = oplock in ("batch", "exclusive")
        flags = {"READ": bool(oplock), "WRITE": alone, "HANDLE": oplock == "batch"}
    value = flags["READ"] | flags["HANDLE"] << 1 | flags["WRITE"] << 2
    return {**flags, "hex": f"0x{value:08x}", "text": _letters(flags)}


def _letters(flags: Mapping[str, bool]) -> str:
    return "".join(name[0] for name, is_set in flags.items() if is_set)
