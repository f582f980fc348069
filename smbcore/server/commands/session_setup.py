"""Receiving an SMB2 SESSION_SETUP Request  [MS-SMB2 3.3.5.5]."""

from __future__ import annotations

import logging

from smbcore.auth.acceptor import Step
from smbcore.nt.status import NtError, Status
from smbcore.proto.keys import DIALECT_311, channel_signing_key, derive_keys
from smbcore.proto.signing import Signer
from smbcore.server.binding import binding_channel, no_channel
from smbcore.server.config import Encryption
from smbcore.server.protection import check_binding, protect_again, protect_new
from smbcore.server.reporting import host, sign_in_refused
from smbcore.server.request import SmbRequest
from smbcore.server.session import SessionEvent, SessionState, SmbChannel, SmbSession
from smbcore.wire.header import FLAG_SIGNED
from smbcore.wire.session_setup import FLAG_BINDING, SessionFlags, SessionSetupRequest, SessionSetupResponse

log = logging.getLogger(__name__)


async def session_setup(rq: SmbRequest, msg: SessionSetupRequest) -> SessionSetupResponse:
    """Take one step of an authentication: a new session, a further leg, a new channel, or a reauthentication.

    Returns MORE_PROCESSING_REQUIRED with the acceptor's token until the exchange is done.
    Raises USER_SESSION_DELETED, LOGON_FAILURE, REQUEST_NOT_ACCEPTED, ACCESS_DENIED as the specification names them.
    """
    channel = _channel(rq, msg)
    rq.session_id = channel.session.wire_id
    if rq.dialect == DIALECT_311:
        _hash_exchange(rq, channel)
    if channel.exchange is None:
        channel.exchange = rq.server.authenticator.begin()
    exchange = channel.exchange
    try:
        step = exchange.step(bytes(msg.security_buffer))
    except NtError as error:
        sign_in_refused(channel, exchange.claimed, error)
        _refused(channel, error)
        raise
    if not step.done:
        rq.status = Status.MORE_PROCESSING_REQUIRED
        return SessionSetupResponse(0, step.reply)
    channel.exchange = None
    rq.on_reply = None
    try:
        flags = _authenticated(rq, msg, channel, step)
    except NtError as error:
        sign_in_refused(channel, exchange.claimed, error)
        _refused(channel, error)
        raise
    await _promise(channel.session)
    return SessionSetupResponse(flags, step.reply)


def _channel(rq: SmbRequest, msg: SessionSetupRequest) -> SmbChannel:
    """Find or make the channel that this leg belongs to."""
    connection = rq.connection
    if not rq.session_id or msg.flags & FLAG_BINDING:
        most = rq.server.config.limits.sessions_per_connection
        if len(connection.channels) + len(connection.bindings) >= most and rq.session_id not in connection.bindings:
            raise connection.limited("sessions")
    if not rq.session_id:
        return rq.server.new_session().add_channel(connection)
    if msg.flags & FLAG_BINDING:
        return binding_channel(rq)
    channel = connection.channels.get(rq.session_id)
    if channel is None:
        raise no_channel(rq)
    return channel


def _hash_exchange(rq: SmbRequest, channel: SmbChannel) -> None:
    """Chain this request, and the response unless it is the final one  [MS-SMB2 3.3.5.5]."""
    if channel.preauth is None:
        if rq.connection.preauth is None:
            raise NtError(Status.INTERNAL_ERROR, "no preauthentication hash on a 3.1.1 connection")
        channel.preauth = rq.connection.preauth.copy()
    channel.preauth.update(rq.view)
    rq.on_reply = channel.preauth.update


def _authenticated(rq: SmbRequest, msg: SessionSetupRequest, channel: SmbChannel, step: Step) -> int:
    """The exchange succeeded: install user and keys; return the session flags for the reply."""
    session = channel.session
    if channel.binding:
        return _bound(rq, channel, step)
    if session.state is SessionState.IN_PROGRESS:
        return _new_session(rq, msg, channel, step)
    return _reauthenticated(rq, session, step)


def _new_session(rq: SmbRequest, msg: SessionSetupRequest, channel: SmbChannel, step: Step) -> int:
    session, connection, config = channel.session, rq.connection, rq.server.config
    assert step.identity is not None
    keyless = step.guest or step.anonymous
    if keyless and config.encryption is Encryption.REQUIRED:
        raise NtError(Status.ACCESS_DENIED, "guest and anonymous sessions cannot be encrypted")
    session.token = step.identity.token
    session.user = step.identity.name
    session.guest = step.guest
    session.mechanism = step.mechanism
    connection.client_name = step.client_name
    flags = SessionFlags(0)
    if step.guest:
        flags |= SessionFlags.IS_GUEST
    elif step.anonymous:
        flags |= SessionFlags.IS_NULL
    else:
        _install_keys(rq, channel, step.session_key)
        protect_new(session, connection, step.identity, connection.client_security_mode | msg.security_mode)
        flags |= SessionFlags(_flags(session))
    _authenticated_now(session)
    channel.preauth = None
    connection.signed_in()
    rq.server.session_opened(session, connection)
    if msg.previous_session_id and not step.anonymous:
        rq.server.close_previous_session(msg.previous_session_id, session)
    return int(flags)


async def _promise(session: SmbSession) -> None:
    """Store the session's record before its client hears of it.

    Raises USER_SESSION_DELETED where the session was ended meanwhile.
    """
    if session.recorded:
        return
    session.recorded = True
    await session.server.promise("session", session.key, session)
    if not session.valid:
        raise NtError(Status.USER_SESSION_DELETED, "the session was ended while its record was stored")


def _install_keys(rq: SmbRequest, channel: SmbChannel, session_key: bytes) -> None:
    """Derive the keys, and sign from now on  [MS-SMB2 3.3.5.5.3]."""
    session, connection = channel.session, rq.connection
    preauth = channel.preauth.value if channel.preauth is not None else b""
    session.keys = keys = derive_keys(connection.dialect, session_key, preauth, connection.cipher)
    session.signer = channel.signer = Signer(connection.signing_algorithm, keys.signing)
    rq.channel = channel
    rq.flags |= FLAG_SIGNED
    if connection.cipher:
        session.start_encryption(connection.cipher, keys)


def _bound(rq: SmbRequest, channel: SmbChannel, step: Step) -> int:
    """The user proved who he is on the new channel: it must be the session's user  [MS-SMB2 3.3.5.5.3]."""
    session, connection = channel.session, rq.connection
    session.check_usable(when_expired=False)
    if step.identity is None or step.identity.token.user != session.token.user:
        raise NtError(Status.ACCESS_DENIED, "another user binds")
    check_binding(session, step.identity)
    preauth = channel.preauth.value if channel.preauth is not None else b""
    channel.signer = Signer(
        connection.signing_algorithm, channel_signing_key(connection.dialect, step.session_key, preauth)
    )
    channel.preauth = None
    connection.bindings.pop(session.wire_id, None)
    session.adopt(channel)
    rq.channel = channel
    rq.flags |= FLAG_SIGNED
    connection.signed_in()
    rq.server.session_changed(session)
    return _flags(session)


def _reauthenticated(rq: SmbRequest, session: SmbSession, step: Step) -> int:
    """A valid or expired session proved its user again: same session, same keys, new token  [MS-SMB2 3.3.5.5.2]."""
    if step.identity is None or step.guest != session.guest:
        raise NtError(Status.ACCESS_DENIED, "reauthentication as somebody else")
    protect_again(session, rq.connection, step.identity)
    session.become(step.identity.token, step.identity.name)
    _authenticated_now(session)
    rq.channel = rq.connection.channels[session.wire_id]
    rq.channel.preauth = None
    if rq.channel.signer is not None:
        rq.flags |= FLAG_SIGNED
    rq.server.session_changed(session)
    return _flags(session)


def _authenticated_now(session: SmbSession) -> None:
    """The session is valid from now on, for as long as sign-ins last."""
    session.change(SessionEvent.AUTHENTICATED)
    lifetime = session.server.config.session_lifetime
    if lifetime:
        session.limit(lifetime)


def _flags(session: SmbSession) -> int:
    """Return the flags of a session that exists already."""
    if session.guest:
        return int(SessionFlags.IS_GUEST)
    return int(SessionFlags.ENCRYPT_DATA) if session.encryption_required else 0


def _refused(channel: SmbChannel, error: NtError) -> None:
    """A failed exchange ends the session, except that a failed binding ends only the new channel."""
    channel.exchange = None
    session = channel.session
    connection = channel.connection
    if connection.server.seldom.is_due("refused", host(connection.transport.peer), error.status):
        log.info("%s sign-in refused, peer %s: %s", connection.name, connection.transport.peer, error)
    if channel.binding:
        channel.connection.bindings.pop(session.wire_id, None)
        return
    session.close()
