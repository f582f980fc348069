"""Space that shares and users take, as the API shows and accepts it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from appliance.models.common import Input, Shape
from smbcore.state.quotas import MOST_BYTES

_NO_LIMIT = "null for none."


class OwnerUsage(Shape):
    """What one owner of files takes of a share, and may take."""

    sid: str = Field(description="Security identifier of the owner.")
    name: str = Field(description="Name of the user or group; empty where nobody here has this identifier.")
    used: int = Field(description="Bytes that the owner's files take.")
    threshold: int | None = Field(description=f"Bytes from which on this is close to the limit; {_NO_LIMIT}")
    limit: int | None = Field(description=f"Bytes that the owner may take; {_NO_LIMIT}")
    is_own: bool = Field(description="The limit was set for this owner; `false` where the share's default holds.")
    state: Literal["ok", "close", "full"] = Field(
        description="`close` from the threshold on, `full` where nothing more fits below the limit."
    )

    @property
    def percent(self) -> int:
        """How much of the limit is taken, at most 100; 0 without a limit."""
        return min(100, round(100 * self.used / self.limit)) if self.limit else 0


class ShareUsage(Shape):
    """What the files of a share take, and may take; bytes."""

    state: Literal["off", "counting", "counted"] = Field(
        description="`off`: nobody counts, for the share has neither a size limit nor quotas; `counting`: for the "
        "first time since the server started."
    )
    quota: Literal["off", "track", "enforce"] = Field(description="Whether owners are counted, and limited too.")
    size_limit: int | None = Field(description=f"Bytes that all files together may take; {_NO_LIMIT}")
    is_limit_per_user: bool = Field(description="The size limit and quotas hold for the folder of each user.")
    used: int | None = Field(description="Bytes that all files take; null unless counted.")
    total: int = Field(description="Size of the share as clients see it.")
    free: int = Field(
        description="What clients see as free: what is left of the limit, or of the disk if that is less."
    )
    disk_total: int = Field(description="Size of the file system that the share is on.")
    disk_free: int = Field(description="Bytes free on it.")
    owners: list[OwnerUsage] = Field(description="Everybody who has files or a limit, those who take most first.")
    version: int = Field(description="Version of the share; also the entity tag for changing quotas.")

    @property
    def percent(self) -> int:
        """How full the share is, as clients see it."""
        return min(100, round(100 * (self.total - self.free) / self.total)) if self.total else 0


class QuotaChange(Input):
    """What one owner may take of a share."""

    limit: int | None = Field(description=f"Bytes that the owner's files may take; {_NO_LIMIT}", ge=0, le=MOST_BYTES)
    threshold: int | None = Field(
        default=None,
        description=f"Bytes from which on the owner shows as close to the limit; {_NO_LIMIT}",
        ge=0,
        le=MOST_BYTES,
    )
