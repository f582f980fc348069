"""Something to look at: the demo share."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine

from appliance.services.folders import prepare_folder
from smbcore.state.configuration import ShareAccess
from smbcore.state.engine import writing
from smbcore.state.shares import NewShare, create_share, find_share

DEMO_SHARE = "demo"

_WELCOME = """Welcome to Holdfast.

This folder is the share "demo". Whatever you put here is kept in the data directory
of the server; removing the share in the web pages leaves the files in place.
"""


def create_demo_share(engine: Engine, folder: Path, now: datetime) -> None:
    """Share a folder as "demo" that every user may fill; nothing happens when the share exists."""
    prepare_folder(str(folder), create=True)
    welcome = folder / "Welcome.txt"
    if not any(folder.iterdir()):
        welcome.write_text(_WELCOME, encoding="utf-8")
    with writing(engine) as connection:
        if find_share(connection, DEMO_SHARE) is not None:
            return
        access = (ShareAccess("everyone", "full"),)
        new = NewShare(DEMO_SHARE, str(folder), "A folder to try things in", purpose="team", access=access)
        create_share(connection, new, now=now)
