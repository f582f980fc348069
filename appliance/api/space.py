"""/shares/{name}/usage and /shares/{name}/quotas: space of a share, together and by owner."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response, status

from appliance.api.dependencies import Call, CallContext, ExpectedVersion, entity_tag, rules, showing_current
from appliance.models.shares import Share
from appliance.models.space import QuotaChange, ShareUsage
from appliance.services import shares, space

router = APIRouter(prefix="/shares/{name}", tags=["shares"])

_Name = Annotated[str, Path(description="Name of a share.")]
_Owner = Annotated[str, Path(description="Name of a user, or the SID of any owner of files.", max_length=200)]


@router.get("/usage", summary="Get the space that a share takes", **rules("shares:read"))
def get_usage(call: Call, name: _Name, response: Response) -> ShareUsage:
    """Return what the files of a share take and may take, together and by owner."""
    found = space.usage(call.work, name)
    response.headers["ETag"] = entity_tag(found.version)
    return found


@router.put("/quotas/{owner}", summary="Limit the space of a user", **rules("shares:write", "share.quota"))
def set_quota(
    call: Call, name: _Name, owner: _Owner, wanted: QuotaChange, expected: ExpectedVersion, response: Response
) -> Share:
    """Say what the files of one owner may take; it is enforced where the share's option `quota` says so."""
    with showing_current(lambda: _read(call, name)):
        applied = space.set_quota(call.work, name, owner, wanted, expected)
    return _answer(_read(call, name), response, applied=applied)


@router.delete("/quotas/{owner}", summary="Remove the limit of a user", **rules("shares:write", "share.quota"))
def remove_quota(call: Call, name: _Name, owner: _Owner, expected: ExpectedVersion, response: Response) -> Response:
    """Let the share's default hold for an owner again."""
    with showing_current(lambda: _read(call, name)):
        space.remove_quota(call.work, name, owner, expected)
    response.status_code = status.HTTP_204_NO_CONTENT
    response.headers["ETag"] = entity_tag(_read(call, name).version)
    return response


def _read(call: CallContext, name: str) -> Share:
    with call.work.engine.connect() as connection:
        return shares.get_share(connection, name)


def _answer(found: Share, response: Response, *, applied: bool) -> Share:
    response.headers["ETag"] = entity_tag(found.version)
    response.headers["X-Holdfast-Applied"] = "true" if applied else "false"
    return found
