"""Which class reads which command.

OPLOCK_BREAK is not in the tables: its two kinds share the command, see `wire.oplock_break`. CANCEL has no
response. A response whose status is a failure is an `ErrorResponse`, whatever its command.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from smbcore.wire.cancel import CancelRequest
from smbcore.wire.change_notify import ChangeNotifyRequest, ChangeNotifyResponse
from smbcore.wire.close import CloseRequest, CloseResponse
from smbcore.wire.create import CreateRequest, CreateResponse
from smbcore.wire.echo import EchoRequest, EchoResponse
from smbcore.wire.flush import FlushRequest, FlushResponse
from smbcore.wire.header import Opcode
from smbcore.wire.ioctl import IoctlRequest, IoctlResponse
from smbcore.wire.lock import LockRequest, LockResponse
from smbcore.wire.logoff import LogoffRequest, LogoffResponse
from smbcore.wire.negotiate import NegotiateRequest, NegotiateResponse
from smbcore.wire.query_directory import QueryDirectoryRequest, QueryDirectoryResponse
from smbcore.wire.query_info import QueryInfoRequest, QueryInfoResponse
from smbcore.wire.read import ReadRequest, ReadResponse
from smbcore.wire.server_notification import ServerNotification
from smbcore.wire.session_setup import SessionSetupRequest, SessionSetupResponse
from smbcore.wire.set_info import SetInfoRequest, SetInfoResponse
from smbcore.wire.tree_connect import TreeConnectRequest, TreeConnectResponse
from smbcore.wire.tree_disconnect import TreeDisconnectRequest, TreeDisconnectResponse
from smbcore.wire.write import WriteRequest, WriteResponse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from smbcore.wire.types import Message

REQUESTS: Final[Mapping[int, type[Message]]] = MappingProxyType(
    {
        Opcode.NEGOTIATE: NegotiateRequest,
        Opcode.SESSION_SETUP: SessionSetupRequest,
        Opcode.LOGOFF: LogoffRequest,
        Opcode.TREE_CONNECT: TreeConnectRequest,
        Opcode.TREE_DISCONNECT: TreeDisconnectRequest,
        Opcode.CREATE: CreateRequest,
        Opcode.CLOSE: CloseRequest,
        Opcode.FLUSH: FlushRequest,
        Opcode.READ: ReadRequest,
        Opcode.WRITE: WriteRequest,
        Opcode.LOCK: LockRequest,
        Opcode.IOCTL: IoctlRequest,
        Opcode.CANCEL: CancelRequest,
        Opcode.ECHO: EchoRequest,
        Opcode.QUERY_DIRECTORY: QueryDirectoryRequest,
        Opcode.CHANGE_NOTIFY: ChangeNotifyRequest,
        Opcode.QUERY_INFO: QueryInfoRequest,
        Opcode.SET_INFO: SetInfoRequest,
    }
)

RESPONSES: Final[Mapping[int, type[Message]]] = MappingProxyType(
    {
        Opcode.NEGOTIATE: NegotiateResponse,
        Opcode.SESSION_SETUP: SessionSetupResponse,
        Opcode.LOGOFF: LogoffResponse,
        Opcode.TREE_CONNECT: TreeConnectResponse,
        Opcode.TREE_DISCONNECT: TreeDisconnectResponse,
        Opcode.CREATE: CreateResponse,
        Opcode.CLOSE: CloseResponse,
        Opcode.FLUSH: FlushResponse,
        Opcode.READ: ReadResponse,
        Opcode.WRITE: WriteResponse,
        Opcode.LOCK: LockResponse,
        Opcode.IOCTL: IoctlResponse,
        Opcode.ECHO: EchoResponse,
        Opcode.QUERY_DIRECTORY: QueryDirectoryResponse,
        Opcode.CHANGE_NOTIFY: ChangeNotifyResponse,
        Opcode.QUERY_INFO: QueryInfoResponse,
        Opcode.SET_INFO: SetInfoResponse,
        Opcode.SERVER_TO_CLIENT_NOTIFICATION: ServerNotification,
    }
)
