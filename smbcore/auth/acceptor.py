"""The server's side of authentication: one `Exchange` per SESSION_SETUP sequence  [MS-SMB2 3.3.5.5.3]."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from spnego._context import GSSMech
from spnego.exceptions import BadMechanismError, BadMICError

from smbcore.auth.accounts import Accounts, Identity
from smbcore.auth.der import check_token
from smbcore.auth.mechanism import Environment, MechanismFactory, Outcome, ServerNames
from smbcore.auth.negotiation import SpnegoAcceptor, hint
from smbcore.auth.ntlm import NtlmMechanism
from smbcore.nt.clock import Clock, SystemClock
from smbcore.nt.status import NtError, Status

__all__ = ["MAX_LEGS", "MAX_TOKEN", "MECHANISMS", "Authenticator", "Exchange", "ServerNames", "Step"]

MAX_TOKEN = 64 * 1024
"""The largest token that is looked at, bytes."""

MAX_LEGS = 8
"""So many tokens may one exchange take; NTLM with a separate MIC needs three."""

MECHANISMS: Mapping[GSSMech, MechanismFactory] = MappingProxyType({GSSMech.ntlm: NtlmMechanism})
"""Mechanisms in the server's order of preference. Kerberos will be `GSSMech.kerberos: KerberosMechanism`, first."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one token led to.

    done         False: answer MORE_PROCESSING_REQUIRED with `reply` and wait for the next token
    reply        security buffer of the response; may be empty
    session_key  key of the exchange, 16 bytes with NTLM; empty for a guest and while not done
    identity     who logged on, the guest and anonymous included; None while not done
    mechanism    NTLM ...; empty while not done
    client_name  what the client calls its computer, for people to read only; may be empty
    """

    done: bool
    reply: bytes
    session_key: bytes = field(default=b"", repr=False)
    identity: Identity | None = None
    anonymous: bool = False
    guest: bool = False
    mechanism: str = ""
    client_name: str = ""


class Exchange:
    """One authentication. Any error ends it; a client that wants to try again starts another one."""

    __slots__ = ("_acceptor", "_left")

    def __init__(self, acceptor: SpnegoAcceptor) -> None:
        """Begin; use `Authenticator.begin`."""
        self._acceptor = acceptor
        self._left = MAX_LEGS

    def step(self, token: bytes | bytearray | memoryview) -> Step:
        """Take the security buffer of one SESSION_SETUP request.

        Errors:  INVALID_PARAMETER  the token is malformed, empty, too large or comes after the end
                 LOGON_FAILURE      no such user, wrong password, no mechanism in common, a signature does not fit
                 ACCOUNT_DISABLED   and what else the account store says after the right password
                 INTERNAL_ERROR     the account store failed
        """
        legs, self._left = self._left, 0
        if legs == 0:
            raise NtError(Status.INVALID_PARAMETER, "the exchange is over")
        if not 0 < len(token) <= MAX_TOKEN:
            raise NtError(Status.INVALID_PARAMETER, f"token of {len(token)} bytes")
        reply = self._advance(bytes(token))
        if self._acceptor.complete:
            return self._finished(reply)
        self._left = legs - 1
        return Step(done=False, reply=reply)

    @property
    def claimed(self) -> str:
        """The name of who wants to log on, as the client gave it; "" before it did. It is not proved."""
        return self._acceptor.claimed

    def _advance(self, token: bytes) -> bytes:
        try:
            check_token(token)
            return self._acceptor.step(token) or b""
        except NtError:
            raise
        except (BadMechanismError, BadMICError) as error:
            raise NtError(Status.LOGON_FAILURE, str(error)) from error
        except Exception as error:
            # The library answers malformed tokens with whatever its parsers run into: KeyError, struct.error,
            # StopIteration, OverflowError ... It holds no state beyond this exchange, which ends here.
            raise NtError(Status.INVALID_PARAMETER, f"malformed token: {error!r}") from error

    def _finished(self, reply: bytes) -> Step:
        mechanism = self._acceptor.mechanism
        outcome: Outcome | None = mechanism.outcome
        if outcome is None:
            raise NtError(Status.LOGON_FAILURE, f"{mechanism.name} did not complete")
        return Step(
            done=True,
            reply=reply,
            session_key=outcome.session_key,
            identity=outcome.identity,
            anonymous=outcome.anonymous,
            guest=outcome.guest,
            mechanism=mechanism.name,
            client_name=outcome.client_name,
        )


class Authenticator:
    """Makes exchanges; one per server, replaced when settings change.

    accounts         who exists
    names            what the server calls itself
    allow_anonymous  let in who gives no name
    allow_guest      let in, as guest, who gives a name that does not exist; never with a wrong password
    mechanisms       factories in order of preference
    clock, urandom   time stamp and challenge of NTLM; given by tests
    """

    __slots__ = ("_accounts", "_anonymous", "_clock", "_guest", "_hint", "_mechanisms", "_names", "_urandom")

    def __init__(
        self,
        accounts: Accounts,
        names: ServerNames,
        allow_anonymous: bool = False,
        allow_guest: bool = False,
        *,
        mechanisms: Mapping[GSSMech, MechanismFactory] = MECHANISMS,
        clock: Clock | None = None,
        urandom: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._accounts = accounts
        self._names = names
        self._anonymous = allow_anonymous
        self._guest = allow_guest
        self._mechanisms = mechanisms
        self._clock = clock or SystemClock()
        self._urandom = urandom
        self._hint = hint(mechanisms)

    def hint(self) -> bytes:
        """NegTokenInit2: the security buffer of the NEGOTIATE response."""
        return self._hint

    def begin(self, channel_bindings: bytes | None = None) -> Exchange:
        """Start an exchange.

        channel_bindings  application data of the channel (`tls-server-end-point:...`); if given, the client must
                          have bound to the same
        """
        environment = Environment(
            self._accounts,
            self._names,
            self._anonymous,
            self._guest,
            channel_bindings,
            self._clock,
            self._urandom,
        )
        return Exchange(SpnegoAcceptor(self._mechanisms, environment))
