from __future__ import annotations

import pytest
from sqlalchemy import update

from smbcore.state import accounts, groups, outbox, shares
from smbcore.state.configuration import ShareAccess, ShareOptions, load_configuration
from smbcore.state.engine import writing
from smbcore.state.errors import ConfigurationError, ConflictError, NotFoundError, StateError
from smbcore.state.schema import share
from smbcore.state.shares import NewShare


@pytest.fixture
def db(store):
    with writing(store.engine) as connection:
        yield connection


@pytest.fixture
def docs(db, now):
    return shares.create_share(db, NewShare("Docs", "/srv/docs"), now=now)


def events(db, topic):
    return [(event.kind, event.key) for event in outbox.read_since(db, 0).events if event.topic == topic]


def test_a_new_share_is_stored_and_announced(db, now):
    made = shares.create_share(
        db,
        NewShare("Docs", "/srv/docs/", comment="c", encrypt=True, options=ShareOptions(streams=False),
                 access=(ShareAccess("everyone", "read"), ShareAccess("sid:S-1-5-32-544", "full"))),
        now=now,
    )  # fmt: skip
    assert made == shares.get_share(db, made.id) == shares.find_share(db, "dOCS")
    assert (made.path, made.kind, made.encrypt, made.version) == ("/srv/docs", "disk", True, 1)
    assert made.options == ShareOptions(streams=False)
    assert made.access == (ShareAccess("everyone", "read"), ShareAccess("sid:S-1-5-32-544", "full"))
    assert events(db, "shares") == [("added", str(made.id))]


def test_lists_from_before_they_were_limited_stay_until_they_are_changed(db, docs, now):
    many = ["*.tmp"] * 101
    db.execute(update(share).where(share.c.id == docs.id).values(options={"hide_files": many}))
    options = {"hide_files": many, "streams": False}
    changed = shares.change_share(db, docs.id, {"options": options}, now=now)
    assert (len(changed.options.hide_files), changed.options.streams) == (101, False)
    shares.change_quotas(db, docs.id, lambda _: {"quota": "track"}, now=now)
    with pytest.raises(StateError) as caught:
        shares.change_share(db, docs.id, {"options": {"hide_files": many[1:] + ["*.bak", "*.old"]}}, now=now)
    assert caught.value.field == "options.hide_files"


def test_ipc_is_there_and_cannot_be_changed(db, now):
    ipc = shares.find_share(db, "ipc$")
    assert ipc.kind == "pipe"
    for act in (
        lambda: shares.change_share(db, ipc.id, {"enabled": False}, now=now),
        lambda: shares.delete_share(db, ipc.id, now=now),
    ):
        with pytest.raises(StateError, match="part of every server"):
            act()


@pytest.mark.parametrize("name", ["docs", "DOCS", "Docs"])
def test_a_taken_name_is_refused_in_any_case(db, docs, now, name):
    with pytest.raises(StateError) as caught:
        shares.create_share(db, NewShare(name, "/srv/x"), now=now)
    assert caught.value.field == "name"


def test_a_share_may_be_renamed_to_another_case_of_itself(db, docs, now):
    changed = shares.change_share(db, docs.id, {"name": "DOCS"}, now=now)
    assert (changed.name, changed.version) == ("DOCS", 2)


def test_a_change_touches_only_what_it_names(db, docs, now):
    changed = shares.change_share(db, docs.id, {"read_only": True, "options": {"durable": False}}, now=now)
    assert changed.read_only
    assert changed.options == ShareOptions(durable=False)
    assert (changed.name, changed.path, changed.abe) == (docs.name, docs.path, docs.abe)
    assert events(db, "shares")[-1] == ("changed", str(docs.id))


@pytest.mark.parametrize(
    "changes, field",
    [
        ({"colour": "red"}, "colour"),
        ({"kind": "pipe"}, "kind"),
        ({"id": 3}, "id"),
        ({"read_only": 1}, "read_only"),
        ({"path": "relative"}, "path"),
        ({"name": "a/b"}, "name"),
        ({"options": {"nope": 1}}, "options.nope"),
        ({"access": [ShareAccess("user:nobody", "read")]}, "access"),
        ({"access": [ShareAccess("group:nobody", "read")]}, "access"),
        ({"access": [ShareAccess("sid:S-1", "read")]}, "access"),
        ({"access": [ShareAccess("somebody", "read")]}, "access"),
        ({"access": [ShareAccess("everyone", "own")]}, "access"),
        ({"access": [ShareAccess("everyone", "read"), ShareAccess("everyone", "full")]}, "access"),
    ],
)
def test_impossible_changes_are_refused_by_field(db, docs, now, changes, field):
    with pytest.raises(StateError) as caught:
        shares.change_share(db, docs.id, changes, now=now)
    assert caught.value.field == field


def test_a_stale_version_is_a_conflict(db, docs, now):
    shares.change_share(db, docs.id, {"comment": "1"}, now=now, expected_version=1)
    with pytest.raises(ConflictError):
        shares.change_share(db, docs.id, {"comment": "2"}, now=now, expected_version=1)
    with pytest.raises(ConflictError):
        shares.delete_share(db, docs.id, now=now, expected_version=1)


def test_a_deleted_share_is_gone_with_its_access_list(db, now):
    made = shares.create_share(db, NewShare("x", "/x", access=(ShareAccess("everyone", "full"),)), now=now)
    shares.delete_share(db, made.id, now=now)
    assert events(db, "shares")[-1] == ("removed", str(made.id))
    with pytest.raises(NotFoundError):
        shares.get_share(db, made.id)
    again = shares.create_share(db, NewShare("x", "/x"), now=now)
    assert again.access == ()


def test_access_lists_follow_names_and_forget_the_deleted(db, store, now):
    user = accounts.create_account(db, store.keyfile, accounts.NewAccount("Alice"), None, now=now)
    group = groups.create_group(db, "staff", now=now)
    access = (ShareAccess("user:alice", "full"), ShareAccess("group:STAFF", "read"))
    made = shares.create_share(db, NewShare("x", "/x", access=access), now=now)
    assert made.access == (ShareAccess("group:staff", "read"), ShareAccess("user:Alice", "full"))
    accounts.change_account(db, user.id, {"name": "Bob"}, now=now)
    groups.change_group(db, group.id, {"name": "Crew"}, now=now)
    renamed = shares.get_share(db, made.id)
    assert renamed.access == (ShareAccess("group:Crew", "read"), ShareAccess("user:Bob", "full"))
    assert renamed.version == 3
    accounts.delete_account(db, user.id, now=now)
    groups.delete_group(db, group.id, now=now)
    assert shares.get_share(db, made.id).access == ()


def test_an_option_that_this_program_does_not_know_is_a_clear_error(store, now):
    with writing(store.engine) as connection:
        made = shares.create_share(connection, NewShare("Docs", "/srv/docs"), now=now)
        connection.execute(update(share).where(share.c.id == made.id).values(options={"turbo": True}))
    with pytest.raises(ConfigurationError, match="share Docs, option turbo: there is no such option"):
        load_configuration(store.engine, store.keyfile)
