"""NDR primitives, with impacket's encoder as oracle."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from impacket.dcerpc.v5.dtypes import RPC_SID, RPC_UNICODE_STRING, WSTR

from smbcore.nt.errors import WireError
from smbcore.nt.sid import Sid
from smbcore.rpc.ndr import NdrReader, NdrWriter

TEXT = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=40)


def test_numbers_are_aligned_by_their_size():
    writer = NdrWriter()
    writer.u8(1)
    writer.u16(2)
    writer.u8(3)
    writer.u32(4)
    writer.u64(5)
    assert writer.bytes().hex(" ") == "01 00 02 00 03 00 00 00 04 00 00 00 00 00 00 00 05 00 00 00 00 00 00 00"
    reader = NdrReader(writer.bytes())
    assert [reader.u8(), reader.u16(), reader.u8(), reader.u32(), reader.u64()] == [1, 2, 3, 4, 5]
    assert reader.remaining == 0


def test_pointers_get_referents_of_their_own():
    writer = NdrWriter()
    writer.pointer()
    writer.pointer(present=False)
    writer.pointer()
    reader = NdrReader(writer.bytes())
    first, null, second = reader.u32(), reader.u32(), reader.u32()
    assert null == 0
    assert len({first, null, second}) == 3


def test_wide_string_is_the_oracles():
    oracle = WSTR()
    oracle["Data"] = "Grüße\0"
    writer = NdrWriter()
    writer.wide_string("Grüße")
    assert writer.bytes() == oracle.getData().rstrip(b"\xbf")
    assert NdrReader(b"\1\0\0\0" + oracle.getData()).optional_string() == "Grüße"


@given(TEXT)
def test_wide_strings_come_back(text: str):
    writer = NdrWriter()
    writer.wide_string(text)
    assert NdrReader(writer.bytes()).wide_string() == text


@given(TEXT)
def test_counted_strings_come_back(text: str):
    writer = NdrWriter()
    writer.unicode_string_head(text)
    writer.unicode_string_body(text)
    reader = NdrReader(writer.bytes())
    assert reader.unicode_string_body(reader.unicode_string_head()) == text


def test_counted_string_of_the_oracle_is_read():
    oracle = RPC_UNICODE_STRING()
    oracle["Data"] = "abc"
    reader = NdrReader(oracle.getData() + oracle.getDataReferents())
    assert reader.unicode_string_body(reader.unicode_string_head()) == "abc"


def test_sid_is_the_oracles():
    sid = Sid.parse("S-1-5-21-1-2-3-1001")
    oracle = RPC_SID()
    oracle.fromCanonical(str(sid))
    writer = NdrWriter()
    writer.sid(sid)
    assert writer.bytes() == oracle.getData()
    assert NdrReader(writer.bytes()).sid() == sid


@pytest.mark.parametrize(
    "data",
    [
        "05000000 00000000 05000000 6100",  # five characters promised, one there
        "01000000 00000000 02000000 61006200",  # more than the maximum
        "02000000 01000000 01000000 6100",  # an offset
        "ffffffff 00000000 ffffffff",  # 8 GiB
    ],
)
def test_strings_that_lie_are_wire_errors(data: str):
    with pytest.raises(WireError):
        NdrReader(bytes.fromhex(data)).wide_string()


def test_arrays_larger_than_the_data_are_wire_errors():
    with pytest.raises(WireError, match="array"):
        NdrReader(bytes.fromhex("ffffff7f 00000000")).count(4)


@given(st.binary(max_size=64))
def test_reading_anything_gives_a_value_or_a_wire_error(data: bytes):
    for read in (
        NdrReader.wide_string,
        NdrReader.optional_string,
        NdrReader.sid,
        NdrReader.u64,
        NdrReader.unicode_string_head,
    ):
        try:
            read(NdrReader(data))
        except WireError:
            continue
