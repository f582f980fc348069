"""Listing directories  [MS-FSA 2.1.5.6]."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from smbcore.nt import create as c
from smbcore.nt.info import classes as ic
from smbcore.nt.info.directory import CLASSES, decode_entries
from smbcore.nt.status import NtError


async def many(lab: Any, count: int) -> list[str]:
    await lab.mkdir("d")
    names = [f"file-{number:03}.txt" for number in range(count)]
    for name in names:
        await lab.make(f"d\\{name}")
    return names


async def test_every_name_comes_once_over_many_calls(lab: Any) -> None:
    names = await many(lab, 40)
    opened = await lab.open("d")
    found: list[str] = []
    for _ in range(100):
        try:
            data = await opened.query_directory(ic.FILE_ID_BOTH_DIRECTORY_INFORMATION, "*", 700)
        except Exception as error:
            assert str(error).startswith("NO_MORE_FILES")  # noqa: PT017
            break
        assert len(data) <= 700
        found += [entry.name for entry in decode_entries(ic.FILE_ID_BOTH_DIRECTORY_INFORMATION, data)]
    assert found[:2] == [".", ".."]
    assert sorted(found[2:]) == names
    await opened.close()


async def test_pattern_stays_until_it_is_replaced(lab: Any) -> None:
    await many(lab, 3)
    opened = await lab.open("d")
    query = opened.query_directory
    kind = ic.FILE_NAMES_INFORMATION

    def names(data: bytes) -> list[str]:
        return sorted(entry.name for entry in decode_entries(kind, data))

    assert names(await query(kind, "*1*", 4096)) == ["file-001.txt"]
    with lab.fails("NO_MORE_FILES"):
        await query(kind, "*", 4096)
    assert names(await query(kind, "", 4096, restart=True)) == ["file-001.txt"]
    assert len(names(await query(kind, "*", 4096, restart=True))) == 5
    assert names(await query(kind, "*2*", 4096, reopen=True)) == ["file-002.txt"]
    await opened.close()


async def test_nothing_matches(lab: Any) -> None:
    await many(lab, 1)
    opened = await lab.open("d")
    with lab.fails("NO_SUCH_FILE"):
        await opened.query_directory(ic.FILE_NAMES_INFORMATION, "absent*", 4096)
    with lab.fails("NO_MORE_FILES"):
        await opened.query_directory(ic.FILE_NAMES_INFORMATION, "absent*", 4096)
    await opened.close()


async def test_single_entries(lab: Any) -> None:
    await many(lab, 1)
    opened = await lab.open("d")
    found = []
    for _ in range(3):
        data = await opened.query_directory(ic.FILE_NAMES_INFORMATION, "*", 4096, single=True)
        found += [entry.name for entry in decode_entries(ic.FILE_NAMES_INFORMATION, data)]
    assert found == [".", "..", "file-000.txt"]
    await opened.close()


@pytest.mark.parametrize("info_class", sorted(CLASSES))
async def test_every_class_gives_metadata(lab: Any, info_class: int) -> None:
    await lab.make("a", b"data")
    opened = await lab.open("")
    data = await opened.query_directory(info_class, "a", 4096)
    (entry,) = decode_entries(info_class, data)
    assert entry.name == "a"
    if info_class != ic.FILE_NAMES_INFORMATION:
        assert entry.end_of_file == 4
    await opened.close()


async def test_refused_listings(lab: Any) -> None:
    await lab.make("a")
    opened = await lab.open("a")
    with lab.fails("INVALID_PARAMETER"):
        await opened.query_directory(ic.FILE_NAMES_INFORMATION, "*", 4096)
    await opened.close()
    opened = await lab.open("", 0x80)
    with lab.fails("ACCESS_DENIED"):
        await opened.query_directory(ic.FILE_NAMES_INFORMATION, "*", 4096)
    await opened.close()
    opened = await lab.open("")
    with lab.fails("INVALID_INFO_CLASS"):
        await opened.query_directory(ic.FILE_BASIC_INFORMATION, "*", 4096)
    with lab.fails("INFO_LENGTH_MISMATCH"):
        await opened.query_directory(ic.FILE_BOTH_DIRECTORY_INFORMATION, "*", 90)
    with lab.fails("BUFFER_OVERFLOW"):
        await opened.query_directory(ic.FILE_BOTH_DIRECTORY_INFORMATION, "a", 94)
    await opened.close()


async def test_short_names_match_patterns(lab: Any) -> None:
    await lab.make("a long name.text")
    opened = await lab.open("")
    data = await opened.query_directory(ic.FILE_BOTH_DIRECTORY_INFORMATION, "a*", 4096)
    await opened.close()
    (entry,) = decode_entries(ic.FILE_BOTH_DIRECTORY_INFORMATION, data)
    assert "~" in entry.short_name
    assert await lab.names("", entry.short_name) == ["a long name.text"]


async def test_access_based_enumeration_leaves_out_what_cannot_be_read(lab: Any) -> None:
    from smbcore.nt.sddl import from_sddl  # noqa: PLC0415

    lab.config.access_based_enumeration = True
    await lab.make("open")
    await lab.make("closed", security=from_sddl("O:S-1-5-21-1-2-3-1000D:P(A;;FA;;;SY)").encode())
    opened = await lab.open("", token=lab.bob, options=c.FILE_DIRECTORY_FILE)
    data = await opened.query_directory(ic.FILE_NAMES_INFORMATION, "*", 4096)
    assert [entry.name for entry in decode_entries(ic.FILE_NAMES_INFORMATION, data)] == [".", "..", "open"]
    await opened.close()


async def test_access_based_enumeration_asks_for_whoever_acts_now(lab: Any) -> None:
    from smbcore.nt.sddl import from_sddl  # noqa: PLC0415

    lab.config.access_based_enumeration = True
    await lab.make("hers", security=from_sddl(f"O:{lab.alice.user}D:P(A;;FA;;;{lab.alice.user})").encode())
    opened = await lab.open("", options=c.FILE_DIRECTORY_FILE)
    for actor, seen in ((lab.alice, [".", "..", "hers"]), (lab.bob, [".", ".."])):
        opened.act_as(actor)
        data = await opened.query_directory(ic.FILE_NAMES_INFORMATION, "*", 4096, restart=True)
        assert [entry.name for entry in decode_entries(ic.FILE_NAMES_INFORMATION, data)] == seen
    await opened.close()


async def test_files_come_and_go_while_a_listing_goes_on(lab: Any) -> None:
    """At a buffer for one entry: what stays comes once, what was deleted before its turn does not come."""
    names = await many(lab, 60)
    opened = await lab.open("d")
    found: list[str] = []
    gone: set[str] = set()
    kind = ic.FILE_BOTH_DIRECTORY_INFORMATION
    while True:
        try:
            data = await opened.query_directory(kind, "*", 130)
        except NtError as error:
            assert error.status.name == "NO_MORE_FILES"  # noqa: PT017
            break
        found += [entry.name for entry in decode_entries(kind, data)]
        assert not gone & set(found[-len(decode_entries(kind, data)) :])
        if len(found) % 3 == 0:
            await lab.make(f"d\\new {len(found)}")
            victim = next((name for name in reversed(names) if name not in gone and name not in found), None)
            if victim is not None:  # the store may list in any order
                gone.add(victim)
                deleted = await lab.open(f"d\\{victim}")
                await lab.dispose(deleted)
                await deleted.close()
    assert gone
    assert len(found) == len(set(found))
    assert set(names) - gone <= set(found)
    assert not gone & set(found)
    await opened.close()


async def test_an_entry_that_waits_for_its_turn_is_told_as_it_is_then(lab: Any) -> None:
    names = await many(lab, 3)
    opened = await lab.open("d")
    kind = ic.FILE_DIRECTORY_INFORMATION
    first = decode_entries(kind, await opened.query_directory(kind, "file*", 130))
    assert len(first) == 1
    for name in names:
        written = await lab.open(f"d\\{name}")
        await written.write(0, b"changed")
        await written.close()
    rest = []
    for _ in range(2):
        rest += decode_entries(kind, await opened.query_directory(kind, "file*", 130))
    assert [entry.end_of_file for entry in rest] == [7, 7]
    await opened.close()


async def test_access_based_enumeration_sees_inherited_denials(lab: Any) -> None:
    from smbcore.nt.sddl import from_sddl  # noqa: PLC0415

    lab.config.access_based_enumeration = True
    await lab.mkdir("d")
    opened = await lab.open("d")
    opened.set_security(4, from_sddl(f"D:P(D;OIIO;FA;;;{lab.bob.user})(A;OICI;FA;;;WD)").encode())
    await opened.close()
    await lab.make("d\\file")
    await lab.mkdir("d\\folder")
    kind = ic.FILE_NAMES_INFORMATION
    opened = await lab.open("d", token=lab.bob, options=c.FILE_DIRECTORY_FILE)
    data = await opened.query_directory(kind, "*", 4096)
    assert [entry.name for entry in decode_entries(kind, data)] == [".", "..", "folder"]
    with lab.fails("NO_SUCH_FILE"):
        await opened.query_directory(kind, "file", 4096, reopen=True)
    await opened.close()


async def test_requests_at_the_same_time_share_the_entries(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    names = await many(lab, 40)
    opened = await lab.open("d")
    node, gate = type(opened.node), asyncio.Event()
    entries = node.entries

    async def slow(self: Any, wanted: Any) -> Any:
        await gate.wait()
        return await entries(self, wanted)

    monkeypatch.setattr(node, "entries", slow)
    kind, query = ic.FILE_ID_BOTH_DIRECTORY_INFORMATION, opened.query_directory
    asked = [await lab.start(query(kind, "*", 1300)), await lab.start(query(kind, "*", 1300))]
    gate.set()
    found = [entry.name for data in await asyncio.gather(*asked) for entry in decode_entries(kind, data)]
    with lab.fails("NO_MORE_FILES"):
        while True:
            found += [entry.name for entry in decode_entries(kind, await query(kind, "*", 1300))]
    assert sorted(found) == [".", "..", *names]
    await opened.close()
