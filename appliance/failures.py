"""Turns refusals and bugs into answers: problem+json for the API, a page for browsers."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from appliance.advice import advice
from appliance.problems import FieldError, Problem
from smbcore.state.errors import ConflictError, NotFoundError, StateError

_log = logging.getLogger(__name__)

ErrorPage = Callable[[Request, Problem], Response]
_PLAIN = ("/api/", "/health/")


def install(app: FastAPI, error_page: ErrorPage) -> None:
    """Answer every exception; `error_page` draws the page that browsers get."""

    async def answer(request: Request, error: Exception) -> Response:
        return respond(request, problem_of(error), error_page)

    handler: Callable[[Request, Exception], Awaitable[Response]] = answer
    for kind in (Problem, StateError, RequestValidationError, HTTPException, DBAPIError):
        app.add_exception_handler(kind, handler)


def respond(request: Request, problem: Problem, error_page: ErrorPage) -> Response:
    """Return a problem in the shape that the caller reads."""
    if request.url.path.startswith(_PLAIN):
        return JSONResponse(
            document(request, problem), problem.status, dict(problem.headers), "application/problem+json"
        )
    return error_page(request, problem)


def document(request: Request, problem: Problem) -> dict[str, Any]:
    """Return a problem as RFC 9457 has it."""
    found: dict[str, Any] = {
        "type": f"/docs/problems#{problem.code}",
        "title": problem.title,
        "status": problem.status,
        "code": problem.code,
        "detail": problem.detail or problem.title,
        "instance": request.url.path,
        "trace_id": request.scope.get("trace_id", ""),
        **problem.extra,
    }
    if problem.errors:
        found["errors"] = [
            {"pointer": "/" + error.field.replace(".", "/"), "detail": error.message} for error in problem.errors
        ]
    return found


def problem_of(error: Exception) -> Problem:
    """Return what an exception means for the caller."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, NotFoundError):
        return Problem(404, "not-found", "There is no such object", error.message)
    if isinstance(error, ConflictError):
        return Problem(412, "changed-meanwhile", "Someone else changed this meanwhile", error.message)
    if isinstance(error, StateError):
        errors = (FieldError(error.field, error.message),) if error.field else ()
        return Problem(422, "invalid-input", "The input cannot be used", error.message, errors)
    if isinstance(error, RequestValidationError):
        return _invalid_request(error)
    if isinstance(error, HTTPException):
        phrase = HTTPStatus(error.status_code).phrase
        code = phrase.lower().replace(" ", "-")
        return Problem(error.status_code, code, phrase, str(error.detail), headers=error.headers or {})
    _log.error("the database failed: %s", error)
    return Problem(503, "database-failing", "The database does not work", "Try again in a moment.")


def _invalid_request(error: RequestValidationError) -> Problem:
    errors = tuple(
        FieldError(".".join(str(part) for part in item["loc"][1:]) or str(item["loc"][0]), advice(item))
        for item in error.errors()
    )
    is_unreadable = any(item["type"] == "json_invalid" for item in error.errors())
    if is_unreadable:
        return Problem(400, "unreadable", "The request cannot be read", "The body is not JSON.")
    detail = f"{errors[0].field}: {errors[0].message}"
    return Problem(422, "invalid-input", "The input cannot be used", detail, errors)


class LastResort:
    """ASGI middleware: gives every request a trace id, and answers bugs without telling what they were."""

    def __init__(self, app: ASGIApp, error_page: ErrorPage) -> None:
        self._app = app
        self._error_page = error_page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; log and answer what nobody has caught."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["trace_id"] = trace_id = secrets.token_hex(8)
        started = False

        async def send_noticing(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message["headers"], (b"x-request-id", trace_id.encode())]
            await send(message)

        try:
            await self._app(scope, receive, send_noticing)
        except Exception:
            _log.exception("%s %s failed (trace %s)", scope["method"], scope["path"], trace_id)
            if started:
                raise
            problem = Problem(
                500, "internal", "The server failed", f"This is a fault of the server; its log says more at {trace_id}."
            )
            await respond(Request(scope), problem, self._error_page)(scope, receive, send_noticing)
