"""The core's process: how it ends with clients connected, what a restart finds, why it refuses to start."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from server_process import PASSWORD, USER, ServerProcess
from sqlalchemy import text
from waiting import eventually, rows

from smbcore.client.errors import ConnectionLost
from smbcore.client.files import Share, connect
from smbcore.nt.status import NtError, Status
from smbcore.state.engine import open_engine, writing
from smbcore.state.schema import open_, session, tcon, version

DATA = bytes(range(256)) * 2000
A_FEW_SECONDS = 8.0
PATIENCE = 9.9
"""Seconds until a supervisor kills: a little less than what `ChildSpec.stop_timeout` is by default."""


@pytest.fixture
def core(tmp_path: Path):
    """A prepared server that the test starts and stops; it is ended if the test does not."""
    server = ServerProcess(tmp_path / "core", log_level="INFO")
    server.base.mkdir()
    server.prepare()
    yield server
    server.stop(signal.SIGKILL)


async def client_of(server: ServerProcess, share: str = "files") -> Share:
    return await connect("127.0.0.1", share, USER, PASSWORD, port=server.port)


def refusal(server: ServerProcess) -> str:
    """Start a core that cannot run; return its one line on standard error."""
    done = subprocess.run(
        server.command, env=server.environment, capture_output=True, text=True, timeout=30, check=False
    )
    lines = [line for line in done.stderr.splitlines() if " INFO " not in line and " WARNING " not in line]
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("holdfast: ")
    return lines[0]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
async def test_clients_notice_reconnect_and_find_what_was_acknowledged(core: ServerProcess, number: int) -> None:
    """1 clients write and hold a file open, 2 the core ends, 3 they notice, 4 it starts, 5 they come back."""
    core.start()
    clients = [await client_of(core) for _ in range(5)]
    for index, share in enumerate(clients):
        await share.write(f"acknowledged{index}.bin", DATA)
        held = await share.open(f"held{index}.bin", "w")
        await held.write(0, DATA)
    await eventually(lambda: len(rows(core, open_)) == len(clients))
    first_boot = rows(core, version)[0].boot_id

    begin = time.monotonic()
    status = await asyncio.to_thread(core.stop, number)
    assert status == (0 if number != signal.SIGKILL else -signal.SIGKILL)
    assert time.monotonic() - begin < A_FEW_SECONDS
    for share in clients:
        await share.raw.connection.wait_lost()
    if number != signal.SIGKILL:
        assert [rows(core, table) for table in (session, tcon, open_)] == [[], [], []]
        assert rows(core, version)[0].state == "down"

    core.start()
    new_boot = rows(core, version)[0]
    assert (new_boot.state, new_boot.boot_id != first_boot) == ("up", True)
    assert [row for table in (session, tcon, open_) for row in rows(core, table) if row.boot_id == first_boot] == []
    again = await client_of(core)
    for index in range(len(clients)):
        assert await again.read(f"acknowledged{index}.bin") == DATA
        assert await again.read(f"held{index}.bin") == DATA
    await again.close()
    assert core.stop() == 0
    assert "Traceback" not in core.log


async def test_stopping_accepts_nobody_and_says_so(core: ServerProcess) -> None:
    core.start()
    share = await client_of(core)
    core.process.send_signal(signal.SIGTERM)
    await share.raw.connection.wait_lost()
    with pytest.raises(OSError):
        await client_of(core)
    assert await asyncio.to_thread(core.process.wait, A_FEW_SECONDS) == 0
    assert "stopping" in core.log


async def test_stopping_with_requests_that_wait(core: ServerProcess) -> None:
    """Change notifies and a lock that somebody else holds wait for ever: the end does not wait for them."""
    from smbcore.client.raw import SHARE_ALL
    from smbcore.nt.access import FILE_GENERIC_READ
    from smbcore.nt.create import FILE_DIRECTORY_FILE
    from smbcore.wire.change_notify import ChangeNotifyRequest
    from smbcore.wire.lock import LOCK_EXCLUSIVE, LOCK_FAIL_IMMEDIATELY, LockElement, LockRequest

    core.start()
    one, other = await client_of(core), await client_of(core)
    root = await one.raw.create("", FILE_GENERIC_READ, options=FILE_DIRECTORY_FILE, share=SHARE_ALL)
    first, second = await one.open("locked.bin", "a+"), await other.open("locked.bin", "a+")
    (await one.raw.lock(first.file_id, [LockElement(0, 10, LOCK_EXCLUSIVE | LOCK_FAIL_IMMEDIATELY)])).expect()
    # only now that the file is there: making it would answer the notify, perhaps before there is an interim response
    notify = await one.raw.begin(ChangeNotifyRequest(root.expect().body.file_id, 4096, 0xFFF))
    lock = await other.raw.begin(LockRequest(second.file_id, [LockElement(0, 10, LOCK_EXCLUSIVE)], 0))
    await notify.pending()
    await lock.pending()
    begin = time.monotonic()
    assert await asyncio.to_thread(core.stop) == 0
    assert time.monotonic() - begin < A_FEW_SECONDS
    assert "Traceback" not in core.log


async def test_a_database_that_somebody_else_has_locked_holds_up_no_end(core: ServerProcess) -> None:
    """1 another process writes for long, 2 the core is told to end, 3 it does before a supervisor loses patience."""
    core.start()
    share = await client_of(core)
    engine = open_engine(core.directory.database_url)
    with writing(engine):
        begin = time.monotonic()
        assert await asyncio.to_thread(core.stop) in (0, 1)
        assert time.monotonic() - begin < PATIENCE
    engine.dispose()
    await share.raw.connection.wait_lost()
    assert "Traceback" not in core.log
    core.start()
    assert rows(core, session) == []


async def test_writes_under_way_end_with_an_answer_or_with_the_connection(core: ServerProcess) -> None:
    """What a client was told is written, is there after a SIGTERM in the middle of many writes."""
    core.start()
    share = await client_of(core)
    file = await share.open("stream.bin", "a+")
    told = 0

    async def write_on() -> None:
        nonlocal told
        block = os.urandom(65536)
        while True:
            await file.write(told, block[:-8] + told.to_bytes(8, "little"))
            told += len(block)

    writer = asyncio.ensure_future(write_on())
    while told < 20 * 65536:
        assert not writer.done(), writer
        await asyncio.sleep(0)
    stopping = asyncio.ensure_future(asyncio.to_thread(core.stop))
    with pytest.raises((ConnectionLost, NtError)):
        await writer
    assert await stopping == 0
    content = (core.folder / "files" / "stream.bin").read_bytes()
    assert len(content) >= told
    for end in range(65536, told + 1, 65536):
        assert int.from_bytes(content[end - 8 : end], "little") == end - 65536


def test_second_core_on_the_same_data_directory_is_refused(core: ServerProcess) -> None:
    core.start()
    second = ServerProcess(core.base)
    assert "another server" in refusal(second)
    assert core.process.poll() is None
    assert rows(core, version)[0].state == "up"


async def test_first_core_serves_on_after_a_refused_second_one(core: ServerProcess) -> None:
    core.start()
    refusal(ServerProcess(core.base))
    share = await client_of(core)
    await share.write("a.txt", b"still here")
    await share.close()


def test_taken_port_is_refused_in_one_line(core: ServerProcess, tmp_path: Path) -> None:
    core.start()
    other = ServerProcess(tmp_path / "other", port=core.port)
    other.base.mkdir()
    other.prepare()
    line = refusal(other)
    assert str(core.port) in line
    assert "in use" in line.lower()
    assert not other.directory.control_socket.exists()
    assert rows(other, version)[0].state == "down"


def test_database_of_a_newer_program_is_refused(core: ServerProcess) -> None:
    engine = open_engine(core.directory.database_url)
    with writing(engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    assert "9999" in refusal(core)


def _remove_key(server: ServerProcess) -> None:
    server.directory.key_file.unlink()


def _damage_key(server: ServerProcess) -> None:
    server.directory.key_file.write_text("nonsense")


def _other_key(server: ServerProcess) -> None:
    from smbcore.state.keyfile import KeyFile

    server.directory.key_file.unlink()
    KeyFile.create(server.directory.key_file)


def _open_key(server: ServerProcess) -> None:
    server.directory.key_file.chmod(0o644)


def _remove_everything(server: ServerProcess) -> None:
    shutil.rmtree(server.directory.path)


def _damage_database(server: ServerProcess) -> None:
    for path in server.directory.path.glob("holdfast.db*"):
        path.write_bytes(b"this is no database" * 1000)


def _empty_database(server: ServerProcess) -> None:
    for path in server.directory.path.glob("holdfast.db*"):
        path.unlink()


def _unreachable_postgresql(server: ServerProcess) -> None:
    server.database_url = "postgresql://holdfast@/nothing?host=/nonexistent"


def _refusing_postgresql(server: ServerProcess) -> None:
    server.database_url = "postgresql://holdfast:secret-word@127.0.0.1:1/nothing"


def _wrong_url(server: ServerProcess) -> None:
    server.database_url = "nonsense://nowhere"


def _wrong_address(server: ServerProcess) -> None:
    server.port = 99999


@pytest.mark.parametrize(
    "damage, expected",
    [
        (_remove_key, "key file"),
        (_damage_key, "damaged"),
        (_other_key, "another key"),
        (_open_key, "readable by its owner only"),
        (_remove_everything, "key file"),
        (_damage_database, "database"),
        (_empty_database, "empty"),
        (_unreachable_postgresql, "database"),
        (_refusing_postgresql, "database"),
        (_wrong_url, "not supported"),
        (_wrong_address, "99999"),
    ],
)
def test_what_cannot_work_is_told_in_one_line(
    core: ServerProcess, damage: Callable[[ServerProcess], None], expected: str
) -> None:
    damage(core)
    line = refusal(core)
    assert expected in line
    assert "secret-word" not in line


async def test_share_without_its_folder_is_bad_network_name_and_others_work(core: ServerProcess) -> None:
    folder = core.folder / "sealed"
    folder.rename(core.folder / "away")
    core.start()
    with pytest.raises(NtError) as caught:
        await client_of(core, "sealed")
    assert caught.value.status is Status.BAD_NETWORK_NAME
    share = await client_of(core)
    await share.write("a.txt", b"works")
    await share.close()
    (core.folder / "away").rename(folder)
    back = await client_of(core, "sealed")
    await back.write("b.txt", b"works again")
    await back.close()
    assert core.stop() == 0
    assert "Traceback" not in core.log
    assert str(folder) in core.log
