"""SMB2 NEGOTIATE  [MS-SMB2 2.2.3, 2.2.4]."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from struct import Struct
from typing import TYPE_CHECKING, Final, Self

from smbcore.wire.errors import WireError
from smbcore.wire.header import HEADER_SIZE
from smbcore.wire.negotiate_contexts import (
    NegotiateContext,
    decode_contexts,
    encode_contexts,
)
from smbcore.wire.reader import unpack
from smbcore.wire.writer import BodyWriter

if TYPE_CHECKING:
    from smbcore.wire.reader import BodyReader
    from smbcore.wire.types import Buffer

_REQUEST = Struct("<HHHxxI16sIHxx")
_REQUEST_END: Final = HEADER_SIZE + _REQUEST.size
_RESPONSE = Struct("<HHHH16sIIIIQQHHI")
_RESPONSE_END: Final = HEADER_SIZE + _RESPONSE.size


class Dialect(IntEnum):
    """DialectRevision; WILDCARD answers a multi-protocol negotiate that offered "SMB 2.???"."""

    SMB_2_0_2 = 0x0202
    SMB_2_1 = 0x0210
    SMB_3_0 = 0x0300
    SMB_3_0_2 = 0x0302
    SMB_3_1_1 = 0x0311
    WILDCARD = 0x02FF


class SecurityMode(IntFlag):
    """SecurityMode of NEGOTIATE and SESSION_SETUP."""

    SIGNING_ENABLED = 0x0001
    SIGNING_REQUIRED = 0x0002


class Capabilities(IntFlag):
    """Global capabilities of either side."""

    DFS = 0x0000_0001
    LEASING = 0x0000_0002
    LARGE_MTU = 0x0000_0004
    MULTI_CHANNEL = 0x0000_0008
    PERSISTENT_HANDLES = 0x0000_0010
    DIRECTORY_LEASING = 0x0000_0020
    ENCRYPTION = 0x0000_0040
    NOTIFICATIONS = 0x0000_0080


@dataclass(slots=True)
class NegotiateRequest:
    """SMB2 NEGOTIATE Request  [MS-SMB2 2.2.3].

    security_mode  SecurityMode
    capabilities   Capabilities
    client_guid    16 bytes
    dialects       in no particular order
    contexts       only with dialect 3.1.1 among the dialects
    """

    security_mode: int
    capabilities: int
    client_guid: bytes
    dialects: list[int]
    contexts: list[NegotiateContext] = field(default_factory=list)

    @classmethod
    def decode(cls, r: BodyReader) -> Self:
        """Read the body; raises WireError, also for contexts that are not 8-byte aligned."""
        count, mode, capabilities, guid, offset, context_count = r.fixed(_REQUEST, 36)
        dialects = list(unpack(Struct(f"<{count}H"), r.view, _REQUEST_END))
        contexts: list[NegotiateContext] = []
        if Dialect.SMB_3_1_1 in dialects:
            contexts = _read_contexts(r, offset, context_count, _REQUEST_END + 2 * count)
        return cls(mode, capabilities, guid, dialects, contexts)

    def encode(self) -> bytes:
        """Return the body."""
        w = BodyWriter(_REQUEST.size)
        w.block(Struct(f"<{len(self.dialects)}H").pack(*self.dialects))
        offset = _write_contexts(w, self.contexts)
        w.fixed(
            _REQUEST, 36, len(self.dialects), self.security_mode, self.capabilities, self.client_guid, offset,
            len(self.contexts),
        )  # fmt: skip
        return w.bytes()


@dataclass(slots=True)
class NegotiateResponse:
    """SMB2 NEGOTIATE Response  [MS-SMB2 2.2.4].

    max_transact, max_read, max_write  bytes
    system_time, server_start_time     FILETIME; the latter is 0 in Windows
    security_buffer                    NegTokenInit2, or empty
    contexts                           only with dialect 3.1.1
    """

    security_mode: int
    dialect: int
    server_guid: bytes
    capabilities: int
    max_transact: int
    max_read: int
    max_write: int
    system_time: int
    server_start_time: int = 0
    security_buffer: Buffer = b""
    contexts: list[NegotiateContext] = field(default_factory=list)

    @classmethod
    def decode(cls, r: BodyReader) -> Self:
        """Read the body; raises WireError."""
        (
            mode, dialect, count, guid, capabilities, transact, read, write, now, started, offset, length, contexts_at,
        ) = r.fixed(_RESPONSE, 65)  # fmt: skip
        security_buffer = r.block(offset, length, _RESPONSE_END)
        contexts: list[NegotiateContext] = []
        if dialect == Dialect.SMB_3_1_1:
            contexts = _read_contexts(r, contexts_at, count, _RESPONSE_END)
        return cls(
            mode, dialect, guid, capabilities, transact, read, write, now, started, security_buffer, contexts,
        )  # fmt: skip

    def encode(self) -> bytes:
        """Return the body."""
        w = BodyWriter(_RESPONSE.size)
        security_buffer = w.block(self.security_buffer)
        contexts_at = _write_contexts(w, self.contexts)
        w.fixed(
            _RESPONSE, 65, self.security_mode, self.dialect, len(self.contexts), self.server_guid, self.capabilities,
            self.max_transact, self.max_read, self.max_write, self.system_time, self.server_start_time,
            *security_buffer, contexts_at,
        )  # fmt: skip
        return w.bytes()


def _read_contexts(r: BodyReader, offset: int, count: int, at_least: int) -> list[NegotiateContext]:
    if not count:
        return []
    if offset % 8 or offset < at_least or offset > len(r.view):
        raise WireError(f"negotiate contexts at {offset}, message ends at {len(r.view)}")
    return decode_contexts(r.view[offset:], count)


def _write_contexts(w: BodyWriter, contexts: list[NegotiateContext]) -> int:
    if not contexts:
        return 0
    w.align()
    return w.block(encode_contexts(contexts))[0]
