"""[MS-SMB2 3.3.1.1, 3.3.1.2, 3.3.5.2.3, 3.3.5.2.5]"""

from __future__ import annotations

import pytest

from smbcore.client.message import How
from smbcore.nt.access import FILE_GENERIC_READ
from smbcore.nt.create import FILE_OPEN
from smbcore.wire.change_notify import ChangeNotifyRequest
from smbcore.wire.echo import EchoRequest
from tests.protocol.steps import lives, only, opened


@pytest.mark.parametrize("asked", [0, 1, 10, 100, 65535])
async def test_who_asks_gets_credits_up_to_the_maximum(server, asked):
    raw = await server.negotiated()
    response = await raw.echo(How(credits=asked))
    assert 1 <= response.credits <= max(asked, 1)
    assert raw.connection.credits <= 8192
    (await raw.echo()).expect()


async def test_credits_never_run_out(server):
    raw = await server.negotiated()
    for _ in range(50):
        assert (await raw.echo(How(credits=0))).credits >= 1


async def test_maximum_is_kept(make):
    raw = await make(max_credits=20).negotiated()
    for _ in range(10):
        (await raw.echo(How(credits=100))).expect()
        assert raw.connection.credits <= 20


async def test_all_ids_may_be_used_in_any_order(server):
    raw = await server.negotiated()
    await raw.echo(How(credits=20))
    first = raw.connection.next_message_id
    for message_id in (first + 5, first + 2, first + 9, first, first + 1):
        (await raw.echo(How(message_id=message_id))).expect()


@pytest.mark.parametrize("distance", [-1, -3, 100_000, (1 << 63)])
async def test_id_outside_of_the_window_drops_the_connection(server, distance):
    raw = await server.tree()
    await raw.begin(EchoRequest(), How(message_id=raw.connection.next_message_id + distance))
    await raw.connection.wait_lost()
    await lives(server)


async def test_id_that_was_used_drops_the_connection(server):
    raw = await server.tree()
    await raw.echo(How(credits=10))
    message_id = raw.connection.next_message_id + 3
    (await raw.echo(How(message_id=message_id))).expect()
    await raw.begin(EchoRequest(), How(message_id=message_id))
    await raw.connection.wait_lost()


async def test_highest_id_of_all_drops_the_connection(server):
    raw = await server.tree()
    raw.connection.send_bytes(_echo((1 << 64) - 1))
    await raw.connection.wait_lost()


def _echo(message_id):
    from smbcore.wire.header import Header

    return Header(command=13, message_id=message_id).encode() + b"\x04\0\0\0"


async def test_charge_beyond_the_window_drops_the_connection(server):
    raw = await server.tree()
    await raw.begin(EchoRequest(), How(message_id=raw.connection.next_message_id, charge=60_000))
    await raw.connection.wait_lost()


async def test_charge_uses_up_consecutive_ids(server):
    raw = await server.tree()
    await raw.echo(How(credits=50))
    first = raw.connection.next_message_id
    (await raw.echo(How(message_id=first, charge=5))).expect()
    (await raw.echo(How(message_id=first + 5))).expect()
    await raw.begin(EchoRequest(), How(message_id=first + 4))
    await raw.connection.wait_lost()


async def test_charge_means_nothing_in_202(server):
    raw = await server.tree(offer=only(0x0202))
    first = raw.connection.next_message_id
    await raw.echo(How(credits=50))
    (await raw.echo(How(message_id=first + 1, charge=5))).expect()
    (await raw.echo(How(message_id=first + 2, charge=9))).expect()


async def test_interim_response_brings_all_credits(server):
    """[MS-SMB2 3.3.4.2]"""
    raw = await server.tree()
    directory = await opened(raw, "", FILE_GENERIC_READ, FILE_OPEN)
    watching = await raw.begin(ChangeNotifyRequest(directory, 1000, 1), How(credits=7))
    assert (await watching.pending()).credits == 7
    await opened(raw, "new")
    assert (await watching.response()).expect().credits == 0


async def test_pipelined_requests_are_all_answered(server):
    raw = await server.tree()
    await raw.echo(How(credits=300))
    pendings = [await raw.begin(EchoRequest()) for _ in range(200)]
    for pending in pendings:
        (await pending.response()).expect()
