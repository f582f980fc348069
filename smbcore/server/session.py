"""Sessions and their channels  [MS-SMB2 3.3.1.8, 3.3.1.14]."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any

from smbcore.nt import filetime
from smbcore.nt.status import NtError, Status
from smbcore.proto.errors import ProtocolViolation
from smbcore.proto.sealing import CIPHER_NAMES, Sealer, Unsealer
from smbcore.proto.signing import ALGORITHM_NAMES, Signer
from smbcore.server.delivery import send_unsolicited
from smbcore.wire.header import SERVER_TO_CLIENT_NOTIFICATION
from smbcore.wire.server_notification import NOTIFY_SESSION_CLOSED, ServerNotification

if TYPE_CHECKING:
    from smbcore.auth.acceptor import Exchange
    from smbcore.crypto.preauth import PreauthHash
    from smbcore.nt.clock import TimerHandle
    from smbcore.nt.token import Token
    from smbcore.proto.keys import SessionKeys
    from smbcore.server.connection import SmbConnection
    from smbcore.server.open import SmbOpen
    from smbcore.server.request import SmbRequest
    from smbcore.server.server import SmbServer
    from smbcore.server.tree_connect import SmbTreeConnect

log = logging.getLogger(__name__)


class SessionState(Enum):
    """Session.State."""

    IN_PROGRESS = "in progress"
    VALID = "valid"
    EXPIRED = "expired"
    CLOSED = "closed"


class SessionEvent(Enum):
    """What changes the state of a session."""

    AUTHENTICATED = "authenticated"
    TICKET_EXPIRED = "ticket expired"
    ENDED = "ended"


NEXT = {
    (SessionState.IN_PROGRESS, SessionEvent.AUTHENTICATED): SessionState.VALID,
    (SessionState.IN_PROGRESS, SessionEvent.ENDED): SessionState.CLOSED,
    (SessionState.VALID, SessionEvent.AUTHENTICATED): SessionState.VALID,
    (SessionState.VALID, SessionEvent.TICKET_EXPIRED): SessionState.EXPIRED,
    (SessionState.VALID, SessionEvent.ENDED): SessionState.CLOSED,
    (SessionState.EXPIRED, SessionEvent.AUTHENTICATED): SessionState.VALID,
    (SessionState.EXPIRED, SessionEvent.ENDED): SessionState.CLOSED,
}


class SmbChannel:
    """One connection of a session: its own signing key, and the authentication exchange that is under way on it.

    binding  the exchange binds this connection to an existing session; until it is done, the channel is known to
             `SmbConnection.bindings` alone and serves no requests
    """

    __slots__ = ("binding", "connection", "exchange", "preauth", "session", "signer")

    def __init__(self, session: SmbSession, connection: SmbConnection) -> None:
        self.session = session
        self.connection = connection
        self.signer: Signer | None = None
        self.exchange: Exchange | None = None
        self.preauth: PreauthHash | None = None
        self.binding = False


class SmbSession:
    """A signed-in user (or one who is signing in).

    Owned by `SmbServer.sessions`; created by SESSION_SETUP; ended by `close`. Touched on the loop thread only.
    key        32-bit index of its row;  wire_id  the 64-bit SessionId
    opens      16-byte file id -> open;  trees  tree id -> tree connect
    orphans    requests that go on though their connection is lost
    kept       how many of its opens are to outlive their connection, see `smbcore.server.allowance`
    recorded   its record is stored, or on its way
    timer      ends a sign-in that takes too long, later the session's validity
    signer     with Session.SigningKey: what binds further connections is signed with it; None for guest and anonymous
    valid      state is VALID, kept as a plain flag for the path that every request takes
    """

    __slots__ = (
        "_next_tree_id", "bytes_in", "bytes_out", "channels", "created_at", "encryption_required", "guest", "kept",
        "key", "keys", "mechanism", "opens", "orphans", "recorded", "sealer", "server", "signer", "signing_required",
        "state", "timer", "token", "told", "trees", "unsealer", "user", "valid", "wire_id",
    )  # fmt: skip

    def __init__(self, server: SmbServer, key: int, wire_id: int) -> None:
        self.server = server
        self.key = key
        self.wire_id = wire_id
        self.state = SessionState.IN_PROGRESS
        self.valid = False
        self.recorded = False
        self.channels: dict[SmbConnection, SmbChannel] = {}
        self.trees: dict[int, SmbTreeConnect] = {}
        self.opens: dict[bytes, SmbOpen] = {}
        self.kept = 0
        self.orphans: set[SmbRequest] = set()
        self.token: Token
        self.user = ""
        self.guest = False
        self.mechanism = ""
        self.keys: SessionKeys | None = None
        self.timer: TimerHandle | None = server.clock.call_later(
            server.config.limits.authentication_seconds, self._time_is_up
        )
        self.signer: Signer | None = None
        self.sealer: Sealer | None = None
        self.unsealer: Unsealer | None = None
        self.signing_required = False
        self.encryption_required = False
        self.created_at = server.clock.now()
        self.bytes_in = 0
        self.bytes_out = 0
        self.told = (0, 0, 0)
        self._next_tree_id = 1

    def change(self, event: SessionEvent) -> None:
        """Apply `event`; a transition that the table does not know raises INTERNAL_ERROR."""
        state = NEXT.get((self.state, event))
        if state is None:
            raise NtError(Status.INTERNAL_ERROR, f"session {self.state} cannot be {event}")
        self.state = state
        self.valid = state is SessionState.VALID
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def become(self, token: Token, name: str) -> None:
        """Go on for the user of a new sign-in  [MS-SMB2 3.3.5.5.3].

        Requests under way keep the token that they began with; those to come are checked with the new one, also
        against the access lists of the shares that are connected already.
        """
        self.user = name
        if token is self.token:
            return
        self.token = token
        for tree in self.trees.values():
            tree.maximal_access = tree.share.maximal_access(token)
        for open_ in self.opens.values():
            open_.file.act_as(token)

    def limit(self, seconds: float) -> None:
        """Let the session expire in `seconds`, unless its user proves who he is again before."""
        if self.timer is not None:
            self.timer.cancel()
        self.timer = self.server.clock.call_later(seconds, self._time_is_up)

    def _time_is_up(self) -> None:
        self.timer = None
        if self.state is SessionState.IN_PROGRESS:
            if self.server.seldom.is_due("sign-ins take too long"):
                log.info("sign-in of session %#x takes too long", self.key)
            self.close()
        elif self.state is SessionState.VALID:
            log.info("session %#x of %s has expired", self.key, self.user)
            self.change(SessionEvent.TICKET_EXPIRED)

    def check_usable(self, *, when_expired: bool) -> None:
        """Raise unless requests may be served: USER_SESSION_DELETED, NETWORK_SESSION_EXPIRED  [MS-SMB2 3.3.5.2.9].

        when_expired  what gives something back is served in any state: after the ticket has expired, while signing in
        """
        if self.state is SessionState.VALID or (when_expired and self.state is not SessionState.CLOSED):
            return
        if self.state is SessionState.EXPIRED:
            raise NtError(Status.NETWORK_SESSION_EXPIRED, "the ticket has expired")
        raise NtError(Status.USER_SESSION_DELETED, f"session is {self.state.value}")

    def add_channel(self, connection: SmbConnection) -> SmbChannel:
        """Make `connection` a channel of the session."""
        channel = SmbChannel(self, connection)
        self.adopt(channel)
        return channel

    def adopt(self, channel: SmbChannel) -> None:
        """Take in a channel, from now on one that serves requests."""
        channel.binding = False
        self.channels[channel.connection] = channel
        channel.connection.channels[self.wire_id] = channel

    def remove_channel(self, connection: SmbConnection) -> None:
        """Forget a channel; the session ends with its last one."""
        channel = self.channels.pop(connection, None)
        if channel is not None and connection.channels.get(self.wire_id) is channel:
            del connection.channels[self.wire_id]
        if self.channels:
            self.server.session_changed(self)
        else:
            self.close()

    def keep_orphan(self, rq: SmbRequest) -> bool:
        """Let a request go on whose connection is lost, if another one is left to ask for its result; tell whether it
        does. As many may as wait on a connection, or a client could pile them up by losing one after the other.
        """
        if len(self.channels) < 2 or len(self.orphans) >= self.server.config.limits.pending_per_connection:
            return False
        self.orphans.add(rq)
        return True

    def add_tree(self, tree: SmbTreeConnect) -> int:
        """Take in a tree connect and return its id."""
        if len(self.trees) >= self.server.config.limits.trees_per_session:
            raise next(iter(self.channels)).limited("tree connects")
        tree_id = self._next_tree_id
        self._next_tree_id += 1
        self.trees[tree_id] = tree
        return tree_id

    def start_encryption(self, cipher: int, keys: SessionKeys) -> None:
        """Set up both directions; the counters of nonces start here and live as long as the keys."""
        limit = self.server.config.key_limit
        self.sealer = Sealer(cipher, keys.s2c, self.wire_id, limit, self._key_spent)
        self.unsealer = Unsealer(cipher, keys.c2s, self.server.plaintext, limit, self._key_spent)

    def _key_spent(self) -> None:
        """A key has protected as much as it may: the session ends, but not from within the message that is sealed."""
        self.server.clock.call_later(0, self._end_with_its_keys)

    def _end_with_its_keys(self) -> None:
        """No other keys can take the place of these: a new sign-in, of a new session, brings new ones."""
        if self.state is not SessionState.CLOSED:
            log.warning("session %#x of %s ends: its encryption keys are used up", self.key, self.user)
            self.end()

    def seal(self, parts: Sequence[bytes | bytearray | memoryview]) -> bytearray:
        """Return a transform message of `parts`; only for sessions that have sealed before."""
        if self.sealer is None:
            raise ProtocolViolation("the session has no encryption keys")
        return self.sealer.seal(parts)

    def seal_in_place(self, buffer: bytearray, start: int, length: int) -> memoryview:
        """Seal bytes where they lie, see `Sealer.seal_in_place`; only for sessions that have sealed before."""
        if self.sealer is None:
            raise ProtocolViolation("the session has no encryption keys")
        return self.sealer.seal_in_place(buffer, start, length)

    def close(self, *, for_good: bool = False) -> None:
        """End the session: trees, opens, channels, record. Idempotent.

        for_good  close the opens that were promised to outlive it, too
        """
        if self.state is SessionState.CLOSED and self.key not in self.server.sessions_by_key:
            return
        if self.state is not SessionState.CLOSED:
            self.change(SessionEvent.ENDED)
        if not for_good:
            for open_ in list(self.opens.values()):
                open_.disconnect()
        orphans, self.orphans = self.orphans, set()
        for rq in orphans:
            rq.connection.cancel(rq)
        for tree in list(self.trees.values()):
            tree.close()
        for connection, channel in list(self.channels.items()):
            if connection.channels.get(self.wire_id) is channel:
                connection.session_ended(channel)
        self.channels.clear()
        self.server.session_closed(self)

    def end(self, *, for_good: bool = False) -> None:
        """End by the server's will, with the connections that have no other session  [MS-SMB2 3.3.4.12]."""
        connections = list(self.channels)
        self.tell_closed()
        self.close(for_good=for_good)
        for connection in connections:
            if not connection.channels:
                connection.close()

    def tell_closed(self) -> None:
        """Tell clients that announced to listen that the session ends by the server's will  [MS-SMB2 3.3.4.12]."""
        body = ServerNotification(NOTIFY_SESSION_CLOSED).encode()
        for connection in self.channels:
            if connection.supports_notifications and not connection.closed:
                send_unsolicited(self, connection, SERVER_TO_CLIENT_NOTIFICATION, body, self.wire_id)

    def figures(self) -> tuple[int, int, int]:
        """Return what changes while people look: number of opens, bytes written, bytes read."""
        return len(self.opens), self.bytes_in, self.bytes_out

    def row(self) -> dict[str, Any]:
        """Return the session's record as people see it (state/schema.py: session)."""
        self.told = self.figures()
        connection = next(iter(self.channels), None)
        signer = next((channel.signer for channel in self.channels.values() if channel.signer), None)
        return {
            "wire_id": self.wire_id,
            "user": self.user,
            "user_sid": str(self.token.user),
            "client_address": connection.transport.peer if connection else "",
            "client_name": connection.client_name if connection else "",
            "client_guid": connection.client_guid.hex() if connection else "",
            "dialect": dialect_name(connection.dialect) if connection else "",
            "signing": ALGORITHM_NAMES[signer.algorithm] if signer else "",
            "signing_required": self.signing_required,
            "encryption": CIPHER_NAMES[self.sealer.cipher] if self.sealer and self.encryption_required else "",
            "auth": self.mechanism,
            "guest": self.guest,
            "anonymous": self.token.anonymous,
            "channels": len(self.channels),
            "created_at": filetime.to_datetime(self.created_at),
            "last_active_at": filetime.to_datetime(self.server.clock.now()),
            "opens": len(self.opens),
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_out,
        }


def dialect_name(dialect: int) -> str:
    """Return "3.1.1" for 0x0311; the last digit is left out where it is 0 in the name of the dialect."""
    names = {0x0202: "2.0.2", 0x0210: "2.1", 0x0300: "3.0", 0x0302: "3.0.2", 0x0311: "3.1.1"}
    return names.get(dialect, f"{dialect:#06x}")
