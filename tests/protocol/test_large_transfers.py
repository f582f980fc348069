"""Reads and writes up to what was negotiated, at the boundaries of credits and buffers  [MS-SMB2 3.3.5.12, 3.3.5.13]."""

from __future__ import annotations

import random

import pytest

from smbcore.client.message import How, Signature
from smbcore.nt.status import Status
from smbcore.wire.echo import EchoRequest
from smbcore.wire.read import ReadRequest
from smbcore.wire.write import WriteRequest
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


async def with_credits(raw, wanted=LARGEST // UNIT):
    """Ask until the largest request can be sent, or as many as are wanted are there."""
    while raw.connection.credits < wanted:
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


@pytest.mark.parametrize("how", HOWS)
async def test_replies_of_a_compound_that_no_frame_could_hold(server, how):
    """[MS-SMB2 3.3.4.1.3]: compounding replies is up to the server, and a frame has 24 bits for its length"""
    raw = await server.tree()
    await with_credits(raw, 3 * LARGEST // UNIT + 10)
    file_id = await opened(raw)
    data = noise(LARGEST)
    (await raw.write(file_id, 0, data, HOWS[how])).expect()
    reads = [ReadRequest(file_id, 0, LARGEST), ReadRequest(file_id, 1, LARGEST - 1), ReadRequest(file_id, 2, 100)]
    requests = [raw.request(body, HOWS[how]) for body in (EchoRequest(), *reads)]
    responses = [await item.response() for item in await raw.connection.start(*requests)]
    assert [response.status for response in responses] == [Status.SUCCESS] * 4
    assert [bytes(response.body.data) for response in responses[1:]] == [data, data[1:], data[2:102]]
    assert [bool(response.header.next_command) for response in responses] == [True, False, True, False]
    assert all(response.verified for response in responses) == (how == "signed")
    assert all(response.sealed for response in responses) == (how == "sealed")


async def test_a_compound_does_not_read_more_than_may_lie_here(server, caplog):
    """The credits would do for 512 MiB, which would have to wait for a client that takes its replies"""
    raw = await server.tree()
    await with_credits(raw, 8000)
    file_id = await opened(raw)
    (await raw.write(file_id, 0, bytes(LARGEST))).expect()
    responses = await raw.compound(*(ReadRequest(file_id, 0, LARGEST) for _ in range(10)), related=False)
    statuses = [response.status for response in responses]
    assert statuses == [Status.SUCCESS] * 4 + [Status.INSUFFICIENT_RESOURCES] * 6
    assert [record.getMessage() for record in caplog.records if "one compound" in record.getMessage()] == [
        "conn=0x1 peer=memory:1 refused: too many bytes read by one compound"
    ]
    (await raw.read(file_id, 0, LARGEST)).expect()


PROTECTED = [(dialect, how) for dialect in (0x0210, 0x0300, 0x0302, 0x0311) for how in HOWS]
PROTECTED.remove((0x0210, "sealed"))


@pytest.mark.parametrize("dialect, how", PROTECTED)
async def test_every_dialect_that_has_them_moves_8_mib_at_full_credits(server, dialect, how):
    """Twelve requests of 128 credits each are under way, of a client that holds as many credits as there are"""
    raw = await server.tree(offer=only(dialect))
    await with_credits(raw, 8192)
    file_id = await opened(raw)
    data = noise(LARGEST)
    (await raw.write(file_id, 0, data, HOWS[how])).expect()
    await with_credits(raw, 8192)
    pendings = [await raw.begin(ReadRequest(file_id, n, LARGEST - n), HOWS[how]) for n in range(8)]
    pendings += [await raw.begin(WriteRequest(file_id, (1 + n) * LARGEST, data), HOWS[how]) for n in range(4)]
    rest = raw.connection.credits
    assert rest == 8192 - 12 * (LARGEST // UNIT)
    for number, pending in enumerate(pendings):
        response = (await pending.response()).expect()
        if number < 8:
            assert bytes(response.body.data) == data[number:]
        else:
            assert response.body.count == LARGEST
        assert response.header.credit_charge == LARGEST // UNIT
    for number in range(4):
        got = (await raw.read(file_id, (1 + number) * LARGEST, LARGEST, HOWS[how])).expect()
        assert bytes(got.body.data) == data
    assert 1 <= raw.connection.credits <= 8192
