"""A whole server in memory for tests: no sockets, no disk, and a transport pair that joins our client to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from smbcore.auth.acceptor import Authenticator, ServerNames
from smbcore.auth.accounts import Identity
from smbcore.auth.initiator import Initiator
from smbcore.client.connection import Connection
from smbcore.client.negotiated import Offer
from smbcore.client.raw import RawClient, negotiate
from smbcore.client.session import sign_in
from smbcore.crypto.md4 import nt_hash
from smbcore.fsa.api import VolumeConfig
from smbcore.fsa.backend import Backend
from smbcore.fsa.offload import TokenTable
from smbcore.fsa.volume import Volume
from smbcore.nt.clock import Clock, SystemClock
from smbcore.nt.sid import ANONYMOUS, AUTHENTICATED_USERS, EVERYONE, NETWORK, USERS, Sid
from smbcore.nt.token import Token
from smbcore.proto.errors import ProtocolViolation
from smbcore.proto.framing import FrameReader
from smbcore.server.config import ServerConfig
from smbcore.server.configure import default_security
from smbcore.server.connection import SmbConnection
from smbcore.server.personal import PersonalFolder
from smbcore.server.server import SmbServer
from smbcore.server.shares import LEVELS, Grant
from smbcore.state.configuration import ShareConfig, ShareOptions
from smbcore.state.incidents import Incident
from smbcore.vfs.memory.backend import MemoryBackend

GUID = bytes(range(16))
USER, PASSWORD = "alice", "wonderland"
OTHER_USER, OTHER_PASSWORD = "bob", "builder"
Buffer = bytes | bytearray | memoryview


class MemoryAccounts:
    """Two users, known by name alone."""

    def __init__(self):
        self.hashes = {USER: nt_hash(PASSWORD), OTHER_USER: nt_hash(OTHER_PASSWORD)}
        self.tokens = {name: _token(name, number) for number, name in enumerate(self.hashes, 1000)}
        self.demands: dict[str, dict[str, bool]] = {}

    def demand(self, user: str, *, signing: bool = False, encryption: bool = False) -> None:
        """Say what sessions of a user must do from the next sign-in on."""
        self.demands[user.casefold()] = {"signing_required": signing, "encryption_required": encryption}

    def nt_hash(self, domain: str, user: str) -> bytes | None:
        return self.hashes.get(user.casefold())

    def spelling(self, user: str) -> str:
        return user.casefold() if user.casefold() in self.hashes else ""

    def token_of_sid(self, sid: Sid) -> Token | None:
        return next((token for token in self.tokens.values() if token.user == sid), None)

    def identity(self, domain: str, user: str) -> Identity | None:
        if not user:
            return Identity("ANONYMOUS LOGON", Token(ANONYMOUS, frozenset({EVERYONE}), frozenset(), "", anonymous=True))
        token = self.tokens.get(user.casefold())
        return Identity(token.name, token, **self.demands.get(token.name, {})) if token else None


def _token(name: str, rid: int) -> Token:
    groups = frozenset({EVERYONE, NETWORK, AUTHENTICATED_USERS, USERS})
    return Token(Sid.parse(f"S-1-5-21-1-2-3-{rid}"), groups, frozenset({"SeChangeNotifyPrivilege"}), name)


def share_config(name: str, **changes) -> ShareConfig:
    config = ShareConfig(
        id=1, name=name, path=f"/{name}", comment="", kind="disk", purpose="", enabled=True, read_only=False,
        browsable=True, encrypt=False, abe=False, continuously_available=False, guest_ok=False,
        options=ShareOptions(), access=(), version=1,
    )  # fmt: skip
    return replace(config, **changes)


SHARES = (
    (share_config("data"), (Grant(EVERYONE, LEVELS["full"]),)),
    (share_config("secret", encrypt=True), (Grant(EVERYONE, LEVELS["full"]),)),
    (share_config("closed"), ()),
    (share_config("readable"), (Grant(EVERYONE, LEVELS["read"]),)),
    (share_config("always", continuously_available=True), (Grant(EVERYONE, LEVELS["full"]),)),
    (share_config("home", options=ShareOptions(personal_folders=True)), (Grant(EVERYONE, LEVELS["full"]),)),
    (share_config("IPC$", kind="pipe"), (Grant(EVERYONE, LEVELS["full"]),)),
)


class Trail:
    """What was reported for the audit log."""

    def __init__(self):
        self.incidents: list[Incident] = []

    def report(self, incident: Incident) -> bool:
        self.incidents.append(incident)
        return True

    def only(self) -> Incident:
        """Return the one incident that there is."""
        assert len(self.incidents) == 1, self.incidents
        return self.incidents[0]


@dataclass
class MemoryServer:
    """The server under test, its clock, what it reported, and its volumes by share name."""

    server: SmbServer
    clock: Clock
    accounts: MemoryAccounts
    volumes: dict[str, Volume] = field(default_factory=dict)
    clients: list[Connection] = field(default_factory=list)
    trail: Trail = field(default_factory=Trail)

    def attach(self) -> tuple[ClientEnd, SmbConnection]:
        """Open a connection; returns the client's transport and the server's connection."""
        link = Link(self.server)
        connection = self.server.accept(link.server_end)
        assert connection is not None
        link.server_end.connection = connection
        return link.client_end, connection

    def connection(self, **options) -> Connection:
        """Open a connection and return the client's view of it."""
        connection = Connection(self.attach()[0], **options)
        self.clients.append(connection)
        return connection

    async def negotiated(self, offer: Offer | None = None, **options) -> RawClient:
        """Connect and negotiate."""
        connection = self.connection(**options)
        await negotiate(connection, offer)
        return RawClient(connection)

    async def session(
        self, offer: Offer | None = None, user: str = USER, password: str = PASSWORD, **options
    ) -> RawClient:
        """Connect, negotiate, sign in."""
        raw = await self.negotiated(offer)
        return raw.as_session(await sign_in(raw.connection, Initiator(user, password), **options))

    async def tree(self, share: str = "data", offer: Offer | None = None, **options) -> RawClient:
        """Connect, negotiate, sign in, connect to a share."""
        raw = await self.session(offer, **options)
        return raw.on_tree((await raw.tree_connect(rf"\\server\{share}")).expect())

    def configure(self, **changes) -> None:
        """Change the server's settings while it runs."""
        self.server.config = replace(self.server.config, **changes)

    async def close(self) -> None:
        for client in self.clients:
            client.close()
        await self.server.close()


def make_server(
    clock: Clock | None = None, *, backend: Callable[[Clock], Backend] = MemoryBackend, **settings
) -> MemoryServer:
    """Make a server; `settings` of ServerConfig.

    backend  makes what holds the files of a share
    """
    clock = clock or SystemClock()
    settings.setdefault("interim_delay", 0.0)
    config = ServerConfig(GUID, **settings)
    accounts = MemoryAccounts()
    names = ServerNames(netbios="HOLDFAST", dns="holdfast", domain="WORKGROUP")
    authenticator = Authenticator(accounts, names, config.allow_anonymous, config.allow_guest, clock=clock)
    volumes: dict[str, Volume] = {}
    tokens = TokenTable(clock)

    def open_volume(share: ShareConfig, folder: PersonalFolder | None = None) -> Volume:
        settings = VolumeConfig(default_security=default_security(), break_timeout=config.break_timeout)
        name = f"{share.name}/{folder.name}" if folder else share.name
        volumes[name] = volume = Volume(backend(clock), settings, clock, tokens)
        return volume

    trail = Trail()
    server = SmbServer(
        config, clock, authenticator=authenticator, accounts=accounts, open_volume=open_volume, trail=trail
    )
    server.shares.load(SHARES)
    return MemoryServer(server, clock, accounts, volumes, trail=trail)


class Link:
    """The wire: what one end writes the other one receives at the next turn of the loop, in order."""

    def __init__(self, server: SmbServer):
        self.loop = asyncio.get_running_loop()
        self.server_end = ServerEnd(self, server)
        self.client_end = ClientEnd(self)


class ServerEnd:
    """smbcore.server.connection.Transport."""

    peer = "memory:1"
    local_address = "127.0.0.1"
    sends_ranges = False
    taken = True

    def __init__(self, link: Link, server: SmbServer):
        self.link = link
        self.server = server
        self.reader = FrameReader(server.config.limits.frame_before_sign_in)
        self.connection: SmbConnection | None = None
        self.closed = False
        self.held = 0
        self.early: list[bytes] = []
        self.rest: Iterator[memoryview] = iter(())

    def write(self, parts: Sequence[Buffer], pooled: bytearray | None = None) -> None:
        if self.closed:
            return
        data = b"".join(parts)
        if pooled is not None:
            self.server.pool.give(pooled)
        self.link.loop.call_soon(self.link.client_end.arrived, data)

    def output_position(self) -> int:
        return 1

    def acknowledged(self) -> int:
        """A client that is not `taken` acknowledges nothing."""
        return int(self.taken)

    def set_frame_limit(self, limit: int) -> None:
        self.reader.limit = limit

    def detach_buffer(self) -> None:
        self.reader.detach()

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.link.loop.call_soon(self.link.client_end.ended)

    def arrived(self, data: bytes) -> None:
        """Receive as the TCP transport does."""
        self.early.append(data)
        self.go_on()

    def hold(self) -> None:
        self.held += 1

    def release(self) -> None:
        self.held -= 1
        self.go_on()

    def go_on(self) -> None:
        """Hand on what has arrived, as far as it may be."""
        try:
            while not self.closed and not self.held:
                frame = next(self.rest, None)
                if frame is not None:
                    self.connection.receive(frame)
                elif self.early:
                    self.rest = self.reader.feed(self.early.pop(0))
                else:
                    return
        except ProtocolViolation as violation:
            self.connection.drop(violation)

    def ended(self) -> None:
        """The client went away."""
        if not self.closed:
            self.connection.close()


class ClientEnd:
    """smbcore.client.transport.Transport."""

    def __init__(self, link: Link):
        self.link = link
        self.reader = FrameReader(0xFFFFFF)
        self.on_frame: Callable[[memoryview], None] | None = None
        self.on_lost: Callable[[Exception | None], None] | None = None
        self.early: list[bytes] = []
        self.closed = False
        self.lost = False

    def start(self, on_frame: Callable[[memoryview], None], on_lost: Callable[[Exception | None], None]) -> None:
        self.on_frame, self.on_lost = on_frame, on_lost

    def write(self, parts: Sequence[Buffer]) -> None:
        if not self.closed and not self.lost:
            self.link.loop.call_soon(self.link.server_end.arrived, b"".join(parts))

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.link.loop.call_soon(self.link.server_end.ended)

    def arrived(self, data: bytes) -> None:
        if self.closed or self.lost or self.on_frame is None:
            return
        for frame in self.reader.feed(data):
            self.on_frame(memoryview(bytes(frame)))

    def ended(self) -> None:
        if not self.lost:
            self.lost = True
            if self.on_lost is not None:
                self.on_lost(None)
