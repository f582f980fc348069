"""A file system of a given kind in a file, mounted for a while; needs root and the tools of that file system."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

MAKERS = {
    "ext4": ("mkfs.ext4", "-q", "-F"),
    "btrfs": ("mkfs.btrfs", "-q", "-f"),
    "xfs": ("mkfs.xfs", "-q", "-f"),
}
_SIZE = 512 << 20


class FileSystems:
    """File systems that tests share: each kind is mounted once, and every test gets a new folder in it."""

    def __init__(self, base: Path) -> None:
        self._base = base
        self._mounts = ExitStack()
        self._disks: dict[str, Path | LoopbackError] = {}

    def folder(self, kind: str) -> Path:
        """Return a new folder on a file system of that kind. Raises LoopbackError."""
        if kind not in self._disks:
            try:
                self._disks[kind] = self._mounts.enter_context(mounted(kind, self._base / kind / "disk"))
            except LoopbackError as error:
                self._disks[kind] = error
        disk = self._disks[kind]
        if isinstance(disk, LoopbackError):
            raise LoopbackError(f"no {kind}: {disk}")
        return Path(tempfile.mkdtemp(dir=disk))

    def close(self) -> None:
        """Unmount everything."""
        self._mounts.close()


class LoopbackError(Exception):
    """The file system cannot be had here; the message says why."""


@contextmanager
def mounted(kind: str, folder: Path, *, size: int = _SIZE) -> Iterator[Path]:
    """Mount a new file system on `folder` (made if need be); the image lies beside it.

    size  bytes; the image is sparse.  Raises LoopbackError.
    """
    if os.geteuid() != 0:
        raise LoopbackError("only root can mount")
    maker = MAKERS[kind]
    if shutil.which(maker[0]) is None:
        raise LoopbackError(f"{maker[0]} is not installed")
    folder.mkdir(parents=True, exist_ok=True)
    image = folder.with_name(f"{folder.name}.{kind}-image")
    with image.open("wb") as file:
        file.truncate(size)
    try:
        _run(*maker, str(image))
        _run("mount", "-o", "loop", str(image), str(folder))
    except LoopbackError:
        image.unlink()
        raise
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=False, capture_output=True)
        image.unlink()


def _run(*command: str) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise LoopbackError(f"{command[0]}: {done.stderr.strip()[:200]}")
