"""Copying by token  [MS-FSA 2.1.5.10.20, 2.1.5.10.21, MS-FSCC 2.3.41-2.3.44]."""

from __future__ import annotations

import os
from typing import Any

import pytest

from smbcore.fsa import offload as offloading
from smbcore.fsa.volume import Volume
from smbcore.nt import attributes as fa
from smbcore.nt import create as c
from smbcore.nt.info import fsctl as codes
from smbcore.nt.info.offload import (
    ALL_ZERO_BEYOND_CURRENT_RANGE,
    TOKEN_TYPE_ZERO_DATA,
    OffloadRead,
    OffloadReadResult,
    OffloadToken,
    OffloadWrite,
    OffloadWriteResult,
)
from smbcore.vfs.memory import MemoryBackend
from smbcore.vfs.posix.backend import PosixBackend

READ, WRITE = 0x1, 0x2
SECTOR = 512
CLUSTER = 65536
ZERO_TOKEN = OffloadToken(TOKEN_TYPE_ZERO_DATA).encode()
DATA = bytes(range(256)) * 512  # 128 KiB


async def token_of(opened: Any, offset: int, length: int, **more: int) -> OffloadReadResult:
    asked = OffloadRead(offset, length, **more).encode()
    return OffloadReadResult.decode(await opened.fsctl(codes.FSCTL_OFFLOAD_READ, asked, 528))


async def put(opened: Any, token: OffloadToken | bytes, offset: int, length: int, at: int = 0) -> int:
    raw = token if isinstance(token, bytes) else token.encode()
    asked = OffloadWrite(offset, length, at, raw).encode()
    done = OffloadWriteResult.decode(await opened.fsctl(codes.FSCTL_OFFLOAD_WRITE, asked, 16))
    return done.length_written


async def pair(lab: Any, data: bytes = DATA, size: int | None = None) -> tuple[Any, Any]:
    """A source with `data`, and an empty target of the same (or another) size."""
    source, target = await lab.create("source"), await lab.create("target")
    await source.write(0, data)
    await lab.resize(target, len(data) if size is None else size)
    return source, target


async def close(*opens: Any) -> None:
    for opened in opens:
        await opened.close()


async def test_a_whole_file_is_copied(lab: Any) -> None:
    source, target = await pair(lab)
    read = await token_of(source, 0, len(DATA))
    assert (read.length, read.flags) == (len(DATA), 0)
    assert await put(target, read.token, 0, len(DATA)) == len(DATA)
    assert await lab.read(target, 0, 1 << 20) == DATA
    await close(source, target)


async def test_parts_of_a_token_go_where_the_client_says(lab: Any) -> None:
    source, target = await pair(lab)
    token = (await token_of(source, 1024, 8192)).token
    assert await put(target, token, 4096, 1024, at=512) == 1024
    assert await put(target, token, 65536, 2048, at=4096) == 2048
    expected = bytearray(len(DATA))
    expected[4096:5120] = DATA[1536:2560]
    expected[65536:67584] = DATA[5120:7168]
    assert await lab.read(target, 0, 1 << 20) == bytes(expected)
    await close(source, target)


async def test_a_write_stops_where_the_token_ends(lab: Any) -> None:
    source, target = await pair(lab)
    token = (await token_of(source, 0, 1024)).token
    assert await put(target, token, 0, 4096) == 1024
    assert await put(target, token, 0, 4096, at=512) == 512
    with lab.fails("INVALID_PARAMETER"):
        await put(target, token, 0, 512, at=1024)
    await close(source, target)


async def test_the_last_sector_counts_as_whole_and_ends_with_zeros(lab: Any) -> None:
    source, target = await pair(lab, b"x" * 1000, size=3000)
    await target.write(0, b"y" * 3000)
    read = await token_of(source, 0, 4096)
    assert (read.length, read.flags) == (1024, ALL_ZERO_BEYOND_CURRENT_RANGE)
    assert await put(target, read.token, 0, 1024) == 1024
    assert await lab.read(target) == b"x" * 1000 + bytes(24) + b"y" * 1976
    assert await put(target, read.token, 2560, 1024) == 512
    assert await lab.read(target, 2560) == b"x" * 440
    assert target.info().end_of_file == 3000
    await close(source, target)


async def test_more_zeros_are_announced_only_where_the_token_reaches_the_end(
    lab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = await pair(lab)
    assert (await token_of(source, 0, len(DATA) - 512)).flags == 0
    assert (await token_of(source, 512, len(DATA))).flags == ALL_ZERO_BEYOND_CURRENT_RANGE
    monkeypatch.setattr(offloading, "MAX_LENGTH", 4096)
    short = await token_of(source, 0, 1 << 20)
    assert (short.length, short.flags) == (4096, 0)
    assert await put(target, ZERO_TOKEN, 0, 8192) == 4096
    await close(source, target)


async def test_a_range_without_data_gives_the_zero_token(lab: Any) -> None:
    source, target = await lab.create("source"), await lab.create("target")
    await lab.resize(source, 4 * CLUSTER)
    await source.write(0, b"x")
    await target.write(0, b"y" * (4 * CLUSTER))
    read = await token_of(source, 2 * CLUSTER, CLUSTER)
    assert (read.token.kind, read.length) == (TOKEN_TYPE_ZERO_DATA, CLUSTER)
    assert await put(target, read.token, CLUSTER, CLUSTER) == CLUSTER
    assert await lab.read(target, 0, 1 << 20) == b"y" * CLUSTER + bytes(CLUSTER) + b"y" * (2 * CLUSTER)
    await close(source, target)


async def test_the_zero_token_needs_no_read(lab: Any) -> None:
    target = await lab.create("target")
    await target.write(0, b"y" * 3000)
    assert await put(target, ZERO_TOKEN, 512, 1024) == 1024
    assert await put(target, ZERO_TOKEN, 2560, 4096, at=1 << 30) == 512
    assert await lab.read(target) == b"y" * 512 + bytes(1024) + b"y" * 1024 + bytes(440)
    await target.close()


async def test_copying_nothing_succeeds_at_once(lab: Any) -> None:
    source, target = await pair(lab)
    assert (await token_of(source, 0, 0)).length == 0
    assert await put(target, b"\xff" * 512, 0, 0) == 0
    await close(source, target)


# -- what ends a token --
async def a_write(lab: Any, source: Any) -> None:
    await source.write(0, b"!")


async def a_write_elsewhere(lab: Any, source: Any) -> None:
    other = await lab.open("source", WRITE)
    await other.write(100_000, b"!")
    await other.close()


async def a_new_size(lab: Any, source: Any) -> None:
    await lab.resize(source, len(DATA) - 1)
    await lab.resize(source, len(DATA))


async def an_overwrite(lab: Any, source: Any) -> None:
    other = await lab.open("source", disposition=c.FILE_OVERWRITE)
    await other.write(0, b"!" * len(DATA))
    await other.close()


async def zeros(lab: Any, source: Any) -> None:
    await source.fsctl(codes.FSCTL_SET_ZERO_DATA, codes.ZeroData(0, 100).encode(), 0)


async def the_last_close(lab: Any, source: Any) -> None:
    await source.close()
    await (await lab.open("source")).close()


async def too_long_a_time(lab: Any, source: Any) -> None:
    lab.clock.advance(30)


@pytest.mark.parametrize(
    "event", [a_write, a_write_elsewhere, a_new_size, an_overwrite, zeros, the_last_close, too_long_a_time]
)
async def test_ends_a_token(lab: Any, event: Any) -> None:
    source, target = await pair(lab)
    token = (await token_of(source, 0, len(DATA))).token
    await event(lab, source)
    with lab.fails("INVALID_TOKEN"):
        await put(target, token, 0, len(DATA))
    assert await lab.read(target, 0, 1 << 20) == bytes(len(DATA))
    await close(source, target)


async def test_a_token_outlives_its_open_while_somebody_has_the_source_open(lab: Any) -> None:
    source, target = await pair(lab)
    other = await lab.open("source", READ)
    token = (await token_of(source, 0, 1024)).token
    await source.close()
    assert await put(target, token, 0, 1024) == 1024
    assert await lab.read(target, 0, 1024) == DATA[:1024]
    await close(other, target)


async def test_a_rename_of_the_source_does_no_harm(lab: Any) -> None:
    source, target = await pair(lab)
    token = (await token_of(source, 0, 1024)).token
    await lab.rename(source, "elsewhere")
    assert await put(target, token, 0, 1024) == 1024
    await close(source, target)


@pytest.mark.parametrize("raw", [b"\0" * 512, b"\x48\x46\x4f\x44\0\0\0\x20" + bytes(504), b"\xff" * 512])
async def test_a_token_that_was_never_made_is_refused(lab: Any, raw: bytes) -> None:
    source, target = await pair(lab)
    await token_of(source, 0, 1024)
    with lab.fails("INVALID_TOKEN"):
        await put(target, raw, 0, 512)
    await close(source, target)


async def test_a_token_works_for_its_user_only(lab: Any) -> None:
    source, target = await pair(lab)
    token = (await token_of(source, 0, 1024)).token
    theirs = await lab.open("target", token=lab.bob)
    with lab.fails("INVALID_TOKEN"):
        await put(theirs, token, 0, 1024)
    await close(source, target, theirs)


async def test_a_change_during_the_copy_ends_it(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """1 the first piece is copied, 2 somebody writes to the source, 3 the client hears that the token is void."""
    monkeypatch.setattr(offloading, "PIECE", 4096)
    source, target = await pair(lab)
    token = (await token_of(source, 0, len(DATA))).token
    transfer, pieces = offloading.copy.transfer, []

    async def meddling(*arguments: Any, **options: Any) -> int:
        pieces.append(arguments[2])
        count = await transfer(*arguments, **options)
        if len(pieces) == 2:
            await source.write(0, b"!")
        return count

    monkeypatch.setattr(offloading.copy, "transfer", meddling)
    with lab.fails("INVALID_TOKEN"):
        await put(target, token, 0, len(DATA))
    assert pieces == [0, 4096]
    await close(source, target)


async def test_a_local_change_ends_a_token(lab: Any) -> None:
    if isinstance(lab.backend, MemoryBackend):
        pytest.skip("no other process reaches a volume in memory")
    assert isinstance(lab.backend, PosixBackend)
    source, target = await pair(lab)
    token = (await token_of(source, 0, len(DATA))).token
    outside = os.open("source", os.O_WRONLY, dir_fd=lab.backend.root)
    os.pwrite(outside, b"!", 5)
    os.utime(outside, (1, 1))  # the clock of the kernel need not have moved on
    os.close(outside)
    with lab.fails("INVALID_TOKEN"):
        await put(target, token, 0, len(DATA))
    await close(source, target)


# -- one file, two volumes, streams --
async def test_a_file_is_copied_onto_itself(lab: Any) -> None:
    source = await lab.create("source")
    await source.write(0, DATA)
    token = (await token_of(source, 0, 8192)).token
    assert await put(source, token, 65536, 8192) == 8192
    assert await put(source, token, 16384, 4096, at=4096) == 4096  # the token stands for what did not change
    expected = bytearray(DATA)
    expected[65536 : 65536 + 8192] = DATA[:8192]
    expected[16384 : 16384 + 4096] = DATA[4096:8192]
    assert await lab.read(source, 0, 1 << 20) == bytes(expected)
    await source.close()


@pytest.mark.parametrize("to", [0, 2048])
async def test_overlapping_ranges_of_one_file_are_copied_the_right_way_round(lab: Any, to: int) -> None:
    content = os.urandom(16384)
    source = await lab.create("source")
    await source.write(0, content)
    token = (await token_of(source, 1024, 8192)).token
    assert await put(source, token, to, 8192) == 8192
    assert await lab.read(source, to, 8192) == content[1024 : 1024 + 8192]
    with lab.fails("INVALID_TOKEN"):
        await put(source, token, 12288, 4096)
    await source.close()


async def test_a_write_into_the_rest_of_what_a_token_stands_for_ends_it(lab: Any) -> None:
    source = await lab.create("source")
    await source.write(0, DATA)
    token = (await token_of(source, 0, 8192)).token
    assert await put(source, token, 4096, 4096) == 4096
    with lab.fails("INVALID_TOKEN"):
        await put(source, token, 16384, 4096, at=4096)
    await source.close()


async def test_a_token_is_good_on_every_volume_of_the_server(lab: Any) -> None:
    other = Volume(MemoryBackend(lab.clock), lab.config, lab.clock, lab.volume.tokens)
    elsewhere = type(lab)(other, lab.clock, other.backend)
    source = await lab.create("source")
    await source.write(0, DATA)
    target = await elsewhere.create("target")
    await lab.resize(target, len(DATA))
    token = (await token_of(source, 0, len(DATA))).token
    assert await put(target, token, 0, len(DATA)) == len(DATA)
    assert await elsewhere.content("target") == DATA[:65536]
    await close(source, target)
    await other.close()


@pytest.mark.parametrize("size", [1024, 65536])
async def test_named_streams_are_copied_too(lab: Any, size: int) -> None:
    source, target = await lab.create("a:source"), await lab.create("a:target")
    await source.write(0, DATA[:size])
    await lab.resize(target, size)
    read = await token_of(source, 0, size)
    assert await put(target, read.token, 0, size) == size
    assert await lab.read(target) == DATA[:size]
    await close(source, target)


# -- refusals --
@pytest.mark.parametrize(
    ("offset", "length", "size"),
    [(1, 512, 32), (0, 511, 32), (0, 512, 31), (2**64 - 512, 512, 32), (2**63, 512, 32)],
)
async def test_read_needs_numbers_that_fit(lab: Any, offset: int, length: int, size: int) -> None:
    source, target = await pair(lab)
    with lab.fails("INVALID_PARAMETER"):
        await token_of(source, offset, length, size=size)
    await close(source, target)


@pytest.mark.parametrize(
    ("offset", "length", "at", "size"),
    [
        (1, 512, 0, 544),
        (0, 511, 0, 544),
        (0, 512, 3, 544),
        (0, 512, 0, 543),
        (2**64 - 512, 512, 0, 544),
        (2**63, 512, 0, 544),
        (0, 0xFFF_FFFF_0000 + 512, 0, 544),
    ],
)
async def test_write_needs_numbers_that_fit(lab: Any, offset: int, length: int, at: int, size: int) -> None:
    source, target = await pair(lab)
    asked = OffloadWrite(offset, length, at, ZERO_TOKEN, size).encode()
    with lab.fails("INVALID_PARAMETER"):
        await target.fsctl(codes.FSCTL_OFFLOAD_WRITE, asked, 16)
    await close(source, target)


async def test_buffers_must_have_room(lab: Any) -> None:
    source, target = await pair(lab)
    asked = OffloadRead(0, 512).encode()
    wanted = OffloadWrite(0, 512, 0, ZERO_TOKEN).encode()
    for opened, code, data, room in (
        (source, codes.FSCTL_OFFLOAD_READ, asked[:-1], 528),
        (source, codes.FSCTL_OFFLOAD_READ, asked, 527),
        (target, codes.FSCTL_OFFLOAD_WRITE, wanted[:-1], 16),
        (target, codes.FSCTL_OFFLOAD_WRITE, wanted, 15),
    ):
        with lab.fails("BUFFER_TOO_SMALL"):
            await opened.fsctl(code, data, room)
    await close(source, target)


async def test_beyond_the_end_there_is_nothing(lab: Any) -> None:
    source, target = await pair(lab, b"x" * 1024)
    for offset in (1024, 1 << 40):
        with lab.fails("END_OF_FILE"):
            await token_of(source, offset, 512)
        with lab.fails("END_OF_FILE"):
            await put(target, ZERO_TOKEN, offset, 512)
    await close(source, target)


async def test_a_file_of_less_than_a_sector_is_too_small(lab: Any) -> None:
    source, target = await pair(lab, b"x" * 511)
    with lab.fails("INVALID_PARAMETER"):
        await token_of(source, 0, 512)
    with lab.fails("INVALID_PARAMETER"):
        await put(target, ZERO_TOKEN, 0, 512)
    await close(source, target)


async def test_rights_are_needed_on_both_sides(lab: Any) -> None:
    await close(*await pair(lab))
    writer, reader = await lab.open("source", WRITE), await lab.open("target", READ)
    with lab.fails("ACCESS_DENIED"):
        await token_of(writer, 0, 512)
    with lab.fails("ACCESS_DENIED"):
        await put(reader, ZERO_TOKEN, 0, 512)
    await close(writer, reader)


async def test_locks_of_others_stand_in_the_way(lab: Any) -> None:
    source, target = await pair(lab)
    token = (await token_of(source, 0, 1024)).token
    first, second = await lab.open("source"), await lab.open("target")
    await lab.lock(first, 512, 1)
    await lab.lock(second, 512, 1, exclusive=False)
    with lab.fails("FILE_LOCK_CONFLICT"):
        await token_of(source, 0, 1024)
    assert (await token_of(source, 1024, 1024)).length == 1024
    with lab.fails("FILE_LOCK_CONFLICT"):
        await put(target, token, 0, 1024)
    assert await put(target, token, 1024, 1024) == 1024
    await close(source, target, first, second)


async def test_directories_and_sparse_files_are_not_for_it(lab: Any) -> None:
    await lab.mkdir("folder")
    folder = await lab.open("folder")
    sparse = await lab.create("sparse")
    await sparse.write(0, DATA)
    await sparse.fsctl(codes.FSCTL_SET_SPARSE, b"", 0)
    for opened in (folder, sparse):
        with lab.fails("OFFLOAD_READ_FILE_NOT_SUPPORTED"):
            await token_of(opened, 0, 512)
        with lab.fails("OFFLOAD_WRITE_FILE_NOT_SUPPORTED"):
            await put(opened, ZERO_TOKEN, 0, 512)
    await close(folder, sparse)


async def test_compressed_files_are_not_for_it(lab: Any) -> None:
    if not lab.volume.compresses:
        pytest.skip("the store does not compress")
    source, target = await pair(lab)
    for opened in (source, target):
        await opened.fsctl(codes.FSCTL_SET_COMPRESSION, b"\1\0", 0)
        assert opened.info().attributes & fa.FILE_ATTRIBUTE_COMPRESSED
    with lab.fails("OFFLOAD_READ_FILE_NOT_SUPPORTED"):
        await token_of(source, 0, 512)
    with lab.fails("OFFLOAD_WRITE_FILE_NOT_SUPPORTED"):
        await put(target, ZERO_TOKEN, 0, 512)
    await close(source, target)


async def test_a_file_that_is_being_deleted_is_not_for_it(lab: Any) -> None:
    source, target = await pair(lab)
    for opened in (source, target):
        await lab.dispose(opened)
    with lab.fails("FILE_DELETED"):
        await token_of(source, 0, 512)
    with lab.fails("FILE_DELETED"):
        await put(target, ZERO_TOKEN, 0, 512)
    await close(source, target)


async def test_a_volume_that_became_read_only_refuses_before_all_else(lab: Any) -> None:
    source, target = await pair(lab)
    lab.volume.read_only = True
    with lab.fails("MEDIA_WRITE_PROTECTED"):
        await target.fsctl(codes.FSCTL_OFFLOAD_WRITE, b"", 0)
    assert (await token_of(source, 0, 512)).length == 512
    lab.volume.read_only = False
    await close(source, target)


async def test_caches_of_the_target_are_broken(lab: Any) -> None:
    source, target = await pair(lab)
    reader, told = await lab.open("target", READ), lab.listener()
    lab.lease(reader, "R", b"reader", told)
    token = (await token_of(source, 0, 512)).token
    await put(target, token, 0, 512)
    assert told.last() == ("R", "", False)
    await close(source, target, reader)
