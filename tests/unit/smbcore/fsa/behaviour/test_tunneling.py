"""A name that comes back soon gets what it had before  [MS-FSA 2.1.5.1.1, 2.1.5.15.11]."""

from __future__ import annotations

from typing import Any

from smbcore.nt.names import stable_short_name

BIRTH = 132_000_000_000_000_000


async def born(lab: Any, path: str) -> int:
    opened = await lab.open(path, 0x80)
    try:
        return int(opened.info().creation_time)
    finally:
        await opened.close()


async def make_old(lab: Any, path: str) -> None:
    opened = await lab.create(path)
    await lab.set_basic(opened, BIRTH, 0, 0, 0)
    await opened.close()


async def delete(lab: Any, path: str) -> None:
    opened = await lab.open(path)
    await lab.dispose(opened)
    await opened.close()


async def test_a_file_made_anew_keeps_its_creation_time(lab: Any) -> None:
    await make_old(lab, "letter.txt")
    await delete(lab, "letter.txt")
    await lab.make("LETTER.txt")
    assert await born(lab, "letter.txt") == BIRTH
    assert await lab.names("") == [".", "..", "LETTER.txt"]


async def test_saving_by_renaming_keeps_the_creation_time(lab: Any) -> None:
    # 1 the program writes a new file, puts the old one aside, and gives the new one the name
    await make_old(lab, "letter.txt")
    await lab.make("letter.tmp", b"new")
    for old, new in (("letter.txt", "letter.bak"), ("letter.tmp", "letter.txt")):
        opened = await lab.open(old)
        await lab.rename(opened, new)
        await opened.close()
    # 2 the name has its age, and so has the copy
    assert await born(lab, "letter.txt") == BIRTH
    assert await born(lab, "letter.bak") == BIRTH
    assert await lab.content("letter.txt") == b"new"


async def test_it_works_once_and_not_for_long(lab: Any) -> None:
    await make_old(lab, "a")
    await delete(lab, "a")
    lab.clock.advance(16)
    await lab.make("a")
    assert await born(lab, "a") != BIRTH
    assert not len(lab.volume.tunnel)


async def test_another_directory_is_another_name(lab: Any) -> None:
    await lab.mkdir("dir")
    await make_old(lab, "a")
    await delete(lab, "a")
    await lab.make("dir\\a")
    assert await born(lab, "dir\\a") != BIRTH


async def test_the_short_name_brings_the_long_one_back(lab: Any) -> None:
    name = "A long name of a letter.text"
    await make_old(lab, name)
    short = stable_short_name(name)
    await delete(lab, short)
    await lab.make(short)
    assert await lab.names("") == [".", "..", name]
    assert await born(lab, name) == BIRTH
    # and it is found by either
    await delete(lab, short)
    assert not await lab.exists(name)


async def test_a_long_name_that_is_taken_again_stays_with_its_file(lab: Any) -> None:
    name = "A long name of a letter.text"
    await make_old(lab, name)
    await delete(lab, name)
    await lab.make(name, b"1")
    short = stable_short_name(name)
    assert await lab.content(short) == b"1"
    with lab.fails("OBJECT_NAME_COLLISION"):
        await lab.create(short)


async def test_what_is_remembered_is_bounded(lab: Any) -> None:
    for number in range(1200):
        lab.volume.tunnel.add((), f"file {number}", BIRTH, lab.clock.now())
    assert len(lab.volume.tunnel) == 1024
    assert lab.volume.tunnel.take((), "file 1", lab.clock.now()) is None
    assert lab.volume.tunnel.take((), "file 1199", lab.clock.now()) is not None
