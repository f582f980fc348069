"""One client connection: what it negotiated, its channels, the requests that wait  [MS-SMB2 3.3.1.7].

The connection is driven by its transport (`receive` for each frame, `closed_by_peer` at the end) and never touches a
socket. Requests that wait are tasks of the connection: they are its children, and die with it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from smbcore.nt.errors import WireError
from smbcore.nt.status import NtError, Status
from smbcore.proto.compound import split, start_of
from smbcore.proto.errors import ProtocolViolation
from smbcore.proto.sealing import transform_session_id
from smbcore.proto.window import CommandWindow
from smbcore.server import dispatch, negotiation, reply, under_way
from smbcore.server.chain import Chain
from smbcore.server.reporting import host
from smbcore.wire.header import CHANGE_NOTIFY, LOCK

if TYPE_CHECKING:
    from smbcore.crypto.preauth import PreauthHash
    from smbcore.fsa.api import FileRange
    from smbcore.nt.clock import TimerHandle
    from smbcore.nt.token import Token
    from smbcore.proto.signing import Signer
    from smbcore.server.personal import PersonalFolder
    from smbcore.server.request import SmbRequest
    from smbcore.server.server import SmbServer
    from smbcore.server.session import SmbChannel
    from smbcore.server.shares import Share

log = logging.getLogger(__name__)

_SMB2: Final = b"\xfeSMB"
_TRANSFORM: Final = b"\xfdSMB"
_SMB1: Final = b"\xffSMB"
_REMEMBERED: Final = 8
_WITHOUT_END: Final = (CHANGE_NOTIFY, LOCK)


class Transport(Protocol):
    """What a connection needs of whoever carries its bytes.

    sends_ranges  it has `write_range`
    """

    peer: str
    local_address: str
    sends_ranges: bool

    def write(self, parts: Sequence[bytes | bytearray | memoryview], pooled: bytearray | None = None) -> None:
        """Queue bytes; `pooled` goes back to the server's pool once they have left."""

    def write_range(self, head: bytearray, source: FileRange) -> None:
        """Queue `head` and the bytes of `source`; what the file has lost by the time it is sent is sent as zeros."""

    def output_position(self) -> int:
        """Return the number of bytes written so far, as `acknowledged` counts them."""

    def acknowledged(self) -> int:
        """Return how many bytes the peer has acknowledged to have received."""

    def set_frame_limit(self, limit: int) -> None:
        """Accept messages up to `limit` bytes."""

    def detach_buffer(self) -> None:
        """Do not reuse the receive buffer: a request that waits looks at it."""

    def hold(self) -> None:
        """Hand on no further message until `release`, which is called as many times."""

    def release(self) -> None:
        """Go on after `hold`."""

    def close(self) -> None:
        """Send what is queued if it can be sent at once, then close. Idempotent."""


class SmbConnection:
    """A connection, from its first byte to its last.

    Owned by `SmbServer.connections`; created by a listener; ended by `close`.
    dialect               0 until negotiated, 0x02FF after a multi-protocol negotiate that was answered with the
    wildcard
    client_guid           the client's; zeros in 2.0.2, which knows no clients;  negotiated_guid  as the client sent it
    channels              session id -> this connection's channel of that session (sessions in progress included)
    bindings              session id -> the channel of a session that this connection is being bound to
    ended                 session id -> what signed the replies of a session that has ended, for the latest few
    stalled               a notification was not acknowledged in time: others go to other channels first
    acknowledged          the peer's TCP acknowledges what it gets; only test suites say that it does not
    supports_notifications  the client takes SERVER_TO_CLIENT_NOTIFICATION
    supports_multi_credit large requests are allowed and their credit charge is checked
    max_read, max_write, max_transact  bytes, as negotiated
    """

    __slots__ = (
        "_async", "_auth_timer", "_limits_told", "_next_async_id", "_pending", "_silent", "acknowledged", "bindings",
        "channels", "cipher", "client_capabilities", "client_guid", "client_name", "client_security_mode", "closed",
        "commands", "created_at", "dialect", "ended", "max_read", "max_transact", "max_write", "name",
        "negotiated_dialects", "negotiated_guid", "number", "preauth", "server", "server_capabilities",
        "server_security_mode", "signing_algorithm", "stalled", "supports_multi_credit", "supports_notifications",
        "transport", "window",
    )  # fmt: skip

    def __init__(self, server: SmbServer, transport: Transport, number: int) -> None:
        self.server = server
        self.transport = transport
        self.number = number
        self.name = f"conn={number:#x}"
        self.commands = server.commands
        self.window = CommandWindow(server.config.max_credits)
        self.dialect = 0
        self.negotiated_dialects: tuple[int, ...] = ()
        self.negotiated_guid = bytes(16)
        self.client_guid = bytes(16)
        self.client_name = ""
        self.client_capabilities = 0
        self.client_security_mode = 0
        self.server_capabilities = 0
        self.server_security_mode = 0
        self.signing_algorithm = 0
        self.cipher = 0
        self.supports_multi_credit = False
        self.supports_notifications = False
        self.acknowledged = True
        self.stalled = False
        self.max_read = self.max_write = self.max_transact = negotiation.SMALL_IO
        self.preauth: PreauthHash | None = None
        self.channels: dict[int, SmbChannel] = {}
        self.bindings: dict[int, SmbChannel] = {}
        self.ended: dict[int, Signer] = {}
        self.closed = False
        self.created_at = server.clock.now()
        self._limits_told: set[str] = set()
        self._pending: dict[int, SmbRequest] = {}
        self._async: dict[int, SmbRequest] = {}
        self._silent: set[SmbRequest] = set()
        self._next_async_id = 1
        self._auth_timer: TimerHandle | None = server.clock.call_later(
            server.config.limits.authentication_seconds, self._not_signed_in
        )

    def folder_in(self, share: Share, token: Token) -> PersonalFolder | None:
        """Return the folder in `share` that this user gets, None for the whole share.  Raises ACCESS_DENIED."""
        return share.folder_of(token)

    # -- frames in --

    def receive(self, frame: memoryview) -> None:
        """Work on one message of the peer; a violation closes the connection, nothing is raised."""
        try:
            magic, following = start_of(frame)
            if magic == _SMB2:
                if following:
                    dispatch.advance(Chain(self, split(frame), None))
                else:
                    dispatch.begin(self, frame, None, None)
            elif magic == _TRANSFORM and self.dialect:
                self._receive_sealed(frame)
            elif magic == _SMB1 and not self.dialect:
                negotiation.multi_protocol(self, frame)
            else:
                raise ProtocolViolation(f"unknown protocol id {magic.hex()}")
        except (ProtocolViolation, WireError) as error:
            self.drop(error)

    def _receive_sealed(self, frame: memoryview) -> None:
        """Open a transform message and work on what was in it  [MS-SMB2 3.3.5.2.1.1].

        The session need not be on this connection: whoever has its key is told so under its protection. What is inside
        must be for that session (`dispatch.begin`).
        """
        if not self.cipher:
            raise ProtocolViolation("encrypted, on a connection that has no cipher")
        session = self.server.sessions.get(transform_session_id(frame))
        if session is None or (unsealer := session.unsealer) is None:
            raise ProtocolViolation("encrypted for an unknown session, or one without keys")
        plain = unsealer.open(frame)
        if bytes(plain[:4]) != _SMB2:
            raise ProtocolViolation("no SMB2 message inside of the transform")
        members = split(plain)
        if len(members) == 1:
            dispatch.begin(self, plain, None, session)
        else:
            dispatch.advance(Chain(self, members, session))

    def resume(self, chain: Chain) -> None:
        """Go on with a compound whose current member has answered."""
        if self.closed:
            return
        try:
            dispatch.advance(chain)
        except (ProtocolViolation, WireError) as error:
            self.drop(error)

    def verify_if_known(self, rq: SmbRequest) -> None:
        """Check the signature of a request that needs no session, where it names one  [MS-SMB2 3.3.5.2.4].

        Raises ACCESS_DENIED for a bad signature, or none where the session wants one.
        """
        channel = self.channels.get(rq.session_id)
        if channel is None or channel.signer is None:
            return
        rq.channel = channel
        if not rq.signed:
            if channel.session.signing_required:
                raise NtError(Status.ACCESS_DENIED, "not signed")
        elif not channel.signer.verify(rq.view, from_server=False):
            raise NtError(Status.ACCESS_DENIED, "bad signature")

    # -- requests that wait --

    def spawn(self, rq: SmbRequest, coroutine: Coroutine[Any, Any, None]) -> None:
        """Make a task of a request that waits; it may be told so to the client after the interim delay."""
        self.transport.detach_buffer()
        if rq.sealed is not None and rq.sealed.unsealer is not None:
            rq.sealed.unsealer.detach()
        rq.cancel_status = Status.CANCELLED
        self.window.withhold(rq.granted)
        rq.under_way = under_way.begin(rq)
        rq.task = self.server.request_task(coroutine)
        self._pending[rq.message_id] = rq
        self.note_wait(rq)

    def note_wait(self, rq: SmbRequest) -> None:
        """A request that is a task begins to wait: where it lasts, it counts and its client is told."""
        self.server.clock.call_later(self.server.config.interim_delay, self._interim_due, rq)

    def cancel(self, rq: SmbRequest, status: Status = Status.CANCELLED) -> None:
        """End the wait of a request, once its task has begun: one that never began could not clean up.

        It goes on if it has what it waited for by then: what is left to do, such as to store it, is not undone.
        status  what its client hears
        """
        rq.cancel_status = status
        asyncio.get_running_loop().call_soon(_end_wait, rq)

    def _interim_due(self, rq: SmbRequest) -> None:
        if not rq.waits or self._pending.get(rq.message_id) is not rq or rq.interim or rq in self._silent:
            return
        if len(self._async) + len(self._silent) >= self.server.config.limits.pending_per_connection:
            self.cancel(rq, self.limited("requests that wait").status)
        elif rq.chain is None or not rq.chain.is_needed:
            reply.send_interim(rq)
        elif rq.command in _WITHOUT_END:
            # Windows lets no other wait for something that may never happen (smb2.compound.interim2)
            self.cancel(rq, Status.INTERNAL_ERROR)
        else:
            self._silent.add(rq)

    def retire(self, rq: SmbRequest) -> None:
        """Forget a request that has answered."""
        self._pending.pop(rq.message_id, None)
        self._async.pop(rq.async_id, None)
        self._silent.discard(rq)

    def register_async(self, rq: SmbRequest) -> None:
        """Give the request an async id, unique on this connection."""
        rq.async_id = self._next_async_id
        self._next_async_id += 1
        self._async[rq.async_id] = rq

    def find_async(self, async_id: int) -> SmbRequest | None:
        """Return the waiting request with this async id."""
        return self._async.get(async_id)

    def find_pending(self, message_id: int) -> SmbRequest | None:
        """Return the waiting request with this message id."""
        return self._pending.get(message_id)

    # -- sessions --

    @property
    def has_signed_in(self) -> bool:
        """Whether there ever was a session on this connection."""
        return self._auth_timer is None

    def signed_in(self) -> None:
        """Lift the bounds that hold before the first sign-in."""
        if self._auth_timer is not None:
            self._auth_timer.cancel()
            self._auth_timer = None
            self.transport.set_frame_limit(self.server.config.max_write + 256 * 1024)

    def _not_signed_in(self) -> None:
        self._auth_timer = None
        self.drop(ProtocolViolation("not signed in in time"))

    def limited(self, what: str) -> NtError:
        """Return the refusal of one more of `what`; the log hears of it once, or it would be flooded too."""
        if what not in self._limits_told:
            self._limits_told.add(what)
            if self.server.seldom.is_due("limit", what, host(self.transport.peer)):
                log.warning("%s peer=%s refused: too many %s", self.name, self.transport.peer, what)
        return NtError(Status.INSUFFICIENT_RESOURCES, f"too many {what}")

    def session_ended(self, channel: SmbChannel) -> None:
        """Forget a channel, but not at once its key: a client whose session has ended is told so under its signature,
        or it does not believe it.
        """
        wire_id = channel.session.wire_id
        del self.channels[wire_id]
        if channel.signer is not None:
            self.ended[wire_id] = channel.signer
            if len(self.ended) > _REMEMBERED:
                del self.ended[next(iter(self.ended))]

    # -- the end --

    def drop(self, reason: Exception) -> None:
        """Close because the peer broke the protocol."""
        if not self.closed:
            level = logging.INFO if self.server.seldom.is_due("dropped", host(self.transport.peer)) else logging.DEBUG
            log.log(level, "%s peer=%s dropped: %s", self.name, self.transport.peer, reason)
            self.close()

    def close(self) -> None:
        """End the connection: its tasks, its channels, and the sessions that have no other channel. Idempotent."""
        if self.closed:
            return
        self.closed = True
        if self._auth_timer is not None:
            self._auth_timer.cancel()
        pending, self._pending = list(self._pending.values()), {}
        self._async.clear()
        self._silent.clear()
        for rq in pending:
            # what does not wait is about to finish, and must not be left half done
            if not (rq.outlives and rq.session.keep_orphan(rq)) and rq.waits:
                self.cancel(rq)
        for channel in list(self.channels.values()):
            channel.session.remove_channel(self)
        self.channels.clear()
        self.bindings.clear()
        self.transport.close()
        self.server.connection_closed(self)


def _end_wait(rq: SmbRequest) -> None:
    if rq.waits and rq.task is not None:
        rq.task.cancel()
