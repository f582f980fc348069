"""What is kept in extended attributes, and the cache of it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from smbcore.nt.filetime import from_unix_ns
from smbcore.nt.status import NtError
from smbcore.vfs.posix import kernel, xattr
from smbcore.vfs.posix.backend import PosixBackend
from smbcore.vfs.posix.xattr import Stored


async def test_change_by_others_is_seen(posix: PosixBackend, share: Path) -> None:
    root = await posix.open(())
    node = await posix.create(root, "f", directory=False, attributes=0x20, security=b"\1old")
    assert (node.info().attributes, node.security()) == (0x20, b"\1old")
    record = Stored(attributes=0x22, creation=130_000_000_000_000_000)
    os.setxattr(share / "f", xattr.DOS, record.record())
    os.setxattr(share / "f", xattr.SECURITY, b"\1new")
    os.setxattr(share / "f", xattr.META + "id", b"\0value")
    assert (node.info().attributes, node.info().creation_time) == (0x22, 130_000_000_000_000_000)
    assert node.security() == b"\1new"
    assert node.object_metadata("id") == b"value"
    [(_, info)] = await root.entries(["f"])
    assert info == node.info()
    os.removexattr(share / "f", xattr.DOS)
    os.removexattr(share / "f", xattr.SECURITY)
    assert node.info().attributes == 0
    assert node.security() is None
    node.close()
    root.close()


async def test_unchanged_files_are_read_once(posix: PosixBackend, share: Path) -> None:
    for number in range(50):
        (share / f"f{number}").touch()
    root = await posix.open(())
    names = await root.names()
    for _ in range(3):
        assert len(await root.entries(names)) == 50
    for name in names:
        node = await posix.open((name,))
        node.info()
        node.close()
    assert posix.xattrs.reads == 50
    root.close()


async def test_own_changes_need_no_reading(posix: PosixBackend) -> None:
    root = await posix.open(())
    node = await posix.create(root, "f", directory=False, security=b"\1sd")
    node.set_attributes(0x02)
    node.set_security(b"\1other")
    node.set_extended_attribute(b"E", b"e")
    info = node.info()
    assert (info.attributes, node.security(), info.ea_size) == (0x02, b"\1other", 11)
    assert posix.xattrs.reads == 0
    node.close()
    root.close()


async def test_names_that_we_make_need_no_reading_of_their_directory(posix: PosixBackend) -> None:
    root = await posix.open(())
    await posix.create(root, "d", directory=True, security=b"\1sd")
    for number in range(5):
        directory = await posix.open(("d",))
        assert directory.look()[1] == b"\1sd"
        made = await posix.create(directory, f"f{number}", directory=False)
        await posix.rename(made, directory, f"g{number}", replace=False)
        await posix.remove(made)
        made.close()
        directory.close()
    assert posix.xattrs.reads == 0
    root.close()


async def test_change_by_others_while_we_make_a_name_is_seen_a_second_later(
    share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_000_000_000
    posix = PosixBackend(share, now=lambda: now)
    root = await posix.open(())
    directory = await posix.create(root, "d", directory=True, attributes=0x20, security=b"\1old")
    make = os.open

    def meanwhile(path, flags, *args, **kwargs):
        if path == b"f":
            os.setxattr(share / "d", xattr.SECURITY, b"\1new")
            os.setxattr(share / "d", xattr.DOS, Stored(attributes=0x22, creation=1).record())
        return make(path, flags, *args, **kwargs)

    monkeypatch.setattr(os, "open", meanwhile)
    (await posix.create(directory, "f", directory=False)).close()
    monkeypatch.undo()
    now += 1_000_000_000
    [(_, info)] = await root.entries(["d"])
    assert (directory.security(), info.attributes) == (b"\1new", 0x32)
    now -= 3_000_000_000  # somebody set the clock back
    (await posix.create(directory, "g", directory=False)).close()
    os.setxattr(share / "d", xattr.SECURITY, b"\1newer")
    assert directory.security() == b"\1newer"
    for node in (directory, root):
        node.close()
    posix.close()


async def test_file_of_others_was_created_when_it_was_born(posix: PosixBackend, share: Path) -> None:
    (share / "f").write_text("x")
    os.utime(share / "f", ns=(0, 0))
    node = await posix.open(("f",))
    descriptor = os.open(share / "f", os.O_RDONLY)
    born = kernel.birth_time_ns(descriptor)
    os.close(descriptor)
    if born is None:
        pytest.skip("the file system keeps no birth time")
    assert node.info().creation_time == from_unix_ns(born)
    root = await posix.open(())
    assert await root.entries(["f"]) == [("f", node.info())]
    node.close()
    root.close()


async def test_unknown_record_counts_as_none(posix: PosixBackend, share: Path) -> None:
    (share / "f").touch()
    os.setxattr(share / "f", xattr.DOS, b"\x63 not ours")
    node = await posix.open(("f",))
    assert node.info().attributes == 0
    node.set_attributes(0x02)
    assert node.info().attributes == 0x02
    node.close()


async def test_value_too_large_for_an_attribute_moves_aside_and_goes_with_the_file(
    posix: PosixBackend, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit_attributes(monkeypatch, 2000)
    root = await posix.open(())
    node = await posix.create(root, "f", directory=False, security=b"\1" + b"s" * 3000)
    node.set_object_metadata("large", b"m" * 10_000)
    assert len(os.listdir(share / ".holdfast-streams")) == 1
    node.close()
    again = await posix.open(("f",))
    assert again.security() == b"\1" + b"s" * 3000
    assert again.object_metadata("large") == b"m" * 10_000
    again.set_object_metadata("large", None)
    assert again.object_metadata("large") is None
    await posix.remove(again)
    assert os.listdir(share / ".holdfast-streams") == []
    again.close()
    root.close()


async def test_value_left_by_another_file_is_not_believed(
    posix: PosixBackend, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1 a value moves aside, 2 its file is replaced by one with another token, 3 the value counts as absent."""
    limit_attributes(monkeypatch, 2000)
    root = await posix.open(())
    node = await posix.create(root, "f", directory=False, security=b"\1" + b"s" * 3000)
    [folder] = (share / ".holdfast-streams").iterdir()
    [side] = folder.iterdir()
    side.write_bytes(b"8 others" + b"\1evil")
    node.close()
    posix.xattrs.forget(node.key)  # type: ignore[arg-type]
    again = await posix.open(("f",))
    assert again.security() is None
    again.close()
    root.close()


async def test_failed_create_leaves_nothing(posix: PosixBackend, share: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = await posix.open(())

    def fail(*args: object, **kwargs: object) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "setxattr", fail)
    for directory in (False, True):
        with pytest.raises(NtError) as caught:
            await posix.create(root, "f", directory=directory)
        assert caught.value.status.name == "IO_DEVICE_ERROR"
    assert os.listdir(share) == []
    assert await root.names() == []
    root.close()


async def test_failed_change_leaves_the_old_value(posix: PosixBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    root = await posix.open(())
    node = await posix.create(root, "f", directory=False, attributes=0x20)

    def fail(*args: object, **kwargs: object) -> None:
        raise OSError(errno.EDQUOT, "quota")

    monkeypatch.setattr(os, "setxattr", fail)
    with pytest.raises(NtError) as caught:
        node.set_attributes(0x01)
    assert caught.value.status.name == "QUOTA_EXCEEDED"
    assert node.info().attributes == 0x20
    node.close()
    root.close()


async def test_cache_is_bounded(share: Path) -> None:
    posix = PosixBackend(share)
    posix.xattrs = xattr.XattrStore(posix.side, capacity=10)
    root = await posix.open(())
    for number in range(100):
        (await posix.create(root, f"f{number}", directory=False, attributes=number % 2)).close()
    assert len(posix.xattrs._young) + len(posix.xattrs._old) <= 20
    found = dict(await root.entries([f"f{number}" for number in range(100)]))
    assert [found[f"f{number}"].attributes for number in range(100)] == [number % 2 for number in range(100)]
    root.close()
    posix.close()


async def test_cache_is_bounded_in_bytes_too(posix: PosixBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xattr, "_MOST_HEAVY", 500_000)
    store = posix.xattrs
    root = await posix.open(())
    most = 0
    for number in range(30):
        node = await posix.create(root, f"f{number}", directory=False, security=b"\1" + bytes(50_000))
        node.set_extended_attribute(b"E", bytes(50_000))
        assert len(node.extended_attributes()[b"E"]) == 50_000
        node.close()
        entries = [*store._young.values(), *store._old.values()]
        values = {
            id(value): len(value) for entry in entries for value in (entry.security, *entry.values.values()) if value
        }
        most = max(most, sum(values.values()))
    assert 100_000 < most <= 600_000
    node = await posix.open(("f0",))
    assert node.security() == b"\1" + bytes(50_000)
    node.close()
    root.close()


def limit_attributes(monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    """Let no extended attribute be longer than `limit`, as a small file system would."""
    real = os.setxattr

    def limited(file: int, name: str, value: bytes, *args: int) -> None:
        if len(value) > limit:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(file, name, value, *args)

    monkeypatch.setattr(os, "setxattr", limited)


async def test_value_in_the_side_store_survives_a_failed_change(
    posix: PosixBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is room beside the file for the new value, but not even for the mark that leads to it."""
    root = await posix.open(())
    node = await posix.create(root, "f", directory=False)
    with monkeypatch.context() as patch:
        limit_attributes(patch, 100)
        node.set_security(b"\1" + bytes(5000))
        limit_attributes(patch, 0)
        with pytest.raises(NtError) as caught:
            node.set_security(b"\2" + bytes(5000))
        assert caught.value.status.name == "DISK_FULL"
        assert node.security() in (b"\1" + bytes(5000), b"\2" + bytes(5000))
    node.close()
    root.close()
