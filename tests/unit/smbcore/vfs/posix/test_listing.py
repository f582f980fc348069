"""Metadata of many children while they change."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from smbcore.vfs.posix import listing, xattr
from smbcore.vfs.posix.backend import PosixBackend
from smbcore.vfs.posix.xattr import Stored


async def test_child_that_vanishes_between_status_and_record_is_left_out(
    posix: PosixBackend, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (share / "stays").touch()
    (share / "goes").touch()
    root = await posix.open(())
    real = listing.fetch

    def late(directory: int, children):
        (share / "goes").unlink()
        return real(directory, children)

    monkeypatch.setattr(listing, "fetch", late)
    assert [name for name, _ in await root.entries(["goes", "stays"])] == ["stays"]
    root.close()


async def test_record_of_a_file_swapped_in_is_not_kept_for_the_first(
    posix: PosixBackend, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (share / "f").touch()
    node = await posix.open(("f",))
    root = await posix.open(())
    real = listing.fetch

    def swapped(directory: int, children):
        (share / "other").touch()
        os.setxattr(share / "other", xattr.DOS, Stored(attributes=0x07, creation=1).record())
        (share / "f").rename(share / "away")
        (share / "other").rename(share / "f")
        return real(directory, children)

    monkeypatch.setattr(listing, "fetch", swapped)
    await root.entries(["f"])
    assert node.info().attributes == 0
    node.close()
    root.close()
