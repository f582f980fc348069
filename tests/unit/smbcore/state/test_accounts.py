from __future__ import annotations

import pytest

from smbcore.state import accounts, groups, outbox, tokens, web_sessions
from smbcore.state.accounts import NewAccount
from smbcore.state.configuration import load_configuration
from smbcore.state.engine import writing
from smbcore.state.errors import ConflictError, KeyFileError, NotFoundError, StateError
from smbcore.state.keyfile import KeyFile
from smbcore.state.passwords import Credentials

CREDENTIALS = Credentials(bytes(range(16)), "$argon2id$x")


@pytest.fixture
def db(store):
    with writing(store.engine) as connection:
        yield connection


@pytest.fixture
def make(db, store, now):
    return lambda name, role="user", credentials=CREDENTIALS: accounts.create_account(
        db, store.keyfile, NewAccount(name, role=role), credentials, now=now
    )


def test_accounts_and_groups_get_sids_of_this_machine_one_after_the_other(db, make, now):
    first, group, second = make("a"), groups.create_group(db, "g", now=now), make("b")
    machine, _, rid = first.sid.rpartition("-")
    assert machine.startswith("S-1-5-21-")
    assert rid == "1000"
    assert [group.sid, second.sid] == [f"{machine}-1001", f"{machine}-1002"]


def test_a_sid_is_never_given_twice(db, make, now):
    gone = make("a")
    accounts.delete_account(db, gone.id, now=now)
    assert make("a").sid != gone.sid


def test_an_account_is_found_by_name_in_any_case(db, make):
    made = make("Alice")
    assert accounts.find_account(db, "aLICE") == accounts.get_account(db, made.id) == made
    assert accounts.find_account(db, "bob") is None


@pytest.mark.parametrize("name", ["alice", "ALICE", "staff"])
def test_users_and_groups_share_one_name_space(db, make, now, name):
    make("Alice")
    groups.create_group(db, "Staff", now=now)
    with pytest.raises(StateError) as caught:
        make(name)
    assert caught.value.field == "name"
    with pytest.raises(StateError):
        groups.create_group(db, name, now=now)


def test_the_core_gets_the_nt_hash_and_the_groups(store, now):
    with writing(store.engine) as connection:
        made = accounts.create_account(connection, store.keyfile, NewAccount("Alice"), CREDENTIALS, now=now)
        group = groups.create_group(connection, "staff", members=["ALICE"], now=now)
    configuration = load_configuration(store.engine, store.keyfile)
    found = configuration.find_account("alice")
    assert (found.sid, found.nt_hash, found.group_sids) == (made.sid, CREDENTIALS.nt_hash, (group.sid,))
    assert configuration.groups[0].members == ("Alice",)
    assert CREDENTIALS.nt_hash.hex() not in repr(configuration)
    assert repr(CREDENTIALS.nt_hash) not in repr(configuration)


def test_what_an_account_demands_of_its_sessions_reaches_the_core(store, now):
    """nothing unless asked for, at once or later"""
    with writing(store.engine) as connection:
        plain = accounts.create_account(connection, store.keyfile, NewAccount("plain"), CREDENTIALS, now=now)
        strict = NewAccount("strict", signing_required=True, encryption_required=True)
        made = accounts.create_account(connection, store.keyfile, strict, CREDENTIALS, now=now)
    assert (plain.signing_required, plain.encryption_required) == (False, False)
    assert (made.signing_required, made.encryption_required) == (True, True)
    with writing(store.engine) as connection:
        changed = accounts.change_account(connection, plain.id, {"signing_required": True}, now=now)
        accounts.change_account(connection, made.id, {"signing_required": False}, now=now)
    assert (changed.signing_required, changed.encryption_required, changed.version) == (True, False, 2)
    configuration = load_configuration(store.engine, store.keyfile)
    demands = [(a.name, a.signing_required, a.encryption_required) for a in configuration.accounts]
    assert demands == [("plain", True, False), ("strict", False, True)]


def test_a_database_with_another_key_file_names_the_account(store, now, tmp_path):
    with writing(store.engine) as connection:
        accounts.create_account(connection, store.keyfile, NewAccount("Alice"), CREDENTIALS, now=now)
    with pytest.raises(KeyFileError, match="account Alice: .* another key"):
        load_configuration(store.engine, KeyFile.create(tmp_path / "other.key"))


def test_changes_bump_the_version_and_are_announced(db, make, now):
    made = make("Alice")
    changed = accounts.change_account(db, made.id, {"full_name": "A. L."}, now=now, expected_version=1)
    assert (changed.full_name, changed.version) == ("A. L.", 2)
    kinds = [(event.kind, event.key) for event in outbox.read_since(db, 0).events if event.topic == "users"]
    assert kinds == [("added", str(made.id)), ("changed", str(made.id))]
    with pytest.raises(ConflictError):
        accounts.change_account(db, made.id, {"full_name": "x"}, now=now, expected_version=1)


def test_a_new_password_replaces_both_hashes_and_signs_out(db, store, make, now):
    made = make("Alice")
    _, cookie = web_sessions.create_web_session(db, made.id, address="", now=now)
    changed = accounts.set_password(db, store.keyfile, made.id, Credentials(b"n" * 16, "web"), now=now)
    assert (changed.web_password_hash, changed.has_password, changed.version) == ("web", True, 2)
    assert web_sessions.find_web_session(db, cookie, now=now) is None
    assert not accounts.set_password(db, store.keyfile, made.id, None, now=now).has_password


def test_disabling_ends_web_sessions_and_tokens(db, make, now):
    made = make("Alice")
    _, cookie = web_sessions.create_web_session(db, made.id, address="", now=now)
    _, text = tokens.create_token(db, made.id, "t", ["admin"], now=now)
    accounts.change_account(db, made.id, {"enabled": False}, now=now)
    assert web_sessions.find_web_session(db, cookie, now=now) is None
    assert tokens.find_by_text(db, text, now=now) is None


@pytest.mark.parametrize("changes", [{"role": "user"}, {"enabled": False}])
def test_the_last_administrator_stays(db, make, now, changes):
    admin = make("root", "administrator")
    make("someone")
    with pytest.raises(StateError, match="last administrator"):
        accounts.change_account(db, admin.id, changes, now=now)
    with pytest.raises(StateError, match="last administrator"):
        accounts.delete_account(db, admin.id, now=now)
    make("root2", "administrator")
    accounts.change_account(db, admin.id, changes, now=now)


@pytest.mark.parametrize(
    "changes, field",
    [
        ({"sid": "x"}, "sid"),
        ({"role": "king"}, "role"),
        ({"enabled": 1}, "enabled"),
        ({"name": "a@b"}, "name"),
        ({"signing_required": None}, "signing_required"),
        ({"encryption_required": "yes"}, "encryption_required"),
    ],
)
def test_impossible_changes_are_refused_by_field(db, make, now, changes, field):
    with pytest.raises(StateError) as caught:
        accounts.change_account(db, make("Alice").id, changes, now=now)
    assert caught.value.field == field


def test_who_is_not_there_is_not_found(db, store, now):
    for act in (
        lambda: accounts.get_account(db, 99),
        lambda: accounts.change_account(db, 99, {}, now=now),
        lambda: accounts.delete_account(db, 99, now=now),
        lambda: accounts.set_password(db, store.keyfile, 99, None, now=now),
    ):
        with pytest.raises(NotFoundError):
            act()


def test_a_sign_in_is_remembered_without_a_new_version(db, make, now):
    made = make("Alice")
    accounts.note_sign_in(db, made.id, now=now)
    seen = accounts.get_account(db, made.id)
    assert (seen.last_sign_in_at, seen.version) == (now, 1)
