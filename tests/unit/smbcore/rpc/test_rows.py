"""Information levels as tables."""

import pytest

from smbcore.nt.errors import WireError
from smbcore.rpc.ndr import NdrReader, NdrWriter
from smbcore.rpc.rows import read_container, read_struct, size_of, write_container, write_struct


def test_a_structure_comes_back():
    row = ("name", 7, None, 3, b"abc")
    writer = NdrWriter()
    write_struct(writer, "WIWIB", row)
    assert read_struct(NdrReader(writer.bytes()), "WIWIB") == list(row)


def test_container_gives_its_level_and_skips_what_a_client_put_in():
    writer = NdrWriter()
    write_container(writer, 1, "WI", [("a", 1), ("bcd", 2)])
    writer.u32(0xABCD)
    reader = NdrReader(writer.bytes())
    assert read_container(reader, {1: "WI"}) == 1
    assert reader.u32() == 0xABCD


def test_container_of_an_unknown_level_is_none():
    writer = NdrWriter()
    write_container(writer, 9, "I", [])
    assert read_container(NdrReader(writer.bytes()), {1: "WI"}) is None


def test_container_whose_tag_differs_is_a_wire_error():
    with pytest.raises(WireError, match="tag"):
        read_container(NdrReader(bytes.fromhex("01000000 02000000 00000000")), {1: "I", 2: "I"})


def test_container_with_an_impossible_count_is_a_wire_error():
    data = bytes.fromhex("01000000 01000000 01000000 ffffffff 01000000 ffffffff")
    with pytest.raises(WireError):
        read_container(NdrReader(data), {1: "I"})


def test_size_counts_strings_twice_a_character():
    assert size_of((1, "abcd", b"xy", None)) == 4 * 4 + 14 + 8 + 4 + 2
