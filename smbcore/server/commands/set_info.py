"""Receiving an SMB2 SET_INFO Request  [MS-SMB2 3.3.5.21]."""

from __future__ import annotations

from typing import Final

from smbcore.nt.info.classes import FILE_DISPOSITION_INFORMATION, FILE_DISPOSITION_INFORMATION_EX
from smbcore.nt.status import NtError, Status
from smbcore.server import promises
from smbcore.server.request import SmbRequest
from smbcore.server.under_way import let_lost_ones_finish
from smbcore.wire.query_info import INFO_FILE, INFO_FILESYSTEM, INFO_QUOTA, INFO_SECURITY
from smbcore.wire.set_info import EMPTY_SET_INFO, SetInfoRequest

_DISPOSITIONS: Final = frozenset((FILE_DISPOSITION_INFORMATION, FILE_DISPOSITION_INFORMATION_EX))


async def set_info(rq: SmbRequest, msg: SetInfoRequest) -> bytes:
    """Set an information class of file, file system or security."""
    if len(msg.data) > rq.connection.max_transact:
        raise NtError(Status.INVALID_PARAMETER, f"input of {len(msg.data)} bytes")
    rq.check_charge(len(msg.data), 0)
    if rq.open.under_way.requests:
        await let_lost_ones_finish(rq)
    kind, file = msg.info_type, rq.open.file
    if kind == INFO_FILE:
        await rq.suspend(file.set_information(msg.info_class, msg.data))
    elif rq.tree.share.is_pipe:
        raise NtError(Status.NOT_SUPPORTED, f"info type {kind} of a pipe")
    elif kind == INFO_FILESYSTEM:
        await rq.suspend(rq.tree.volume().set_fs_information(file, msg.info_class, bytes(msg.data)))
    elif kind == INFO_SECURITY:
        file.set_security(msg.additional_information, bytes(msg.data))
    elif kind == INFO_QUOTA:
        await rq.suspend(file.set_quota(msg.data))
    else:
        raise NtError(Status.NOT_SUPPORTED, f"info type {kind}")
    try:
        if rq.tree.share.stable_writes and not rq.tree.share.is_pipe:
            await rq.suspend(file.node.flush())
    finally:  # it is set, stable or not
        await _settle(rq, msg)
    return EMPTY_SET_INFO


async def _settle(rq: SmbRequest, msg: SetInfoRequest) -> None:
    """Let the records follow; store at once what must not be wrong after a crash."""
    server, record = rq.server, rq.open.record
    if record is not None and record.written_through:
        await promises.settle(server, rq.open)
    else:
        server.open_changed(rq.open)
    if msg.info_type == INFO_FILE and msg.info_class in _DISPOSITIONS:
        withdrawn = promises.deletion_changed(server, rq.open)
        if withdrawn is not None:
            await withdrawn
