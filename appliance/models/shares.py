"""Shares as the API shows and accepts them."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from appliance.models.activity import Handle
from appliance.models.common import Id, Input, Shape
from smbcore.state.quotas import MOST_ENTRIES

_PRINCIPAL = "`everyone`, `user:NAME`, `group:NAME` or `sid:S-1-…`."
_LEVEL = "`read`, `change` (read, write, delete), `full` (also permissions), or `deny`, which wins over all others."

Level = Literal["read", "change", "full", "deny"]


class AccessLine(Input):
    """One line of a share's access list."""

    principal: str = Field(description=_PRINCIPAL)
    level: Level = Field(description=_LEVEL)


class ShareOptionsShape(Input):
    """What a share can be told beyond its main fields."""

    hide_dot_files: bool = Field(default=False, description="Show files whose name begins with a dot as hidden.")
    hide_files: list[str] = Field(
        default=[], description="Wildcard patterns of file names that are shown as hidden.", max_length=100
    )
    streams: bool = Field(default=True, description="Offer alternate data streams.")
    change_notify: bool = Field(default=True, description="Let clients watch directories for changes.")
    inotify: bool = Field(
        default=True, description="Report changes made on the server itself to clients that watch a directory."
    )
    oplocks: bool = Field(default=True, description="Grant opportunistic locks, so that clients may cache.")
    leases: bool = Field(default=True, description="Grant leases, so that clients may cache across several handles.")
    durable: bool = Field(
        default=True, description="Grant durable handles, which survive a short loss of the connection."
    )
    delete_readonly: bool = Field(default=False, description="Let files with the read-only attribute be deleted.")
    case_sensitive: bool = Field(default=False, description="Tell names apart that differ only in case.")
    canonical_inheritance: bool = Field(
        default=True,
        description="Drop the mark of automatic inheritance from a list that a client sets without asking for it.",
    )
    hidden_eas: list[str] = Field(
        default=[], description="Names of extended attributes that clients neither see nor set.", max_length=100
    )
    keep_creation_time: bool = Field(
        default=True,
        description="Let a file that is made anew under a name keep the creation time of the one that had it seconds "
        "before.",
    )
    personal_folders: bool = Field(
        default=False,
        description="Show every user only a folder of their own in the share's folder, made when they first connect.",
    )
    kernel_oplocks: bool = Field(
        default=False,
        description="Let clients cache a file only while no program on the server itself has it open; that one waits "
        "for them.",
    )
    posix_locks: bool = Field(
        default=False,
        description="Let byte-range locks of clients and those of programs on the server itself exclude each other.",
    )
    rename_beside_delete: bool = Field(
        default=False,
        description="Let files be renamed in a folder that a client has open for deletion, as Windows Server 2025 "
        "does.",
    )
    delayed_write_time: bool = Field(
        default=False, description="Show the time of a write two seconds late, as older servers did."
    )
    size_limit_mib: int = Field(
        default=0,
        description="How many MiB all files together may take, named streams included; 0 for as many as the disk has.",
    )
    quota: str = Field(
        default="off",
        description="Whether space is counted for each owner of files (track), and limited too (enforce).",
    )
    quota_limit: int = Field(
        default=-1,
        description="How many bytes an owner without a limit of his own may take; -1 for any number.",
    )
    quota_threshold: int = Field(
        default=-1,
        description="From how many bytes on such an owner is shown as close to his limit; -1 for never.",
    )
    quota_entries: list[str] = Field(
        default=[],
        description="Limits of single owners: SID, threshold and limit in bytes, time of the change; set with "
        "`quotas`.",
        max_length=MOST_ENTRIES,
    )


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
    options: dict[str, bool | int | str | list[str]] | None = Field(
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
