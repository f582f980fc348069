"""The writer that places blocks behind a fixed part."""

from __future__ import annotations

from struct import Struct

import pytest

from smbcore.wire.writer import BodyWriter, encode_utf16, padding

LAYOUT = Struct("<HHH")


def test_offsets_count_from_the_header() -> None:
    w = BodyWriter(6)
    assert w.block(b"abc") == (70, 3)
    w.align()
    assert w.utf16("x") == (80, 2)
    w.fixed(LAYOUT, 1, 2, 3)
    assert w.bytes() == b"\x01\0\x02\0\x03\0abc" + bytes(7) + b"x\0"


def test_body_is_filled_up_to_the_wanted_size() -> None:
    w = BodyWriter(2)
    assert w.bytes(3) == bytes(3)
    assert w.bytes(1) == bytes(3)


def test_value_that_does_not_fit_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="out of range"):
        BodyWriter(6).fixed(LAYOUT, 1, 2, 0x10000)


@pytest.mark.parametrize(("size", "missing"), [(0, 0), (1, 7), (7, 1), (8, 0), (9, 7)])
def test_padding_lifts_to_eight(size: int, missing: int) -> None:
    assert padding(size) == missing


def test_lone_surrogates_pass() -> None:
    assert encode_utf16("\ud800") == b"\0\xd8"
