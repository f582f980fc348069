"""SMB2 TREE_CONNECT  [MS-SMB2 2.2.9, 2.2.10]."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from struct import Struct
from typing import TYPE_CHECKING, Final, Self

from smbcore.wire.errors import WireError
from smbcore.wire.header import HEADER_SIZE
from smbcore.wire.reader import block, unpack
from smbcore.wire.writer import BodyWriter, padding

if TYPE_CHECKING:
    from smbcore.wire.reader import BodyReader
    from smbcore.wire.types import Buffer

_REQUEST = Struct("<HHHH")
_REQUEST_END: Final = HEADER_SIZE + _REQUEST.size
_EXTENSION = Struct("<IH10x")  # TreeConnectContextOffset, TreeConnectContextCount, Reserved
_CONTEXT = Struct("<HH4x")  # ContextType, DataLength, Reserved
_RESPONSE = Struct("<HBxIII")

REMOTED_IDENTITY_CONTEXT: Final = 0x0001


class TreeConnectFlags(IntFlag):
    """Flags of the request, dialect 3.1.1."""

    CLUSTER_RECONNECT = 0x0001
    REDIRECT_TO_OWNER = 0x0002
    EXTENSION_PRESENT = 0x0004


class ShareType(IntEnum):
    """What kind of thing is shared."""

    DISK = 0x01
    PIPE = 0x02
    PRINT = 0x03


class ShareFlags(IntFlag):
    """Properties of a share; the caching mode is two bits of it."""

    MANUAL_CACHING = 0x0000_0000
    DFS = 0x0000_0001
    DFS_ROOT = 0x0000_0002
    AUTO_CACHING = 0x0000_0010
    VDO_CACHING = 0x0000_0020
    NO_CACHING = 0x0000_0030
    RESTRICT_EXCLUSIVE_OPENS = 0x0000_0100
    FORCE_SHARED_DELETE = 0x0000_0200
    ALLOW_NAMESPACE_CACHING = 0x0000_0400
    ACCESS_BASED_DIRECTORY_ENUM = 0x0000_0800
    FORCE_LEVELII_OPLOCK = 0x0000_1000
    ENABLE_HASH_V1 = 0x0000_2000
    ENABLE_HASH_V2 = 0x0000_4000
    ENCRYPT_DATA = 0x0000_8000
    IDENTITY_REMOTING = 0x0004_0000
    COMPRESS_DATA = 0x0010_0000
    ISOLATED_TRANSPORT = 0x0020_0000


class ShareCapabilities(IntFlag):
    """Capabilities of a share, dialects 3.x."""

    DFS = 0x0000_0008
    CONTINUOUS_AVAILABILITY = 0x0000_0010
    SCALEOUT = 0x0000_0020
    CLUSTER = 0x0000_0040
    ASYMMETRIC = 0x0000_0080
    REDIRECT_TO_OWNER = 0x0000_0100


@dataclass(slots=True)
class TreeConnectContext:
    """SMB2_TREE_CONNECT_CONTEXT  [MS-SMB2 2.2.9.2]."""

    context_type: int
    data: Buffer


@dataclass(slots=True)
class TreeConnectRequest:
    r"""SMB2 TREE_CONNECT Request  [MS-SMB2 2.2.9].

    path      UNC path \\server\share, no trailing NUL
    flags     TreeConnectFlags; 0 below dialect 3.1.1
    contexts  need EXTENSION_PRESENT in flags
    """

    path: str
    flags: int = 0
    contexts: list[TreeConnectContext] = field(default_factory=list)

    @classmethod
    def decode(cls, r: BodyReader) -> Self:
        """Read the body; raises WireError."""
        flags, offset, length = r.fixed(_REQUEST, 9)
        if not flags & TreeConnectFlags.EXTENSION_PRESENT:
            return cls(r.utf16(offset, length, _REQUEST_END), flags)
        path = r.utf16(offset, length, _REQUEST_END + _EXTENSION.size)
        at, count = unpack(_EXTENSION, r.view, _REQUEST_END)
        return cls(path, flags, _decode_contexts(r.view[HEADER_SIZE:], at, count))

    def encode(self) -> bytes:
        """Return the body. Raises ValueError for contexts without the flag that announces them."""
        if self.flags & TreeConnectFlags.EXTENSION_PRESENT:
            return self._encode_extended()
        if self.contexts:
            raise ValueError("tree connect contexts need EXTENSION_PRESENT")
        w = BodyWriter(_REQUEST.size)
        w.fixed(_REQUEST, 9, self.flags, *w.utf16(self.path))
        return w.bytes(_REQUEST.size + 1)

    def _encode_extended(self) -> bytes:
        w = BodyWriter(_REQUEST.size + _EXTENSION.size)
        path = w.utf16(self.path)
        w.align()
        # Unlike every other offset, this one counts from the start of the body.
        at = w.block(_encode_contexts(self.contexts))[0] - HEADER_SIZE
        extended = Struct(_REQUEST.format + _EXTENSION.format[1:])
        w.fixed(extended, 9, self.flags, *path, at, len(self.contexts))
        return w.bytes()


def _decode_contexts(body: memoryview, offset: int, count: int) -> list[TreeConnectContext]:
    if count and offset < _REQUEST.size + _EXTENSION.size:
        raise WireError(f"tree connect contexts at {offset}, inside the fixed part")
    contexts = []
    for _ in range(count):
        kind, length = unpack(_CONTEXT, body, offset)
        offset += _CONTEXT.size
        contexts.append(TreeConnectContext(kind, block(body, offset, length)))
        offset += length + padding(length)
    return contexts


def _encode_contexts(contexts: list[TreeConnectContext]) -> bytes:
    out = bytearray()
    for context in contexts:
        out += bytes(padding(len(out)))
        out += _CONTEXT.pack(context.context_type, len(context.data)) + context.data
    return bytes(out)


@dataclass(slots=True)
class TreeConnectResponse:
    """SMB2 TREE_CONNECT Response  [MS-SMB2 2.2.10].

    share_type      ShareType
    share_flags     ShareFlags
    capabilities    ShareCapabilities
    maximal_access  access mask of this user on this share
    """

    share_type: int
    share_flags: int
    capabilities: int
    maximal_access: int

    @classmethod
    def decode(cls, r: BodyReader) -> Self:
        """Read the body; raises WireError."""
        return cls(*r.fixed(_RESPONSE, 16))

    def encode(self) -> bytes:
        """Return the body."""
        return _RESPONSE.pack(
            16,
            self.share_type,
            self.share_flags,
            self.capabilities,
            self.maximal_access,
        )
