"""Settings of the whole server, with a look at who could not come back before they are saved."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response
from starlette.datastructures import FormData

from appliance.models.settings import SettingsChange, SettingsImpact
from appliance.pages.context import Page, PageContext, Posted, text, ticked, version_of
from appliance.pages.forms import FormErrors
from appliance.pages.rendering import done
from appliance.services import settings
from smbcore.state.configuration import DIALECTS

router = APIRouter(prefix="/settings")

_TEXTS = ("server_name", "workgroup", "server_comment", "min_dialect", "max_dialect")
_NUMBERS = (
    "session_lifetime_s", "durable_timeout_s", "break_timeout_s", "max_away", "max_kept_per_client",
    "max_kept_per_user", "max_kept_per_session", "max_unanswered_breaks", "audit_days", "audit_records",
)  # fmt: skip
_FLAGS = ("signing_required", "multichannel", "allow_guest")
_ENCRYPTION = {"off": (False, False), "offered": (True, False), "required": (True, True)}


@router.get("")
def show(page: Page) -> Response:
    """Show the settings."""
    with page.work.engine.connect() as connection:
        found = settings.get_settings(connection)
    return _draw(page, found.model_dump() | {"encryption": _encryption(found.model_dump())}, FormErrors(), None)


@router.post("")
def change(page: Page, form: Posted) -> Response:
    """Save the settings; first show whom that would keep from coming back, if anybody."""
    errors = FormErrors()
    impact: SettingsImpact | None = None
    with errors.noted():
        wanted = SettingsChange.model_validate(_given(form)).model_dump(exclude_unset=True)
        with page.work.engine.connect() as connection:
            current = settings.get_settings(connection).model_dump()
            changes = {name: value for name, value in wanted.items() if value != current[name]}
            impact = settings.settings_impact(connection, changes, page.work.now)
        if not (impact.sessions_refused or impact.audit_records_removed) or ticked(form, "accepted"):
            saved = settings.change_settings(page.work, changes, version_of(form))
            later = "" if saved.applied else " The SMB server is not running; it reads them when it starts."
            return done(page.request, "/settings", f"The settings were saved. {impact.summary}{later}")
    values = _given(form) | {"version": text(form, "version"), "encryption": text(form, "encryption")}
    return _draw(page, values, errors, None if errors else impact)


def _given(form: FormData) -> dict[str, Any]:
    offered, required = _ENCRYPTION.get(text(form, "encryption"), (True, False))
    values: dict[str, Any] = {name: text(form, name) for name in (*_TEXTS, *_NUMBERS)}
    values |= {flag: ticked(form, flag) for flag in _FLAGS}
    return values | {"encryption_offered": offered, "encryption_required": required}


def _encryption(values: dict[str, Any]) -> str:
    offered, required = bool(values["encryption_offered"]), bool(values["encryption_required"])
    return next(name for name, flags in _ENCRYPTION.items() if flags == (offered, required))


def _draw(page: PageContext, values: dict[str, Any], errors: FormErrors, impact: SettingsImpact | None) -> Response:
    status = 422 if errors else 409 if impact else 200
    return page.render(
        "pages/settings.html", status=status, values=values, errors=errors, impact=impact, dialects=DIALECTS
    )
