"""Associations: negotiation, fragments, limits."""

from struct import pack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from impacket.dcerpc.v5 import lsat, srvs
from impacket.dcerpc.v5.rpcrt import DCERPCException, MSRPCBindAck
from rpc_peers import FakeContext, PipeTransport, bound, open_pipe

from smbcore.nt.errors import WireError
from smbcore.rpc import pdu
from smbcore.rpc.connection import MAX_FRAGMENT, MAX_REQUEST, RpcConnection
from smbcore.rpc.pdu import PacketHeader, PacketType, Syntax
from smbcore.rpc.pipes import default_services

SRVSVC = Syntax.of("4b324fc8-1670-01d3-1278-5a47bf6ee188", 3)
LSARPC = Syntax.of("12345778-1234-abcd-ef00-0123456789ab", 0)


def packet(kind: int, body: bytes, *, flags: int = 3, call: int = 1, auth: int = 0) -> bytes:
    return PacketHeader(kind, flags, 16 + len(body), auth, call).encode() + body


def syntax(value: Syntax) -> bytes:
    return value.uuid + pack("<I", value.version)


def bind(
    *contexts: tuple[int, Syntax, tuple[Syntax, ...]], kind: int = PacketType.BIND, receive: int = 4280, **more: int
) -> bytes:
    body = pack("<HHIB3x", 4280, receive, 0, len(contexts))
    for ident, interface, transfers in contexts:
        body += pack("<HBx", ident, len(transfers)) + syntax(interface) + b"".join(map(syntax, transfers))
    return packet(kind, body, **more)


def request(opnum: int, stub: bytes = b"", *, context: int = 0, flags: int = 3, call: int = 1) -> bytes:
    return packet(PacketType.REQUEST, pack("<IHH", len(stub), context, opnum) + stub, flags=flags, call=call)


def connection() -> RpcConnection:
    return RpcConnection("srvsvc", default_services(), FakeContext())


def ready() -> RpcConnection:
    one = connection()
    list(one.receive(bind((0, SRVSVC, (pdu.NDR,)))))
    return one


def fault_of(reply: bytes) -> int:
    assert PacketHeader.decode(reply).type == PacketType.FAULT
    return int.from_bytes(reply[24:28], "little")


TIME_OF_DAY = pack("<I", 0)


def results(reply: bytes) -> list[tuple[int, int]]:
    ack = MSRPCBindAck(reply)
    return [(ack.getCtxItem(n)["Result"], ack.getCtxItem(n)["Reason"]) for n in range(1, ack["ctx_num"] + 1)]


def test_ndr_is_accepted_and_ndr64_and_strangers_refused():
    features = Syntax(pdu.FEATURES_PREFIX + b"\x03" + bytes(7), 1)
    stranger = Syntax.of("00000000-1111-2222-3333-444444444444", 1)
    proposals = [
        (0, SRVSVC, (pdu.NDR,)),
        (1, SRVSVC, (pdu.NDR64,)),
        (2, SRVSVC, (features,)),
        (3, stranger, (pdu.NDR,)),
        (4, Syntax(SRVSVC.uuid, 4), (pdu.NDR,)),
    ]
    (reply,) = connection().receive(bind(*proposals))
    assert results(reply) == [(0, 0), (2, 2), (3, 2), (2, 1), (2, 1)]


def test_a_bind_of_only_refused_contexts_still_gets_its_answer():
    (reply,) = connection().receive(bind((0, SRVSVC, (pdu.NDR64,))))
    assert results(reply) == [(2, 2)]


def test_alter_context_adds_an_interface():
    one = ready()
    (reply,) = one.receive(bind((1, LSARPC, (pdu.NDR,)), kind=PacketType.ALTER_CONTEXT))
    assert PacketHeader.decode(reply).type == PacketType.ALTER_CONTEXT_RESPONSE
    assert results(reply) == [(0, 0)]
    (reply,) = one.receive(request(28, TIME_OF_DAY))
    assert PacketHeader.decode(reply).type == PacketType.RESPONSE


def test_impacket_alters_its_context():
    client = bound("srvsvc", srvs.MSRPC_UUID_SRVS)
    other = client.alter_ctx(lsat.MSRPC_UUID_LSAT)
    with pytest.raises(DCERPCException, match="context_mismatch"):
        lsat.hLsarLookupNames(other, b"x" * 20, ["alice"])


def test_bind_with_authentication_is_refused_politely():
    (reply,) = connection().receive(bind((0, SRVSVC, (pdu.NDR,)), auth=8))
    assert PacketHeader.decode(reply).type == PacketType.BIND_NAK


def test_request_on_an_unknown_context_is_a_fault():
    (reply,) = ready().receive(request(28, TIME_OF_DAY, context=9))
    assert fault_of(reply) == pdu.FaultCode.UNKNOWN_INTERFACE


def test_stub_data_that_is_cut_off_is_a_fault_and_the_association_lives():
    one = ready()
    (reply,) = one.receive(request(15, b"\0\0"))
    assert fault_of(reply) == pdu.FaultCode.BAD_STUB_DATA
    (reply,) = one.receive(request(28, TIME_OF_DAY))
    assert PacketHeader.decode(reply).type == PacketType.RESPONSE


def test_fragments_are_joined():
    one = ready()
    assert list(one.receive(request(28, TIME_OF_DAY[:2], flags=1))) == []
    assert one.buffered == 2
    (reply,) = one.receive(request(28, TIME_OF_DAY[2:], flags=2))
    assert PacketHeader.decode(reply).type == PacketType.RESPONSE
    assert one.buffered == 0


def test_packets_may_come_byte_by_byte_or_together():
    stream = bind((0, SRVSVC, (pdu.NDR,))) + request(28, TIME_OF_DAY) * 3
    slow, fast = connection(), connection()
    bytewise = [reply for byte in stream for reply in slow.receive(bytes((byte,)))]
    assert bytewise == list(fast.receive(stream))
    assert len(bytewise) == 4


def test_orphaned_drops_the_started_request():
    one = ready()
    list(one.receive(request(28, b"\0", flags=1)))
    list(one.receive(packet(PacketType.ORPHANED, b"")))
    assert one.buffered == 0
    assert len(list(one.receive(request(28, TIME_OF_DAY)))) == 1


def test_response_fits_the_fragments_the_client_takes():
    one = RpcConnection("srvsvc", default_services(), FakeContext(extra_shares=100))
    list(one.receive(bind((0, SRVSVC, (pdu.NDR,)), receive=2000)))
    stub = pack("<IIIIIIII", 0, 1, 1, 1, 0, 0, 0xFFFF_FFFF, 0)
    replies = list(one.receive(request(15, stub)))
    assert len(replies) > 3
    assert max(map(len, replies)) <= 2000


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param([request(28)], id="request before bind"),
        pytest.param([bind((0, SRVSVC, (pdu.NDR,)), kind=PacketType.ALTER_CONTEXT)], id="alter_context first"),
        pytest.param([bind((0, SRVSVC, (pdu.NDR,)))] * 2, id="bind twice"),
        pytest.param([bind((0, SRVSVC, (pdu.NDR,))), packet(PacketType.RESPONSE, bytes(8))], id="a server's packet"),
        pytest.param([bind((0, SRVSVC, (pdu.NDR,))), request(28, flags=2)], id="last fragment first"),
        pytest.param(
            [bind((0, SRVSVC, (pdu.NDR,))), request(28, flags=1), request(28, flags=1)], id="two first fragments"
        ),
        pytest.param([b"GET / HTTP/1.1\r\n\r\n"], id="not RPC"),
        pytest.param([pack("<BBBB4sHHI", 5, 0, 11, 3, b"\x10\0\0\0", MAX_FRAGMENT + 1, 0, 1)], id="fragment too large"),
    ],
)
def test_broken_streams_are_wire_errors(stream: list[bytes]):
    one = connection()
    with pytest.raises(WireError):
        for data in stream:
            list(one.receive(data))


def test_reassembly_is_limited():
    one, chunk = ready(), bytes(4000)
    list(one.receive(request(28, chunk, flags=1)))
    with pytest.raises(WireError, match="more than"):
        for _ in range(MAX_REQUEST // len(chunk) + 1):
            list(one.receive(request(28, chunk, flags=0)))


def test_impacket_sends_in_small_fragments():
    transport = PipeTransport(open_pipe("srvsvc"))
    client = transport.DCERPC_class(transport)
    client.bind(srvs.MSRPC_UUID_SRVS)
    client.set_max_fragment_size(16)
    assert srvs.hNetrShareEnum(client, 1)["TotalEntries"] == 2


STREAMS = st.lists(
    st.one_of(
        st.builds(
            request, st.integers(0, 80), st.binary(max_size=120), context=st.integers(0, 2), flags=st.integers(0, 3)
        ),
        st.builds(
            packet, st.integers(0, 20), st.binary(max_size=80), flags=st.integers(0, 255), auth=st.integers(0, 12)
        ),
        st.binary(max_size=60),
    ),
    max_size=8,
)


@settings(max_examples=300, deadline=None)
@given(STREAMS, st.booleans())
def test_any_stream_gives_packets_or_a_wire_error_in_bounded_memory(stream: list[bytes], with_lsa: bool):
    one = ready()
    if with_lsa:
        list(one.receive(bind((1, LSARPC, (pdu.NDR,)), kind=PacketType.ALTER_CONTEXT)))
    try:
        for data in stream:
            for reply in one.receive(data):
                assert PacketHeader.decode(reply).length == len(reply)
            assert one.buffered <= MAX_FRAGMENT + MAX_REQUEST
    except WireError:
        return
