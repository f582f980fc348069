"""Getting a break notification to a client that has several channels  [MS-SMB2 3.3.4.6, 3.3.4.7].

The channels of a session are tried in the order in which they were bound, those whose last notification was not taken
last. Whether a notification has been taken is known from TCP: a peer that is gone acknowledges nothing. The next
channel is tried after `ServerConfig.break_retry` seconds, until the break is answered or over. The specification asks
for that; Windows does not, it uses the newest channel alone (`break_retry` 0).
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

    __slots__ = ("_awaited", "_body", "_command", "_sessions", "_tried")

    def __init__(
        self, sessions: Iterable[SmbSession], command: int, body: Encodable, awaited: Callable[[], bool] | None
    ) -> None:
        self._sessions = list(sessions)
        self._command = command
        self._body = body.encode()
        self._awaited = awaited
        self._tried: set[SmbConnection] = set()

    def send(self) -> bool:
        """Send on the next channel; False if there is none left that works."""
        left = self._channels_left()
        if not left:
            return False
        session, connection = left[0]
        retry = session.server.config.break_retry
        if not retry:
            session, connection = left[-1]
        self._tried.add(connection)
        send_unsolicited(session, connection, self._command, self._body)
        if self._awaited is not None and retry and len(left) > 1:
            mark = connection.transport.output_position()
            session.server.clock.call_later(retry, self._check, connection, mark)
        return True

    def _channels_left(self) -> list[tuple[SmbSession, SmbConnection]]:
        left = [
            (session, connection)
            for session in self._sessions
            for connection in session.channels
            if not connection.closed and connection not in self._tried
        ]
        if len(left) > 1:
            left.sort(key=_stalled)
        return left

    def _check(self, connection: SmbConnection, mark: int) -> None:
        """Try the next channel if the peer's TCP did not take the notification, and the answer is still awaited."""
        taken = not connection.closed and connection.acknowledged and connection.transport.acknowledged() >= mark
        connection.stalled = not taken
        if taken or self._awaited is None or not self._awaited():
            return
        log.info("%s does not take a break notification, trying another channel", connection.name)
        self.send()


def _stalled(channel: tuple[SmbSession, SmbConnection]) -> bool:
    return channel[1].stalled
