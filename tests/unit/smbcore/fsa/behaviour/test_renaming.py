"""Renames and hard links  [MS-FSA 2.1.5.15.10, 2.1.5.15.11]."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from smbcore.nt import attributes as fa
from smbcore.nt import create as c
from smbcore.nt.info import classes as ic
from smbcore.nt.info import file
from smbcore.nt.info import fsctl as codes
from smbcore.nt.info.rename import FILE_RENAME_POSIX_SEMANTICS, LinkInformation, RenameInformation, RenameInformationEx
from smbcore.nt.info.reparse import SymbolicLink
from smbcore.nt.sddl import from_sddl
from smbcore.nt.security import DACL_SECURITY_INFORMATION

DELETE = 0x10000
READ = 1


async def test_file_moves_with_its_opens(lab: Any) -> None:
    await lab.mkdir("d")
    await lab.make("a", b"data")
    first = await lab.open("a")
    second = await lab.open("a", READ)
    await lab.rename(first, "d\\B")
    assert first.path == second.path == "d\\B"
    assert await lab.read(second) == b"data"
    await first.close()
    await second.close()
    assert await lab.content("d\\b") == b"data"
    assert not await lab.exists("a")


async def test_needs_delete_access(lab: Any) -> None:
    opened = await lab.create("a", 3)
    with lab.fails("ACCESS_DENIED"):
        await lab.rename(opened, "b")
    await opened.close()


async def test_existing_target(lab: Any) -> None:
    await lab.make("a", b"new")
    await lab.make("b", b"old")
    opened = await lab.open("a")
    with lab.fails("OBJECT_NAME_COLLISION"):
        await lab.rename(opened, "B")
    await lab.rename(opened, "B", replace=True)
    await opened.close()
    assert await lab.content("b") == b"new"


async def test_open_target_is_not_replaced(lab: Any) -> None:
    await lab.make("a", b"new")
    await lab.make("b", b"old")
    opened = await lab.open("a")
    target = await lab.open("b", 0x80)
    with lab.fails("ACCESS_DENIED"):
        await lab.rename(opened, "b", replace=True)
    flags = 1 | FILE_RENAME_POSIX_SEMANTICS
    await opened.set_information(ic.FILE_RENAME_INFORMATION_EX, RenameInformationEx("b", flags).encode())
    await opened.close()
    await target.close()
    assert await lab.content("b") == b"new"


async def test_read_only_target_and_directory_target_are_not_replaced(lab: Any) -> None:
    await lab.make("a")
    await lab.make("b", file_attributes=fa.FILE_ATTRIBUTE_READONLY)
    await lab.mkdir("d")
    opened = await lab.open("a")
    for name in ("b", "d"):
        with lab.fails("ACCESS_DENIED"):
            await lab.rename(opened, name, replace=True)
    await opened.close()


async def test_change_of_case_alone(lab: Any) -> None:
    await lab.make("name")
    opened = await lab.open("name")
    await lab.rename(opened, "NAME")
    assert opened.path == "NAME"
    await opened.close()
    assert await lab.names("") == [".", "..", "NAME"]


async def test_directory_with_something_open_below_stays(lab: Any) -> None:
    await lab.mkdir("d")
    await lab.make("d\\a")
    child = await lab.open("d\\a", 0x80)
    opened = await lab.open("d")
    with lab.fails("ACCESS_DENIED"):
        await lab.rename(opened, "e")
    await child.close()
    await lab.rename(opened, "e")
    await opened.close()
    assert await lab.exists("e\\a")


async def test_file_with_an_open_stream_stays(lab: Any) -> None:
    await lab.make("a")
    stream = await lab.create("a:s")
    opened = await lab.open("a")
    with lab.fails("ACCESS_DENIED"):
        await lab.rename(opened, "b")
    await stream.close()
    await lab.rename(opened, "b")
    await opened.close()


async def test_bad_targets(lab: Any) -> None:
    await lab.mkdir("d")
    await lab.make("a")
    opened = await lab.open("a")
    for name, status in (
        ("absent\\b", "OBJECT_PATH_NOT_FOUND"),
        ("a?b", "OBJECT_NAME_INVALID"),
        ("b:s", "OBJECT_NAME_INVALID"),
    ):
        with lab.fails(status):
            await lab.rename(opened, name)
    with lab.fails("INVALID_PARAMETER"):
        await opened.set_information(ic.FILE_RENAME_INFORMATION, RenameInformation("b", 0, 1).encode())
    await opened.close()
    root = await lab.open("")
    with lab.fails("INVALID_PARAMETER"):
        await lab.rename(root, "b")
    await root.close()


async def test_directory_cannot_move_below_itself(lab: Any) -> None:
    await lab.mkdir("d")
    opened = await lab.open("d")
    with lab.fails("INVALID_PARAMETER"):
        await lab.rename(opened, "d\\e")
    await opened.close()


async def test_what_is_being_deleted_keeps_its_name(lab: Any) -> None:
    """[MS-FSA 2.1.5.15.12] Open.Link.IsDeleted"""
    opened = await lab.create("a")
    await lab.dispose(opened)
    with lab.fails("ACCESS_DENIED"):
        await lab.rename(opened, "b")
    await lab.dispose(opened, delete=False)
    await lab.rename(opened, "b")
    await opened.close()
    assert await lab.exists("b")


async def test_deletion_on_close_follows_the_new_name(lab: Any) -> None:
    opened = await lab.create("a", options=c.FILE_DELETE_ON_CLOSE)
    await lab.rename(opened, "b")
    assert await lab.exists("b")
    await opened.close()
    assert not await lab.exists("b")


async def test_target_that_is_being_deleted_stands_in_the_way(lab: Any) -> None:
    """[MS-FSA 2.1.5.15.12] TargetLink.IsDeleted"""
    opened, target = await lab.create("a"), await lab.create("b")
    await lab.dispose(target)
    with lab.fails("DELETE_PENDING"):
        await lab.rename(opened, "b", replace=True)
    await target.close()
    await lab.rename(opened, "b")
    await opened.close()


async def test_hard_link(lab: Any) -> None:
    opened = await lab.create("a")
    await opened.write(0, b"data")
    await opened.set_information(ic.FILE_LINK_INFORMATION, LinkInformation("b").encode())
    standard = file.StandardInformation.decode(opened.query_information(ic.FILE_STANDARD_INFORMATION, 24))
    assert standard.number_of_links == 2
    with lab.fails("OBJECT_NAME_COLLISION"):
        await opened.set_information(ic.FILE_LINK_INFORMATION, LinkInformation("b").encode())
    await opened.close()
    assert await lab.content("b") == b"data"
    await lab.mkdir("d")
    directory = await lab.open("d")
    with lab.fails("FILE_IS_A_DIRECTORY"):
        await directory.set_information(ic.FILE_LINK_INFORMATION, LinkInformation("e").encode())
    await directory.close()


async def test_opens_of_both_links_share_state(lab: Any) -> None:
    opened = await lab.create("a")
    await opened.set_information(ic.FILE_LINK_INFORMATION, LinkInformation("b").encode())
    with lab.fails("SHARING_VIOLATION"):
        await lab.open("b", share=0)
    await opened.close()


@pytest.mark.parametrize(
    ("beside_delete", "access", "share", "moves"),
    [
        (False, DELETE, 7, False),
        (False, READ, 0, False),
        (False, READ, 7, True),
        (False, READ, 3, True),
        (False, 0x80, 0, True),
        (True, DELETE, 7, True),
        (True, DELETE, 3, True),
        (True, READ, 5, False),
    ],
)
async def test_open_parent_may_be_in_the_way(
    lab: Any, beside_delete: bool, access: int, share: int, moves: bool
) -> None:
    """Newer versions of Windows share deletion when they open the new parent  [MS-FSA 2.1.5.15.11]."""
    lab.volume.config = replace(lab.config, rename_beside_delete=beside_delete)
    await lab.mkdir("d")
    parent = await lab.open("d", access, share=share)
    opened = await lab.create("d\\a")
    if moves:
        await lab.rename(opened, "d\\b")
    else:
        with lab.fails("SHARING_VIOLATION"):
            await lab.rename(opened, "d\\b")
    await opened.close()
    await parent.close()


async def shut_folder(lab: Any) -> None:
    """A folder to which alice alone may add."""
    await lab.mkdir("hers")
    folder = await lab.open("hers")
    folder.set_security(DACL_SECURITY_INFORMATION, from_sddl(f"D:P(A;;FA;;;{lab.alice.user})").encode())
    await folder.close()


async def test_where_it_may_go_is_checked_for_whoever_acts_now(lab: Any) -> None:
    await shut_folder(lab)
    await lab.make("a")
    opened = await lab.open("a")
    opened.act_as(lab.bob)
    with lab.fails("ACCESS_DENIED"):
        await lab.rename(opened, "hers\\a")
    with lab.fails("ACCESS_DENIED"):
        await opened.set_information(ic.FILE_LINK_INFORMATION, LinkInformation("hers\\link", 0).encode())
    await lab.rename(opened, "b")
    opened.act_as(lab.alice)
    await lab.rename(opened, "hers\\a")
    await opened.close()


async def test_a_new_name_in_the_same_folder_needs_the_right_to_add_there(lab: Any) -> None:
    await shut_folder(lab)
    await lab.make("hers\\a")
    opened = await lab.open("hers\\a")
    opened.act_as(lab.bob)
    with lab.fails("ACCESS_DENIED"):
        await lab.rename(opened, "hers\\b")
    opened.act_as(lab.alice)
    await lab.rename(opened, "hers\\b")
    await opened.close()


async def test_a_rename_that_waits_goes_on_for_whoever_began_it(lab: Any) -> None:
    await shut_folder(lab)
    await lab.make("a")
    holder, opened = await lab.open("a", READ), await lab.open("a", DELETE)
    lab.lease(holder, "RH", b"a lease")
    moving = await lab.start(lab.rename(opened, "hers\\a"))
    opened.act_as(lab.bob)
    assert not moving.done()
    lab.acknowledge(holder, "R")
    await moving
    assert opened.path == "hers\\a"
    await opened.close()
    await holder.close()


async def test_renames_and_links_do_not_lead_through_links(lab: Any) -> None:
    await lab.mkdir("real")
    link = await lab.create("link", options=c.FILE_DIRECTORY_FILE)
    point = SymbolicLink("real", "real", relative=True).reparse_point()
    await link.fsctl(codes.FSCTL_SET_REPARSE_POINT, point.encode(), 0)
    await link.close()
    opened = await lab.create("a")
    for target in ("link\\b", "link\\sub\\b"):
        with lab.fails("STOPPED_ON_SYMLINK"):
            await lab.rename(opened, target)
        with lab.fails("STOPPED_ON_SYMLINK"):
            await opened.set_information(ic.FILE_LINK_INFORMATION, LinkInformation(target, 0).encode())
    await opened.close()
    assert await lab.exists("a")
