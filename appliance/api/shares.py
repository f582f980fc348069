"""/shares: what clients can mount."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response, status

from appliance.api.dependencies import (
    Call,
    CallContext,
    ExpectedVersion,
    entity_tag,
    given,
    location,
    rules,
    showing_current,
)
from appliance.models.common import Page
from appliance.models.shares import AccessList, Share, ShareChange, ShareCreate, ShareImpact
from appliance.services import shares
from appliance.services.shares import Saved
from smbcore.state import outbox

router = APIRouter(prefix="/shares", tags=["shares"])

_Name = Annotated[str, Path(description="Name of a share.")]
_DryRun = Annotated[bool, Query(description="Do nothing, and tell what it would do.")]
_READ = rules("shares:read")


@router.get("", summary="List shares", **_READ)
def list_shares(call: Call) -> Page[Share]:
    """List all shares of files by name."""
    with call.work.engine.connect() as connection:
        return Page[Share](items=shares.list_shares(connection), seq=str(outbox.last_seq(connection)))


@router.post("", summary="Make a share", status_code=status.HTTP_201_CREATED, **rules("shares:write", "share.create"))
def create_share(call: Call, wanted: ShareCreate, response: Response) -> Share:
    """Share a directory."""
    saved = shares.create_share(call.work, wanted)
    response.headers["Location"] = location("shares", saved.share.name)
    return _answer(saved, response)


@router.get("/{name}", summary="Get a share", **_READ)
def get_share(call: Call, name: _Name, response: Response) -> Share:
    """Return one share with its entity tag."""
    found = _read(call, name)
    response.headers["ETag"] = entity_tag(found.version)
    return found


@router.patch("/{name}", summary="Change a share", **rules("shares:write", "share.change"))
def change_share(call: Call, name: _Name, change: ShareChange, expected: ExpectedVersion, response: Response) -> Share:
    """Change the fields that are given; sessions that are not concerned go on."""
    with showing_current(lambda: _read(call, name)):
        return _answer(shares.change_share(call.work, name, given(change), expected), response)


@router.delete("/{name}", summary="Remove a share", **rules("shares:write", "share.remove"), response_model=None)
def remove_share(
    call: Call, name: _Name, expected: ExpectedVersion, dry_run: _DryRun = False
) -> Response | ShareImpact:
    """Stop sharing a directory; its files stay on disk. 204, or 200 with the impact of a dry run."""
    if dry_run:
        with call.work.engine.connect() as connection:
            return shares.removal_impact(connection, name)
    with showing_current(lambda: _read(call, name)):
        shares.remove_share(call.work, name, expected)
    return Response(status_code=status.HTTP_204_NO_CONTENT)


@router.get("/{name}/access", summary="Get a share's access list", **_READ)
def get_access(call: Call, name: _Name, response: Response) -> AccessList:
    """Return who may do what on a share."""
    found = _read(call, name)
    response.headers["ETag"] = entity_tag(found.version)
    return AccessList(access=found.access)


@router.put("/{name}/access", summary="Replace a share's access list", **rules("shares:write", "share.change"))
def set_access(
    call: Call, name: _Name, wanted: AccessList, expected: ExpectedVersion, response: Response
) -> AccessList:
    """Say anew who may do what on a share."""
    with showing_current(lambda: _read(call, name)):
        saved = shares.change_share(call.work, name, {"access": wanted.access}, expected)
    return AccessList(access=_answer(saved, response).access)


def _read(call: CallContext, name: str) -> Share:
    with call.work.engine.connect() as connection:
        return shares.get_share(connection, name)


def _answer(saved: Saved, response: Response) -> Share:
    response.headers["ETag"] = entity_tag(saved.share.version)
    response.headers["X-Holdfast-Applied"] = "true" if saved.applied else "false"
    return saved.share
