"""Packets of the connection-oriented DCE/RPC protocol  [C706 12.6] [MS-RPCE 2.2.2].

Only what a server on a named pipe needs: requests are decoded, replies encoded.
Little-endian integers only; the data representation of every client in use.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from struct import Struct
from typing import Final, Self

from smbcore.nt import guid
from smbcore.nt.errors import WireError

HEADER_SIZE: Final = 16
REQUEST_HEADER_SIZE: Final = 24
RESPONSE_HEADER_SIZE: Final = 24

_HEADER: Final = Struct("<BBBB4sHHI")
_BIND: Final = Struct("<HHIB3x")
_CONTEXT: Final = Struct("<HBx")
_SYNTAX: Final = Struct("<16sI")
_REQUEST: Final = Struct("<IHH")
_RESPONSE: Final = Struct("<IHBx")
_FAULT: Final = Struct("<IHBxII")
_RESULT: Final = Struct("<HH16sI")
_LITTLE_ENDIAN: Final = b"\x10\x00\x00\x00"
_VERSION: Final = 5
_GUID_SIZE: Final = 16

FIRST_FRAGMENT: Final = 0x01
LAST_FRAGMENT: Final = 0x02
DID_NOT_EXECUTE: Final = 0x20
OBJECT_UUID: Final = 0x80


class PacketType(IntEnum):
    """PDU types  [C706 12.6.4]."""

    REQUEST = 0
    RESPONSE = 2
    FAULT = 3
    BIND = 11
    BIND_ACK = 12
    BIND_NAK = 13
    ALTER_CONTEXT = 14
    ALTER_CONTEXT_RESPONSE = 15
    AUTH3 = 16
    SHUTDOWN = 17
    CANCEL = 18
    ORPHANED = 19


class FaultCode(IntEnum):
    """Status of a fault PDU  [C706 appendix E] [MS-RPCE 2.2.2.11]."""

    ACCESS_DENIED = 0x0000_0005
    BAD_STUB_DATA = 0x0000_06F7
    OP_RANGE_ERROR = 0x1C01_0002
    UNKNOWN_INTERFACE = 0x1C01_0003
    PROTOCOL_ERROR = 0x1C01_000B
    SERVER_TOO_BUSY = 0x1C01_0014
    CONTEXT_MISMATCH = 0x1C00_001A
    REMOTE_NO_MEMORY = 0x1C00_001D


class NakReason(IntEnum):
    """Why a bind was refused as a whole  [C706 12.6.3.1] [MS-RPCE 2.2.2.5]."""

    NOT_SPECIFIED = 0
    LOCAL_LIMIT_EXCEEDED = 2
    PROTOCOL_VERSION = 4
    AUTHENTICATION_TYPE = 8


@dataclass(frozen=True, slots=True)
class Syntax:
    """An interface or transfer syntax: GUID in wire order and version (major in the low half)."""

    uuid: bytes
    version: int

    @classmethod
    def of(cls, uuid: str, major: int, minor: int = 0) -> Self:
        """Build from the UUID's text."""
        return cls(guid.from_text(uuid), major | minor << 16)

    @property
    def major(self) -> int:
        """The major version."""
        return self.version & 0xFFFF


NDR: Final = Syntax.of("8a885d04-1ceb-11c9-9fe8-08002b104860", 2)
NDR64: Final = Syntax.of("71710533-beba-4937-8319-b5dbef9ccc36", 1)
NO_SYNTAX: Final = Syntax(bytes(16), 0)
FEATURES_PREFIX: Final = guid.from_text("6cb71c2c-9812-4540-0000-000000000000")[:8]
"""First half of the pseudo transfer syntax of bind-time feature negotiation."""


@dataclass(slots=True)
class PacketHeader:
    """The common header  [C706 12.6.3.1].

    length       bytes of the fragment, header included
    auth_length  bytes of the authentication verifier at the end
    """

    type: int
    flags: int
    length: int
    auth_length: int
    call_id: int
    minor: int = 0

    @classmethod
    def decode(cls, data: bytes | bytearray | memoryview) -> Self:
        """Decode the first 16 bytes. Raises WireError for other versions and byte orders."""
        if len(data) < HEADER_SIZE:
            msg = "RPC header cut off"
            raise WireError(msg)
        version, minor, kind, flags, drep, length, auth, call_id = _HEADER.unpack_from(data)
        if version != _VERSION or minor > 1:
            msg = f"RPC version {version}.{minor}"
            raise WireError(msg)
        if drep[:2] != _LITTLE_ENDIAN[:2]:
            msg = f"RPC data representation {drep.hex()}"
            raise WireError(msg)
        if length < HEADER_SIZE or auth + HEADER_SIZE > length:
            msg = f"RPC fragment of {length} bytes with {auth} of authentication"
            raise WireError(msg)
        return cls(kind, flags, length, auth, call_id, minor)

    def encode(self) -> bytes:
        """Return the 16 bytes."""
        return _HEADER.pack(
            _VERSION, self.minor, self.type, self.flags, _LITTLE_ENDIAN, self.length, self.auth_length, self.call_id
        )


@dataclass(slots=True)
class PresentationContext:
    """One proposal of a bind: an interface and the transfer syntaxes offered for it."""

    id: int
    interface: Syntax
    transfers: list[Syntax]


@dataclass(slots=True)
class Bind:
    """The body of bind and alter_context  [C706 12.6.4.3].

    max_transmit, max_receive  largest fragment the client sends and takes
    """

    max_transmit: int
    max_receive: int
    group: int
    contexts: list[PresentationContext]

    @classmethod
    def decode(cls, body: memoryview) -> Self:
        """Decode what follows the common header. Raises WireError."""
        if len(body) < _BIND.size:
            msg = "bind cut off"
            raise WireError(msg)
        transmit, receive, group, count = _BIND.unpack_from(body)
        offset, contexts = _BIND.size, []
        for _ in range(count):
            context, offset = _decode_context(body, offset)
            contexts.append(context)
        return cls(transmit, receive, group, contexts)


def _decode_context(body: memoryview, offset: int) -> tuple[PresentationContext, int]:
    if len(body) < offset + _CONTEXT.size:
        msg = "presentation context cut off"
        raise WireError(msg)
    ident, count = _CONTEXT.unpack_from(body, offset)
    offset += _CONTEXT.size
    end = offset + (1 + count) * _SYNTAX.size
    if len(body) < end:
        msg = "presentation context cut off"
        raise WireError(msg)
    syntaxes = [Syntax(*_SYNTAX.unpack_from(body, at)) for at in range(offset, end, _SYNTAX.size)]
    return PresentationContext(ident, syntaxes[0], syntaxes[1:]), end


@dataclass(slots=True)
class Request:
    """The body of a request fragment  [C706 12.6.4.9]."""

    context_id: int
    opnum: int
    stub: memoryview
    alloc_hint: int = 0

    @classmethod
    def decode(cls, body: memoryview, flags: int) -> Self:
        """Decode what follows the common header. Raises WireError."""
        start = _REQUEST.size + (_GUID_SIZE if flags & OBJECT_UUID else 0)
        if len(body) < start:
            msg = "request cut off"
            raise WireError(msg)
        hint, context_id, opnum = _REQUEST.unpack_from(body)
        return cls(context_id, opnum, body[start:], hint)


@dataclass(slots=True)
class ContextResult:
    """The answer to one presentation context  [C706 12.6.3.1].

    result  0 accepted, 2 refused, 3 features negotiated (`reason` holds the bits)
    reason  of a refusal: 1 interface, 2 transfer syntaxes, 3 local limit
    """

    result: int
    reason: int = 0
    transfer: Syntax = NO_SYNTAX


def _packet(kind: PacketType, call_id: int, body: bytes, flags: int) -> bytes:
    return PacketHeader(kind, flags, HEADER_SIZE + len(body), 0, call_id).encode() + body


def bind_ack(
    kind: PacketType, call_id: int, limits: tuple[int, int, int], address: str, results: list[ContextResult]
) -> bytes:
    """Build bind_ack or alter_context_resp.

    limits   (largest fragment we send, largest we take, association group)
    address  name of the pipe; "" in an answer to alter_context
    """
    name = address.encode("ascii") + b"\0" if address else b""
    head = Struct("<HHIH").pack(*limits, len(name)) + name
    head += bytes(-(HEADER_SIZE + len(head)) % 4)
    body = head + bytes((len(results), 0, 0, 0))
    for item in results:
        body += _RESULT.pack(item.result, item.reason, item.transfer.uuid, item.transfer.version)
    return _packet(kind, call_id, body, FIRST_FRAGMENT | LAST_FRAGMENT)


def bind_nak(call_id: int, reason: NakReason) -> bytes:
    """Build bind_nak, naming the one protocol version there is."""
    body = Struct("<HBBB").pack(reason, 1, _VERSION, 0)
    return _packet(PacketType.BIND_NAK, call_id, body, FIRST_FRAGMENT | LAST_FRAGMENT)


def fault(call_id: int, context_id: int, status: int) -> bytes:
    """Build a fault; `status` is a FaultCode or a Win32 error."""
    body = _FAULT.pack(0, context_id, 0, status, 0)
    flags = FIRST_FRAGMENT | LAST_FRAGMENT
    if status in (FaultCode.OP_RANGE_ERROR, FaultCode.UNKNOWN_INTERFACE, FaultCode.PROTOCOL_ERROR):
        flags |= DID_NOT_EXECUTE
    return _packet(PacketType.FAULT, call_id, body, flags)


def response(call_id: int, context_id: int, stub: bytes, max_fragment: int) -> list[bytes]:
    """Build the fragments of a response, none larger than `max_fragment` bytes."""
    room = (max_fragment - RESPONSE_HEADER_SIZE) & ~7  # stub data of all but the last in units of 8
    starts = range(0, len(stub) or 1, room)
    fragments = []
    for start in starts:
        flags = (FIRST_FRAGMENT if start == 0 else 0) | (LAST_FRAGMENT if start + room >= len(stub) else 0)
        body = _RESPONSE.pack(len(stub) - start, context_id, 0) + stub[start : start + room]
        fragments.append(_packet(PacketType.RESPONSE, call_id, body, flags))
    return fragments
