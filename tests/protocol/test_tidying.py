"""What local programs leave behind when they delete files goes away now and then, beside the work for clients."""

from __future__ import annotations

import os

import pytest

from smbcore.nt.access import FILE_GENERIC_READ, FILE_GENERIC_WRITE
from smbcore.nt.create import FILE_OPEN_IF
from smbcore.vfs.posix import handles
from smbcore.vfs.posix.backend import PosixBackend
from tests.memory_server import make_server

ACCESS = FILE_GENERIC_READ | FILE_GENERIC_WRITE


@pytest.fixture
async def posix(tmp_path):
    descriptor = os.open(tmp_path, os.O_RDONLY)
    handle = handles.handle_of(descriptor)
    may_ask = handle is not None and handles.is_gone(descriptor, handle) is False
    os.close(descriptor)
    if not may_ask:
        pytest.skip("opening by handle takes CAP_DAC_READ_SEARCH and a local file system")
    server = make_server(backend=lambda _: PosixBackend(tmp_path))
    yield server
    await server.close()


async def tidy(server):
    server.server.tidy()
    await server.server.drain()


async def test_side_files_of_a_file_that_was_deleted_locally_go_away(posix, tmp_path):
    # 1 a client gives two files a stream that is too large for an extended attribute
    raw = await posix.tree()
    for name in ("gone", "kept"):
        file_id = (await raw.create(f"{name}:stream", ACCESS, FILE_OPEN_IF)).expect().body.file_id
        (await raw.write(file_id, 0, b"x" * 10_000)).expect()
        (await raw.close(file_id)).expect()
    store = tmp_path / ".holdfast-streams"
    assert len(os.listdir(store)) == 2
    # 2 a local program deletes one
    (tmp_path / "gone").unlink()
    # 3 two rounds later its stream is gone too, and the other is as it was
    await tidy(posix)
    assert len(os.listdir(store)) == 2
    await tidy(posix)
    assert len(os.listdir(store)) == 1
    file_id = (await raw.create("kept:stream", ACCESS, FILE_OPEN_IF)).expect().body.file_id
    assert len((await raw.read(file_id, 0, 20_000)).expect().body.data) == 10_000


async def test_shares_that_nobody_used_are_not_opened_to_be_tidied(manual):
    await tidy(manual)
    assert manual.volumes == {}
    await manual.tree()
    await tidy(manual)
    assert list(manual.volumes) == ["data"]
