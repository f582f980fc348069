"""The directories behind shares: made when asked for, and tried before they are shared."""

from __future__ import annotations

import os
from pathlib import Path

from smbcore.state.errors import StateError


def is_usable(path: str) -> bool:
    """Tell whether there is a directory that this service may read."""
    return Path(path).is_dir() and os.access(path, os.R_OK | os.X_OK)


def prepare_folder(path: str, *, create: bool) -> bool:
    """Check that the service can use a directory, making it first if asked; tell whether it was made.

    Errors:  StateError  missing, no directory, or not readable and writable by this service
    """
    folder = Path(path)
    made = False
    try:
        if create and not folder.exists():
            folder.mkdir(parents=True, mode=0o755)
            made = True
    except OSError as error:
        raise StateError("path", f"The folder {path} cannot be made: {error.strerror}.") from error
    if not folder.exists():
        raise StateError("path", f"There is no folder {path} on the server.")
    if not folder.is_dir():
        raise StateError("path", f"{path} is not a folder.")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise StateError("path", f"The server may not read {path}.")
    return made
