"""What an authentication mechanism of the server is, and what it gets to know.

NTLM is one; Kerberos plugs in here later: a class like `NtlmMechanism` over the library's GSSAPI context, and one
more line in the dictionary of factories that `Authenticator` takes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from spnego._context import ContextProxy

from smbcore.auth.accounts import Accounts, Identity
from smbcore.nt import sid
from smbcore.nt.clock import Clock
from smbcore.nt.status import NtError, Status
from smbcore.nt.token import Token

GUEST_NAME = "Guest"
ANONYMOUS_NAME = "ANONYMOUS LOGON"


@dataclass(frozen=True, slots=True)
class ServerNames:
    """What the server calls itself in an NTLM challenge.

    netbios  computer name, up to 15 characters, upper case
    dns      DNS host name, with the domain if there is one
    domain   NetBIOS name of the domain or workgroup
    """

    netbios: str
    dns: str
    domain: str

    @property
    def dns_domain(self) -> str:
        """The DNS domain; a host that has none names itself, as Windows does outside a domain."""
        return self.dns.partition(".")[2] or self.dns


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an exchange ended well.

    session_key  empty for a guest: the server does not know the password that the client derived its key from
    client_name  what the client calls its computer, for people to read only; may be empty
    """

    identity: Identity
    session_key: bytes = field(repr=False)
    anonymous: bool = False
    guest: bool = False
    client_name: str = ""


@dataclass(frozen=True, slots=True)
class Environment:
    """What the mechanisms of one exchange work with.

    channel_bindings  application data of the channel (RFC 5929), None where the transport has none
    urandom           source of challenges; replaced by contract tests only
    """

    accounts: Accounts = field(repr=False)
    names: ServerNames
    allow_anonymous: bool
    allow_guest: bool
    channel_bindings: bytes | None
    clock: Clock
    urandom: Callable[[int], bytes]

    def nt_hash(self, domain: str, user: str) -> bytes | None:
        """Return the NT hash of an account, None if it has none to log on with.

        Errors:  INTERNAL_ERROR  the store failed
        """
        try:
            found = self.accounts.nt_hash(domain, user)
        except NtError:
            raise
        except Exception as error:
            raise NtError(Status.INTERNAL_ERROR, f"account store: {error!r}") from error
        return found if found and len(found) == 16 else None

    def identity(self, domain: str, user: str) -> Identity:
        """Return who proved to be `user`.

        Errors:  LOGON_FAILURE     the account is gone
                 INTERNAL_ERROR    the store failed
                 ACCOUNT_DISABLED  and the like, from the store
        """
        try:
            identity = self.accounts.identity(domain, user)
        except NtError:
            raise
        except Exception as error:
            raise NtError(Status.INTERNAL_ERROR, f"account store: {error!r}") from error
        if identity is None:
            raise NtError(Status.LOGON_FAILURE, f"account {domain}\\{user} is gone")
        return identity

    def guest(self) -> Identity:
        """Return the guest: the store's own account of that name, else one that only is a member of Guests.

        Errors:  LOGON_FAILURE   the store's guest account is disabled
                 INTERNAL_ERROR  the store failed
        """
        try:
            found = self.accounts.identity("", GUEST_NAME)
        except NtError as error:
            raise NtError(Status.LOGON_FAILURE, f"guest account: {error}") from error
        except Exception as error:
            raise NtError(Status.INTERNAL_ERROR, f"account store: {error!r}") from error
        user = found.token.user if found else sid.GUESTS
        groups = found.token.groups if found else frozenset[sid.Sid]()
        groups |= {sid.EVERYONE, sid.NETWORK, sid.GUESTS}
        # A guest did not authenticate, whatever the store puts every account into.
        groups -= {sid.AUTHENTICATED_USERS, sid.ADMINISTRATORS}
        return Identity(GUEST_NAME, Token(user, groups, name=GUEST_NAME, guest=True))


def anonymous_identity() -> Identity:
    """Return who logs on without a name: not a member of Authenticated Users."""
    token = Token(sid.ANONYMOUS, frozenset({sid.EVERYONE, sid.NETWORK}), name=ANONYMOUS_NAME, anonymous=True)
    return Identity(ANONYMOUS_NAME, token)


class Mechanism(ContextProxy):
    """A context of the library that can say how it ended.

    name     what people call it: NTLM, Kerberos
    claimed  name of who wants to log on, as the client gave it, before anything is proved
    outcome  set when the context is complete; a failure is an NtError out of `step`
    """

    name: str
    claimed: str
    outcome: Outcome | None

    @property
    def can_sign(self) -> bool:
        """Whether both sides hold a key and agreed on integrity, so that the mechanism list can be protected."""
        raise NotImplementedError


MechanismFactory = Callable[[Environment], Mechanism]
