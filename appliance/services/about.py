"""What runs here."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from sqlalchemy import Connection

from appliance.models.system import VersionShape
from smbcore.state.settings import read_settings
from smbcore.state.version import SCHEMA_VERSION


def software_version() -> str:
    """Return the version of the installed package, "development" in a checkout that is not installed."""
    try:
        return version("holdfast")
    except PackageNotFoundError:
        return "development"


def about(connection: Connection) -> VersionShape:
    """Return names and versions."""
    return VersionShape(
        product="Holdfast",
        version=software_version(),
        api="1",
        schema_version=SCHEMA_VERSION,
        server_name=read_settings(connection).server_name,
    )
