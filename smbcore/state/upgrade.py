"""The schema version of a database: check it, bring it up to date.

Alembic is imported only where something is upgraded: the core checks the version at every start, and Alembic with
its template engine takes as long to import as everything else of SQLAlchemy.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from sqlalchemy import Engine, inspect, select, table
from sqlalchemy.sql import column

from smbcore.state.engine import writing
from smbcore.state.errors import SchemaError
from smbcore.state.version import SCHEMA_VERSION, revision_name

if TYPE_CHECKING:
    from alembic.config import Config

_ALEMBIC_TABLE = "alembic_version"


def read_schema_version(engine: Engine) -> int:
    """Return the schema version of the database, 0 when it has no schema yet."""
    with engine.connect() as connection:
        if not inspect(connection).has_table(_ALEMBIC_TABLE):
            return 0
        revision = connection.scalar(select(column("version_num")).select_from(table(_ALEMBIC_TABLE)))
    if revision is None:
        return 0
    if not str(revision).isdecimal():
        raise SchemaError(f"the database has the unknown schema version {revision!r}")
    return int(revision)


def check_schema_version(engine: Engine) -> None:
    """Raise SchemaError, with one line that says what to do, unless the schema is the one of this program."""
    found = read_schema_version(engine)
    if found == SCHEMA_VERSION:
        return
    if found > SCHEMA_VERSION:
        raise SchemaError(
            f"the database has schema version {found}, this program knows up to {SCHEMA_VERSION}: "
            "install the newer program"
        )
    if found == 0:
        raise SchemaError("the database is empty: initialise it first")
    raise SchemaError(f"the database has schema version {found}, this program needs {SCHEMA_VERSION}: upgrade it first")


def upgrade(engine: Engine) -> None:
    """Bring the database to this program's schema version, in one transaction.

    Errors:  SchemaError  the database is newer than this program
    """
    from alembic import command

    if read_schema_version(engine) > SCHEMA_VERSION:
        check_schema_version(engine)
    with writing(engine) as connection:
        config = _alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision_name(SCHEMA_VERSION))


def _alembic_config() -> Config:
    from alembic.config import Config

    spec = find_spec("migrations")
    if spec is None or not spec.submodule_search_locations:
        raise SchemaError("the migrations package is not installed")
    config = Config()
    config.set_main_option(
        "script_location",
        next(iter(spec.submodule_search_locations)).replace("%", "%%"),
    )
    return config
