from __future__ import annotations

from struct import Struct

import pytest

from smbcore.nt.errors import WireError
from smbcore.nt.info import buffers as b


def test_bounds_are_checked():
    data = b"abcdef"
    assert b.unpack(Struct("<H"), data, 4) == (0x6665,)
    assert b.cut(data, 2, 4) == b"cdef"
    for call in (
        lambda: b.unpack(Struct("<H"), data, 5),
        lambda: b.unpack(Struct("<H"), data, -1),
        lambda: b.cut(data, 2, 5),
        lambda: b.cut(data, -1, 1),
        lambda: b.cut(data, 0, -1),
        lambda: b.cut(data, 7, 0),
        lambda: b.utf16(data, 0, 3),
        lambda: b.utf16(data, 4, 4),
        lambda: b.utf16(data, 8, 0),
    ):
        with pytest.raises(WireError):
            call()


@pytest.mark.parametrize("text", ["", "abc", "äö€", "\U0001f600", "a\ud800b"])
def test_utf16_survives(text):
    data = b.to_utf16(text)
    assert b.utf16(memoryview(data), 0, len(data)) == text


def test_lists_go_forward_and_stay_inside():
    data = bytes(40)
    assert b.next_entry(data, 0, 0, 12) == -1
    assert b.next_entry(data, 8, 16, 12) == 24
    for offset, step in ((0, 8), (0, 40), (32, 12)):
        with pytest.raises(WireError):
            b.next_entry(data, offset, step, 12)


def test_join_aligned():
    assert b.join_aligned([b"\0\0\0\0a", b"\0\0\0\0bb"], 8) == b"\x08\0\0\0a\0\0\0\0\0\0\0bb"
    assert b.join_aligned([], 8) == b""
