from __future__ import annotations

import pytest

from smbcore.nt.errors import WireError
from smbcore.nt.info import offload as o

IDENTITY = bytes(range(32))
TOKEN = o.OffloadToken(0x11223344, IDENTITY)
TOKEN_WIRE = "11223344 0000 0020" + IDENTITY.hex() + "00" * 472

TABLE = [
    (TOKEN, TOKEN_WIRE),
    (o.OffloadRead(1, 2, 3), "20000000 00000000 03000000 00000000 0100000000000000 0200000000000000"),
    (o.OffloadReadResult(2, TOKEN, 1), "10020000 01000000 0200000000000000" + TOKEN_WIRE),
    (
        o.OffloadWrite(1, 2, 3, TOKEN.encode()),
        "20020000 00000000 0100000000000000 0200000000000000 0300000000000000" + TOKEN_WIRE,
    ),
    (o.OffloadWriteResult(2), "10000000 00000000 0200000000000000"),
]


@pytest.mark.parametrize(("value", "wire"), TABLE)
def test_both_ways(value, wire, goes_both_ways):
    """[MS-FSCC 2.1.11, 2.3.41-2.3.44]"""
    goes_both_ways(value, wire)


def test_a_token_with_more_identity_than_it_has_room_for_is_refused():
    with pytest.raises(WireError):
        o.OffloadToken.decode(bytes.fromhex("11223344 0000 01f9") + bytes(504))


def test_the_size_that_the_client_claims_is_kept():
    assert o.OffloadRead.decode(o.OffloadRead(0, 0, size=7).encode()).size == 7
    assert o.OffloadWrite.decode(o.OffloadWrite(0, 0, 0, bytes(512), size=9).encode()).size == 9
