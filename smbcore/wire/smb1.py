"""The one SMB1 message that still opens doors: the multi-protocol negotiate  [MS-SMB2 3.3.5.3, MS-CIFS 2.2.4.52].

A client that does not know yet whether the server speaks SMB2 sends an SMB_COM_NEGOTIATE whose dialect strings
include those of SMB2; the server answers with an SMB2 NEGOTIATE Response.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING, Final, Self

from smbcore.wire.errors import WireError
from smbcore.wire.reader import block, unpack

if TYPE_CHECKING:
    from smbcore.wire.types import Buffer

SMB1_PROTOCOL_ID: Final = b"\xffSMB"
SMB1_COMMAND_NEGOTIATE: Final = 0x72
DIALECT_SMB_2_002: Final = "SMB 2.002"
DIALECT_SMB_2_WILDCARD: Final = "SMB 2.???"

_HEADER = Struct("<4sBIBHH8sHHHHH")
_COUNTS = Struct("<BH")  # WordCount, ByteCount
_DIALECT_FORMAT: Final = 0x02
_FLAGS: Final = 0x18  # case-insensitive, canonical paths
_FLAGS2: Final = 0xC853  # Unicode, NTSTATUS, extended security, long names


@dataclass(slots=True)
class MultiProtocolNegotiate:
    """SMB_COM_NEGOTIATE Request; dialects as sent, for instance "NT LM 0.12", "SMB 2.002", "SMB 2.???"."""

    dialects: list[str]

    @classmethod
    def decode(cls, view: Buffer) -> Self:
        """Read a whole SMB1 message; raises WireError when it is anything else than a negotiate."""
        protocol, command, *_ = unpack(_HEADER, view)
        if protocol != SMB1_PROTOCOL_ID or command != SMB1_COMMAND_NEGOTIATE:
            raise WireError(f"no SMB1 negotiate: ProtocolId {protocol.hex()}, command {command:#x}")
        words, length = unpack(_COUNTS, view, _HEADER.size)
        if words:
            raise WireError(f"SMB1 negotiate with {words} words")
        data = bytes(block(memoryview(view), _HEADER.size + _COUNTS.size, length))
        return cls(_decode_dialects(data))

    def encode(self) -> bytes:
        """Return the whole SMB1 message."""
        names = b"".join(bytes((_DIALECT_FORMAT,)) + name.encode("latin-1") + b"\0" for name in self.dialects)
        header = _HEADER.pack(
            SMB1_PROTOCOL_ID, SMB1_COMMAND_NEGOTIATE, 0, _FLAGS, _FLAGS2, 0, bytes(8), 0, 0xFFFF, 0, 0, 0,
        )  # fmt: skip
        return header + _COUNTS.pack(0, len(names)) + names


def _decode_dialects(data: bytes) -> list[str]:
    if not data:
        return []
    if data[-1]:
        raise WireError("SMB1 dialect without its end")
    dialects = []
    for name in data[:-1].split(b"\0"):
        if not name or name[0] != _DIALECT_FORMAT:
            raise WireError(f"SMB1 dialect {name!r} has no buffer format")
        dialects.append(name[1:].decode("latin-1"))
    return dialects
