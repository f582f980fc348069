"""API tokens: made once, shown once, revoked at will."""

from __future__ import annotations

from sqlalchemy import Connection

from appliance.models.people import TokenCreate, TokenCreated, TokenShape
from appliance.problems import forbidden, not_found
from appliance.services.scopes import allows, check_scopes
from appliance.services.work import Deed, Work
from smbcore.state import tokens


def list_tokens(connection: Connection) -> list[TokenShape]:
    """Return all tokens, oldest first."""
    return [_shape(item) for item in tokens.list_tokens(connection)]


def create_token(work: Work, wanted: TokenCreate, held: frozenset[str]) -> TokenCreated:
    """Make a token for the caller, who can only pass on scopes that they hold themselves.

    Errors:  Problem 403 for more than that, 422 for unknown scopes; StateError
    """
    check_scopes(wanted.scopes)
    if work.actor.account_id is None:
        raise forbidden("Only a user can have tokens.")
    beyond = [scope for scope in wanted.scopes if not allows(held, scope)]
    if beyond:
        raise forbidden(f"You do not hold the scope {beyond[0]} yourself.", "scope-missing")
    with work.change(Deed("token.create", f"token {wanted.name}", {"scopes": wanted.scopes})) as connection:
        made, text = tokens.create_token(
            connection,
            work.actor.account_id,
            wanted.name,
            wanted.scopes,
            now=work.now,
            expires_at=wanted.expires_at,
        )
    return TokenCreated(**_shape(made).model_dump(), token=text)


def revoke_token(work: Work, token_id: str) -> None:
    """Revoke a token; Problem 404 when it is gone."""
    with work.change(Deed("token.revoke", f"token {token_id}")) as connection:
        found = next((item for item in tokens.list_tokens(connection) if str(item.id) == token_id), None)
        if found is None:
            raise not_found("token", token_id)
        tokens.delete_token(connection, found.id)


def _shape(found: tokens.Token) -> TokenShape:
    return TokenShape(
        id=str(found.id),
        name=found.name,
        user=found.account_name,
        scopes=list(found.scopes),
        created_at=found.created_at,
        expires_at=found.expires_at,
        last_used_at=found.last_used_at,
    )
