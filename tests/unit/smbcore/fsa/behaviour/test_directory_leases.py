"""A directory lease breaks with everything that changes what a listing shows, unless its holder caused it.

[MS-FSA 2.1.4.12 with PARENT_OBJECT, MS-SMB2 3.3.1.11 ParentLeaseKey]
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from smbcore.nt import create as c
from smbcore.nt.info import classes as ic
from smbcore.nt.info.rename import LinkInformation
from smbcore.nt.security import DACL_SECURITY_INFORMATION

HOLDER, CHILD = b"h" * 32, b"c" * 32
DELETE = 0x10000
Work = Callable[..., Awaitable[Any]]


async def create(lab: Any, **more: Any) -> None:
    await lab.make("d\\new", **more)


async def create_directory(lab: Any, **more: Any) -> None:
    await lab.make("d\\new", options=c.FILE_DIRECTORY_FILE, **more)


async def overwrite(lab: Any, **more: Any) -> None:
    await (await lab.open("d\\a", disposition=c.FILE_OVERWRITE, **more)).close()


async def delete_by_disposition(lab: Any, **more: Any) -> None:
    opened = await lab.open("d\\a", **more)
    await lab.dispose(opened)
    await opened.close()


async def delete_on_close(lab: Any, **more: Any) -> None:
    await (await lab.open("d\\a", DELETE, options=c.FILE_DELETE_ON_CLOSE, **more)).close()


async def rename_within(lab: Any, **more: Any) -> None:
    opened = await lab.open("d\\a", **more)
    await lab.rename(opened, "d\\b")
    await opened.close()


async def rename_out(lab: Any, **more: Any) -> None:
    opened = await lab.open("d\\a", **more)
    await lab.rename(opened, "elsewhere")
    await opened.close()


async def rename_in(lab: Any, **more: Any) -> None:
    opened = await lab.open("other", **more)
    await lab.rename(opened, "d\\b")
    await opened.close()


async def rename_over(lab: Any, **more: Any) -> None:
    opened = await lab.open("other", **more)
    await lab.rename(opened, "d\\a", replace=True)
    await opened.close()


async def link_into(lab: Any, **more: Any) -> None:
    opened = await lab.open("other", **more)
    await opened.set_information(ic.FILE_LINK_INFORMATION, LinkInformation("d\\b", 0).encode())
    await opened.close()


async def attributes(lab: Any, **more: Any) -> None:
    opened = await lab.open("d\\a", **more)
    await lab.set_basic(opened, attributes=0x2)
    await opened.close()


async def last_write_time(lab: Any, **more: Any) -> None:
    opened = await lab.open("d\\a", **more)
    await lab.set_basic(opened, 0, 0, 131_000_000_000_000_000, 0)
    await opened.close()


async def creation_time(lab: Any, **more: Any) -> None:
    opened = await lab.open("d\\a", **more)
    await lab.set_basic(opened, 131_000_000_000_000_000, 0, 0, 0)
    await opened.close()


async def end_of_file(lab: Any, **more: Any) -> None:
    opened = await lab.open("d\\a", **more)
    await lab.resize(opened, 1)
    await opened.close()


async def write_and_close(lab: Any, **more: Any) -> None:
    opened = await lab.open("d\\a", **more)
    await opened.write(0, b"longer than before")
    await opened.close()


async def extended_attribute(lab: Any, **more: Any) -> None:
    opened = await lab.open("d\\a", **more)
    await opened.set_information(ic.FILE_FULL_EA_INFORMATION, b"\0\0\0\0\0\1\1\0N\0v")
    await opened.close()


CHANGES = [
    create, create_directory, overwrite, delete_by_disposition, delete_on_close, rename_within, rename_out, rename_in,
    rename_over, link_into, attributes, last_write_time, creation_time, end_of_file, write_and_close,
    extended_attribute,
]  # fmt: skip


async def look(lab: Any, **more: Any) -> None:
    opened = await lab.open("d\\a", **more)
    opened.query_information(ic.FILE_ALL_INFORMATION, 4096)
    opened.query_security(DACL_SECURITY_INFORMATION)
    await lab.read(opened)
    await opened.close()


async def list_it(lab: Any, **more: Any) -> None:
    assert "a" in await lab.names("d")


async def lock(lab: Any, **more: Any) -> None:
    opened = await lab.open("d\\a", **more)
    await lab.lock(opened, 0, 1)
    await opened.close()


async def change_below(lab: Any, **more: Any) -> None:
    await lab.make("d\\sub\\new", b"content", **more)


async def change_beside(lab: Any, **more: Any) -> None:
    await lab.make("new", b"content", **more)


async def fail_to_create(lab: Any, **more: Any) -> None:
    with lab.fails("OBJECT_NAME_COLLISION"):
        await lab.create("d\\a", **more)


async def fail_to_delete(lab: Any, **more: Any) -> None:
    opened = await lab.open("d\\a", DELETE, **more)
    await lab.dispose(opened)
    await lab.dispose(opened, delete=False)
    await opened.close()


HARMLESS = [look, list_it, lock, change_below, change_beside, fail_to_create, fail_to_delete]


@pytest.fixture
async def held(lab: Any) -> Any:
    """A directory `d` whose listing is cached, with the listener of its holder."""
    await lab.mkdir("d")
    await lab.mkdir("d\\sub")
    await lab.make("d\\a", b"content")
    await lab.make("other", b"other")
    directory = await lab.open("d", 0x1 | 0x80, oplock_key=HOLDER)
    listener = lab.listener()
    assert lab.lease(directory, "RH", HOLDER, listener).caching == 3
    yield listener
    await directory.close()


@pytest.mark.parametrize("work", CHANGES, ids=lambda work: work.__name__)
async def test_a_change_by_others_breaks_it(lab: Any, held: Any, work: Work) -> None:
    await work(lab)
    assert held.last() == ("RH", "", True)


@pytest.mark.parametrize("work", CHANGES, ids=lambda work: work.__name__)
async def test_a_change_by_another_holder_breaks_it(lab: Any, held: Any, work: Work) -> None:
    await work(lab, oplock_key=CHILD, parent_oplock_key=b"o" * 32)
    assert held.last() == ("RH", "", True)


@pytest.mark.parametrize("work", CHANGES, ids=lambda work: work.__name__)
async def test_a_change_by_its_holder_leaves_it(lab: Any, held: Any, work: Work) -> None:
    await work(lab, oplock_key=CHILD, parent_oplock_key=HOLDER)
    assert not held.notices


@pytest.mark.parametrize("work", HARMLESS, ids=lambda work: work.__name__)
async def test_what_no_listing_shows_leaves_it(lab: Any, held: Any, work: Work) -> None:
    await work(lab)
    assert not held.notices


async def test_writing_breaks_it_when_the_file_closes(lab: Any, held: Any) -> None:
    """What a listing shows of a file that is being written is not exact before."""
    opened = await lab.open("d\\a")
    await opened.write(0, b"one")
    await opened.write(0, b"two")
    assert not held.notices
    await opened.close()
    assert held.last() == ("RH", "", True)


async def test_the_change_does_not_wait_for_the_answer(lab: Any, held: Any) -> None:
    await create(lab)
    assert await lab.exists("d\\new")
    assert held.notices[0].acknowledge


async def test_a_rename_from_one_directory_to_another_breaks_both(lab: Any, held: Any) -> None:
    await lab.mkdir("e")
    other = lab.listener()
    second = await lab.open("e", 0x1 | 0x80, oplock_key=CHILD)
    lab.lease(second, "RH", CHILD, other)
    opened = await lab.open("d\\a")
    await lab.rename(opened, "e\\a")
    assert held.last() == ("RH", "", True)
    assert other.last() == ("RH", "", True)
    await opened.close()
    await second.close()


async def test_nothing_is_observed_for_leases_that_the_share_does_not_grant(lab: Any) -> None:
    lab.volume.config = replace(lab.config, leases=False)
    await lab.mkdir("d")
    opened = await lab.open("d", oplock_key=HOLDER)
    lab.lease(opened, "RH", HOLDER)
    assert lab.held(opened) == ""
    assert not lab.volume.local.active
    await opened.close()
