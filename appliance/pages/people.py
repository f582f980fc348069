"""People: users, groups and API tokens."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import Connection
from starlette.datastructures import FormData

from appliance.models.people import Group, GroupCreate, TokenCreate, User, UserChange, UserCreate
from appliance.models.shares import Share
from appliance.pages.context import Page, PageContext, Posted, text, texts, ticked, version_of
from appliance.pages.forms import FormErrors
from appliance.pages.rendering import done, is_fragment_request
from appliance.problems import invalid
from appliance.services import people, shares, tokens
from appliance.services.activity import ActivityFilter, list_sessions
from appliance.services.audit_log import AuditFilter, search
from appliance.services.paging import PageRequest
from appliance.services.scopes import SCOPES

router = APIRouter(prefix="/people")

_PROTECTION = ("signing_required", "encryption_required")
_SIGN_INS = 8
_TOKEN_DAYS = {"30": "in 30 days", "90": "in 90 days", "365": "in a year", "": "never"}
_SHOWN = 50


@router.get("")
def index(page: Page) -> Response:
    """Begin with the users."""
    return RedirectResponse("/people/users", 303)


@router.get("/users")
def users(page: Page) -> Response:
    """List the users."""
    with page.work.engine.connect() as connection:
        found = people.list_users(connection)
    return page.render(_template(page, "users"), users=found)


@router.get("/users/new")
def show_new_user(page: Page) -> Response:
    """Show an empty form."""
    empty = {"name": "", "full_name": "", "role": "user", "groups": []} | dict.fromkeys(_PROTECTION, False)
    return _draw_user_form(page, empty, FormErrors())


@router.post("/users/new")
def create_user(page: Page, form: Posted) -> Response:
    """Add a user, and put them into groups."""
    values: dict[str, Any] = {name: text(form, name) for name in ("name", "full_name", "role")}
    values |= {name: ticked(form, name) for name in _PROTECTION}
    groups, errors = texts(form, "group"), _repeated(form)
    if not errors:
        with errors.noted():
            made = people.create_user(
                page.work, UserCreate.model_validate(values | {"password": text(form, "password")})
            )
            _join(page, made.name, groups)
            return done(page.request, f"/people/users/{made.name}", f"The user {made.name} was added.")
    return _draw_user_form(page, values | {"groups": groups}, errors)


@router.get("/users/{name}")
def show_user(page: Page, name: str) -> Response:
    """Show a user: who they are, what they reach, where they are signed in."""
    return _draw_user(page, name, FormErrors())


@router.post("/users/{name}")
def change_user(page: Page, name: str, form: Posted) -> Response:
    """Change a user."""
    errors = FormErrors()
    changes: dict[str, Any] = {key: text(form, key) for key in ("name", "full_name", "role")}
    changes |= {key: ticked(form, key) for key in ("enabled", *_PROTECTION)}
    wanted = texts(form, "group")
    with errors.noted():
        UserChange.model_validate(changes)
        changed = people.change_user(page.work, name, changes, version_of(form))
        _join(page, changed.name, wanted)
        return done(page.request, f"/people/users/{changed.name}", f"The user {changed.name} was changed.")
    return _draw_user(page, name, errors, changes | {"groups": wanted})


@router.post("/users/{name}/password")
def set_password(page: Page, name: str, form: Posted) -> Response:
    """Set a new password."""
    errors = _repeated(form)
    if not errors:
        with errors.noted():
            people.set_password(page.work, name, text(form, "password"))
            return done(page.request, f"/people/users/{name}", f"{name} has a new password.")
    return _draw_user(page, name, errors, is_password=True)


@router.get("/users/{name}/remove")
def ask_remove_user(page: Page, name: str) -> Response:
    """Ask before removing a user."""
    with page.work.engine.connect() as connection:
        found = people.get_user(connection, name)
        sessions = list_sessions(connection, ActivityFilter(user=found.name)).items
    return _ask(
        page,
        title=f"Remove the user {found.name}?",
        summary=f"{len(sessions)} of their sessions will end." if sessions else "They are not connected now.",
        action=f"/people/users/{found.name}/remove",
        verb="Remove user",
        keep="Keep user",
        unaffected="Their files stay on disk. Their lines in access lists are removed.",
        back=f"/people/users/{found.name}",
    )


@router.post("/users/{name}/remove")
def remove_user(page: Page, name: str, form: Posted) -> Response:
    """Remove a user."""
    people.remove_user(page.work, name, None)
    return done(page.request, "/people/users", f"The user {name} was removed.")


@router.get("/groups")
def groups(page: Page) -> Response:
    """List the groups."""
    with page.work.engine.connect() as connection:
        found = people.list_groups(connection)
    return page.render(_template(page, "groups"), groups=found)


@router.get("/groups/new")
def show_new_group(page: Page) -> Response:
    """Show an empty form."""
    return _draw_group_form(page, None, {"name": "", "comment": "", "members": []}, FormErrors())


@router.post("/groups/new")
def create_group(page: Page, form: Posted) -> Response:
    """Add a group."""
    values, errors = _group_values(form), FormErrors()
    with errors.noted():
        made = people.create_group(page.work, GroupCreate.model_validate(values))
        return done(page.request, "/people/groups", f"The group {made.name} was added.")
    return _draw_group_form(page, None, values, errors)


@router.get("/groups/{name}")
def show_group(page: Page, name: str) -> Response:
    """Show the form of a group."""
    with page.work.engine.connect() as connection:
        found = people.get_group(connection, name)
    return _draw_group_form(page, found, found.model_dump(), FormErrors())


@router.post("/groups/{name}")
def change_group(page: Page, name: str, form: Posted) -> Response:
    """Change a group."""
    values, errors = _group_values(form), FormErrors()
    with page.work.engine.connect() as connection:
        found = people.get_group(connection, name)
    with errors.noted():
        changed = people.change_group(page.work, name, values, version_of(form))
        return done(page.request, "/people/groups", f"The group {changed.name} was changed.")
    return _draw_group_form(page, found, values, errors)


@router.get("/groups/{name}/remove")
def ask_remove_group(page: Page, name: str) -> Response:
    """Ask before removing a group."""
    with page.work.engine.connect() as connection:
        found = people.get_group(connection, name)
    return _ask(
        page,
        title=f"Remove the group {found.name}?",
        summary=f"{len(found.members)} members lose what the group allows them.",
        action=f"/people/groups/{found.name}/remove",
        verb="Remove group",
        keep="Keep group",
        unaffected="Its members stay, and so do their files.",
        back=f"/people/groups/{found.name}",
    )


@router.post("/groups/{name}/remove")
def remove_group(page: Page, name: str, form: Posted) -> Response:
    """Remove a group."""
    people.remove_group(page.work, name, None)
    return done(page.request, "/people/groups", f"The group {name} was removed.")


@router.get("/tokens")
def show_tokens(page: Page) -> Response:
    """List the API tokens, with a form for another one."""
    return _draw_tokens(page, FormErrors())


@router.post("/tokens")
def create_token(page: Page, form: Posted) -> Response:
    """Make a token and show it, once."""
    errors, days = FormErrors(), text(form, "days")
    with errors.noted():
        wanted = TokenCreate.model_validate(
            {"name": text(form, "name"), "scopes": texts(form, "scope"), "expires_at": _end(page, days)}
        )
        made = tokens.create_token(page.work, wanted, page.caller.scopes)
        return _draw_tokens(page, errors, made=made.token)
    return _draw_tokens(page, errors, {"name": text(form, "name"), "days": days, "scopes": texts(form, "scope")})


@router.post("/tokens/{token_id}/revoke")
def revoke_token(page: Page, token_id: str, form: Posted) -> Response:
    """End a token."""
    tokens.revoke_token(page.work, token_id)
    return done(page.request, "/people/tokens", "The token was revoked.")


def _template(page: PageContext, name: str) -> str:
    return f"{'fragments' if is_fragment_request(page.request) else 'pages'}/{name}.html"


def _draw_user_form(page: PageContext, values: dict[str, Any], errors: FormErrors) -> Response:
    with page.work.engine.connect() as connection:
        found = people.list_groups(connection)
    return page.render("pages/user_new.html", status=422 if errors else 200, values=values, groups=found, errors=errors)


def _draw_user(
    page: PageContext,
    name: str,
    errors: FormErrors,
    typed: dict[str, Any] | None = None,
    *,
    is_password: bool = False,
) -> Response:
    """Draw a user with two forms; `errors` are those of the second where it `is_password`."""
    none = FormErrors()
    with page.work.engine.connect() as connection:
        found = people.get_user(connection, name)
        values = {
            "user": found,
            "values": found.model_dump() | (typed or {}),
            "errors": none if is_password else errors,
            "password_errors": errors if is_password else none,
            "groups": people.list_groups(connection),
            "sessions": list_sessions(connection, ActivityFilter(user=found.name), PageRequest(_SHOWN)).items,
            "reach": _reach(connection, found),
            "sign_ins": search(connection, AuditFilter(action="sign_in", about=f"user {found.name}"), _SIGN_INS).items,
        }
    return page.render("pages/user.html", status=422 if errors else 200, **values)


def _reach(connection: Connection, user: User) -> list[tuple[Share, str, str]]:
    """Return the shares that a user may use: (share, level, through what)."""
    mine = {"everyone": "everyone", f"user:{user.name}": "directly"}
    mine |= {f"group:{name}": f"group {name}" for name in user.groups}
    order = ("read", "change", "full", "deny")
    found: list[tuple[Share, str, str]] = []
    for share in shares.list_shares(connection):
        lines = [line for line in share.access if line.principal in mine]
        if lines:
            best = max(lines, key=lambda line: order.index(line.level))
            found.append((share, best.level, mine[best.principal]))
    return found


def _join(page: PageContext, name: str, wanted: list[str]) -> None:
    """Put a user into exactly these groups."""
    with page.work.engine.connect() as connection:
        found = people.list_groups(connection)
    for group in found:
        is_member = name in group.members
        if is_member != (group.name in wanted):
            members = [member for member in group.members if member != name] + ([] if is_member else [name])
            people.change_group(page.work, group.name, {"members": members}, group.version)


def _draw_group_form(page: PageContext, group: Group | None, values: dict[str, Any], errors: FormErrors) -> Response:
    with page.work.engine.connect() as connection:
        found = people.list_users(connection)
    return page.render(
        "pages/group_form.html",
        status=422 if errors else 200,
        group=group,
        values=values,
        users=found,
        errors=errors,
    )


def _end(page: PageContext, days: str) -> datetime | None:
    """Return when a token ends, None for never.  Raises Problem 422."""
    if days not in _TOKEN_DAYS:
        raise invalid("days", "Choose one of these.")
    return page.work.now + timedelta(days=int(days)) if days else None


def _draw_tokens(
    page: PageContext, errors: FormErrors, typed: dict[str, Any] | None = None, made: str = ""
) -> Response:
    with page.work.engine.connect() as connection:
        found = tokens.list_tokens(connection)
    return page.render(
        "pages/tokens.html",
        status=422 if errors else 200,
        tokens=found,
        scopes=SCOPES,
        ends=_TOKEN_DAYS,
        values=typed or {"name": "", "days": "90", "scopes": []},
        made=made,
        errors=errors,
    )


def _group_values(form: FormData) -> dict[str, Any]:
    return {"name": text(form, "name"), "comment": text(form, "comment"), "members": texts(form, "member")}


def _repeated(form: FormData) -> FormErrors:
    errors = FormErrors()
    if text(form, "password") != text(form, "password_again"):
        errors.fields["password"] = "The two passwords differ."  # noqa: S105
    return errors


def _ask(page: PageContext, **values: Any) -> Response:
    template = "dialogs/confirm.html" if is_fragment_request(page.request) else "pages/confirm.html"
    return page.render(template, impact=None, **values)
