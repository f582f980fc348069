from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from smbcore.state import accounts, tokens
from smbcore.state.engine import writing
from smbcore.state.errors import NotFoundError, StateError
from smbcore.state.schema import token

MINUTE = timedelta(minutes=1)


@pytest.fixture
def db(store):
    with writing(store.engine) as connection:
        yield connection


@pytest.fixture
def alice(db, store, now):
    return accounts.create_account(db, store.keyfile, accounts.NewAccount("Alice"), None, now=now).id


def stored(db):
    return repr(db.execute(select(token)).all())


def test_a_token_is_known_by_its_text_alone(db, alice, now):
    made, text = tokens.create_token(db, alice, "backup", ["shares:read", "audit:read", "audit:read"], now=now)
    assert text.startswith(f"hf_{made.id}_")
    assert text.split("_", 2)[2] not in stored(db)
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
