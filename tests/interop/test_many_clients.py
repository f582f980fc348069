"""A hundred clients at a time: what each wrote is what it reads, and nothing stays behind."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator

import pytest
from server_process import PASSWORD, USER, ServerProcess
from waiting import eventually, rows

from smbcore.client.files import Share, connect
from smbcore.nt.status import NtError, Status
from smbcore.state.schema import open_, session, tcon

CLIENTS = 100
AT_A_TIME_SIGNING_IN = 25
SIZES = (0, 1, 4095, 65536, 65537, 300_000)
SECONDS = 60.0  # a bound for machines that do other things too; alone it takes a fraction


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that logs what matters only: a line per request would be most of its work."""
    with ServerProcess(tmp_path_factory.mktemp("crowd"), log_level="INFO").running() as process:
        yield process


async def test_a_hundred_clients_at_once(crowd: ServerProcess) -> None:
    gate = asyncio.Semaphore(AT_A_TIME_SIGNING_IN)
    everybody = asyncio.Barrier(CLIENTS)

    async def client(number: int) -> None:
        async with gate:
            share = await connect("127.0.0.1", "files", USER, PASSWORD, port=crowd.port, timeout=SECONDS)
        async with share:
            await everybody.wait()
            await work(share, number)

    async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as group:
        for number in range(CLIENTS):
            group.create_task(client(number))
    assert list((crowd.folder / "files").iterdir()) == []
    await eventually(lambda: all(not rows(crowd, table) for table in (session, tcon, open_)))


async def work(share: Share, number: int) -> None:
    """Write, read, list, rename and delete in a folder of one's own, beside a file that all share."""
    noise = random.Random(number)
    folder = f"client{number}"
    contents = {f"file{index}.bin": noise.randbytes(size) for index, size in enumerate(SIZES)}
    await share.mkdir(folder)
    for name, data in contents.items():
        await share.write(f"{folder}/{name}", data)
    entries = {entry.name: entry.end_of_file for entry in await share.listdir(folder)}
    assert entries == {name: len(data) for name, data in contents.items()}
    for name, data in contents.items():
        assert await share.read(f"{folder}/{name}") == data
    await share.rename(f"{folder}/file0.bin", f"{folder}/renamed.bin")
    assert await share.read(f"{folder}/renamed.bin") == contents["file0.bin"]
    for name in ("renamed.bin", *list(contents)[1:]):
        await share.remove(f"{folder}/{name}")
    await share.rmdir(folder)
    assert not await share.exists(folder)


async def test_clients_that_share_one_file_do_not_disturb_each_other(crowd: ServerProcess) -> None:
    """Each writes its own part of one file, over and over, while the others do."""
    part, count = 8192, 20
    shares = [await connect("127.0.0.1", "files", USER, PASSWORD, port=crowd.port) for _ in range(count)]
    await shares[0].write("common.bin", bytes(part * count))

    async def write_part(share: Share, number: int) -> None:
        async with await share.open("common.bin", "r+") as file:
            for turn in range(10):
                data = bytes([number, turn]) * (part // 2)
                await file.write(number * part, data)
                assert await file.read(number * part, part) == data

    async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as group:
        for number, share in enumerate(shares):
            group.create_task(write_part(share, number))
    whole = await shares[0].read("common.bin")
    assert whole == b"".join(bytes([number, 9]) * (part // 2) for number in range(count))
    await shares[0].remove("common.bin")
    for share in shares:
        await share.close()


async def test_only_one_of_many_gets_a_name(crowd: ServerProcess) -> None:
    """Twenty clients create the same new file at the same moment: one succeeds, the others hear of a collision."""
    shares = [await connect("127.0.0.1", "files", USER, PASSWORD, port=crowd.port) for _ in range(20)]

    async def create(share: Share) -> Status:
        try:
            await (await share.open("once.txt", "x")).close()
        except NtError as error:
            return error.status
        return Status.SUCCESS

    outcomes = await asyncio.gather(*map(create, shares))
    assert sorted(outcomes) == [Status.SUCCESS, *[Status.OBJECT_NAME_COLLISION] * 19]
    await shares[0].remove("once.txt")
    for share in shares:
        await share.close()
