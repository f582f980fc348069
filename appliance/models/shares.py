"""Shares as the API shows and accepts them."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from appliance.models.activity import Handle
from appliance.models.common import Id, Input, Shape, Word
from appliance.models.options import with_options
from smbcore.state.configuration import ShareOptions

_PRINCIPAL = "`everyone`, `user:NAME`, `group:NAME` or `sid:S-1-…`."
_LEVEL = "`read`, `change` (read, write, delete), `full` (also permissions), or `deny`, which wins over all others."

Level = Literal["read", "change", "full", "deny"]


class AccessLine(Input):
    """One line of a share's access list."""

    principal: Word = Field(description=_PRINCIPAL)
    level: Level = Field(description=_LEVEL)


@with_options(ShareOptions)
class ShareOptionsShape(Input):
    """What a share can be told beyond its main fields."""


@with_options(ShareOptions, limited=False)
class ShareOptionsShown(ShareOptionsShape):
    """What a share has been told beyond its main fields."""


@with_options(ShareOptions, missing="none")
class ShareOptionsChange(Input):
    """Options to change; those that are left out stay as they are."""

    model_config = ConfigDict(strict=True)


class ShareFields(Input):
    """What can be said about a share, beside its name and path."""

    comment: str = Field(default="", description="What people read beside the name.", max_length=256)
    purpose: str = Field(default="", description="What it is for: `team`, `archive`, `drop`, `backup`, or empty.")
    enabled: bool = Field(default=True, description="Clients can connect to it.")
    read_only: bool = Field(default=False, description="Nobody can write, whatever the access list says.")
    browsable: bool = Field(default=True, description="It appears in lists of shares.")
    encrypt: bool = Field(default=False, description="Clients that cannot encrypt are refused.")
    abe: bool = Field(default=True, description="Files that a user may not read do not appear in listings.")
    continuously_available: bool = Field(default=False, description="Persistent handles are granted.")
    guest_ok: bool = Field(default=False, description="Guests are admitted, if the server admits guests at all.")
    options: ShareOptionsShape = Field(default=ShareOptionsShape(), description="Further options.")
    access: list[AccessLine] = Field(default=[], description="Who may do what; empty admits nobody.", max_length=500)


class ShareCreate(ShareFields):
    """A share to be made."""

    name: str = Field(description="What clients type: `\\\\server\\name`.", min_length=1, max_length=80)
    path: str = Field(description="Absolute path of the directory on the server.", min_length=1, max_length=4096)
    create_folder: bool = Field(default=False, description="Make the directory if it is missing.")


class ShareChange(Input):
    """What to change of a share; fields that are left out stay as they are (RFC 7396)."""

    name: str | None = Field(default=None, description="New name.", min_length=1, max_length=80)
    path: str | None = Field(default=None, description="New directory; it must exist.", min_length=1, max_length=4096)
    comment: str | None = Field(default=None, description="What people read beside the name.", max_length=256)
    purpose: str | None = Field(default=None, description="What it is for.")
    enabled: bool | None = Field(default=None, description="Clients can connect to it.")
    read_only: bool | None = Field(default=None, description="Nobody can write.")
    browsable: bool | None = Field(default=None, description="It appears in lists of shares.")
    encrypt: bool | None = Field(default=None, description="Clients that cannot encrypt are refused.")
    abe: bool | None = Field(default=None, description="Files that a user may not read do not appear in listings.")
    continuously_available: bool | None = Field(default=None, description="Persistent handles are granted.")
    guest_ok: bool | None = Field(default=None, description="Guests are admitted.")
    options: ShareOptionsChange | None = Field(
        default=None, description="Options to change, by name; those left out stay as they are."
    )
    access: list[AccessLine] | None = Field(default=None, description="The whole access list anew.", max_length=500)


class Share(ShareFields):
    """A share."""

    model_config = ConfigDict(frozen=True)

    id: Id
    name: str = Field(description="What clients type: `\\\\server\\name`.")
    path: str = Field(description="Absolute path of the directory on the server.")
    kind: Literal["disk", "pipe"] = Field(description="`pipe` for IPC$, which every server has.")
    options: ShareOptionsShown = Field(description="Further options.")
    version: int = Field(description="Grows with every change; also the entity tag.")
    sessions: int = Field(description="Number of sessions that are connected now.")
    opens: int = Field(description="Number of files and directories that are open now.")

    @property
    def access_words(self) -> str:
        """Who may use it, in a few words."""
        return access_words(self.access, read_only=self.read_only)


class AccessList(Input):
    """Who may do what."""

    access: list[AccessLine] = Field(description="The whole list; empty admits nobody.", max_length=500)


class ShareImpact(Shape):
    """What removing or disabling a share would do; nothing was done."""

    sessions_dropped: list[Id] = Field(description="Sessions that would lose the share.")
    opens_closed: list[Handle] = Field(description="Handles that would be closed, the riskiest first.")
    summary: str = Field(description="The impact in a sentence.")


_LEVEL_WORDS = {"read": "may read", "change": "may change", "full": "full control", "deny": "denied"}


def access_words(lines: list[AccessLine], *, read_only: bool = False) -> str:
    """Return an access list in a few words: "everyone may change", "2 groups, 1 user"."""
    granted = [line for line in lines if line.level != "deny"]
    if not granted:
        return "nobody"
    names = [principal_words(line.principal) for line in lines]
    levels = {line.level for line in lines}
    if len(lines) > 3:
        words = f"{len(lines)} rules"
    elif len(levels) == 1:
        words = f"{', '.join(names)} {_LEVEL_WORDS[lines[0].level]}"
    else:
        words = ", ".join(f"{name} {_LEVEL_WORDS[line.level]}" for name, line in zip(names, lines, strict=True))
    return f"{words} (read only)" if read_only else words


def principal_words(principal: str) -> str:
    """Return the name of a principal for people."""
    kind, _, name = principal.partition(":")
    return {"user": name, "group": name, "sid": name}.get(kind, "everyone")
