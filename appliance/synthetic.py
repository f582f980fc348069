"""Made-up people, shares and activity, for screenshots and tests of pages; never written beside a running core.

Everything follows from a seed, so that two runs look the same.
"""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, insert

from smbcore.nt import access
from smbcore.state import accounts, audit, groups, outbox, shares
from smbcore.state.configuration import ShareAccess
from smbcore.state.engine import writing
from smbcore.state.keyfile import KeyFile
from smbcore.state.passwords import Credentials
from smbcore.state.schema import byte_range, lease, open_, session, tcon, version

_READ = access.FILE_GENERIC_READ
_WRITE = access.FILE_GENERIC_READ | access.FILE_GENERIC_WRITE | access.DELETE
_NODE = "6f1c2a90-5b57-4a70-9f3f-0d3f6f7a1c01"
_BOOT = "a5e2f7c4-9a1b-4f0e-8f41-3c1f0b8d2e10"

PEOPLE = (  # account, full name, computer, group
    ("anna", "Anna Berg", "WS-ANNA", "design"),
    ("ben", "Ben Okafor", "MACBOOK-BEN", "design"),
    ("carla", "Carla Rossi", "LT-0417", "accounting"),
    ("dmitri", "Dmitri Volkov", "LT-0388", "accounting"),
    ("elif", "Elif Kaya", "WS-ELIF", "engineering"),
    ("farid", "Farid Haddad", "BUILD-03", "engineering"),
    ("greta", "Greta Lindqvist", "", "design"),
    ("hiro", "Hiro Tanaka", "SCAN-STATION", ""),
)
_SHARES: tuple[tuple[str, str, str, tuple[str, ...], dict[str, Any]], ...] = (
    ("Projects", "team", "Drawings, models and plans", ("group:engineering", "group:design"), {}),
    ("Accounting", "team", "Invoices and books", ("group:accounting",), {"encrypt": True}),
    ("Media", "archive", "Photos and films", ("everyone",), {"read_only": True}),
    ("Backup", "backup", "Nightly images", ("user:farid",), {"browsable": False, "continuously_available": True}),
    ("Scans", "drop", "From the copiers", ("everyone",), {}),
)
FILES = (  # share, path, access, caching, what others may
    ("Projects", "Harbour bridge\\Plans\\Deck section B.dwg", _WRITE, "RWH", 1),
    ("Projects", "Harbour bridge\\Plans\\Deck section A.dwg", _READ, "RH", 3),
    ("Projects", "Harbour bridge\\Budget 2027.xlsx", _WRITE, "RH", 1),
    ("Projects", "Harbour bridge\\Site photos", _READ, "RH", 7),
    ("Projects", "Common\\Title block.dwg", _READ, "RH", 7),
    ("Projects", "Lighthouse\\Load model.ifc", _WRITE, "RWH", 1),
    ("Projects", "Lighthouse\\Notes.docx", _WRITE, "RWH", 1),
    ("Accounting", "2026\\11\\Ledger.accdb", _WRITE, "", 3),
    ("Accounting", "2026\\11\\Invoices", _READ, "RH", 7),
    ("Accounting", "2026\\Year-end checklist.xlsx", _WRITE, "RWH", 1),
    ("Media", "Films\\Opening ceremony.mp4", _READ, "R", 1),
    ("Media", "Photos\\2026-09 Launch", _READ, "RH", 7),
    ("Backup", "images\\ws-anna-2026-11-21.vhdx", _WRITE, "RWH", 0),
    ("Scans", "Copier 2\\20261122-0914.pdf", _WRITE, "", 0),
)


@dataclass(slots=True)
class _Maker:
    connection: Connection
    now: datetime
    dice: random.Random
    seq: int
    sids: list[str]

    def common(self) -> dict[str, Any]:
        return {"node_id": _NODE, "boot_id": _BOOT, "seq": self.seq}

    def earlier(self, most: timedelta) -> datetime:
        return self.now - most * self.dice.random()


def fill_configuration(
    connection: Connection, key: KeyFile, folder: Path, now: datetime, credentials: Credentials | None = None
) -> list[str]:
    """Write people, shares and history only, and return the people's SIDs; StateError when some exist already.

    credentials  of everybody; None when nobody is to sign in
    """
    sids = _people(connection, key, now, credentials)
    _shares(connection, folder, now)
    _history(connection, now)
    return sids


def fill(engine: Engine, key: KeyFile, folder: Path, now: datetime, seed: int = 7) -> None:
    """Write everything; StateError when some of the names exist already."""
    dice = random.Random(seed)
    with writing(engine) as connection:
        sids = fill_configuration(connection, key, folder, now)
        topics = ("sessions", "tcons", "opens", "leases", "locks", "nodes")
        changes = [outbox.Change(topic, "added", "0") for topic in topics]
        maker = _Maker(connection, now, dice, outbox.append(connection, changes, now=now), sids)
        _node(maker)
        keys = [_session(maker, number, person) for number, person in enumerate(PEOPLE)]
        trees = _tcons(maker, keys)
        _opens(maker, keys, trees)


def _people(connection: Connection, key: KeyFile, now: datetime, credentials: Credentials | None) -> list[str]:
    """Make accounts and groups; return the accounts' SIDs."""
    sids = [
        accounts.create_account(connection, key, accounts.NewAccount(name, full_name), credentials, now=now).sid
        for name, full_name, _, _ in PEOPLE
    ]
    for group, comment in (
        ("design", "Architects and illustrators"),
        ("engineering", "Structural engineering"),
        ("accounting", "Books and payroll"),
    ):
        members = [name for name, _, _, of in PEOPLE if of == group]
        groups.create_group(connection, group, comment=comment, members=members, now=now)
    return sids


def _shares(connection: Connection, folder: Path, now: datetime) -> None:
    for name, purpose, comment, principals, flags in _SHARES:
        path = folder / name.lower()
        path.mkdir(parents=True, exist_ok=True)
        lines = tuple(ShareAccess(principal, "change") for principal in principals)
        new = shares.NewShare(name, str(path), comment, purpose, access=lines, **flags)
        shares.create_share(connection, new, now=now)


def _node(maker: _Maker) -> None:
    values = {
        "node_id": _NODE,
        "name": "reef-1",
        "boot_id": _BOOT,
        "version_min": 1,
        "version_max": 1,
        "version_current": 1,
        "software": "holdfast 0.1.0",
        "addresses": ["192.168.20.5:445", "[fd00:20::5]:445"],
        "started_at": maker.now - timedelta(days=12, hours=3),
        "heartbeat_at": maker.now,
        "state": "up",
    }
    maker.connection.execute(insert(version).values(**values))


def _session(maker: _Maker, number: int, person: tuple[str, str, str, str]) -> int:
    name, _, client, group = person
    is_sealed = group == "accounting"
    values = {
        "key": 0x5A10_0000 + number * 0x0101_1B,
        "wire_id": (0x0000_7F00_0000_0000 + number * 0x10_0001) | 1,
        "user": name,
        "user_sid": maker.sids[number],
        "client_address": f"192.168.20.{31 + number * 7}",
        "client_name": client,
        "client_guid": str(uuid.UUID(int=maker.dice.getrandbits(128))),
        "dialect": "3.0.2" if name == "hiro" else "3.1.1",
        "signing": "AES-128-CMAC" if name == "hiro" else "AES-128-GMAC",
        "signing_required": True,
        "encryption": "AES-128-GCM" if is_sealed else "",
        "auth": "ntlm",
        "guest": False,
        "anonymous": False,
        "channels": 2 if name == "farid" else 1,
        "created_at": maker.earlier(timedelta(hours=9)),
        "last_active_at": maker.earlier(timedelta(minutes=4 if number % 3 else 40)),
        "expires_at": None,
        "opens": 0,
        "bytes_in": maker.dice.randrange(1 << 20, 1 << 33),
        "bytes_out": maker.dice.randrange(1 << 22, 1 << 35),
        **maker.common(),
    }
    maker.connection.execute(insert(session).values(**values))
    return int(values["key"])


def _tcons(maker: _Maker, keys: list[int]) -> dict[tuple[int, str], int]:
    found: dict[tuple[int, str], int] = {}
    wanted = {"design": ("Projects", "Media"), "accounting": ("Accounting",), "engineering": ("Projects",)}
    for number, (name, _, _, group) in enumerate(PEOPLE):
        names = [*wanted.get(group, ("Scans",)), *(["Backup"] if name == "farid" else [])]
        for share in names:
            key = 0x7C00_0000 + len(found) * 0x1F
            found[keys[number], share] = key
            values = {
                "key": key,
                "session_key": keys[number],
                "wire_id": len(found),
                "share": share,
                "share_path": f"/srv/{share.lower()}",
                "encrypted": share == "Accounting",
                "access": access.FILE_ALL_ACCESS,
                "opens": 0,
                "created_at": maker.earlier(timedelta(hours=8)),
                **maker.common(),
            }
            maker.connection.execute(insert(tcon).values(**values))
    return found


def _opens(maker: _Maker, keys: list[int], trees: dict[tuple[int, str], int]) -> None:
    counts = dict.fromkeys(keys, 0)
    for number, (share, path, mask, caching, mode) in enumerate(FILES):
        holders = [key for key, name in trees if name == share]
        for holder in holders[: 2 if mask == _READ else 1]:
            is_away = path.endswith("Notes.docx")
            key = 0x0B00_0000 + number * 0x400 + holders.index(holder)
            values = _open_values(maker, key, share, path, mask, caching, mode)
            values |= {
                "owner_sid": maker.sids[keys.index(holder)],
                "session_key": None if is_away else holder,
                "tcon_key": None if is_away else trees[holder, share],
                "disconnected_at": maker.now - timedelta(seconds=22) if is_away else None,
            }
            maker.connection.execute(insert(open_).values(**values))
            counts[holder] += not is_away
            _lease_and_locks(maker, values)
    for key, count in counts.items():
        maker.connection.execute(session.update().where(session.c.key == key).values(opens=count))


def _open_values(maker: _Maker, key: int, share: str, path: str, mask: int, caching: str, mode: int) -> dict[str, Any]:
    is_persistent, is_durable = share == "Backup", "H" in caching and mask == _WRITE
    return {
        "key": key,
        "persistent_id": key,
        "volatile_id": maker.dice.getrandbits(64),
        "share": share,
        "path": path,
        "stream": "",
        "is_directory": "." not in path.rpartition("\\")[2],
        "access": mask,
        "share_mode": mode,
        "create_options": 0x60,
        "oplock": "lease" if caching else "",
        "lease_key": f"{maker.dice.getrandbits(128):032x}" if caching else None,
        "lease_state": caching,
        "delete_pending": path.startswith("Copier"),
        "durable": "persistent" if is_persistent else "durable" if is_durable else "",
        "timeout_ms": 60_000 if is_durable else 0,
        "client_guid": str(uuid.UUID(int=maker.dice.getrandbits(128))),
        "create_guid": None,
        "app_instance_id": None,
        "file_key": f"64769:{131_072 + key % 4096}",
        "locks": 3 if path.endswith(".accdb") else 0,
        "opened_at": maker.earlier(timedelta(hours=3)),
        "last_io_at": maker.earlier(timedelta(minutes=15)),
        "bytes_read": maker.dice.randrange(1 << 28),
        "bytes_written": maker.dice.randrange(1 << 24) if mask == _WRITE else 0,
        "doc": {},
        **maker.common(),
    }


def _lease_and_locks(maker: _Maker, values: dict[str, Any]) -> None:
    if values["lease_key"]:
        row = {
            "client_guid": values["client_guid"],
            "lease_key": values["lease_key"],
            "file_key": values["file_key"],
            "parent_key": None,
            "state": values["lease_state"],
            "breaking_to": "RH" if values["path"].endswith("section B.dwg") else None,
            "epoch": maker.dice.randrange(1, 9),
            "version": 2,
            **maker.common(),
        }
        maker.connection.execute(insert(lease).values(**row))
    for number in range(values["locks"]):
        row = {
            "open_key": values["key"],
            "offset": (1 << 62) + number * 16,
            "length": 1 + number,
            "exclusive": number == 0,
            **maker.common(),
        }
        maker.connection.execute(insert(byte_range).values(**row))


_STOLEN = {"condition": "user", "status": "ACCESS_DENIED", "times": 3}


def _history(connection: Connection, now: datetime) -> None:
    console = "192.168.20.9"
    deeds: tuple[tuple[float, str, str, str, str, str, dict[str, Any]], ...] = (
        (30, "admin", "share.create", "share Scans", "done", console, {"path": "/srv/scans"}),
        (26, "admin", "user.create", "user hiro", "done", console, {"role": "user"}),
        (7, "admin", "share.change", "share Accounting", "done", console, {"changes": {"encrypt": True}}),
        (2, "", "sign_in", "an unknown user", "refused", "203.0.113.80", {"condition": "name", "over": "web"}),
        (1.5, "ben", "handle.reconnect", "Projects\\Title block.dwg", "refused", "192.168.20.44", _STOLEN),
        (0.8, "admin", "open.close", "Projects\\Title block.dwg", "done", console, {"user": "ben"}),
        (0.2, "admin", "session.disconnect", "dmitri", "done", console, {"client": "192.168.20.52"}),
    )
    for hours, actor, action, what, outcome, address, detail in deeds:
        entry = audit.Entry(actor, action, what, outcome, address, detail)
        audit.record(connection, entry, now=now - timedelta(hours=hours))
