"""What routes ask for: the shared state, and who is calling."""

from __future__ import annotations

from fastapi import Request

from appliance.state import AppState


def get_state(request: Request) -> AppState:
    """Return what the process shares among requests."""
    state: AppState = request.app.state.holdfast
    return state
