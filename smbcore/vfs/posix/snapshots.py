"""Finding the snapshots of a share: the folder `.snapshots` at the share's root, or at the top of its btrfs subvolume.

    .snapshots/@GMT-2026.11.22-17.05.00      any directory with such a name: a copy made by whatever tool, UTC
    .snapshots/<any name>                    a btrfs subvolume; its time is the one that btrfs recorded
    .snapshots/<any name>/snapshot           the same, as snapper lays them out

Nothing is followed: a symbolic link in the place of any of these is ignored. A share that is a folder inside of a
subvolume is looked for at the same place inside of the snapshot.
"""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path

from smbcore.nt.filetime import from_unix_ns
from smbcore.nt.gmt import from_token, whole_seconds
from smbcore.nt.status import NtError, Status
from smbcore.vfs.posix import kernel

_log = logging.getLogger(__name__)

FOLDER = ".snapshots"
_INNER = "snapshot"
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_SUBVOLUME_INODE = 256
_MOST = 4096
"""Entries of a snapshot folder that are looked at."""


def find(root: int) -> dict[int, tuple[str, ...]]:
    """Return time (FILETIME, whole seconds) -> way to the share's folder in it, for every snapshot.

    root  descriptor of the share's root; a way is a path upwards from it ("" or "../.."), and names to go down then
    """
    found: dict[int, tuple[str, ...]] = {}
    _collect(root, (), found)
    inside = _way_in_subvolume(root)
    if inside:
        top = _top(root, inside)
        try:
            _collect(top, inside, found)
        finally:
            os.close(top)
    return found


def open_at(root: int, way: tuple[str, ...]) -> int:
    """Open the share's directory in a snapshot that `find` named.

    Errors: OBJECT_NAME_NOT_FOUND it is gone, or the share's folder is not in it.
    """
    up, *names = way
    at = os.open(up or ".", _DIRECTORY, dir_fd=root)
    for name in names:
        try:
            below = os.open(name, _DIRECTORY, dir_fd=at)
        except OSError as error:
            raise NtError(Status.OBJECT_NAME_NOT_FOUND, f"snapshot {way}: {error.strerror}") from error
        finally:
            os.close(at)
        at = below
    return at


def _collect(top: int, inside: tuple[str, ...], found: dict[int, tuple[str, ...]]) -> None:
    """Add what lies in the snapshot folder of `top`; `inside` leads from the top of a snapshot to the share."""
    try:
        folder = os.open(FOLDER, _DIRECTORY, dir_fd=top)
    except OSError:
        return  # most shares have none
    up = "/".join([".."] * len(inside))
    try:
        with os.scandir(folder) as listed:
            names = [entry.name for _, entry in zip(range(_MOST), listed, strict=False)]
        for name in names:
            for way in ((name,), (name, _INNER)):
                time = _time_of(folder, way)
                if time is not None:
                    found.setdefault(time, (up, FOLDER, *way, *inside))
                    break
    except OSError as error:
        _log.warning("snapshots cannot be listed: %s", error)
    finally:
        os.close(folder)


def _time_of(folder: int, way: tuple[str, ...]) -> int | None:
    """Return when the snapshot at `way` was made, None if it is none."""
    path = "/".join(way)
    try:
        status = os.stat(path, dir_fd=folder, follow_symlinks=False)
        if not stat.S_ISDIR(status.st_mode):
            return None
        time = from_token(way[-1])
        if time is not None or status.st_ino != _SUBVOLUME_INODE:
            return time
        snapshot = os.open(path, _DIRECTORY, dir_fd=folder)
    except OSError:
        return None
    try:
        made = kernel.subvolume_created_ns(snapshot)
        return None if made is None else whole_seconds(from_unix_ns(made))
    finally:
        os.close(snapshot)


def _way_in_subvolume(root: int) -> tuple[str, ...]:
    """Return the names from the top of the share's btrfs subvolume to the share, () at the top or elsewhere."""
    if os.fstat(root).st_ino == _SUBVOLUME_INODE:
        return ()
    path = Path(f"/proc/self/fd/{root}").readlink()
    device = os.fstat(root).st_dev
    for above in path.parents:
        try:
            status = above.stat(follow_symlinks=False)
        except OSError:
            return ()
        if status.st_dev != device:
            return ()
        if status.st_ino == _SUBVOLUME_INODE:
            return path.relative_to(above).parts
    return ()


def _top(root: int, inside: tuple[str, ...]) -> int:
    return os.open("/".join([".."] * len(inside)), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=root)
