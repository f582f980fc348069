"""/users, /groups, /tokens: who may sign in, and what programs may do."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response, status

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
from appliance.models.people import (
    Group,
    GroupChange,
    GroupCreate,
    PasswordChange,
    TokenCreate,
    TokenCreated,
    TokenShape,
    User,
    UserChange,
    UserCreate,
)
from appliance.services import people, tokens
from smbcore.state import outbox

router = APIRouter(tags=["people"])

_User = Annotated[str, Path(description="Name of a user.")]
_Group = Annotated[str, Path(description="Name of a group.")]
_TokenId = Annotated[str, Path(description="Id of a token.")]
_NO_CONTENT = status.HTTP_204_NO_CONTENT
_CREATED = status.HTTP_201_CREATED


@router.get("/users", summary="List users", **rules("people:read"))
def list_users(call: Call) -> Page[User]:
    """List all users by name."""
    with call.work.engine.connect() as connection:
        return Page[User](items=people.list_users(connection), seq=str(outbox.last_seq(connection)))


@router.post("/users", summary="Make a user", status_code=_CREATED, **rules("people:write", "user.create"))
def create_user(call: Call, wanted: UserCreate, response: Response) -> User:
    """Make an account."""
    made = people.create_user(call.work, wanted)
    response.headers["Location"] = location("users", made.name)
    response.headers["ETag"] = entity_tag(made.version)
    return made


@router.get("/users/{name}", summary="Get a user", **rules("people:read"))
def get_user(call: Call, name: _User, response: Response) -> User:
    """Return one user with the entity tag."""
    found = _read_user(call, name)
    response.headers["ETag"] = entity_tag(found.version)
    return found


@router.patch("/users/{name}", summary="Change a user", **rules("people:write", "user.change"))
def change_user(call: Call, name: _User, change: UserChange, expected: ExpectedVersion, response: Response) -> User:
    """Change the fields that are given; disabling also ends the user's sessions."""
    with showing_current(lambda: _read_user(call, name)):
        changed = people.change_user(call.work, name, given(change), expected)
    response.headers["ETag"] = entity_tag(changed.version)
    return changed


@router.put("/users/{name}/password", summary="Set a password", **rules("people:write", "user.password"))
def set_password(
    call: Call, name: _User, wanted: PasswordChange, expected: ExpectedVersion, response: Response
) -> User:
    """Replace a user's password; their browser sessions end."""
    with showing_current(lambda: _read_user(call, name)):
        changed = people.set_password(call.work, name, wanted.password.get_secret_value(), expected)
    response.headers["ETag"] = entity_tag(changed.version)
    return changed


@router.delete(
    "/users/{name}", summary="Remove a user", status_code=_NO_CONTENT, **rules("people:write", "user.remove")
)
def remove_user(call: Call, name: _User, expected: ExpectedVersion) -> None:
    """Remove an account and end its sessions; files stay on disk."""
    with showing_current(lambda: _read_user(call, name)):
        people.remove_user(call.work, name, expected)


@router.get("/groups", summary="List groups", **rules("people:read"))
def list_groups(call: Call) -> Page[Group]:
    """List all groups by name."""
    with call.work.engine.connect() as connection:
        return Page[Group](items=people.list_groups(connection), seq=str(outbox.last_seq(connection)))


@router.post("/groups", summary="Make a group", status_code=_CREATED, **rules("people:write", "group.create"))
def create_group(call: Call, wanted: GroupCreate, response: Response) -> Group:
    """Make a group of users."""
    made = people.create_group(call.work, wanted)
    response.headers["Location"] = location("groups", made.name)
    response.headers["ETag"] = entity_tag(made.version)
    return made


@router.get("/groups/{name}", summary="Get a group", **rules("people:read"))
def get_group(call: Call, name: _Group, response: Response) -> Group:
    """Return one group with its entity tag."""
    found = _read_group(call, name)
    response.headers["ETag"] = entity_tag(found.version)
    return found


@router.patch("/groups/{name}", summary="Change a group", **rules("people:write", "group.change"))
def change_group(call: Call, name: _Group, change: GroupChange, expected: ExpectedVersion, response: Response) -> Group:
    """Change the fields that are given."""
    with showing_current(lambda: _read_group(call, name)):
        changed = people.change_group(call.work, name, given(change), expected)
    response.headers["ETag"] = entity_tag(changed.version)
    return changed


@router.delete(
    "/groups/{name}", summary="Remove a group", status_code=_NO_CONTENT, **rules("people:write", "group.remove")
)
def remove_group(call: Call, name: _Group, expected: ExpectedVersion) -> None:
    """Remove a group; its members stay."""
    with showing_current(lambda: _read_group(call, name)):
        people.remove_group(call.work, name, expected)


@router.get("/tokens", summary="List API tokens", **rules("tokens:read"))
def list_tokens(call: Call) -> Page[TokenShape]:
    """List all tokens, without their secrets."""
    with call.work.engine.connect() as connection:
        return Page[TokenShape](items=tokens.list_tokens(connection), seq=str(outbox.last_seq(connection)))


@router.post("/tokens", summary="Make an API token", status_code=_CREATED, **rules("tokens:write", "token.create"))
def create_token(call: Call, wanted: TokenCreate) -> TokenCreated:
    """Make a token for the caller; its secret is shown only in this answer."""
    return tokens.create_token(call.work, wanted, call.caller.scopes)


@router.delete(
    "/tokens/{token_id}",
    summary="Revoke an API token",
    status_code=_NO_CONTENT,
    **rules("tokens:write", "token.revoke"),
)
def revoke_token(call: Call, token_id: _TokenId) -> None:
    """End a token at once."""
    tokens.revoke_token(call.work, token_id)


def _read_user(call: CallContext, name: str) -> User:
    with call.work.engine.connect() as connection:
        return people.get_user(connection, name)


def _read_group(call: CallContext, name: str) -> Group:
    with call.work.engine.connect() as connection:
        return people.get_group(connection, name)
