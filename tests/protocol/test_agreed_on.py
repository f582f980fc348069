"""What NEGOTIATE tells of the server, exactly; how a client makes sure of it, and where it may go on from there
[MS-SMB2 3.3.5.4, 3.3.5.15.11, 3.3.5.15.12].
"""

from __future__ import annotations

import dataclasses
import itertools
from ipaddress import ip_address

import pytest

from smbcore.client.negotiated import Offer
from smbcore.client.raw import RawClient
from smbcore.nt.clock import ManualClock
from smbcore.nt.info import fsctl
from smbcore.nt.info.interfaces import RSS_CAPABLE, NetworkInterface, decode_interfaces
from smbcore.nt.status import Status
from smbcore.server.config import Encryption as Policy
from smbcore.server.interfaces import Interfaces
from smbcore.wire.ioctl import IoctlRequest
from smbcore.wire.negotiate import Capabilities as Has
from smbcore.wire.negotiate import NegotiateRequest
from smbcore.wire.negotiate_contexts import (
    Compression,
    Encryption,
    Netname,
    Preauth,
    RdmaTransform,
    Signing,
    Transport,
    Unknown,
)
from tests.memory_server import GUID
from tests.protocol.steps import ANY, DIALECTS, SIGNED, lives, only

PREAUTH = Preauth([1], bytes(32))
EVERYTHING = 0xFF
CLIENTS = (0, int(Has.DFS), *(1 << bit for bit in range(1, 8)), 0x7F, EVERYTHING, 0xFFFFFFFF)
ALWAYS = Has.LEASING | Has.LARGE_MTU
SHARED = Has.MULTI_CHANNEL | Has.PERSISTENT_HANDLES | Has.DIRECTORY_LEASING
MOST = {
    0x0202: Has(0),
    0x0210: ALWAYS,
    0x0300: ALWAYS | SHARED | Has.ENCRYPTION,
    0x0302: ALWAYS | SHARED | Has.ENCRYPTION,
    0x0311: ALWAYS | SHARED | Has.NOTIFICATIONS,  # 3.1.1 settles encryption by a context
}


async def told(server, dialect, capabilities=0x7F, contexts=None):
    """Negotiate as a client that says what it is told to, and return the answer."""
    offered = [] if dialect < 0x0311 else [PREAUTH] if contexts is None else contexts
    raw = RawClient(server.connection())
    request = NegotiateRequest(1, capabilities, bytes(range(16, 32)), [dialect], offered)
    return (await raw.negotiate(request)).expect().body


# -- capabilities --


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("client", CLIENTS)
async def test_capabilities_by_dialect_and_client(server, dialect, client):
    """Bits that only one side has do not exist; what is there in any case is told to every client"""
    most = MOST[dialect]
    wanted = (most & ALWAYS) | (most & ~ALWAYS & client)
    assert (await told(server, dialect, client)).capabilities == wanted


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_capabilities_that_are_switched_off(make, dialect):
    server = make(multi_channel=False, encryption=Policy.OFF)
    answer = await told(server, dialect, EVERYTHING)
    assert answer.capabilities == MOST[dialect] & ~(Has.MULTI_CHANNEL | Has.ENCRYPTION)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("required", [False, True])
async def test_what_else_is_told(make, dialect, required):
    server = make(ManualClock(), signing_required=required)
    answer = await told(server, dialect)
    largest = 65536 if dialect == 0x0202 else 8 * 1024 * 1024
    assert (answer.max_transact, answer.max_read, answer.max_write) == (largest,) * 3
    assert bytes(answer.server_guid) == GUID
    assert answer.security_mode == (3 if required else 1)
    assert answer.system_time == server.clock.now()
    assert answer.server_start_time == 0
    assert bytes(answer.security_buffer).startswith(b"\x60")


@pytest.mark.parametrize("lowest, highest", list(itertools.combinations_with_replacement(DIALECTS, 2)))
async def test_lowest_and_highest_dialect_of_the_server(make, lowest, highest):
    """A client that knows them all gets the highest; of one that knows a single one, that or nothing"""
    server = make(min_dialect=lowest, max_dialect=highest)
    assert (await server.negotiated()).connection.dialect == highest
    for dialect in DIALECTS:
        raw = RawClient(server.connection())
        response = await raw.negotiate(only(dialect).request(bytes(16)))
        assert response.status is (Status.SUCCESS if lowest <= dialect <= highest else Status.NOT_SUPPORTED)


# -- contexts of 3.1.1 --


async def answered(server, *contexts):
    answer = await told(server, 0x0311, contexts=[PREAUTH, *contexts])
    return answer.contexts


async def test_hashes_are_always_answered_with_a_salt_of_its_own(server):
    salts = set()
    for _ in range(3):
        (preauth,) = await answered(server)
        assert preauth.hash_algorithms == [1]
        salts.add(bytes(preauth.salt))
    assert len(salts) == 3
    assert all(len(salt) == 32 and any(salt) for salt in salts)


@pytest.mark.parametrize("offered", [[1], [1, 2, 3], [4], [0xFFFF], [0]])
@pytest.mark.parametrize("flags", [0, 1])
async def test_no_compression_yet_and_that_is_said(server, offered, flags):
    """[MS-SMB2 2.2.4.1.3]: one algorithm, none; chaining it is not offered either"""
    _, compression = await answered(server, Compression(offered, flags))
    assert (compression.algorithms, compression.flags) == ([0], 0)


@pytest.mark.parametrize("flags", [0, 1, 0xFFFFFFFF])
async def test_the_transport_does_not_take_the_place_of_encryption(server, flags):
    """TCP secures nothing, so nothing is accepted: the context is not answered  [MS-SMB2 2.2.4.1.5]"""
    kinds = [type(context) for context in await answered(server, Transport(flags), Encryption([2]))]
    assert kinds == [Preauth, Encryption]


@pytest.mark.parametrize("name", ["server", "", "127.0.0.1", "x" * 5000, "\ud800", "another.example"])
async def test_the_name_that_the_client_uses_is_no_condition(server, name):
    """[MS-SMB2 2.2.3.1.4]: it tells, and is not answered"""
    assert [type(context) for context in await answered(server, Netname(name))] == [Preauth]


async def test_what_is_not_known_is_not_answered(server):
    contexts = await answered(server, RdmaTransform([0, 1, 2]), Unknown(0x100, b"reserved"), Unknown(0x7777, b""))
    assert [type(context) for context in contexts] == [Preauth]


@pytest.mark.parametrize("order", list(itertools.permutations([Encryption([2]), Signing([1]), PREAUTH], 3)))
async def test_contexts_come_in_any_order(server, order):
    answer = await told(server, 0x0311, contexts=list(order))
    assert {type(context) for context in answer.contexts} == {Preauth, Encryption, Signing}


@pytest.mark.parametrize("twice", [Netname("a"), Transport(0), Compression([1])])
async def test_a_context_that_comes_twice(server, twice):
    raw = RawClient(server.connection())
    response = await raw.negotiate(NegotiateRequest(1, 0, bytes(16), [0x0311], [PREAUTH, twice, twice]))
    assert response.status is Status.INVALID_PARAMETER


# -- making sure of it --


def validation(raw, **changes):
    asked = raw.connection.negotiated.request
    request = fsctl.ValidateNegotiateRequest(
        capabilities=asked.capabilities, client_guid=asked.client_guid, security_mode=asked.security_mode,
        dialects=list(asked.dialects),
    )  # fmt: skip
    return dataclasses.replace(request, **changes).encode()


def validate(data, room=24):
    return IoctlRequest(fsctl.FSCTL_VALIDATE_NEGOTIATE_INFO, ANY, data, room)


@pytest.mark.parametrize("highest", [0x0202, 0x0210, 0x0300, 0x0302])
async def test_a_client_that_knows_more_than_the_server_is_confirmed(make, highest):
    """It sent its GUID and capabilities, whatever the dialect makes of them"""
    server = make(max_dialect=highest)
    raw = await server.tree()
    output = (await raw.call(validate(validation(raw)), SIGNED)).expect().body.output
    answer = fsctl.ValidateNegotiateResponse.decode(bytes(output))
    agreed = raw.connection.negotiated.response
    assert (answer.dialect, bytes(answer.server_guid)) == (highest, GUID)
    assert (answer.capabilities, answer.security_mode) == (agreed.capabilities, agreed.security_mode)


@pytest.mark.parametrize("dialect", [0x0202, 0x0210, 0x0300, 0x0302])
@pytest.mark.parametrize("what, request_", [
    ("no room for the answer", lambda raw: validate(validation(raw), 23)),
    ("nothing", lambda _: validate(b"")),
    ("cut short", lambda raw: validate(validation(raw)[:-1])),
    ("fewer dialects than counted", lambda raw: validate(validation(raw)[:22] + b"\xff\xff")),
    ("another GUID", lambda raw: validate(validation(raw, client_guid=b"x" * 16))),
    ("other capabilities", lambda raw: validate(validation(raw, capabilities=0x1000))),
    ("another security mode", lambda raw: validate(validation(raw, security_mode=2))),
    ("one dialect more", lambda raw: validate(validation(raw, dialects=[0x0202, 0x0210, 0x0300, 0x0302, 0x0311]))),
    ("another order", lambda raw: validate(validation(raw, dialects=[0x0311, 0x0300, 0x0210, 0x0202]))),
])  # fmt: skip
async def test_every_mismatch_drops_the_connection(server, dialect, what, request_):
    offered = [d for d in (0x0202, 0x0210, 0x0300, 0x0302) if d <= dialect]
    raw = await server.tree(offer=Offer(dialects=offered))
    await raw.begin(request_(raw), SIGNED)
    await raw.connection.wait_lost()
    assert not server.server.sessions
    await lives(server)


async def test_a_question_about_a_file_is_none(server):
    raw = await server.tree(offer=only(0x0300))
    response = await raw.ioctl(fsctl.FSCTL_VALIDATE_NEGOTIATE_INFO, validation(raw), file_id=bytes(16), how=SIGNED)
    assert response.status is Status.INVALID_PARAMETER


# -- where further channels may go --

CARDS = [
    NetworkInterface(2, RSS_CAPABLE, 10**10, ip_address("192.0.2.1")),
    NetworkInterface(2, RSS_CAPABLE, 10**10, ip_address("2001:db8::1")),
    NetworkInterface(3, 0, 10**9, ip_address("198.51.100.1")),
    NetworkInterface(1, 0, 10**9, ip_address("127.0.0.1")),
]


def with_cards(server, cards=CARDS):
    server.server.interfaces = Interfaces(server.clock, lambda: cards)
    return server


async def ask(raw, **options):
    return await raw.ioctl(fsctl.FSCTL_QUERY_NETWORK_INTERFACE_INFO, **options)


@pytest.mark.parametrize("dialect", [0x0300, 0x0302, 0x0311])
async def test_interfaces_with_their_speed_and_rss(server, dialect):
    raw = await with_cards(server).tree(offer=only(dialect))
    (connection,) = server.server.connections
    connection.transport.local_address = "192.0.2.1"
    body = (await ask(raw)).expect().body
    assert decode_interfaces(bytes(body.output)) == CARDS[:3]
    assert (bytes(body.file_id), body.flags) == (ANY, 0)
    connection.transport.local_address = "127.0.0.1"
    assert decode_interfaces(bytes((await ask(raw)).expect().body.output)) == CARDS[3:]


@pytest.mark.parametrize("dialect", [0x0202, 0x0210])
async def test_dialects_without_channels_do_not_ask(server, dialect):
    raw = await with_cards(server).tree(offer=only(dialect))
    assert (await ask(raw)).status is Status.NOT_SUPPORTED


async def test_nor_does_a_client_that_has_no_use_for_it(server):
    raw = await with_cards(server).tree(offer=only(0x0311, capabilities=int(Has.LARGE_MTU)))
    assert (await ask(raw)).status is Status.NOT_SUPPORTED


async def test_nor_is_one_answered_where_it_is_switched_off(make):
    raw = await with_cards(make(multi_channel=False)).tree()
    assert (await ask(raw)).status is Status.NOT_SUPPORTED


async def test_room_for_the_answer_and_what_it_is_asked_of(server):
    raw = await with_cards(server).tree()
    assert (await ask(raw, max_output=151)).status is Status.BUFFER_TOO_SMALL
    (await ask(raw, max_output=152)).expect()
    assert (await ask(raw, file_id=bytes(16))).status is Status.INVALID_PARAMETER


async def test_a_machine_that_has_none(server):
    raw = await with_cards(server, []).tree()
    assert bytes((await ask(raw)).expect().body.output) == b""
