"""A file system of a given kind in a file, mounted for a while; needs root and the tools of that file system."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MAKERS = {
    "ext4": ("mkfs.ext4", "-q", "-F"),
    "btrfs": ("mkfs.btrfs", "-q", "-f"),
    "xfs": ("mkfs.xfs", "-q", "-f"),
}
_SIZE = 512 << 20


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
