"""Delete on close, disposition, delete pending  [MS-FSA 2.1.5.5, 2.1.5.15.3]."""

from __future__ import annotations

from typing import Any

import pytest

from smbcore.fsa import delete
from smbcore.nt import attributes as fa
from smbcore.nt import create as c
from smbcore.nt.info import classes as ic
from smbcore.nt.info import file

DELETE = 0x10000
READ = 1


async def test_delete_on_close_removes_at_close(lab: Any) -> None:
    opened = await lab.create("a", options=c.FILE_DELETE_ON_CLOSE)
    assert not opened.delete_pending
    await opened.close()
    assert not await lab.exists("a")


async def test_file_waits_for_its_last_open(lab: Any) -> None:
    await lab.make("a", b"data")
    first = await lab.open("a", DELETE, options=c.FILE_DELETE_ON_CLOSE)
    second = await lab.open("a")
    await first.close()
    assert second.delete_pending
    with lab.fails("DELETE_PENDING"):
        await lab.open("a")
    with lab.fails("DELETE_PENDING"):
        await lab.create("a")
    assert await lab.read(second) == b"data"
    await second.close()
    assert not await lab.exists("a")


async def test_disposition_marks_at_once_and_can_be_taken_back(lab: Any) -> None:
    await lab.make("a")
    first = await lab.open("a", DELETE)
    second = await lab.open("a", READ)
    await lab.dispose(first)
    assert second.delete_pending
    with lab.fails("DELETE_PENDING"):
        await lab.open("a")
    await lab.dispose(first, delete=False)
    await first.close()
    await second.close()
    assert await lab.exists("a")


async def test_taking_back_does_not_undo_delete_on_close(lab: Any) -> None:
    opened = await lab.create("a", options=c.FILE_DELETE_ON_CLOSE)
    await lab.dispose(opened, delete=False)
    await opened.close()
    assert not await lab.exists("a")


async def test_disposition_needs_delete_access(lab: Any) -> None:
    opened = await lab.create("a", READ | 2)
    with lab.fails("ACCESS_DENIED"):
        await lab.dispose(opened)
    await opened.close()


async def test_read_only_file_is_not_deleted(lab: Any) -> None:
    await lab.make("a", file_attributes=fa.FILE_ATTRIBUTE_READONLY)
    opened = await lab.open("a", DELETE)
    with lab.fails("CANNOT_DELETE"):
        await lab.dispose(opened)
    data = file.DispositionInformationEx(delete.DISPOSITION_DELETE | delete.DISPOSITION_IGNORE_READONLY).encode()
    await opened.set_information(ic.FILE_DISPOSITION_INFORMATION_EX, data)
    await opened.close()
    assert not await lab.exists("a")


async def test_share_may_allow_to_delete_read_only_files(lab: Any) -> None:
    lab.config.delete_readonly = True
    await lab.make("a", file_attributes=fa.FILE_ATTRIBUTE_READONLY)
    await (await lab.open("a", DELETE, options=c.FILE_DELETE_ON_CLOSE)).close()
    assert not await lab.exists("a")


async def test_directory_must_be_empty(lab: Any) -> None:
    await lab.mkdir("d")
    await lab.make("d\\a")
    opened = await lab.open("d", DELETE, options=c.FILE_DIRECTORY_FILE)
    with lab.fails("DIRECTORY_NOT_EMPTY"):
        await lab.dispose(opened)
    await opened.close()
    await (await lab.open("d\\a", DELETE, options=c.FILE_DELETE_ON_CLOSE)).close()
    await (await lab.open("d", DELETE, options=c.FILE_DELETE_ON_CLOSE)).close()
    assert not await lab.exists("d")


async def test_delete_on_close_of_a_full_directory_does_nothing(lab: Any) -> None:
    await lab.mkdir("d")
    await lab.make("d\\a")
    await (await lab.open("d", DELETE, options=c.FILE_DELETE_ON_CLOSE)).close()
    assert await lab.exists("d\\a")


async def test_a_full_directory_is_not_marked_at_its_close(lab: Any) -> None:
    """[MS-FSA 2.1.5.5, phase 1] Nobody hears that it goes, waits for it or is kept from it."""
    key, listener = b"1" * 32, lab.listener()
    await lab.mkdir("d")
    await lab.make("d\\a")
    holder = await lab.open("d", READ, oplock_key=key)
    lab.lease(holder, "RH", key, listener)
    watching = await lab.start(holder.change_notify(0xFFF, False, 4096))
    await (await lab.open("d", DELETE, options=c.FILE_DELETE_ON_CLOSE)).close()
    assert not listener.notices
    assert not watching.done()
    await holder.close()
    with lab.fails("NOTIFY_CLEANUP"):
        await watching
    assert await lab.exists("d\\a")


async def on_close(opened: Any, flags: int) -> None:
    """Set or clear that the file is deleted when this open closes."""
    data = file.DispositionInformationEx(flags | delete.DISPOSITION_ON_CLOSE).encode()
    await opened.set_information(ic.FILE_DISPOSITION_INFORMATION_EX, data)


async def test_deletion_on_close_can_be_asked_for_and_called_off_later(lab: Any) -> None:
    for name, options, flags in (("stays", c.FILE_DELETE_ON_CLOSE, 0), ("goes", 0, delete.DISPOSITION_DELETE)):
        opened = await lab.create(name, options=options)
        await on_close(opened, flags)
        assert not opened.delete_pending
        await opened.close()
    assert await lab.names("") == [".", "..", "stays"]


async def test_what_cannot_be_deleted_cannot_be_at_its_close_either(lab: Any) -> None:
    root = await lab.open("", DELETE)
    with lab.fails("CANNOT_DELETE"):
        await on_close(root, delete.DISPOSITION_DELETE)
    await root.close()
    opened = await lab.create("a", file_attributes=fa.FILE_ATTRIBUTE_READONLY)
    with lab.fails("CANNOT_DELETE"):
        await on_close(opened, delete.DISPOSITION_DELETE)
    await opened.close()
    assert await lab.exists("a")


async def test_nothing_is_created_in_a_directory_that_goes(lab: Any) -> None:
    await lab.mkdir("d")
    opened = await lab.open("d", DELETE)
    await lab.dispose(opened)
    with lab.fails("DELETE_PENDING"):
        await lab.create("d\\a")
    await opened.close()


async def test_root_stays(lab: Any) -> None:
    with lab.fails("CANNOT_DELETE"):
        await lab.open("", DELETE, options=c.FILE_DELETE_ON_CLOSE)
    opened = await lab.open("", DELETE)
    with lab.fails("CANNOT_DELETE"):
        await lab.dispose(opened)
    await opened.close()


async def test_stream_goes_alone(lab: Any) -> None:
    await lab.make("a", b"main")
    await lab.make("a:s", b"stream")
    opened = await lab.open("a:s", DELETE)
    other = await lab.open("a:s", READ)
    await lab.dispose(opened)
    with lab.fails("DELETE_PENDING"):
        await lab.open("a:s")
    await opened.close()
    assert await lab.read(other) == b"stream"
    await other.close()
    assert not await lab.exists("a:s")
    assert await lab.content("a") == b"main"


async def test_file_goes_with_the_last_open_of_its_streams(lab: Any) -> None:
    await lab.make("a")
    await lab.make("a:s", b"stream")
    stream = await lab.open("a:s")
    main = await lab.open("a", DELETE)
    await lab.dispose(main)
    await main.close()
    with lab.fails("DELETE_PENDING"):
        await lab.open("a:s")
    await stream.close()
    assert not await lab.exists("a")


async def test_posix_semantics_free_the_name_at_once(lab: Any) -> None:
    await lab.make("a", b"old")
    other = await lab.open("a", READ)
    opened = await lab.open("a", DELETE)
    flags = delete.DISPOSITION_DELETE | delete.DISPOSITION_POSIX_SEMANTICS
    await opened.set_information(ic.FILE_DISPOSITION_INFORMATION_EX, file.DispositionInformationEx(flags).encode())
    await opened.close()
    await lab.make("a", b"new")
    assert await lab.read(other) == b"old"
    await other.close()
    assert await lab.content("a") == b"new"


async def test_links_do_not_count_one_that_is_being_deleted(lab: Any) -> None:
    opened = await lab.create("a")
    await lab.dispose(opened)
    data = opened.query_information(ic.FILE_STANDARD_INFORMATION, 100)
    standard = file.StandardInformation.decode(data)
    assert (standard.number_of_links, standard.delete_pending) == (0, True)
    await opened.close()


@pytest.mark.parametrize("name", ["a", "b"])
async def test_only_the_deleted_link_of_a_file_goes(lab: Any, name: str) -> None:
    from smbcore.nt.info.rename import LinkInformation  # noqa: PLC0415

    opened = await lab.create("a")
    await opened.set_information(ic.FILE_LINK_INFORMATION, LinkInformation("b").encode())
    await opened.close()
    other = await lab.open("b" if name == "a" else "a")
    await (await lab.open(name, DELETE, options=c.FILE_DELETE_ON_CLOSE)).close()
    assert not await lab.exists(name)
    assert not other.delete_pending
    await other.close()
    assert await lab.exists("b" if name == "a" else "a")


async def test_a_deletion_that_fails_at_close_leaves_a_usable_file(lab: Any) -> None:
    await lab.mkdir("d")
    opened = await lab.open("d", DELETE, options=c.FILE_DELETE_ON_CLOSE)
    await lab.make("d\\late")
    await opened.close()
    await (await lab.open("d")).close()


async def test_a_read_only_directory_stays(lab: Any) -> None:
    """[MS-FSA 2.1.5.15.3, 2.1.5.1.2.1] What READONLY keeps from being deleted is not files alone; what is in the
    directory it does not concern.
    """
    opened = await lab.create("d", options=c.FILE_DIRECTORY_FILE, file_attributes=1)
    with lab.fails("CANNOT_DELETE"):
        await lab.dispose(opened)
    await lab.make("d\\file")
    with lab.fails("CANNOT_DELETE"):
        await lab.open("d", options=c.FILE_DELETE_ON_CLOSE | c.FILE_DIRECTORY_FILE)
    inside = await lab.open("d\\file")
    await lab.dispose(inside)
    await inside.close()
    await opened.set_information(ic.FILE_DISPOSITION_INFORMATION_EX, (0x11).to_bytes(4, "little"))
    await opened.close()
    assert not await lab.exists("d")
