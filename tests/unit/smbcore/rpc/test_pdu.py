"""Packets, with impacket's structures as oracle."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from impacket.dcerpc.v5.rpcrt import CtxItem, MSRPCBind, MSRPCBindAck, MSRPCBindNak, MSRPCHeader, MSRPCRespHeader
from impacket.uuid import uuidtup_to_bin

from smbcore.nt.errors import WireError
from smbcore.rpc import pdu
from smbcore.rpc.pdu import Bind, ContextResult, NakReason, PacketHeader, PacketType, Request

SRVSVC = ("4b324fc8-1670-01d3-1278-5a47bf6ee188", "3.0")
NDR = ("8a885d04-1ceb-11c9-9fe8-08002b104860", "2.0")


def oracle_bind() -> bytes:
    body = MSRPCBind()
    item = CtxItem()
    item["ContextID"] = 4
    item["TransItems"] = 1
    item["AbstractSyntax"] = uuidtup_to_bin(SRVSVC)
    item["TransferSyntax"] = uuidtup_to_bin(NDR)
    body.addCtxItem(item)
    packet = MSRPCHeader()
    packet["type"] = 11
    packet["call_id"] = 77
    packet["pduData"] = body.getData()
    return packet.get_packet()


def test_bind_of_the_oracle_decodes():
    data = oracle_bind()
    header = PacketHeader.decode(data)
    assert (header.type, header.call_id, header.length) == (PacketType.BIND, 77, len(data))
    bind = Bind.decode(memoryview(data)[16:])
    assert [context.id for context in bind.contexts] == [4]
    assert bind.contexts[0].interface == pdu.Syntax.of(SRVSVC[0], 3)
    assert bind.contexts[0].transfers == [pdu.NDR]


def test_header_comes_back():
    header = PacketHeader(PacketType.REQUEST, 3, 24, 8, 5)
    assert PacketHeader.decode(header.encode()) == header


@pytest.mark.parametrize("cut", range(16))
def test_every_truncation_of_the_header_is_a_wire_error(cut: int):
    with pytest.raises(WireError):
        PacketHeader.decode(oracle_bind()[:cut])


def test_every_truncation_of_a_bind_is_a_wire_error():
    body = memoryview(oracle_bind())[16:]
    for cut in range(len(body)):
        with pytest.raises(WireError):
            Bind.decode(body[:cut])


@pytest.mark.parametrize(
    "data",
    [
        "04000b03 10000000 1000 0000 01000000",  # version 4
        "05020b03 10000000 1000 0000 01000000",  # minor version 2
        "05000b03 00000000 1000 0000 01000000",  # big-endian
        "05000b03 10000000 0f00 0000 01000000",  # shorter than its header
        "05000b03 10000000 1800 0900 01000000",  # more authentication than packet
    ],
)
def test_bad_headers_are_wire_errors(data: str):
    with pytest.raises(WireError):
        PacketHeader.decode(bytes.fromhex(data))


def test_bind_ack_decodes_at_the_oracle():
    results = [ContextResult(0, 0, pdu.NDR), ContextResult(2, 1)]
    data = pdu.bind_ack(PacketType.BIND_ACK, 9, (4280, 4096, 17), "\\PIPE\\srvsvc", results)
    header = MSRPCHeader(data)
    ack = MSRPCBindAck(data)
    assert (header["type"], header["call_id"], header["frag_len"]) == (12, 9, len(data))
    assert (ack["max_tfrag"], ack["max_rfrag"], ack["assoc_group"]) == (4280, 4096, 17)
    assert ack["SecondaryAddr"].rstrip("\0") == "\\PIPE\\srvsvc"
    assert [ack.getCtxItem(number)["Result"] for number in (1, 2)] == [0, 2]
    assert ack.getCtxItem(1)["TransferSyntax"] == uuidtup_to_bin(NDR)


def test_bind_nak_decodes_at_the_oracle():
    data = pdu.bind_nak(9, NakReason.AUTHENTICATION_TYPE)
    assert MSRPCBindNak(MSRPCHeader(data)["pduData"])["RejectedReason"] == 8


def test_fault_says_when_nothing_was_executed():
    data = pdu.fault(1, 0, pdu.FaultCode.OP_RANGE_ERROR)
    assert PacketHeader.decode(data).flags & pdu.DID_NOT_EXECUTE
    assert int.from_bytes(data[24:28], "little") == 0x1C01_0002


@given(st.binary(max_size=6000), st.integers(64, 2000))
def test_response_fragments_join_to_the_stub(stub: bytes, size: int):
    fragments = pdu.response(3, 1, stub, size)
    assert all(len(fragment) <= size for fragment in fragments)
    assert b"".join(MSRPCRespHeader(fragment)["pduData"] for fragment in fragments) == stub
    flags = [PacketHeader.decode(fragment).flags for fragment in fragments]
    assert flags[0] & pdu.FIRST_FRAGMENT
    assert flags[-1] & pdu.LAST_FRAGMENT
    assert not any(flag & pdu.LAST_FRAGMENT for flag in flags[:-1])


def test_object_uuid_of_a_request_is_skipped():
    body = bytes.fromhex("04000000 0100 0500") + bytes(16) + b"stub"
    request = Request.decode(memoryview(body), pdu.OBJECT_UUID)
    assert (request.context_id, request.opnum, bytes(request.stub)) == (1, 5, b"stub")
    with pytest.raises(WireError):
        Request.decode(memoryview(body)[:20], pdu.OBJECT_UUID)
