"""Nothing leaves the root: links, dots, races, special files, the stream store."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from smbcore.nt.attributes import IO_REPARSE_TAG_SYMLINK
from smbcore.nt.status import NtError, Status
from smbcore.vfs.posix import openat2
from smbcore.vfs.posix.backend import PosixBackend


@pytest.fixture(params=[True, False], ids=["openat2", "walk"])
def volume(request: pytest.FixtureRequest, share: Path):
    backend = PosixBackend(share, use_openat2=request.param)
    yield backend
    backend.close()


async def status_of(work) -> str:
    with pytest.raises(NtError) as caught:
        await work
    return caught.value.status.name


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    secret = tmp_path / "outside"
    secret.mkdir()
    (secret / "secret.txt").write_text("secret")
    return secret


async def test_link_to_the_outside_is_refused(volume: PosixBackend, share: Path, outside: Path) -> None:
    (share / "absolute").symlink_to(outside / "secret.txt")
    (share / "relative").symlink_to("../outside/secret.txt")
    (share / "dir").symlink_to(outside)
    (share / "updir").symlink_to("../outside")
    for path in (("absolute",), ("relative",), ("dir",), ("updir",), ("dir", "secret.txt"), ("updir", "secret.txt")):
        assert await status_of(volume.open(path)) == "STOPPED_ON_SYMLINK"
        assert await status_of(volume.open(path, writable=True)) == "STOPPED_ON_SYMLINK"
    for path in (("DIR", "secret.txt"), ("ABSOLUTE",)):
        assert await status_of(volume.open(path)) == "STOPPED_ON_SYMLINK"


async def test_absolute_link_into_the_volume_is_refused_too(volume: PosixBackend, share: Path) -> None:
    (share / "f").write_text("x")
    (share / "link").symlink_to(share / "f")
    assert await status_of(volume.open(("link",))) == "STOPPED_ON_SYMLINK"


async def test_link_in_the_middle_stops_even_if_it_stays_inside(volume: PosixBackend, share: Path) -> None:
    (share / "real").mkdir()
    (share / "real" / "f").write_text("x")
    (share / "link").symlink_to("real")
    assert await status_of(volume.open(("link", "f"))) == "STOPPED_ON_SYMLINK"


async def test_link_at_the_end_that_stays_inside_leads_to_its_target(volume: PosixBackend, share: Path) -> None:
    (share / "d").mkdir()
    (share / "d" / "f").write_text("x")
    (share / "link").symlink_to("./d/../d/f")
    (share / "again").symlink_to("LINK")
    node = await volume.open(("again",))
    assert node.path == ("d", "f")
    node.close()
    (share / "loop").symlink_to("loop")
    assert await status_of(volume.open(("loop",))) == "STOPPED_ON_SYMLINK"


async def test_link_itself_opens_and_is_removed_without_its_target(
    volume: PosixBackend, share: Path, outside: Path
) -> None:
    (share / "link").symlink_to(outside / "secret.txt")
    node = await volume.open(("LINK",), follow=False)
    assert node.info().reparse_tag == IO_REPARSE_TAG_SYMLINK
    assert node.object_metadata("posix.symlink") == os.fsencode(outside / "secret.txt")
    root = await volume.open(())
    [(name, info)] = await root.entries(["link"])
    assert (name, info) == ("link", node.info())
    assert await status_of(node.write(0, b"x")) == "INVALID_DEVICE_REQUEST"
    await volume.remove(node)
    node.close()
    root.close()
    assert not (share / "link").is_symlink()
    assert (outside / "secret.txt").read_text() == "secret"


async def test_directory_swapped_for_a_link_leads_nowhere(volume: PosixBackend, share: Path, outside: Path) -> None:
    (share / "d").mkdir()
    (share / "d" / "secret.txt").write_text("inside")
    node = await volume.open(("d", "secret.txt"))
    directory = await volume.open(("d",))
    (share / "d").rename(share / "moved")
    (share / "d").symlink_to(outside)
    assert await status_of(volume.open(("d", "secret.txt"))) == "STOPPED_ON_SYMLINK"
    assert await status_of(volume.remove(node)) == "OBJECT_NAME_NOT_FOUND"
    assert await status_of(volume.rename(node, directory, "x", replace=False)) == "OBJECT_NAME_NOT_FOUND"
    made = await volume.create(directory, "new.txt", directory=False)
    assert (share / "moved" / "new.txt").exists()
    assert sorted(os.listdir(outside)) == ["secret.txt"]
    for each in (node, directory, made):
        each.close()


async def test_component_swapped_during_the_walk_leads_nowhere(
    share: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The component-wise walk: the directory becomes a link between the look at it and the step into it."""
    (share / "d").mkdir()
    volume = PosixBackend(share, use_openat2=False)
    step = openat2._step

    def swapped(directory: int, name: bytes) -> int:
        if name == b"d" and not (share / "d").is_symlink():
            (share / "d").rename(share / "was-d")
            (share / "d").symlink_to(outside)
        return step(directory, name)

    monkeypatch.setattr(openat2, "_step", swapped)
    assert await status_of(volume.open(("d", "secret.txt"))) == "STOPPED_ON_SYMLINK"
    volume.close()


async def test_file_swapped_for_a_link_is_not_written_through(volume: PosixBackend, share: Path, outside: Path) -> None:
    (share / "f").write_text("inside")
    node = await volume.open(("f",))
    (share / "f").unlink()
    (share / "f").symlink_to(outside / "secret.txt")
    await node.write(0, b"changed")  # opens for writing only now, by its descriptor
    assert (outside / "secret.txt").read_text() == "secret"
    assert await status_of(volume.remove(node)) == "OBJECT_NAME_NOT_FOUND"
    assert (share / "f").is_symlink()
    node.close()


async def test_link_swapped_for_a_file_is_read_as_one(
    volume: PosixBackend, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1 the name is refused as a link, 2 a local program puts a file in its place, 3 it is opened once more."""
    (share / "d").mkdir()
    (share / "d" / "f").symlink_to("elsewhere")
    real = openat2.Resolver.open

    def swap(resolver: openat2.Resolver, path: bytes, flags: int) -> int:
        if flags == os.O_PATH and (share / "d" / "f").is_symlink():
            (share / "d" / "f").unlink()
            (share / "d" / "f").write_text("content")
        return real(resolver, path, flags)

    monkeypatch.setattr(openat2.Resolver, "open", swap)
    node = await volume.open(("d", "f"))
    buffer = bytearray(10)
    assert bytes(buffer[: await node.read_into(0, memoryview(buffer))]) == b"content"
    node.close()


async def test_create_and_rename_never_follow_a_link_in_their_way(
    volume: PosixBackend, share: Path, outside: Path
) -> None:
    root = await volume.open(())
    (share / "link").symlink_to(outside / "made.txt")
    assert await status_of(volume.create(root, "link", directory=False)) == "OBJECT_NAME_COLLISION"
    node = await volume.create(root, "f", directory=False)
    await volume.rename(node, root, "link", replace=True)
    assert not (share / "link").is_symlink()
    assert sorted(os.listdir(outside)) == ["secret.txt"]
    node.close()
    root.close()


@pytest.mark.parametrize(
    "path", [("..",), ("..", "outside"), ("d", "..", ".."), (".",), ("d", "."), ("",), ("d", "", "x")]
)
async def test_dots_are_no_names(volume: PosixBackend, share: Path, path: tuple[str, ...]) -> None:
    (share / "d").mkdir()
    assert await status_of(volume.open(path)) == "OBJECT_NAME_INVALID"


@pytest.mark.parametrize("name", ["a\0b", "/etc/passwd", "d/../../outside", "\uf02e", ".\uf02e", "\udc2e"])
async def test_names_that_would_read_as_paths_are_refused(volume: PosixBackend, name: str) -> None:
    root = await volume.open(())
    with pytest.raises(NtError):
        await volume.open((name,))
    if name != "\udc2e":  # a lone surrogate is a name like any other
        assert await status_of(volume.create(root, name, directory=False)) == "OBJECT_NAME_INVALID"
    root.close()


async def test_raw_resolver_refuses_what_leaves(share: Path, outside: Path) -> None:
    root = os.open(share, os.O_RDONLY)
    try:
        for use_openat2 in (True, False):
            resolver = openat2.Resolver(root, use_openat2=use_openat2)
            for path in (b"..", b"../outside", b"x/../..", b"/etc/passwd"):
                with pytest.raises(OSError):
                    resolver.open(path, os.O_RDONLY)
    finally:
        os.close(root)


@pytest.mark.parametrize("writable", [False, True])
async def test_special_files_are_refused(volume: PosixBackend, share: Path, writable: bool) -> None:
    os.mkfifo(share / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.open(share, os.O_RDONLY)
        listener.bind(f"/proc/self/fd/{here}/socket")
        os.close(here)
        for name in ("fifo", "socket", "FIFO"):
            assert await status_of(volume.open((name,), writable=writable)) == "ACCESS_DENIED"
    root = await volume.open(())
    assert len(await root.entries(["fifo", "socket"])) == 2
    root.close()


async def test_path_longer_than_the_kernels_limit_opens(volume: PosixBackend) -> None:
    at = await volume.open(())
    parts = [f"{depth:03}" + "x" * 200 for depth in range(30)]
    for part in parts:
        below = await volume.create(at, part, directory=True)
        at.close()
        at = below
    file = await volume.create(at, "f", directory=False)
    again = await volume.open((*parts, "F"))
    assert again.key == file.key
    assert again.path == (*parts, "f")
    for each in (at, file, again):
        each.close()


SPELLINGS = [
    ".holdfast-streams",
    ".HOLDFAST-STREAMS",
    ".Holdfast-Streams",
    "\uff0eholdfast-streams",
    ".holdfa\u017ft-\u017ftreams",
    ".holdfa\ufb06-\ufb06reams",
    ".hold\u00adfast-str\u200beams",
]


@pytest.mark.parametrize("name", SPELLINGS)
async def test_stream_store_is_nobodys(volume: PosixBackend, share: Path, name: str) -> None:
    root = await volume.open(())
    file = await volume.create(root, "f", directory=False)
    stream, _ = file.open_stream("large", create=True)
    await stream.write(0, bytes(10_000))
    assert (share / ".holdfast-streams").is_dir()
    assert await root.names() == ["f"]
    assert await root.entries([name]) == []
    assert await status_of(volume.open((name,))) == "OBJECT_NAME_NOT_FOUND"
    assert await status_of(volume.open((name, "x"))) == "OBJECT_PATH_NOT_FOUND"
    assert await status_of(volume.open(("HOLDFA~1",))) == "OBJECT_NAME_NOT_FOUND"
    assert await status_of(volume.create(root, name, directory=True)) == "ACCESS_DENIED"
    assert await status_of(volume.rename(file, root, name, replace=True)) == "ACCESS_DENIED"
    assert await status_of(volume.link(file, root, name, replace=True)) == "ACCESS_DENIED"
    (share / "link").symlink_to(".holdfast-streams")
    assert await status_of(volume.open(("link",))) == "OBJECT_NAME_NOT_FOUND"
    for each in (stream, file, root):
        each.close()


async def test_directory_with_nothing_but_a_stream_store_is_empty(volume: PosixBackend, share: Path) -> None:
    (share / "d" / ".holdfast-streams").mkdir(parents=True)
    node = await volume.open(("d",))
    assert await volume.is_empty(node)
    assert await node.names() == []
    node.close()


def test_missing_directory_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(NtError) as caught:
        PosixBackend(tmp_path / "none")
    assert caught.value.status is Status.OBJECT_PATH_NOT_FOUND


def test_file_system_without_extended_attributes_is_a_clear_error() -> None:
    with pytest.raises(NtError) as caught:
        PosixBackend("/proc")
    assert caught.value.status is Status.EAS_NOT_SUPPORTED
    assert "/proc" in caught.value.why
