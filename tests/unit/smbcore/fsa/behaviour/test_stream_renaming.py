"""Renaming streams within their file, to the main stream and away from it  [MS-FSA 2.1.5.15.12.1]."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

from smbcore.nt import create as c
from smbcore.nt.info import classes as ic
from smbcore.nt.info.links import decode_streams
from smbcore.nt.status import NtError, Status
from smbcore.vfs.faulty import FaultyBackend, Schedule

SIZES = [0, 10, 5000, 200_000]


async def close(*opens: Any) -> None:
    for opened in opens:
        await opened.close()


async def names_of(lab: Any, path: str) -> list[str]:
    opened = await lab.open(path)
    data = opened.query_information(ic.FILE_STREAM_INFORMATION, 65536)
    await opened.close()
    return sorted(entry.name for entry in decode_streams(data))


async def filled(lab: Any, path: str, data: bytes) -> Any:
    opened = await lab.create(path)
    await opened.write(0, data)
    return opened


async def read(lab: Any, opened: Any) -> bytes:
    return await lab.read(opened, 0, 1 << 20)


async def test_stream_renames_within_its_file(lab: Any) -> None:
    await lab.make("a:one", b"data")
    opened = await lab.open("a:one")
    with lab.fails("INVALID_PARAMETER"):
        await lab.rename(opened, "b")
    await lab.rename(opened, ":two:$DATA")
    assert opened.stream == "two"
    await opened.close()
    assert await lab.content("a:two") == b"data"
    assert not await lab.exists("a:one")


@pytest.mark.parametrize("size", SIZES)
async def test_stream_becomes_the_main_one(lab: Any, size: int) -> None:
    data = os.urandom(size)
    opened = await filled(lab, "a:s", data)
    await lab.rename(opened, "::$DATA", replace=True)
    assert opened.stream == ""
    assert opened.info().end_of_file == size
    assert await read(lab, opened) == data
    await opened.write(size, b"more")
    await opened.close()
    assert await names_of(lab, "a") == ["::$DATA"]
    again = await lab.open("a")
    assert await read(lab, again) == data + b"more"
    await again.close()


@pytest.mark.parametrize("size", SIZES)
async def test_main_stream_becomes_a_named_one(lab: Any, size: int) -> None:
    data = os.urandom(size)
    opened = await filled(lab, "a", data)
    await lab.rename(opened, ":s")
    assert opened.stream == "s"
    assert await read(lab, opened) == data
    assert await names_of(lab, "a") == ["::$DATA", ":s:$DATA"]
    fresh = await lab.open("a")
    assert fresh.info().end_of_file == 0
    await fresh.write(0, b"new")
    await lab.rename(fresh, ":t")
    await close(opened, fresh)
    assert await names_of(lab, "a") == ["::$DATA", ":s:$DATA", ":t:$DATA"]
    assert await lab.content("a:t") == b"new"


async def test_there_and_back(lab: Any) -> None:
    opened = await filled(lab, "a", b"data" * 2000)
    await lab.rename(opened, ":s")
    await lab.rename(opened, "::$DATA", replace=True)
    assert await read(lab, opened) == b"data" * 2000
    await opened.close()
    assert await names_of(lab, "a") == ["::$DATA"]


@pytest.mark.parametrize("to", ["::$DATA", ":t:$DATA"])
async def test_every_open_of_the_stream_goes_on(lab: Any, to: str) -> None:
    first = await filled(lab, "a:s", b"data")
    second = await lab.open("a:s")
    await lab.rename(first, to, replace=True)
    await second.write(4, b" and more")
    assert await read(lab, first) == b"data and more"
    with lab.fails("SHARING_VIOLATION"):
        await lab.open("a" if to == "::$DATA" else "a:t", share=0)
    await close(first, second)
    (await lab.create("a:s")).node  # noqa: B018 - the old name is free
    for opened in list(lab.volume.opens):
        await opened.close()


async def test_locks_and_leases_stay_with_the_stream(lab: Any) -> None:
    mine, told = await filled(lab, "a:s", b"data"), lab.listener()
    theirs = await lab.open("a:s")
    lab.lease(theirs, "R", b"theirs", told)
    await lab.lock(mine, 0, 2)
    await lab.rename(mine, "::$DATA", replace=True)
    with lab.fails("FILE_LOCK_CONFLICT"):
        await theirs.write(0, b"x")
    await mine.write(0, b"X")
    assert told.last() == ("R", "", False)
    await close(mine, theirs)


async def test_others_give_up_handle_caching_first(lab: Any) -> None:
    holder, told = await filled(lab, "a:s", b"data"), lab.listener()
    lab.lease(holder, "RH", b"holder", told)
    opened = await lab.open("a:s", oplock_key=b"mine")
    work = await lab.start(lab.rename(opened, ":t"))
    assert told.last() == ("RH", "R", True)
    assert not work.done()
    lab.acknowledge(holder, "R")
    await work
    assert opened.stream == "t"
    await close(holder, opened)


async def test_what_is_reserved_for_a_client_that_is_away_keeps_its_name(lab: Any) -> None:
    holder, told = await filled(lab, "a:s", b"data"), lab.listener()
    lab.lease(holder, "RH", b"holder", told)
    opened = await lab.open("a:s", oplock_key=b"mine")
    holder.leave(told, reserve=True)
    work = await lab.start(lab.rename(opened, ":t"))
    assert not told.notices
    lab.clock.advance(lab.config.break_timeout)
    with lab.fails("FILE_NOT_AVAILABLE"):
        await work
    assert holder.stream == "s"
    await close(holder, opened)


async def test_opens_that_come_and_go_while_data_moves_go_on_too(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """1 one open closes and two come while the main stream is filled, and one more while they get their nodes."""
    opened, leaves = await filled(lab, "a:s", b"data"), await lab.open("a:s")
    came = []
    backend, reopen = lab.volume.backend, lab.volume.backend.open
    remove = backend.remove

    async def meddling_remove(node: Any) -> None:
        await leaves.close()
        came.extend([await lab.open("a:s"), await lab.open("a:s"), await lab.open("a:s")])
        monkeypatch.setattr(backend, "open", meddling_open)
        await remove(node)

    async def meddling_open(*arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(backend, "open", reopen)
        await came[0].close()
        return await reopen(*arguments, **options)

    monkeypatch.setattr(backend, "remove", meddling_remove)
    await lab.rename(opened, "::$DATA", replace=True)
    monkeypatch.undo()
    for other in (opened, *came[1:]):
        assert other.stream == ""
        assert await read(lab, other) == b"data"
    await close(opened, *came)


@pytest.mark.parametrize("to", [":t", "::$DATA"])
async def test_a_target_is_replaced_only_if_asked_and_empty_and_not_open(lab: Any, to: str) -> None:
    target = await lab.create("a" if to == "::$DATA" else "a:t")
    opened = await filled(lab, "a:s", b"data")
    with lab.fails("INVALID_PARAMETER"):
        await lab.rename(opened, to, replace=True)  # it is open
    await target.write(0, b"x")
    await target.close()
    with lab.fails("OBJECT_NAME_COLLISION"):
        await lab.rename(opened, to)
    with lab.fails("INVALID_PARAMETER"):
        await lab.rename(opened, to, replace=True)  # it is not empty
    again = await lab.open("a" if to == "::$DATA" else "a:t")
    await lab.resize(again, 0)
    await again.close()
    await lab.rename(opened, to, replace=True)
    assert await read(lab, opened) == b"data"
    await opened.close()


async def test_the_main_stream_replaces_an_empty_one(lab: Any) -> None:
    opened = await filled(lab, "a", b"data")
    await (await lab.create("a:t")).close()
    with lab.fails("OBJECT_NAME_COLLISION"):
        await lab.rename(opened, ":t")
    await lab.rename(opened, ":T", replace=True)
    await opened.close()
    assert await lab.content("a:t") == b"data"


@pytest.mark.parametrize(
    ("name", "status"),
    [
        (":", "INVALID_PARAMETER"),
        ("::", "INVALID_PARAMETER"),
        (":a:", "INVALID_PARAMETER"),
        (":a:$DATA:", "INVALID_PARAMETER"),
        (":a:b:c", "INVALID_PARAMETER"),
        (":a\\b", "INVALID_PARAMETER"),
        (":a/b", "INVALID_PARAMETER"),
        (":a\0b", "INVALID_PARAMETER"),
        (":" + "x" * 256, "INVALID_PARAMETER"),
        (":a:$INDEX_ALLOCATION", "OBJECT_TYPE_MISMATCH"),
        (":a:$OTHER", "OBJECT_TYPE_MISMATCH"),
    ],
)
async def test_names_that_are_none(lab: Any, name: str, status: str) -> None:
    stream, main = await filled(lab, "f:s", b"data"), await lab.open("f")
    for opened in (stream, main):
        with lab.fails(status):
            await lab.rename(opened, name, replace=True)
    await close(stream, main)


@pytest.mark.parametrize(("name", "at"), [(":S", "a:s"), (":s:$data", "a:s"), ("::$DATA", "a")])
async def test_its_own_name_is_nothing_to_do(lab: Any, name: str, at: str) -> None:
    opened = await filled(lab, at, b"data")
    await lab.rename(opened, name)
    assert await read(lab, opened) == b"data"
    await opened.close()


async def test_a_directory_has_named_streams_only(lab: Any) -> None:
    await lab.mkdir("d")
    stream = await filled(lab, "d:s", b"data")
    with lab.fails("INVALID_PARAMETER"):
        await lab.rename(stream, "::$DATA", replace=True)
    await lab.rename(stream, ":t")
    await stream.close()
    directory = await lab.open("d", options=c.FILE_DIRECTORY_FILE)
    with lab.fails("OBJECT_TYPE_MISMATCH"):
        await lab.rename(directory, ":t")
    with lab.fails("INVALID_PARAMETER"):
        await lab.rename(directory, ":t:$INDEX_ALLOCATION")
    await directory.close()


async def test_rights_are_needed(lab: Any) -> None:
    await lab.make("a:s", b"data")
    opened = await lab.open("a:s", 0x3)
    with lab.fails("ACCESS_DENIED"):
        await lab.rename(opened, "::$DATA", replace=True)
    await opened.close()
    opened = await lab.open("a:s")
    await lab.dispose(opened)
    with lab.fails("ACCESS_DENIED"):
        await lab.rename(opened, ":t")
    await opened.close()


async def test_nobody_gets_at_the_target_while_it_is_filled(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = await filled(lab, "a:s", b"data")
    node, seen = type(opened.node), []
    read_into = node.read_into

    async def slow(self: Any, offset: int, view: memoryview) -> int:
        try:
            await lab.open("a")
        except NtError as error:
            seen.append(error.status)
        return await read_into(self, offset, view)

    monkeypatch.setattr(node, "read_into", slow)
    await lab.rename(opened, "::$DATA", replace=True)
    monkeypatch.undo()
    assert seen == [Status.SHARING_VIOLATION]
    await opened.close()
    assert await lab.content("a") == b"data"


async def test_a_write_while_data_moves_makes_it_fail(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, other = await filled(lab, "a:s", b"data"), await lab.open("a:s")
    node = type(opened.node)
    read_into = node.read_into

    async def slow(self: Any, offset: int, view: memoryview) -> int:
        count = await read_into(self, offset, view)
        await other.write(0, b"DATA")
        return int(count)

    monkeypatch.setattr(node, "read_into", slow)
    with lab.fails("SHARING_VIOLATION"):
        await lab.rename(opened, "::$DATA", replace=True)
    monkeypatch.undo()
    assert await read(lab, opened) == b"DATA"
    await close(opened, other)
    assert await lab.content("a") == b""


@pytest.mark.parametrize("call", ["open", "write", "copy_range", "read_into", "remove", "set_end_of_file"])
@pytest.mark.parametrize("size", [10, 200_000])
@pytest.mark.parametrize("path", ["a", "a:s"])
async def test_a_disk_that_fails_leaves_things_as_they_were(lab: Any, call: str, size: int, path: str) -> None:
    faults = Schedule()
    lab.volume.backend = FaultyBackend(lab.backend, faults)
    data = os.urandom(size)
    opened = await filled(lab, path, data)
    fault = faults.fail(call, Status.IO_DEVICE_ERROR)
    work = lab.rename(opened, ":t" if path == "a" else "::$DATA", replace=True)
    (answer,) = await asyncio.gather(work, return_exceptions=True)
    met = fault.times == 0
    assert (answer.status if met else answer) is (Status.IO_DEVICE_ERROR if met else None)
    assert not met or opened.stream == path.partition(":")[2]
    faults.clear()
    assert await read(lab, opened) == data
    await opened.close()
    there = {"a": "a" if met else "a:t", "a:s": "a:s" if met else "a"}[path]
    again = await lab.open(there)
    assert await read(lab, again) == data
    await again.close()
    assert sum(1 for name in await names_of(lab, "a") if name != "::$DATA") == (there != "a")
