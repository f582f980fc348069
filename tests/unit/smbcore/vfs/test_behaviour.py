"""What every backend does alike."""

from __future__ import annotations

from collections.abc import Awaitable

import pytest

from smbcore.fsa.backend import Backend, Node
from smbcore.nt.attributes import (
    FILE_ATTRIBUTE_ARCHIVE,
    FILE_ATTRIBUTE_DIRECTORY,
    FILE_ATTRIBUTE_HIDDEN,
    FILE_ATTRIBUTE_REPARSE_POINT,
)
from smbcore.nt.status import NtError, Status

TIME = 130_000_000_000_000_000


async def make(backend: Backend, *path: str, directory: bool = False, data: bytes = b"") -> Node:
    parent = await backend.open(path[:-1])
    node = await backend.create(parent, path[-1], directory=directory)
    parent.close()
    if data:
        await node.write(0, data)
    return node


async def make_closed(backend: Backend, *path: str, directory: bool = False, data: bytes = b"") -> None:
    (await make(backend, *path, directory=directory, data=data)).close()


async def content(node: Node, size: int = 100_000) -> bytes:
    buffer = bytearray(size)
    return bytes(buffer[: await node.read_into(0, memoryview(buffer))])


async def content_of(backend: Backend, *path: str) -> bytes:
    node = await backend.open(path)
    found = await content(node)
    node.close()
    return found


async def listed(backend: Backend, *path: str) -> list[str]:
    node = await backend.open(path)
    found = sorted(await node.names())
    node.close()
    return found


async def fails(status: Status, work: Awaitable[object]) -> None:
    with pytest.raises(NtError) as caught:
        await work
    assert caught.value.status.name == status.name


def fails_now(status: Status, error: pytest.ExceptionInfo[NtError]) -> None:
    assert error.value.status.name == status.name


# -- opening --
async def test_root_opens_as_a_directory(backend: Backend) -> None:
    root = await backend.open(())
    assert root.is_directory
    assert root.path == ()
    assert root.info().attributes & FILE_ATTRIBUTE_DIRECTORY
    assert root.info().end_of_file == 0
    root.close()


async def test_exact_name_opens(backend: Backend) -> None:
    await make_closed(backend, "a.txt", data=b"hello")
    node = await backend.open(("a.txt",))
    assert (node.path, node.stream, node.is_directory) == (("a.txt",), "", False)
    assert await content(node) == b"hello"
    node.close()


async def test_other_case_opens_with_the_real_names_in_its_path(backend: Backend) -> None:
    await make_closed(backend, "Dir", directory=True)
    await make_closed(backend, "Dir", "Über.TXT", data=b"x")
    node = await backend.open(("dIR", "üBER.txt"))
    assert node.path == ("Dir", "Über.TXT")
    node.close()


async def test_short_name_opens(backend: Backend) -> None:
    await make_closed(backend, "A rather long name.text")
    root = await backend.open(())
    short = root.short_name("A rather long name.text")
    root.close()
    assert "~" in short
    node = await backend.open((short.lower(),))
    assert node.path == ("A rather long name.text",)
    node.close()


async def test_name_that_is_8dot3_has_no_other_short_name(backend: Backend) -> None:
    await make_closed(backend, "plain.txt")
    root = await backend.open(())
    assert root.short_name("plain.txt") == ""
    root.close()


async def test_absent_name_and_absent_way_differ(backend: Backend) -> None:
    await make_closed(backend, "f")
    await fails(Status.OBJECT_NAME_NOT_FOUND, backend.open(("none",)))
    await fails(Status.OBJECT_PATH_NOT_FOUND, backend.open(("none", "x")))
    await fails(Status.OBJECT_PATH_NOT_FOUND, backend.open(("none", "x", "y")))
    await fails(Status.OBJECT_PATH_NOT_FOUND, backend.open(("f", "x")))


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "a\0b", "x:y", "a\\b", "z" * 256])
async def test_names_that_are_no_names_are_refused(backend: Backend, name: str) -> None:
    root = await backend.open(())
    with pytest.raises(NtError) as caught:
        await backend.create(root, name, directory=False)
    fails_now(Status.OBJECT_NAME_INVALID, caught)
    assert await root.names() == []
    root.close()
    with pytest.raises(NtError):
        await backend.open(("d", name, "x"))
    with pytest.raises(NtError):
        await backend.open((name,))


async def test_two_nodes_of_one_file_have_one_key(backend: Backend) -> None:
    first = await make(backend, "f")
    second = await backend.open(("F",))
    other = await make(backend, "g")
    assert first.key == second.key != other.key
    assert first.info().file_id == second.info().file_id != other.info().file_id
    for node in (first, second, other):
        node.close()
        node.close()


async def test_open_by_id_finds_the_file_and_refuses_impossible_ids(backend: Backend) -> None:
    await make_closed(backend, "d", directory=True)
    node = await make(backend, "d", "f")
    file_id = node.info().file_id
    node.close()
    again = await backend.open_by_id(file_id)
    assert again.path == ("d", "f")
    again.close()
    await fails(Status.INVALID_PARAMETER, backend.open_by_id(0))
    await fails(Status.INVALID_PARAMETER, backend.open_by_id(2**64 - 1))
    await fails(Status.OBJECT_NAME_NOT_FOUND, backend.open_by_id(file_id + 987_654))


# -- creating --
async def test_created_file_has_its_attributes_security_and_one_time(backend: Backend) -> None:
    root = await backend.open(())
    node = await backend.create(
        root, "f", directory=False, attributes=FILE_ATTRIBUTE_ARCHIVE | FILE_ATTRIBUTE_HIDDEN, security=b"\1sd"
    )
    info = node.info()
    assert info.attributes == FILE_ATTRIBUTE_ARCHIVE | FILE_ATTRIBUTE_HIDDEN
    assert node.security() == b"\1sd"
    assert info.creation_time == info.last_write_time
    assert (info.end_of_file, info.allocation_size, info.number_of_links) == (0, 0, 1)
    node.close()
    again = await backend.open(("f",))
    assert again.info() == info
    assert again.security() == b"\1sd"
    again.close()
    root.close()


async def test_create_collides_in_any_case(backend: Backend) -> None:
    await make_closed(backend, "Name")
    for name in ("Name", "nAME"):
        await fails(Status.OBJECT_NAME_COLLISION, make(backend, name))
        await fails(Status.OBJECT_NAME_COLLISION, make(backend, name, directory=True))
    assert await listed(backend) == ["Name"]


async def test_create_in_a_removed_directory_finds_no_path(backend: Backend) -> None:
    directory = await make(backend, "d", directory=True)
    await backend.remove(directory)
    await fails(Status.OBJECT_PATH_NOT_FOUND, backend.create(directory, "f", directory=False))
    directory.close()


# -- metadata --
async def test_times_are_kept_to_the_tick(backend: Backend) -> None:
    node = await make(backend, "f")
    node.set_times(creation=TIME + 1, last_access=TIME + 2, last_write=TIME + 3, change=TIME + 4)
    node.close()
    again = await backend.open(("f",))
    info = again.info()
    assert (info.creation_time, info.last_access_time, info.last_write_time) == (TIME + 1, TIME + 2, TIME + 3)
    assert info.change_time == TIME + 4
    again.set_times(last_write=TIME + 9)
    info = again.info()
    assert (info.creation_time, info.last_access_time, info.last_write_time) == (TIME + 1, TIME + 2, TIME + 9)
    again.close()


async def test_write_moves_write_and_change_time(backend: Backend) -> None:
    node = await make(backend, "f")
    node.set_times(last_write=TIME, change=TIME)
    await node.write(0, b"x")
    info = node.info()
    assert info.last_write_time > TIME
    assert info.change_time > TIME
    node.close()


async def test_attributes_are_set_and_cleared(backend: Backend) -> None:
    node = await make(backend, "d", directory=True)
    node.set_attributes(FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_DIRECTORY)
    assert node.info().attributes == FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_DIRECTORY
    node.set_attributes(0)
    assert node.info().attributes == FILE_ATTRIBUTE_DIRECTORY
    node.close()


async def test_security_is_the_identical_object_while_unchanged(backend: Backend) -> None:
    node = await make(backend, "f")
    assert node.security() is None
    node.set_security(b"\1first")
    first = node.security()
    await node.write(0, b"data")
    again = await backend.open(("f",))
    assert node.security() is first
    assert again.security() is first
    again.set_security(b"\1second")
    assert node.security() == b"\1second"
    node.close()
    again.close()


async def test_extended_attributes_are_upper_case_counted_and_removable(backend: Backend) -> None:
    node = await make(backend, "f")
    node.set_extended_attribute(b"one", b"value")
    node.set_extended_attribute(b"TWO", b"x" * 300)
    assert node.extended_attributes() == {b"ONE": b"value", b"TWO": b"x" * 300}
    assert node.info().ea_size == 4 + (5 + 3 + 5) + (5 + 3 + 300)
    node.set_extended_attribute(b"One", b"")
    assert node.extended_attributes() == {b"TWO": b"x" * 300}
    node.set_extended_attribute(b"two", b"")
    assert node.extended_attributes() == {}
    assert node.info().ea_size == 0
    node.close()


async def test_extended_attributes_beyond_64_kib_are_refused(backend: Backend) -> None:
    node = await make(backend, "f")
    node.set_extended_attribute(b"BIG", b"b" * 30_000)
    with pytest.raises(NtError) as caught:
        node.set_extended_attribute(b"MORE", b"m" * 40_000)
    fails_now(Status.EA_TOO_LARGE, caught)
    assert node.extended_attributes() == {b"BIG": b"b" * 30_000}
    node.close()


async def test_object_metadata_is_kept_up_to_16_kib(backend: Backend) -> None:
    node = await make(backend, "f")
    assert node.object_metadata("object-id") is None
    node.set_object_metadata("object-id", b"16 bytes of id..")
    node.set_object_metadata("large", b"L" * 16_384)
    node.close()
    again = await backend.open(("f",))
    assert again.object_metadata("object-id") == b"16 bytes of id.."
    assert again.object_metadata("large") == b"L" * 16_384
    again.set_object_metadata("large", None)
    assert again.object_metadata("large") is None
    with pytest.raises(NtError) as caught:
        again.set_object_metadata("large", b"L" * 16_385)
    fails_now(Status.INVALID_PARAMETER, caught)
    again.close()


async def test_reparse_data_shows_in_attributes_and_tag(backend: Backend) -> None:
    node = await make(backend, "f")
    node.set_object_metadata("reparse", b"\x0c\0\0\xa0rest")
    assert node.info().reparse_tag == 0xA000000C
    assert node.info().attributes & FILE_ATTRIBUTE_REPARSE_POINT
    node.set_object_metadata("reparse", None)
    assert (node.info().reparse_tag, node.info().attributes) == (0, 0)
    node.close()


async def test_large_security_descriptor_is_kept(backend: Backend) -> None:
    node = await make(backend, "f")
    descriptor = b"\1" + b"S" * 20_000
    node.set_security(descriptor)
    node.close()
    again = await backend.open(("f",))
    assert again.security() == descriptor
    again.set_security(b"\1small")
    assert again.security() == b"\1small"
    again.close()


# -- data --
async def test_gap_reads_as_zeros_and_reads_end_at_the_end(backend: Backend) -> None:
    node = await make(backend, "f")
    assert await node.write(10, b"abc") == 3
    assert await content(node) == bytes(10) + b"abc"
    buffer = memoryview(bytearray(8))
    assert await node.read_into(11, buffer) == 2
    assert bytes(buffer[:2]) == b"bc"
    assert await node.read_into(13, buffer) == 0
    assert await node.read_into(1_000_000, buffer) == 0
    assert await node.read_into(0, buffer[:0]) == 0
    node.close()


async def test_node_opened_for_reading_can_write_later(backend: Backend) -> None:
    await make_closed(backend, "f", data=b"old")
    node = await backend.open(("f",))
    await node.write(3, b" and new")
    assert await content(node) == b"old and new"
    node.close()


async def test_large_write_and_flush(backend: Backend) -> None:
    node = await make(backend, "f")
    block = bytes(range(256)) * 8192
    assert await node.write(5, memoryview(block)) == len(block)
    await node.flush()
    assert (await content(node, 3_000_000))[5:] == block
    node.close()


async def test_end_of_file_cuts_and_extends(backend: Backend) -> None:
    node = await make(backend, "f", data=b"0123456789")
    await node.set_end_of_file(4)
    assert await content(node) == b"0123"
    await node.set_end_of_file(6)
    assert await content(node) == b"0123\0\0"
    assert node.info().end_of_file == 6
    node.close()


async def test_allocation_is_reserved_beyond_the_end(backend: Backend) -> None:
    node = await make(backend, "f", data=b"x")
    await node.set_allocation(1 << 20)
    assert node.info().end_of_file == 1
    assert node.info().allocation_size >= 1 << 20
    await node.set_allocation(0)
    assert await content(node) == b"x"
    node.close()


async def test_zero_range_stays_inside_the_file(backend: Backend) -> None:
    node = await make(backend, "f", data=b"x" * 20_000)
    await node.zero_range(4000, 13_000)
    expected = b"x" * 4000 + bytes(9000) + b"x" * 7000
    assert await content(node) == expected
    await node.zero_range(19_000, 1 << 30)
    assert node.info().end_of_file == 20_000
    assert await content(node) == expected[:19_000] + bytes(1000)
    node.close()


async def test_allocated_ranges_skip_holes(backend: Backend) -> None:
    node = await make(backend, "f")
    await node.set_end_of_file(1 << 20)
    await node.write(0, b"a" * 65_536)
    await node.write(512 * 1024, b"b" * 65_536)
    assert node.allocated_ranges(0, 1 << 20) == [(0, 65_536), (512 * 1024, 65_536)]
    assert node.allocated_ranges(1000, 2000) == [(1000, 2000)]
    assert node.allocated_ranges(200_000, 1000) == []
    node.close()


async def test_copy_range_copies_and_stops_at_the_end(backend: Backend) -> None:
    source = await make(backend, "s", data=b"0123456789" * 1000)
    target = await make(backend, "t")
    assert await target.copy_range(source, 5, 2, 100) == 100
    assert (await content(target))[2:] == (b"0123456789" * 1000)[5:105]
    assert await target.copy_range(source, 9_990, 0, 100) == 10
    source.close()
    target.close()


async def test_copy_range_within_a_file_may_overlap(backend: Backend) -> None:
    node = await make(backend, "f", data=b"abcdefghij")
    assert await node.copy_range(node, 0, 2, 8) == 8
    assert await content(node) == b"ababcdefgh"
    node.close()


# -- directories --
async def test_entries_come_in_order_without_the_vanished(backend: Backend) -> None:
    for name in ("one", "two", "three"):
        await make_closed(backend, name, data=name.encode())
    await make_closed(backend, "dir", directory=True)
    root = await backend.open(())
    found = await root.entries(["three", "gone", "one", "dir"])
    assert [(name, info.end_of_file) for name, info in found] == [("three", 5), ("one", 3), ("dir", 0)]
    node = await backend.open(("three",))
    assert found[0][1] == node.info()
    assert found[2][1].attributes & FILE_ATTRIBUTE_DIRECTORY
    node.close()
    root.close()


async def test_emptiness(backend: Backend) -> None:
    directory = await make(backend, "d", directory=True)
    assert await backend.is_empty(directory)
    await make_closed(backend, "d", "f")
    assert not await backend.is_empty(directory)
    await fails(Status.DIRECTORY_NOT_EMPTY, backend.remove(directory))
    directory.close()


# -- names change --
async def test_rename_moves_and_keeps_the_file(backend: Backend) -> None:
    await make_closed(backend, "d", directory=True)
    node = await make(backend, "f", data=b"x")
    file_id = node.info().file_id
    parent = await backend.open(("d",))
    await backend.rename(node, parent, "New Name", replace=False)
    assert node.path == ("d", "New Name")
    assert node.info().file_id == file_id
    assert await listed(backend) == ["d"]
    assert await content_of(backend, "D", "new name") == b"x"
    node.close()
    parent.close()


async def test_rename_may_change_the_case_only(backend: Backend) -> None:
    node = await make(backend, "name")
    root = await backend.open(())
    await backend.rename(node, root, "NAME", replace=False)
    await backend.rename(node, root, "NAME", replace=False)
    assert await root.names() == ["NAME"]
    assert node.path == ("NAME",)
    node.close()
    root.close()


async def test_rename_collides_unless_it_replaces(backend: Backend) -> None:
    node = await make(backend, "a", data=b"a")
    await make_closed(backend, "Target", data=b"old")
    await make_closed(backend, "dir", directory=True)
    root = await backend.open(())
    await fails(Status.OBJECT_NAME_COLLISION, backend.rename(node, root, "tARGET", replace=False))
    await fails(Status.ACCESS_DENIED, backend.rename(node, root, "DIR", replace=True))
    await backend.rename(node, root, "tARGET", replace=True)
    assert sorted(await root.names()) == ["dir", "tARGET"]
    assert await content_of(backend, "target") == b"a"
    node.close()
    root.close()


async def test_rename_of_a_directory_below_itself_is_refused(backend: Backend) -> None:
    node = await make(backend, "d", directory=True)
    below = await make(backend, "d", "e", directory=True)
    await fails(Status.INVALID_PARAMETER, backend.rename(node, below, "x", replace=False))
    node.close()
    below.close()


async def test_directory_moves_with_its_content(backend: Backend) -> None:
    node = await make(backend, "d", directory=True)
    await make_closed(backend, "d", "f", data=b"inside")
    root = await backend.open(())
    await backend.rename(node, root, "e", replace=False)
    assert await content_of(backend, "E", "F") == b"inside"
    await fails(Status.OBJECT_PATH_NOT_FOUND, backend.open(("d", "f")))
    node.close()
    root.close()


async def test_hard_links_count_and_replace(backend: Backend) -> None:
    node = await make(backend, "a", data=b"shared")
    await make_closed(backend, "Other", data=b"gone")
    root = await backend.open(())
    await backend.link(node, root, "b", replace=False)
    assert node.info().number_of_links == 2
    assert node.path == ("a",)
    await fails(Status.OBJECT_NAME_COLLISION, backend.link(node, root, "OTHER", replace=False))
    await backend.link(node, root, "OTHER", replace=True)
    assert await content_of(backend, "other") == b"shared"
    assert sorted(await root.names()) == ["OTHER", "a", "b"]
    await backend.remove(node)
    assert await listed(backend) == ["OTHER", "b"]
    assert node.info().number_of_links == 2
    node.close()
    directory = await make(backend, "d", directory=True)
    await fails(Status.FILE_IS_A_DIRECTORY, backend.link(directory, root, "e", replace=False))
    directory.close()
    root.close()


async def test_rename_onto_another_link_of_the_file_leaves_one(backend: Backend) -> None:
    node = await make(backend, "a", data=b"x")
    root = await backend.open(())
    await backend.link(node, root, "b", replace=False)
    await backend.rename(node, root, "B", replace=True)
    assert await root.names() == ["B"]
    assert node.info().number_of_links == 1
    node.close()
    root.close()


async def test_removed_file_lives_until_it_is_closed(backend: Backend) -> None:
    node = await make(backend, "f", data=b"still here")
    await backend.remove(node)
    await fails(Status.OBJECT_NAME_NOT_FOUND, backend.open(("f",)))
    assert await content(node) == b"still here"
    assert node.info().number_of_links == 0
    await fails(Status.OBJECT_NAME_NOT_FOUND, backend.remove(node))
    node.close()


async def test_remove_refuses_a_name_that_is_another_file_now(backend: Backend) -> None:
    node = await make(backend, "f")
    root = await backend.open(())
    second = await backend.open(("f",))
    await backend.rename(second, root, "g", replace=False)
    await make_closed(backend, "f", data=b"another")
    await fails(Status.OBJECT_NAME_NOT_FOUND, backend.remove(node))
    await fails(Status.OBJECT_NAME_NOT_FOUND, backend.rename(node, root, "h", replace=False))
    assert await content_of(backend, "f") == b"another"
    for each in (node, second, root):
        each.close()


async def test_root_cannot_be_removed_or_renamed(backend: Backend) -> None:
    root = await backend.open(())
    await fails(Status.ACCESS_DENIED, backend.remove(root))
    root.close()


# -- volume --
async def test_volume_facts_are_plausible(backend: Backend) -> None:
    facts = backend.volume_info()
    assert 0 < facts.available <= facts.free <= facts.total
    assert facts.cluster_size % facts.sector_size == 0
    assert 0 <= facts.serial < 2**32
    assert 0 <= facts.volume_id < 2**64
    assert facts.creation_time > 0
    assert facts.supports_streams


async def test_read_only_volume_refuses_every_change(backend: Backend) -> None:
    node = await make(backend, "f", data=b"x")
    node.close()
    backend.read_only = True  # type: ignore[attr-defined]
    assert backend.volume_info().read_only
    node = await backend.open(("f",))
    root = await backend.open(())
    await fails(Status.MEDIA_WRITE_PROTECTED, backend.create(root, "g", directory=False))
    await fails(Status.MEDIA_WRITE_PROTECTED, backend.rename(node, root, "g", replace=False))
    await fails(Status.MEDIA_WRITE_PROTECTED, backend.remove(node))
    await fails(Status.MEDIA_WRITE_PROTECTED, node.write(0, b"y"))
    with pytest.raises(NtError) as caught:
        node.set_attributes(0)
    fails_now(Status.MEDIA_WRITE_PROTECTED, caught)
    with pytest.raises(NtError) as caught:
        node.open_stream("s", create=True)
    fails_now(Status.MEDIA_WRITE_PROTECTED, caught)
    assert await content(node) == b"x"
    node.close()
    root.close()
