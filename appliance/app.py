"""Puts the management service together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from appliance.api import health
from appliance.security.headers import SecurityHeaders
from appliance.state import AppState

_LARGEST_BODY = 1 << 20


def create_app(state: AppState) -> FastAPI:
    """Return the application; it keeps `state` but does not close it."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            watcher = tasks.create_task(state.feed.run())
            yield
            state.feed.close()
            watcher.cancel()

    app = FastAPI(
        title="Holdfast",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        max_body_size=_LARGEST_BODY,
    )
    app.state.holdfast = state
    app.add_middleware(SecurityHeaders)
    app.include_router(health.router)
    return app
