"""Receiving an SMB2 QUERY_DIRECTORY Request  [MS-SMB2 3.3.5.18]."""

from __future__ import annotations

from smbcore.nt.status import NtError, Status
from smbcore.server.request import SmbRequest
from smbcore.wire.query_directory import (
    INDEX_SPECIFIED,
    REOPEN,
    RESTART_SCANS,
    RETURN_SINGLE_ENTRY,
    QueryDirectoryRequest,
    QueryDirectoryResponse,
)


async def query_directory(rq: SmbRequest, msg: QueryDirectoryRequest) -> QueryDirectoryResponse:
    """List a directory.  Raises NO_SUCH_FILE, NO_MORE_FILES, INFO_LENGTH_MISMATCH, INVALID_PARAMETER for a file."""
    if msg.output_length > rq.connection.max_transact:
        raise NtError(Status.INVALID_PARAMETER, f"output of {msg.output_length} bytes")
    rq.check_charge(0, msg.output_length)
    if rq.tree.share.is_pipe or not rq.open.file.is_directory:
        raise NtError(Status.INVALID_PARAMETER, "not a directory")
    flags = msg.flags
    output = await rq.suspend(
        rq.open.file.query_directory(
            msg.info_class,
            msg.pattern,
            msg.output_length,
            restart=bool(flags & RESTART_SCANS),
            reopen=bool(flags & REOPEN),
            single=bool(flags & RETURN_SINGLE_ENTRY),
            index=msg.file_index if flags & INDEX_SPECIFIED else None,
        )
    )
    return QueryDirectoryResponse(output)
