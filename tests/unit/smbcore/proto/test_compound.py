from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smbcore.proto.compound import MAX_MEMBERS, link, split
from smbcore.proto.errors import ProtocolViolation
from smbcore.wire.header import Header


def message(body=b"", next_command=0):
    return bytearray(Header(command=13, next_command=next_command).encode() + body)


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=8))
def test_split_undoes_link(bodies):
    messages = [message(body) for body in bodies]
    link(messages)
    members = split(memoryview(b"".join(messages)))
    assert [bytes(member[64 : 64 + len(body)]) for member, body in zip(members, bodies, strict=True)] == bodies


def test_single_message_stays_as_it_is():
    frame = memoryview(bytes(message(b"abc")))
    assert split(frame) == [frame]


def test_link_pads_every_message_and_leaves_the_next_command_of_the_last_zero():
    messages = [message(b"abc"), message(b"defgh")]
    link(messages)
    assert [len(m) for m in messages] == [72, 72]
    assert [Header.decode(m).next_command for m in messages] == [72, 0]


def test_link_leaves_a_message_alone_as_it_is():
    messages = [message(b"abc")]
    link(messages)
    assert len(messages[0]) == 67


@pytest.mark.parametrize("following", [1, 8, 56, 68, 71, 73, 80, 0xFFFFFFF8])
def test_next_command_that_is_misaligned_or_leads_outside_is_a_violation(following):
    with pytest.raises(ProtocolViolation):
        split(memoryview(bytes(message(bytes(8), following) + message()[:-1])))


@pytest.mark.parametrize("size", [0, 1, 63])
def test_less_than_a_header_is_a_violation(size):
    with pytest.raises(ProtocolViolation):
        split(memoryview(bytes(size)))


def test_endless_compounds_are_a_violation():
    messages = [message() for _ in range(MAX_MEMBERS + 2)]
    link(messages)
    with pytest.raises(ProtocolViolation):
        split(memoryview(b"".join(messages)))
