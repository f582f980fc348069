"""SESSION_SETUP  [MS-SMB2 2.2.5, 2.2.6]."""

from __future__ import annotations

from typing import Any

import pytest

from smbcore.wire.session_setup import FLAG_BINDING, SessionFlags, SessionSetupRequest, SessionSetupResponse

CASES = [
    pytest.param(
        SessionSetupRequest(b"\xde\xad\xbe\xef", FLAG_BINDING, 2, 1, 0x1122334455667788),
        "1900 01 02 01000000 00000000 5800 0400 8877665544332211 deadbeef",
        0,
        id="request",
    ),
    pytest.param(
        SessionSetupRequest(b""),
        "1900 00 00 00000000 00000000 5800 0000 0000000000000000 00",
        1,
        id="empty request",
    ),
    pytest.param(
        SessionSetupResponse(SessionFlags.IS_GUEST, b"\xaa\xbb\xcc"),
        "0900 0100 4800 0300 aabbcc",
        0,
        id="response",
    ),
    pytest.param(
        SessionSetupResponse(4),
        "0900 0400 4800 0000",
        0,
        id="empty response",
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
        pytest.param(0, 12, "3000", id="buffer in the header"),
        pytest.param(0, 12, "5700", id="buffer in the fixed part"),
        pytest.param(0, 12, "5900", id="buffer behind the end"),
        pytest.param(0, 14, "0500", id="buffer too long"),
        pytest.param(0, 12, "ffffffff", id="largest"),
        pytest.param(2, 4, "4700", id="response buffer in the fixed part"),
        pytest.param(2, 4, "4900", id="response buffer behind the end"),
        pytest.param(2, 6, "ffff", id="response buffer too long"),
    ],
)
def test_bad_offsets_and_lengths_are_refused(codec: Any, case: int, at: int, patch: str) -> None:
    value, wire, _slack = CASES[case].values
    codec.refuses_patch(value, wire, at, patch)
