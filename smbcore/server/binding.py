"""Binding a further connection to a session: multi-channel  [MS-SMB2 3.3.5.5 step 4].

Nothing but the key of the session proves that whoever binds is its client, so every request of the exchange is signed
with it, and so are the replies until the new channel has its own key. Until then the connection cannot use the session:
what it asks of it is USER_SESSION_DELETED, signed or sealed with the keys of the session if the request was, because
clients believe nothing else. It is only for requests whose own signature fits: nobody else gets to see a signature.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from smbcore.nt.status import NtError, Status
from smbcore.proto.keys import DIALECT_300, SIGNING_AES_GMAC
from smbcore.server.reporting import report
from smbcore.server.session import SessionState, SmbChannel

if TYPE_CHECKING:
    from smbcore.proto.signing import Signer
    from smbcore.server.connection import SmbConnection
    from smbcore.server.request import SmbRequest
    from smbcore.server.session import SmbSession

_MULTI_CHANNEL: Final = DIALECT_300


def binding_channel(rq: SmbRequest) -> SmbChannel:
    """Return the channel that a SESSION_SETUP with the binding flag makes, or goes on making; each leg is checked.

    One that is refused ends the exchange.
    Raises USER_SESSION_DELETED, ACCESS_DENIED, REQUEST_OUT_OF_SEQUENCE, REQUEST_NOT_ACCEPTED, INVALID_PARAMETER,
    NETWORK_SESSION_EXPIRED, NOT_SUPPORTED, INSUFFICIENT_RESOURCES.
    """
    connection = rq.connection
    session = rq.server.sessions.get(rq.session_id)
    started = connection.bindings.pop(rq.session_id, None)
    multi_channel = connection.dialect >= _MULTI_CHANNEL and rq.server.config.multi_channel
    if session is None:
        if not multi_channel:
            raise NtError(Status.REQUEST_NOT_ACCEPTED, "no multi-channel")
        raise NtError(Status.USER_SESSION_DELETED, f"no session {rq.session_id:#x} to bind to")
    verify(rq, session)
    check_algorithms(session.signer, connection.signing_algorithm)
    if not multi_channel:
        raise NtError(Status.REQUEST_NOT_ACCEPTED, "no multi-channel")
    check_connection(session, connection, signed=rq.signed)
    check_session(session, connection)
    channel = started
    if channel is None or channel.session is not session:
        channel = SmbChannel(session, connection)
        channel.binding = True
    connection.bindings[rq.session_id] = channel
    return channel


def no_channel(rq: SmbRequest) -> NtError:
    """Return USER_SESSION_DELETED for a request that names a session which is not on its connection."""
    session = rq.server.sessions.get(rq.session_id)
    signer = rq.connection.ended.get(rq.session_id) if session is None else session.signer
    if signer is not None and rq.signed and rq.sealed is None and signer.verify(rq.view, from_server=False):
        rq.reply_signer = signer
    return NtError(Status.USER_SESSION_DELETED, f"no session {rq.session_id:#x} on this connection")


def verify(rq: SmbRequest, session: SmbSession) -> None:
    """Check the signature, with the key of the channel if the connection has one, else with that of the session.

    Raises ACCESS_DENIED, for a signed request whose signature does not fit. From here on the replies are signed.
    """
    channel = rq.connection.channels.get(rq.session_id)
    signer = channel.signer if channel is not None else session.signer
    if signer is None or not rq.signed:
        return
    if channel is None and not signer.verify(rq.view, from_server=False):  # that of a channel has been checked before
        report(
            rq.connection, None, "session.bind", "signature",
            what=f"session of {session.user}", status=Status.ACCESS_DENIED,
        )  # fmt: skip
        raise NtError(Status.ACCESS_DENIED, "bad signature of a binding request")
    rq.reply_signer = signer


def check_algorithms(signer: Signer | None, channel: int) -> None:
    """Refuse to mix AES-GMAC with another algorithm, as Windows does; CMAC and HMAC-SHA256 go together.

    Raises REQUEST_OUT_OF_SEQUENCE where the session has GMAC, NOT_SUPPORTED where the new connection has it
    (smb2.session.bind_negative_smb3sign*).
    """
    if signer is None or signer.algorithm == channel:
        return
    if signer.algorithm == SIGNING_AES_GMAC:
        raise NtError(Status.REQUEST_OUT_OF_SEQUENCE, "binding: the session signs with GMAC, the connection does not")
    if channel == SIGNING_AES_GMAC:
        raise NtError(Status.NOT_SUPPORTED, "binding: the connection signs with GMAC, the session does not")


def check_connection(session: SmbSession, connection: SmbConnection, *, signed: bool) -> None:
    """Both connections must have agreed on the same. Raises INVALID_PARAMETER.

    The client's GUID may differ: the specification lets the server refuse that, Windows does not.
    """
    other = next(iter(session.channels), None)
    if other is None:
        raise NtError(Status.REQUEST_NOT_ACCEPTED, "binding: the session has no connection")
    if other.dialect != connection.dialect:
        raise NtError(Status.INVALID_PARAMETER, "binding: another dialect")
    if not signed:
        raise NtError(Status.INVALID_PARAMETER, "binding: not signed")
    if other.cipher != connection.cipher:
        raise NtError(Status.INVALID_PARAMETER, "binding: another cipher")
    if other.supports_notifications != connection.supports_notifications:
        raise NtError(Status.INVALID_PARAMETER, "binding: only one of the connections takes notifications")


def check_session(session: SmbSession, connection: SmbConnection) -> None:
    """The session must be one that can be bound, and not be on this connection already.

    Raises REQUEST_NOT_ACCEPTED, NETWORK_SESSION_EXPIRED, NOT_SUPPORTED, INSUFFICIENT_RESOURCES.
    """
    if session.state is SessionState.IN_PROGRESS or session.wire_id in connection.channels:
        raise NtError(Status.REQUEST_NOT_ACCEPTED, "session is not ready to be bound, or bound already")
    session.check_usable(when_expired=False)
    if session.guest or session.token.anonymous:
        raise NtError(Status.NOT_SUPPORTED, "guest and anonymous sessions have one channel")
    if len(session.channels) >= session.server.config.limits.channels_per_session:
        raise connection.limited("channels of one session")
