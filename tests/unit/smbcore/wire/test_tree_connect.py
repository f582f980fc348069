"""TREE_CONNECT  [MS-SMB2 2.2.9, 2.2.10]."""

from __future__ import annotations

from typing import Any

import pytest

from smbcore.wire.tree_connect import (
    ShareCapabilities,
    ShareType,
    TreeConnectContext,
    TreeConnectFlags,
    TreeConnectRequest,
    TreeConnectResponse,
)

CASES = [
    pytest.param(
        TreeConnectRequest("\\\\a\\b", TreeConnectFlags.CLUSTER_RECONNECT),
        "0900 0100 4800 0a00 5c00 5c00 6100 5c00 6200",
        0,
        id="request",
    ),
    pytest.param(
        TreeConnectRequest(""),
        "0900 0000 4800 0000 00",
        1,
        id="empty path",
    ),
    pytest.param(
        TreeConnectRequest("\\\\a\\b", 4, [TreeConnectContext(1, b"\xaa\xbb\xcc"), TreeConnectContext(2, b"\xdd")]),
        "0900 0400 5800 0a00 28000000 0200 00000000000000000000"
        "5c00 5c00 6100 5c00 6200"
        "000000000000 0100 0300 00000000 aabbcc"
        "0000000000 0200 0100 00000000 dd",
        0,
        id="extended request",
    ),
    pytest.param(
        TreeConnectResponse(ShareType.DISK, 0x830, ShareCapabilities.CONTINUOUS_AVAILABILITY, 0x1F01FF),
        "1000 01 00 30080000 10000000 ff011f00",
        0,
        id="response",
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
        pytest.param(0, 4, "3e00", id="path in the header"),
        pytest.param(0, 4, "4600", id="path in the fixed part"),
        pytest.param(0, 4, "4a00", id="path behind the end"),
        pytest.param(0, 6, "0c00", id="path too long"),
        pytest.param(0, 6, "0900", id="odd path"),
        pytest.param(2, 4, "5600", id="path in the extension"),
        pytest.param(2, 8, "17000000", id="contexts in the fixed part"),
        pytest.param(2, 8, "00ff0000", id="contexts behind the end"),
        pytest.param(2, 12, "0300", id="too many contexts"),
        pytest.param(2, 42, "ff00", id="context too long"),
    ],
)
def test_bad_offsets_and_lengths_are_refused(codec: Any, case: int, at: int, patch: str) -> None:
    value, wire, _slack = CASES[case].values
    codec.refuses_patch(value, wire, at, patch)


def test_contexts_without_their_flag_are_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="EXTENSION_PRESENT"):
        TreeConnectRequest("x", 0, [TreeConnectContext(1, b"")]).encode()
