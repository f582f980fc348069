from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smbcore.proto.errors import ProtocolViolation
from smbcore.proto.framing import FrameReader, frame_header


def framed(*messages):
    return b"".join(frame_header(len(message)) + message for message in messages)


def fed(reader, data):
    return [bytes(frame) for frame in reader.feed(data)]


def test_header_is_a_zero_byte_and_24_bits_big_endian():
    assert frame_header(0x012345) == b"\x00\x01\x23\x45"


def test_messages_are_cut_in_place():
    reader = FrameReader(1000, initial=64)
    room = reader.buffer()
    data = framed(b"one", b"three")
    room[: len(data)] = data
    first, second = reader.received(len(data))
    assert (bytes(first), bytes(second)) == (b"one", b"three")
    room[4:5] = b"O"
    assert bytes(first) == b"One"


@given(st.lists(st.binary(max_size=300), max_size=8), st.data())
def test_any_split_of_the_stream_gives_the_same_messages(messages, data):
    stream = framed(*messages)
    reader = FrameReader(1000, initial=64)
    got = []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        got += fed(reader, stream[:size])
        stream = stream[size:]
    assert got == messages


def test_receiving_into_the_buffer_never_offers_no_room():
    reader = FrameReader(1000, initial=16)
    stream = framed(b"a" * 12, b"b" * 100, b"", b"c" * 11)
    got = []
    while stream:
        room = reader.buffer()
        assert len(room)
        size = min(len(room), len(stream), 5)
        room[:size] = stream[:size]
        stream = stream[size:]
        got += [bytes(frame) for frame in reader.received(size)]
    assert got == [b"a" * 12, b"b" * 100, b"", b"c" * 11]


def test_message_of_the_limit_passes_and_one_more_byte_does_not():
    assert fed(FrameReader(100), framed(b"x" * 100)) == [b"x" * 100]
    with pytest.raises(ProtocolViolation):
        fed(FrameReader(100), framed(b"x" * 101))


@pytest.mark.parametrize("header", [b"\x01\x00\x00\x01", b"\x85\x00\x00\x00", b"\xff\xff\xff\xff"])
def test_other_frame_types_are_refused(header):
    with pytest.raises(ProtocolViolation):
        fed(FrameReader(0xFFFFFF), header + b"x")


def test_oversized_frame_is_refused_before_room_is_made_for_it():
    reader = FrameReader(1000, initial=64)
    with pytest.raises(ProtocolViolation):
        fed(reader, b"\x00\xff\xff\xff")


def test_raised_limit_holds_for_the_next_frame():
    reader = FrameReader(100)
    assert fed(reader, framed(b"x" * 100)) == [b"x" * 100]
    reader.limit = 1000
    assert fed(reader, framed(b"y" * 1000)) == [b"y" * 1000]


def test_without_detaching_the_buffer_is_used_again():
    reader = FrameReader(100, initial=64)
    (frame,) = reader.feed(framed(b"before"))
    list(reader.feed(framed(b"behind")))
    assert bytes(frame) == b"behind"


def test_detached_buffer_is_left_alone():
    reader = FrameReader(100, initial=64)
    (frame,) = reader.feed(framed(b"before"))
    reader.detach()
    assert fed(reader, framed(b"behind")) == [b"behind"]
    assert bytes(frame) == b"before"


def test_detaching_takes_the_incomplete_rest_along():
    reader = FrameReader(100, initial=64)
    (frame,) = reader.feed(framed(b"before") + framed(b"behind")[:6])
    reader.detach()
    assert fed(reader, framed(b"behind")[6:]) == [b"behind"]
    assert bytes(frame) == b"before"


def test_buffer_grown_for_a_large_message_does_not_stay():
    reader = FrameReader(0xFFFFFF)
    assert len(fed(reader, framed(bytes(4 << 20)))[0]) == 4 << 20
    assert len(reader.buffer()) == 64 * 1024
