"""[MS-SMB2 3.3.5.3, 3.3.5.4]"""

from __future__ import annotations

import pytest

from smbcore.client.message import How
from smbcore.client.negotiated import Offer
from smbcore.client.raw import RawClient, negotiate
from smbcore.nt.info.fsctl import FSCTL_VALIDATE_NEGOTIATE_INFO, ValidateNegotiateRequest, ValidateNegotiateResponse
from smbcore.nt.status import NtError, Status
from smbcore.server.config import Encryption as Policy
from smbcore.wire.header import FLAG_SIGNED
from smbcore.wire.negotiate import Capabilities, NegotiateRequest
from smbcore.wire.negotiate_contexts import Compression, Encryption, Preauth, Signing, Unknown
from smbcore.wire.smb1 import MultiProtocolNegotiate
from tests.memory_server import GUID
from tests.protocol.steps import DIALECTS, SIGNED, lives, only

PREAUTH = Preauth([1], bytes(32))


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_each_dialect_alone(server, dialect):
    raw = await server.negotiated(only(dialect))
    response = raw.connection.negotiated.response
    assert response.dialect == dialect
    assert bytes(response.server_guid) == GUID
    assert (response.max_read > 65536) == (dialect > 0x0202)


async def test_highest_common_dialect_wins(make):
    for highest in DIALECTS:
        raw = await make(max_dialect=highest).negotiated()
        assert raw.connection.dialect == highest


@pytest.mark.parametrize("dialects", [[0x0311, 0x0202], [0x0202, 0x0311], [0x9999, 0x0311, 0]])
async def test_order_and_unknown_dialects_do_not_matter(server, dialects):
    raw = await server.negotiated(Offer(dialects=dialects))
    assert raw.connection.dialect == 0x0311


async def refused(server, offer, status):
    raw = RawClient(server.connection())
    with pytest.raises(NtError) as error:
        await negotiate(raw.connection, offer)
    assert error.value.status is status
    return raw


@pytest.mark.parametrize("dialects", [[0x9999], [0x0300, 0x0302]])
async def test_no_common_dialect_is_not_supported(make, dialects):
    await refused(make(min_dialect=0x0311), Offer(dialects=dialects), Status.NOT_SUPPORTED)


async def test_no_dialects_at_all(server):
    await refused(server, Offer(dialects=[]), Status.INVALID_PARAMETER)


@pytest.mark.parametrize("contexts, status", [
    ([], Status.INVALID_PARAMETER),
    ([Encryption([2])], Status.INVALID_PARAMETER),
    ([Preauth([], b"")], Status.INVALID_PARAMETER),
    ([PREAUTH, PREAUTH], Status.INVALID_PARAMETER),
    ([PREAUTH, Encryption([2]), Encryption([1])], Status.INVALID_PARAMETER),
    ([PREAUTH, Signing([1]), Signing([1])], Status.INVALID_PARAMETER),
    ([PREAUTH, Encryption([])], Status.INVALID_PARAMETER),
    ([PREAUTH, Signing([])], Status.INVALID_PARAMETER),
    ([PREAUTH, Compression([])], Status.INVALID_PARAMETER),
    ([Preauth([2], bytes(32))], Status.SMB_NO_PREAUTH_INTEGRITY_HASH_OVERLAP),
])  # fmt: skip
async def test_contexts_of_311_that_do_not_do(server, contexts, status):
    raw = await refused(server, only(0x0311, contexts=contexts), status)
    # the client may try again on the same connection
    await negotiate(raw.connection)
    assert raw.connection.dialect == 0x0311


async def test_several_hashes_without_salt_and_unknown_contexts_pass(server):
    raw = await server.negotiated(
        only(0x0311, contexts=[Unknown(0x1234, b"x"), Preauth([7, 1], b""), Unknown(0x1234, b"")])
    )
    kinds = {type(context) for context in raw.connection.negotiated.response.contexts}
    assert kinds == {Preauth}
    assert raw.connection.negotiated.cipher == 0
    assert raw.connection.negotiated.signing_algorithm == 1


async def test_contexts_are_ignored_below_311(server):
    request = NegotiateRequest(1, 0x7F, bytes(16), [0x0300], [])
    response = (await RawClient(server.connection()).negotiate(request)).expect()
    assert response.body.contexts == []


@pytest.mark.parametrize("ciphers, chosen", [((1,), 1), ((1, 2), 2), ((3, 4), 4), ((4, 3, 1, 2), 2), ((99,), 0)])
async def test_server_prefers_its_own_order_of_ciphers(server, ciphers, chosen):
    raw = await server.negotiated(only(0x0311, ciphers=ciphers))
    (context,) = [c for c in raw.connection.negotiated.response.contexts if isinstance(c, Encryption)]
    assert context.ciphers == [chosen]


async def test_encryption_switched_off(make):
    raw = await make(encryption=Policy.OFF).negotiated()
    assert raw.connection.negotiated.cipher == 0
    raw = await make(encryption=Policy.OFF).negotiated(only(0x0300))
    assert not raw.connection.negotiated.response.capabilities & Capabilities.ENCRYPTION


@pytest.mark.parametrize("offered, chosen", [((0,), 0), ((1,), 1), ((2,), 2), ((0, 1, 2), 2)])
async def test_signing_algorithms(server, offered, chosen):
    raw = await server.negotiated(only(0x0311, signing=offered))
    assert raw.connection.negotiated.signing_algorithm == chosen


async def test_capabilities_are_those_of_both_sides(server):
    response = (await server.negotiated(only(0x0300, capabilities=0))).connection.negotiated.response
    assert not response.capabilities & (Capabilities.ENCRYPTION | Capabilities.MULTI_CHANNEL)
    response = (await server.negotiated(only(0x0300))).connection.negotiated.response
    assert response.capabilities & Capabilities.ENCRYPTION
    response = (await server.negotiated(only(0x0311))).connection.negotiated.response
    assert not response.capabilities & Capabilities.ENCRYPTION
    response = (await server.negotiated(only(0x0202))).connection.negotiated.response
    assert response.capabilities == 0


async def test_signed_negotiate_is_refused(server):
    """[MS-SMB2 3.3.5.2.4]"""
    raw = RawClient(server.connection())
    response = await raw.negotiate(Offer().request(bytes(16)), How(flags=FLAG_SIGNED))
    assert response.status is Status.INVALID_PARAMETER


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_second_negotiate_drops_the_connection(server, dialect):
    raw = await server.negotiated(only(dialect))
    await raw.begin(only(dialect).request(bytes(16)))
    await raw.connection.wait_lost()
    await lives(server)


async def test_any_other_command_first_drops_the_connection(server):
    raw = RawClient(server.connection())
    await raw.begin(b"\x04\0\0\0", command=13)
    await raw.connection.wait_lost()


async def multi_protocol(server, *names):
    raw = RawClient(server.connection())
    pending = raw.connection.expect_answer(0)
    raw.connection.send_bytes(MultiProtocolNegotiate(list(names)).encode())
    return raw, pending


async def test_smb1_wildcard_leads_to_a_second_negotiate(server):
    # 1 SMB1 negotiate with the wildcard: SMB2 answer with dialect 2.FF, message id 0
    raw, pending = await multi_protocol(server, "NT LM 0.12", "SMB 2.002", "SMB 2.???")
    response = (await pending.response()).expect()
    assert response.body.dialect == 0x02FF
    assert response.credits == 1
    # 2 the SMB2 negotiate follows with message id 1
    raw.connection.credits, raw.connection.next_message_id = 1, 1
    await negotiate(raw.connection)
    assert raw.connection.dialect == 0x0311


async def test_only_negotiate_may_follow_the_wildcard(server):
    raw, pending = await multi_protocol(server, "SMB 2.???")
    await pending.response()
    await raw.begin(b"\x04\0\0\0", How(message_id=1), command=13)
    await raw.connection.wait_lost()


async def test_second_smb1_negotiate_drops_the_connection(server):
    raw, pending = await multi_protocol(server, "SMB 2.???")
    await pending.response()
    raw.connection.send_bytes(MultiProtocolNegotiate(["SMB 2.???"]).encode())
    await raw.connection.wait_lost()


async def test_smb1_with_202_alone_settles_it(server):
    _, pending = await multi_protocol(server, "NT LM 0.12", "SMB 2.002")
    assert (await pending.response()).expect().body.dialect == 0x0202


async def test_smb1_alone_is_dropped(server):
    raw, _ = await multi_protocol(server, "NT LM 0.12")
    await raw.connection.wait_lost()
    await lives(server)


async def test_smb1_is_not_let_in_below_the_lowest_dialect(make):
    raw, _ = await multi_protocol(make(min_dialect=0x0210), "SMB 2.002")
    await raw.connection.wait_lost()


def validation(raw, **changes):
    asked = raw.connection.negotiated.request
    fields = {
        "capabilities": asked.capabilities,
        "client_guid": asked.client_guid,
        "security_mode": asked.security_mode,
        "dialects": list(asked.dialects),
    }
    return ValidateNegotiateRequest(**(fields | changes)).encode()


@pytest.mark.parametrize("dialect", [0x0300, 0x0302])
async def test_validate_negotiate_confirms(server, dialect):
    """[MS-SMB2 3.3.5.15.12]"""
    raw = await server.tree(offer=Offer(dialects=[0x0202, 0x0210, dialect]))
    response = await raw.ioctl(FSCTL_VALIDATE_NEGOTIATE_INFO, validation(raw), max_output=24, how=SIGNED)
    assert response.verified
    told = ValidateNegotiateResponse.decode(bytes(response.expect().body.output))
    assert (bytes(told.server_guid), told.dialect) == (GUID, dialect)
    assert told.capabilities == raw.connection.negotiated.response.capabilities


@pytest.mark.parametrize("changes", [
    {"capabilities": 0}, {"client_guid": bytes(16)}, {"security_mode": 3}, {"dialects": [0x0202, 0x0300]}, {"dialects": []},
])  # fmt: skip
async def test_validate_negotiate_drops_who_remembers_something_else(server, changes):
    raw = await server.tree(offer=only(0x0300))
    await raw.begin(_ioctl(validation(raw, **changes)), SIGNED)
    await raw.connection.wait_lost()
    await lives(server)


async def test_validate_negotiate_is_no_matter_of_311(server):
    raw = await server.tree(offer=only(0x0311))
    await raw.begin(_ioctl(validation(raw)), SIGNED)
    await raw.connection.wait_lost()


def _ioctl(data):
    from smbcore.wire.ioctl import IoctlRequest

    return IoctlRequest(FSCTL_VALIDATE_NEGOTIATE_INFO, b"\xff" * 16, data, 24)
