"""A server for the services to look at, and an impacket client on a pipe of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from impacket.dcerpc.v5.rpcrt import DCERPC_v5
from impacket.dcerpc.v5.transport import DCERPCTransport

from smbcore.nt import sid as sids
from smbcore.nt.filetime import from_unix_ns
from smbcore.nt.sid import Sid
from smbcore.nt.token import Token
from smbcore.rpc.context import (
    SHARE_IPC,
    SHARE_SPECIAL,
    AccountName,
    ConnectionEntry,
    FileEntry,
    SessionEntry,
    ShareEntry,
    SidUse,
)
from smbcore.rpc.pipes import Pipe, PipeRegistry

MACHINE = Sid(5, 21, 1, 2, 3)
ALICE = AccountName("ANCHOR", "alice", MACHINE.child(1001), SidUse.USER)
STAFF = AccountName("ANCHOR", "staff", MACHINE.child(1101), SidUse.GROUP)
SECURITY = bytes.fromhex("0100048000000000000000000000000000000000")


def token(*, administrator: bool = False, anonymous: bool = False) -> Token:
    user = sids.ANONYMOUS if anonymous else ALICE.sid
    return Token(
        user, frozenset({sids.EVERYONE}), name="ANCHOR\\alice", administrator=administrator, anonymous=anonymous
    )


@dataclass
class FakeContext:
    token: Token = field(default_factory=token)
    server_name: str = "ANCHOR"
    domain_name: str = "WORKGROUP"
    comment: str = "the test server"
    machine_sid: Sid = MACHINE
    closed: list[object] = field(default_factory=list)
    extra_shares: int = 0

    def now(self) -> int:
        return from_unix_ns(1_790_000_000 * 1_000_000_000)

    def uptime(self) -> int:
        return 123_456

    def utc_offset(self) -> int:
        return 120

    def shares(self) -> list[ShareEntry]:
        many = [ShareEntry(f"share{number:04}", comment="one of many") for number in range(self.extra_shares)]
        return [
            ShareEntry(
                "demo",
                comment="Démo \N{SNOWMAN}",
                path="C:\\data\\demo",
                users=2,
                max_users=10,
                flags=0x800,
                security=SECURITY,
            ),
            ShareEntry("secret$", SHARE_SPECIAL, hidden=True),
            ShareEntry("IPC$", SHARE_IPC | SHARE_SPECIAL, "Remote IPC"),
            *many,
        ]

    def sessions(self) -> list[SessionEntry]:
        return [
            SessionEntry("192.0.2.1", "alice", 3, 60, 5, client_type="x"),
            SessionEntry("192.0.2.2", "bob", 0, 10, 10, guest=True),
        ]

    def files(self) -> list[FileEntry]:
        return [FileEntry(7, 3, 1, "C:\\data\\demo\\a.txt", "alice"), FileEntry(9, 1, 0, "C:\\other\\b", "bob")]

    def connections(self) -> list[ConnectionEntry]:
        return [ConnectionEntry(5, 0, 3, 1, 60, "alice", "demo", "192.0.2.1")]

    def close_file(self, file_id: int) -> bool:
        self.closed.append(file_id)
        return file_id == 7

    def close_sessions(self, client: str, user: str) -> int:
        self.closed.append((client, user))
        return 1 if user == "alice" else 0

    def accounts(self) -> list[AccountName]:
        return [ALICE, STAFF]


class PipeTransport(DCERPCTransport):
    """impacket's transport over a pipe object, no socket between."""

    def __init__(self, pipe: Pipe) -> None:
        super().__init__("server", 445)
        self.pipe = pipe

    def connect(self) -> None:
        return None

    def disconnect(self) -> None:
        self.pipe.close()

    def send(self, data, forceWriteAndx=0, forceRecv=0) -> None:  # noqa: ANN001, ARG002, N803 - impacket's signature
        self.pipe.write(data)

    def recv(self, forceRecv=0, count=0) -> bytes:  # noqa: ANN001, ARG002, N803 - impacket's signature
        return self.pipe.read(65536)[0]


def open_pipe(name: str, context: FakeContext | None = None) -> Pipe:
    pipe = PipeRegistry().open(name, context or FakeContext())
    assert pipe is not None
    return pipe


def bound(name: str, interface: bytes, context: FakeContext | None = None) -> DCERPC_v5:
    """Return an impacket client bound to `interface` on the pipe `name`."""
    client = DCERPC_v5(PipeTransport(open_pipe(name, context)))
    client.bind(interface)
    return client
