from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from smbcore.state import accounts
from smbcore.state.engine import open_engine, writing
from smbcore.state.errors import SchemaError
from smbcore.state.schema import metadata
from smbcore.state.upgrade import check_schema_version, read_schema_version, upgrade
from smbcore.state.version import SCHEMA_VERSION, revision_name


def alembic_config(connection=None) -> Config:
    config = Config()
    config.set_main_option("script_location", find_spec("migrations").submodule_search_locations[0])
    config.attributes["connection"] = connection
    return config


@pytest.fixture
def empty(database_url):
    engine = open_engine(database_url)
    yield engine
    engine.dispose()


def test_migrations_build_exactly_the_declared_schema(empty):
    upgrade(empty)
    with empty.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    check_schema_version(empty)


def test_upgrading_twice_changes_nothing(empty):
    upgrade(empty)
    upgrade(empty)
    assert read_schema_version(empty) == SCHEMA_VERSION


def test_migrations_go_down_to_nothing_and_up_again(empty):
    upgrade(empty)
    with writing(empty) as connection:
        command.downgrade(alembic_config(connection), "base")
        assert inspect(connection).get_table_names() == ["alembic_version"]
    upgrade(empty)
    check_schema_version(empty)


ACCOUNT = (
    "INSERT INTO account (id, name, name_key, full_name, sid, role, enabled, version, created_at, updated_at) "
    "VALUES (7, 'Alice', 'alice', '', 'S-1-5-21-1-2-3-1000', 'user', :yes, 3, :now, :now)"
)
GROUP = (
    "INSERT INTO group_ (id, name, name_key, sid, comment, version, created_at, updated_at) "
    "VALUES (8, 'staff', 'staff', 'S-1-5-21-1-2-3-1001', '', 1, :now, :now)"
)
MEMBERSHIP = "INSERT INTO membership (group_id, account_id) VALUES (8, 7)"


@pytest.fixture
def first(empty, now):
    """A database of the first schema, with an account in a group."""
    with writing(empty) as connection:
        command.upgrade(alembic_config(connection), "0001")
        for statement in (ACCOUNT, GROUP, MEMBERSHIP):
            connection.execute(text(statement), {"yes": True, "now": now})
    return empty


def test_a_database_of_the_first_schema_is_refused_until_it_is_upgraded(first):
    with pytest.raises(SchemaError, match=f"schema version 1, this program needs {SCHEMA_VERSION}: upgrade it first"):
        check_schema_version(first)
    upgrade(first)
    check_schema_version(first)


def test_accounts_of_the_first_schema_demand_nothing_and_stay_in_their_groups(first):
    upgrade(first)
    with first.connect() as connection:
        (found,) = accounts.list_accounts(connection)
    assert (found.name, found.version, found.groups) == ("Alice", 3, ("staff",))
    assert (found.signing_required, found.encryption_required) == (False, False)


def test_going_back_to_the_first_schema_keeps_accounts_and_groups(first):
    upgrade(first)
    with writing(first) as connection:
        command.downgrade(alembic_config(connection), "0001")
        assert "signing_required" not in {column["name"] for column in inspect(connection).get_columns("account")}
        assert connection.execute(text("SELECT group_id, account_id FROM membership")).all() == [(8, 7)]


def test_an_empty_database_is_called_empty(empty):
    with pytest.raises(SchemaError, match="is empty"):
        check_schema_version(empty)


@pytest.mark.parametrize("act", [check_schema_version, upgrade])
def test_a_newer_schema_gives_one_clear_line(empty, act):
    upgrade(empty)
    newer = SCHEMA_VERSION + 1
    with writing(empty) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :v"), {"v": revision_name(newer)})
    with pytest.raises(SchemaError) as caught:
        act(empty)
    assert str(caught.value) == (
        f"the database has schema version {newer}, this program knows up to {SCHEMA_VERSION}: install the newer program"
    )


def test_an_unknown_schema_is_refused(empty):
    upgrade(empty)
    with writing(empty) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'deadbeef'"))
    with pytest.raises(SchemaError, match="unknown schema version 'deadbeef'"):
        check_schema_version(empty)


def test_the_history_is_one_line_that_ends_at_this_version():
    scripts = ScriptDirectory.from_config(alembic_config())
    revisions = [script.revision for script in scripts.walk_revisions()]
    assert revisions == [revision_name(number) for number in range(SCHEMA_VERSION, 0, -1)]


def test_checking_the_version_does_not_import_alembic():
    program = "import sys, smbcore.server.__main__; print(sorted({'alembic', 'mako', 'pygments'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
