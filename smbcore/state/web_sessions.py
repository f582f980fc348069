"""Browser sessions: the cookie's value is a secret of which only a hash is stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select, update

from smbcore.state.schema import account, web_session
from smbcore.state.secrets import hash_secret, is_secret, new_secret

IDLE_LIMIT = timedelta(hours=8)
"""A session that nobody used for this long has ended."""

LIFETIME = timedelta(days=7)
"""A session ends after this even when it is used."""


@dataclass(frozen=True, slots=True)
class WebSession:
    """One signed-in browser."""

    id_hash: str
    account_id: int
    csrf: str = field(repr=False)
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    address: str


def create_web_session(
    connection: Connection, account_id: int, *, address: str, now: datetime, lifetime: timedelta = LIFETIME
) -> tuple[WebSession, str]:
    """Begin a session and return it with the cookie's value, which is not stored."""
    cookie = new_secret()
    values = {
        "id_hash": hash_secret(cookie),
        "account_id": account_id,
        "csrf": new_secret(),
        "created_at": now,
        "last_seen_at": now,
        "expires_at": now + lifetime,
        "address": address,
    }
    connection.execute(insert(web_session).values(**values))
    return WebSession(*values.values()), cookie  # type: ignore[arg-type]


def find_web_session(connection: Connection, cookie: str, *, now: datetime) -> WebSession | None:
    """Return the session of a cookie; None when unknown, over, idle for too long, or the account is disabled."""
    row = connection.execute(
        select(web_session)
        .join_from(web_session, account)
        .where(web_session.c.id_hash == hash_secret(cookie), account.c.enabled)
    ).first()
    if row is None or not is_secret(cookie, row.id_hash):
        return None
    if now >= row.expires_at or now - row.last_seen_at >= IDLE_LIMIT:
        return None
    return WebSession(*row)


def touch_web_session(connection: Connection, id_hash: str, *, now: datetime) -> None:
    """Remember that a session was used."""
    connection.execute(update(web_session).where(web_session.c.id_hash == id_hash).values(last_seen_at=now))


def end_web_session(connection: Connection, id_hash: str) -> None:
    """Sign out; harmless when it has ended already."""
    connection.execute(delete(web_session).where(web_session.c.id_hash == id_hash))


def end_web_sessions_of(connection: Connection, account_id: int, *, but: str | None = None) -> int:
    """Sign an account out everywhere, except in the session `but`; return how many sessions ended."""
    query = delete(web_session).where(web_session.c.account_id == account_id)
    if but is not None:
        query = query.where(web_session.c.id_hash != but)
    return connection.execute(query).rowcount


def remove_expired(connection: Connection, *, now: datetime) -> int:
    """Remove sessions that have ended by time; return how many."""
    over = (web_session.c.expires_at <= now) | (web_session.c.last_seen_at <= now - IDLE_LIMIT)
    return connection.execute(delete(web_session).where(over)).rowcount
