"""The typed data of the create contexts  [MS-SMB2 2.2.13.2, 2.2.14.2].

Each class decodes and encodes the data of one context in one direction; `NAME` is what it is called on the wire.
A context whose data has the wrong size is a WireError, which becomes INVALID_PARAMETER for the request.

Three contexts hold an NT structure and need no class: EXTENDED_ATTRIBUTES the list of FILE_FULL_EA_INFORMATION
(nt.info.ea), SECURITY_DESCRIPTOR the descriptor (nt.security), and VHDX_DEVICE what [MS-RSVD] says.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from struct import Struct
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, TypeAlias

from smbcore.wire.create import CreateContext
from smbcore.wire.errors import WireError

if TYPE_CHECKING:
    from smbcore.wire.types import Buffer

EXTENDED_ATTRIBUTES: Final = b"ExtA"
SECURITY_DESCRIPTOR: Final = b"SecD"
DURABLE_REQUEST: Final = b"DHnQ"
DURABLE_RECONNECT: Final = b"DHnC"
DURABLE_REQUEST_V2: Final = b"DH2Q"
DURABLE_RECONNECT_V2: Final = b"DH2C"
ALLOCATION_SIZE: Final = b"AlSi"
MAXIMAL_ACCESS: Final = b"MxAc"
TIMEWARP: Final = b"TWrp"
ON_DISK_ID: Final = b"QFid"
LEASE: Final = b"RqLs"
APPLE: Final = b"AAPL"
APP_INSTANCE_ID: Final = bytes.fromhex("45bca66aefa7f74a9008fa462e144d74")
APP_INSTANCE_VERSION: Final = bytes.fromhex("b982d0b73b56074fa07b524a8116a010")
VHDX_DEVICE: Final = bytes.fromhex("9ccbcf9e04c1e643980e158da1f6ec83")

_U64 = Struct("<Q")
_MAXIMAL_ACCESS = Struct("<II")
_ON_DISK_ID = Struct("<QQ16x")
_DURABLE = Struct("<16x")
_DURABLE_RESPONSE = Struct("<8x")
_FILE_ID = Struct("<16s")
_DURABLE_V2 = Struct("<II8x16s")
_DURABLE_V2_RESPONSE = Struct("<II")
_RECONNECT_V2 = Struct("<16s16sI")
_LEASE_V1 = Struct("<16sIIQ")
_LEASE_V2 = Struct("<16sIIQ16sHxx")
_APP_INSTANCE_ID = Struct("<Hxx16s")
_APP_INSTANCE_VERSION = Struct("<Hxx4xQQ")

DURABLE_FLAG_PERSISTENT: Final = 0x0000_0002
"""Flags of the version 2 durable contexts."""


class LeaseState(IntFlag):
    """LeaseState."""

    NONE = 0x00
    READ_CACHING = 0x01
    HANDLE_CACHING = 0x02
    WRITE_CACHING = 0x04


LEASE_READ: Final = 0x01
LEASE_HANDLE: Final = 0x02
LEASE_WRITE: Final = 0x04


class LeaseFlags(IntFlag):
    """Flags of the lease contexts."""

    BREAK_IN_PROGRESS = 0x0000_0002
    PARENT_LEASE_KEY_SET = 0x0000_0004


LEASE_FLAG_BREAK_IN_PROGRESS: Final = 0x0000_0002
LEASE_FLAG_PARENT_KEY_SET: Final = 0x0000_0004


def _exactly(layout: Struct, data: Buffer, name: bytes) -> tuple[Any, ...]:
    """Unpack data that must be as long as `layout`."""
    if len(data) != layout.size:
        raise WireError(f"{name!r} context of {len(data)} bytes, not {layout.size}")
    return layout.unpack_from(data)


@dataclass(slots=True)
class DurableRequest:
    """SMB2_CREATE_DURABLE_HANDLE_REQUEST  [MS-SMB2 2.2.13.2.3]."""

    NAME: ClassVar[bytes] = DURABLE_REQUEST

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Check the data; raises WireError."""
        return cls(*_exactly(_DURABLE, data, cls.NAME))

    def encode(self) -> bytes:
        """Return the data."""
        return _DURABLE.pack()


@dataclass(slots=True)
class DurableResponse:
    """SMB2_CREATE_DURABLE_HANDLE_RESPONSE  [MS-SMB2 2.2.14.2.3]."""

    NAME: ClassVar[bytes] = DURABLE_REQUEST

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Check the data; raises WireError."""
        return cls(*_exactly(_DURABLE_RESPONSE, data, cls.NAME))

    def encode(self) -> bytes:
        """Return the data."""
        return _DURABLE_RESPONSE.pack()


@dataclass(slots=True)
class DurableReconnect:
    """SMB2_CREATE_DURABLE_HANDLE_RECONNECT  [MS-SMB2 2.2.13.2.4]; it has no response."""

    NAME: ClassVar[bytes] = DURABLE_RECONNECT
    file_id: bytes

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Read the data; raises WireError."""
        return cls(*_exactly(_FILE_ID, data, cls.NAME))

    def encode(self) -> bytes:
        """Return the data."""
        return _FILE_ID.pack(self.file_id)


@dataclass(slots=True)
class DurableRequestV2:
    """SMB2_CREATE_DURABLE_HANDLE_REQUEST_V2  [MS-SMB2 2.2.13.2.11].

    timeout      ms that the open should survive a disconnect, 0 for the server's own
    flags        DURABLE_FLAG_PERSISTENT or 0
    create_guid  16 bytes, chosen by the client per open
    """

    NAME: ClassVar[bytes] = DURABLE_REQUEST_V2
    create_guid: bytes
    timeout: int = 0
    flags: int = 0

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Read the data; raises WireError."""
        timeout, flags, create_guid = _exactly(_DURABLE_V2, data, cls.NAME)
        return cls(create_guid, timeout, flags)

    def encode(self) -> bytes:
        """Return the data."""
        return _DURABLE_V2.pack(self.timeout, self.flags, self.create_guid)


@dataclass(slots=True)
class DurableResponseV2:
    """SMB2_CREATE_DURABLE_HANDLE_RESPONSE_V2  [MS-SMB2 2.2.14.2.12]; timeout is the granted one, ms."""

    NAME: ClassVar[bytes] = DURABLE_REQUEST_V2
    timeout: int
    flags: int = 0

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Read the data; raises WireError."""
        return cls(*_exactly(_DURABLE_V2_RESPONSE, data, cls.NAME))

    def encode(self) -> bytes:
        """Return the data."""
        return _DURABLE_V2_RESPONSE.pack(self.timeout, self.flags)


@dataclass(slots=True)
class DurableReconnectV2:
    """SMB2_CREATE_DURABLE_HANDLE_RECONNECT_V2  [MS-SMB2 2.2.13.2.12]; it has no response."""

    NAME: ClassVar[bytes] = DURABLE_RECONNECT_V2
    file_id: bytes
    create_guid: bytes
    flags: int = 0

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Read the data; raises WireError."""
        return cls(*_exactly(_RECONNECT_V2, data, cls.NAME))

    def encode(self) -> bytes:
        """Return the data."""
        return _RECONNECT_V2.pack(self.file_id, self.create_guid, self.flags)


@dataclass(slots=True)
class AllocationSize:
    """SMB2_CREATE_ALLOCATION_SIZE  [MS-SMB2 2.2.13.2.6]; bytes; it has no response."""

    NAME: ClassVar[bytes] = ALLOCATION_SIZE
    size: int

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Read the data; raises WireError."""
        return cls(*_exactly(_U64, data, cls.NAME))

    def encode(self) -> bytes:
        """Return the data."""
        return _U64.pack(self.size)


@dataclass(slots=True)
class Timewarp:
    """SMB2_CREATE_TIMEWARP_TOKEN  [MS-SMB2 2.2.13.2.7]; FILETIME of the snapshot; it has no response."""

    NAME: ClassVar[bytes] = TIMEWARP
    timestamp: int

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Read the data; raises WireError."""
        return cls(*_exactly(_U64, data, cls.NAME))

    def encode(self) -> bytes:
        """Return the data."""
        return _U64.pack(self.timestamp)


@dataclass(slots=True)
class MaximalAccessRequest:
    """SMB2_CREATE_QUERY_MAXIMAL_ACCESS_REQUEST  [MS-SMB2 2.2.13.2.5].

    timestamp  FILETIME, or None when the data is empty: answer unless this is the file's LastWriteTime
    """

    NAME: ClassVar[bytes] = MAXIMAL_ACCESS
    timestamp: int | None = None

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Read the data; raises WireError."""
        if not data:
            return cls()
        return cls(*_exactly(_U64, data, cls.NAME))

    def encode(self) -> bytes:
        """Return the data."""
        return b"" if self.timestamp is None else _U64.pack(self.timestamp)


@dataclass(slots=True)
class MaximalAccessResponse:
    """SMB2_CREATE_QUERY_MAXIMAL_ACCESS_RESPONSE  [MS-SMB2 2.2.14.2.5].

    query_status    NTSTATUS; the mask counts only with SUCCESS
    maximal_access  access mask
    """

    NAME: ClassVar[bytes] = MAXIMAL_ACCESS
    query_status: int
    maximal_access: int

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Read the data; raises WireError."""
        return cls(*_exactly(_MAXIMAL_ACCESS, data, cls.NAME))

    def encode(self) -> bytes:
        """Return the data."""
        return _MAXIMAL_ACCESS.pack(self.query_status, self.maximal_access)


@dataclass(slots=True)
class QueryOnDiskIdRequest:
    """SMB2_CREATE_QUERY_ON_DISK_ID request, which has no data  [MS-SMB2 2.2.13.2.9]."""

    NAME: ClassVar[bytes] = ON_DISK_ID

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Check the data; raises WireError."""
        if data:
            raise WireError(f"QFid request of {len(data)} bytes")
        return cls()

    def encode(self) -> bytes:
        """Return the data."""
        return b""


@dataclass(slots=True)
class QueryOnDiskId:
    """SMB2_CREATE_QUERY_ON_DISK_ID response  [MS-SMB2 2.2.14.2.9]."""

    NAME: ClassVar[bytes] = ON_DISK_ID
    disk_file_id: int
    volume_id: int

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Read the data; raises WireError."""
        return cls(*_exactly(_ON_DISK_ID, data, cls.NAME))

    def encode(self) -> bytes:
        """Return the data."""
        return _ON_DISK_ID.pack(self.disk_file_id, self.volume_id)


@dataclass(slots=True)
class LeaseV1:
    """SMB2_CREATE_REQUEST_LEASE and its response  [MS-SMB2 2.2.13.2.8, 2.2.14.2.10].

    lease_key       16 bytes, chosen by the client per file
    lease_state     LeaseState
    flags           LeaseFlags.BREAK_IN_PROGRESS, responses only
    lease_duration  reserved
    """

    NAME: ClassVar[bytes] = LEASE
    lease_key: bytes
    lease_state: int
    flags: int = 0
    lease_duration: int = 0

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Read the data; raises WireError."""
        return cls(*_exactly(_LEASE_V1, data, cls.NAME))

    def encode(self) -> bytes:
        """Return the data."""
        return _LEASE_V1.pack(self.lease_key, self.lease_state, self.flags, self.lease_duration)


@dataclass(slots=True)
class LeaseV2:
    """SMB2_CREATE_REQUEST_LEASE_V2 and its response  [MS-SMB2 2.2.13.2.10, 2.2.14.2.11]; dialects 3.x.

    lease_key, lease_state, lease_duration  as in LeaseV1
    flags             LeaseFlags
    parent_lease_key  16 bytes: the lease of the parent directory, with PARENT_LEASE_KEY_SET
    epoch             counts the changes of the lease's state
    """

    NAME: ClassVar[bytes] = LEASE
    lease_key: bytes
    lease_state: int
    flags: int = 0
    lease_duration: int = 0
    parent_lease_key: bytes = bytes(16)
    epoch: int = 0

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Read the data; raises WireError."""
        return cls(*_exactly(_LEASE_V2, data, cls.NAME))

    def encode(self) -> bytes:
        """Return the data."""
        return _LEASE_V2.pack(
            self.lease_key, self.lease_state, self.flags, self.lease_duration, self.parent_lease_key, self.epoch,
        )  # fmt: skip


def decode_lease(data: Buffer) -> LeaseV1 | LeaseV2:
    """Read an RqLs context of either version, which its size tells; raises WireError."""
    if len(data) == _LEASE_V1.size:
        return LeaseV1.decode(data)
    return LeaseV2.decode(data)


@dataclass(slots=True)
class AppInstanceId:
    """SMB2_CREATE_APP_INSTANCE_ID  [MS-SMB2 2.2.13.2.13]; 16 bytes; it has no response."""

    NAME: ClassVar[bytes] = APP_INSTANCE_ID
    app_instance_id: bytes

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Read the data; raises WireError."""
        size, app_instance_id = _exactly(_APP_INSTANCE_ID, data, cls.NAME)
        if size != _APP_INSTANCE_ID.size:
            raise WireError(f"application instance id of StructureSize {size}")
        return cls(app_instance_id)

    def encode(self) -> bytes:
        """Return the data."""
        return _APP_INSTANCE_ID.pack(_APP_INSTANCE_ID.size, self.app_instance_id)


@dataclass(slots=True)
class AppInstanceVersion:
    """SMB2_CREATE_APP_INSTANCE_VERSION  [MS-SMB2 2.2.13.2.15]; 3.1.1; it has no response."""

    NAME: ClassVar[bytes] = APP_INSTANCE_VERSION
    high: int
    low: int

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Read the data; raises WireError."""
        size, high, low = _exactly(_APP_INSTANCE_VERSION, data, cls.NAME)
        if size != _APP_INSTANCE_VERSION.size:
            raise WireError(f"application instance version of StructureSize {size}")
        return cls(high, low)

    def encode(self) -> bytes:
        """Return the data."""
        return _APP_INSTANCE_VERSION.pack(_APP_INSTANCE_VERSION.size, self.high, self.low)


TypedContext: TypeAlias = (
    DurableRequest
    | DurableResponse
    | DurableReconnect
    | DurableRequestV2
    | DurableResponseV2
    | DurableReconnectV2
    | AllocationSize
    | Timewarp
    | MaximalAccessRequest
    | MaximalAccessResponse
    | QueryOnDiskIdRequest
    | QueryOnDiskId
    | LeaseV1
    | LeaseV2
    | AppInstanceId
    | AppInstanceVersion
)


def wrap(context: TypedContext) -> CreateContext:
    """Return the context under its name, ready for a create request or response."""
    return CreateContext(context.NAME, context.encode())
