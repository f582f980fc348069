"""Settings of the whole server."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from appliance.models.common import Id, Input, Shape

Dialect = Literal["2.0.2", "2.1", "3.0", "3.0.2", "3.1.1"]


class ServerSettings(Shape):
    """What holds for the whole server."""

    server_name: str = Field(description="The server's NetBIOS name, up to 15 characters.")
    workgroup: str = Field(description="The workgroup that the server appears in.")
    server_comment: str = Field(description="What network browsers show beside the server's name.")
    min_dialect: Dialect = Field(description="The oldest SMB dialect that is spoken.")
    max_dialect: Dialect = Field(description="The newest SMB dialect that is spoken.")
    signing_required: bool = Field(description="Refuse sessions whose messages are not signed.")
    encryption_offered: bool = Field(description="Encrypt for clients and shares that want it.")
    encryption_required: bool = Field(description="Refuse clients that cannot encrypt.")
    allow_anonymous: bool = Field(description="Let clients without a name reach IPC$.")
    allow_guest: bool = Field(description="Let unknown names in as guest, on shares that admit guests.")
    multichannel: bool = Field(description="Let a client spread one session over several connections.")
    max_io_size: int = Field(description="Largest read, write and transaction in bytes.")
    max_sessions: int = Field(description="Most sessions at a time.")
    session_lifetime_s: int = Field(
        description="After how many seconds a client has to prove again who its user is; 0 for never."
    )
    durable_timeout_s: int = Field(description="How many seconds a disconnected durable handle is kept.")
    max_away: int = Field(description="Most handles that are kept at a time for clients that are away.")
    max_kept_per_client: int = Field(description="Most durable, resilient and persistent handles of one client.")
    max_kept_per_user: int = Field(description="Most durable, resilient and persistent handles of one user.")
    max_kept_per_session: int = Field(description="Most durable, resilient and persistent handles of one session.")
    max_unanswered_breaks: int = Field(
        description="After how many unanswered breaks in a row a client gets no more oplocks and leases; 0 for never."
    )
    break_retry_ms: int = Field(
        description="Milliseconds after which a break that a connection does not take goes to the next; 0 for never."
    )
    break_timeout_s: int = Field(description="How many seconds a client has to answer an oplock or lease break.")
    audit_days: int = Field(description="For how many days records of the audit log are kept; 0 for however long.")
    audit_records: int = Field(description="Most records of the audit log; beyond it the oldest go.")
    version: int = Field(description="Differs after every change; also the entity tag.")


class SettingsChange(Input):
    """What to change; fields that are left out stay as they are (RFC 7396)."""

    server_name: str | None = Field(default=None, description="The server's NetBIOS name.")
    workgroup: str | None = Field(default=None, description="The workgroup that the server appears in.")
    server_comment: str | None = Field(default=None, description="What network browsers show.", max_length=256)
    min_dialect: Dialect | None = Field(default=None, description="The oldest SMB dialect that is spoken.")
    max_dialect: Dialect | None = Field(default=None, description="The newest SMB dialect that is spoken.")
    signing_required: bool | None = Field(default=None, description="Refuse sessions that are not signed.")
    encryption_offered: bool | None = Field(default=None, description="Encrypt for clients that want it.")
    encryption_required: bool | None = Field(default=None, description="Refuse clients that cannot encrypt.")
    allow_anonymous: bool | None = Field(default=None, description="Let clients without a name reach IPC$.")
    allow_guest: bool | None = Field(default=None, description="Let unknown names in as guest.")
    multichannel: bool | None = Field(default=None, description="Let sessions use several connections.")
    max_io_size: int | None = Field(default=None, description="Largest read and write in bytes.")
    max_sessions: int | None = Field(default=None, description="Most sessions at a time.")
    session_lifetime_s: int | None = Field(default=None, description="Seconds until clients prove again who they are.")
    durable_timeout_s: int | None = Field(default=None, description="Seconds that a disconnected handle is kept.")
    max_away: int | None = Field(default=None, description="Most handles of clients that are away.")
    max_kept_per_client: int | None = Field(default=None, description="Most kept handles of one client.")
    max_kept_per_user: int | None = Field(default=None, description="Most kept handles of one user.")
    max_kept_per_session: int | None = Field(default=None, description="Most kept handles of one session.")
    max_unanswered_breaks: int | None = Field(default=None, description="Unanswered breaks before no more are granted.")
    break_retry_ms: int | None = Field(default=None, description="Milliseconds until a break is sent once more.")
    break_timeout_s: int | None = Field(default=None, description="Seconds to answer a break.")
    audit_days: int | None = Field(default=None, description="Days for which records of the audit log are kept.")
    audit_records: int | None = Field(default=None, description="Most records of the audit log.")


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
