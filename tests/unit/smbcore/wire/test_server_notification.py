"""SERVER_TO_CLIENT_NOTIFICATION  [MS-SMB2 2.2.44]."""

from __future__ import annotations

from typing import Any

import pytest

from smbcore.wire.server_notification import ServerNotification

CASES = [
    pytest.param(
        ServerNotification(),
        "0400 0000 00000000 00000000",
        4,
        id="session closed",
    ),
    pytest.param(
        ServerNotification(9, b"\xaa"),
        "0400 0000 09000000 aa",
        1,
        id="other",
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
