"""Controls and server-side copies  [MS-FSA 2.1.5.10, MS-SMB2 3.3.5.15.6]."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from smbcore.fsa.volume import Volume
from smbcore.nt import attributes as fa
from smbcore.nt import create as c
from smbcore.nt.info import classes as ic
from smbcore.nt.info import fsctl as codes
from smbcore.nt.info.reparse import ReparsePoint, SymbolicLink
from smbcore.nt.token import SE_RESTORE, Token
from smbcore.vfs.memory import MemoryBackend

READ, WRITE = 0x1, 0x2
CLUSTER = 65536


async def close(*opens: Any) -> None:
    for opened in opens:
        await opened.close()


async def test_sparse_flag(lab: Any) -> None:
    opened = await lab.create("a")
    await opened.fsctl(codes.FSCTL_SET_SPARSE, b"", 0)
    assert opened.info().attributes == fa.FILE_ATTRIBUTE_SPARSE_FILE | fa.FILE_ATTRIBUTE_ARCHIVE
    await lab.set_basic(opened, attributes=fa.FILE_ATTRIBUTE_HIDDEN)
    assert opened.info().attributes & fa.FILE_ATTRIBUTE_SPARSE_FILE
    await opened.fsctl(codes.FSCTL_SET_SPARSE, b"\0", 0)
    assert not opened.info().attributes & fa.FILE_ATTRIBUTE_SPARSE_FILE
    await opened.close()
    reader = await lab.open("a", READ)
    with lab.fails("ACCESS_DENIED"):
        await reader.fsctl(codes.FSCTL_SET_SPARSE, b"", 0)
    await reader.close()
    root = await lab.open("")
    with lab.fails("INVALID_PARAMETER"):
        await root.fsctl(codes.FSCTL_SET_SPARSE, b"", 0)
    await root.close()


async def test_zeroing_a_range(lab: Any) -> None:
    opened = await lab.create("a")
    await opened.write(0, b"1234567890")
    await opened.fsctl(codes.FSCTL_SET_ZERO_DATA, codes.ZeroData(2, 5).encode(), 0)
    await opened.fsctl(codes.FSCTL_SET_ZERO_DATA, codes.ZeroData(8, 99).encode(), 0)
    assert await lab.read(opened) == b"12\0\0\x00678\0\0"
    for offset, beyond in ((5, 4), (-1, 4)):
        with lab.fails("INVALID_PARAMETER"):
            await opened.fsctl(codes.FSCTL_SET_ZERO_DATA, codes.ZeroData(offset, beyond).encode(), 0)
    with lab.fails("INVALID_PARAMETER"):
        await opened.fsctl(codes.FSCTL_SET_ZERO_DATA, b"short", 0)
    other = await lab.open("a")
    await lab.lock(other, 0, 4)
    with lab.fails("FILE_LOCK_CONFLICT"):
        await opened.fsctl(codes.FSCTL_SET_ZERO_DATA, codes.ZeroData(0, 4).encode(), 0)
    await opened.close()
    await other.close()


async def ranges(opened: Any, offset: int, length: int, room: int = 4096) -> list[tuple[int, int]]:
    asked = codes.AllocatedRange(offset, length).encode()
    found = codes.decode_ranges(await opened.fsctl(codes.FSCTL_QUERY_ALLOCATED_RANGES, asked, room))
    return [(r.offset, r.length) for r in found]


async def test_allocated_ranges(lab: Any) -> None:
    opened = await lab.create("a")
    assert await ranges(opened, 0, 100) == []
    await opened.write(0, bytes(100))
    assert await ranges(opened, 10, 1000) == [(10, 90)]
    assert await ranges(opened, 100, 1) == []
    await opened.fsctl(codes.FSCTL_SET_SPARSE, b"", 0)
    await opened.write(4 * CLUSTER, b"x" * CLUSTER)
    await opened.fsctl(codes.FSCTL_SET_ZERO_DATA, codes.ZeroData(0, 4 * CLUSTER).encode(), 0)
    assert await ranges(opened, 0, 10 * CLUSTER) == [(4 * CLUSTER, CLUSTER)]
    with lab.fails("BUFFER_TOO_SMALL"):
        await ranges(opened, 0, 10 * CLUSTER, 15)
    for offset, length in ((-1, 1), (0, -1), (2**63 - 1, 2)):
        with lab.fails("INVALID_PARAMETER"):
            await ranges(opened, offset, length)
    await opened.write(0, b"x" * CLUSTER)
    with lab.fails("BUFFER_OVERFLOW") as caught:
        await ranges(opened, 0, 10 * CLUSTER, 16)
    assert len(caught.value.data) == 16
    await opened.close()


async def test_regions_and_trim(lab: Any) -> None:
    opened = await lab.create("a")
    await opened.write(0, b"x" * (3 * CLUSTER))
    regions, total = codes.decode_regions(await opened.fsctl(codes.FSCTL_QUERY_FILE_REGIONS, b"", 4096))
    assert (total, regions[0].offset, regions[0].length) == (1, 0, 3 * CLUSTER)
    trim = codes.TrimRequest([(1, 2 * CLUSTER), (0, 1)]).encode()
    assert codes.decode_trimmed(await opened.fsctl(codes.FSCTL_FILE_LEVEL_TRIM, trim, 8)) == 1  # one holds no cluster
    assert await lab.read(opened, 0, 1) == b"x"
    assert await lab.read(opened, 3 * CLUSTER - 1, 1) == b"x"
    await opened.close()


async def test_compression_where_it_is_not_offered(lab: Any) -> None:
    if lab.volume.compresses:
        pytest.skip("the store compresses")
    opened = await lab.create("a")
    assert await opened.fsctl(codes.FSCTL_GET_COMPRESSION, b"", 2) == b"\0\0"
    await opened.fsctl(codes.FSCTL_SET_COMPRESSION, b"\0\0", 0)
    with lab.fails("NOT_SUPPORTED"):
        await opened.fsctl(codes.FSCTL_SET_COMPRESSION, b"\1\0", 0)
    with lab.fails("INVALID_PARAMETER"):
        await opened.fsctl(codes.FSCTL_SET_COMPRESSION, b"\1", 0)
    await opened.close()


async def test_object_id(lab: Any) -> None:
    opened = await lab.create("a")
    with lab.fails("OBJECTID_NOT_FOUND"):
        await opened.fsctl(codes.FSCTL_GET_OBJECT_ID, b"", 64)
    with lab.fails("INVALID_PARAMETER"):
        await opened.fsctl(codes.FSCTL_CREATE_OR_GET_OBJECT_ID, b"", 63)
    made = await opened.fsctl(codes.FSCTL_CREATE_OR_GET_OBJECT_ID, b"", 64)
    assert await opened.fsctl(codes.FSCTL_GET_OBJECT_ID, b"", 64) == made
    with lab.fails("ACCESS_DENIED"):
        await opened.fsctl(codes.FSCTL_SET_OBJECT_ID, made, 0)
    await opened.fsctl(codes.FSCTL_DELETE_OBJECT_ID, b"", 0)
    with lab.fails("OBJECTID_NOT_FOUND"):
        await opened.fsctl(codes.FSCTL_GET_OBJECT_ID, b"", 64)
    await opened.close()


async def test_symbolic_link_stops_an_open(lab: Any) -> None:
    opened = await lab.create("link")
    point = SymbolicLink("target", "target", relative=True).reparse_point()
    with lab.fails("NOT_A_REPARSE_POINT"):
        await opened.fsctl(codes.FSCTL_GET_REPARSE_POINT, b"", 4096)
    await opened.fsctl(codes.FSCTL_SET_REPARSE_POINT, point.encode(), 0)
    assert await opened.fsctl(codes.FSCTL_GET_REPARSE_POINT, b"", 4096) == point.encode()
    assert opened.info().attributes & fa.FILE_ATTRIBUTE_REPARSE_POINT
    await opened.close()
    with lab.fails("STOPPED_ON_SYMLINK") as caught:
        await lab.open("link")
    data = caught.value.data
    assert int.from_bytes(data[:4], "little") == len(data) - 4
    assert data[4:8] == b"SYML"
    opened = await lab.open("link", options=c.FILE_OPEN_REPARSE_POINT)
    with lab.fails("IO_REPARSE_TAG_MISMATCH"):
        await opened.fsctl(codes.FSCTL_SET_REPARSE_POINT, ReparsePoint(0xA000_0003, b"").encode(), 0)
    with lab.fails("IO_REPARSE_DATA_INVALID"):
        await opened.fsctl(codes.FSCTL_SET_REPARSE_POINT, b"garbage", 0)
    await opened.fsctl(codes.FSCTL_DELETE_REPARSE_POINT, ReparsePoint(point.tag, b"").encode(), 0)
    await opened.close()
    await (await lab.open("link")).close()


async def test_other_reparse_points_are_not_handled(lab: Any) -> None:
    opened = await lab.create("a")
    await opened.fsctl(codes.FSCTL_SET_REPARSE_POINT, ReparsePoint(0x8000_0023, b"").encode(), 0)
    await opened.close()
    with lab.fails("IO_REPARSE_TAG_NOT_HANDLED"):
        await lab.open("a")


async def test_unknown_control(lab: Any) -> None:
    opened = await lab.create("a")
    with lab.fails("INVALID_DEVICE_REQUEST"):
        await opened.fsctl(0x0009_FFFF, b"", 0)
    await opened.close()


async def test_copying_chunks(lab: Any) -> None:
    source = await lab.create("source")
    await source.write(0, b"0123456789")
    target = await lab.create("target")
    assert await target.copy_chunks(source, [(0, 5, 5), (5, 0, 5)]) == (2, 0, 10)
    assert await lab.read(target) == b"5678901234"
    await source.close()
    await target.close()


@pytest.mark.parametrize(
    "chunks", [[], [(0, 0, 0)], [(0, 0, (1 << 20) + 1)], [(0, 0, 1)] * 257, [(0, 0, 1 << 20)] * 17]
)
async def test_limits_of_a_copy_come_back(lab: Any, chunks: list[tuple[int, int, int]]) -> None:
    source = await lab.create("source")
    target = await lab.create("target")
    with lab.fails("INVALID_PARAMETER") as caught:
        await target.copy_chunks(source, chunks)
    limits = codes.CopyChunkResponse.decode(caught.value.data)
    assert (limits.chunks_written, limits.chunk_bytes_written, limits.total_bytes_written) == (256, 1 << 20, 16 << 20)
    await source.close()
    await target.close()


async def test_access_that_a_copy_needs(lab: Any) -> None:
    await lab.make("source", b"data")
    await lab.make("target")
    for source_access, target_access in ((WRITE, WRITE), (READ, READ)):
        source = await lab.open("source", source_access)
        target = await lab.open("target", target_access)
        with lab.fails("ACCESS_DENIED"):
            await target.copy_chunks(source, [(0, 0, 1)])
        await source.close()
        await target.close()
    source = await lab.open("source", READ)
    target = await lab.open("target", WRITE)
    with lab.fails("ACCESS_DENIED"):
        await target.copy_chunks(source, [(0, 0, 1)], require_read=True)
    await target.copy_chunks(source, [(0, 0, 1)])
    await source.close()
    await target.close()


async def test_copy_across_locks_tells_how_far_it_came(lab: Any) -> None:
    source = await lab.create("source")
    await source.write(0, b"0123456789")
    target = await lab.create("target")
    other = await lab.open("source")
    await lab.lock(other, 5, 1)
    with lab.fails("FILE_LOCK_CONFLICT") as caught:
        await target.copy_chunks(source, [(0, 0, 5), (5, 5, 5)])
    assert codes.CopyChunkResponse.decode(caught.value.data).chunks_written == 1
    for opened in (source, target, other):
        await opened.close()


async def test_sharing_blocks_depends_on_the_store(lab: Any) -> None:
    source = await lab.create("source")
    await source.write(0, b"x" * CLUSTER)
    target = await lab.create("target")
    await target.write(0, b"y" * CLUSTER)
    if lab.volume.volume_info().supports_reflink:
        await target.duplicate_extents(source, 0, 0, CLUSTER)
        assert await lab.read(target, 0, 1) == b"x"
    else:
        with lab.fails("NOT_SUPPORTED"):
            await target.duplicate_extents(source, 0, 0, CLUSTER)
    await source.close()
    await target.close()


async def test_compression_where_it_is_offered(lab: Any) -> None:
    if not lab.volume.compresses:
        pytest.skip("the store does not compress")
    opened = await lab.create("a")
    await opened.fsctl(codes.FSCTL_SET_COMPRESSION, b"\1\0", 0)
    assert await opened.fsctl(codes.FSCTL_GET_COMPRESSION, b"", 2) == b"\2\0"
    assert opened.info().attributes & fa.FILE_ATTRIBUTE_COMPRESSED
    await lab.set_basic(opened, attributes=fa.FILE_ATTRIBUTE_HIDDEN)
    assert opened.info().attributes & fa.FILE_ATTRIBUTE_COMPRESSED
    await opened.fsctl(codes.FSCTL_SET_COMPRESSION, b"\0\0", 0)
    assert not opened.info().attributes & fa.FILE_ATTRIBUTE_COMPRESSED
    with lab.fails("INVALID_PARAMETER"):
        await opened.fsctl(codes.FSCTL_SET_COMPRESSION, b"\7\0", 0)
    await opened.close()
    # new files take it from their directory, unless they are asked not to
    await lab.mkdir("dir")
    directory = await lab.open("dir")
    await directory.fsctl(codes.FSCTL_SET_COMPRESSION, b"\2\0", 0)
    await directory.close()
    for name, options, compressed in (("dir\\a", 0, True), ("dir\\b", c.FILE_NO_COMPRESSION, False)):
        child = await lab.create(name, options=options)
        assert bool(child.info().attributes & fa.FILE_ATTRIBUTE_COMPRESSED) is compressed
        await child.close()


@pytest.fixture
async def pair(lab: Any) -> Any:
    """A file of 4 clusters and an empty one, on a store that shares blocks."""
    if not lab.volume.volume_info().supports_reflink:
        pytest.skip("the store shares no blocks")
    source, target = await lab.create("source"), await lab.create("target")
    await source.write(0, b"".join(bytes((65 + number,)) * CLUSTER for number in range(4)))
    yield source, target
    await source.close()
    await target.close()


async def test_blocks_are_shared(lab: Any, pair: Any) -> None:
    source, target = pair
    await target.set_information(ic.FILE_END_OF_FILE_INFORMATION, (4 * CLUSTER).to_bytes(8, "little"))
    await target.duplicate_extents(source, CLUSTER, 2 * CLUSTER, CLUSTER)
    assert await lab.read(target, 2 * CLUSTER, CLUSTER) == b"B" * CLUSTER
    await target.write(2 * CLUSTER, b"changed")
    assert await lab.read(source, CLUSTER, CLUSTER) == b"B" * CLUSTER
    await source.duplicate_extents(source, 0, 3 * CLUSTER, CLUSTER)
    assert await lab.read(source, 3 * CLUSTER, CLUSTER) == b"A" * CLUSTER


async def test_what_cannot_be_shared(lab: Any, pair: Any) -> None:
    source, target = pair
    with lab.fails("NOT_SUPPORTED"):  # beyond the end of the target
        await target.duplicate_extents(source, 0, 0, CLUSTER)
    await target.set_information(ic.FILE_END_OF_FILE_INFORMATION, (8 * CLUSTER).to_bytes(8, "little"))
    with lab.fails("NOT_SUPPORTED"):  # beyond the end of the source
        await target.duplicate_extents(source, 3 * CLUSTER, 0, 2 * CLUSTER)
    with lab.fails("INVALID_PARAMETER"):
        await target.duplicate_extents(source, 1, 0, CLUSTER)
    with lab.fails("NOT_SUPPORTED"):
        await source.duplicate_extents(source, 0, CLUSTER, 2 * CLUSTER)
    await source.fsctl(codes.FSCTL_SET_SPARSE, b"", 0)
    with lab.fails("NOT_SUPPORTED"):  # sparse into not sparse
        await target.duplicate_extents(source, 0, 0, CLUSTER)
    await target.fsctl(codes.FSCTL_SET_SPARSE, b"", 0)
    await target.duplicate_extents(source, 0, 8 * CLUSTER, CLUSTER)  # a sparse target grows
    assert await lab.read(target, 8 * CLUSTER, CLUSTER) == b"A" * CLUSTER


async def test_locked_ranges_do_not_keep_blocks_from_being_shared(lab: Any, pair: Any) -> None:
    source, target = pair
    await target.set_information(ic.FILE_END_OF_FILE_INFORMATION, CLUSTER.to_bytes(8, "little"))
    others = await lab.open("source"), await lab.open("target")
    for other in others:
        await lab.lock(other, 0, CLUSTER)
    await target.duplicate_extents(source, 0, 0, CLUSTER)
    for other in others:
        await other.close()


# -- what each control refuses  [MS-FSA 2.1.5.10] --
async def test_zeroing_refuses(lab: Any) -> None:
    opened = await lab.create("a")
    await opened.write(0, b"12345")
    for offset, beyond in ((5, 4), (-1, 4), (0, -1)):
        with lab.fails("INVALID_PARAMETER"):
            await opened.fsctl(codes.FSCTL_SET_ZERO_DATA, codes.ZeroData(offset, beyond).encode(), 0)
    folder, reader = await lab.open(""), await lab.open("a", READ)
    with lab.fails("INVALID_PARAMETER"):
        await folder.fsctl(codes.FSCTL_SET_ZERO_DATA, codes.ZeroData(0, 1).encode(), 0)
    with lab.fails("ACCESS_DENIED"):
        await reader.fsctl(codes.FSCTL_SET_ZERO_DATA, codes.ZeroData(0, 1).encode(), 0)
    await opened.fsctl(codes.FSCTL_SET_ZERO_DATA, codes.ZeroData(5, 9).encode(), 0)  # nothing is there
    assert opened.info().end_of_file == 5
    lab.volume.read_only = True
    with lab.fails("MEDIA_WRITE_PROTECTED"):
        await opened.fsctl(codes.FSCTL_SET_ZERO_DATA, codes.ZeroData(0, 1).encode(), 0)
    lab.volume.read_only = False
    await lab.dispose(opened)
    with lab.fails("FILE_DELETED"):
        await opened.fsctl(codes.FSCTL_SET_ZERO_DATA, codes.ZeroData(0, 1).encode(), 0)
    await close(opened, folder, reader)


async def test_attributes_that_are_set_while_holes_are_filled_stay(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, other = await lab.create("a"), await lab.open("a")
    await opened.fsctl(codes.FSCTL_SET_SPARSE, b"", 0)

    async def slow(*_: Any) -> None:
        await lab.set_basic(other, attributes=fa.FILE_ATTRIBUTE_HIDDEN)

    monkeypatch.setattr(type(opened.node), "set_allocation", slow)
    await opened.fsctl(codes.FSCTL_SET_SPARSE, b"\0", 0)
    assert opened.info().attributes == fa.FILE_ATTRIBUTE_HIDDEN
    await close(opened, other)


async def test_a_file_that_is_sparse_no_more_has_no_holes(lab: Any) -> None:
    opened = await lab.create("a")
    await opened.fsctl(codes.FSCTL_SET_SPARSE, b"", 0)
    await opened.write(4 * CLUSTER, b"x" * CLUSTER)
    assert opened.info().allocation_size < 5 * CLUSTER
    await opened.fsctl(codes.FSCTL_SET_SPARSE, b"\0", 0)
    assert opened.info().allocation_size >= 5 * CLUSTER
    assert await lab.read(opened, 0, CLUSTER) == bytes(CLUSTER)
    await opened.close()


async def regions(opened: Any, data: bytes = b"", room: int = 4096) -> list[tuple[int, int, int]]:
    answer = await opened.fsctl(codes.FSCTL_QUERY_FILE_REGIONS, data, room)
    if not answer:
        return []
    found, total = codes.decode_regions(answer)
    assert total == len(found)
    return [(region.offset, region.length, region.usage) for region in found]


async def test_regions(lab: Any) -> None:
    """[MS-FSA 2.1.5.10.24]"""
    opened = await lab.create("a")
    assert await regions(opened) == [(0, 0, 0)]
    await opened.write(0, b"x" * 1000)
    assert await regions(opened) == [(0, 1000, 1)]
    assert await regions(opened, codes.FileRegion(10, 20).encode()) == [(10, 20, 1)]
    assert await regions(opened, codes.FileRegion(10, 2000).encode()) == [(10, 990, 1)]
    for offset in (1000, 1001):
        assert await regions(opened, codes.FileRegion(offset, 1).encode()) == []
    for offset, length, usage in ((-1, 1, 1), (0, 0, 1), (0, -1, 1), (1, 2**63 - 1, 1), (0, 1, 0), (0, 1, 2)):
        with lab.fails("INVALID_PARAMETER"):
            await regions(opened, codes.FileRegion(offset, length, usage).encode())
    with lab.fails("BUFFER_TOO_SMALL"):
        await regions(opened, codes.FileRegion(0, 1).encode()[:-1])
    with lab.fails("BUFFER_TOO_SMALL"):
        await regions(opened, room=39)
    await opened.close()


async def test_trimming_counts_the_ranges_that_it_trimmed(lab: Any) -> None:
    opened = await lab.create("a")
    await opened.write(0, b"x" * (4 * CLUSTER))
    whole, part = (0, CLUSTER), (2 * CLUSTER + 1, 100)
    for ranges_, done in (([whole], 1), ([part], 0), ([whole, part, (CLUSTER, CLUSTER)], 2)):
        answer = await opened.fsctl(codes.FSCTL_FILE_LEVEL_TRIM, codes.TrimRequest(ranges_).encode(), 4)
        assert codes.decode_trimmed(answer) == done
    assert await opened.fsctl(codes.FSCTL_FILE_LEVEL_TRIM, codes.TrimRequest([whole]).encode(), 0) == b""
    assert await lab.read(opened, 2 * CLUSTER, 2 * CLUSTER) == b"x" * (2 * CLUSTER)
    await opened.close()


async def test_trimming_refuses(lab: Any) -> None:
    """[MS-FSA 2.1.5.10.6]"""
    opened = await lab.create("a")
    await opened.write(0, b"x" * (4 * CLUSTER))
    one = codes.TrimRequest([(0, CLUSTER)]).encode()
    for data, room in ((b"", 4), (one[:7], 4), (one[:-1], 4), (codes.TrimRequest([]).encode(), 4), (one, 3)):
        with lab.fails("INVALID_PARAMETER"):
            await opened.fsctl(codes.FSCTL_FILE_LEVEL_TRIM, data, room)
    for offset, length in ((2**64 - 1, 1), (1, 2**64 - 1)):
        with lab.fails("INTEGER_OVERFLOW"):
            await opened.fsctl(codes.FSCTL_FILE_LEVEL_TRIM, codes.TrimRequest([(offset, length)]).encode(), 4)
    other, reader, folder = await lab.open("a"), await lab.open("a", READ), await lab.open("")
    await lab.lock(other, 0, 1, exclusive=False)
    with lab.fails("FILE_LOCK_CONFLICT"):
        await opened.fsctl(codes.FSCTL_FILE_LEVEL_TRIM, one, 4)
    with lab.fails("ACCESS_DENIED"):
        await reader.fsctl(codes.FSCTL_FILE_LEVEL_TRIM, one, 4)
    with lab.fails("INVALID_PARAMETER"):
        await folder.fsctl(codes.FSCTL_FILE_LEVEL_TRIM, one, 4)
    if lab.volume.compresses:
        await opened.fsctl(codes.FSCTL_SET_COMPRESSION, b"\1\0", 0)
        with lab.fails("INVALID_PARAMETER"):
            await opened.fsctl(codes.FSCTL_FILE_LEVEL_TRIM, one, 4)
    await close(opened, other, reader, folder)


async def test_allocated_ranges_refuse(lab: Any) -> None:
    """[MS-FSA 2.1.5.10.22]"""
    opened = await lab.create("a")
    await opened.write(0, b"x")
    assert await ranges(opened, 0, 0, room=0) == []
    assert await ranges(opened, 100, 1, room=0) == []
    with lab.fails("BUFFER_TOO_SMALL"):
        await ranges(opened, 0, 1, room=15)
    with lab.fails("INVALID_PARAMETER"):
        await opened.fsctl(codes.FSCTL_QUERY_ALLOCATED_RANGES, bytes(15), 4096)
    writer, folder = await lab.open("a", WRITE), await lab.open("")
    with lab.fails("ACCESS_DENIED"):
        await ranges(writer, 0, 1)
    with lab.fails("INVALID_PARAMETER"):
        await ranges(folder, 0, 1)
    await close(opened, writer, folder)


async def test_object_ids_of_restored_files(lab: Any) -> None:
    """[MS-FSA 2.1.5.10.35, 2.1.5.10.36, 2.1.5.10.2]"""
    restorer = Token(lab.alice.user, lab.alice.groups, frozenset({SE_RESTORE}), "restorer")
    opened = await lab.create("a", token=restorer)
    wanted = bytes(range(64))
    with lab.fails("OBJECTID_NOT_FOUND"):
        await opened.fsctl(codes.FSCTL_SET_OBJECT_ID_EXTENDED, bytes(48), 0)
    for size in (0, 63, 65):
        with lab.fails("INVALID_PARAMETER"):
            await opened.fsctl(codes.FSCTL_SET_OBJECT_ID, bytes(size), 0)
    await opened.fsctl(codes.FSCTL_DELETE_OBJECT_ID, b"", 0)  # there is none
    await opened.fsctl(codes.FSCTL_SET_OBJECT_ID, wanted, 0)
    assert await opened.fsctl(codes.FSCTL_GET_OBJECT_ID, b"", 64) == wanted
    with lab.fails("OBJECT_NAME_COLLISION"):
        await opened.fsctl(codes.FSCTL_SET_OBJECT_ID, wanted, 0)
    for size in (47, 49):
        with lab.fails("INVALID_PARAMETER"):
            await opened.fsctl(codes.FSCTL_SET_OBJECT_ID_EXTENDED, bytes(size), 0)
    await opened.fsctl(codes.FSCTL_SET_OBJECT_ID_EXTENDED, b"e" * 48, 0)
    assert await opened.fsctl(codes.FSCTL_CREATE_OR_GET_OBJECT_ID, b"", 64) == wanted[:16] + b"e" * 48
    reader = await lab.open("a", READ)
    for code, data in ((codes.FSCTL_SET_OBJECT_ID_EXTENDED, bytes(48)), (codes.FSCTL_DELETE_OBJECT_ID, b"")):
        with lab.fails("ACCESS_DENIED"):
            await reader.fsctl(code, data, 0)
    with lab.fails("INVALID_PARAMETER"):
        await reader.fsctl(codes.FSCTL_GET_OBJECT_ID, b"", 63)
    lab.volume.read_only = True
    for code, data in (
        (codes.FSCTL_SET_OBJECT_ID, wanted),
        (codes.FSCTL_SET_OBJECT_ID_EXTENDED, bytes(48)),
        (codes.FSCTL_DELETE_OBJECT_ID, b""),
    ):
        with lab.fails("MEDIA_WRITE_PROTECTED"):
            await opened.fsctl(code, data, 0)
    lab.volume.read_only = False
    await opened.fsctl(codes.FSCTL_DELETE_OBJECT_ID, b"", 0)
    lab.volume.read_only = True
    with lab.fails("MEDIA_WRITE_PROTECTED"):
        await opened.fsctl(codes.FSCTL_CREATE_OR_GET_OBJECT_ID, b"", 64)
    lab.volume.read_only = False
    await close(opened, reader)


async def test_reparse_points_refuse(lab: Any) -> None:
    """[MS-FSA 2.1.5.10.37, 2.1.5.10.3]"""
    link = SymbolicLink("t", "t", relative=True).reparse_point().encode()
    opened, reader = await lab.create("a"), await lab.open("a", READ)
    for data, status in (
        (b"1234567", "IO_REPARSE_DATA_INVALID"),
        (struct.pack("<IHH", 0x8000_0023, 16400, 0) + bytes(16400), "IO_REPARSE_DATA_INVALID"),
        (ReparsePoint(0x8000_0023, b"12345678").encode()[:-1], "IO_REPARSE_DATA_INVALID"),
        (ReparsePoint(0, b"", guid=bytes(16)).encode(), "IO_REPARSE_TAG_INVALID"),
        (ReparsePoint(1, b"", guid=bytes(16)).encode(), "IO_REPARSE_TAG_INVALID"),
        (ReparsePoint(fa.IO_REPARSE_TAG_MOUNT_POINT, b"x").encode(), "NOT_A_DIRECTORY"),
    ):
        with lab.fails(status):
            await opened.fsctl(codes.FSCTL_SET_REPARSE_POINT, data, 0)
    with lab.fails("ACCESS_DENIED"):
        await reader.fsctl(codes.FSCTL_SET_REPARSE_POINT, link, 0)
    await opened.write(0, b"data")
    with lab.fails("IO_REPARSE_DATA_INVALID"):
        await opened.fsctl(codes.FSCTL_SET_REPARSE_POINT, link, 0)
    opened.node.set_extended_attribute(b"NAME", b"value")
    with lab.fails("EAS_NOT_SUPPORTED"):
        await opened.fsctl(codes.FSCTL_SET_REPARSE_POINT, ReparsePoint(0x8000_0023, b"").encode(), 0)
    await lab.mkdir("d")
    await lab.make("d\\f")
    folder = await lab.open("d")
    with lab.fails("DIRECTORY_NOT_EMPTY"):
        await folder.fsctl(codes.FSCTL_SET_REPARSE_POINT, link, 0)
    with lab.fails("NOT_A_REPARSE_POINT"):
        await folder.fsctl(codes.FSCTL_DELETE_REPARSE_POINT, ReparsePoint(fa.IO_REPARSE_TAG_SYMLINK, b"").encode(), 0)
    await close(opened, reader, folder)


async def test_reparse_points_of_others_stay(lab: Any) -> None:
    opened = await lab.create("a")
    mine, theirs = (ReparsePoint(0x23, b"", guid=bytes((number,)) * 16).encode() for number in (1, 2))
    await opened.fsctl(codes.FSCTL_SET_REPARSE_POINT, mine, 0)
    for code in (codes.FSCTL_SET_REPARSE_POINT, codes.FSCTL_DELETE_REPARSE_POINT):
        with lab.fails("REPARSE_ATTRIBUTE_CONFLICT"):
            await opened.fsctl(code, theirs, 0)
    await opened.fsctl(codes.FSCTL_DELETE_REPARSE_POINT, mine, 0)
    await opened.close()


async def test_compression_refuses(lab: Any) -> None:
    """[MS-FSA 2.1.5.10.30, 2.1.5.10.9]"""
    opened, reader = await lab.create("a"), await lab.open("a", READ)
    for data in (b"", b"\1", b"\7\0"):
        with lab.fails("INVALID_PARAMETER"):
            await opened.fsctl(codes.FSCTL_SET_COMPRESSION, data, 0)
    with lab.fails("INVALID_PARAMETER"):
        await opened.fsctl(codes.FSCTL_GET_COMPRESSION, b"", 1)
    with lab.fails("ACCESS_DENIED"):
        await reader.fsctl(codes.FSCTL_SET_COMPRESSION, b"\0\0", 0)
    if lab.volume.compresses:
        lab.volume.read_only = True
        with lab.fails("MEDIA_WRITE_PROTECTED"):
            await opened.fsctl(codes.FSCTL_SET_COMPRESSION, b"\1\0", 0)
        lab.volume.read_only = False
    await close(opened, reader)


async def test_shared_blocks_refuse(lab: Any, pair: Any) -> None:
    """[MS-FSA 2.1.5.10.4]"""
    source, target = pair
    await target.set_information(ic.FILE_END_OF_FILE_INFORMATION, (4 * CLUSTER).to_bytes(8, "little"))
    for numbers in ((1, 0, CLUSTER), (0, 1, CLUSTER), (0, 0, 1), (-CLUSTER, 0, CLUSTER), (0, 0, -CLUSTER)):
        with lab.fails("INVALID_PARAMETER"):
            await target.duplicate_extents(source, *numbers)
    await target.duplicate_extents(source, 1 << 40, 1 << 40, 0)  # nothing to do
    folder, reader, writer = await lab.open(""), await lab.open("target", READ), await lab.open("source", WRITE)
    with lab.fails("NOT_SUPPORTED"):
        await folder.duplicate_extents(source, 0, 0, CLUSTER)
    with lab.fails("ACCESS_DENIED"):
        await reader.duplicate_extents(source, 0, 0, CLUSTER)
    with lab.fails("ACCESS_DENIED"):
        await target.duplicate_extents(writer, 0, 0, CLUSTER)
    elsewhere = Volume(MemoryBackend(lab.clock), lab.config, lab.clock)
    other = await type(lab)(elsewhere, lab.clock, elsewhere.backend).create("source")
    with lab.fails("INVALID_PARAMETER"):
        await target.duplicate_extents(other, 0, 0, CLUSTER)
    lab.volume.read_only = True
    with lab.fails("MEDIA_WRITE_PROTECTED"):
        await target.duplicate_extents(source, 0, 0, CLUSTER)
    lab.volume.read_only = False
    await close(folder, reader, writer, other)
    await elsewhere.close()
