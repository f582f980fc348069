"""API tokens: `hf_<id>_<secret>`, of which only a hash is stored."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Row, delete, insert, select, update

from smbcore.state.errors import NotFoundError, StateError
from smbcore.state.schema import account, token
from smbcore.state.secrets import hash_secret, is_secret, new_secret
from smbcore.state.validation import check_comment

PREFIX = "hf"


@dataclass(frozen=True, slots=True)
class Token:
    """One token as people see it."""

    id: int
    account_id: int
    account_name: str
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


def create_token(
    connection: Connection,
    account_id: int,
    name: str,
    scopes: Iterable[str],
    *,
    now: datetime,
    expires_at: datetime | None = None,
) -> tuple[Token, str]:
    """Make a token and return it with its text, which nobody can show again.

    Errors:  StateError     no name, or it would have expired already
             NotFoundError  there is no such account
    """
    if not name.strip():
        raise StateError("name", "A name is needed.")
    if expires_at is not None and expires_at <= now:
        raise StateError("expires_at", "This time is over already.")
    if connection.scalar(select(account.c.id).where(account.c.id == account_id)) is None:
        raise NotFoundError("account_id", "There is no such user.")
    secret = new_secret()
    token_id = connection.scalar(
        insert(token)
        .values(
            account_id=account_id,
            name=check_comment("name", name),
            hash=hash_secret(secret),
            scopes=sorted(set(scopes)),
            created_at=now,
            expires_at=expires_at,
        )
        .returning(token.c.id)
    )
    if token_id is None:
        raise StateError("", "The database did not number the new token.")
    return _get(connection, token_id), f"{PREFIX}_{token_id}_{secret}"


def list_tokens(connection: Connection, account_id: int | None = None) -> tuple[Token, ...]:
    """Return all tokens, or those of one account, oldest first."""
    query = _QUERY.order_by(token.c.id)
    if account_id is not None:
        query = query.where(token.c.account_id == account_id)
    return tuple(_token(row) for row in connection.execute(query))


def find_by_text(connection: Connection, text: str, *, now: datetime) -> Token | None:
    """Return the token that somebody presents; None when wrong, expired, or its account is disabled."""
    prefix, _, rest = text.partition("_")
    number, _, secret = rest.partition("_")
    if prefix != PREFIX or not (number.isascii() and number.isdecimal()) or len(number) > 18:
        return None
    row = connection.execute(_QUERY.where(token.c.id == int(number))).first()
    if row is None or not is_secret(secret, row.hash) or not row.enabled:
        return None
    if row.expires_at is not None and row.expires_at <= now:
        return None
    return _token(row)


def note_use(connection: Connection, token_id: int, *, now: datetime) -> None:
    """Remember when a token was last used."""
    connection.execute(update(token).where(token.c.id == token_id).values(last_used_at=now))


def delete_token(connection: Connection, token_id: int) -> None:
    """Revoke a token; NotFoundError when it is not there."""
    if connection.execute(delete(token).where(token.c.id == token_id)).rowcount != 1:
        raise NotFoundError("id", "There is no such token.")


_QUERY = select(token, account.c.name.label("account_name"), account.c.enabled).join_from(token, account)


def _get(connection: Connection, token_id: int) -> Token:
    return _token(connection.execute(_QUERY.where(token.c.id == token_id)).one())


def _token(row: Row[tuple[object, ...]]) -> Token:
    return Token(
        id=row.id,
        account_id=row.account_id,
        account_name=row.account_name,
        name=row.name,
        scopes=tuple(row.scopes),
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
    )
