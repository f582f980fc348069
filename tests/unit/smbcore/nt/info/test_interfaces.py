from __future__ import annotations

from ipaddress import ip_address

import pytest

from smbcore.nt.errors import WireError
from smbcore.nt.info.interfaces import RSS_CAPABLE, NetworkInterface, decode_interfaces, encode_interfaces

INTERFACES = [
    NetworkInterface(2, RSS_CAPABLE, 10**9, ip_address("192.0.2.1")),
    NetworkInterface(3, 0, 10**10, ip_address("2001:db8::1")),
]
WIRE = bytes.fromhex(
    "98000000 02000000 01000000 00000000 00ca9a3b00000000 0200 0000 c0000201"
    + "00" * 120
    + "00000000 03000000 00000000 00000000 00e40b5402000000 1700 0000 00000000 20010db8000000000000000000000001 00000000"
    + "00" * 100
)


def test_both_ways():
    """[MS-SMB2 2.2.32.5]"""
    assert encode_interfaces(INTERFACES) == WIRE
    assert decode_interfaces(WIRE) == INTERFACES
    for length in range(1, len(WIRE)):
        with pytest.raises(WireError):
            decode_interfaces(WIRE[:length])
    assert decode_interfaces(b"") == []


def test_unknown_family():
    with pytest.raises(WireError):
        decode_interfaces(WIRE[152:176] + b"\x05" + WIRE[177:])
