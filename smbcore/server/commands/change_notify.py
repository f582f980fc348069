"""Receiving an SMB2 CHANGE_NOTIFY Request  [MS-SMB2 3.3.5.19]."""

from __future__ import annotations

from smbcore.nt.info.notify import encode_changes
from smbcore.nt.status import NtError, Status
from smbcore.server.request import SmbRequest
from smbcore.wire.change_notify import FLAG_WATCH_TREE, ChangeNotifyRequest, ChangeNotifyResponse


async def change_notify(rq: SmbRequest, msg: ChangeNotifyRequest) -> ChangeNotifyResponse:
    """Wait for changes in a directory.

    NOTIFY_ENUM_DIR and NOTIFY_CLEANUP are answers with an empty body; INVALID_PARAMETER where it is no directory.
    """
    if msg.output_length > rq.connection.max_transact:
        raise NtError(Status.INVALID_PARAMETER, f"output of {msg.output_length} bytes")
    rq.check_charge(0, msg.output_length)
    if rq.tree.share.is_pipe or not rq.open.file.is_directory:
        raise NtError(Status.INVALID_PARAMETER, "not a directory")
    watch_tree = bool(msg.flags & FLAG_WATCH_TREE)
    try:
        changes = await rq.suspend(rq.open.file.change_notify(msg.completion_filter, watch_tree, msg.output_length))
    except NtError as error:
        if error.status not in (Status.NOTIFY_ENUM_DIR, Status.NOTIFY_CLEANUP):
            raise
        rq.status = error.status
        return ChangeNotifyResponse(b"")
    output = encode_changes(changes, msg.output_length)
    if output is None:
        rq.status = Status.NOTIFY_ENUM_DIR
        return ChangeNotifyResponse(b"")
    return ChangeNotifyResponse(output)
