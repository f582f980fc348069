"""/settings: what holds for the whole server."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from appliance.api.dependencies import Call, CallContext, ExpectedVersion, entity_tag, given, rules, showing_current
from appliance.models.settings import ServerSettings, SettingsChange, SettingsImpact
from appliance.services import settings

router = APIRouter(prefix="/settings", tags=["settings"])

_DryRun = Annotated[bool, Query(description="Do nothing, and tell whom it would concern.")]


@router.get("", summary="Get the settings", **rules("settings:read"))
def get_settings(call: Call, response: Response) -> ServerSettings:
    """Return the settings with their entity tag."""
    found = _read(call)
    response.headers["ETag"] = entity_tag(found.version)
    return found


@router.patch("", summary="Change settings", **rules("settings:write", "settings.change"))
def change_settings(
    call: Call, change: SettingsChange, expected: ExpectedVersion, response: Response, dry_run: _DryRun = False
) -> ServerSettings | SettingsImpact:
    """Change the settings that are given. They hold for new connections; sessions that exist go on as they are."""
    changes = given(change)
    if dry_run:
        with call.work.engine.connect() as connection:
            return settings.settings_impact(connection, changes, call.work.now)
    with showing_current(lambda: _read(call)):
        saved = settings.change_settings(call.work, changes, expected)
    response.headers["ETag"] = entity_tag(saved.settings.version)
    response.headers["X-Holdfast-Applied"] = "true" if saved.applied else "false"
    return saved.settings


def _read(call: CallContext) -> ServerSettings:
    with call.work.engine.connect() as connection:
        return settings.get_settings(connection)
