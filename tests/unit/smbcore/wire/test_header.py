"""The packet header  [MS-SMB2 2.2.1]."""

from __future__ import annotations

import pytest

from smbcore.wire import header
from smbcore.wire.errors import WireError
from smbcore.wire.header import Header, HeaderFlags, Opcode

SIGNATURE = bytes(range(0x30, 0x40))
SYNC = Header(
    Opcode.READ,
    message_id=7,
    credit_charge=2,
    status=0x0000_0003,
    credits=31,
    flags=header.FLAG_SIGNED,
    next_command=0x78,
    process_id=0xFEFF,
    tree_id=5,
    session_id=0x1122334455667788,
    signature=SIGNATURE,
)
SYNC_WIRE = (
    "fe534d42 4000 0200 03000000 0800 1f00 08000000 78000000 0700000000000000 fffe0000 05000000 8877665544332211"
    "303132333435363738393a3b3c3d3e3f"
)
ASYNC = Header(Opcode.CHANGE_NOTIFY, 9, 1, 0x103, 1, header.FLAG_RESPONSE | header.FLAG_ASYNC, async_id=0x1_0000_0002)
ASYNC_WIRE = (
    "fe534d42 4000 0100 03010000 0f00 0100 03000000 00000000 0900000000000000 02000000 01000000 0000000000000000"
    "00000000000000000000000000000000"
)


@pytest.mark.parametrize(("value", "wire"), [(SYNC, SYNC_WIRE), (ASYNC, ASYNC_WIRE)])
def test_both_ways(value: Header, wire: str) -> None:
    raw = bytes.fromhex(wire)
    assert value.encode().hex() == raw.hex()
    assert Header.decode(memoryview(raw)) == value
    assert Header.decode(b"x" * 8 + raw, 8) == value


def test_every_truncation_is_refused() -> None:
    raw = bytes.fromhex(SYNC_WIRE)
    for length in range(64):
        with pytest.raises(WireError):
            Header.decode(raw[:length])
        with pytest.raises(WireError):
            header.unpack(memoryview(raw)[:length])


@pytest.mark.parametrize("patch", [(0, b"\xff"), (0, b"\xfd"), (3, b"b"), (4, b"\x41"), (5, b"\x01")])
def test_other_magic_or_structure_size_is_refused(patch: tuple[int, bytes]) -> None:
    raw = bytearray.fromhex(SYNC_WIRE)
    raw[patch[0] : patch[0] + 1] = patch[1]
    with pytest.raises(WireError, match="no SMB2 header"):
        header.unpack(raw)


def test_unpack_gives_the_fields_in_wire_order() -> None:
    fields = header.unpack(bytes.fromhex(SYNC_WIRE))
    assert fields == (2, 3, 8, 31, 8, 0x78, 7, 0xFEFF, 5, 0x1122334455667788, SIGNATURE)


def test_pack_into_writes_what_encode_returns() -> None:
    buf = bytearray(b"\xee" * 70)
    header.pack_into(
        buf, 4, command=8, message_id=7, credit_charge=2, status=3, credits=31, flags=8, next_command=0x78,
        process_id=0xFEFF, tree_id=5, session_id=0x1122334455667788, signature=SIGNATURE,
    )  # fmt: skip
    assert buf == b"\xee" * 4 + SYNC.encode() + b"\xee" * 2


def test_pack_response_marks_the_response_and_clears_the_signature() -> None:
    buf = bytearray(b"\xee" * 64)
    header.pack_response_into(
        buf, 0, credit_charge=1, status=0x103, command=0x0F, credits=1, flags=header.FLAG_ASYNC, next_command=0,
        message_id=9, tail64=0x1_0000_0002, session_id=0,
    )  # fmt: skip
    assert buf == ASYNC.encode()


def test_tail_of_a_sync_response_is_process_and_tree() -> None:
    buf = bytearray(64)
    header.pack_response_into(
        buf, 0, credit_charge=0, status=0, command=1, credits=0, flags=0, next_command=0, message_id=1,
        tail64=0xFEFF | 5 << 32, session_id=2,
    )  # fmt: skip
    answer = Header.decode(buf)
    assert (answer.process_id, answer.tree_id, answer.async_id, answer.session_id) == (0xFEFF, 5, 0, 2)
    assert answer.is_response
    assert not answer.is_async


def test_channel_sequence_shares_the_bytes_of_status() -> None:
    request = Header(Opcode.WRITE, status=0xFFFF_0001)
    assert request.channel_sequence == 1
    request.channel_sequence = 0x1_0002
    assert request.status == 2


def test_plain_constants_equal_the_enums() -> None:
    assert {name: getattr(header, name) for name in Opcode.__members__} == dict(Opcode.__members__)
    assert header.FLAG_RESPONSE == HeaderFlags.SERVER_TO_REDIR
    assert header.FLAG_ASYNC == HeaderFlags.ASYNC_COMMAND
    assert header.FLAG_RELATED == HeaderFlags.RELATED_OPERATIONS
    assert header.FLAG_SIGNED == HeaderFlags.SIGNED
    assert header.FLAG_PRIORITY_MASK == HeaderFlags.PRIORITY_MASK
    assert header.FLAG_DFS == HeaderFlags.DFS_OPERATIONS
    assert header.FLAG_REPLAY == HeaderFlags.REPLAY_OPERATION


@pytest.mark.parametrize(
    ("offset", "size", "value"),
    [
        (header.STATUS_OFFSET, 4, 3),
        (header.CREDITS_OFFSET, 2, 31),
        (header.FLAGS_OFFSET, 4, 8),
        (header.NEXT_COMMAND_OFFSET, 4, 0x78),
        (header.MESSAGE_ID_OFFSET, 8, 7),
        (header.SESSION_ID_OFFSET, 8, 0x1122334455667788),
        (header.SIGNATURE_OFFSET, 16, int.from_bytes(SIGNATURE, "little")),
    ],
)
def test_offsets_name_the_places_of_the_fields(offset: int, size: int, value: int) -> None:
    assert int.from_bytes(SYNC.encode()[offset : offset + size], "little") == value
