"""Receiving an SMB2 READ Request  [MS-SMB2 3.3.5.12]."""

from __future__ import annotations

from typing import Final

from smbcore.fsa.api import FileRange
from smbcore.nt.status import NtError, Status
from smbcore.server import reply
from smbcore.server.replies import Payload
from smbcore.server.request import SmbRequest
from smbcore.wire.read import ReadRequest

SENT_FROM_FILE: Final = 256 * 1024
"""Shortest read that is sent without a copy; below it the two more system calls cost what the copy does."""


async def read(rq: SmbRequest, msg: ReadRequest) -> Payload | FileRange:
    """Read into a reply buffer, or find where the reply can be sent from.

    Raises END_OF_FILE, FILE_LOCK_CONFLICT, ACCESS_DENIED, INVALID_PARAMETER; INSUFFICIENT_RESOURCES in a compound whose
    replies take too much memory already.
    """
    length = msg.length
    if length > rq.connection.max_read:
        raise NtError(Status.INVALID_PARAMETER, f"read of {length} bytes")
    if length > 65536:
        rq.check_charge(0, length)
    open_ = rq.open
    if rq.chain is not None and rq.chain.answered > 2 * rq.server.config.limits.output_backlog:
        raise rq.connection.limited("bytes read by one compound")
    if length >= SENT_FROM_FILE and reply.takes_range(rq):
        source: FileRange | None = open_.file.range_to_send(msg.offset, length)
        if source is not None:
            open_.bytes_read += length
            return source
    pool = rq.server.pool
    payload = Payload(pool.take(length))
    try:
        count = await rq.suspend(open_.file.read_into(msg.offset, payload.room(length)))
    except NtError as error:
        if error.status is not Status.BUFFER_OVERFLOW:
            pool.give(payload.buffer)
            raise
        rq.status = error.status
        count = len(error.data)
        payload.room(count)[:] = error.data
    if count < msg.minimum_count:
        pool.give(payload.buffer)
        raise NtError(Status.END_OF_FILE, f"{count} bytes, at least {msg.minimum_count} wanted")
    payload.length = count
    open_.bytes_read += count
    return payload
