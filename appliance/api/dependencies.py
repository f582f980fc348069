"""What routes ask for: the shared state, who is calling, and which version a change expects.

Every route of the API declares its scope, and every changing one its audit action, with `rules`; the dependency
`Call` enforces the scope, so a route without one cannot be called at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Depends, Header, Query, Request
from fastapi.security import APIKeyCookie, HTTPBearer
from pydantic import BaseModel

from appliance.problems import Problem, forbidden, invalid, unauthenticated
from appliance.security.browser import CSRF_HEADER, SESSION_COOKIE, check_csrf
from appliance.services.paging import LARGEST_PAGE, PageRequest
from appliance.services.people import conflict
from appliance.services.scopes import ADMIN, allows
from appliance.services.sign_in import Caller, find_by_cookie, find_by_token
from appliance.services.work import Actor, Work
from appliance.state import AppState
from smbcore.state.errors import ConflictError

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_ENTITY_TAG = re.compile(r'"v([0-9]{1,9})"')

_bearer = HTTPBearer(auto_error=False, description="An API token: `hf_…`.")
_cookie = APIKeyCookie(
    name=SESSION_COOKIE, auto_error=False, description=f"A browser session; changes also need the header {CSRF_HEADER}."
)


def rules(scope: str, audit: str | None = None) -> dict[str, Any]:
    """Return the route arguments that declare a scope and an audit action."""
    extra = {"x-scope": scope}
    if audit is not None:
        extra["x-audit"] = audit
    return {"openapi_extra": extra}


def get_state(request: Request) -> AppState:
    """Return what the process shares among requests."""
    state: AppState = request.app.state.holdfast
    return state


def client_address(request: Request) -> str:
    """Return the caller's network address."""
    return request.client.host if request.client is not None else ""


def make_work(state: AppState, actor: Actor) -> Work:
    """Return a request's means."""
    return Work(state.engine, state.core, state.clock, state.key, state.passwords, actor)


def find_caller(request: Request, state: AppState) -> Caller | None:
    """Return who is calling, by token or by cookie; None when nobody who is known."""
    header = request.headers.get("authorization", "")
    kind, _, text = header.partition(" ")
    if header:
        return find_by_token(state.engine, text.strip(), state.clock.now()) if kind.lower() == "bearer" else None
    cookie = request.cookies.get(SESSION_COOKIE, "")
    return find_by_cookie(state.engine, cookie, state.clock.now()) if cookie else None


@dataclass(frozen=True, slots=True)
class CallContext:
    """One authorised request."""

    caller: Caller
    work: Work
    state: AppState
    is_still_welcome: Callable[[], bool]


def authorise(
    request: Request,
    state: Annotated[AppState, Depends(get_state)],
    _bearer_shown: Annotated[object, Depends(_bearer)],
    _cookie_shown: Annotated[object, Depends(_cookie)],
) -> CallContext:
    """Let the request through if the caller is known, holds the route's scope, and sent it on purpose."""
    caller = find_caller(request, state)
    if caller is None:
        raise unauthenticated("Send a valid API token, or sign in with the browser.")
    scope: str = request.scope["route"].openapi_extra["x-scope"]
    if not allows(caller.scopes, scope):
        raise Problem(403, "scope-missing", "The token lacks a scope", f"This needs the scope {scope}.")
    if caller.csrf and request.method not in _SAFE_METHODS:
        check_csrf(caller.csrf, request.headers.get(CSRF_HEADER, ""))
    actor = Actor(caller.name, client_address(request), caller.account_id)
    return CallContext(caller, make_work(state, actor), state, lambda: find_caller(request, state) is not None)


Call = Annotated[CallContext, Depends(authorise)]


def paging(
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE, description="Most entries to return.")] = 100,
    after: Annotated[str | None, Query(description="`next` of the page before.", max_length=2000)] = None,
    sort: Annotated[
        str | None, Query(description="Field to sort by; `-` in front for descending.", max_length=40)
    ] = None,
    count: Annotated[str | None, Query(description="`exact` to count all entries.", pattern="^exact$")] = None,
) -> PageRequest:
    """Read the parameters that all lists share."""
    return PageRequest(limit, after, sort, count is not None)


Paging = Annotated[PageRequest, Depends(paging)]


def expected_version(
    call: Call,
    if_match: Annotated[
        str | None,
        Header(description='The entity tag that the change is based on, `"v17"`; `*` for any, with scope `admin`.'),
    ] = None,
) -> int | None:
    """Read If-Match; None stands for any version."""
    if if_match is None:
        detail = "Send If-Match with the entity tag that you have read."
        raise Problem(428, "if-match-missing", "Say which version you are changing", detail)
    if if_match.strip() == "*":
        if ADMIN not in call.caller.scopes:
            raise forbidden("If-Match: * needs the scope admin.", "scope-missing")
        return None
    found = _ENTITY_TAG.fullmatch(if_match.strip())
    if found is None:
        raise Problem(400, "if-match-unreadable", "If-Match cannot be read", 'Send it as you got it: "v17".')
    return int(found[1])


ExpectedVersion = Annotated[int | None, Depends(expected_version)]


def entity_tag(version: int) -> str:
    """Return the entity tag of a row version."""
    return f'"v{version}"'


def location(collection: str, name: str) -> str:
    """Return the address of a named object."""
    return f"/api/v1/{collection}/{quote(name, safe='')}"


@contextmanager
def showing_current(read: Callable[[], BaseModel]) -> Iterator[None]:
    """Answer a conflict with 412 and the object as it is now."""
    try:
        yield
    except ConflictError as error:
        problem = conflict()
        problem.extra = {"current": read().model_dump(mode="json")}
        raise problem from error


def given(change: BaseModel, inside: str = "") -> dict[str, Any]:
    """Return the fields that a merge patch names, also of objects in it; null is not a value of any of ours."""
    values: dict[str, Any] = {}
    for name in change.model_fields_set:
        value = getattr(change, name)
        if value is None:
            raise invalid(f"{inside}{name}", f"{inside}{name} cannot be null.")
        values[name] = given(value, f"{inside}{name}.") if isinstance(value, BaseModel) else value
    return values
