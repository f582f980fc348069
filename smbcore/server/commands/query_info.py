"""Receiving an SMB2 QUERY_INFO Request  [MS-SMB2 3.3.5.20]."""

from __future__ import annotations

from typing import Final

from smbcore.fsa.quota import QuotaScan
from smbcore.nt.errors import WireError
from smbcore.nt.info.classes import (
    FILE_FS_FULL_SIZE_INFORMATION,
    FILE_FS_FULL_SIZE_INFORMATION_EX,
    FILE_FS_SIZE_INFORMATION,
    FILE_FULL_EA_INFORMATION,
    FILE_ID_INFORMATION,
    FILE_NORMALIZED_NAME_INFORMATION,
)
from smbcore.nt.info.ea import decode_names
from smbcore.nt.info.quota import decode_sids
from smbcore.nt.sid import Sid
from smbcore.nt.status import NtError, Status
from smbcore.proto.keys import DIALECT_300, DIALECT_311
from smbcore.server.request import SmbRequest
from smbcore.wire.error import BufferNeeded
from smbcore.wire.query_info import (
    INFO_FILE,
    INFO_FILESYSTEM,
    INFO_QUOTA,
    INFO_SECURITY,
    QueryInfoRequest,
    QueryInfoResponse,
    QueryQuotaInfo,
)

_RESTART_SCAN: Final = 0x01
_RETURN_SINGLE_ENTRY: Final = 0x02
_INDEX_SPECIFIED: Final = 0x04
_SIZES: Final = frozenset({FILE_FS_SIZE_INFORMATION, FILE_FS_FULL_SIZE_INFORMATION, FILE_FS_FULL_SIZE_INFORMATION_EX})
_NEWER: Final = {FILE_ID_INFORMATION: DIALECT_300, FILE_NORMALIZED_NAME_INFORMATION: DIALECT_311}


async def query_info(rq: SmbRequest, msg: QueryInfoRequest) -> QueryInfoResponse:
    """Return an information class of file, file system or security.

    Raises INFO_LENGTH_MISMATCH, BUFFER_TOO_SMALL (security), INVALID_INFO_CLASS; BUFFER_OVERFLOW carries what fitted.
    """
    if max(msg.output_length, len(msg.input)) > rq.connection.max_transact:
        raise NtError(Status.INVALID_PARAMETER, f"output of {msg.output_length} bytes")
    rq.check_charge(len(msg.input), msg.output_length)
    try:
        if msg.info_type == INFO_QUOTA and not rq.tree.share.is_pipe:
            return QueryInfoResponse(await _query_quota(rq, msg))
        if msg.info_type == INFO_FILESYSTEM and msg.info_class in _SIZES and not rq.tree.share.is_pipe:
            await _count_files(rq)
        return QueryInfoResponse(_query(rq, msg))
    except NtError as error:
        if error.status is not Status.BUFFER_OVERFLOW:
            raise
        rq.status = error.status
        return QueryInfoResponse(error.data)


def _query(rq: SmbRequest, msg: QueryInfoRequest) -> bytes:
    kind, file = msg.info_type, rq.open.file
    if kind == INFO_FILE:
        if msg.info_class == FILE_FULL_EA_INFORMATION:
            return _query_ea(rq, msg)
        if rq.dialect < _NEWER.get(msg.info_class, 0):
            raise NtError(Status.NOT_SUPPORTED, f"class {msg.info_class} in this dialect")
        output: bytes = file.query_information(msg.info_class, msg.output_length)
        return output
    if rq.tree.share.is_pipe:
        raise NtError(Status.NOT_SUPPORTED, f"info type {kind} of a pipe")
    if kind == INFO_FILESYSTEM:
        facts: bytes = rq.tree.volume().query_fs_information(msg.info_class, msg.output_length, rq.open.file.token)
        return facts
    if kind == INFO_SECURITY:
        descriptor: bytes = file.query_security(msg.additional_information)
        if len(descriptor) > msg.output_length:
            raise NtError(Status.BUFFER_TOO_SMALL, "security descriptor", BufferNeeded(len(descriptor)).encode())
        return descriptor
    raise NtError(Status.NOT_SUPPORTED, f"info type {kind}")


async def _count_files(rq: SmbRequest) -> None:
    """Wait until it is known what the files take, where that decides what is free."""
    space = rq.tree.volume().space
    if space is not None and not space.counted:
        await rq.suspend(space.ready())


async def _query_quota(rq: SmbRequest, msg: QueryInfoRequest) -> bytes:
    """Handle SMB2_0_INFO_QUOTA  [MS-SMB2 3.3.5.20.4].  Raises INVALID_PARAMETER, and as `fsa.quota.query`."""
    try:
        asked = QueryQuotaInfo.decode(msg.input)
        sids = decode_sids(asked.sid_list) if asked.sid_list else None
        start = Sid.decode(asked.start_sid) if asked.start_sid and sids is None else None
    except WireError as error:
        raise NtError(Status.INVALID_PARAMETER, str(error)) from error
    if len(asked.sid_list) % 4:
        raise NtError(Status.INVALID_PARAMETER, f"a list of SIDs of {len(asked.sid_list)} bytes")  # [MS-FSA 2.1.5.21]
    scan = QuotaScan(sids, start, restart=asked.restart, single=asked.single)
    output: bytes = await rq.suspend(rq.open.file.query_quota(scan, msg.output_length))
    return output


def _query_ea(rq: SmbRequest, msg: QueryInfoRequest) -> bytes:
    names = decode_names(msg.input) if msg.input else None
    output: bytes = rq.open.file.query_extended_attributes(
        names,
        msg.output_length,
        restart=bool(msg.flags & _RESTART_SCAN),
        single=bool(msg.flags & _RETURN_SINGLE_ENTRY),
        index=msg.additional_information if msg.flags & _INDEX_SPECIFIED else None,
    )
    return output
