"""Typed data of the create contexts  [MS-SMB2 2.2.13.2, 2.2.14.2]."""

from __future__ import annotations

from typing import Any

import pytest

from smbcore.wire import create_contexts
from smbcore.wire.create import CreateContext
from smbcore.wire.create_contexts import (
    AllocationSize,
    AppInstanceId,
    AppInstanceVersion,
    DurableReconnect,
    DurableReconnectV2,
    DurableRequest,
    DurableRequestV2,
    DurableResponse,
    DurableResponseV2,
    LeaseFlags,
    LeaseState,
    LeaseV1,
    LeaseV2,
    MaximalAccessRequest,
    MaximalAccessResponse,
    QueryOnDiskId,
    QueryOnDiskIdRequest,
    Timewarp,
    decode_lease,
    wrap,
)
from smbcore.wire.errors import WireError

FILE_ID = bytes(range(1, 17))
FILE_ID_WIRE = "0102030405060708090a0b0c0d0e0f10"
GUID = bytes(range(0xA0, 0xB0))
GUID_WIRE = "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"

# value, name on the wire, data, shorter lengths that are valid as well
CASES = [
    (DurableRequest(), b"DHnQ", "00" * 16, ()),
    (DurableResponse(), b"DHnQ", "00" * 8, ()),
    (DurableReconnect(FILE_ID), b"DHnC", FILE_ID_WIRE, ()),
    (DurableRequestV2(GUID, 60_000, 2), b"DH2Q", "60ea0000 02000000 0000000000000000" + GUID_WIRE, ()),
    (DurableResponseV2(180_000, 2), b"DH2Q", "20bf0200 02000000", ()),
    (DurableReconnectV2(FILE_ID, GUID, 2), b"DH2C", FILE_ID_WIRE + GUID_WIRE + "02000000", ()),
    (AllocationSize(0x10000), b"AlSi", "0000010000000000", ()),
    (Timewarp(0x01D1_0000_0000_0001), b"TWrp", "010000000000d101", ()),
    (MaximalAccessRequest(), b"MxAc", "", ()),
    (MaximalAccessRequest(0x1122), b"MxAc", "2211000000000000", (0,)),
    (MaximalAccessResponse(0, 0x1F01FF), b"MxAc", "00000000 ff011f00", ()),
    (QueryOnDiskIdRequest(), b"QFid", "", ()),
    (QueryOnDiskId(0x11, 0x22), b"QFid", "1100000000000000 2200000000000000" + "00" * 16, ()),
    (
        LeaseV1(GUID, LeaseState.READ_CACHING | LeaseState.HANDLE_CACHING, LeaseFlags.BREAK_IN_PROGRESS),
        b"RqLs",
        GUID_WIRE + "03000000 02000000 0000000000000000",
        (),
    ),
    (
        LeaseV2(GUID, 7, LeaseFlags.PARENT_LEASE_KEY_SET, 0, FILE_ID, 0x1234),
        b"RqLs",
        GUID_WIRE + "07000000 04000000 0000000000000000" + FILE_ID_WIRE + "3412 0000",
        (),
    ),
    (AppInstanceId(GUID), bytes.fromhex("45bca66aefa7f74a9008fa462e144d74"), "1400 0000" + GUID_WIRE, ()),
    (
        AppInstanceVersion(1, 2),
        bytes.fromhex("b982d0b73b56074fa07b524a8116a010"),
        "1800 0000 00000000 0100000000000000 0200000000000000",
        (),
    ),
]
IDS = [type(case[0]).__name__ for case in CASES]


@pytest.mark.parametrize(("value", "name", "wire", "but"), CASES, ids=IDS)
def test_both_ways(data_codec: Any, value: Any, name: bytes, wire: str, but: tuple[int, ...]) -> None:
    data_codec.both_ways(value, wire)
    assert wrap(value) == CreateContext(name, bytes.fromhex(wire))


@pytest.mark.parametrize(("value", "name", "wire", "but"), CASES, ids=IDS)
def test_every_other_length_is_refused(
    data_codec: Any, value: Any, name: bytes, wire: str, but: tuple[int, ...]
) -> None:
    data_codec.refuses_truncations(value, wire, but=but)
    with pytest.raises(WireError):
        type(value).decode(bytes.fromhex(wire) + b"\0")


def test_size_tells_the_version_of_a_lease() -> None:
    for lease in (LeaseV1(GUID, 1), LeaseV2(GUID, 1)):
        assert decode_lease(lease.encode()) == lease
    for size in (0, 31, 33, 51, 53):
        with pytest.raises(WireError):
            decode_lease(bytes(size))


@pytest.mark.parametrize("value", [AppInstanceId(GUID), AppInstanceVersion(1, 2)])
def test_other_structure_size_is_refused(data_codec: Any, value: Any) -> None:
    data_codec.refuses_patch(value, value.encode().hex(), 0, "10")


def test_plain_constants_equal_the_enums() -> None:
    assert create_contexts.LEASE_READ == LeaseState.READ_CACHING
    assert create_contexts.LEASE_HANDLE == LeaseState.HANDLE_CACHING
    assert create_contexts.LEASE_WRITE == LeaseState.WRITE_CACHING
    assert create_contexts.LEASE_FLAG_BREAK_IN_PROGRESS == LeaseFlags.BREAK_IN_PROGRESS
    assert create_contexts.LEASE_FLAG_PARENT_KEY_SET == LeaseFlags.PARENT_LEASE_KEY_SET
