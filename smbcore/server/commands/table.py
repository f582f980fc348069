"""The table of commands: what each decodes, needs and runs  [MS-SMB2 3.3.5]."""

from __future__ import annotations

from typing import Final

from smbcore.server.commands.change_notify import change_notify
from smbcore.server.commands.close import close
from smbcore.server.commands.create import create
from smbcore.server.commands.echo import echo
from smbcore.server.commands.flush import flush
from smbcore.server.commands.ioctl import ioctl
from smbcore.server.commands.lock import lock
from smbcore.server.commands.logoff import logoff
from smbcore.server.commands.negotiate import negotiate
from smbcore.server.commands.oplock_break import oplock_break
from smbcore.server.commands.query_directory import query_directory
from smbcore.server.commands.query_info import query_info
from smbcore.server.commands.read import read
from smbcore.server.commands.session_setup import session_setup
from smbcore.server.commands.set_info import set_info
from smbcore.server.commands.tree import tree_connect, tree_disconnect
from smbcore.server.commands.write import write
from smbcore.server.dispatch import NOTHING, OPEN, SESSION, TREE, Command
from smbcore.wire.change_notify import ChangeNotifyRequest
from smbcore.wire.close import CloseRequest
from smbcore.wire.create import CreateRequest
from smbcore.wire.echo import EchoRequest
from smbcore.wire.flush import FlushRequest
from smbcore.wire.header import Opcode
from smbcore.wire.ioctl import IoctlRequest
from smbcore.wire.lock import LockRequest
from smbcore.wire.logoff import LogoffRequest
from smbcore.wire.negotiate import NegotiateRequest
from smbcore.wire.oplock_break import decode_break_acknowledgment
from smbcore.wire.query_directory import QueryDirectoryRequest
from smbcore.wire.query_info import QueryInfoRequest
from smbcore.wire.read import ReadRequest
from smbcore.wire.session_setup import SessionSetupRequest
from smbcore.wire.set_info import SetInfoRequest
from smbcore.wire.tree_connect import TreeConnectRequest
from smbcore.wire.tree_disconnect import TreeDisconnectRequest
from smbcore.wire.write import WriteRequest

_ROWS: Final = (
    Command(Opcode.NEGOTIATE, NegotiateRequest.decode, negotiate, NOTHING),
    Command(Opcode.SESSION_SETUP, SessionSetupRequest.decode, session_setup, NOTHING),
    Command(Opcode.LOGOFF, LogoffRequest.decode, logoff, SESSION, when_expired=True),
    Command(Opcode.TREE_CONNECT, TreeConnectRequest.decode, tree_connect, SESSION),
    Command(Opcode.TREE_DISCONNECT, TreeDisconnectRequest.decode, tree_disconnect, TREE),
    Command(Opcode.CREATE, CreateRequest.decode, create, TREE),
    Command(Opcode.CLOSE, CloseRequest.decode, close, OPEN, when_expired=True),
    Command(Opcode.FLUSH, FlushRequest.decode, flush, OPEN),
    Command(Opcode.READ, ReadRequest.decode, read, OPEN),
    Command(Opcode.WRITE, WriteRequest.decode, write, OPEN),
    Command(Opcode.LOCK, LockRequest.decode, lock, OPEN, when_expired=True),
    Command(Opcode.IOCTL, IoctlRequest.decode, ioctl, TREE),
    Command(Opcode.ECHO, EchoRequest.decode, echo, NOTHING),
    Command(Opcode.QUERY_DIRECTORY, QueryDirectoryRequest.decode, query_directory, OPEN),
    Command(Opcode.CHANGE_NOTIFY, ChangeNotifyRequest.decode, change_notify, OPEN),
    Command(Opcode.QUERY_INFO, QueryInfoRequest.decode, query_info, OPEN),
    Command(Opcode.SET_INFO, SetInfoRequest.decode, set_info, OPEN),
    Command(Opcode.OPLOCK_BREAK, decode_break_acknowledgment, oplock_break, TREE),
)

COMMANDS: Final[tuple[Command | None, ...]] = tuple(
    next((row for row in _ROWS if row.opcode == opcode), None) for opcode in range(max(Opcode) + 1)
)
"""Row by opcode. CANCEL has none: it is not answered, and handled before the table."""
