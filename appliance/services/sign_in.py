"""Who is calling: signing in with a password, cookies of browsers, and bearer tokens of programs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Engine

from appliance.problems import forbidden, too_many_attempts, unauthenticated
from appliance.security.throttle import SignInThrottle
from appliance.services.scopes import ADMIN
from appliance.services.work import Deed, Work
from smbcore.state import accounts, tokens, web_sessions
from smbcore.state.accounts import Account
from smbcore.state.engine import writing

_TOUCH_EVERY = timedelta(minutes=1)
"""How exactly `last seen` and `last used` are kept: not every request is worth a write."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who has proved who they are.

    scopes   what they may do
    csrf     the secret that changing requests of a browser must carry; "" for tokens, which no browser sends by itself
    session  the browser session; "" for tokens
    """

    account_id: int
    name: str
    full_name: str
    scopes: frozenset[str]
    csrf: str = ""
    session: str = ""


def sign_in(work: Work, throttle: SignInThrottle, name: str, password: str) -> str:
    """Check a password and begin a browser session; return the cookie's value.

    Errors:  Problem 401 wrong name or password, 403 not an administrator, 429 too many attempts
    """
    address = work.actor.address
    wait = throttle.seconds_to_wait(name, address, work.clock.monotonic())
    if wait:
        raise too_many_attempts(wait)
    with work.engine.connect() as connection:
        found = accounts.find_account(connection, name)
    usable = found is not None and found.enabled
    is_right = work.passwords.verify(found.web_password_hash if found and usable else None, password)
    if found is None or not is_right:
        throttle.failed(name, address, password, work.clock.monotonic())
        _record_refusal(work, found, "name" if found is None else "password" if usable else "disabled")
        raise unauthenticated("The name or the password is wrong.")
    throttle.succeeded(name, address)
    if found.role != "administrator":
        _record_refusal(work, found, "no_administrator")
        raise forbidden("This account can use the shares, but not manage the server.", "not-an-administrator")
    with writing(work.engine) as connection:
        web_sessions.remove_expired(connection, now=work.now)
        _, cookie = web_sessions.create_web_session(connection, found.id, address=address, now=work.now)
        accounts.note_sign_in(connection, found.id, now=work.now)
    _as(work, found.name).record(Deed("sign_in", f"user {found.name}"), "done")
    return cookie


def _as(work: Work, name: str) -> Work:
    return replace(work, actor=replace(work.actor, name=name))


def _record_refusal(work: Work, found: Account | None, condition: str) -> None:
    """Record that somebody could not sign in, as the SMB server does (smbcore.server.reporting.sign_in_refused).

    Nobody has proved who he is, so nobody is named as having done it. A name that is no account's is left out: people
    type their password in the wrong place.
    """
    claimed = f"user {found.name}" if found is not None else "an unknown user"
    _as(work, "").record(Deed("sign_in", claimed, {"condition": condition, "over": "web"}), "refused")


def sign_out(work: Work, session: str) -> None:
    """End a browser session."""
    with work.change(Deed("sign_out", f"user {work.actor.name}")) as connection:
        web_sessions.end_web_session(connection, session)


def find_by_cookie(engine: Engine, cookie: str, now: datetime) -> Caller | None:
    """Return who is signed in with a cookie; None when nobody is."""
    with engine.connect() as connection:
        found = web_sessions.find_web_session(connection, cookie, now=now)
        if found is None:
            return None
        account = accounts.get_account(connection, found.account_id)
    if account.role != "administrator":
        return None
    if now - found.last_seen_at > _TOUCH_EVERY:
        with writing(engine) as connection:
            web_sessions.touch_web_session(connection, found.id_hash, now=now)
    return Caller(account.id, account.name, account.full_name, frozenset({ADMIN}), found.csrf, found.id_hash)


def find_by_token(engine: Engine, text: str, now: datetime) -> Caller | None:
    """Return whom a bearer token acts for; None when it is not valid."""
    with engine.connect() as connection:
        found = tokens.find_by_text(connection, text, now=now)
        if found is None:
            return None
        account = accounts.get_account(connection, found.account_id)
    if account.role != "administrator":
        return None
    if found.last_used_at is None or now - found.last_used_at > _TOUCH_EVERY:
        with writing(engine) as connection:
            tokens.note_use(connection, found.id, now=now)
    return Caller(account.id, account.name, account.full_name, frozenset(found.scopes))
