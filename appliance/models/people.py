"""Users, groups and API tokens as the API shows and accepts them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from appliance.models.common import Id, Input, Instant, Moment, Shape, Word

Role = Literal["administrator", "user"]
_PASSWORD = "8 to 127 characters; never shown again."  # noqa: S105
_SIGNING = (
    "Refuse what this user sends over SMB unsigned, even where the server does not require signing. Clients that are "
    "not set to sign are refused. Holds from the next sign-in; sessions that are open go on as they are."
)
_ENCRYPTION = (
    "Encrypt all that this user sends and gets over SMB, and refuse sign-ins from clients that cannot encrypt. "
    "Holds from the next sign-in; sessions that are open go on as they are."
)


class User(Shape):
    """Someone who may sign in."""

    id: Id
    name: str = Field(description="What they type when they sign in.")
    full_name: str = Field(description="The person's name.")
    sid: str = Field(description="Security identifier, as stored with files.")
    role: Role = Field(description="`administrator` may manage this server, `user` may use its shares.")
    enabled: bool = Field(description="They may sign in.")
    signing_required: bool = Field(description=_SIGNING)
    encryption_required: bool = Field(description=_ENCRYPTION)
    has_password: bool = Field(description="A password is set.")
    groups: list[str] = Field(description="Names of the groups that they belong to.")
    version: int = Field(description="Grows with every change; also the entity tag.")
    created_at: Moment = Field(description="When the account was made.")
    updated_at: Moment = Field(description="When it was last changed.")
    last_sign_in_at: Moment | None = Field(description="When they last signed in; null for never.")


class UserCreate(Input):
    """A user to be made."""

    name: str = Field(description="What they type when they sign in.", min_length=1, max_length=64)
    full_name: str = Field(default="", description="The person's name.", max_length=256)
    role: Role = Field(default="user", description="`administrator` may manage this server.")
    enabled: bool = Field(default=True, description="They may sign in.")
    signing_required: bool = Field(default=False, description=_SIGNING)
    encryption_required: bool = Field(default=False, description=_ENCRYPTION)
    password: SecretStr | None = Field(default=None, description=f"{_PASSWORD} Without it they cannot sign in yet.")


class UserChange(Input):
    """What to change of a user; fields that are left out stay as they are (RFC 7396)."""

    name: str | None = Field(default=None, description="New name.", min_length=1, max_length=64)
    full_name: str | None = Field(default=None, description="The person's name.", max_length=256)
    role: Role | None = Field(default=None, description="`administrator` may manage this server.")
    enabled: bool | None = Field(default=None, description="They may sign in; `false` also ends their sessions.")
    signing_required: bool | None = Field(default=None, description=_SIGNING)
    encryption_required: bool | None = Field(default=None, description=_ENCRYPTION)


class PasswordChange(Input):
    """A new password."""

    password: SecretStr = Field(description=_PASSWORD)


class Group(Shape):
    """Users that share rights."""

    id: Id
    name: str = Field(description="Its name.")
    sid: str = Field(description="Security identifier, as stored with files.")
    comment: str = Field(description="What it is for.")
    members: list[str] = Field(description="Names of its users.")
    version: int = Field(description="Grows with every change; also the entity tag.")


class GroupCreate(Input):
    """A group to be made."""

    name: str = Field(description="Its name.", min_length=1, max_length=64)
    comment: str = Field(default="", description="What it is for.", max_length=256)
    members: list[Word] = Field(default=[], description="Names of its users.", max_length=10_000)


class GroupChange(Input):
    """What to change of a group; fields that are left out stay as they are (RFC 7396)."""

    name: str | None = Field(default=None, description="New name.", min_length=1, max_length=64)
    comment: str | None = Field(default=None, description="What it is for.", max_length=256)
    members: list[Word] | None = Field(default=None, description="All members anew.", max_length=10_000)


class TokenShape(Shape):
    """An API token, without its secret."""

    id: Id
    name: str = Field(description="What it is for.")
    user: str = Field(description="The account that it acts for.")
    scopes: list[str] = Field(description="What it may do.")
    created_at: Moment = Field(description="When it was made.")
    expires_at: Moment | None = Field(description="When it ends; null for never.")
    last_used_at: Moment | None = Field(description="When it was last used; null for never.")


class TokenCreate(Input):
    """A token to be made."""

    name: str = Field(description="What it is for.", min_length=1, max_length=256)
    scopes: list[Word] = Field(description="What it may do; see the list of scopes.", min_length=1, max_length=50)
    expires_at: Instant | None = Field(default=None, description="When it ends; null for never.")


class TokenCreated(TokenShape):
    """A new token, with its secret."""

    token: str = Field(description="The token itself; it is shown only this once.")
