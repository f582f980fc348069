"""Changes of names against a file system that others change too."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from smbcore.nt.status import NtError
from smbcore.vfs.posix import changes, xattr
from smbcore.vfs.posix.backend import PosixBackend


async def status_of(work) -> str:
    with pytest.raises(NtError) as caught:
        await work
    return caught.value.status.name


async def test_name_made_by_others_collides_though_the_index_does_not_know_it(
    posix: PosixBackend, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = await posix.open(())
    await root.names()

    async def late(*args: object) -> bytes:
        (share / "f").write_text("theirs")
        return b"f"

    monkeypatch.setattr(changes, "_free_name", late)
    assert await status_of(posix.create(root, "f", directory=False)) == "OBJECT_NAME_COLLISION"
    assert (share / "f").read_text() == "theirs"
    root.close()


@pytest.mark.parametrize("directory", [False, True])
async def test_file_that_cannot_be_made_on_a_full_disk_leaves_nothing(
    posix: PosixBackend, share: Path, monkeypatch: pytest.MonkeyPatch, directory: bool
) -> None:
    """The descriptor has gone to the side store when there is no room even for the mark of that."""
    root = await posix.open(())
    real = os.setxattr

    def full(file: int, name: str, value: bytes) -> None:
        if name == xattr.SECURITY:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(file, name, value)

    with monkeypatch.context() as patch:
        patch.setattr(os, "setxattr", full)
        assert await status_of(posix.create(root, "f", directory=directory, security=bytes(100))) == "DISK_FULL"
    assert os.listdir(share) == [".holdfast-streams"]
    assert os.listdir(share / ".holdfast-streams") == []
    (await posix.create(root, "f", directory=directory, security=bytes(100))).close()
    root.close()


async def test_directory_replaces_a_file_but_not_when_it_cannot_move(posix: PosixBackend, share: Path) -> None:
    (share / "d").mkdir()
    (share / "d" / "File").write_text("kept")
    (share / "file").write_text("replaced")
    node, root = await posix.open(("d",)), await posix.open(())
    assert await status_of(posix.rename(node, node, "FILE", replace=True)) == "INVALID_PARAMETER"
    assert (share / "d" / "File").read_text() == "kept"
    await posix.rename(node, root, "FILE", replace=True)
    assert sorted(os.listdir(share)) == ["FILE"]
    assert (share / "FILE" / "File").read_text() == "kept"
    node.close()
    root.close()


async def test_replacing_keeps_the_directorys_index(share: Path) -> None:
    posix = PosixBackend(share, now=lambda: 0)
    root = await posix.open(())
    (await posix.create(root, "Document", directory=False)).close()
    await root.names()
    scans = posix.indexes.scans
    for _ in range(5):
        node = await posix.create(root, "temporary", directory=False)
        await posix.rename(node, root, "DOCUMENT", replace=True)
        node.close()
        again = await posix.open(("document",))
        assert again.path == ("DOCUMENT",)
        again.close()
    assert posix.indexes.scans == scans
    root.close()
    posix.close()


async def test_link_over_its_own_name_keeps_the_streams(posix: PosixBackend, share: Path) -> None:
    root = await posix.open(())
    node = await posix.create(root, "f", directory=False)
    stream, _ = node.open_stream("s", create=True)
    await stream.write(0, bytes(10_000))
    await posix.link(node, root, "F", replace=True)
    assert [s.end_of_file for s in node.streams()] == [10_000]
    assert os.path.exists(share / "f")
    for each in (stream, node, root):
        each.close()
