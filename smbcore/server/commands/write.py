"""Receiving an SMB2 WRITE Request  [MS-SMB2 3.3.5.13]."""

from __future__ import annotations

from smbcore.nt.status import NtError, Status
from smbcore.server.request import SmbRequest
from smbcore.server.under_way import let_lost_ones_finish
from smbcore.wire.write import FLAG_WRITE_THROUGH, WriteRequest, WriteResponse


async def write(rq: SmbRequest, msg: WriteRequest) -> WriteResponse:
    """Write.  Raises FILE_LOCK_CONFLICT, ACCESS_DENIED, DISK_FULL, INVALID_PARAMETER."""
    size = len(msg.data)
    if size > rq.connection.max_write:
        raise NtError(Status.INVALID_PARAMETER, f"write of {size} bytes")
    if size > 65536:
        rq.check_charge(size, 0)
    open_ = rq.open
    if open_.under_way.requests:
        await let_lost_ones_finish(rq)
    write_through = bool(msg.flags & FLAG_WRITE_THROUGH) or rq.tree.share.stable_writes
    count = await rq.suspend(open_.file.write(msg.offset, msg.data, write_through))
    open_.bytes_written += count
    return WriteResponse(count)
