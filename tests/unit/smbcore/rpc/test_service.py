"""Services, faults and context handles."""

import pytest
from rpc_peers import FakeContext

from smbcore.rpc.ndr import NdrReader
from smbcore.rpc.pdu import FaultCode, Syntax
from smbcore.rpc.service import MAX_HANDLES, Call, HandleTable, RpcFault, Service


def call(stub: bytes = b"") -> Call:
    return Call(FakeContext(), HandleTable(), NdrReader(stub))


def test_handles_know_their_kind_until_closed():
    table = HandleTable()
    handle = table.add("policy")
    assert table.get(handle, str) == "policy"
    with pytest.raises(RpcFault) as caught:
        table.get(handle, int)
    assert caught.value.status == FaultCode.CONTEXT_MISMATCH
    assert table.close(handle)
    assert not table.close(handle)


def test_a_pipe_holds_a_limited_number_of_handles():
    table = HandleTable()
    for number in range(MAX_HANDLES):
        table.add(number)
    with pytest.raises(RpcFault) as caught:
        table.add("one more")
    assert caught.value.status == FaultCode.REMOTE_NO_MEMORY


def test_unknown_operations_and_bad_stub_data_are_faults():
    service = Service("x", Syntax(bytes(16), 1), {0: lambda call: call.write.u32(call.read.u32())})
    assert service.carry_out(0, call(b"\1\0\0\0")) == b"\1\0\0\0"
    with pytest.raises(RpcFault) as caught:
        service.carry_out(1, call())
    assert caught.value.status == FaultCode.OP_RANGE_ERROR
    with pytest.raises(RpcFault) as caught:
        service.carry_out(0, call(b"\1"))
    assert caught.value.status == FaultCode.BAD_STUB_DATA


def test_handles_travel_as_twenty_bytes():
    one = call(bytes(range(20)))
    assert one.read_handle() == bytes(range(20))
    one.write_handle(None)
    assert one.write.bytes() == bytes(20)
