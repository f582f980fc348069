"""Change notification  [MS-FSA 2.1.5.11, MS-SMB2 3.3.5.19]."""

from __future__ import annotations

from typing import Any

import pytest

from smbcore.fsa import notify
from smbcore.nt import create as c
from smbcore.nt.info import classes as ic
from smbcore.nt.info import ea

DELETE = 0x10000
EVERYTHING = 0xFFF


async def watch(lab: Any, path: str = "", *, filter: int = EVERYTHING, tree: bool = False, size: int = 4096) -> Any:  # noqa: A002
    opened = await lab.open(path, 0x81 | (0x10000 if path else 0))
    task = await lab.start(opened.change_notify(filter, tree, size))
    return opened, task


async def test_first_change_completes_the_request(lab: Any) -> None:
    opened, task = await watch(lab, filter=notify.FILE_NAME)
    assert not task.done()
    await lab.make("a")
    assert await task == [(notify.ADDED, "a")]
    await opened.close()


async def test_changes_between_requests_are_kept(lab: Any) -> None:
    opened, task = await watch(lab, filter=notify.FILE_NAME | notify.DIR_NAME)
    await lab.make("a")
    await task
    await lab.mkdir("d")
    await (await lab.open("a", DELETE, options=c.FILE_DELETE_ON_CLOSE)).close()
    assert await opened.change_notify(EVERYTHING, False, 4096) == [(notify.ADDED, "d"), (notify.REMOVED, "a")]
    await opened.close()


async def test_rename_comes_as_a_pair(lab: Any) -> None:
    await lab.mkdir("d")
    await lab.make("a")
    opened, task = await watch(lab, filter=notify.FILE_NAME, tree=True)
    file = await lab.open("a")
    await lab.rename(file, "b")
    assert await task == [(notify.RENAMED_OLD_NAME, "a"), (notify.RENAMED_NEW_NAME, "b")]
    await lab.rename(file, "d\\b")
    assert await opened.change_notify(EVERYTHING, False, 4096) == [(notify.REMOVED, "b"), (notify.ADDED, "d\\b")]
    await file.close()
    await opened.close()


async def test_attributes_of_a_renamed_file_count_as_changed_once_it_is_closed(lab: Any) -> None:
    """smbtorture smb2.notify.rec and smb2.notify.mask-change, which Windows passes both, say when."""
    await lab.make("a")
    opened, task = await watch(lab, filter=notify.ATTRIBUTES)
    file, gone = await lab.open("a"), await lab.create("c", options=c.FILE_DELETE_ON_CLOSE)
    await lab.rename(file, "b")
    await lab.rename(gone, "d")
    await lab.settle()
    assert not task.done()
    await gone.close()
    await file.close()
    assert await task == [(notify.MODIFIED, "b")]
    await opened.close()


@pytest.mark.parametrize("tree", [False, True])
async def test_changes_below_are_told_to_tree_watches(lab: Any, tree: bool) -> None:
    await lab.mkdir("d")
    opened, task = await watch(lab, filter=notify.FILE_NAME, tree=tree)
    await lab.make("d\\a")
    await lab.settle()
    assert task.done() is tree
    if tree:
        assert await task == [(notify.ADDED, "d\\a")]
    await opened.close()
    if not tree:
        with lab.fails("NOTIFY_CLEANUP"):
            await task


async def test_too_many_changes_ask_to_list_again(lab: Any) -> None:
    opened, task = await watch(lab, filter=notify.FILE_NAME, size=100)
    await lab.make("a")
    await task
    for number in range(10):
        await lab.make(f"file{number}")
    with lab.fails("NOTIFY_ENUM_DIR"):
        await opened.change_notify(EVERYTHING, False, 4096)
    await lab.make("z")
    assert await opened.change_notify(EVERYTHING, False, 4096) == [(notify.ADDED, "z")]
    await opened.close()


async def test_no_room_at_all_asks_to_list_every_time(lab: Any) -> None:
    opened, task = await watch(lab, filter=notify.FILE_NAME, size=0)
    await lab.make("a")
    with lab.fails("NOTIFY_ENUM_DIR"):
        await task
    task = await lab.start(opened.change_notify(notify.FILE_NAME, False, 4096))
    await lab.make("b")
    with lab.fails("NOTIFY_ENUM_DIR"):
        await task
    await opened.close()


async def test_first_filter_stays(lab: Any) -> None:
    opened, task = await watch(lab, filter=notify.FILE_NAME)
    await lab.make("a")
    await task
    task = await lab.start(opened.change_notify(notify.DIR_NAME, False, 4096))
    await lab.mkdir("d")
    assert not task.done()
    await lab.make("b")
    assert await task == [(notify.ADDED, "b")]
    await opened.close()


async def test_deletion_of_the_directory_ends_the_wait(lab: Any) -> None:
    await lab.mkdir("d")
    opened, task = await watch(lab, "d")
    await (await lab.open("d", DELETE, options=c.FILE_DELETE_ON_CLOSE)).close()
    with lab.fails("DELETE_PENDING"):
        await task
    with lab.fails("DELETE_PENDING"):
        await opened.change_notify(EVERYTHING, False, 4096)
    await opened.close()


async def test_cancelled_wait(lab: Any) -> None:
    opened, task = await watch(lab)
    task.cancel()
    await lab.settle()
    await lab.make("a")
    assert (await opened.change_notify(EVERYTHING, False, 4096))[0] == (notify.ADDED, "a")
    await opened.close()


async def test_metadata_changes_by_filter(lab: Any) -> None:
    await lab.make("a")
    opened = await lab.open("a")

    async def attributes() -> None:
        await lab.set_basic(opened, attributes=2)

    async def creation() -> None:
        await lab.set_basic(opened, 130_000_000_000_000_000, 0, 0, 0)

    async def write() -> None:
        await opened.write(0, b"x")

    async def security() -> None:
        opened.set_security(4, opened.query_security(4))

    async def extended() -> None:
        data = ea.encode_attributes([ea.ExtendedAttribute(b"A", b"1")])
        await opened.set_information(ic.FILE_FULL_EA_INFORMATION, data)

    for work, change in (
        (attributes, notify.ATTRIBUTES),
        (creation, notify.CREATION),
        (write, notify.LAST_WRITE),
        (security, notify.SECURITY),
        (extended, notify.EA),
    ):
        root, task = await watch(lab, filter=change)
        await work()
        assert await task == [(notify.MODIFIED, "a")]
        await root.close()
    await opened.close()


async def test_streams_are_told_by_their_full_names(lab: Any) -> None:
    await lab.make("a")
    root, task = await watch(lab, filter=notify.STREAM_NAME | notify.STREAM_WRITE)
    stream = await lab.create("a:s")
    assert await task == [(notify.ADDED_STREAM, "a:s:$DATA")]
    await stream.write(0, b"x")
    assert await root.change_notify(0xFFF, False, 4096) == [(notify.MODIFIED_STREAM, "a:s:$DATA")]
    await lab.dispose(stream)
    await stream.close()
    assert await root.change_notify(0xFFF, False, 4096) == [(notify.REMOVED_STREAM, "a:s:$DATA")]
    await root.close()


async def test_what_cannot_be_watched(lab: Any) -> None:
    opened = await lab.create("a")
    with lab.fails("INVALID_PARAMETER"):
        await opened.change_notify(EVERYTHING, False, 4096)
    await opened.close()
    root = await lab.open("", 0x80)
    with lab.fails("ACCESS_DENIED"):
        await root.change_notify(EVERYTHING, False, 4096)
    await root.close()


async def test_watch_follows_a_renamed_directory(lab: Any) -> None:
    await lab.mkdir("d")
    opened, task = await watch(lab, "d", filter=notify.FILE_NAME)
    await lab.rename(opened, "e")
    await lab.make("e\\a")
    assert await task == [(notify.ADDED, "a")]
    await opened.close()


async def test_a_rename_into_another_directory_is_told_on_both_sides(lab: Any) -> None:
    for name in ("x", "y"):
        await lab.mkdir(name)
    await lab.make("x\\old")
    watching = [await lab.open(path, 0x81) for path in ("", "x", "y")]
    tasks = [await lab.start(each.change_notify(0xFFF, not each.path, 4096)) for each in watching]
    opened = await lab.open("x\\old")
    await lab.rename(opened, "y\\new")
    assert [await task for task in tasks] == [[(2, "x\\old")], [(2, "old")], [(1, "new")]]
    assert await watching[0].change_notify(0xFFF, True, 4096) == [(1, "y\\new")]
    for each in (opened, *watching):
        await each.close()


async def test_a_directory_is_watched_under_its_new_name(lab: Any) -> None:
    await lab.mkdir("x")
    root = await lab.open("", 0x81)
    opened = await lab.open("x", 0x10081)
    task = await lab.start(opened.change_notify(0x1, False, 4096))
    above = await lab.start(root.change_notify(0xFFF, True, 4096))
    await lab.rename(opened, "z")
    assert await above == [(4, "x"), (5, "z")]
    await lab.make("z\\file")
    assert await task == [(1, "file")]
    await opened.close()
    await root.close()


async def test_a_cancellation_that_comes_too_late_loses_no_change(lab: Any) -> None:
    root = await lab.open("")
    task = await lab.start(root.change_notify(notify.FILE_NAME, False, 4096))
    await lab.make("a")
    task.cancel()
    assert await task == [(notify.ADDED, "a")]
    await root.close()
