"""Getting a break notification to a client that has several channels  [MS-SMB2 3.3.4.6, 3.3.4.7].

The channels are tried from the oldest connection of the client on, those whose last notification was not taken last
(smb2.lease.v2_complex1). Whether a notification has been taken is known from TCP: a peer that is gone acknowledges
nothing. The next channel is tried after `ServerConfig.break_retry` seconds, until the break is answered or over. The
specification asks for that; Windows does not, it uses the newest channel alone (`break_retry` 0).

A client that takes the notification on none of its channels is gone, and others wait for its answer: after
`ServerConfig.unreachable_after` seconds its connections are closed, so that they need not wait for the whole time that
an answer may take. What it holds durably stays for it (smb2.oplock.batch22b).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol

from smbcore.nt.status import Status
from smbcore.proto.framing import frame_header
from smbcore.wire.header import HEADER_SIZE, UNSOLICITED_MESSAGE_ID, pack_response_into

if TYPE_CHECKING:
    from smbcore.server.connection import SmbConnection
    from smbcore.server.session import SmbSession

log = logging.getLogger(__name__)


class Encodable(Protocol):
    """The body of a notification."""

    def encode(self) -> bytes:
        """Return the body."""


def send_unsolicited(
    session: SmbSession, connection: SmbConnection, command: int, body: bytes, session_id: int = 0
) -> None:
    """Send what no request asked for: no signature, sealed where the session seals everything."""
    message = bytearray(HEADER_SIZE + len(body))
    message[HEADER_SIZE:] = body
    pack_response_into(
        message, 0, credit_charge=0, status=Status.SUCCESS, command=command, credits=0, flags=0, next_command=0,
        message_id=UNSOLICITED_MESSAGE_ID, tail64=0, session_id=session_id,
    )  # fmt: skip
    if session.sealer is not None and session.encryption_required:
        message = session.sealer.seal((message,))
    connection.transport.write((frame_header(len(message)), message))


class Delivery:
    """One notification on its way.

    sessions  whose channels lead to the client
    awaited   tells whether the client's answer is still waited for
    """

    __slots__ = ("_awaited", "_begun", "_body", "_command", "_sessions", "_tried")

    def __init__(
        self, sessions: Iterable[SmbSession], command: int, body: Encodable, awaited: Callable[[], bool] | None
    ) -> None:
        self._sessions = list(sessions)
        self._command = command
        self._body = body.encode()
        self._awaited = awaited
        self._tried: dict[SmbConnection, int] = {}
        self._begun = 0.0

    def send(self) -> bool:
        """Send on the next channel; False if there is none left that works."""
        left = self._channels_left()
        if not left:
            return False
        session, connection = left[0]
        retry = session.server.config.break_retry
        if not retry:
            session, connection = left[-1]
        send_unsolicited(session, connection, self._command, self._body)
        self._tried[connection] = 0
        if self._awaited is not None and retry:
            self._tried[connection] = connection.transport.output_position()
            clock = session.server.clock
            self._begun = self._begun or clock.monotonic()
            clock.call_later(retry, self._check, connection)
        return True

    def _channels_left(self) -> list[tuple[SmbSession, SmbConnection]]:
        left = [
            (session, connection)
            for session in self._sessions
            for connection in session.channels
            if not connection.closed and connection not in self._tried
        ]
        if len(left) > 1:
            left.sort(key=_preference)
        return left

    def _check(self, connection: SmbConnection) -> None:
        """Try the next channel if the peer's TCP did not take the notification, and the answer is still awaited."""
        connection.stalled = not self._is_taken(connection)
        if not connection.stalled or self._awaited is None or not self._awaited():
            return
        if self.send():
            log.info("%s does not take a break notification, trying another channel", connection.name)
            return
        server = connection.server
        if server.clock.monotonic() - self._begun < server.config.unreachable_after:
            server.clock.call_later(server.config.break_retry, self._check, connection)
        elif not any(map(self._is_taken, self._tried)):
            for tried in self._tried:
                tried.drop(TimeoutError("a break notification is not taken"))

    def _is_taken(self, connection: SmbConnection) -> bool:
        if connection.closed or not connection.acknowledged:
            return False
        return connection.transport.acknowledged() >= self._tried[connection]


def _preference(channel: tuple[SmbSession, SmbConnection]) -> tuple[bool, int]:
    return channel[1].stalled, channel[1].number
