"""The bounds-checked reader."""

from __future__ import annotations

from struct import Struct

import pytest

from smbcore.wire import reader
from smbcore.wire.errors import WireError
from smbcore.wire.reader import BodyReader

LAYOUT = Struct("<HH")


def make(body: bytes) -> BodyReader:
    return BodyReader.over_body(body)


def test_fixed_returns_the_fields_behind_structure_size() -> None:
    assert make(b"\x04\0\x07\0").fixed(LAYOUT, 4) == (7,)
    assert make(b"\x04\0").structure_size() == 4


@pytest.mark.parametrize("body", [b"", b"\x04", b"\x04\0\x07", b"\x05\0\x07\0"])
def test_fixed_refuses_short_bodies_and_other_sizes(body: bytes) -> None:
    with pytest.raises(WireError):
        make(body).fixed(LAYOUT, 4)


def test_structure_size_of_nothing_is_refused() -> None:
    with pytest.raises(WireError):
        make(b"\x04").structure_size()


def test_block_is_a_slice_without_a_copy() -> None:
    frame = bytearray(70)
    view = BodyReader(memoryview(frame)).block(66, 2)
    frame[66] = 9
    assert bytes(view) == b"\x09\0"


@pytest.mark.parametrize(("offset", "length"), [(63, 1), (0, 64), (66, 3), (68, 1), (0xFFFFFFFF, 0xFFFFFFFF)])
def test_block_and_text_outside_are_refused(offset: int, length: int) -> None:
    with pytest.raises(WireError):
        make(bytes(4)).block(offset, length)
    with pytest.raises(WireError):
        make(bytes(4)).utf16(offset, length * 2)


@pytest.mark.parametrize("offset", [0, 3, 64, 0xFFFFFFFF])
def test_empty_block_may_stand_anywhere(offset: int) -> None:
    assert bytes(make(b"").block(offset, 0)) == b""
    assert make(b"").utf16(offset, 0) == ""
    assert bytes(reader.block(memoryview(b""), offset, 0)) == b""


@pytest.mark.parametrize("text", ["a", "ä€😀", "\ud800", "\udc00x", "x\ud83d", "\0"])
def test_text_keeps_lone_surrogates(text: str) -> None:
    raw = text.encode("utf-16-le", "surrogatepass")
    assert make(raw).utf16(64, len(raw)) == text
    assert reader.decode_utf16(memoryview(raw)) == text


def test_odd_text_is_refused() -> None:
    with pytest.raises(WireError):
        make(b"abc").utf16(64, 3)
    with pytest.raises(WireError):
        reader.decode_utf16(b"abc")


@pytest.mark.parametrize(
    ("body", "what"), [(b"", "no body"), (b"\x18\0", "too short"), (b"\x19\0" + bytes(30), "StructureSize is 25")]
)
def test_fixed_error_says_what_is_wrong(body: bytes, what: str) -> None:
    assert what in str(reader.fixed_error(memoryview(bytes(64) + body), 24))
