"""NEGOTIATE  [MS-SMB2 2.2.3, 2.2.4]."""

from __future__ import annotations

from typing import Any

import pytest

from smbcore.wire.negotiate import Capabilities, NegotiateRequest, NegotiateResponse, SecurityMode
from smbcore.wire.negotiate_contexts import Encryption, Preauth, Signing
from smbcore.wire.reader import BodyReader

GUID = bytes(range(0xA0, 0xB0))
SALT = b"\x55" * 32

CASES = [
    pytest.param(
        NegotiateRequest(SecurityMode.SIGNING_ENABLED, 0x7F, GUID, [0x0202, 0x0210]),
        "2400 0200 0100 0000 7f000000 a0a1a2a3a4a5a6a7a8a9aaabacadaeaf00000000 0000 0000 0202 1002",
        0,
        id="request below 3.1.1",
    ),
    pytest.param(
        NegotiateRequest(1, 0x7F, GUID, [0x0210, 0x0311], [Preauth([1], SALT), Encryption([2, 1])]),
        "2400 0200 0100 0000 7f000000 a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"
        "68000000 0200 0000 1002 1103"
        "0100 2600 00000000 0100 2000 0100 5555555555555555555555555555555555555555555555555555555555555555"
        " 0000"
        "0200 0600 00000000 0200 0200 0100",
        0,
        id="request of 3.1.1",
    ),
    pytest.param(
        NegotiateRequest(3, 0x7F, GUID, [0x0202, 0x0210, 0x0311], [Signing([2])]),
        "2400 0300 0300 0000 7f000000 a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"
        "70000000 0100 0000 0202 1002 1103 000000000000"
        "0800 0400 00000000 0100 0200",
        0,
        id="request with padding",
    ),
    pytest.param(
        NegotiateResponse(1, 0x0210, GUID, 7, 0x800000, 0x100000, 0x200000, 0x1122, 0x33, b"\x60\x28\x06\x01"),
        "4100 0100 1002 0000 a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"
        "07000000 00008000 00001000 00002000"
        "2211000000000000 3300000000000000 8000 0400 00000000 60280601",
        0,
        id="response",
    ),
    pytest.param(
        NegotiateResponse(
            3, 0x0311, GUID, 0x2F, 0x800000, 0x100000, 0x200000, 1, 0, b"\x60\x28\x06\x01", [Signing([2])]
        ),
        "4100 0300 1103 0100 a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"
        "2f000000 00008000 00001000 00002000"
        "0100000000000000 0000000000000000 8000 0400 88000000 60280601"
        "00000000 0800 0400 00000000 0100 0200",
        0,
        id="response of 3.1.1",
    ),
]


@pytest.mark.parametrize(("value", "wire", "slack"), CASES)
def test_both_ways(codec: Any, value: Any, wire: str, slack: int) -> None:
    codec.both_ways(value, wire)


@pytest.mark.parametrize(("value", "wire", "slack"), CASES)
def test_every_truncation_is_refused(codec: Any, value: Any, wire: str, slack: int) -> None:
    codec.refuses_truncations(value, wire, slack)


@pytest.mark.parametrize(("value", "wire", "slack"), CASES)
def test_other_structure_sizes_are_refused(codec: Any, value: Any, wire: str, slack: int) -> None:
    codec.refuses_other_sizes(value, wire)


@pytest.mark.parametrize(
    ("case", "at", "patch"),
    [
        pytest.param(1, 28, "69000000", id="contexts unaligned"),
        pytest.param(1, 28, "60000000", id="contexts inside the dialects"),
        pytest.param(1, 28, "f8ff0000", id="contexts behind the end"),
        pytest.param(1, 32, "0300", id="too many contexts"),
        pytest.param(0, 2, "0300", id="too many dialects"),
        pytest.param(3, 56, "3f00", id="security buffer in the header"),
        pytest.param(3, 56, "7f00", id="security buffer in the fixed part"),
        pytest.param(3, 56, "8100", id="security buffer behind the end"),
        pytest.param(3, 58, "0500", id="security buffer too long"),
        pytest.param(4, 60, "84000000", id="response contexts unaligned"),
        pytest.param(4, 60, "00ff0000", id="response contexts behind the end"),
        pytest.param(4, 74, "0500", id="context too long"),
    ],
)
def test_bad_offsets_and_lengths_are_refused(codec: Any, case: int, at: int, patch: str) -> None:
    value, wire, _slack = CASES[case].values
    codec.refuses_patch(value, wire, at, patch)


def test_contexts_are_ignored_without_dialect_3_1_1() -> None:
    body = NegotiateRequest(1, 0, GUID, [0x0300], [Signing([2])]).encode()
    assert NegotiateRequest.decode(BodyReader.over_body(body)).contexts == []


def test_capabilities_have_the_bits_of_the_document() -> None:
    assert [bit.value for bit in Capabilities] == [1, 2, 4, 8, 16, 32, 64, 128]
