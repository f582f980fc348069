"""[MS-SMB2 3.3.5.2.4, 3.3.4.1.1]"""

from __future__ import annotations

import pytest

from smbcore.client.negotiated import Offer
from smbcore.nt.status import Status
from smbcore.wire.flush import FlushRequest
from smbcore.wire.header import FLAG_SIGNED
from smbcore.wire.types import ANY_FILE_ID
from tests.protocol.steps import DIALECTS, SIGNED, UNSIGNED, WRONGLY_SIGNED, create_request, lives, only, opened

KINDS = [only(d) for d in DIALECTS[:-1]] + [only(0x0311, signing=(a,)) for a in (0, 1, 2)]


@pytest.mark.parametrize("offer", KINDS)
async def test_answers_are_signed_where_requests_are(server, offer):
    raw = await server.tree(offer=offer)
    file_id = await opened(raw)
    assert (await raw.flush(file_id, SIGNED)).expect().verified
    response = await raw.flush(file_id)
    assert not response.expect().flags & FLAG_SIGNED


@pytest.mark.parametrize("offer", KINDS)
async def test_session_that_signs_signs_everything(make, offer):
    server = make(signing_required=True)
    raw = await server.tree(offer=offer)
    assert raw.session.sign
    file_id = await opened(raw)
    assert (await raw.write(file_id, 0, b"x" * 50_000)).expect().verified
    response = await raw.read(file_id, 0, 50_000)
    assert response.expect().verified
    assert bytes(response.body.data) == b"x" * 50_000
    assert (await raw.read(file_id, 1 << 30, 1)).verified


async def test_client_may_demand_it_too(server):
    raw = await server.tree(offer=Offer(security_mode=2))
    file_id = await opened(raw)
    assert (await raw.flush(file_id)).verified
    assert (await raw.flush(file_id, UNSIGNED)).status is Status.ACCESS_DENIED


@pytest.mark.parametrize("offer", KINDS)
async def test_unsigned_requests_are_refused_and_nothing_is_lost(make, offer):
    raw = await make(signing_required=True).tree(offer=offer)
    file_id = await opened(raw)
    assert (await raw.flush(file_id, UNSIGNED)).status is Status.ACCESS_DENIED
    assert (await raw.create("x", how=UNSIGNED)).status is Status.ACCESS_DENIED
    (await raw.flush(file_id)).expect()


@pytest.mark.parametrize("offer", KINDS)
async def test_wrong_signatures_are_refused_and_nothing_is_lost(server, offer):
    raw = await server.tree(offer=offer)
    file_id = await opened(raw)
    assert (await raw.flush(file_id, WRONGLY_SIGNED)).status is Status.ACCESS_DENIED
    assert (await raw.echo(WRONGLY_SIGNED)).status is Status.ACCESS_DENIED
    (await raw.flush(file_id, SIGNED)).expect()


@pytest.mark.parametrize("offer", KINDS)
async def test_each_member_of_a_compound_is_signed(make, offer):
    raw = await make(signing_required=True).tree(offer=offer)
    responses = await raw.compound(create_request("a"), FlushRequest(ANY_FILE_ID), FlushRequest(ANY_FILE_ID))
    assert [r.status for r in responses] == [Status.SUCCESS] * 3
    assert all(response.verified for response in responses)


async def test_tree_connect_of_311_that_is_not_protected_drops_the_connection(server):
    """[MS-SMB2 3.3.5.7]"""
    raw = await server.session(only(0x0311))
    from smbcore.wire.tree_connect import TreeConnectRequest

    await raw.begin(TreeConnectRequest(r"\\server\data"), UNSIGNED)
    await raw.connection.wait_lost()
    await lives(server)


async def test_tree_connect_below_311_needs_no_signature(server):
    raw = await server.session(only(0x0302))
    (await raw.tree_connect(r"\\server\data", UNSIGNED)).expect()
