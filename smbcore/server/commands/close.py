"""Receiving an SMB2 CLOSE Request  [MS-SMB2 3.3.5.10]."""

from __future__ import annotations

from smbcore.nt.attributes import FILE_ATTRIBUTE_NORMAL
from smbcore.server.request import SmbRequest
from smbcore.wire.close import EMPTY_CLOSE, FLAG_POSTQUERY_ATTRIB, CloseRequest, CloseResponse


async def close(rq: SmbRequest, msg: CloseRequest) -> CloseResponse | bytes:
    """Close an open; its attributes as of now go with the reply if the client asked for them."""
    open_ = rq.open
    if rq.server.conduct:
        rq.server.conduct.closing(open_)
    if not msg.flags & FLAG_POSTQUERY_ATTRIB or rq.tree.share.is_pipe:
        await open_.close()
        return EMPTY_CLOSE
    info = open_.file.closing_info()
    await open_.close()
    return CloseResponse(
        FLAG_POSTQUERY_ATTRIB, info.creation_time, info.last_access_time, info.last_write_time, info.change_time,
        info.allocation_size, info.end_of_file, info.attributes or FILE_ATTRIBUTE_NORMAL,
    )  # fmt: skip
