"""The audit log, versions, events and problems as the API shows them."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from appliance.models.common import Id, Moment, Shape


class AuditRecord(Shape):
    """Something that somebody did, or was refused."""

    id: Id
    at: Moment = Field(description="When.")
    summary: str = Field(description="The record as a sentence.")
    actor: str = Field(description="Who: an account, or the command line; empty where nobody was signed in.")
    action: str = Field(description="What: `share.create`, `open.close`, `sign_in`, …")
    object: str = Field(description="To what.")
    outcome: str = Field(description="`done`, `refused` or `failed`.")
    address: str = Field(description="From where; empty on the server itself.")
    detail: dict[str, Any] = Field(description="What else is worth knowing.")


class VersionShape(Shape):
    """What runs here."""

    product: str = Field(description="Name of the product.")
    version: str = Field(description="Version of the management service.")
    api: str = Field(description="Version of this API.")
    schema_version: int = Field(description="Version of the database schema.")
    server_name: str = Field(description="The server's name in the network.")


class Scope(Shape):
    """Something that a token may be allowed."""

    name: str = Field(description="Its name.")
    description: str = Field(description="What it allows.")


class EventShape(Shape):
    """One change, as `data` of a server-sent event."""

    seq: str = Field(description="Number of the event; also its `id`.")
    at: Moment = Field(description="When it was committed.")
    topic: str = Field(description="`sessions`, `tcons`, `opens`, `shares`, …; also its `event`.")
    kind: str = Field(description="`added`, `changed` or `removed`.")
    key: str = Field(description="Id of the object; empty where several records of the audit log changed at once.")
    node: str = Field(description="The node concerned; empty for configuration.")


class InputError(Shape):
    """One input that was refused."""

    pointer: str = Field(description="JSON pointer to it.")
    detail: str = Field(description="Why, in a sentence.")


class ProblemShape(Shape):
    """A request that was refused (RFC 9457)."""

    type: str = Field(description="Page that explains problems of this kind.")
    title: str = Field(description="What went wrong, the same for every problem of this kind.")
    status: int = Field(description="HTTP status.")
    code: str = Field(description="Short name of the kind.")
    detail: str = Field(description="This occurrence, and what to do about it.")
    instance: str = Field(description="Path of the request.")
    trace_id: str = Field(description="Finds the request in the log.")
    errors: list[InputError] = Field(default=[], description="The inputs to blame.")
    current: dict[str, Any] | None = Field(default=None, description="With 412: the object as it is now.")
