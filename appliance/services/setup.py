"""The one-time set-up link: proof that whoever sets the server up may read its console."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select, update

from appliance.problems import Problem
from appliance.security.secrets import digest, new_secret
from smbcore.state.schema import account, setup_code

LIFETIME = timedelta(hours=24)
"""How long a set-up link may be used."""


def is_needed(connection: Connection) -> bool:
    """Tell whether there is no administrator yet."""
    query = select(account.c.id).where(account.c.role == "administrator", account.c.enabled).limit(1)
    return connection.scalar(query) is None


def create_code(connection: Connection, now: datetime) -> str:
    """Make a new code and forget all earlier ones; only its digest is stored."""
    code = new_secret()
    connection.execute(delete(setup_code))
    connection.execute(insert(setup_code).values(hash=digest(code), created_at=now, expires_at=now + LIFETIME))
    return code


def is_valid(connection: Connection, code: str, now: datetime) -> bool:
    """Tell whether the code may still be used."""
    query = select(setup_code.c.hash).where(
        setup_code.c.hash == digest(code), setup_code.c.used_at.is_(None), setup_code.c.expires_at > now
    )
    return is_needed(connection) and connection.scalar(query) is not None


def redeem(connection: Connection, code: str, now: datetime) -> None:
    """Use the code up; Problem 403 if it is not valid. Two callers cannot both succeed."""
    used = connection.execute(
        update(setup_code)
        .where(setup_code.c.hash == digest(code), setup_code.c.used_at.is_(None), setup_code.c.expires_at > now)
        .values(used_at=now)
    )
    if used.rowcount != 1 or not is_needed(connection):
        raise Problem(
            403,
            "setup-link-invalid",
            "This set-up link is not valid",
            "It was used already or has expired. `holdfast setup-url` on the server prints a new one.",
        )
