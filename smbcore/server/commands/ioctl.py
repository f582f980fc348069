"""Receiving an SMB2 IOCTL Request  [MS-SMB2 3.3.5.15]."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from smbcore.nt.errors import WireError
from smbcore.nt.info import fsctl, offload
from smbcore.nt.info.interfaces import encode_interfaces
from smbcore.nt.status import NtError, Status
from smbcore.proto.errors import ProtocolViolation
from smbcore.proto.keys import DIALECT_202, DIALECT_311
from smbcore.server.open import SmbOpen
from smbcore.server.record import Kind, OpenRecord
from smbcore.server.reporting import report
from smbcore.server.request import SmbRequest
from smbcore.server.under_way import let_lost_ones_finish
from smbcore.wire.ioctl import FLAG_IS_FSCTL, IoctlRequest, IoctlResponse
from smbcore.wire.negotiate import Capabilities

_VALIDATE_SIZE: Final = 24
_RESUME_KEY_SIZE: Final = 32
_COPY_CHUNK_SIZE: Final = 12
_COPYING: Final = {fsctl.FSCTL_SRV_COPYCHUNK, fsctl.FSCTL_SRV_COPYCHUNK_WRITE}
_CHANGING: Final = {
    fsctl.FSCTL_SET_SPARSE,
    fsctl.FSCTL_SET_ZERO_DATA,
    fsctl.FSCTL_FILE_LEVEL_TRIM,
    fsctl.FSCTL_SET_COMPRESSION,
    fsctl.FSCTL_SET_REPARSE_POINT,
    fsctl.FSCTL_DELETE_REPARSE_POINT,
}
MAX_RESILIENCY_MS: Final = 300_000
DEFAULT_RESILIENCY_MS: Final = 120_000
_WITHOUT_FILE: Final = {
    fsctl.FSCTL_VALIDATE_NEGOTIATE_INFO,
    fsctl.FSCTL_QUERY_NETWORK_INTERFACE_INFO,
    fsctl.FSCTL_DFS_GET_REFERRALS,
    fsctl.FSCTL_DFS_GET_REFERRALS_EX,
}
_NO_FILE: Final = b"\xff" * 16
MAX_CHUNKS: Final = 256
MAX_CHUNK_BYTES: Final = 1024 * 1024
MAX_COPY_BYTES: Final = 16 * 1024 * 1024


async def ioctl(rq: SmbRequest, msg: IoctlRequest) -> IoctlResponse:
    """Carry out a control code; the ones of the protocol itself here, all others by the open's file system.

    Raises NOT_SUPPORTED without the FSCTL flag, INVALID_PARAMETER for oversized buffers, INVALID_DEVICE_REQUEST,
    FILE_CLOSED. BUFFER_OVERFLOW carries a body, and so does a copy that failed: how far it came, or the limits.
    """
    if msg.flags != FLAG_IS_FSCTL:
        raise NtError(Status.NOT_SUPPORTED, "not a file-system control")
    limit = rq.connection.max_transact
    if len(msg.input) > limit or msg.max_output_response > limit or msg.max_input_response > limit:
        raise NtError(Status.INVALID_PARAMETER, "buffers are too large")
    rq.check_charge(len(msg.input), msg.max_input_response + msg.max_output_response)
    if msg.ctl_code in _WITHOUT_FILE and bytes(msg.file_id) != _NO_FILE:
        raise NtError(Status.INVALID_PARAMETER, "a control of no file names one")
    handler = HANDLERS.get(msg.ctl_code, on_open)
    try:
        output = await handler(rq, msg)
    except NtError as error:
        carries = error.status is Status.BUFFER_OVERFLOW or msg.ctl_code in _COPYING
        if not carries or not error.data:
            raise
        rq.status = error.status
        output = error.data
    return IoctlResponse(msg.ctl_code, bytes(msg.file_id), output)


def find_open(rq: SmbRequest, file_id: bytes) -> SmbOpen:
    """Return the open of this request.  Raises FILE_CLOSED."""
    if rq.chain is not None:
        if rq.related:
            file_id = rq.chain.related_file_id()
        rq.chain.file_id = bytes(file_id)
    open_ = rq.session.opens.get(bytes(file_id))
    if open_ is None or open_.tree is not rq.tree:
        raise NtError(Status.FILE_CLOSED, "no such open")
    rq.use(open_)
    return open_


async def open_to_change(rq: SmbRequest, file_id: bytes) -> SmbOpen:
    """Return the open of this request once changes of lost connections are done.  Raises FILE_CLOSED."""
    open_ = find_open(rq, file_id)
    if open_.under_way.requests:
        await let_lost_ones_finish(rq)
    return open_


async def on_open(rq: SmbRequest, msg: IoctlRequest) -> bytes:
    """Hand the code to the open's file."""
    open_ = await open_to_change(rq, msg.file_id)
    output: bytes = await rq.suspend(open_.file.fsctl(msg.ctl_code, msg.input, msg.max_output_response))
    if msg.ctl_code in _CHANGING:
        await _make_stable(rq, open_)
    return output


async def _make_stable(rq: SmbRequest, changed: SmbOpen) -> None:
    """Keep a change of a file as the share keeps what is written."""
    if rq.tree.share.stable_writes and not rq.tree.share.is_pipe:
        await rq.suspend(changed.file.node.flush())


async def validate_negotiate(rq: SmbRequest, msg: IoctlRequest) -> bytes:
    """Confirm what was negotiated; a client that remembers something else was tampered with  [MS-SMB2 3.3.5.15.12].

    Every mismatch drops the connection, and so does a request that cannot be answered.
    """
    connection = rq.connection
    if rq.dialect == DIALECT_311:
        raise ProtocolViolation("VALIDATE_NEGOTIATE_INFO on a 3.1.1 connection")
    try:
        asked = fsctl.ValidateNegotiateRequest.decode(msg.input)
    except WireError as error:
        raise ProtocolViolation(f"VALIDATE_NEGOTIATE_INFO: {error}") from error
    if msg.max_output_response < _VALIDATE_SIZE:
        raise ProtocolViolation("VALIDATE_NEGOTIATE_INFO without room for the answer")
    mismatch = (
        asked.capabilities != connection.client_capabilities
        or bytes(asked.client_guid) != connection.negotiated_guid
        or asked.security_mode != connection.client_security_mode
        or tuple(asked.dialects) != connection.negotiated_dialects
    )
    if mismatch:
        raise ProtocolViolation("VALIDATE_NEGOTIATE_INFO does not match what was negotiated")
    return fsctl.ValidateNegotiateResponse(
        connection.server_capabilities,
        rq.server.config.server_guid,
        connection.server_security_mode,
        connection.dialect,
    ).encode()


async def query_network_interfaces(rq: SmbRequest, msg: IoctlRequest) -> bytes:
    """Tell the addresses that further channels may use  [MS-SMB2 3.3.5.15.11].

    Raises NOT_SUPPORTED where the connection has not agreed on multi-channel, BUFFER_TOO_SMALL.
    """
    if not rq.connection.server_capabilities & Capabilities.MULTI_CHANNEL:
        raise NtError(Status.NOT_SUPPORTED, "multi-channel was not agreed on")
    output = encode_interfaces(rq.server.interfaces.usable(rq.connection.transport.local_address))
    if len(output) > msg.max_output_response:
        raise NtError(Status.BUFFER_TOO_SMALL, "network interfaces")
    return output


async def request_resume_key(rq: SmbRequest, msg: IoctlRequest) -> bytes:
    """Give the key by which a copy names this open as its source  [MS-SMB2 3.3.5.15.5]."""
    open_ = find_open(rq, msg.file_id)
    if msg.max_output_response < _RESUME_KEY_SIZE:
        raise NtError(Status.INVALID_PARAMETER, "no room for the key")
    return fsctl.ResumeKey(open_.file_id + bytes(8)).encode()


async def request_resiliency(rq: SmbRequest, msg: IoctlRequest) -> bytes:
    """Keep an open over the loss of its connection, whatever it caches  [MS-SMB2 3.3.5.15.9].

    Raises INVALID_PARAMETER for a short request or a longer time than is given to anybody; INSUFFICIENT_RESOURCES where
    client, user or session have as many as they may have kept.
    """
    open_ = find_open(rq, msg.file_id)
    if rq.dialect == DIALECT_202 or rq.tree.share.is_pipe:
        raise NtError(Status.INVALID_DEVICE_REQUEST, "no resilient handles here")
    timeout = fsctl.ResiliencyRequest.decode(msg.input).timeout
    if timeout > MAX_RESILIENCY_MS:
        raise NtError(Status.INVALID_PARAMETER, f"resiliency of {timeout} ms")
    record = open_.ensure_record(rq.connection.client_guid)
    if not record.counted:
        _count_in(rq, record)
    if not record.persistent:
        record.kind = Kind.RESILIENT
    record.timeout_ms = timeout or DEFAULT_RESILIENCY_MS
    await rq.server.promise("open", open_.key, open_)
    return b""


def _count_in(rq: SmbRequest, record: OpenRecord) -> None:
    reached = rq.server.allowance.reached(rq.server.config.limits, rq.session, record)
    if reached is not None:
        status, what = Status.INSUFFICIENT_RESOURCES, f"files of {rq.tree.share.name}"
        report(rq.connection, rq.session, "handle.keep", reached.value, what=what, status=status)
        raise NtError(status, f"no more handles are kept: {reached.value}")
    rq.server.allowance.take(record, rq.session)


async def copy_chunk(rq: SmbRequest, msg: IoctlRequest) -> bytes:
    """Copy ranges between two opens on the server  [MS-SMB2 3.3.5.15.6].

    Raises OBJECT_NAME_NOT_FOUND for an unknown source; INVALID_PARAMETER with the limits as its body.
    """
    target = await open_to_change(rq, msg.file_id)
    if msg.max_output_response < _COPY_CHUNK_SIZE:
        raise NtError(Status.INVALID_PARAMETER, "no room for the result")
    request = fsctl.CopyChunkRequest.decode(msg.input)
    source = rq.session.opens.get(bytes(request.source_key[:16]))
    if source is None or source.tree.share.is_pipe or rq.tree.share.is_pipe:
        raise NtError(Status.OBJECT_NAME_NOT_FOUND, "unknown resume key")
    sizes = [chunk.length for chunk in request.chunks]
    if len(sizes) > MAX_CHUNKS or sum(sizes) > MAX_COPY_BYTES or any(not 0 < size <= MAX_CHUNK_BYTES for size in sizes):
        limits = fsctl.CopyChunkResponse(MAX_CHUNKS, MAX_CHUNK_BYTES, MAX_COPY_BYTES).encode()
        raise NtError(Status.INVALID_PARAMETER, "chunks beyond the limits", limits)
    chunks = [(chunk.source_offset, chunk.target_offset, chunk.length) for chunk in request.chunks]
    needs_read = msg.ctl_code == fsctl.FSCTL_SRV_COPYCHUNK
    count, partial, total = await rq.suspend(target.file.copy_chunks(source.file, chunks, require_read=needs_read))
    target.bytes_written += total
    await _make_stable(rq, target)
    return fsctl.CopyChunkResponse(count, partial, total).encode()


async def duplicate_extents(rq: SmbRequest, msg: IoctlRequest) -> bytes:
    """Let two files of one share use the same blocks  [MS-SMB2 3.3.5.15.17, 3.3.5.15.18].

    A copy of blocks is atomic as it is, so that the flag which asks for that needs nothing.
    Raises INVALID_HANDLE for an unknown source;  NOT_SUPPORTED an extended form of another size.
    """
    target = await open_to_change(rq, msg.file_id)
    request: fsctl.DuplicateExtents | fsctl.DuplicateExtentsEx
    if msg.ctl_code == fsctl.FSCTL_DUPLICATE_EXTENTS_TO_FILE_EX:
        request = fsctl.DuplicateExtentsEx.decode(msg.input)
        if request.size != fsctl.DUPLICATE_EXTENTS_EX_SIZE:
            raise NtError(Status.NOT_SUPPORTED, f"structure size {request.size:#x}")
    else:
        request = fsctl.DuplicateExtents.decode(msg.input)
    source = rq.session.opens.get(bytes(request.source_file_id))
    if source is None or source.tree.share.is_pipe or rq.tree.share.is_pipe:
        raise NtError(Status.INVALID_HANDLE, "unknown source of blocks")
    await rq.suspend(
        target.file.duplicate_extents(source.file, request.source_offset, request.target_offset, request.length)
    )
    await _make_stable(rq, target)
    return b""


async def offload_write(rq: SmbRequest, msg: IoctlRequest) -> bytes:
    """Copy what a token stands for, and keep it as the share keeps what is written  [MS-SMB2 3.3.5.15]."""
    target = await open_to_change(rq, msg.file_id)
    output: bytes = await rq.suspend(target.file.fsctl(msg.ctl_code, msg.input, msg.max_output_response))
    written = offload.OffloadWriteResult.decode(output).length_written
    target.bytes_written += written
    if written:
        await _make_stable(rq, target)
    return output


async def dfs_referrals(_rq: SmbRequest, _msg: IoctlRequest) -> bytes:
    """Refuse: this server is no part of a DFS name space  [MS-SMB2 3.3.5.15.2]."""
    raise NtError(Status.FS_DRIVER_REQUIRED, "no DFS here")


HANDLERS: Final[dict[int, Callable[[SmbRequest, IoctlRequest], Awaitable[bytes]]]] = {
    fsctl.FSCTL_VALIDATE_NEGOTIATE_INFO: validate_negotiate,
    fsctl.FSCTL_QUERY_NETWORK_INTERFACE_INFO: query_network_interfaces,
    fsctl.FSCTL_SRV_REQUEST_RESUME_KEY: request_resume_key,
    fsctl.FSCTL_LMR_REQUEST_RESILIENCY: request_resiliency,
    fsctl.FSCTL_SRV_COPYCHUNK: copy_chunk,
    fsctl.FSCTL_SRV_COPYCHUNK_WRITE: copy_chunk,
    fsctl.FSCTL_DUPLICATE_EXTENTS_TO_FILE: duplicate_extents,
    fsctl.FSCTL_DUPLICATE_EXTENTS_TO_FILE_EX: duplicate_extents,
    fsctl.FSCTL_OFFLOAD_WRITE: offload_write,
    fsctl.FSCTL_DFS_GET_REFERRALS: dfs_referrals,
    fsctl.FSCTL_DFS_GET_REFERRALS_EX: dfs_referrals,
}
