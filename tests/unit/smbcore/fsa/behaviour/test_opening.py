"""Opening, creating, overwriting  [MS-FSA 2.1.5.1]."""

from __future__ import annotations

import os
from typing import Any

import pytest

from smbcore.nt import attributes as fa
from smbcore.nt import create as c
from smbcore.nt.info import fsctl as codes
from smbcore.nt.info.reparse import ReparsePoint, SymbolicLink
from smbcore.vfs.memory import MemoryBackend

READ = 0x1
WRITE = 0x2
DELETE = 0x10000
STAT = 0x80


async def test_created_file_can_be_written_and_read_again(lab: Any) -> None:
    opened = await lab.create("a.txt")
    assert opened.create_action == c.FILE_CREATED
    assert await opened.write(0, b"hello") == 5
    await opened.close()
    assert await lab.content("A.TXT") == b"hello"


async def test_attributes_of_a_new_file_are_archive(lab: Any) -> None:
    opened = await lab.create("a.txt", file_attributes=fa.FILE_ATTRIBUTE_HIDDEN)
    assert opened.info().attributes == fa.FILE_ATTRIBUTE_HIDDEN | fa.FILE_ATTRIBUTE_ARCHIVE
    await opened.close()


async def test_a_new_directory_has_no_archive_and_no_allocation(lab: Any) -> None:
    opened = await lab.create("d", options=c.FILE_DIRECTORY_FILE, allocation_size=65536)
    info = opened.info()
    assert (info.attributes, info.end_of_file, info.allocation_size) == (fa.FILE_ATTRIBUTE_DIRECTORY, 0, 0)
    await opened.close()


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("\\a", "INVALID_PARAMETER"),
        ("a\\..\\..\\b", "OBJECT_PATH_SYNTAX_BAD"),
        ("..", "OBJECT_PATH_SYNTAX_BAD"),
        ("file\\..\\absent", "OBJECT_NAME_NOT_FOUND"),
        ("a\\\\b", "OBJECT_NAME_INVALID"),
        ("a\\.\\b", "OBJECT_NAME_INVALID"),
        ("a*b", "OBJECT_NAME_INVALID"),
        ("a/b", "OBJECT_PATH_NOT_FOUND"),
        ("/a", "INVALID_PARAMETER"),
        ("a:", "OBJECT_NAME_INVALID"),
        ("a::", "OBJECT_NAME_INVALID"),
        ("a:b:$FOO", "OBJECT_NAME_INVALID"),
        ("a:b\\c", "OBJECT_NAME_INVALID"),
        ("x" * 256, "OBJECT_NAME_INVALID"),
        ("absent", "OBJECT_NAME_NOT_FOUND"),
        ("absent\\b", "OBJECT_PATH_NOT_FOUND"),
        ("file\\b", "OBJECT_PATH_NOT_FOUND"),
        ("file:absent", "OBJECT_NAME_NOT_FOUND"),
    ],
)
async def test_bad_path(lab: Any, path: str, status: str) -> None:
    await lab.make("file")
    with lab.fails(status):
        await lab.open(path)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"access": 0}, "ACCESS_DENIED"),
        ({"access": 0x0400_0000}, "ACCESS_DENIED"),
        ({"disposition": 6}, "INVALID_PARAMETER"),
        ({"share": 8}, "INVALID_PARAMETER"),
        ({"options": 0x0100_0000}, "INVALID_PARAMETER"),
        ({"options": c.FILE_DIRECTORY_FILE | c.FILE_NON_DIRECTORY_FILE}, "INVALID_PARAMETER"),
        ({"options": c.FILE_DIRECTORY_FILE, "disposition": c.FILE_OVERWRITE}, "INVALID_PARAMETER"),
        ({"options": c.FILE_OPEN_BY_FILE_ID}, "NOT_SUPPORTED"),
        ({"options": c.FILE_DELETE_ON_CLOSE, "access": READ}, "ACCESS_DENIED"),
        ({"options": c.FILE_DIRECTORY_FILE}, "NOT_A_DIRECTORY"),
        ({"disposition": c.FILE_CREATE}, "OBJECT_NAME_COLLISION"),
        ({"access": WRITE, "access_limit": READ | STAT}, "ACCESS_DENIED"),
        ({"file_attributes": 0x8}, "INVALID_PARAMETER"),
        ({"access": 0x0100_0000}, "PRIVILEGE_NOT_HELD"),
    ],
)
async def test_bad_parameters(lab: Any, changes: dict[str, int], status: str) -> None:
    await lab.make("file")
    with lab.fails(status):
        await lab.open("file", **changes)


@pytest.mark.parametrize(
    ("disposition", "options", "status"),
    [
        (c.FILE_OPEN, c.FILE_NON_DIRECTORY_FILE, "FILE_IS_A_DIRECTORY"),
        (c.FILE_CREATE, c.FILE_NON_DIRECTORY_FILE, "OBJECT_NAME_COLLISION"),
        (c.FILE_CREATE, c.FILE_DIRECTORY_FILE, "OBJECT_NAME_COLLISION"),
        (c.FILE_OVERWRITE, 0, "OBJECT_NAME_COLLISION"),
    ],
)
async def test_existing_directory(lab: Any, disposition: int, options: int, status: str) -> None:
    await lab.mkdir("d")
    with lab.fails(status):
        await lab.open("d", disposition=disposition, options=options)


@pytest.mark.parametrize(
    ("disposition", "exists", "action"),
    [
        (c.FILE_OPEN, True, c.FILE_OPENED),
        (c.FILE_OPEN_IF, True, c.FILE_OPENED),
        (c.FILE_OPEN_IF, False, c.FILE_CREATED),
        (c.FILE_OVERWRITE, True, c.FILE_OVERWRITTEN),
        (c.FILE_OVERWRITE_IF, True, c.FILE_OVERWRITTEN),
        (c.FILE_OVERWRITE_IF, False, c.FILE_CREATED),
        (c.FILE_SUPERSEDE, True, c.FILE_SUPERSEDED),
        (c.FILE_SUPERSEDE, False, c.FILE_CREATED),
    ],
)
async def test_create_action(lab: Any, disposition: int, exists: bool, action: int) -> None:
    if exists:
        await lab.make("a", b"old")
    opened = await lab.open("a", disposition=disposition)
    assert opened.create_action == action
    kept = exists and disposition in (c.FILE_OPEN, c.FILE_OPEN_IF)
    assert opened.info().end_of_file == (3 if kept else 0)
    await opened.close()


@pytest.mark.parametrize("disposition", [c.FILE_OPEN, c.FILE_OVERWRITE])
async def test_absent_file_is_not_created_by(lab: Any, disposition: int) -> None:
    with lab.fails("OBJECT_NAME_NOT_FOUND"):
        await lab.open("a", disposition=disposition)


async def test_overwriting_replaces_attributes_and_drops_streams_and_eas(lab: Any) -> None:
    await lab.make("a", b"old", extended_attributes=[(b"COLOUR", b"red")])
    await lab.make("a:s", b"stream")
    opened = await lab.open("a", disposition=c.FILE_OVERWRITE, file_attributes=fa.FILE_ATTRIBUTE_SYSTEM)
    assert opened.info().attributes == fa.FILE_ATTRIBUTE_SYSTEM | fa.FILE_ATTRIBUTE_ARCHIVE
    assert opened.info().ea_size == 0
    await opened.close()
    assert not await lab.exists("a:s")


@pytest.mark.parametrize("attribute", [fa.FILE_ATTRIBUTE_HIDDEN, fa.FILE_ATTRIBUTE_SYSTEM])
async def test_overwriting_must_keep_hidden_and_system(lab: Any, attribute: int) -> None:
    await lab.make("a", file_attributes=attribute)
    with lab.fails("ACCESS_DENIED"):
        await lab.open("a", disposition=c.FILE_OVERWRITE)
    opened = await lab.open("a", disposition=c.FILE_OVERWRITE, file_attributes=attribute)
    await opened.close()


async def test_read_only_file(lab: Any) -> None:
    await lab.make("a", file_attributes=fa.FILE_ATTRIBUTE_READONLY)
    for access in (WRITE, 4):
        with lab.fails("ACCESS_DENIED"):
            await lab.open("a", access)
    with lab.fails("ACCESS_DENIED"):
        await lab.open("a", READ, disposition=c.FILE_OVERWRITE)
    with lab.fails("CANNOT_DELETE"):
        await lab.open("a", DELETE, options=c.FILE_DELETE_ON_CLOSE)
    opened = await lab.open("a", 0x0200_0000)
    assert not opened.granted_access & WRITE
    assert opened.granted_access & READ
    await opened.close()


async def test_creating_a_file_that_is_read_only_and_deleted_on_close_is_refused(lab: Any) -> None:
    with lab.fails("CANNOT_DELETE"):
        await lab.create("a", options=c.FILE_DELETE_ON_CLOSE, file_attributes=fa.FILE_ATTRIBUTE_READONLY)


async def test_temporary_directory_is_refused(lab: Any) -> None:
    with lab.fails("INVALID_PARAMETER"):
        await lab.create("d", options=c.FILE_DIRECTORY_FILE, file_attributes=fa.FILE_ATTRIBUTE_TEMPORARY)


async def test_trailing_backslash_means_a_directory(lab: Any) -> None:
    await lab.mkdir("d")
    opened = await lab.open("d\\")
    assert opened.is_directory
    await opened.close()
    with lab.fails("OBJECT_NAME_INVALID"):
        await lab.open("d\\", options=c.FILE_NON_DIRECTORY_FILE)


async def test_main_stream_by_its_full_name(lab: Any) -> None:
    await lab.make("a", b"main")
    assert await lab.content("a::$data") == b"main"
    await lab.mkdir("d")
    with lab.fails("FILE_IS_A_DIRECTORY"):
        await lab.open("d::$DATA")
    with lab.fails("NOT_A_DIRECTORY"):
        await lab.open("d::$DATA", options=c.FILE_DIRECTORY_FILE)


async def test_directory_by_the_name_of_its_index(lab: Any) -> None:
    await lab.mkdir("d")
    opened = await lab.open("d::$INDEX_ALLOCATION")
    assert opened.is_directory
    await opened.close()


async def test_generic_access_is_mapped(lab: Any) -> None:
    await lab.make("a")
    opened = await lab.open("a", 0x8000_0000)
    assert opened.granted_access == 0x0012_0089
    await opened.close()


async def test_maximum_allowed_is_bounded_by_the_share(lab: Any) -> None:
    await lab.make("a")
    opened = await lab.open("a", 0x0200_0000, access_limit=0x0012_0089)
    assert opened.granted_access == 0x0012_0089
    await opened.close()


async def test_extended_attributes_of_a_new_file(lab: Any) -> None:
    opened = await lab.create("a", extended_attributes=[(b"COLOUR", b"red")])
    assert opened.node.extended_attributes() == {b"COLOUR": b"red"}
    await opened.close()


async def test_limit_of_opens(lab: Any) -> None:
    lab.volume.config.max_opens = 2
    first = await lab.create("a")
    second = await lab.create("b")
    with lab.fails("TOO_MANY_OPENED_FILES"):
        await lab.create("c")
    await first.close()
    await (await lab.open("a")).close()
    await second.close()


async def test_closing_twice_is_harmless(lab: Any) -> None:
    opened = await lab.create("a")
    await opened.close()
    await opened.close()


async def test_path_is_spelled_as_stored(lab: Any) -> None:
    await lab.mkdir("Dir")
    await lab.make("dir\\File.Txt")
    opened = await lab.open("DIR\\file.txt")
    assert opened.path == "Dir\\File.Txt"
    await opened.close()


async def test_read_only_volume(lab: Any) -> None:
    await lab.make("a", b"x")
    lab.volume.read_only = True
    for work in (
        lambda: lab.open("a", WRITE),
        lambda: lab.create("b"),
        lambda: lab.open("a", disposition=c.FILE_OPEN_IF),
    ):
        with lab.fails("MEDIA_WRITE_PROTECTED"):
            await work()
    assert await lab.content("a") == b"x"
    opened = await lab.open("a", 0x0200_0000)
    assert not opened.granted_access & (WRITE | DELETE)
    await opened.close()


async def test_the_index_of_quotas_opens_and_has_none(lab: Any) -> None:
    """Clients ask for quotas through it; see smbtorture smb2.create.quota-fake-file."""
    opened = await lab.open("$Extend\\$Quota:$Q:$INDEX_ALLOCATION", 0x1)
    assert opened.info().attributes == 0x36
    await opened.close()
    with lab.fails("OBJECT_NAME_INVALID"):
        await lab.open("$Extend\\$Quota:$O:$INDEX_ALLOCATION", 0x1)


# -- links on the way  [MS-FSA 2.1.5.1 phase 6, MS-SMB2 2.2.2.2.1] --
async def make_link(lab: Any, path: str, tag: int = fa.IO_REPARSE_TAG_SYMLINK, options: int = 0) -> None:
    opened = await lab.create(path, options=options)
    link = SymbolicLink("target", "target", relative=True).reparse_point()
    point = link if tag == fa.IO_REPARSE_TAG_SYMLINK else ReparsePoint(tag, b"")
    await opened.fsctl(codes.FSCTL_SET_REPARSE_POINT, point.encode(), 0)
    await opened.close()


@pytest.mark.parametrize("kind", [0, c.FILE_DIRECTORY_FILE])
@pytest.mark.parametrize("disposition", [c.FILE_OPEN, c.FILE_CREATE, c.FILE_OPEN_IF, c.FILE_OVERWRITE_IF])
@pytest.mark.parametrize("behind", ["", "\\x", "\\x\\\u00fc.txt", "\\x:stream:$DATA"])
async def test_what_is_behind_a_link_is_left_to_the_client(lab: Any, kind: int, disposition: int, behind: str) -> None:
    await lab.mkdir("d")
    await make_link(lab, "d\\Link", options=kind)
    if not behind and disposition != c.FILE_OPEN:
        return  # that concerns the link itself
    with lab.fails("STOPPED_ON_SYMLINK") as caught:
        await lab.open("d\\link" + behind, disposition=disposition)
    data = caught.value.data
    assert data[4:8] == b"SYML"
    assert int.from_bytes(data[:4], "little") == len(data) - 4
    assert int.from_bytes(data[14:16], "little") == 2 * len(behind)
    assert "target".encode("utf-16-le") in data


async def test_what_is_behind_another_reparse_point_is_not_found_by_us(lab: Any) -> None:
    await make_link(lab, "d", 0x8000_0023, c.FILE_DIRECTORY_FILE)
    for path in ("d\\x", "d\\x\\y"):
        with lab.fails("IO_REPARSE_TAG_NOT_HANDLED"):
            await lab.open(path)
    with lab.fails("IO_REPARSE_TAG_NOT_HANDLED"):
        await lab.create("d\\x")


async def test_a_link_of_the_store_on_the_way_is_left_to_the_client_too(lab: Any) -> None:
    if isinstance(lab.backend, MemoryBackend):
        pytest.skip("nobody but clients makes links in memory")
    await lab.mkdir("real")
    await lab.make("real\\file", b"data")
    os.symlink("real", "link", dir_fd=lab.backend.root)
    with lab.fails("STOPPED_ON_SYMLINK") as caught:
        await lab.open("link\\file")
    assert int.from_bytes(caught.value.data[14:16], "little") == 2 * len("\\file")
    assert "real".encode("utf-16-le") in caught.value.data
    opened = await lab.open("link")  # at the end it is followed, for it stays in the share
    assert opened.is_directory
    await opened.close()


async def test_absent_is_absent_where_no_link_is_on_the_way(lab: Any) -> None:
    await lab.mkdir("d")
    await lab.make("d\\file")
    for path, status in (("d\\x", "OBJECT_NAME_NOT_FOUND"), ("d\\file\\x", "OBJECT_PATH_NOT_FOUND")):
        with lab.fails(status):
            await lab.open(path)


async def test_new_files_are_indexed_as_their_directory_is(lab: Any) -> None:
    """[MS-FSA 2.1.5.1.1] NOT_CONTENT_INDEXED is the parent's, whatever is asked for."""
    bit = fa.FILE_ATTRIBUTE_NOT_CONTENT_INDEXED
    await lab.mkdir("d")
    directory = await lab.open("d")
    await lab.set_basic(directory, attributes=bit)
    await directory.close()
    for path, asked, expected in (("d\\a", 0, bit), ("d\\b", bit, bit), ("c", bit, 0)):
        opened = await lab.create(path, file_attributes=asked)
        assert opened.info().attributes & bit == expected
        await opened.close()


async def test_nothing_is_remembered_of_streams_that_are_closed(lab: Any) -> None:
    main = await lab.create("a")
    stays = await lab.create("a:stays", 1, share=1)
    for number in range(3):
        await lab.make(f"a:{number}")
    with lab.fails("SHARING_VIOLATION"):
        await lab.open("a:stays", share=0)
    gone = await lab.create("a:gone")
    await gone.close()
    assert [stream.name for stream in main.file.all_streams()] == ["", "STAYS"]
    await stays.close()
    assert not main.file.streams
    await main.close()
