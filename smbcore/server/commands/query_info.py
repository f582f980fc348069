"""Receiving an SMB2 QUERY_INFO Request  [MS-SMB2 3.3.5.20]."""

from __future__ import annotations

from struct import Struct
from typing import Final

from smbcore.nt.info.classes import FILE_FULL_EA_INFORMATION, FILE_ID_INFORMATION, FILE_NORMALIZED_NAME_INFORMATION
from smbcore.nt.info.ea import decode_names
from smbcore.nt.status import NtError, Status
from smbcore.proto.keys import DIALECT_300, DIALECT_311
from smbcore.server.request import SmbRequest
from smbcore.wire.query_info import INFO_FILE, INFO_FILESYSTEM, INFO_SECURITY, QueryInfoRequest, QueryInfoResponse

_NEEDED = Struct("<I")
_RESTART_SCAN: Final = 0x01
_RETURN_SINGLE_ENTRY: Final = 0x02
_INDEX_SPECIFIED: Final = 0x04
_NEWER: Final = {FILE_ID_INFORMATION: DIALECT_300, FILE_NORMALIZED_NAME_INFORMATION: DIALECT_311}


async def query_info(rq: SmbRequest, msg: QueryInfoRequest) -> QueryInfoResponse:
    """Return an information class of file, file system or security.

    Raises INFO_LENGTH_MISMATCH, BUFFER_TOO_SMALL (security), INVALID_INFO_CLASS; BUFFER_OVERFLOW carries what fitted.
    """
    if max(msg.output_length, len(msg.input)) > rq.connection.max_transact:
        raise NtError(Status.INVALID_PARAMETER, f"output of {msg.output_length} bytes")
    rq.check_charge(len(msg.input), msg.output_length)
    try:
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
        facts: bytes = rq.tree.share.volume().query_fs_information(msg.info_class, msg.output_length)
        return facts
    if kind == INFO_SECURITY:
        descriptor: bytes = file.query_security(msg.additional_information)
        if len(descriptor) > msg.output_length:
            raise NtError(Status.BUFFER_TOO_SMALL, "security descriptor", _NEEDED.pack(len(descriptor)))
        return descriptor
    raise NtError(Status.NOT_SUPPORTED, f"info type {kind}")


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
