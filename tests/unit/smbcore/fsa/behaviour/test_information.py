"""Queries and sets of information  [MS-FSA 2.1.5.12, 2.1.5.15]."""

from __future__ import annotations

from typing import Any

import pytest

from smbcore.nt import attributes as fa
from smbcore.nt import create as c
from smbcore.nt.info import classes as ic
from smbcore.nt.info import ea, file, links
from smbcore.nt.info.directory import decode_entries
from smbcore.vfs.memory import MemoryBackend
from smbcore.vfs.posix import directory

TIME = 130_000_000_000_000_000


def basic(opened: Any) -> file.BasicInformation:
    return file.BasicInformation.decode(opened.query_information(ic.FILE_BASIC_INFORMATION, 40))


async def test_basic_information_shows_normal_only_alone(lab: Any) -> None:
    opened = await lab.create("a")
    await lab.set_basic(opened, attributes=fa.FILE_ATTRIBUTE_NORMAL)
    assert basic(opened).attributes == fa.FILE_ATTRIBUTE_NORMAL
    await lab.set_basic(opened, attributes=fa.FILE_ATTRIBUTE_HIDDEN)
    assert basic(opened).attributes == fa.FILE_ATTRIBUTE_HIDDEN
    await lab.set_basic(opened, attributes=0)
    assert basic(opened).attributes == fa.FILE_ATTRIBUTE_HIDDEN
    await opened.close()


async def test_times_are_set_each_for_itself(lab: Any) -> None:
    opened = await lab.create("a")
    before = basic(opened)
    await lab.set_basic(opened, TIME, 0, TIME + 20, 0)
    after = basic(opened)
    assert (after.creation_time, after.last_write_time) == (TIME, TIME + 20)
    assert after.last_access_time == before.last_access_time
    await opened.close()


async def test_explicit_write_time_survives_writes_of_the_same_open(lab: Any) -> None:
    opened = await lab.create("a")
    await lab.set_basic(opened, 0, 0, TIME, 0)
    await opened.write(0, b"data")
    assert basic(opened).last_write_time == TIME
    await lab.set_basic(opened, 0, 0, -2, 0)
    await opened.write(0, b"data")
    assert basic(opened).last_write_time > TIME
    await opened.close()


async def test_frozen_write_time_stands_still(lab: Any) -> None:
    opened = await lab.create("a")
    await lab.set_basic(opened, 0, 0, -1, 0)
    before = basic(opened).last_write_time
    lab.clock.advance(10)
    await opened.write(0, b"data")
    assert basic(opened).last_write_time == before
    await opened.close()


async def test_bad_basic_information(lab: Any) -> None:
    opened = await lab.create("a")
    with lab.fails("INVALID_PARAMETER"):
        await lab.set_basic(opened, 0, 0, -3, 0)
    with lab.fails("INVALID_PARAMETER"):
        await lab.set_basic(opened, attributes=fa.FILE_ATTRIBUTE_DIRECTORY)
    await opened.close()
    await lab.mkdir("d")
    directory = await lab.open("d")
    with lab.fails("INVALID_PARAMETER"):
        await lab.set_basic(directory, attributes=fa.FILE_ATTRIBUTE_TEMPORARY)
    await directory.close()


async def test_writing_sets_archive(lab: Any) -> None:
    await lab.make("a")
    opened = await lab.open("a")
    await lab.set_basic(opened, attributes=fa.FILE_ATTRIBUTE_HIDDEN)
    await opened.write(0, b"x")
    assert opened.info().attributes == fa.FILE_ATTRIBUTE_HIDDEN | fa.FILE_ATTRIBUTE_ARCHIVE
    await opened.close()


@pytest.mark.parametrize(
    ("info_class", "access", "status"),
    [
        (ic.FILE_BASIC_INFORMATION, 1, "ACCESS_DENIED"),
        (ic.FILE_ALL_INFORMATION, 1, "ACCESS_DENIED"),
        (ic.FILE_NETWORK_OPEN_INFORMATION, 1, "ACCESS_DENIED"),
        (ic.FILE_ATTRIBUTE_TAG_INFORMATION, 1, "ACCESS_DENIED"),
        (ic.FILE_RENAME_INFORMATION, 0x80, "NOT_SUPPORTED"),
        (ic.FILE_OBJECT_ID_INFORMATION, 0x80, "NOT_SUPPORTED"),
        (200, 0x80, "INVALID_INFO_CLASS"),
    ],
)
async def test_refused_queries(lab: Any, info_class: int, access: int, status: str) -> None:
    await lab.make("a")
    opened = await lab.open("a", access)
    with lab.fails(status):
        opened.query_information(info_class, 4096)
    await opened.close()


@pytest.mark.parametrize("info_class", [4, 5, 6, 7, 8, 9, 14, 16, 17, 18, 21, 22, 28, 34, 35, 48, 54, 59])
async def test_too_small_a_buffer(lab: Any, info_class: int) -> None:
    opened = await lab.create("a")
    fixed = ic.fixed_size(info_class)
    with lab.fails("INFO_LENGTH_MISMATCH"):
        opened.query_information(info_class, fixed - 1)
    if info_class in (ic.FILE_ALTERNATE_NAME_INFORMATION, ic.FILE_STREAM_INFORMATION):
        with lab.fails("INFO_LENGTH_MISMATCH"):
            opened.query_information(info_class, fixed + 3)
    assert len(opened.query_information(info_class, 4096)) >= fixed
    await opened.close()


async def test_a_name_that_is_cut_comes_with_what_fits(lab: Any) -> None:
    opened = await lab.create("a long name")
    with lab.fails("BUFFER_OVERFLOW") as caught:
        opened.query_information(ic.FILE_ALL_INFORMATION, 108)
    assert len(caught.value.data) == 108
    await opened.close()


async def test_all_information_names_the_file_from_the_root(lab: Any) -> None:
    await lab.mkdir("d")
    opened = await lab.create("d\\a")
    info = file.AllInformation.decode(opened.query_information(ic.FILE_ALL_INFORMATION, 4096))
    assert info.name == "\\d\\a"
    assert info.access == opened.granted_access
    assert info.file_id == opened.file_id
    await opened.close()


async def test_normalized_name_has_no_leading_backslash(lab: Any) -> None:
    await lab.make("Name")
    opened = await lab.open("NAME")
    data = opened.query_information(ic.FILE_NORMALIZED_NAME_INFORMATION, 100)
    assert file.NameInformation.decode(data).name == "Name"
    await opened.close()


async def test_alternate_name_opens_the_same_file(lab: Any) -> None:
    opened = await lab.create("a long name.text")
    data = opened.query_information(ic.FILE_ALTERNATE_NAME_INFORMATION, 100)
    short = file.NameInformation.decode(data).name
    assert len(short) <= 12
    other = await lab.open(short)
    assert other.file_key == opened.file_key
    await opened.close()
    await other.close()


async def test_stream_information(lab: Any) -> None:
    await lab.make("a", b"main")
    stream = await lab.create("a:s")
    await stream.write(0, b"stream")
    opened = await lab.open("a")
    for one in (opened, stream):
        found = links.decode_streams(one.query_information(ic.FILE_STREAM_INFORMATION, 4096))
        assert [(s.name, s.size) for s in found] == [("::$DATA", 4), (":s:$DATA", 6)]
    await opened.close()
    await stream.close()


async def test_position_and_mode_belong_to_the_open(lab: Any) -> None:
    opened = await lab.create("a", options=c.FILE_SEQUENTIAL_ONLY)
    await opened.set_information(ic.FILE_POSITION_INFORMATION, file.PositionInformation(77).encode())
    assert file.PositionInformation.decode(opened.query_information(ic.FILE_POSITION_INFORMATION, 8)).value == 77
    assert file.ModeInformation.decode(opened.query_information(ic.FILE_MODE_INFORMATION, 4)).value == 4
    await opened.set_information(ic.FILE_MODE_INFORMATION, file.ModeInformation(2).encode())
    assert file.ModeInformation.decode(opened.query_information(ic.FILE_MODE_INFORMATION, 4)).value == 2
    with lab.fails("INVALID_PARAMETER"):
        await opened.set_information(ic.FILE_MODE_INFORMATION, file.ModeInformation(8).encode())
    await opened.close()


async def test_end_of_file(lab: Any) -> None:
    opened = await lab.create("a")
    await opened.write(0, b"12345")
    await lab.resize(opened, 3)
    assert await lab.read(opened) == b"123"
    await opened.set_information(ic.FILE_ALLOCATION_INFORMATION, file.AllocationInformation(1).encode())
    assert opened.info().end_of_file == 1
    await opened.set_information(ic.FILE_ALLOCATION_INFORMATION, file.AllocationInformation(9999).encode())
    assert opened.info().end_of_file == 1
    with lab.fails("INVALID_PARAMETER"):
        await lab.resize(opened, -1)
    await opened.close()
    reader = await lab.open("a", 1)
    with lab.fails("ACCESS_DENIED"):
        await lab.resize(reader, 0)
    await reader.close()


async def test_sets_that_are_refused(lab: Any) -> None:
    opened = await lab.create("a")
    for info_class, data, status in (
        (ic.FILE_STANDARD_INFORMATION, bytes(24), "NOT_SUPPORTED"),
        (200, bytes(24), "INVALID_INFO_CLASS"),
        (ic.FILE_BASIC_INFORMATION, bytes(39), "INFO_LENGTH_MISMATCH"),
        (ic.FILE_FULL_EA_INFORMATION, b"\x03" + bytes(20), "EA_LIST_INCONSISTENT"),
    ):
        with lab.fails(status):
            await opened.set_information(info_class, data)
    await opened.close()


async def test_extended_attributes(lab: Any) -> None:
    opened = await lab.create("a")
    with lab.fails("NO_EAS_ON_FILE"):
        opened.query_extended_attributes(None, 4096)
    both = [ea.ExtendedAttribute(b"One", b"1"), ea.ExtendedAttribute(b"TWO", b"22")]
    await opened.set_information(ic.FILE_FULL_EA_INFORMATION, ea.encode_attributes(both))
    found = ea.decode_attributes(opened.query_extended_attributes(None, 4096, restart=True))
    assert {a.name: a.value for a in found} == {b"ONE": b"1", b"TWO": b"22"}
    with lab.fails("NO_MORE_EAS"):
        opened.query_extended_attributes(None, 4096)
    single = ea.decode_attributes(opened.query_extended_attributes(None, 4096, restart=True, single=True))
    assert len(single) == 1
    named = ea.decode_attributes(opened.query_extended_attributes([b"two", b"absent"], 4096))
    assert [(a.name, a.value) for a in named] == [(b"TWO", b"22"), (b"ABSENT", b"")]
    with lab.fails("BUFFER_TOO_SMALL"):
        opened.query_extended_attributes(None, 3, restart=True)
    gone = ea.encode_attributes([ea.ExtendedAttribute(b"ONE", b""), ea.ExtendedAttribute(b"TWO", b"")])
    await opened.set_information(ic.FILE_FULL_EA_INFORMATION, gone)
    assert opened.info().ea_size == 0
    await opened.close()


@pytest.mark.parametrize("info_class", [1, 3, 4, 5, 6, 7, 8, 11])
async def test_file_system_information(lab: Any, info_class: int) -> None:
    data = lab.volume.query_fs_information(info_class, 4096)
    assert len(data) >= 8
    with lab.fails("INFO_LENGTH_MISMATCH"):
        lab.volume.query_fs_information(info_class, 3)


async def test_unknown_file_system_information(lab: Any) -> None:
    with lab.fails("INVALID_INFO_CLASS"):
        lab.volume.query_fs_information(99, 4096)


async def test_hidden_names_of_the_share(lab: Any) -> None:
    lab.volume.config.hide_dot_files = True
    lab.volume.marks_hidden = True
    opened = await lab.create(".profile")
    assert opened.info().attributes & fa.FILE_ATTRIBUTE_HIDDEN
    await opened.close()


async def test_streams_that_do_not_fit_are_left_out_whole(lab: Any) -> None:
    """[MS-FSA 2.1.5.12.29]"""
    await lab.make("a", b"data")
    for number in range(5):
        await lab.make(f"a:stream {number}", bytes(number))
    opened = await lab.open("a")
    everything = opened.query_information(ic.FILE_STREAM_INFORMATION, 65536)
    entries = links.decode_streams(everything)
    assert len(entries) == 6
    counts = set()
    for size in range(32, len(everything)):
        with lab.fails("BUFFER_OVERFLOW") as caught:
            opened.query_information(ic.FILE_STREAM_INFORMATION, size)
        data = caught.value.data
        assert len(data) <= size
        fitting = links.decode_streams(data)
        assert fitting == entries[: len(fitting)]
        counts.add(len(fitting))
    assert counts == {0, 1, 2, 3, 4, 5}
    await opened.close()


def short_name(opened: Any) -> str:
    return file.NameInformation.decode(opened.query_information(ic.FILE_ALTERNATE_NAME_INFORMATION, 200)).name


async def test_the_short_name_goes_with_the_long_one(lab: Any) -> None:
    await lab.make("a very long name.text")
    opened = await lab.open("a very long name.text")
    before = short_name(opened)
    await lab.rename(opened, "something else.docx")
    after = short_name(opened)
    await opened.close()
    assert before != after
    with lab.fails("OBJECT_NAME_NOT_FOUND"):
        await lab.open(before)
    opened = await lab.open(after)
    assert opened.path == "something else.docx"
    await opened.close()


async def test_a_short_name_is_taken_for_others(lab: Any) -> None:
    await lab.make("a very long name.text")
    opened = await lab.open("a very long name.text:stream", disposition=c.FILE_OPEN_IF)
    short = short_name(opened)
    await opened.close()
    with lab.fails("OBJECT_NAME_COLLISION"):
        await lab.create(short)


async def test_extended_attributes_are_set_all_or_none(lab: Any) -> None:
    await lab.make("a")
    opened = await lab.open("a")

    async def put(*pairs: tuple[bytes, bytes]) -> None:
        data = ea.encode_attributes([ea.ExtendedAttribute(name, value) for name, value in pairs])
        await opened.set_information(ic.FILE_FULL_EA_INFORMATION, data)

    kept = {b"N": b"old", b"M" * 254: b"1", b"L" * 255: b"2"}
    await put(*kept.items())
    with lab.fails("EA_TOO_LARGE"):
        await put((b"n", b"new"), (b"two", b"2"), (b"large", bytes(65_000)), (b"larger", bytes(65_000)))
    for name in (b"", b"a*", b"a\x01", b"a:b", b"a,b"):
        with lab.fails("INVALID_EA_NAME"):
            await put((b"n", b"new"), (name, b"value"))
    stored = ea.decode_attributes(opened.query_extended_attributes(None, 65536))
    assert {each.name: each.value for each in stored} == kept
    await opened.close()


@pytest.mark.parametrize("time", [1, 10**10, 94_354_848_000_000_000 - 1, 2_650_467_743_990_000_000, 2**62, 2**63 - 1])
async def test_times_that_no_disk_can_keep(lab: Any, time: int) -> None:
    """1601, before 1901, after 2446, the last one of all: taken, and told alike by handle and by listing."""
    await lab.make("a")
    opened = await lab.open("a")
    await lab.set_basic(opened, time, time, time, time)
    told = basic(opened)
    assert (told.creation_time, told.change_time) == (time, time)
    assert told.last_write_time > 0
    assert told.last_access_time > 0
    await opened.close()
    opened = await lab.open("")
    data = await opened.query_directory(ic.FILE_ID_BOTH_DIRECTORY_INFORMATION, "a", 4096)
    (entry,) = decode_entries(ic.FILE_ID_BOTH_DIRECTORY_INFORMATION, data)
    assert (entry.creation_time, entry.last_write_time) == (told.creation_time, told.last_write_time)
    await opened.close()


async def test_a_smaller_allocation_truncates_and_a_larger_one_does_not_extend(lab: Any) -> None:
    """[MS-FSA 2.1.5.15.1]"""
    await lab.make("a", bytes(5000))
    opened = await lab.open("a")
    for size, end in ((100_000, 5000), (100, 100)):
        await opened.set_information(ic.FILE_ALLOCATION_INFORMATION, size.to_bytes(8, "little"))
        info = opened.info()
        assert info.end_of_file == end
        assert max(size, end) <= info.allocation_size < size + (64 << 10)
        assert info.allocation_size % 4096 == 0
    await opened.close()


async def test_a_directory_too_large_for_short_names_has_none(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """[MS-FSA 2.1.5.12.4]"""
    if isinstance(lab.backend, MemoryBackend):
        return  # keeps them all
    monkeypatch.setattr(directory, "SHORT_NAMES_UP_TO", 1)
    await lab.make("a very long name.text")
    await lab.make("SHORT.TXT")
    opened = await lab.open("a very long name.text")
    with lab.fails("OBJECT_NAME_NOT_FOUND"):
        short_name(opened)
    await opened.close()
    opened = await lab.open("short.txt")
    assert short_name(opened) == "SHORT.TXT"
    await opened.close()
