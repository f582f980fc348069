"""Names that are UTF-16 as NTFS takes it: 16-bit units in any order  [MS-FSCC 2.1.5].

smb2.charset asks for this; where its client cannot make such a name itself, nothing reaches the server.
"""

from __future__ import annotations

import pytest

from smbcore.nt.create import FILE_CREATE, FILE_DIRECTORY_FILE, FILE_OPEN
from smbcore.nt.info.classes import FILE_ID_BOTH_DIRECTORY_INFORMATION
from smbcore.nt.info.directory import decode_entries
from smbcore.nt.status import Status
from smbcore.vfs.memory.backend import MemoryBackend
from smbcore.vfs.posix.backend import PosixBackend
from tests.protocol.steps import opened

HIGH, LOW = "\ud801", "\udc02"
NAMES = [HIGH, LOW, HIGH + HIGH, LOW + HIGH, HIGH + "x", "x" + LOW, "\U00010402", "plain"]  # the pair is HIGH, LOW


@pytest.fixture(params=["memory", "posix"])
async def raw(make, request, tmp_path):
    def backend(clock):
        if request.param == "memory":
            return MemoryBackend(clock)
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        return PosixBackend(folder)

    return await make(backend=backend).tree()


async def test_each_of_them_is_a_file_of_its_own(raw):
    # 1 none is taken for another
    for number, name in enumerate(NAMES):
        file_id = await opened(raw, name, disposition=FILE_CREATE)
        (await raw.write(file_id, 0, bytes([number]))).expect()
        (await raw.close(file_id)).expect()
    for name in NAMES:
        assert (await raw.create(name, 1, FILE_CREATE)).status is Status.OBJECT_NAME_COLLISION
    # 2 each is found again, and holds what was written to it
    for number, name in enumerate(NAMES):
        file_id = await opened(raw, name, disposition=FILE_OPEN)
        assert bytes((await raw.read(file_id, 0, 10)).expect().body.data) == bytes([number])
    # 3 the listing shows them as they were named
    root = await opened(raw, "", 1, FILE_OPEN, options=FILE_DIRECTORY_FILE)
    response = await raw.query_directory(root, FILE_ID_BOTH_DIRECTORY_INFORMATION)
    entries = decode_entries(FILE_ID_BOTH_DIRECTORY_INFORMATION, response.expect().body.output)
    assert sorted(entry.name for entry in entries if entry.name not in (".", "..")) == sorted(NAMES)


async def test_a_listing_finds_one_by_its_name(raw):
    await opened(raw, "before" + HIGH + "after")
    root = await opened(raw, "", 1, FILE_OPEN, options=FILE_DIRECTORY_FILE)
    response = await raw.query_directory(root, FILE_ID_BOTH_DIRECTORY_INFORMATION, "BEFORE" + HIGH + "*")
    (entry,) = decode_entries(FILE_ID_BOTH_DIRECTORY_INFORMATION, response.expect().body.output)
    assert entry.name == "before" + HIGH + "after"
