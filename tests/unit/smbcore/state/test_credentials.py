"""API tokens, browser sessions, setup codes: only hashes are stored."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from smbcore.state import accounts, setup_codes, tokens, web_sessions
from smbcore.state.engine import writing
from smbcore.state.errors import NotFoundError, StateError
from smbcore.state.schema import setup_code, token, web_session

MINUTE = timedelta(minutes=1)


@pytest.fixture
def db(store):
    with writing(store.engine) as connection:
        yield connection


@pytest.fixture
def alice(db, store, now):
    return accounts.create_account(db, store.keyfile, accounts.NewAccount("Alice"), None, now=now).id


def stored(db, table):
    return repr(db.execute(select(table)).all())


def test_a_token_is_known_by_its_text_alone(db, alice, now):
    made, text = tokens.create_token(db, alice, "backup", ["shares:read", "audit:read", "audit:read"], now=now)
    assert text.startswith(f"hf_{made.id}_")
    assert text.split("_", 2)[2] not in stored(db, token)
    assert tokens.find_by_text(db, text, now=now) == made
    assert (made.scopes, made.account_name) == (("audit:read", "shares:read"), "Alice")


def test_wrong_tokens_are_unknown(db, alice, now):
    made, text = tokens.create_token(db, alice, "t", [], now=now)
    _, other = tokens.create_token(db, alice, "u", [], now=now)
    swapped = f"hf_{made.id}_{other.split('_', 2)[2]}"
    for wrong in (
        "",
        "hf",
        "hf_",
        text + "x",
        text[:-1],
        swapped,
        f"xx{text[2:]}",
        "hf_²_x",
        f"hf_{10**30}_x",
        "hf_-1_x",
    ):
        assert tokens.find_by_text(db, wrong, now=now) is None, wrong


def test_a_token_ends_by_time_or_by_hand(db, alice, now):
    made, text = tokens.create_token(db, alice, "t", [], now=now, expires_at=now + MINUTE)
    assert tokens.find_by_text(db, text, now=now + MINUTE / 2)
    assert tokens.find_by_text(db, text, now=now + MINUTE) is None
    tokens.delete_token(db, made.id)
    assert tokens.list_tokens(db, alice) == ()
    with pytest.raises(NotFoundError):
        tokens.delete_token(db, made.id)


def test_a_tokens_use_is_remembered(db, alice, now):
    made, _ = tokens.create_token(db, alice, "t", [], now=now)
    tokens.note_use(db, made.id, now=now)
    assert tokens.list_tokens(db)[0].last_used_at == now


def test_impossible_tokens_are_refused(db, alice, now):
    for act in (
        lambda: tokens.create_token(db, alice, " ", [], now=now),
        lambda: tokens.create_token(db, alice, "t", [], now=now, expires_at=now),
        lambda: tokens.create_token(db, 99, "t", [], now=now),
    ):
        with pytest.raises(StateError):
            act()


def test_a_browser_session_is_known_by_its_cookie_alone(db, alice, now):
    made, cookie = web_sessions.create_web_session(db, alice, address="192.0.2.1", now=now)
    assert cookie not in stored(db, web_session)
    assert web_sessions.find_web_session(db, cookie, now=now) == made
    assert web_sessions.find_web_session(db, made.id_hash, now=now) is None
    assert made.csrf not in repr(made)


def test_a_browser_session_ends_when_idle_or_old(db, alice, now):
    made, cookie = web_sessions.create_web_session(db, alice, address="", now=now)
    assert web_sessions.find_web_session(db, cookie, now=now + web_sessions.IDLE_LIMIT) is None
    at = now
    while at + web_sessions.IDLE_LIMIT / 2 < made.expires_at:
        at += web_sessions.IDLE_LIMIT / 2
        assert web_sessions.find_web_session(db, cookie, now=at)
        web_sessions.touch_web_session(db, made.id_hash, now=at)
    assert web_sessions.find_web_session(db, cookie, now=made.expires_at) is None
    assert web_sessions.remove_expired(db, now=made.expires_at) == 1


def test_signing_out_ends_one_or_all_others(db, alice, now):
    sessions = [web_sessions.create_web_session(db, alice, address="", now=now)[0].id_hash for _ in range(4)]
    web_sessions.end_web_session(db, sessions[0])
    assert web_sessions.end_web_sessions_of(db, alice, but=sessions[1]) == 2
    assert db.scalars(select(web_session.c.id_hash)).all() == [sessions[1]]


def test_a_setup_code_works_once_however_it_is_typed(db, now):
    code = setup_codes.create_setup_code(db, now=now)
    assert code not in stored(db, setup_code)
    typed = f" {code.lower().replace('-', ' ')} "
    assert setup_codes.is_setup_code(db, typed, now=now)
    assert setup_codes.use_setup_code(db, typed, now=now)
    assert not setup_codes.use_setup_code(db, code, now=now)


def test_a_setup_code_ends_by_time_and_by_a_newer_one(db, now):
    code = setup_codes.create_setup_code(db, now=now)
    assert not setup_codes.use_setup_code(db, code, now=now + setup_codes.LIFETIME)
    newer = setup_codes.create_setup_code(db, now=now)
    assert not setup_codes.use_setup_code(db, code, now=now)
    assert not setup_codes.use_setup_code(db, "", now=now)
    assert setup_codes.use_setup_code(db, newer, now=now)
