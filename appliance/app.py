"""Puts the management service together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles

from appliance import failures
from appliance.api import activity, health, people, settings, shares, space, system
from appliance.api.dependencies import Call, rules
from appliance.models.system import ProblemShape
from appliance.pages import routes
from appliance.pages.rendering import STATIC_FOLDER, Renderer
from appliance.problems import Problem
from appliance.security.headers import SecurityHeaders
from appliance.security.limits import TOO_LARGE, BodyLimit
from appliance.state import AppState
from appliance.upkeep import Upkeep

_LARGEST_BODY = 1 << 20
_PROBLEM = {"model": ProblemShape, "description": "Refused (RFC 9457, `application/problem+json`)."}


def create_app(state: AppState) -> FastAPI:
    """Return the application; it keeps `state` but does not close it."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            watcher = tasks.create_task(state.feed.run())
            upkeep = tasks.create_task(Upkeep(state.engine, state.clock).run())
            yield
            state.feed.close()
            watcher.cancel()
            upkeep.cancel()

    app = FastAPI(
        title="Holdfast",
        summary="Manage an SMB file server: shares, people, and what goes on now.",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    app.state.holdfast = state
    app.state.renderer = renderer = Renderer()
    failures.install(app, renderer.error_page)

    def refuse(request: Request) -> Response:
        detail = f"A body may have at most {_LARGEST_BODY:,} bytes."
        problem = Problem(TOO_LARGE, "content-too-large", "The body is too large", detail)
        return failures.respond(request, problem, renderer.error_page)

    app.add_middleware(BodyLimit, limit=_LARGEST_BODY, refuse=refuse)
    app.add_middleware(failures.LastResort, error_page=renderer.error_page)
    app.add_middleware(SecurityHeaders)
    app.include_router(health.router)
    app.include_router(_api())
    app.include_router(routes.router, include_in_schema=False)
    app.mount("/static", StaticFiles(directory=STATIC_FOLDER), name="static")
    return app


def _api() -> APIRouter:
    router = APIRouter(prefix="/api/v1", responses={"4XX": _PROBLEM, "5XX": _PROBLEM})
    for part in (shares.router, space.router, people.router, activity.router, settings.router, system.router):
        router.include_router(part)

    @router.get("/openapi.json", include_in_schema=False, **rules("activity:read"))
    def openapi(call: Call, request: Request) -> JSONResponse:
        """Describe this API."""
        return JSONResponse(request.app.openapi())

    return router
