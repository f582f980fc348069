"""The core with its state in PostgreSQL: what people see of it, and an outage of the database."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from server_process import PASSWORD, USER, ServerProcess
from sqlalchemy import text
from waiting import eventually, rows

from smbcore.client.files import Share, connect
from smbcore.nt.status import Status
from smbcore.state.engine import open_engine
from smbcore.state.schema import open_, session, tcon
from tests.interop.test_handles_survive_restart import connected
from tests.interop.test_restart import PATIENCE
from tests.postgresql import MISSING, PostgreSQL, is_installed, running_postgresql
from tests.protocol.durable import OTHER_CLIENT, durable, plain, reclaimed

pytestmark = pytest.mark.skipif(not is_installed(), reason=MISSING)


@pytest.fixture(scope="module")
def database() -> Iterator[PostgreSQL]:
    with running_postgresql() as server:
        yield server


@pytest.fixture(scope="module")
def core(database: PostgreSQL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    base = tmp_path_factory.mktemp("core")
    settings = {"signing_required": False}
    server = ServerProcess(base, settings, database_url=database.new_database(), log_level="INFO")
    with server.running():
        yield server


async def client_of(server: ServerProcess) -> Share:
    return await connect("127.0.0.1", "files", USER, PASSWORD, port=server.port)


async def test_sessions_and_tree_connects_are_stored_before_the_client_hears_of_them(core: ServerProcess) -> None:
    for _ in range(10):
        share = await client_of(core)
        (seen,), (tree,) = rows(core, session), rows(core, tcon)
        assert (seen.user, seen.wire_id, seen.dialect) == (USER, share.raw.session.session_id, "3.1.1")
        assert (tree.share, tree.session_key, tree.wire_id) == ("files", seen.key, share.raw.tree_id)
        await share.close()
        await eventually(lambda: not rows(core, session) and not rows(core, tcon))


async def test_an_open_file_is_seen_while_it_is_open(core: ServerProcess) -> None:
    share = await client_of(core)
    async with await share.open("seen.bin", "w") as file:
        await file.write(0, b"x" * 5000)
        await eventually(lambda: [row.path for row in rows(core, open_)] == ["seen.bin"])
        (row,) = rows(core, open_)
        assert row.volatile_id.to_bytes(8, "little") == file.file_id[8:]
        await eventually(lambda: rows(core, open_)[0].bytes_written == 5000)
    await eventually(lambda: not rows(core, open_))
    await share.remove("seen.bin")
    await share.close()


@pytest.mark.skipif(shutil.which("smbclient") is None, reason="smbclient is not installed")
async def test_what_smbclient_holds_is_seen(core: ServerProcess, tmp_path: Path) -> None:
    """smbclient is a process that waits for commands, so its session stays until it is told to leave."""
    command = ["smbclient", "-s", "/dev/null", "-p", str(core.port), "-U", f"{USER}%{PASSWORD}", "//127.0.0.1/files"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd=tmp_path) as client:
        await eventually(lambda: [row.share for row in rows(core, tcon)] == ["files"])
        assert [row.user for row in rows(core, session)] == [USER]
        client.communicate(b"quit\n", timeout=20)
    await eventually(lambda: not rows(core, tcon) and not rows(core, session))


async def test_serving_goes_on_without_the_database_and_rows_catch_up(
    core: ServerProcess, database: PostgreSQL
) -> None:
    """1 a client holds a file, 2 the database goes, 3 old and new clients work, 4 it comes back, 5 rows are right."""
    before = await client_of(core)
    held = await before.open("held.bin", "a+")
    await eventually(lambda: len(rows(core, open_)) == 1)

    await asyncio.to_thread(database.stop)
    try:
        await held.write(0, b"written during the outage")
        during = await client_of(core)
        other = await during.open("other.bin", "a+")
        await other.write(0, b"made during the outage")
        await during.write("third.bin", b"closed during the outage")
        gone = await client_of(core)
        await gone.close()
    finally:
        await asyncio.to_thread(database.start)

    assert await held.read(0, 25) == b"written during the outage"
    await eventually(lambda: {row.path for row in rows(core, open_)} == {"held.bin", "other.bin"}, 40)
    await eventually(lambda: len(rows(core, session)) == 2)
    wire_ids = {before.raw.session.session_id, during.raw.session.session_id}
    assert {row.wire_id for row in rows(core, session)} == wire_ids
    assert len(rows(core, tcon)) == 2
    await held.close()
    await other.close()
    for name in ("held.bin", "other.bin", "third.bin"):
        await before.remove(name)
    await before.close()
    await during.close()
    await eventually(lambda: not rows(core, open_) and not rows(core, tcon) and not rows(core, session))
    assert core.log.count("records follow later") == 1
    assert "takes changes again" in core.log


async def test_the_core_stops_in_time_without_its_database(database: PostgreSQL, tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "core", database_url=database.new_database(), log_level="INFO")
    server.base.mkdir()
    server.prepare()
    server.start()
    share = await client_of(server)
    await asyncio.to_thread(database.stop)
    try:
        assert await asyncio.to_thread(server.stop) == 0
    finally:
        await asyncio.to_thread(database.start)
    await share.raw.connection.wait_lost()
    assert "Traceback" not in server.log
    server.start()  # the rows that it could not take away are an earlier boot's now
    assert [rows(server, table) for table in (session, tcon, open_)] == [[], [], []]
    assert server.stop() == 0


async def test_the_core_stops_in_time_while_its_database_is_silent(database: PostgreSQL, tmp_path: Path) -> None:
    """1 the database answers nothing, nor ends a connection  2 the core is told to end  3 it does."""
    server = ServerProcess(tmp_path / "core", database_url=database.new_database(), log_level="INFO")
    server.base.mkdir()
    server.prepare()
    server.start()
    share = await client_of(server)
    with silenced(server):
        begin = time.monotonic()
        assert await asyncio.to_thread(server.stop) in (0, 1)
        assert time.monotonic() - begin < PATIENCE
    await share.raw.connection.wait_lost()


@contextlib.contextmanager
def silenced(core: ServerProcess) -> Iterator[None]:
    """Keep PostgreSQL from answering those who are connected to the database of a core."""
    engine = open_engine(core.database_url)
    with engine.connect() as connection:
        others = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        processes = connection.execute(text(others)).scalars().all()
    engine.dispose()
    assert processes
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)


async def test_what_the_database_missed_before_the_end_is_not_believed(database: PostgreSQL, tmp_path: Path) -> None:
    """1 a durable handle, stored  2 the database goes  3 others change the file  4 killed  5 nothing outdated comes back.

    Once the database is there again and knows everything, handles survive as before.
    """
    server = ServerProcess(tmp_path / "core", database_url=database.new_database(), log_level="INFO")
    server.base.mkdir()
    server.prepare()
    server.start()
    raw = await connected(server)
    file_id = (await durable(raw, leased=True, share=7, state=3)).expect().body.file_id
    await eventually(lambda: [row.durable for row in rows(server, open_)] == ["durable"])
    other = await connected(server, guid=OTHER_CLIENT)
    handle = (await plain(other)).expect().body.file_id
    await asyncio.to_thread(database.stop)
    try:
        (await other.write(handle, 0, b"changed")).expect()
        server.stop(signal.SIGKILL)
    finally:
        await asyncio.to_thread(database.start)
    server.start()
    raw = await connected(server)
    assert (await reclaimed(raw, file_id, leased=True)).status is Status.OBJECT_NAME_NOT_FOUND
    file_id = (await durable(raw, leased=True)).expect().body.file_id
    await eventually(lambda: [row.durable for row in rows(server, open_)] == ["durable"])
    server.stop(signal.SIGKILL)
    server.start()
    (await reclaimed(await connected(server), file_id, leased=True)).expect()
    assert server.stop() == 0
