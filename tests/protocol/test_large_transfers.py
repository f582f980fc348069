"""Reads and writes up to what was negotiated, at the boundaries of credits and buffers  [MS-SMB2 3.3.5.12, 3.3.5.13]."""

from __future__ import annotations

import random

import pytest

from smbcore.client.message import How, Signature
from smbcore.nt.status import Status
from tests.protocol.steps import lives, only, opened

MIB = 1024 * 1024
UNIT = 65536
LARGEST = 8 * MIB
SIZES = (1, UNIT - 1, UNIT, UNIT + 1, 256 * 1024, MIB - 1, MIB + 1, LARGEST - 1, LARGEST)
HOWS = {
    "plain": How(),
    "signed": How(signature=Signature.ALWAYS),
    "sealed": How(seal=True),
}


def noise(size):
    return random.Random(size).randbytes(size)


async def with_credits(raw):
    """Ask until the largest request can be sent."""
    while raw.connection.credits < LARGEST // UNIT:
        (await raw.echo(How(credits=512))).expect()


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("offset", [0, 1, 4095, UNIT + 7])
async def test_every_size_at_every_offset(server, how, offset):
    raw = await server.tree(offer=only(0x0311))
    await with_credits(raw)
    file_id = await opened(raw)
    for size in SIZES:
        data = noise(size)
        written = (await raw.write(file_id, offset, data, HOWS[how])).expect().body.count
        assert written == size
        response = (await raw.read(file_id, offset, size, HOWS[how])).expect()
        assert bytes(response.body.data) == data
    before = bytes((await raw.read(file_id, 0, offset)).expect().body.data) if offset else b""
    assert before == bytes(offset)


@pytest.mark.parametrize("size", [LARGEST + 1, LARGEST + UNIT])
async def test_more_than_negotiated_is_refused(server, size):
    raw = await server.tree()
    await with_credits(raw)
    file_id = await opened(raw)
    assert (await raw.read(file_id, 0, size)).status is Status.INVALID_PARAMETER
    assert (await raw.write(file_id, 0, bytes(size))).status is Status.INVALID_PARAMETER
    await lives(server)


async def test_a_read_across_the_end_is_short(server):
    raw = await server.tree()
    await with_credits(raw)
    file_id = await opened(raw)
    data = noise(MIB + 3)
    (await raw.write(file_id, 0, data)).expect()
    response = (await raw.read(file_id, 1, LARGEST)).expect()
    assert bytes(response.body.data) == data[1:]
    assert (await raw.read(file_id, 0, LARGEST, minimum_count=MIB + 4)).status is Status.END_OF_FILE


@pytest.mark.parametrize("dialect", [0x0202, 0x0210])
async def test_without_multi_credit_64_kib_is_all(server, dialect):
    raw = await server.tree(offer=only(dialect))
    file_id = await opened(raw)
    largest = raw.connection.negotiated.response.max_write
    assert largest == (UNIT if dialect == 0x0202 else LARGEST)
    (await raw.write(file_id, 0, bytes(UNIT))).expect()
    if dialect == 0x0202:
        assert (await raw.write(file_id, 0, bytes(UNIT + 1))).status is Status.INVALID_PARAMETER
