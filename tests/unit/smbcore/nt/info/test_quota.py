"""Quota entries and lists of SIDs  [MS-FSCC 2.4.40]."""

from __future__ import annotations

import pytest

from smbcore.nt.errors import WireError
from smbcore.nt.info.quota import (
    MAX_ENTRIES,
    QuotaInformation,
    decode_quotas,
    decode_sids,
    encode_quotas,
    encode_sids,
    size_with,
)
from smbcore.nt.sid import ADMINISTRATORS, EVERYONE, Sid

USER = Sid.parse("S-1-5-21-1-2-3-1000")
ONE = QuotaInformation(EVERYONE, 0x1000, 0x2000, 0x3000, 0x4000)
ONE_WIRE = (
    "00000000 0c000000 0040000000000000 0010000000000000 0020000000000000 003000000000000001 01 000000000001 00000000"
)


def test_one_entry_both_ways() -> None:
    assert encode_quotas([ONE]) == bytes.fromhex(ONE_WIRE)
    assert decode_quotas(bytes.fromhex(ONE_WIRE)) == [ONE]


def test_entries_are_aligned_to_eight_and_no_limit_is_all_ones() -> None:
    entries = [ONE, QuotaInformation(ADMINISTRATORS), QuotaInformation(USER, limit=5)]
    data = encode_quotas(entries)
    assert data[:4] == (56).to_bytes(4, "little")
    assert data[56:60] == (56).to_bytes(4, "little")
    assert data[56 + 24 : 56 + 40] == b"\xff" * 16
    assert decode_quotas(data) == entries
    size = 0
    for entry in entries:
        size = size_with(size, entry)
    assert size == len(data)


def test_lists_of_sids_are_aligned_to_four() -> None:
    sids = [EVERYONE, ADMINISTRATORS, USER]
    data = encode_sids(sids)
    assert data[:8].hex() == "140000000c000000"
    assert decode_sids(data) == sids


@pytest.mark.parametrize("cut", range(1, 52))
def test_every_truncation_is_refused(cut: int) -> None:
    with pytest.raises(WireError):
        decode_quotas(bytes.fromhex(ONE_WIRE)[:-cut])


@pytest.mark.parametrize(
    "patch",
    [
        pytest.param((0, "04000000"), id="next entry inside of this one"),
        pytest.param((0, "ffffffff"), id="next entry far outside"),
        pytest.param((4, "0b000000"), id="SID cut"),
        pytest.param((4, "00000000"), id="no SID"),
        pytest.param((4, "ffffffff"), id="SID far too long"),
        pytest.param((40, "02"), id="SID of another revision"),
        pytest.param((41, "00"), id="SID shorter than it says"),
    ],
)
def test_damaged_entries_are_refused(patch: tuple[int, str]) -> None:
    data = bytearray.fromhex(ONE_WIRE)
    at, replacement = patch
    data[at : at + len(replacement) // 2] = bytes.fromhex(replacement)
    with pytest.raises(WireError):
        decode_quotas(data)


def test_more_sids_than_anybody_needs_are_refused() -> None:
    assert len(decode_sids(encode_sids([EVERYONE] * MAX_ENTRIES))) == MAX_ENTRIES
    with pytest.raises(WireError):
        decode_sids(encode_sids([EVERYONE] * (MAX_ENTRIES + 1)))
