"""The first page."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from appliance.pages.context import Page
from appliance.pages.rendering import is_fragment_request
from appliance.services.overview import read_overview

router = APIRouter()


@router.get("/")
def show(page: Page) -> Response:
    """Show what needs attention, what goes on, and what happened last."""
    template = "fragments/overview.html" if is_fragment_request(page.request) else "pages/overview.html"
    return page.render(template, overview=read_overview(page.work), host=page.request.url.hostname or "")
