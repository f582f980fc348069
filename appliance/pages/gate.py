"""Set-up, sign-in and sign-out: the pages for those who are not signed in."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.datastructures import FormData

from appliance.api.dependencies import client_address, get_state, make_work
from appliance.pages.context import THEME_COOKIE, Page, Posted, common, renderer, text, ticked
from appliance.pages.forms import FormErrors
from appliance.problems import Problem
from appliance.security.browser import (
    CSRF_FIELD,
    FORM_COOKIE,
    SESSION_COOKIE,
    check_csrf,
    clear_session_cookie,
    set_form_cookie,
    set_session_cookie,
)
from appliance.services.first_run import FirstRun, link_invalid, set_up
from appliance.services.setup import is_setup_needed
from appliance.services.sign_in import find_by_cookie, sign_in, sign_out
from appliance.services.work import Actor
from appliance.state import AppState
from smbcore.state.secrets import new_secret
from smbcore.state.settings import read_settings
from smbcore.state.setup_codes import is_setup_code

router = APIRouter()

State = Annotated[AppState, Depends(get_state)]


async def gate_form(request: Request) -> FormData:
    """Read a form of somebody who is not signed in, and check that it was ours."""
    form = await request.form()
    check_csrf(request.cookies.get(FORM_COOKIE, ""), text(form, CSRF_FIELD))
    return form


GateForm = Annotated[FormData, Depends(gate_form)]


@router.get("/sign-in")
def show_sign_in(request: Request, state: State) -> Response:
    """Show the sign-in form, or lead on when there is no need of one."""
    if find_by_cookie(state.engine, request.cookies.get(SESSION_COOKIE, ""), state.clock.now()) is not None:
        return RedirectResponse("/", 303)
    with state.engine.connect() as connection:
        if is_setup_needed(connection):
            return _draw(request, state, "pages/setup_waiting.html")
    return _draw(request, state, "pages/sign_in.html", name="", errors=FormErrors(), next=_next(request))


@router.post("/sign-in")
def do_sign_in(request: Request, state: State, form: GateForm) -> Response:
    """Check name and password."""
    name = text(form, "name")
    work = make_work(state, Actor(name[:64], client_address(request)))
    try:
        cookie = sign_in(work, state.throttle, name, text(form, "password"))
    except Problem as problem:
        if problem.status not in (401, 403, 429):
            raise
        values = {"name": name, "errors": FormErrors(problem.detail), "next": text(form, "next")}
        answer = _draw(request, state, "pages/sign_in.html", status=problem.status, **values)
        answer.headers.update(problem.headers)
        return answer
    response = RedirectResponse(_local(text(form, "next")), 303)
    set_session_cookie(request, response, cookie)
    response.delete_cookie(FORM_COOKIE, httponly=True, samesite="strict")
    return response


@router.post("/sign-out")
def do_sign_out(page: Page, form: Posted) -> Response:
    """End the browser session."""
    sign_out(page.work, page.caller.session)
    response = RedirectResponse("/sign-in", 303)
    clear_session_cookie(response)
    return response


@router.post("/theme")
def choose_theme(request: Request, page: Page, form: Posted) -> Response:
    """Remember light, dark, or as the system says."""
    response = RedirectResponse(_local(text(form, "next")), 303)
    response.set_cookie(THEME_COOKIE, text(form, "theme"), max_age=365 * 86_400, httponly=True, samesite="strict")
    return response


@router.get("/setup")
def show_setup(request: Request, state: State, code: str = "") -> Response:
    """Show the set-up form to whoever has the link."""
    with state.engine.connect() as connection:
        if not is_setup_needed(connection):
            return RedirectResponse("/sign-in", 303)
        is_valid = is_setup_code(connection, code, now=state.clock.now())
    if not is_valid:
        raise link_invalid()
    return _draw_setup(request, state, {"code": code, "administrator": "admin"}, FormErrors())


@router.post("/setup")
def do_setup(request: Request, state: State, form: GateForm) -> Response:
    """Make the first administrator, user and share, and sign the administrator in."""
    names = ("code", "administrator", "user", "user_full_name", "share_name", "share_path")
    values = {name: text(form, name) for name in names}
    password, user_password = text(form, "administrator_password"), text(form, "user_password")
    errors = _repeated(form)
    work = make_work(state, Actor(values["administrator"] or "set-up", client_address(request)))
    wanted = FirstRun(
        administrator_password=password,
        user_password=user_password,
        create_folder=ticked(form, "create_folder"),
        **values,
    )
    if not errors:
        with errors.noted():
            set_up(work, wanted)
    if errors:
        return _draw_setup(request, state, values, errors)
    response = RedirectResponse("/", 303)
    set_session_cookie(request, response, sign_in(work, state.throttle, wanted.administrator, password))
    return response


def _repeated(form: FormData) -> FormErrors:
    errors = FormErrors()
    for name in ("administrator_password", "user_password"):
        if text(form, name) != text(form, f"{name}_again"):
            errors.fields[name] = "The two passwords differ."
    return errors


def _draw_setup(request: Request, state: AppState, values: dict[str, str], errors: FormErrors) -> HTMLResponse:
    suggested = state.installation.directory.path / "shares" / "files"
    defaults = {"user": "", "user_full_name": "", "share_name": "files", "share_path": str(suggested)}
    status = 422 if errors else 200
    return _draw(request, state, "pages/setup.html", status=status, values=defaults | values, errors=errors)


def _draw(request: Request, state: AppState, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Draw a page with a form cookie, which the form must carry too."""
    secret = request.cookies.get(FORM_COOKIE, "") or new_secret()
    with state.engine.connect() as connection:
        server_name = read_settings(connection).server_name
    shown = {**common(request), "caller": None, "csrf": secret, "server_name": server_name, **values}
    response = HTMLResponse(renderer(request).text(template, shown), status)
    set_form_cookie(request, response, secret)
    return response


def _next(request: Request) -> str:
    return _local(request.query_params.get("next", "/"))


def _local(target: str) -> str:
    """Return the target if it is a path of ours, "/" otherwise: no open redirect."""
    is_path = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if is_path else "/"
