"""SMB2 CREATE  [MS-SMB2 2.2.13, 2.2.14] and the list of create contexts both directions carry.

The typed data of the contexts is in `wire.create_contexts`; dispositions, options, share access and create
actions are NT's and live in `nt.create`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from struct import Struct
from struct import error as StructError
from typing import TYPE_CHECKING, Final, Self

from smbcore.wire.errors import WireError
from smbcore.wire.header import HEADER_SIZE
from smbcore.wire.reader import fixed_error
from smbcore.wire.writer import BodyWriter, padding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smbcore.wire.reader import BodyReader
    from smbcore.wire.types import Buffer

REQUEST_SIZE: Final = 57
RESPONSE_SIZE: Final = 89
_REQUEST = Struct("<HBBIQ8xIIIIIHHII")
_REQUEST_END: Final = HEADER_SIZE + _REQUEST.size
_RESPONSE = Struct("<HBBIQQQQQQI4x16sII")
_RESPONSE_END: Final = HEADER_SIZE + _RESPONSE.size
_CONTEXT = Struct("<IHHxxHI")  # Next, NameOffset, NameLength, Reserved, DataOffset, DataLength
_CONTEXT_SIZE: Final = _CONTEXT.size
_SHORTEST_NAME: Final = 4

_unpack_request = _REQUEST.unpack_from
_pack_response = _RESPONSE.pack
_unpack_context = _CONTEXT.unpack_from
_pack_context = _CONTEXT.pack
_pack_next = Struct("<I").pack_into
_PADDING: Final = tuple(bytes(padding(size)) for size in range(8))


class OplockLevel(IntEnum):
    """Oplock levels of CREATE and OPLOCK_BREAK."""

    NONE = 0x00
    LEVEL_II = 0x01
    EXCLUSIVE = 0x08
    BATCH = 0x09
    LEASE = 0xFF


OPLOCK_NONE: Final = 0x00
OPLOCK_LEVEL_II: Final = 0x01
OPLOCK_EXCLUSIVE: Final = 0x08
OPLOCK_BATCH: Final = 0x09
OPLOCK_LEASE: Final = 0xFF

FLAG_REPARSE_POINT: Final = 0x01
"""CreateResponse.flags: the last component is a reparse point (3.x)."""


@dataclass(slots=True)
class CreateContext:
    """SMB2_CREATE_CONTEXT  [MS-SMB2 2.2.13.2].

    name  4 bytes, or the 16 of a GUID
    data  what `wire.create_contexts` has the types for; a view into the frame when decoded
    """

    name: bytes
    data: Buffer = b""


def decode_contexts(data: memoryview) -> list[CreateContext]:
    """Read the chain of create contexts that fills `data`; raises WireError.

    Names and data must lie behind the fixed part and inside of their own context; unknown names pass.
    """
    contexts: list[CreateContext] = []
    size = len(data)
    start = 0
    following = -1
    while following:
        try:
            following, name_at, name_length, data_at, data_length = _unpack_context(data, start)
        except StructError as why:
            raise WireError("create context cut short") from why
        end = start + following if following else size
        name_end = name_at + name_length
        if following & 7 or end > size or name_at < _CONTEXT_SIZE or name_length < _SHORTEST_NAME:
            raise WireError(f"create context at {start} of {size}: next {following}, name {name_length} at {name_at}")
        if start + name_end > end or (data_length and (data_at < name_end or start + data_at + data_length > end)):
            raise WireError(f"create context at {start}: data of {data_length} at {data_at} leaves it")
        content = data[start + data_at : start + data_at + data_length] if data_length else data[:0]
        contexts.append(CreateContext(bytes(data[start + name_at : start + name_end]), content))
        start = end
    return contexts


def encode_contexts(contexts: Sequence[CreateContext]) -> bytes:
    """Return the chain: names right behind the fixed part, data and next contexts 8-byte aligned."""
    out = bytearray()
    start = 0
    for context in contexts:
        if out:
            out += _PADDING[len(out) & 7]
            _pack_next(out, start, len(out) - start)
            start = len(out)
        name, data = context.name, context.data
        gap = _PADDING[len(name) & 7] if data else b""
        data_at = _CONTEXT_SIZE + len(name) + len(gap) if data else 0
        out += _pack_context(0, _CONTEXT_SIZE, len(name), data_at, len(data)) + name + gap
        out += data
    return bytes(out)


@dataclass(slots=True)
class CreateRequest:
    """SMB2 CREATE Request  [MS-SMB2 2.2.13].

    oplock_level         OplockLevel
    impersonation_level  nt.create
    desired_access       nt.access mask
    file_attributes      nt.attributes
    share_access, create_disposition, create_options  nt.create
    name                 path relative to the share, backslashes, none in front; empty for the share's root
    security_flags, create_flags  reserved
    """

    oplock_level: int
    impersonation_level: int
    desired_access: int
    file_attributes: int
    share_access: int
    create_disposition: int
    create_options: int
    name: str
    contexts: list[CreateContext] = field(default_factory=list)
    security_flags: int = 0
    create_flags: int = 0

    @classmethod
    def decode(cls, r: BodyReader) -> Self:
        """Read the body; raises WireError."""
        try:
            (
                size, security_flags, oplock, impersonation, create_flags, access, attributes, share, disposition,
                options, name_at, name_length, contexts_at, contexts_length,
            ) = _unpack_request(r.view, HEADER_SIZE)  # fmt: skip
        except StructError:
            raise fixed_error(r.view, REQUEST_SIZE) from None
        if size != REQUEST_SIZE:
            raise fixed_error(r.view, REQUEST_SIZE)
        return cls(
            oplock, impersonation, access, attributes, share, disposition, options,
            r.utf16(name_at, name_length, _REQUEST_END),
            decode_contexts(r.block(contexts_at, contexts_length, _REQUEST_END)) if contexts_length else [],
            security_flags, create_flags,
        )  # fmt: skip

    def encode(self) -> bytes:
        """Return the body."""
        w = BodyWriter(_REQUEST.size)
        name = w.utf16(self.name)
        contexts = _write_contexts(w, self.contexts)
        w.fixed(
            _REQUEST, REQUEST_SIZE, self.security_flags, self.oplock_level, self.impersonation_level,
            self.create_flags, self.desired_access, self.file_attributes, self.share_access, self.create_disposition,
            self.create_options, *name, *contexts,
        )  # fmt: skip
        return w.bytes(REQUEST_SIZE)


@dataclass(slots=True)
class CreateResponse:
    """SMB2 CREATE Response  [MS-SMB2 2.2.14].

    oplock_level   the granted OplockLevel
    flags          FLAG_REPARSE_POINT or 0
    create_action  nt.create
    times          FILETIME
    file_id        16 bytes, persistent and volatile
    """

    oplock_level: int
    flags: int
    create_action: int
    creation_time: int
    last_access_time: int
    last_write_time: int
    change_time: int
    allocation_size: int
    end_of_file: int
    file_attributes: int
    file_id: bytes
    contexts: list[CreateContext] = field(default_factory=list)

    @classmethod
    def decode(cls, r: BodyReader) -> Self:
        """Read the body; raises WireError."""
        fields = r.fixed(_RESPONSE, RESPONSE_SIZE)
        at, length = fields[-2:]
        response = cls(*fields[:-2])
        if length:
            response.contexts = decode_contexts(r.block(at, length, _RESPONSE_END))
        return response

    def encode(self) -> bytes:
        """Return the body."""
        contexts = encode_contexts(self.contexts) if self.contexts else b""
        fixed = _pack_response(
            RESPONSE_SIZE, self.oplock_level, self.flags, self.create_action, self.creation_time,
            self.last_access_time, self.last_write_time, self.change_time, self.allocation_size, self.end_of_file,
            self.file_attributes, self.file_id, _RESPONSE_END if contexts else 0, len(contexts),
        )  # fmt: skip
        return fixed + contexts if contexts else fixed


def _write_contexts(w: BodyWriter, contexts: list[CreateContext]) -> tuple[int, int]:
    if not contexts:
        return 0, 0
    w.align()
    return w.block(encode_contexts(contexts))
