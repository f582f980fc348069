"""Control codes and their structures  [MS-FSCC 2.3, MS-SMB2 2.2.31, 2.2.32].

Offsets, lengths and sizes are bytes. Every `decode` raises WireError. The structures for
reparse points are in `reparse.py`, those for network interfaces in `interfaces.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from struct import Struct
from typing import Final, Self

from smbcore.nt.errors import WireError
from smbcore.nt.info.buffers import Buffer, cut, to_utf16, unpack, utf16

FSCTL_LOCK_VOLUME = 0x0009_0018
FSCTL_UNLOCK_VOLUME = 0x0009_001C
FSCTL_IS_VOLUME_MOUNTED = 0x0009_0028
FSCTL_IS_PATHNAME_VALID = 0x0009_002C
FSCTL_GET_COMPRESSION = 0x0009_003C
FSCTL_QUERY_FAT_BPB = 0x0009_0058
FSCTL_FILESYSTEM_GET_STATISTICS = 0x0009_0060
FSCTL_GET_NTFS_VOLUME_DATA = 0x0009_0064
FSCTL_FIND_FILES_BY_SID = 0x0009_008F
FSCTL_SET_OBJECT_ID = 0x0009_0098
FSCTL_GET_OBJECT_ID = 0x0009_009C
FSCTL_DELETE_OBJECT_ID = 0x0009_00A0
FSCTL_SET_REPARSE_POINT = 0x0009_00A4
FSCTL_GET_REPARSE_POINT = 0x0009_00A8
FSCTL_DELETE_REPARSE_POINT = 0x0009_00AC
FSCTL_SET_OBJECT_ID_EXTENDED = 0x0009_00BC
FSCTL_CREATE_OR_GET_OBJECT_ID = 0x0009_00C0
FSCTL_SET_SPARSE = 0x0009_00C4
FSCTL_READ_FILE_USN_DATA = 0x0009_00EB
FSCTL_WRITE_USN_CLOSE_RECORD = 0x0009_00EF
FSCTL_MARK_HANDLE = 0x0009_00FC
FSCTL_SIS_COPYFILE = 0x0009_0100
FSCTL_RECALL_FILE = 0x0009_0117
FSCTL_QUERY_SPARING_INFO = 0x0009_0138
FSCTL_QUERY_ON_DISK_VOLUME_INFO = 0x0009_013C
FSCTL_SET_ZERO_ON_DEALLOCATION = 0x0009_0194
FSCTL_SET_SHORT_NAME_BEHAVIOR = 0x0009_01B4
FSCTL_REQUEST_OPLOCK = 0x0009_0240
FSCTL_GET_INTEGRITY_INFORMATION = 0x0009_027C
FSCTL_QUERY_FILE_REGIONS = 0x0009_0284
FSCTL_GET_REFS_VOLUME_DATA = 0x0009_02D8
FSCTL_QUERY_SHARED_VIRTUAL_DISK_SUPPORT = 0x0009_0300
FSCTL_SVHDX_SYNC_TUNNEL_REQUEST = 0x0009_0304
FSCTL_STORAGE_QOS_CONTROL = 0x0009_0350
FSCTL_SVHDX_ASYNC_TUNNEL_REQUEST = 0x0009_0364
FSCTL_SET_INTEGRITY_INFORMATION_EX = 0x0009_0380
FSCTL_QUERY_ALLOCATED_RANGES = 0x0009_40CF
FSCTL_OFFLOAD_READ = 0x0009_4264
FSCTL_SET_ZERO_DATA = 0x0009_80C8
FSCTL_SET_DEFECT_MANAGEMENT = 0x0009_8134
FSCTL_FILE_LEVEL_TRIM = 0x0009_8208
FSCTL_OFFLOAD_WRITE = 0x0009_8268
FSCTL_DUPLICATE_EXTENTS_TO_FILE = 0x0009_8344
FSCTL_DUPLICATE_EXTENTS_TO_FILE_EX = 0x0009_83E8
FSCTL_SET_COMPRESSION = 0x0009_C040
FSCTL_SET_INTEGRITY_INFORMATION = 0x0009_C280
FSCTL_DFS_GET_REFERRALS = 0x0006_0194
FSCTL_DFS_GET_REFERRALS_EX = 0x0006_01B0
FSCTL_PIPE_WAIT = 0x0011_0018
FSCTL_PIPE_PEEK = 0x0011_400C
FSCTL_PIPE_TRANSCEIVE = 0x0011_C017
FSCTL_SRV_REQUEST_RESUME_KEY = 0x0014_0078
FSCTL_LMR_SET_LINK_TRACKING_INFORMATION = 0x0014_00EC
FSCTL_LMR_REQUEST_RESILIENCY = 0x0014_01D4
FSCTL_QUERY_NETWORK_INTERFACE_INFO = 0x0014_01FC
FSCTL_VALIDATE_NEGOTIATE_INFO = 0x0014_0204
FSCTL_SRV_ENUMERATE_SNAPSHOTS = 0x0014_4064
FSCTL_SRV_COPYCHUNK = 0x0014_40F2
FSCTL_SRV_READ_HASH = 0x0014_41BB
FSCTL_SRV_COPYCHUNK_WRITE = 0x0014_80F2

RESUME_KEY_SIZE: Final = 24

_RESUME = Struct("<24sI4x")  # ResumeKey, ContextLength, room for Context
_COPY = Struct("<24sI4x")  # SourceKey, ChunkCount, Reserved
_CHUNK = Struct("<QQI4x")  # SourceOffset, TargetOffset, Length, Reserved
_COPIED = Struct("<III")
_RANGE = Struct("<qq")
_RESILIENCY = Struct("<II")
_VALIDATE_REQUEST = Struct("<I16sHH")
_VALIDATE_RESPONSE = Struct("<I16sHH")
_SNAPSHOTS = Struct("<III")
_PIPE_WAIT = Struct("<QIBx")
_PIPE_PEEK = Struct("<IIII")
_OBJECT_ID = Struct("<16s16s16s16s")
_U16 = Struct("<H")
_TRIM = Struct("<II")
_TRIM_RANGE = Struct("<QQ")
_TRIMMED = Struct("<I")
_DUPLICATE = Struct("<16sqqq")
_DUPLICATE_EX = Struct("<Q16sqqqI4x")
_INTEGRITY = Struct("<HHIII")
_SET_INTEGRITY = Struct("<HHI")
_REGION_INPUT = Struct("<qqI4x")
REGION_INPUT_SIZE: Final = _REGION_INPUT.size
_REGIONS = Struct("<III4x")
_REGION = Struct("<qqI4x")


@dataclass(slots=True)
class ResumeKey:
    """SRV_REQUEST_RESUME_KEY Response: 24 opaque bytes naming a source  [MS-SMB2 2.2.32.3]."""

    key: bytes

    def encode(self) -> bytes:
        """Return the 32 bytes that Windows sends."""
        return _RESUME.pack(self.key, 0)

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Decode; the context is ignored. Raises WireError."""
        return cls(cut(data, 0, 28)[:RESUME_KEY_SIZE])


@dataclass(slots=True)
class CopyChunk:
    """One piece of a server-side copy  [MS-SMB2 2.2.31.1.1]."""

    source_offset: int
    target_offset: int
    length: int


@dataclass(slots=True)
class CopyChunkRequest:
    """SRV_COPYCHUNK_COPY: copy pieces from the file that `source_key` names  [MS-SMB2 2.2.31.1]."""

    source_key: bytes
    chunks: list[CopyChunk] = field(default_factory=list)

    def encode(self) -> bytes:
        """Return the wire form."""
        chunks = [_CHUNK.pack(c.source_offset, c.target_offset, c.length) for c in self.chunks]
        return _COPY.pack(self.source_key, len(chunks)) + b"".join(chunks)

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Decode. Raises WireError."""
        key, count = unpack(_COPY, data)
        if len(data) - _COPY.size < count * _CHUNK.size:
            msg = f"{count} chunks in {len(data)} bytes"
            raise WireError(msg)
        end = _COPY.size + count * _CHUNK.size
        return cls(key, [CopyChunk(*f) for f in _CHUNK.iter_unpack(data[_COPY.size : end])])


@dataclass(slots=True)
class CopyChunkResponse:
    """SRV_COPYCHUNK_RESPONSE  [MS-SMB2 2.2.32.1].

    With INVALID_PARAMETER the three numbers are the server's limits: chunks, bytes of
    one chunk, bytes of one request.
    """

    chunks_written: int
    chunk_bytes_written: int
    total_bytes_written: int

    def encode(self) -> bytes:
        """Return the 12 bytes."""
        return _COPIED.pack(self.chunks_written, self.chunk_bytes_written, self.total_bytes_written)

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Decode. Raises WireError."""
        return cls(*unpack(_COPIED, data))


@dataclass(slots=True)
class AllocatedRange:
    """One range of FSCTL_QUERY_ALLOCATED_RANGES, in request and reply  [MS-FSCC 2.3]."""

    offset: int
    length: int

    def encode(self) -> bytes:
        """Return the 16 bytes."""
        return _RANGE.pack(self.offset, self.length)

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Decode the request. Raises WireError."""
        return cls(*unpack(_RANGE, data))


def encode_ranges(ranges: Iterable[AllocatedRange]) -> bytes:
    """Encode the reply of FSCTL_QUERY_ALLOCATED_RANGES."""
    return b"".join([_RANGE.pack(r.offset, r.length) for r in ranges])


def decode_ranges(data: Buffer) -> list[AllocatedRange]:
    """Decode the reply of FSCTL_QUERY_ALLOCATED_RANGES. Raises WireError."""
    if len(data) % _RANGE.size:
        msg = f"ranges of {len(data)} bytes"
        raise WireError(msg)
    return [AllocatedRange(*fields) for fields in _RANGE.iter_unpack(data)]


@dataclass(slots=True)
class ZeroData:
    """FILE_ZERO_DATA_INFORMATION: zero from `offset` up to, not including, `beyond`  [MS-FSCC 2.3]."""

    offset: int
    beyond: int

    def encode(self) -> bytes:
        """Return the 16 bytes."""
        return _RANGE.pack(self.offset, self.beyond)

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Decode. Raises WireError."""
        return cls(*unpack(_RANGE, data))


def decode_set_sparse(data: Buffer) -> bool:
    """Decode FSCTL_SET_SPARSE: no data means True  [MS-FSCC 2.3]."""
    return not len(data) or data[0] != 0


def encode_compression(compression_format: int) -> bytes:
    """Encode COMPRESSION_FORMAT_* of FSCTL_GET/SET_COMPRESSION  [MS-FSCC 2.3]."""
    return _U16.pack(compression_format)


def decode_compression(data: Buffer) -> int:
    """Decode COMPRESSION_FORMAT_*. Raises WireError."""
    return int(unpack(_U16, data)[0])


@dataclass(slots=True)
class ResiliencyRequest:
    """NETWORK_RESILIENCY_REQUEST; timeout in milliseconds  [MS-SMB2 2.2.31.3]."""

    timeout: int

    def encode(self) -> bytes:
        """Return the 8 bytes."""
        return _RESILIENCY.pack(self.timeout, 0)

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Decode. Raises WireError."""
        return cls(unpack(_RESILIENCY, data)[0])


@dataclass(slots=True)
class ValidateNegotiateRequest:
    """VALIDATE_NEGOTIATE_INFO Request: what the client sent in NEGOTIATE  [MS-SMB2 2.2.31.4]."""

    capabilities: int
    client_guid: bytes
    security_mode: int
    dialects: list[int] = field(default_factory=list)

    def encode(self) -> bytes:
        """Return the wire form."""
        head = _VALIDATE_REQUEST.pack(self.capabilities, self.client_guid, self.security_mode, len(self.dialects))
        return head + b"".join([_U16.pack(dialect) for dialect in self.dialects])

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Decode. Raises WireError."""
        capabilities, guid, mode, count = unpack(_VALIDATE_REQUEST, data)
        dialects = cut(data, _VALIDATE_REQUEST.size, 2 * count)
        return cls(capabilities, guid, mode, [d for (d,) in _U16.iter_unpack(dialects)])


@dataclass(slots=True)
class ValidateNegotiateResponse:
    """VALIDATE_NEGOTIATE_INFO Response: what the server answered  [MS-SMB2 2.2.32.6]."""

    capabilities: int
    server_guid: bytes
    security_mode: int
    dialect: int

    def encode(self) -> bytes:
        """Return the 24 bytes."""
        return _VALIDATE_RESPONSE.pack(self.capabilities, self.server_guid, self.security_mode, self.dialect)

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Decode. Raises WireError."""
        return cls(*unpack(_VALIDATE_RESPONSE, data))


@dataclass(slots=True)
class SnapshotArray:
    """SRV_SNAPSHOT_ARRAY: snapshots as @GMT tokens  [MS-SMB2 2.2.32.2].

    total   snapshots there are
    tokens  those returned; none when the buffer is too small for all
    size    bytes that all tokens take, so that the client can ask again
    """

    total: int
    tokens: list[str] = field(default_factory=list)
    size: int = 0

    @classmethod
    def fit(cls, tokens: list[str], max_length: int) -> Self:
        """Return all tokens, or only their number and size if `max_length` is too small."""
        size = len(_multi_string(tokens))
        fits = _SNAPSHOTS.size + size <= max_length
        return cls(len(tokens), tokens if fits else [], size)

    def encode(self) -> bytes:
        """Return the wire form; without tokens the 16 bytes that Windows sends."""
        size = self.size or len(_multi_string(self.tokens))
        head = _SNAPSHOTS.pack(self.total, len(self.tokens), size)
        return head + (_multi_string(self.tokens) if self.tokens else bytes(4))

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Decode. Raises WireError."""
        total, returned, size = unpack(_SNAPSHOTS, data)
        if not returned:
            return cls(total, [], size)
        tokens = utf16(data, _SNAPSHOTS.size, size).split("\0")[:returned]
        if len(tokens) != returned or "" in tokens:
            msg = f"{len(tokens)} snapshot tokens instead of {returned}"
            raise WireError(msg)
        return cls(total, tokens, size)


def _multi_string(tokens: list[str]) -> bytes:
    """Encode as strings that each end with NUL, and one more NUL."""
    return to_utf16("".join(f"{token}\0" for token in tokens) + "\0")


@dataclass(slots=True)
class PipeWaitRequest:
    """FSCTL_PIPE_WAIT Request; timeout in 100 ns, None for the pipe's own  [MS-FSCC 2.3]."""

    name: str
    timeout: int | None = None

    def encode(self) -> bytes:
        """Return the wire form."""
        name = to_utf16(self.name)
        return _PIPE_WAIT.pack(self.timeout or 0, len(name), self.timeout is not None) + name

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Decode. Raises WireError."""
        timeout, length, specified = unpack(_PIPE_WAIT, data)
        return cls(utf16(data, _PIPE_WAIT.size, length), timeout if specified else None)


@dataclass(slots=True)
class PipePeek:
    """FSCTL_PIPE_PEEK Reply; counts in bytes and messages  [MS-FSCC 2.3]."""

    state: int
    read_data_available: int
    number_of_messages: int
    message_length: int
    data: bytes = b""

    def encode(self) -> bytes:
        """Return the wire form."""
        head = _PIPE_PEEK.pack(self.state, self.read_data_available, self.number_of_messages, self.message_length)
        return head + self.data

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Decode. Raises WireError."""
        state, available, messages, length = unpack(_PIPE_PEEK, data)
        return cls(state, available, messages, length, bytes(data[_PIPE_PEEK.size :]))


@dataclass(slots=True)
class ObjectId:
    """FILE_OBJECTID_BUFFER: four GUIDs  [MS-FSCC 2.1.3.1]."""

    object_id: bytes
    birth_volume_id: bytes = bytes(16)
    birth_object_id: bytes = bytes(16)
    domain_id: bytes = bytes(16)

    def encode(self) -> bytes:
        """Return the 64 bytes."""
        return _OBJECT_ID.pack(self.object_id, self.birth_volume_id, self.birth_object_id, self.domain_id)

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Decode. Raises WireError."""
        return cls(*unpack(_OBJECT_ID, data))


@dataclass(slots=True)
class TrimRequest:
    """FSCTL_FILE_LEVEL_TRIM Request: (offset, length) pairs  [MS-FSCC 2.3]."""

    ranges: list[tuple[int, int]] = field(default_factory=list)
    key: int = 0

    def encode(self) -> bytes:
        """Return the wire form."""
        body = b"".join([_TRIM_RANGE.pack(offset, length) for offset, length in self.ranges])
        return _TRIM.pack(self.key, len(self.ranges)) + body

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Decode. Raises WireError."""
        key, count = unpack(_TRIM, data)
        body = cut(data, _TRIM.size, count * _TRIM_RANGE.size)
        return cls([(offset, length) for offset, length in _TRIM_RANGE.iter_unpack(body)], key)


def encode_trimmed(ranges_processed: int) -> bytes:
    """Encode FSCTL_FILE_LEVEL_TRIM Reply  [MS-FSCC 2.3]."""
    return _TRIMMED.pack(ranges_processed)


def decode_trimmed(data: Buffer) -> int:
    """Decode FSCTL_FILE_LEVEL_TRIM Reply. Raises WireError."""
    return int(unpack(_TRIMMED, data)[0])


@dataclass(slots=True)
class DuplicateExtents:
    """SMB2_DUPLICATE_EXTENTS_DATA: share blocks of another open  [MS-FSCC 2.3].

    source_file_id  16 bytes, the SMB2 FileId of the source
    """

    source_file_id: bytes
    source_offset: int
    target_offset: int
    length: int

    def encode(self) -> bytes:
        """Return the 40 bytes."""
        return _DUPLICATE.pack(self.source_file_id, self.source_offset, self.target_offset, self.length)

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Decode. Raises WireError."""
        return cls(*unpack(_DUPLICATE, data))


DUPLICATE_EXTENTS_DATA_EX_SOURCE_ATOMIC = 0x1
DUPLICATE_EXTENTS_EX_SIZE: Final = 0x30


@dataclass(slots=True)
class DuplicateExtentsEx:
    """SMB2_DUPLICATE_EXTENTS_DATA_EX: the same with flags  [MS-FSCC 2.3.9.2].

    size  what the client says that the structure takes: that of the local form, with a handle of 8 bytes
    """

    source_file_id: bytes
    source_offset: int
    target_offset: int
    length: int
    flags: int = 0
    size: int = DUPLICATE_EXTENTS_EX_SIZE

    def encode(self) -> bytes:
        """Return the 56 bytes."""
        return _DUPLICATE_EX.pack(
            self.size,
            self.source_file_id,
            self.source_offset,
            self.target_offset,
            self.length,
            self.flags,
        )

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Decode. Raises WireError."""
        size, file_id, source_offset, target_offset, length, flags = unpack(_DUPLICATE_EX, data)
        return cls(file_id, source_offset, target_offset, length, flags, size)


@dataclass(slots=True)
class IntegrityInformation:
    """FSCTL_GET_INTEGRITY_INFORMATION_BUFFER; sizes in bytes  [MS-FSCC 2.3]."""

    checksum_algorithm: int
    flags: int
    checksum_chunk_size: int
    cluster_size: int

    def encode(self) -> bytes:
        """Return the 16 bytes."""
        return _INTEGRITY.pack(self.checksum_algorithm, 0, self.flags, self.checksum_chunk_size, self.cluster_size)

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Decode. Raises WireError."""
        algorithm, _, flags, chunk, cluster = unpack(_INTEGRITY, data)
        return cls(algorithm, flags, chunk, cluster)


@dataclass(slots=True)
class SetIntegrityInformation:
    """FSCTL_SET_INTEGRITY_INFORMATION_BUFFER  [MS-FSCC 2.3]."""

    checksum_algorithm: int
    flags: int = 0

    def encode(self) -> bytes:
        """Return the 8 bytes."""
        return _SET_INTEGRITY.pack(self.checksum_algorithm, 0, self.flags)

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Decode. Raises WireError."""
        algorithm, _, flags = unpack(_SET_INTEGRITY, data)
        return cls(algorithm, flags)


FILE_REGION_USAGE_VALID_CACHED_DATA = 0x1


@dataclass(slots=True)
class FileRegion:
    """One region of FSCTL_QUERY_FILE_REGIONS, also its request  [MS-FSCC 2.3]."""

    offset: int
    length: int
    usage: int = FILE_REGION_USAGE_VALID_CACHED_DATA

    def encode(self) -> bytes:
        """Return the 24 bytes."""
        return _REGION.pack(self.offset, self.length, self.usage)

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Decode the request. Raises WireError."""
        return cls(*unpack(_REGION_INPUT, data))


def encode_regions(regions: list[FileRegion], total: int) -> bytes:
    """Encode FILE_REGION_OUTPUT: `regions` of the `total` that exist  [MS-FSCC 2.3]."""
    return _REGIONS.pack(0, total, len(regions)) + b"".join([r.encode() for r in regions])


def decode_regions(data: Buffer) -> tuple[list[FileRegion], int]:
    """Decode FILE_REGION_OUTPUT into regions and total. Raises WireError."""
    _, total, count = unpack(_REGIONS, data)
    body = cut(data, _REGIONS.size, count * _REGION.size)
    return [FileRegion(*fields) for fields in _REGION.iter_unpack(body)], total
