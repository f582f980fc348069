"""The multi-protocol negotiate  [MS-SMB2 3.3.5.3]."""

from __future__ import annotations

from typing import Any

import pytest

from smbcore.wire.errors import WireError
from smbcore.wire.smb1 import DIALECT_SMB_2_002, DIALECT_SMB_2_WILDCARD, MultiProtocolNegotiate

REQUEST = MultiProtocolNegotiate(["NT LM 0.12", DIALECT_SMB_2_002, DIALECT_SMB_2_WILDCARD])
WIRE = (
    "ff534d42 72 00000000 18 53c8 0000 0000000000000000 0000 ffff 0000 0000 0000 00 2200"
    "02 4e54204c4d20302e313200 02 534d4220322e30303200 02 534d4220322e3f3f3f00"
)


def test_both_ways(data_codec: Any) -> None:
    data_codec.both_ways(REQUEST, WIRE)
    data_codec.refuses_truncations(REQUEST, WIRE)


def test_no_dialects_pass() -> None:
    empty = MultiProtocolNegotiate([])
    assert MultiProtocolNegotiate.decode(empty.encode()) == empty


@pytest.mark.parametrize(
    ("at", "patch"),
    [
        pytest.param(0, "fe", id="another protocol"),
        pytest.param(4, "73", id="another command"),
        pytest.param(32, "01", id="words"),
        pytest.param(33, "2300", id="too many bytes"),
        pytest.param(33, "2100", id="last dialect without its end"),
        pytest.param(35, "04", id="another buffer format"),
        pytest.param(35, "00", id="no buffer format"),
    ],
)
def test_anything_else_is_refused(data_codec: Any, at: int, patch: str) -> None:
    data_codec.refuses_patch(REQUEST, WIRE, at, patch)


def test_strange_characters_pass() -> None:
    raw = bytearray(REQUEST.encode())
    raw[40] = 0xFF
    assert "\xff" in MultiProtocolNegotiate.decode(raw).dialects[0]


def test_truncated_header_is_a_wire_error() -> None:
    with pytest.raises(WireError):
        MultiProtocolNegotiate.decode(b"\xffSMB\x72")
