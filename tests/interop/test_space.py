"""A real server on a real disk: a limited share fills up, loses nothing, and knows after a restart what is in it."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from server_process import OTHER_PASSWORD, OTHER_USER, PASSWORD, USER, ServerProcess

from smbcore.client.files import Share, connect
from smbcore.control.client import call
from smbcore.control.messages import QueryUsage, ReloadConfiguration, Usage
from smbcore.nt.create import FILE_OPEN
from smbcore.nt.info import fs
from smbcore.nt.info.classes import FILE_FS_CONTROL_INFORMATION, FILE_FS_SIZE_INFORMATION
from smbcore.nt.info.quota import decode_quotas, encode_sids
from smbcore.nt.sid import Sid
from smbcore.nt.status import NtError, Status
from smbcore.state.accounts import find_account
from smbcore.state.configuration import ShareOptions
from smbcore.state.engine import open_engine, writing
from smbcore.state.schema import account
from smbcore.state.shares import change_quotas, find_share
from smbcore.wire.query_info import InfoType, QueryQuotaInfo

MIB = 1 << 20
LIMITED = {"name": "limited", "options": ShareOptions(size_limit_mib=4)}
QUOTAS = {"name": "quotas", "options": ShareOptions(quota="enforce", quota_limit=2 * MIB)}


@pytest.fixture
def core(tmp_path: Path) -> Iterator[ServerProcess]:
    server = ServerProcess(tmp_path / "core", shares=(LIMITED, QUOTAS), log_level="INFO")
    server.base.mkdir()
    server.prepare()
    yield server
    server.stop(signal.SIGKILL)


async def client_of(server: ServerProcess, share: str = "limited", user: str = USER) -> Share:
    password = PASSWORD if user == USER else OTHER_PASSWORD
    return await connect("127.0.0.1", share, user, password, port=server.port)


async def usage(server: ServerProcess, share: str = "limited") -> Usage:
    """Ask as the pages do."""
    reply = await asyncio.to_thread(call, server.directory.control_socket, QueryUsage(share), timeout=10)
    assert isinstance(reply, Usage)
    return reply


async def fill(server: ServerProcess, name: str, pieces: int) -> int:
    """Write pieces of 128 KiB until they are refused; return how many were acknowledged."""
    share = await client_of(server)
    done = 0
    try:
        file = await share.open(name, "w")
        for number in range(pieces):
            try:
                done += await file.write(number * 128 * 1024, os.urandom(128 * 1024)) // (128 * 1024)
            except NtError as error:
                if error.status is not Status.DISK_FULL:
                    raise
                break
        await file.close()
    finally:
        await share.close()
    return done


async def test_many_clients_fill_a_share_to_its_limit_and_not_beyond(core: ServerProcess) -> None:
    """1 eight clients write 16 MiB into 4, 2 what was acknowledged is there, 3 nothing else, 4 the disk agrees."""
    core.start()
    done = await asyncio.gather(*(fill(core, f"f{number}", 16) for number in range(8)))
    assert sum(done) == 32
    files = list((core.folder / "limited").glob("f*"))
    assert sum(path.stat().st_size for path in files) == 4 * MIB
    found = await usage(core)
    assert (found.state, found.used) == ("counted", 4 * MIB)
    assert core.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_the_limit_holds_after_a_restart(core: ServerProcess, number: int) -> None:
    """1 three of four MiB, a stream among it, 2 the core ends, 3 a local program adds half a MiB, 4 half is left."""
    core.start()
    share = await client_of(core)
    await share.write("a", bytes(2 * MIB))
    await share.write("a:stream", bytes(MIB))
    core.stop(number)
    (core.folder / "limited" / "local").write_bytes(bytes(MIB // 2))
    core.start()
    share = await client_of(core)
    with pytest.raises(NtError) as caught:
        await share.write("b", bytes(MIB // 2 + 1))
    assert caught.value.status is Status.DISK_FULL
    await share.write("b", bytes(MIB // 2))
    assert (await usage(core)).used == 4 * MIB
    assert await share.read("a:stream") == bytes(MIB)
    await share.remove("a")
    await share.write("c", bytes(3 * MIB))
    await share.close()


async def test_a_limit_changes_under_a_connected_client(core: ServerProcess) -> None:
    core.start()
    share = await client_of(core)
    await share.write("a", bytes(4 * MIB))
    engine = open_engine(core.directory.database_url)
    with writing(engine) as connection:
        found = find_share(connection, "limited")
        assert found is not None
        change_quotas(connection, found.id, lambda _: {"size_limit_mib": 5}, now=datetime.now(UTC))
    engine.dispose()
    await asyncio.to_thread(call, core.directory.control_socket, ReloadConfiguration(), timeout=10)
    await share.write("b", bytes(MIB))
    with pytest.raises(NtError):
        await share.write("c", b"x")
    await share.close()


async def test_quotas_that_a_client_sets_outlive_the_core(core: ServerProcess) -> None:
    """1 an administrator sets a default and switches to tracking, 2 the core ends, 3 both hold after its start."""
    engine = open_engine(core.directory.database_url)
    with writing(engine) as connection:
        connection.execute(account.update().where(account.c.name == OTHER_USER).values(role="administrator"))
        anna = find_account(connection, USER)
    assert anna is not None
    engine.dispose()
    core.start()
    share = await client_of(core, "quotas", OTHER_USER)
    root = (await share.raw.create("", 0x1, FILE_OPEN)).expect().body.file_id
    control = fs.ControlInformation(default_quota_limit=MIB, flags=fs.FILE_VC_QUOTA_TRACK).encode()
    (await share.raw.set_info(root, FILE_FS_CONTROL_INFORMATION, control, InfoType.FILESYSTEM)).expect()
    await share.close()
    core.stop()
    core.start()
    user = await client_of(core, "quotas")
    await user.write("mine", bytes(3 * MIB))
    root = (await user.raw.create("", 0x1, FILE_OPEN)).expect().body.file_id
    asked = QueryQuotaInfo(sid_list=encode_sids([Sid.parse(anna.sid)])).encode()
    answer = (await user.raw.query_info(root, 0, InfoType.QUOTA, input=asked)).expect()
    (entry,) = decode_quotas(bytes(answer.body.output))
    assert (entry.used, entry.limit) == (3 * MIB, MIB)
    answer = (await user.raw.query_info(root, FILE_FS_SIZE_INFORMATION, InfoType.FILESYSTEM)).expect()
    assert fs.SizeInformation.decode(bytes(answer.body.output)).available_units == 0
    await user.close()


@pytest.mark.skipif(shutil.which("smbclient") is None, reason="smbclient is not installed")
def test_smbclient_is_told_that_the_disk_is_full(core: ServerProcess, tmp_path: Path) -> None:
    core.start()
    (tmp_path / "three").write_bytes(os.urandom(3 * MIB))
    done = subprocess.run(
        ["smbclient", "-s", "/dev/null", "-p", str(core.port), "-U", f"{USER}%{PASSWORD}", "//127.0.0.1/limited", "-c",
         "put three a; du; put three b; get a back; rm a; put three c; du"],
        capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False,
    )  # fmt: skip
    output = done.stdout + done.stderr
    assert output.count("NT_STATUS_DISK_FULL") == 1
    assert output.count("1024 blocks of size 4096. 256 blocks available") == 2
    assert (tmp_path / "back").read_bytes() == (tmp_path / "three").read_bytes()
    assert (core.folder / "limited" / "c").stat().st_size == 3 * MIB
