"""Server-wide settings: read and change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert

from smbcore.state import outbox
from smbcore.state.configuration import (
    DIALECTS,
    IDENTITY_SETTINGS,
    Settings,
    load_settings,
)
from smbcore.state.errors import StateError
from smbcore.state.options import OptionError, parse
from smbcore.state.schema import setting
from smbcore.state.validation import check_comment, check_netbios_name

TOPIC = "settings"


def read_settings(connection: Connection) -> Settings:
    """Return the settings; those never changed have their default."""
    return load_settings(connection)


def change_settings(connection: Connection, changes: Mapping[str, Any], *, now: datetime) -> Settings:
    """Change settings by name. Errors as `settings_with`."""
    changed = settings_with(connection, changes)
    store_settings(connection, changes, now=now)
    return changed


def settings_with(connection: Connection, changes: Mapping[str, Any]) -> Settings:
    """Return what the settings would be after a change.

    Errors:  StateError  unknown, fixed at initialisation, or not possible
    """
    for name in changes:
        if name in IDENTITY_SETTINGS:
            raise StateError(name, "This was given at initialisation and stays.")
    current = load_settings(connection)
    values = {item.name: getattr(current, item.name) for item in fields(Settings)} | dict(changes)
    try:
        changed = parse(Settings, values)
    except OptionError as error:
        raise StateError(error.option, error.message) from error
    _check(changed)
    return changed


def store_settings(connection: Connection, values: Mapping[str, Any], *, now: datetime) -> None:
    """Write values that were checked, and announce them."""
    if not values:
        return
    connection.execute(delete(setting).where(setting.c.name.in_(list(values))))
    connection.execute(
        insert(setting),
        [{"name": name, "value": value, "updated_at": now} for name, value in values.items()],
    )
    outbox.append(connection, [outbox.Change(TOPIC, "changed", name) for name in values], now=now)


def _check(settings: Settings) -> None:
    check_netbios_name("server_name", settings.server_name)
    check_netbios_name("workgroup", settings.workgroup)
    check_comment("server_comment", settings.server_comment)
    if DIALECTS.index(settings.min_dialect) > DIALECTS.index(settings.max_dialect):
        raise StateError("max_dialect", "The newest dialect must not be older than the oldest.")
    if settings.encryption_required and not settings.encryption_offered:
        raise StateError("encryption_offered", "Encryption that is required must be offered.")
