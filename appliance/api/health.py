"""Signs of life for load balancers and supervisors; open to everybody and without any detail."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field
from sqlalchemy.exc import SQLAlchemyError

from appliance.api.dependencies import get_state
from appliance.problems import Problem
from appliance.state import AppState
from smbcore.control.messages import Ping
from smbcore.state.errors import SchemaError
from smbcore.state.upgrade import check_schema_version

router = APIRouter(prefix="/health", tags=["health"])


class Health(BaseModel):
    """How the service is."""

    status: str = Field(description="`ok`, or `failing` when a part that is needed does not work.")
    database: str = Field(default="ok", description="`ok`, or `failing` when the database cannot be used.")
    core: str = Field(default="ok", description="`ok`, or `unreachable` when the SMB server does not answer.")


@router.get("/live", summary="Is the process alive?")
def live() -> Health:
    """Answer as long as the process can answer at all."""
    return Health(status="ok")


@router.get("/ready", summary="Can the service work?", responses={503: {"model": Health, "description": "It cannot."}})
def ready(state: Annotated[AppState, Depends(get_state)], response: Response) -> Health:
    """Check the database and the SMB server."""
    database = core = "ok"
    try:
        check_schema_version(state.engine)
    except (SQLAlchemyError, SchemaError):
        database = "failing"
    try:
        state.core.request(Ping())
    except Problem:
        core = "unreachable"
    is_ready = database == core == "ok"
    if not is_ready:
        response.status_code = 503
    return Health(status="ok" if is_ready else "failing", database=database, core=core)
