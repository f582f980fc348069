from __future__ import annotations

import pytest
from sqlalchemy import select

from smbcore.state import accounts, web_sessions
from smbcore.state.engine import writing
from smbcore.state.schema import web_session


@pytest.fixture
def db(store):
    with writing(store.engine) as connection:
        yield connection


@pytest.fixture
def alice(db, store, now):
    return accounts.create_account(db, store.keyfile, accounts.NewAccount("Alice"), None, now=now).id


def stored(db):
    return repr(db.execute(select(web_session)).all())


def test_a_browser_session_is_known_by_its_cookie_alone(db, alice, now):
    made, cookie = web_sessions.create_web_session(db, alice, address="192.0.2.1", now=now)
    assert cookie not in stored(db)
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
