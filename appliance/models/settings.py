"""Settings of the whole server."""

from __future__ import annotations

from pydantic import Field

from appliance.models.common import Id, Input, Shape
from appliance.models.options import with_options
from smbcore.state.configuration import IDENTITY_SETTINGS, Settings


@with_options(Settings, without=IDENTITY_SETTINGS, missing="refused")
class ServerSettings(Shape):
    """What holds for the whole server."""

    version: int = Field(description="Differs after every change; also the entity tag.")


@with_options(Settings, without=IDENTITY_SETTINGS, missing="none")
class SettingsChange(Input):
    """What to change; fields that are left out stay as they are (RFC 7396)."""


class RefusedSession(Shape):
    """A session that could not be made again under other settings."""

    id: Id
    user: str = Field(description="Account name; empty for anonymous.")
    client: str = Field(description="Name or address of the machine.")
    why: str = Field(description="What it lacks, in a sentence.")


class SettingsImpact(Shape):
    """What a change would do to those who are connected; nothing was done."""

    sessions_kept: int = Field(description="Number of sessions that go on as they are; a change ends none.")
    sessions_refused: list[RefusedSession] = Field(description="Those that could not sign in again.")
    audit_records_removed: int = Field(description="Number of records of the audit log that would be removed for good.")
    summary: str = Field(description="The impact in a sentence.")
