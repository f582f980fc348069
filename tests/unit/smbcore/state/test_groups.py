from __future__ import annotations

import pytest

from smbcore.state import accounts, groups, outbox
from smbcore.state.engine import writing
from smbcore.state.errors import ConflictError, NotFoundError, StateError


@pytest.fixture
def db(store, now):
    with writing(store.engine) as connection:
        for name in ("Alice", "Bob"):
            accounts.create_account(connection, store.keyfile, accounts.NewAccount(name), None, now=now)
        yield connection


def test_members_are_named_in_any_case_and_listed_once(db, now):
    made = groups.create_group(db, "Staff", comment="c", members=["bob", "ALICE", "alice"], now=now)
    assert (made.members, made.comment, made.version) == (("Alice", "Bob"), "c", 1)
    assert groups.find_group(db, "sTAFF") == made
    assert accounts.find_account(db, "bob").groups == ("Staff",)


def test_members_are_replaced_as_a_whole(db, now):
    made = groups.create_group(db, "Staff", members=["alice"], now=now)
    assert groups.change_group(db, made.id, {"members": ["bob"]}, now=now).members == ("Bob",)
    assert groups.change_group(db, made.id, {"members": []}, now=now).members == ()


def test_a_deleted_account_leaves_its_groups(db, now):
    made = groups.create_group(db, "Staff", members=["alice", "bob"], now=now)
    accounts.delete_account(db, accounts.find_account(db, "alice").id, now=now)
    assert groups.get_group(db, made.id).members == ("Bob",)


def test_changes_are_versioned_and_announced(db, now):
    made = groups.create_group(db, "Staff", now=now)
    assert groups.change_group(db, made.id, {"comment": "x"}, now=now, expected_version=1).version == 2
    with pytest.raises(ConflictError):
        groups.delete_group(db, made.id, now=now, expected_version=1)
    groups.delete_group(db, made.id, now=now, expected_version=2)
    kinds = [event.kind for event in outbox.read_since(db, 0).events if event.topic == "groups"]
    assert kinds == ["added", "changed", "removed"]
    with pytest.raises(NotFoundError):
        groups.get_group(db, made.id)


@pytest.mark.parametrize(
    "changes, field", [({"members": ["eve"]}, "members"), ({"sid": ""}, "sid"), ({"name": ""}, "name")]
)
def test_impossible_changes_are_refused_by_field(db, now, changes, field):
    made = groups.create_group(db, "Staff", now=now)
    with pytest.raises(StateError) as caught:
        groups.change_group(db, made.id, changes, now=now)
    assert caught.value.field == field
