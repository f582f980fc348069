"""CHANGE_NOTIFY  [MS-SMB2 2.2.35, 2.2.36]."""

from __future__ import annotations

from typing import Any

import pytest

from smbcore.wire.change_notify import FLAG_WATCH_TREE, ChangeNotifyRequest, ChangeNotifyResponse

FILE_ID = bytes(range(1, 17))

CASES = [
    pytest.param(
        ChangeNotifyRequest(FILE_ID, 0x1000, 0x17, FLAG_WATCH_TREE),
        "2000 0100 00100000 01020304 05060708 090a0b0c 0d0e0f10 17000000 00000000",
        0,
        id="request",
    ),
    pytest.param(
        ChangeNotifyResponse(b"\xaa\xbb\xcc"),
        "0900 4800 03000000 aabbcc",
        0,
        id="response",
    ),
    pytest.param(
        ChangeNotifyResponse(),
        "0900 0000 00000000",
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
        pytest.param(1, 2, "3f00", id="output in the header"),
        pytest.param(1, 2, "4700", id="output in the fixed part"),
        pytest.param(1, 2, "4900", id="output behind the end"),
        pytest.param(1, 4, "04000000", id="output too long"),
        pytest.param(1, 4, "ffffffff", id="output much too long"),
    ],
)
def test_bad_offsets_and_lengths_are_refused(codec: Any, case: int, at: int, patch: str) -> None:
    value, wire, _slack = CASES[case].values
    codec.refuses_patch(value, wire, at, patch)


def test_head_and_output_make_the_response() -> None:
    assert ChangeNotifyResponse.encode_head(7) + b"payload" == ChangeNotifyResponse(memoryview(b"payload")).encode()
    assert ChangeNotifyResponse.encode_head(0) == ChangeNotifyResponse().encode()
