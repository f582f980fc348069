"""Copying by token over the wire  [MS-SMB2 3.3.5.15, MS-FSCC 2.3.41-2.3.44]"""

from __future__ import annotations

import pytest

from smbcore.nt.access import FILE_ALL_ACCESS
from smbcore.nt.create import FILE_OPEN_IF
from smbcore.nt.info import fsctl
from smbcore.nt.info.classes import FILE_END_OF_FILE_INFORMATION
from smbcore.nt.info.file import EndOfFileInformation
from smbcore.nt.info.offload import OffloadRead, OffloadReadResult, OffloadWrite, OffloadWriteResult
from smbcore.nt.status import Status
from tests.memory_server import OTHER_PASSWORD, OTHER_USER
from tests.protocol.steps import opened

DATA = bytes(range(256)) * 64
SIZE = 16384


async def filled(raw, name="source", data=DATA):
    file_id = await opened(raw, name, FILE_ALL_ACCESS, FILE_OPEN_IF)
    (await raw.write(file_id, 0, data)).expect()
    return file_id


async def sized(raw, name="target", size=SIZE):
    file_id = await opened(raw, name, FILE_ALL_ACCESS, FILE_OPEN_IF)
    (await raw.set_info(file_id, FILE_END_OF_FILE_INFORMATION, EndOfFileInformation(size).encode())).expect()
    return file_id


async def token_of(raw, file_id, offset=0, length=SIZE):
    reply = await raw.ioctl(fsctl.FSCTL_OFFLOAD_READ, OffloadRead(offset, length).encode(), file_id=file_id)
    return OffloadReadResult.decode(bytes(reply.expect().body.output))


async def put(raw, file_id, token, offset=0, length=SIZE, at=0):
    asked = OffloadWrite(offset, length, at, token.encode()).encode()
    return await raw.ioctl(fsctl.FSCTL_OFFLOAD_WRITE, asked, file_id=file_id)


async def content(raw, file_id):
    return bytes((await raw.read(file_id, 0, len(DATA))).expect().body.data)


async def test_a_file_is_copied_without_its_bytes_on_the_wire(server):
    raw = await server.tree()
    source, target = await filled(raw), await sized(raw)
    read = await token_of(raw, source)
    assert read.length == len(DATA)
    written = (await put(raw, target, read.token)).expect()
    assert OffloadWriteResult.decode(bytes(written.body.output)).length_written == len(DATA)
    assert await content(raw, target) == DATA


async def test_from_one_share_to_another_and_over_another_connection(server):
    """1 a token from one share, 2 the same user connects again, to another share, 3 the token works there."""
    raw = await server.tree()
    source = await filled(raw)
    token = (await token_of(raw, source)).token
    other = await server.tree("always")
    target = await sized(other)
    (await put(other, target, token)).expect()
    assert await content(other, target) == DATA


async def test_a_token_is_of_no_use_to_another_user(server):
    raw = await server.tree()
    token = (await token_of(raw, await filled(raw))).token
    other = await server.tree(user=OTHER_USER, password=OTHER_PASSWORD)
    assert (await put(other, await sized(other), token)).status is Status.INVALID_TOKEN


async def test_a_token_ends_with_its_time_or_its_source(manual):
    raw = await manual.tree()
    source, target = await filled(raw), await sized(raw)
    token = (await token_of(raw, source)).token
    manual.clock.advance(31)
    assert (await put(raw, target, token)).status is Status.INVALID_TOKEN
    token = (await token_of(raw, source)).token
    (await raw.close(source)).expect()
    assert (await put(raw, target, token)).status is Status.INVALID_TOKEN
    assert await content(raw, target) == bytes(len(DATA))


@pytest.mark.parametrize("share", ["data", "IPC$"])
@pytest.mark.parametrize("code", [fsctl.FSCTL_OFFLOAD_READ, fsctl.FSCTL_OFFLOAD_WRITE])
async def test_an_unknown_handle_is_closed(server, share, code):
    raw = await server.tree(share)
    assert (await raw.ioctl(code, bytes(600), file_id=bytes(16))).status is Status.FILE_CLOSED


async def test_a_failed_copy_carries_no_body(server):
    raw = await server.tree()
    target = await sized(raw)
    failed = await raw.ioctl(fsctl.FSCTL_OFFLOAD_WRITE, OffloadWrite(0, 512, 0, bytes(512)).encode(), file_id=target)
    assert failed.status is Status.INVALID_TOKEN
    small = await raw.ioctl(fsctl.FSCTL_OFFLOAD_READ, bytes(31), file_id=target)
    assert small.status is Status.BUFFER_TOO_SMALL
