"""holdfast status: who is connected and what is open."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from appliance.commands.common import DatabaseOption, DataOption, opened
from appliance.commands.tables import print_table
from appliance.services.smbstatus import read_status
from smbcore.nt import access


def status(
    data: DataOption,
    database_url: DatabaseOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, laid out as `smbstatus --json`.")] = False,
) -> None:
    """Show sessions, connected shares and open files."""
    with opened(data, database_url) as session, session.engine.connect() as connection:
        found = read_status(connection, session.now)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    typer.echo(f"\n{found['version']}")
    _print_sessions(found)
    _print_tcons(found)
    _print_files(found)


def _print_sessions(found: Mapping[str, Any]) -> None:
    rows = [
        (
            item["session_id"],
            item["username"],
            f"{item['remote_machine']} ({item['hostname']})",
            item["session_dialect"],
            _protection(item["encryption"]),
            _protection(item["signing"]),
        )
        for item in found["sessions"].values()
    ]
    _section("", ("Session", "Username", "Machine", "Protocol Version", "Encryption", "Signing"), rows)


def _print_tcons(found: Mapping[str, Any]) -> None:
    rows = [
        (
            item["service"],
            item["session_id"],
            item["machine"],
            item["connected_at"],
            _protection(item["encryption"]),
            _protection(item["signing"]),
        )
        for item in found["tcons"].values()
    ]
    _section("", ("Service", "Session", "Machine", "Connected at", "Encryption", "Signing"), rows)


def _print_files(found: Mapping[str, Any]) -> None:
    rows = [
        (
            item["server_id"]["pid"],
            _deny_mode(item["sharemode"]),
            item["access_mask"]["hex"],
            _read_write(int(item["access_mask"]["hex"], 16)),
            _oplock(item),
            file["service_path"],
            file["filename"],
            item["opened_at"],
        )
        for file in found["open_files"].values()
        for item in file["opens"].values()
    ]
    if not rows:
        typer.echo("\nNo locked files")
        return
    _section("Locked files:", ("Session", "DenyMode", "Access", "R/W", "Oplock", "SharePath", "Name", "Time"), rows)


def _section(title: str, head: tuple[str, ...], rows: Sequence[Sequence[str]]) -> None:
    typer.echo(f"\n{title}".rstrip() if title else "")
    print_table(head, rows)


def _protection(item: Mapping[str, str]) -> str:
    return "-" if item["degree"] == "none" else f"{item['degree']}({item['cipher']})"


def _deny_mode(mode: Mapping[str, Any]) -> str:
    if mode["READ"] and mode["WRITE"]:
        return "DENY_NONE"
    if mode["READ"]:
        return "DENY_WRITE"
    return "DENY_READ" if mode["WRITE"] else "DENY_ALL"


def _read_write(mask: int) -> str:
    reads = mask & (access.FILE_READ_DATA | access.FILE_EXECUTE)
    writes = mask & (access.FILE_WRITE_DATA | access.FILE_APPEND_DATA)
    if reads and writes:
        return "RDWR"
    return "WRONLY" if writes else "RDONLY"


def _oplock(item: Mapping[str, Any]) -> str:
    if item["lease"]:
        return f"LEASE({item['lease']['text']})"
    return str(item["oplock"].get("text", "NONE")).upper() if item["oplock"] else "NONE"
