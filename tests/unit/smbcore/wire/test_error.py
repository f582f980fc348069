"""ERROR Response and its contexts  [MS-SMB2 2.2.2]."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest

from smbcore.wire.error import (
    EMPTY_ERROR,
    BufferNeeded,
    ErrorContext,
    ErrorId,
    ErrorResponse,
    ShareRedirect,
    SymlinkError,
)

CASES = [
    pytest.param(
        ErrorResponse(),
        "0900 00 00 00000000 00",
        1,
        id="empty",
    ),
    pytest.param(
        ErrorResponse(b"\0\x10\0\0"),
        "0900 00 00 04000000 00100000",
        0,
        id="with data",
    ),
    pytest.param(
        ErrorResponse(contexts=[ErrorContext(b"\xaa\xbb\xcc"), ErrorContext(b"\xdd", ErrorId.SHARE_REDIRECT)]),
        "0900 02 00 19000000 03000000 00000000 aabbcc0000000000 01000000 53526472 dd",
        0,
        id="with contexts",
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
        pytest.param(1, 4, "05000000", id="data too long"),
        pytest.param(1, 4, "ffffffff", id="data much too long"),
        pytest.param(2, 2, "03", id="too many contexts"),
        pytest.param(2, 4, "18000000", id="contexts cut short"),
        pytest.param(2, 8, "12000000", id="context too long"),
        pytest.param(2, 24, "02000000", id="last context too long"),
    ],
)
def test_bad_offsets_and_lengths_are_refused(codec: Any, case: int, at: int, patch: str) -> None:
    value, wire, _slack = CASES[case].values
    codec.refuses_patch(value, wire, at, patch)


SYMLINK = SymlinkError(6, "ab", "c", 1)
SYMLINK_WIRE = "1e000000 53594d4c 0c0000a0 1200 0600 0000 0400 0400 0200 01000000 61006200 6300"
REDIRECT = ShareRedirect("s", [IPv4Address("192.0.2.1"), IPv6Address("2001:db8::1")])
REDIRECT_WIRE = (
    "30000000 03000000 48000000 02000000 0000 0000 02000000"
    "01000000 00000000 c0000201 000000000000000000000000"
    "02000000 00000000 20010db8000000000000000000000001 7300"
)


def test_prepared_empty_error_has_its_one_byte() -> None:
    """Clients expect a byte of ErrorData even when ByteCount is 0."""
    assert ErrorResponse().encode() == EMPTY_ERROR
    assert len(EMPTY_ERROR) == 9


def test_data_goes_into_a_context_from_3_1_1_on() -> None:
    needed = BufferNeeded(0x1000).encode()
    assert ErrorResponse.for_dialect(0x0302, needed) == ErrorResponse(needed)
    assert ErrorResponse.for_dialect(0x0311, needed) == ErrorResponse(contexts=[ErrorContext(needed)])
    assert ErrorResponse.for_dialect(0x0311, b"") == ErrorResponse()
    for dialect in (0x0302, 0x0311):
        assert ErrorResponse.for_dialect(dialect, needed).payload == needed


@pytest.mark.parametrize(
    ("value", "wire"),
    [(SYMLINK, SYMLINK_WIRE), (REDIRECT, REDIRECT_WIRE), (BufferNeeded(0x1000), "00100000")],
)
def test_error_data_both_ways(data_codec: Any, value: Any, wire: str) -> None:
    data_codec.both_ways(value, wire)
    data_codec.refuses_truncations(value, wire)


@pytest.mark.parametrize(
    ("value", "wire", "at", "patch"),
    [
        pytest.param(SYMLINK, SYMLINK_WIRE, 0, "1f000000", id="symlink too long"),
        pytest.param(SYMLINK, SYMLINK_WIRE, 0, "17000000", id="symlink too short"),
        pytest.param(SYMLINK, SYMLINK_WIRE, 4, "00", id="symlink tag"),
        pytest.param(SYMLINK, SYMLINK_WIRE, 8, "00", id="reparse tag"),
        pytest.param(SYMLINK, SYMLINK_WIRE, 16, "0400", id="substitute name outside"),
        pytest.param(SYMLINK, SYMLINK_WIRE, 18, "0300", id="odd substitute name"),
        pytest.param(SYMLINK, SYMLINK_WIRE, 22, "0400", id="print name too long"),
        pytest.param(REDIRECT, REDIRECT_WIRE, 4, "02", id="redirect type"),
        pytest.param(REDIRECT, REDIRECT_WIRE, 0, "10", id="redirect size"),
        pytest.param(REDIRECT, REDIRECT_WIRE, 8, "47", id="name in the addresses"),
        pytest.param(REDIRECT, REDIRECT_WIRE, 8, "49", id="name behind the end"),
        pytest.param(REDIRECT, REDIRECT_WIRE, 20, "ffffffff", id="far too many addresses"),
        pytest.param(REDIRECT, REDIRECT_WIRE, 24, "03", id="unknown kind of address"),
    ],
)
def test_bad_error_data_is_refused(data_codec: Any, value: Any, wire: str, at: int, patch: str) -> None:
    data_codec.refuses_patch(value, wire, at, patch)
