"""The SMB2 packet header  [MS-SMB2 2.2.1].

`Header` is the readable form. Servers and clients that care for time use `unpack`, `pack_into` and
`pack_response_into`, which deal in plain ints.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from struct import Struct
from struct import error as StructError
from typing import TYPE_CHECKING, Final, Self, TypeAlias

from smbcore.wire.errors import WireError

if TYPE_CHECKING:
    from smbcore.wire.types import Buffer


HEADER_SIZE: Final = 64
PROTOCOL_ID: Final = b"\xfeSMB"
UNSOLICITED_MESSAGE_ID: Final = 0xFFFF_FFFF_FFFF_FFFF
"""MessageId of oplock and lease break notifications."""
RELATED_SESSION_ID: Final = 0xFFFF_FFFF_FFFF_FFFF
"""What a related request names that takes its session from the one before  [MS-SMB2 3.2.4.1.4]."""


class Opcode(IntEnum):
    """The Command field."""

    NEGOTIATE = 0x00
    SESSION_SETUP = 0x01
    LOGOFF = 0x02
    TREE_CONNECT = 0x03
    TREE_DISCONNECT = 0x04
    CREATE = 0x05
    CLOSE = 0x06
    FLUSH = 0x07
    READ = 0x08
    WRITE = 0x09
    LOCK = 0x0A
    IOCTL = 0x0B
    CANCEL = 0x0C
    ECHO = 0x0D
    QUERY_DIRECTORY = 0x0E
    CHANGE_NOTIFY = 0x0F
    QUERY_INFO = 0x10
    SET_INFO = 0x11
    OPLOCK_BREAK = 0x12
    SERVER_TO_CLIENT_NOTIFICATION = 0x13


class HeaderFlags(IntFlag):
    """The Flags field, for names; test the plain constants below on hot paths."""

    SERVER_TO_REDIR = 0x0000_0001
    ASYNC_COMMAND = 0x0000_0002
    RELATED_OPERATIONS = 0x0000_0004
    SIGNED = 0x0000_0008
    PRIORITY_MASK = 0x0000_0070
    DFS_OPERATIONS = 0x1000_0000
    REPLAY_OPERATION = 0x2000_0000


# Plain ints of the same values: comparing them costs a twentieth of an enum member.
NEGOTIATE: Final = 0x00
SESSION_SETUP: Final = 0x01
LOGOFF: Final = 0x02
TREE_CONNECT: Final = 0x03
TREE_DISCONNECT: Final = 0x04
CREATE: Final = 0x05
CLOSE: Final = 0x06
FLUSH: Final = 0x07
READ: Final = 0x08
WRITE: Final = 0x09
LOCK: Final = 0x0A
IOCTL: Final = 0x0B
CANCEL: Final = 0x0C
ECHO: Final = 0x0D
QUERY_DIRECTORY: Final = 0x0E
CHANGE_NOTIFY: Final = 0x0F
QUERY_INFO: Final = 0x10
SET_INFO: Final = 0x11
OPLOCK_BREAK: Final = 0x12
SERVER_TO_CLIENT_NOTIFICATION: Final = 0x13

FLAG_RESPONSE: Final = 0x0000_0001
FLAG_ASYNC: Final = 0x0000_0002
FLAG_RELATED: Final = 0x0000_0004
FLAG_SIGNED: Final = 0x0000_0008
FLAG_PRIORITY_MASK: Final = 0x0000_0070
FLAG_DFS: Final = 0x1000_0000
FLAG_REPLAY: Final = 0x2000_0000

# Where single fields stand, for patching a header in place.
STATUS_OFFSET: Final = 8
CREDITS_OFFSET: Final = 14
FLAGS_OFFSET: Final = 16
NEXT_COMMAND_OFFSET: Final = 20
MESSAGE_ID_OFFSET: Final = 24
SESSION_ID_OFFSET: Final = 40
SIGNATURE_OFFSET: Final = 48
SIGNATURE_END: Final = HEADER_SIZE

HeaderFields: TypeAlias = tuple[int, int, int, int, int, int, int, int, int, int, bytes]

_MAGIC: Final = int.from_bytes(PROTOCOL_ID, "little")
_LAYOUT = Struct("<IHHIHHIIQIIQ16s")
_UNSIGNED = Struct("<IHHIHHIIQQQ16x")
_unpack = _LAYOUT.unpack_from
_pack_into = _LAYOUT.pack_into
_pack_unsigned_into = _UNSIGNED.pack_into
_NO_SIGNATURE: Final = bytes(16)
_NEXT_COMMAND = Struct("<I")
_FLAGS = Struct("<I")
_SIGNED_FIELDS = Struct("<12xH10xQ")

unpack_signed_fields: Final = _SIGNED_FIELDS.unpack_from
"""(command, message_id) of the header at the start of a buffer, unchecked: what the nonce of a signature is made of."""


def mark_signed(buf: bytearray | memoryview) -> None:
    """Set FLAG_SIGNED in the header at the start of `buf`."""
    flags = _FLAGS.unpack_from(buf, FLAGS_OFFSET)[0]
    _FLAGS.pack_into(buf, FLAGS_OFFSET, flags | FLAG_SIGNED)


def next_command(view: Buffer) -> int:
    """Return NextCommand of the header at the start of `view`; raises WireError where the header is cut short."""
    try:
        return int(_NEXT_COMMAND.unpack_from(view, NEXT_COMMAND_OFFSET)[0])
    except StructError as why:
        raise WireError("SMB2 header cut short") from why


def set_next_command(buf: bytearray | memoryview, distance: int) -> None:
    """Set NextCommand of the header at the start of `buf`."""
    _NEXT_COMMAND.pack_into(buf, NEXT_COMMAND_OFFSET, distance)


def unpack(view: Buffer, offset: int = 0) -> HeaderFields:
    """Return the fields of the header at `offset`, in wire order without ProtocolId and StructureSize.

    (credit_charge, status, command, credits, flags, next_command, message_id, process_id, tree_id, session_id,
    signature). In a request, `status` holds ChannelSequence in its low 16 bits (3.x). With FLAG_ASYNC,
    AsyncId is `process_id | tree_id << 32`. Raises WireError when it is no SMB2 header.
    """
    try:
        fields = _unpack(view, offset)
    except StructError as why:
        raise WireError("SMB2 header cut short") from why
    if fields[0] != _MAGIC or fields[1] != HEADER_SIZE:
        raise WireError(f"no SMB2 header: ProtocolId {fields[0]:#x}, StructureSize {fields[1]}")
    return fields[2:]


def pack_into(
    buf: bytearray | memoryview,
    offset: int,
    *,
    command: int,
    message_id: int,
    credit_charge: int = 0,
    status: int = 0,
    credits: int = 0,  # noqa: A002  (the field's name)
    flags: int = 0,
    next_command: int = 0,
    process_id: int = 0,
    tree_id: int = 0,
    session_id: int = 0,
    signature: bytes = _NO_SIGNATURE,
) -> None:
    """Write a header of these values at `offset` of `buf`."""
    _pack_into(
        buf, offset, _MAGIC, HEADER_SIZE, credit_charge, status, command, credits, flags, next_command, message_id,
        process_id, tree_id, session_id, signature,
    )  # fmt: skip


def pack_response_into(
    buf: bytearray | memoryview,
    offset: int,
    *,
    credit_charge: int,
    status: int,
    command: int,
    credits: int,  # noqa: A002  (the field's name)
    flags: int,
    next_command: int,
    message_id: int,
    tail64: int,
    session_id: int,
) -> None:
    """Write a response header with an empty signature at `offset` of `buf`; FLAG_RESPONSE is added.

    tail64  the eight bytes behind MessageId: AsyncId when FLAG_ASYNC is set, else process_id | tree_id << 32
    """
    _pack_unsigned_into(
        buf, offset, _MAGIC, HEADER_SIZE, credit_charge, status, command, credits, flags | FLAG_RESPONSE, next_command,
        message_id, tail64, session_id,
    )  # fmt: skip


@dataclass(slots=True)
class Header:
    """SMB2 Packet Header, sync and async form  [MS-SMB2 2.2.1.1, 2.2.1.2].

    status        NTSTATUS of a response; in a request of dialect 3.x its low 16 bits are ChannelSequence
    next_command  bytes from this header to the next one of the compound, 0 in the last
    async_id      valid with FLAG_ASYNC; then process_id and tree_id are not on the wire
    process_id    the reserved field of the sync form, where old clients put their process
    signature     16 bytes
    """

    command: int
    message_id: int = 0
    credit_charge: int = 0
    status: int = 0
    credits: int = 0
    flags: int = 0
    next_command: int = 0
    async_id: int = 0
    process_id: int = 0
    tree_id: int = 0
    session_id: int = 0
    signature: bytes = _NO_SIGNATURE

    @property
    def channel_sequence(self) -> int:
        """ChannelSequence of a request: it shares its bytes with Status."""
        return self.status & 0xFFFF

    @channel_sequence.setter
    def channel_sequence(self, value: int) -> None:
        self.status = value & 0xFFFF

    @property
    def is_response(self) -> bool:
        """Whether the server sent it."""
        return bool(self.flags & FLAG_RESPONSE)

    @property
    def is_async(self) -> bool:
        """Whether it carries an AsyncId in the place of the tree id."""
        return bool(self.flags & FLAG_ASYNC)

    @classmethod
    def decode(cls, view: Buffer, offset: int = 0) -> Self:
        """Read the header at `offset`; raises WireError."""
        (
            charge,
            status,
            command,
            granted,
            flags,
            following,
            mid,
            low,
            high,
            session,
            signature,
        ) = unpack(view, offset)
        if flags & FLAG_ASYNC:
            tail = (low | high << 32, 0, 0)
        else:
            tail = (0, low, high)
        return cls(
            command,
            mid,
            charge,
            status,
            granted,
            flags,
            following,
            *tail,
            session,
            signature,
        )

    def encode(self) -> bytes:
        """Return the 64 bytes of the header."""
        low, high = self.process_id, self.tree_id
        if self.flags & FLAG_ASYNC:
            low, high = self.async_id & 0xFFFF_FFFF, self.async_id >> 32
        return _LAYOUT.pack(
            _MAGIC, HEADER_SIZE, self.credit_charge, self.status, self.command, self.credits, self.flags,
            self.next_command, self.message_id, low, high, self.session_id, self.signature,
        )  # fmt: skip
