"""OPLOCK_BREAK of oplocks and leases  [MS-SMB2 2.2.23, 2.2.24, 2.2.25]."""

from __future__ import annotations

from typing import Any

import pytest

from smbcore.wire import oplock_break
from smbcore.wire.errors import WireError
from smbcore.wire.oplock_break import (
    FLAG_ACK_REQUIRED,
    LeaseBreakAcknowledgment,
    LeaseBreakNotification,
    LeaseBreakResponse,
    OplockBreakAcknowledgment,
    OplockBreakNotification,
    OplockBreakResponse,
)
from smbcore.wire.reader import BodyReader

FILE_ID = bytes(range(1, 17))
KEY = bytes(range(0xA0, 0xB0))

CASES = [
    pytest.param(
        OplockBreakNotification(1, FILE_ID),
        "1800 01 00 00000000 01020304 05060708 090a0b0c 0d0e0f10",
        0,
        id="oplock notification",
    ),
    pytest.param(
        OplockBreakAcknowledgment(1, FILE_ID),
        "1800 01 00 00000000 01020304 05060708 090a0b0c 0d0e0f10",
        0,
        id="oplock acknowledgment",
    ),
    pytest.param(
        OplockBreakResponse(1, FILE_ID),
        "1800 01 00 00000000 01020304 05060708 090a0b0c 0d0e0f10",
        0,
        id="oplock response",
    ),
    pytest.param(
        LeaseBreakNotification(KEY, 7, 3, FLAG_ACK_REQUIRED, 4),
        "2c00 0400 01000000 a0a1a2a3a4a5a6a7a8a9aaabacadaeaf 07000000 03000000 00000000 00000000 00000000",
        0,
        id="lease notification",
    ),
    pytest.param(
        LeaseBreakAcknowledgment(KEY, 3, 2, 5),
        "2400 0000 02000000 a0a1a2a3a4a5a6a7a8a9aaabacadaeaf 03000000 0500000000000000",
        0,
        id="lease acknowledgment",
    ),
    pytest.param(
        LeaseBreakResponse(KEY, 3, 2, 5),
        "2400 0000 02000000 a0a1a2a3a4a5a6a7a8a9aaabacadaeaf 03000000 0500000000000000",
        0,
        id="lease response",
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
    ("decode", "value"),
    [
        (oplock_break.decode_break_notification, OplockBreakNotification(1, FILE_ID)),
        (oplock_break.decode_break_notification, LeaseBreakNotification(KEY, 7, 3)),
        (oplock_break.decode_break_acknowledgment, OplockBreakAcknowledgment(1, FILE_ID)),
        (oplock_break.decode_break_acknowledgment, LeaseBreakAcknowledgment(KEY, 3)),
        (oplock_break.decode_break_response, OplockBreakResponse(1, FILE_ID)),
        (oplock_break.decode_break_response, LeaseBreakResponse(KEY, 3)),
    ],
)
def test_structure_size_picks_the_kind(decode: Any, value: Any) -> None:
    assert decode(BodyReader.over_body(value.encode())) == value


@pytest.mark.parametrize(
    ("decode", "size"),
    [
        (oplock_break.decode_break_notification, 36),
        (oplock_break.decode_break_acknowledgment, 44),
        (oplock_break.decode_break_response, 44),
        (oplock_break.decode_break_response, 0),
    ],
)
def test_other_sizes_are_no_breaks(decode: Any, size: int) -> None:
    with pytest.raises(WireError, match="StructureSize"):
        decode(BodyReader.over_body(size.to_bytes(2, "little") + bytes(60)))


@pytest.mark.parametrize(
    "decode",
    [
        oplock_break.decode_break_notification,
        oplock_break.decode_break_acknowledgment,
        oplock_break.decode_break_response,
    ],
)
def test_empty_body_is_refused(decode: Any) -> None:
    with pytest.raises(WireError):
        decode(BodyReader.over_body(b""))
