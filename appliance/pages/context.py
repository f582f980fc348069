"""What pages ask for: who is signed in, forms, and a way to draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse
from starlette.datastructures import FormData

from appliance.api.dependencies import client_address, get_state, make_work
from appliance.pages.rendering import Renderer, forget_notice, take_notice
from appliance.problems import unauthenticated
from appliance.security.browser import CSRF_FIELD, SESSION_COOKIE, check_csrf
from appliance.services.sign_in import Caller, find_by_cookie
from appliance.services.work import Actor, Work
from appliance.state import AppState
from smbcore.state.settings import read_settings

THEME_COOKIE = "holdfast_theme"
_THEMES = ("light", "dark")
_DIGITS = 19  # so many fit into a version of the database


@dataclass(frozen=True, slots=True)
class PageContext:
    """One request for a page by somebody who is signed in."""

    request: Request
    state: AppState
    caller: Caller
    work: Work

    def render(self, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
        """Draw a page with what every page shows."""
        with self.state.engine.connect() as connection:
            settings = read_settings(connection)
        notice = take_notice(self.request)
        shown = {
            **common(self.request),
            "caller": self.caller,
            "csrf": self.caller.csrf,
            "now": self.work.now,
            "server_name": settings.server_name,
            "notice": notice,
            **values,
        }
        response = HTMLResponse(renderer(self.request).text(template, shown), status)
        if notice:
            forget_notice(response)
        return response


def renderer(request: Request) -> Renderer:
    """Return the application's renderer."""
    found: Renderer = request.app.state.renderer
    return found


def common(request: Request) -> dict[str, Any]:
    """Return what every template may use, signed in or not."""
    theme = request.cookies.get(THEME_COOKIE, "")
    query = f"?{request.url.query}" if request.url.query else ""
    return {
        "path": request.url.path,
        "address": f"{request.url.path}{query}",
        "theme": theme if theme in _THEMES else "",
    }


def signed_in(request: Request, state: Annotated[AppState, Depends(get_state)]) -> PageContext:
    """Let a signed-in administrator through; everybody else is led to the sign-in page."""
    cookie = request.cookies.get(SESSION_COOKIE, "")
    caller = find_by_cookie(state.engine, cookie, state.clock.now()) if cookie else None
    if caller is None:
        raise unauthenticated("Sign in to see this page.")
    actor = Actor(caller.name, client_address(request), caller.account_id)
    return PageContext(request, state, caller, make_work(state, actor))


Page = Annotated[PageContext, Depends(signed_in)]


async def posted(request: Request, page: Page) -> FormData:
    """Read a form that was sent on purpose."""
    form = await request.form()
    check_csrf(page.caller.csrf, text(form, CSRF_FIELD))
    return form


Posted = Annotated[FormData, Depends(posted)]


def text(form: FormData, name: str) -> str:
    """Return a text input; "" when it was not sent."""
    value = form.get(name, "")
    if not isinstance(value, str):
        return ""
    return value if "password" in name else value.strip()


def texts(form: FormData, name: str) -> list[str]:
    """Return all values of an input that may be repeated."""
    return [value for value in form.getlist(name) if isinstance(value, str)]


def version_of(form: FormData) -> int:
    """Return the version that a form was drawn from; one that never exists when it is missing."""
    version = text(form, "version")
    return int(version) if version.isdecimal() and len(version) < _DIGITS else -1


def ticked(form: FormData, name: str) -> bool:
    """Tell whether a check box was ticked."""
    return name in form
