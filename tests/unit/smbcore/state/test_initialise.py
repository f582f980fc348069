from __future__ import annotations

import uuid

import pytest

from smbcore.nt.sid import Sid
from smbcore.state import settings, shares
from smbcore.state.configuration import load_configuration
from smbcore.state.engine import open_engine
from smbcore.state.errors import ConfigurationError, StateError
from smbcore.state.initialise import initialise
from smbcore.state.keyfile import KeyFile


def configuration(directory):
    engine = open_engine(directory.database_url)
    try:
        return load_configuration(engine, KeyFile.load(directory.key_file))
    finally:
        engine.dispose()


def test_everything_a_server_needs_is_there(tmp_path, now):
    directory = initialise(tmp_path / "a" / "data", now=now, server_name="NAS1")
    assert directory.path.stat().st_mode & 0o777 == 0o700
    assert sorted(path.name for path in directory.path.iterdir()) == ["holdfast.db", "secret.key"]
    assert directory.control_socket == directory.path / "control.sock"
    assert directory.records_trusted == directory.path / "records-trusted"
    made = configuration(directory)
    assert made.settings.server_name == "NAS1"
    assert len(Sid.parse(made.settings.machine_sid).sub_authorities) == 4
    uuid.UUID(made.settings.server_guid)
    uuid.UUID(made.settings.node_id)
    assert [share.name for share in made.shares] == ["IPC$"]


def test_doing_it_again_keeps_what_is_there(tmp_path, now):
    directory = initialise(tmp_path / "data", now=now, server_name="NAS1")
    before, key = configuration(directory), directory.key_file.read_bytes()
    initialise(tmp_path / "data", now=now, server_name="OTHER")
    assert configuration(directory) == before
    assert directory.key_file.read_bytes() == key


def test_another_database_may_be_named(store, now):
    with store.engine.connect() as connection:
        assert settings.read_settings(connection).machine_sid
        assert shares.find_share(connection, "IPC$") is not None


def test_a_directory_that_cannot_be_made_is_named(tmp_path, now):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be made"):
        initialise(tmp_path / "file" / "data", now=now)


def test_an_impossible_server_name_makes_nothing(tmp_path, now):
    with pytest.raises(StateError):
        initialise(tmp_path / "data", now=now, server_name="a name")
    assert not (tmp_path / "data").exists()
