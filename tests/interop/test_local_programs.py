"""A real core beside programs on the server: files that clients cache, ranges that clients lock, personal folders."""

from __future__ import annotations

import asyncio
import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from smbcore.auth.initiator import Initiator
from smbcore.client.connection import Connection
from smbcore.client.raw import RawClient, negotiate
from smbcore.client.session import sign_in
from smbcore.client.transport import connect_tcp
from smbcore.nt.access import FILE_GENERIC_READ, FILE_GENERIC_WRITE
from smbcore.nt.create import FILE_OPEN_IF
from smbcore.nt.status import Status
from smbcore.state.configuration import ShareOptions
from smbcore.wire.create import OPLOCK_BATCH, OPLOCK_LEVEL_II, OPLOCK_NONE
from smbcore.wire.lock import LOCK_EXCLUSIVE, LOCK_FAIL_IMMEDIATELY, LOCK_UNLOCK, LockElement
from tests.interop.server_process import OTHER_PASSWORD, OTHER_USER, PASSWORD, USER, ServerProcess
from tests.protocol.steps import next_break

ACCESS = FILE_GENERIC_READ | FILE_GENERIC_WRITE
NOW = LOCK_EXCLUSIVE | LOCK_FAIL_IMMEDIATELY
READER = "import sys; print(open(sys.argv[1], 'rb').read().decode(), flush=True)"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    shares = (
        {"name": "cached", "options": ShareOptions(kernel_oplocks=True)},
        {"name": "locked", "options": ShareOptions(posix_locks=True)},
        {"name": "home", "options": ShareOptions(personal_folders=True)},
    )
    with ServerProcess(tmp_path_factory.mktemp("server"), shares=shares).running() as process:
        yield process


async def connected(server: ServerProcess, share: str, user: str = USER, password: str = PASSWORD) -> RawClient:
    connection = Connection(await connect_tcp("127.0.0.1", server.port))
    await negotiate(connection)
    raw = RawClient(connection).as_session(await sign_in(connection, Initiator(user, password)))
    return raw.on_tree((await raw.tree_connect(rf"\\server\{share}")).expect())


async def with_batch(raw: RawClient, name: str) -> tuple[bytes, int]:
    body = (await raw.create(name, ACCESS, FILE_OPEN_IF, oplock=OPLOCK_BATCH)).expect().body
    return body.file_id, body.oplock_level


async def test_a_program_reads_what_a_client_had_in_its_cache(server: ServerProcess) -> None:
    """1 a client caches  2 a program opens the file and waits  3 the client writes back, answers  4 it reads that."""
    raw = await connected(server, "cached")
    file_id, level = await with_batch(raw, "report")
    assert level == OPLOCK_BATCH
    path = server.folder / "cached" / "report"
    program = subprocess.Popen([sys.executable, "-c", READER, str(path)], stdout=subprocess.PIPE, text=True)  # noqa: ASYNC220
    notice = (await next_break(raw)).body
    assert (notice.file_id, notice.oplock_level) == (file_id, OPLOCK_NONE)
    assert program.poll() is None
    (await raw.write(file_id, 0, b"the newest figures")).expect()
    (await raw.acknowledge_oplock_break(file_id, OPLOCK_NONE)).expect()
    assert (await asyncio.to_thread(program.communicate, timeout=20))[0].strip() == "the newest figures"
    (await raw.close(file_id)).expect()
    raw.connection.close()


async def test_a_file_that_a_program_has_open_is_not_cached(server: ServerProcess) -> None:
    path = server.folder / "cached" / "log"
    path.write_bytes(b"line")
    with path.open("ab"):
        raw = await connected(server, "cached")
        file_id, level = await with_batch(raw, "log")
        assert level == OPLOCK_NONE
        (await raw.close(file_id)).expect()
    file_id, level = await with_batch(raw, "log")
    assert level == OPLOCK_BATCH
    (await raw.close(file_id)).expect()
    raw.connection.close()


async def test_clients_share_their_caches_as_everywhere(server: ServerProcess) -> None:
    (server.folder / "cached" / "shared").write_bytes(b"text")
    clients = [await connected(server, "cached") for _ in range(2)]
    for raw in clients:
        body = (await raw.create("shared", FILE_GENERIC_READ, FILE_OPEN_IF, oplock=OPLOCK_LEVEL_II)).expect().body
        assert body.oplock_level == OPLOCK_LEVEL_II
    for raw in clients:
        assert raw.connection.breaks.empty()
        raw.connection.close()


async def test_locks_exclude_each_other(server: ServerProcess) -> None:
    raw = await connected(server, "locked")
    file_id, _ = await with_batch(raw, "database")
    with (server.folder / "locked" / "database").open("r+b") as program:
        (await raw.lock(file_id, [LockElement(0, 10, NOW)])).expect()
        with pytest.raises(OSError):
            fcntl.lockf(program, fcntl.LOCK_EX | fcntl.LOCK_NB, 5, 5)
        fcntl.lockf(program, fcntl.LOCK_EX | fcntl.LOCK_NB, 5, 20)
        assert (await raw.lock(file_id, [LockElement(22, 1, NOW)])).status is Status.LOCK_NOT_GRANTED
        waiting = asyncio.ensure_future(raw.lock(file_id, [LockElement(22, 1, LOCK_EXCLUSIVE)]))
        (await raw.lock(file_id, [LockElement(0, 10, LOCK_UNLOCK)])).expect()
        fcntl.lockf(program, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 0)
        assert not waiting.done()
        fcntl.lockf(program, fcntl.LOCK_UN, 5, 20)
        async with asyncio.timeout(20):
            (await waiting).expect()
        (await raw.close(file_id)).expect()
        fcntl.lockf(program, fcntl.LOCK_EX | fcntl.LOCK_NB)
    raw.connection.close()


async def test_every_user_gets_a_folder(server: ServerProcess) -> None:
    for user, password in ((USER, PASSWORD), (OTHER_USER, OTHER_PASSWORD)):
        raw = await connected(server, "home", user, password)
        file_id, _ = await with_batch(raw, "mine")
        (await raw.write(file_id, 0, user.encode())).expect()
        (await raw.close(file_id)).expect()
        raw.connection.close()
    home: Path = server.folder / "home"
    assert {entry: (home / entry / "mine").read_text() for entry in os.listdir(home)} == {
        USER: USER, OTHER_USER: OTHER_USER,
    }  # fmt: skip
