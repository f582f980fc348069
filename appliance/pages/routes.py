"""All pages."""

from __future__ import annotations

from fastapi import APIRouter

from appliance.pages import activity, gate, overview, people, reference, settings, shares, space

router = APIRouter()
for _part in (
    gate.router,
    overview.router,
    activity.router,
    activity.live_router,
    shares.router,
    space.router,
    people.router,
    settings.router,
    reference.router,
):
    router.include_router(_part)
