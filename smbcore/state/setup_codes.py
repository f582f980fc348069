"""The one-time code that lets the first administrator in."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select, update

from smbcore.state.schema import setup_code
from smbcore.state.secrets import hash_secret, is_secret

LIFETIME = timedelta(hours=24)
"""How long a code is good for."""

# Without the characters that look alike: people type this from a console.
_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
_GROUPS = 5
_GROUP_LENGTH = 4


def create_setup_code(connection: Connection, *, now: datetime, lifetime: timedelta = LIFETIME) -> str:
    """Return a new code like ABCD-EFGH-JKLM-NPQR-STUV (100 bits); earlier unused ones end."""
    groups = ("".join(secrets.choice(_ALPHABET) for _ in range(_GROUP_LENGTH)) for _ in range(_GROUPS))
    code = "-".join(groups)
    connection.execute(delete(setup_code).where(setup_code.c.used_at.is_(None)))
    connection.execute(
        insert(setup_code).values(hash=hash_secret(_normal(code)), created_at=now, expires_at=now + lifetime)
    )
    return code


def use_setup_code(connection: Connection, code: str, *, now: datetime) -> bool:
    """Use up a code; False when it is unknown, used already or too old. Case and dashes do not matter."""
    if not is_setup_code(connection, code, now=now):
        return False
    done = connection.execute(
        update(setup_code)
        .where(setup_code.c.hash == hash_secret(_normal(code)), setup_code.c.used_at.is_(None))
        .values(used_at=now)
    )
    return done.rowcount == 1


def is_setup_code(connection: Connection, code: str, *, now: datetime) -> bool:
    """Tell whether `use_setup_code` would take this code, without using it up."""
    normal = _normal(code)
    row = connection.execute(select(setup_code).where(setup_code.c.hash == hash_secret(normal))).first()
    return row is not None and is_secret(normal, row.hash) and row.used_at is None and now < row.expires_at


def _normal(code: str) -> str:
    return "".join(character for character in code.upper() if character in _ALPHABET)
