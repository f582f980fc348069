"""Signing in: new sessions, reauthentication, further channels  [MS-SMB2 3.2.4.2.3, 3.2.5.3]."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from smbcore.client.connection import Channel, Connection
from smbcore.client.errors import BadReply
from smbcore.client.message import DEFAULT, How, Request, Response
from smbcore.crypto.preauth import PreauthHash
from smbcore.nt.status import Status
from smbcore.proto.keys import DIALECT_311, SessionKeys, channel_signing_key, derive_keys
from smbcore.proto.sealing import Sealer, Unsealer
from smbcore.proto.signing import Signer
from smbcore.wire.header import FLAG_SIGNED
from smbcore.wire.negotiate import SecurityMode
from smbcore.wire.session_setup import FLAG_BINDING, SessionFlags, SessionSetupRequest, SessionSetupResponse

if TYPE_CHECKING:
    from smbcore.client.negotiated import Negotiated


class Initiator(Protocol):
    """Who signs in; `smbcore.auth.initiator.Initiator`."""

    @property
    def session_key(self) -> bytes:
        """The key of the exchange."""

    @property
    def complete(self) -> bool:
        """Whether no token of the server is expected any more."""

    def step(self, token: bytes | memoryview | None) -> bytes:
        """Take a token of the server, return the next of ours."""


class ClientSession:
    """A session, over all its channels.

    sign            sign every request that is not sealed;  encrypt  the server wants every request sealed
    signing_algorithm  of the connection that the session was made on
    binding_signer  set while a further channel is bound: its requests are signed with the session's own key, and the
                    algorithm that goes with it
    """

    def __init__(self, session_id: int = 0) -> None:
        self.session_id = session_id
        self.keys: SessionKeys | None = None
        self.sealer: Sealer | None = None
        self.unsealer: Unsealer | None = None
        self.flags = 0
        self.sign = False
        self.encrypt = False
        self.signing_algorithm = 0
        self.binding_signer: Signer | None = None


class SetupExchange:
    """One authentication exchange: `leg` by leg, or `run` to its end, then `finish`.

    session     reauthenticates that session;  bind  makes the connection a channel of it instead
    """

    def __init__(
        self,
        connection: Connection,
        initiator: Initiator,
        *,
        session: ClientSession | None = None,
        bind: bool = False,
        previous_session_id: int = 0,
        security_mode: int = int(SecurityMode.SIGNING_ENABLED),
        how: How = DEFAULT,
    ) -> None:
        self.connection = connection
        self.initiator = initiator
        self.previous_session_id = previous_session_id
        self.security_mode = security_mode
        self.how = how
        self.preauth = PreauthHash(connection.preauth.value)
        self._existing = session
        self._bind = bind
        self._sender = session or ClientSession()
        if bind:
            assert session is not None
            assert session.keys is not None
            self._sender = ClientSession(session.session_id)
            self._sender.sign = True
            self._sender.binding_signer = Signer(session.signing_algorithm, session.keys.signing)
        self._token: bytes | memoryview | None = _negotiated(connection).hint

    async def leg(self) -> Response:
        """Send the next token and return the answer."""
        flags = FLAG_BINDING if self._bind else 0
        body = SessionSetupRequest(
            self.initiator.step(self._token), flags, self.security_mode, 0, self.previous_session_id
        )
        (pending,) = await self.connection.start(Request(body, session=self._sender, how=self.how))
        self.preauth.update(pending.sent)
        response = await pending.response()
        if response.status is Status.MORE_PROCESSING_REQUIRED:
            self.preauth.update(response.message)
            self._sender.session_id = response.header.session_id
        if isinstance(response.body, SessionSetupResponse):
            self._token = bytes(response.body.security_buffer)
        return response

    async def run(self) -> Response:
        """Go on until the server accepts or refuses; return its last answer."""
        while True:
            response = await self.leg()
            if response.status is not Status.MORE_PROCESSING_REQUIRED:
                return response

    def finish(self, response: Response) -> ClientSession:
        """Take what follows from the final answer: session, keys, channel.

        Raises NtError where the server refused, BadReply where its signature is wrong or missing.
        """
        body = response.expect().body_as(SessionSetupResponse)
        if self._token:
            self.initiator.step(self._token)
        if self._bind:
            return self._finish_binding(response)
        if self._existing is not None:
            self._existing.flags = body.session_flags
            self._existing.encrypt |= bool(body.session_flags & SessionFlags.ENCRYPT_DATA)
            return self._existing
        session = self._sender
        session.session_id = response.header.session_id
        session.flags = body.session_flags
        signer = None
        if not body.session_flags & (SessionFlags.IS_GUEST | SessionFlags.IS_NULL):
            signer = self._install_keys(session)
            self._check(response, signer)
        self.connection.channels[session.session_id] = Channel(session, signer)
        return session

    def _finish_binding(self, response: Response) -> ClientSession:
        assert self._existing is not None
        negotiated = _negotiated(self.connection)
        key = channel_signing_key(negotiated.dialect, self.initiator.session_key, self.preauth.value)
        signer = Signer(negotiated.signing_algorithm, key)
        self._check(response, signer)
        self.connection.channels[self._existing.session_id] = Channel(self._existing, signer)
        return self._existing

    def _install_keys(self, session: ClientSession) -> Signer:
        negotiated = _negotiated(self.connection)
        keys = derive_keys(negotiated.dialect, self.initiator.session_key, self.preauth.value, negotiated.cipher)
        session.keys = keys
        session.signing_algorithm = negotiated.signing_algorithm
        modes = self.security_mode | negotiated.request.security_mode | negotiated.response.security_mode
        session.sign = bool(modes & SecurityMode.SIGNING_REQUIRED)
        session.encrypt = bool(session.flags & SessionFlags.ENCRYPT_DATA)
        if negotiated.cipher:
            session.sealer = Sealer(negotiated.cipher, keys.c2s, session.session_id)
            session.unsealer = Unsealer(negotiated.cipher, keys.s2c)
        return Signer(negotiated.signing_algorithm, keys.signing)

    def _check(self, response: Response, signer: Signer) -> None:
        """Verify the final answer: with 3.1.1 it must be signed, whatever was negotiated  [MS-SMB2 3.2.5.3.1]."""
        signed = bool(response.header.flags & FLAG_SIGNED)
        if signed and signer.verify(response.message, from_server=True):
            response.verified = True
        elif signed or _negotiated(self.connection).dialect == DIALECT_311:
            raise BadReply("the final SESSION_SETUP response is not signed rightly")


async def sign_in(
    connection: Connection,
    initiator: Initiator,
    *,
    previous_session_id: int = 0,
    security_mode: int = int(SecurityMode.SIGNING_ENABLED),
) -> ClientSession:
    """Make a new session.  Raises NtError where the server refuses, and what `Connection.call` raises."""
    exchange = SetupExchange(
        connection, initiator, previous_session_id=previous_session_id, security_mode=security_mode
    )
    return exchange.finish(await exchange.run())


async def reauthenticate(connection: Connection, session: ClientSession, initiator: Initiator) -> ClientSession:
    """Prove the user of a session again; its keys stay."""
    exchange = SetupExchange(connection, initiator, session=session)
    return exchange.finish(await exchange.run())


async def bind(connection: Connection, session: ClientSession, initiator: Initiator) -> ClientSession:
    """Make `connection` a further channel of a session that lives on another one."""
    exchange = SetupExchange(connection, initiator, session=session, bind=True)
    return exchange.finish(await exchange.run())


def _negotiated(connection: Connection) -> Negotiated:
    if connection.negotiated is None:
        raise ValueError("the connection is not negotiated")
    return connection.negotiated
