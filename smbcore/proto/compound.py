"""Compounded messages: several in one frame, each 8-byte aligned  [MS-SMB2 3.3.5.2.7, 3.3.4.1.3]."""

from __future__ import annotations

from struct import Struct
from struct import error as StructError
from typing import Final

from smbcore.proto.errors import ProtocolViolation
from smbcore.wire.header import HEADER_SIZE, next_command, set_next_command

MAX_MEMBERS = 256
_START: Final = Struct("<4s16xI")


def start_of(frame: memoryview) -> tuple[bytes, int]:
    """Return the protocol id of `frame` and, for SMB2, where its second message begins (0: there is only one).

    Raises ProtocolViolation for what is too short for either.
    """
    try:
        protocol, following = _START.unpack_from(frame)
    except StructError:
        raise ProtocolViolation(f"message of {len(frame)} bytes") from None
    return protocol, following


def split(frame: memoryview) -> list[memoryview]:
    """Return the messages of `frame`, each from its header to the next message (padding included).

    Raises ProtocolViolation for a member that is misaligned, too short or outside of the frame.
    """
    if len(frame) < HEADER_SIZE:
        raise ProtocolViolation(f"message of {len(frame)} bytes is shorter than a header")
    following = next_command(frame)
    if not following:
        return [frame]
    members: list[memoryview] = []
    while following:
        if following % 8 or following < HEADER_SIZE or following + HEADER_SIZE > len(frame):
            raise ProtocolViolation(f"next command at {following} in {len(frame)} bytes")
        if len(members) >= MAX_MEMBERS:
            raise ProtocolViolation("too many compounded commands")
        members.append(frame[:following])
        frame = frame[following:]
        following = next_command(frame)
    members.append(frame)
    return members


def link(messages: list[bytearray]) -> None:
    """Pad and chain `messages` in place, so that sent one after the other they are one compound.

    Padding belongs to the message before it and is part of what that message's signature covers. The last of several
    is padded, too, as Windows does and smb2.compound.compound-padding expects; a message alone is not.
    """
    if len(messages) < 2:
        return
    for message in messages:
        message.extend(bytes(-len(message) % 8))
    for message in messages[:-1]:
        set_next_command(message, len(message))
