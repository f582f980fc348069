"""Cookies and the proof that a browser sent a request on purpose.

A form carries its session's CSRF secret, a script sends it in a header.  Before anybody is signed in there is no
session, so the sign-in and set-up forms carry the value of a cookie that was set with the form.  All cookies are
HttpOnly and SameSite=Strict.
"""

from __future__ import annotations

import hmac

from starlette.requests import Request
from starlette.responses import Response

from appliance.problems import forbidden
from smbcore.state.web_sessions import LIFETIME

SESSION_COOKIE = "holdfast_session"
FORM_COOKIE = "holdfast_form"
CSRF_FIELD = "csrf_token"
CSRF_HEADER = "X-CSRF-Token"


def check_csrf(expected: str, given: str) -> None:
    """Raise Problem 403 unless the secret is the expected one."""
    if not expected or not hmac.compare_digest(expected.encode(), given.encode()):
        raise forbidden("The form has expired: load the page again and repeat.", "csrf-mismatch")


def set_session_cookie(request: Request, response: Response, value: str) -> None:
    """Sign the browser in."""
    response.set_cookie(
        SESSION_COOKIE,
        value,
        max_age=int(LIFETIME.total_seconds()),
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )


def clear_session_cookie(response: Response) -> None:
    """Sign the browser out."""
    response.delete_cookie(SESSION_COOKIE, httponly=True, samesite="strict")


def set_form_cookie(request: Request, response: Response, value: str) -> None:
    """Remember what the next form must carry, for an hour."""
    response.set_cookie(
        FORM_COOKIE, value, max_age=3600, httponly=True, samesite="strict", secure=request.url.scheme == "https"
    )
