from __future__ import annotations

import pytest

from smbcore.nt.errors import WireError
from smbcore.nt.info import ea
from smbcore.nt.info.ea import ExtendedAttribute

ATTRIBUTES = [ExtendedAttribute(b"AB", b"xyz"), ExtendedAttribute(b"C", b"", ea.FILE_NEED_EA)]
WIRE = bytes.fromhex("10000000 00 02 0300 414200 78797a 0000 00000000 80 01 0000 4300")


def test_both_ways():
    """[MS-FSCC 2.4]"""
    assert ea.encode_attributes(ATTRIBUTES) == WIRE
    assert ea.decode_attributes(WIRE) == ATTRIBUTES
    for length in range(1, len(WIRE)):
        with pytest.raises(WireError):
            ea.decode_attributes(WIRE[:length])
    assert ea.decode_attributes(b"") == []


def test_names_both_ways():
    wire = bytes.fromhex("08000000 02 414200 00000000 01 4300")
    assert ea.encode_names([b"AB", b"C"]) == wire
    assert ea.decode_names(wire) == [b"AB", b"C"]
    for length in range(1, len(wire)):
        with pytest.raises(WireError):
            ea.decode_names(wire[:length])


def test_name_needs_its_nul_and_entries_their_alignment():
    no_nul = bytearray(WIRE)
    no_nul[10] = 1
    crooked = b"\x11" + WIRE[1:16] + b"\0" + WIRE[16:]
    for data in (no_nul, crooked):
        with pytest.raises(WireError):
            ea.decode_attributes(data)


def test_size_as_reported():
    assert ea.size_of([]) == 0
    assert ea.size_of(ATTRIBUTES) == 4 + (5 + 2 + 3) + (5 + 1)


def test_legal_names():
    assert ea.is_legal_name(b"user.mime")
    for name in (b"", b"a" * 256, b"a*b", b"a\x01", b"a:b", b"a,b"):
        assert not ea.is_legal_name(name)
