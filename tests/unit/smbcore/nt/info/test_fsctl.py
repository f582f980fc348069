from __future__ import annotations

import pytest

from smbcore.nt.errors import WireError
from smbcore.nt.info import fsctl as f

KEY = bytes(range(24))
GUID = b"\x11" * 16

TABLE = [
    (f.ResumeKey(KEY), KEY.hex() + "00000000 00000000", 28),
    (
        f.CopyChunkRequest(KEY, [f.CopyChunk(1, 2, 3), f.CopyChunk(4, 5, 6)]),
        KEY.hex() + "02000000 00000000"
        "0100000000000000 0200000000000000 03000000 00000000 0400000000000000 0500000000000000 06000000 00000000",
        None,
    ),
    (f.CopyChunkResponse(1, 2, 3), "01000000 02000000 03000000", None),
    (f.AllocatedRange(1, 2), "0100000000000000 0200000000000000", None),
    (f.ZeroData(1, -1), "0100000000000000 ffffffffffffffff", None),
    (f.ResiliencyRequest(60000), "60ea0000 00000000", None),
    (f.ValidateNegotiateRequest(0x7F, GUID, 1, [0x202, 0x311]), "7f000000" + GUID.hex() + "0100 0200 0202 1103", None),
    (f.ValidateNegotiateResponse(0x7F, GUID, 3, 0x302), "7f000000" + GUID.hex() + "0300 0203", None),
    (f.PipeWaitRequest("ab", 5), "0500000000000000 04000000 01 00 61006200", None),
    (f.PipeWaitRequest("ab"), "0000000000000000 04000000 00 00 61006200", None),
    (f.PipePeek(3, 4, 1, 4, b"data"), "03000000 04000000 01000000 04000000 64617461", 16),
    (f.ObjectId(GUID), GUID.hex() + "00" * 48, None),
    (f.TrimRequest([(1, 2)], 0), "00000000 01000000 0100000000000000 0200000000000000", None),
    (f.DuplicateExtents(GUID, 1, 2, 3), GUID.hex() + "0100000000000000 0200000000000000 0300000000000000", None),
    (
        f.DuplicateExtentsEx(GUID, 1, 2, 3, 1),
        "3000000000000000" + GUID.hex() + "0100000000000000 0200000000000000 0300000000000000 01000000 00000000",
        None,
    ),
    (f.IntegrityInformation(2, 1, 4096, 8192), "0200 0000 01000000 00100000 00200000", None),
    (f.SetIntegrityInformation(2, 1), "0200 0000 01000000", None),
    (f.FileRegion(1, 2), "0100000000000000 0200000000000000 01000000 00000000", None),
]


@pytest.mark.parametrize(("value", "wire", "least"), TABLE)
def test_both_ways(value, wire, least, goes_both_ways):
    """[MS-FSCC 2.3, MS-SMB2 2.2.31, 2.2.32]"""
    goes_both_ways(value, wire, least=least)


TOKENS = ["@GMT-2020.01.01-00.00.00", "@GMT-2020.01.02-00.00.00"]


def test_snapshots_both_ways(refuses_every_truncation):
    """[MS-SMB2 2.2.32.2]"""
    array = f.SnapshotArray.fit(TOKENS, 1000)
    data = array.encode()
    assert data[:12] == bytes.fromhex("02000000 02000000 66000000")
    assert data[12:] == ("".join(f"{t}\0" for t in TOKENS) + "\0").encode("utf-16-le")
    assert f.SnapshotArray.decode(data) == array
    refuses_every_truncation(f.SnapshotArray.decode, data)


def test_snapshots_in_a_small_buffer_give_only_number_and_size():
    size = 12 + 102
    assert f.SnapshotArray.fit(TOKENS, size).tokens == TOKENS
    array = f.SnapshotArray.fit(TOKENS, size - 1)
    assert array.encode() == bytes.fromhex("02000000 00000000 66000000 00000000")
    assert f.SnapshotArray.decode(array.encode()) == array


def test_snapshot_count_that_lies():
    data = bytearray(f.SnapshotArray.fit(TOKENS, 1000).encode())
    data[4] = 3
    with pytest.raises(WireError):
        f.SnapshotArray.decode(data)


def test_ranges_both_ways():
    ranges = [f.AllocatedRange(0, 4096), f.AllocatedRange(8192, 1)]
    data = f.encode_ranges(ranges)
    assert len(data) == 32
    assert f.decode_ranges(data) == ranges
    with pytest.raises(WireError):
        f.decode_ranges(data[:-1])


def test_regions_both_ways(refuses_every_truncation):
    data = f.encode_regions([f.FileRegion(0, 10)], 2)
    assert data == bytes.fromhex(
        "00000000 02000000 01000000 00000000 0000000000000000 0a00000000000000 01000000 00000000"
    )
    assert f.decode_regions(data) == ([f.FileRegion(0, 10)], 2)
    refuses_every_truncation(f.decode_regions, data)


def test_small_ones(refuses_every_truncation):
    assert f.decode_compression(f.encode_compression(2)) == 2
    refuses_every_truncation(f.decode_compression, f.encode_compression(2))
    assert f.decode_trimmed(f.encode_trimmed(7)) == 7
    refuses_every_truncation(f.decode_trimmed, f.encode_trimmed(7))
    assert f.decode_set_sparse(b"")
    assert f.decode_set_sparse(b"\1")
    assert not f.decode_set_sparse(b"\0")


def test_structure_size_of_extended_duplicate_is_that_of_the_local_form():
    """[MS-FSCC 2.3.9.2] 0x30, though the form on the wire takes 56 bytes."""
    data = f.DuplicateExtentsEx(GUID, 1, 2, 3).encode()
    assert (len(data), data[0]) == (56, 0x30)
    assert f.DuplicateExtentsEx.decode(b"\x38" + data[1:]).size == 0x38


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("PIPE_TRANSCEIVE", 0x11C017),
        ("SRV_COPYCHUNK", 0x1440F2),
        ("SRV_REQUEST_RESUME_KEY", 0x140078),
        ("VALIDATE_NEGOTIATE_INFO", 0x140204),
        ("QUERY_NETWORK_INTERFACE_INFO", 0x1401FC),
        ("QUERY_ALLOCATED_RANGES", 0x940CF),
        ("SET_ZERO_DATA", 0x980C8),
        ("SET_SPARSE", 0x900C4),
        ("DFS_GET_REFERRALS", 0x60194),
    ],
)
def test_codes(name, code):
    assert getattr(f, f"FSCTL_{name}") == code


def test_codes_are_unique():
    codes = [value for name, value in vars(f).items() if name.startswith("FSCTL_")]
    assert len(codes) == len(set(codes))
