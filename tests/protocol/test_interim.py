"""Interim responses: credits, protection  [MS-SMB2 3.3.4.2, 3.3.4.1.1]."""

from __future__ import annotations

import pytest

from smbcore.client.message import How
from smbcore.nt.access import FILE_GENERIC_READ
from smbcore.nt.create import FILE_OPEN
from smbcore.nt.status import Status
from smbcore.wire.change_notify import ChangeNotifyRequest
from smbcore.wire.header import FLAG_SIGNED
from tests.protocol.steps import SIGNED, only, opened


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
