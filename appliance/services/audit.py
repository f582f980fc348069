"""The audit trail: who did what to what, from where, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert

from smbcore.state.schema import audit


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts.

    name        account name, or "command line (USER)"
    address     where the request came from; "" on the machine itself
    account_id  None for the command line and the set-up page
    """

    name: str
    address: str = ""
    account_id: int | None = None


@dataclass(frozen=True, slots=True)
class Deed:
    """One entry to be written.

    action  "share.create", "open.close", ...
    object  name of what was acted on
    detail  what else is worth knowing; never a secret
    """

    action: str
    object: str
    outcome: str = "done"
    detail: Mapping[str, Any] = field(default_factory=dict)


def record(connection: Connection, actor: Actor, deed: Deed, now: datetime) -> None:
    """Write one entry in the caller's transaction."""
    connection.execute(
        insert(audit).values(
            at=now,
            actor=actor.name,
            action=deed.action,
            object=deed.object,
            outcome=deed.outcome,
            address=actor.address,
            detail=dict(deed.detail),
        )
    )
