"""Interim responses: credits, protection  [MS-SMB2 3.3.4.2, 3.3.4.1.1]."""

from __future__ import annotations

import pytest

from smbcore.client.message import How
from smbcore.nt.access import FILE_GENERIC_READ
from smbcore.nt.create import FILE_OPEN
from smbcore.nt.status import Status
from smbcore.vfs.faulty import Fault, FaultyBackend, Schedule
from smbcore.vfs.memory.backend import MemoryBackend
from smbcore.wire.change_notify import ChangeNotifyRequest
from smbcore.wire.echo import EchoRequest
from smbcore.wire.header import FLAG_SIGNED
from smbcore.wire.write import WriteRequest
from tests.protocol.steps import SIGNED, Gate, only, opened, turn


async def watching(raw, how):
    directory = await opened(raw, "", FILE_GENERIC_READ, FILE_OPEN)
    return await raw.begin(ChangeNotifyRequest(directory, 1000, 1), how)


@pytest.mark.parametrize("algorithm", [0, 1, 2])
async def test_only_the_final_response_is_signed(server, algorithm):
    """Both have one message id: AES-GMAC must not sign two different messages with it  [MS-SMB2 3.1.4.1]"""
    raw = await server.tree(offer=only(0x0311, signing=(algorithm,)))
    pending = await watching(raw, SIGNED)
    interim = await pending.pending()
    assert interim.status is Status.PENDING
    assert not interim.flags & FLAG_SIGNED
    assert interim.header.signature == bytes(16)
    await opened(raw, "new")
    final = await pending.response()
    assert final.verified


async def test_of_a_sealed_request_both_are_sealed(server):
    raw = await server.tree()
    pending = await watching(raw, How(seal=True))
    assert (await pending.pending()).sealed
    await opened(raw, "new")
    assert (await pending.response()).sealed


async def test_the_interim_response_brings_all_credits(server):
    raw = await server.tree()
    pending = await watching(raw, How(credits=17))
    assert (await pending.pending()).header.credits == 17
    await opened(raw, "new")
    assert (await pending.response()).header.credits == 0


async def test_large_requests_that_wait_hold_back_their_credits(make):
    """Each holds as much memory: of them, no more wait than the client has credits for"""
    faults, stop = Schedule(), Gate()
    server = make(backend=lambda clock: FaultyBackend(MemoryBackend(clock), faults), max_credits=64)
    raw = await server.tree()
    while raw.connection.credits < 64:
        (await raw.echo(How(credits=64))).expect()
    file_id = await opened(raw)
    # 1 a disk that does nothing any more, and a client that writes on
    faults.add(Fault("write", times=-1, until=stop))
    writes = []
    while raw.connection.credits >= 8:
        writes.append(await raw.begin(WriteRequest(file_id, len(writes) << 19, bytes(1 << 19)), How(credits=8)))
        assert (await writes[-1].pending()).credits == 1
    assert len(writes) == 9
    # 2 there are credits for something else
    (await raw.echo()).expect()
    # 3 and with the answers, the rest
    stop.set()
    assert [(await write.response()).expect().credits for write in writes] == [7] * 9
    assert raw.connection.credits == 64


@pytest.mark.parametrize("interim_delay", [0.0, 3600.0])
async def test_credits_that_were_not_granted_yet_cannot_be_used(make, interim_delay):
    """The window opens with the response, or a client that knows what it will get need not wait  [MS-SMB2 3.3.4.1.2]"""
    faults, stop = Schedule(), Gate()
    server = make(
        backend=lambda clock: FaultyBackend(MemoryBackend(clock), faults), max_credits=64, interim_delay=interim_delay
    )
    # 1 a write that takes all credits of a client, and waits
    raw = await server.tree()
    file_id = await opened(raw)
    while raw.connection.credits < 64:
        (await raw.echo(How(credits=64))).expect()
    faults.add(Fault("write", times=-1, until=stop))
    write = await raw.begin(WriteRequest(file_id, 0, bytes(1 << 19)), How(credits=64, charge=64))
    await turn()
    # 2 an id that its answer will bring
    told = int(write.interim.done())
    try:
        await raw.begin(EchoRequest(), How(message_id=raw.connection.next_message_id + told))
        await raw.connection.wait_lost(5)
    finally:
        stop.set()


async def test_a_large_request_that_is_cancelled_gives_back_its_credits(make):
    server = make(max_credits=64)
    raw = await server.tree()
    await raw.echo(How(credits=64))
    folder = await opened(raw, "", FILE_GENERIC_READ, FILE_OPEN)
    watch = await raw.begin(ChangeNotifyRequest(folder, 1 << 19, 1), How(credits=8))
    assert (await watch.pending()).credits == 1
    await raw.cancel(watch)
    final = await watch.response()
    assert (final.status, final.credits) == (Status.CANCELLED, 7)
