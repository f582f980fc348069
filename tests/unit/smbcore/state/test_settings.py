from __future__ import annotations

import pytest
from sqlalchemy import insert

from smbcore.state import outbox, settings
from smbcore.state.configuration import IDENTITY_SETTINGS, load_configuration
from smbcore.state.engine import writing
from smbcore.state.errors import ConfigurationError, StateError
from smbcore.state.schema import setting


@pytest.fixture
def db(store):
    with writing(store.engine) as connection:
        yield connection


def test_a_change_is_stored_and_announced(db, now):
    changed = settings.change_settings(db, {"workgroup": "HOME", "signing_required": False}, now=now)
    assert settings.read_settings(db) == changed
    assert (changed.workgroup, changed.signing_required) == ("HOME", False)
    keys = [event.key for event in outbox.read_since(db, 0).events if event.topic == "settings"][-2:]
    assert keys == ["workgroup", "signing_required"]
    assert settings.change_settings(db, {"workgroup": "WORK"}, now=now).workgroup == "WORK"


@pytest.mark.parametrize(
    "changes, field",
    [
        ({"nope": 1}, "nope"),
        ({"max_io_size": 1}, "max_io_size"),
        ({"server_name": "far too long a name"}, "server_name"),
        ({"workgroup": "a b"}, "workgroup"),
        ({"min_dialect": "3.1.1", "max_dialect": "3.0"}, "max_dialect"),
        ({"encryption_required": True, "encryption_offered": False}, "encryption_offered"),
        *[({name: "x"}, name) for name in sorted(IDENTITY_SETTINGS)],
    ],
)
def test_impossible_changes_are_refused_and_nothing_is_stored(db, now, changes, field):
    before = settings.read_settings(db)
    with pytest.raises(StateError) as caught:
        settings.change_settings(db, changes, now=now)
    assert caught.value.field == field
    assert settings.read_settings(db) == before


def test_a_setting_of_a_newer_program_is_a_clear_error(store, now):
    with writing(store.engine) as connection:
        connection.execute(insert(setting).values(name="warp", value=9, updated_at=now))
    with pytest.raises(ConfigurationError, match="setting warp: there is no such option"):
        load_configuration(store.engine, store.keyfile)
