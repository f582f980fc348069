"""Control codes by which Samba's test suite makes a server behave badly; only with `ServerConfig.test_controls`.

FORCE_UNACKED_TIMEOUT names no session: this connection is to be treated as if its peer's TCP had stopped to acknowledge
anything. The others shift the data of responses by eight bytes, or keep an IOCTL waiting on an open. All are of the
form 0x83848xx3 (smbtorture's name: FSCTL_SMBTORTURE_...).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from smbcore.nt.status import NtError, Status
from smbcore.server.commands.ioctl import find_open, ioctl
from smbcore.server.commands.read import read
from smbcore.server.commands.table import COMMANDS
from smbcore.server.connection import SmbConnection, Transport
from smbcore.server.dispatch import NOTHING, Command
from smbcore.server.replies import Payload
from smbcore.server.request import SmbRequest
from smbcore.wire.header import HEADER_SIZE, IOCTL, READ, unpack
from smbcore.wire.ioctl import IoctlRequest, IoctlResponse
from smbcore.wire.read import DATA_OFFSET, ReadRequest, ReadResponse

if TYPE_CHECKING:
    from smbcore.nt.token import Token
    from smbcore.server.personal import PersonalFolder
    from smbcore.server.server import SmbServer
    from smbcore.server.shares import Share

FORCE_UNACKED_TIMEOUT: Final = 0x83848003
IOCTL_RESPONSE_BODY_PADDING8: Final = 0x83848013
GLOBAL_READ_RESPONSE_BODY_PADDING8: Final = 0x83848023
FSP_ASYNC_SLEEP: Final = 0x83848043
CONTROLS: Final = frozenset((IOCTL_RESPONSE_BODY_PADDING8, GLOBAL_READ_RESPONSE_BODY_PADDING8, FSP_ASYNC_SLEEP))
_PADDING: Final = 8


class ControlledConnection(SmbConnection):
    """A connection whose peer may ask for bad behaviour."""

    __slots__ = ()

    def __init__(self, server: SmbServer, transport: Transport, number: int) -> None:
        super().__init__(server, transport, number)
        self.commands = _CONTROLLED

    def folder_in(self, share: Share, token: Token) -> PersonalFolder | None:
        """Return another folder for every connection: smb2.lease.dynamic_share wants one user to have two."""
        folder = super().folder_in(share, token)
        return folder and replace(folder, name=f"{folder.name}-{self.number}")

    def receive(self, frame: memoryview) -> None:
        """Work on a message; an IOCTL without a session is looked at before the ordinary table is."""
        if not self.dialect or not _is_bare_ioctl(frame):
            super().receive(frame)
            return
        ordinary = self.commands
        self.commands = _BARE
        try:
            super().receive(frame)
        finally:
            self.commands = ordinary


def _is_bare_ioctl(frame: memoryview) -> bool:
    if bytes(frame[:4]) != b"\xfeSMB" or len(frame) < HEADER_SIZE:
        return False
    fields = unpack(frame)
    return fields[2] == IOCTL and not fields[9]


async def bare_control(rq: SmbRequest, msg: IoctlRequest) -> IoctlResponse:
    """Carry out a code that names no session.  Raises USER_SESSION_DELETED for all but one."""
    if msg.ctl_code != FORCE_UNACKED_TIMEOUT:
        raise NtError(Status.USER_SESSION_DELETED, "no session")
    if msg.input:
        raise NtError(Status.INVALID_PARAMETER, "the code takes no input")
    rq.connection.acknowledged = False
    return IoctlResponse(msg.ctl_code, bytes(msg.file_id))


async def control(rq: SmbRequest, msg: IoctlRequest) -> IoctlResponse | bytes:
    """Carry out one of `CONTROLS`, or an ordinary code.  Raises INVALID_PARAMETER, FILE_CLOSED."""
    if msg.ctl_code not in CONTROLS:
        return await ioctl(rq, msg)
    if msg.ctl_code == FSP_ASYNC_SLEEP:
        return await _sleep(rq, msg)
    if msg.input:
        raise NtError(Status.INVALID_PARAMETER, "the code takes no input")
    if msg.ctl_code == GLOBAL_READ_RESPONSE_BODY_PADDING8:
        rq.connection.commands = _PADDED_READS
        return IoctlResponse(msg.ctl_code, bytes(msg.file_id)).encode()
    output = bytes([_PADDING]) * msg.max_output_response
    head = IoctlResponse.encode_head(msg.ctl_code, bytes(msg.file_id), len(output), padding=_PADDING)
    return head + bytes(_PADDING) + output


async def _sleep(rq: SmbRequest, msg: IoctlRequest) -> bytes:
    """Wait as many milliseconds as the input says, then tell whether the open is still there."""
    open_ = find_open(rq, msg.file_id)
    if len(msg.input) != 1:
        raise NtError(Status.INVALID_PARAMETER, "one byte of milliseconds is wanted")
    await rq.suspend(rq.clock.sleep(msg.input[0] / 1000))
    if open_.file.closed:
        raise NtError(Status.FILE_CLOSED, "closed while an operation was under way")
    return IoctlResponse(msg.ctl_code, bytes(msg.file_id)).encode()


async def padded_read(rq: SmbRequest, msg: ReadRequest) -> Any:
    """Read, and put eight bytes before the data."""
    answer = await read(rq, msg)
    if type(answer) is not Payload:
        return answer
    data = bytes(answer.room(answer.length))
    rq.server.pool.give(answer.buffer)
    return ReadResponse.encode_head(len(data), DATA_OFFSET + _PADDING) + bytes(_PADDING) + data


def _changed(opcode: int, table: tuple[Command | None, ...], **changes: Any) -> tuple[Command | None, ...]:
    return tuple(replace(row, **changes) if row is not None and row.opcode == opcode else row for row in table)


_BARE: Final = _changed(IOCTL, COMMANDS, handler=bare_control, needs=NOTHING)
_CONTROLLED: Final = _changed(IOCTL, COMMANDS, handler=control)
_PADDED_READS: Final = _changed(READ, _CONTROLLED, handler=padded_read)
