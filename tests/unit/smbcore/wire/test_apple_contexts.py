"""The AAPL create context."""

from __future__ import annotations

from typing import Any

import pytest

from smbcore.wire.apple_contexts import (
    AppleCommand,
    AppleResolveId,
    AppleServerCaps,
    AppleServerQuery,
    AppleServerReply,
    AppleVolumeCaps,
    apple_command,
)
from smbcore.wire.errors import WireError

QUERY = "01000000 00000000 0700000000000000 0100000000000000"
REPLY = "01000000 00000000 0700000000000000 0500000000000000 0400000000000000 00000000 06000000 6e0061007300"
CASES = [
    (AppleServerQuery(7, AppleServerCaps.SUPPORTS_READ_DIR_ATTR), QUERY),
    (AppleServerReply(5, AppleVolumeCaps.SUPPORTS_FULL_SYNC, "nas"), REPLY),
    (AppleServerReply(volume_capabilities=2), "01000000 00000000 0200000000000000 0200000000000000"),
    (AppleServerReply(), "01000000 00000000 0000000000000000"),
    (AppleResolveId(0x55), "02000000 00000000 5500000000000000"),
]


@pytest.mark.parametrize(("value", "wire"), CASES)
def test_both_ways(data_codec: Any, value: Any, wire: str) -> None:
    data_codec.both_ways(value, wire)
    data_codec.refuses_truncations(value, wire)


@pytest.mark.parametrize(("value", "wire"), CASES)
def test_other_command_is_refused(data_codec: Any, value: Any, wire: str) -> None:
    data_codec.refuses_patch(value, wire, 0, "09")


def test_command_tells_query_from_resolve() -> None:
    assert apple_command(bytes.fromhex(QUERY)) == AppleCommand.SERVER_QUERY
    assert apple_command(AppleResolveId(1).encode()) == AppleCommand.RESOLVE_ID
    with pytest.raises(WireError):
        apple_command(b"\x01\0\0\0")


@pytest.mark.parametrize("length", ["07", "08", "ff"])
def test_model_that_does_not_fit_is_refused(data_codec: Any, length: str) -> None:
    value, wire = CASES[1]
    data_codec.refuses_patch(value, wire, 36, length)
