"""Accounts as authentication sees them: a snapshot of the configuration, replaced at a reload."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smbcore.auth.accounts import Identity
from smbcore.nt.sid import ADMINISTRATORS, ANONYMOUS, AUTHENTICATED_USERS, EVERYONE, NETWORK, USERS, Sid
from smbcore.nt.status import NtError, Status
from smbcore.nt.token import Token

if TYPE_CHECKING:
    from smbcore.state.configuration import AccountConfig, Configuration

_ADMINISTRATOR_PRIVILEGES = frozenset(
    {"SeBackupPrivilege", "SeRestorePrivilege", "SeTakeOwnershipPrivilege", "SeSecurityPrivilege"}
)
_USER_PRIVILEGES = frozenset({"SeChangeNotifyPrivilege"})


def token_of(account: AccountConfig) -> Token:
    """Return the access token of an account."""
    groups = {EVERYONE, NETWORK, AUTHENTICATED_USERS, USERS, *(Sid.parse(sid) for sid in account.group_sids)}
    administrator = account.role == "administrator"
    if administrator:
        groups.add(ADMINISTRATORS)
    privileges = _USER_PRIVILEGES | _ADMINISTRATOR_PRIVILEGES if administrator else _USER_PRIVILEGES
    return Token(Sid.parse(account.sid), frozenset(groups), privileges, account.name, administrator=administrator)


class AccountStore:
    """Look-ups by name, without regard to case and domain: this server has no domains.

    Tokens are made once per account and configuration, so that what was computed for one is found again.
    """

    __slots__ = ("_accounts", "_tokens", "configuration")

    def __init__(self, configuration: Configuration) -> None:
        self.load(configuration)

    def load(self, configuration: Configuration) -> None:
        """Replace the snapshot; sessions that are signed in keep their tokens."""
        self.configuration = configuration
        self._accounts = {account.name.casefold(): account for account in configuration.accounts}
        self._tokens: dict[str, Token] = {}

    def nt_hash(self, domain: str, user: str) -> bytes | None:
        """Return the NT hash, None for an unknown account or one without a password."""
        account = self._find(user)
        return account.nt_hash if account is not None else None

    def identity(self, domain: str, user: str) -> Identity | None:
        """Return who that is.  Raises ACCOUNT_DISABLED."""
        if not user:
            return Identity(
                "ANONYMOUS LOGON", Token(ANONYMOUS, frozenset({EVERYONE, NETWORK}), frozenset(), "", anonymous=True)
            )
        account = self._find(user)
        if account is None:
            return None
        if not account.enabled:
            raise NtError(Status.ACCOUNT_DISABLED, f"{account.name} is disabled")
        token = self._tokens.get(account.name)
        if token is None:
            token = self._tokens[account.name] = token_of(account)
        return Identity(account.name, token, account.signing_required, account.encryption_required)

    def token_of_sid(self, sid: Sid) -> Token | None:
        """Return the access token of the enabled account with this SID."""
        for account in self.configuration.accounts:
            if account.sid == str(sid) and account.enabled:
                identity = self.identity("", account.name)
                return identity.token if identity is not None else None
        return None

    def principals(self) -> list[tuple[str, str, bool]]:
        """Return (name, SID, is a group) of all users and groups."""
        users = [(account.name, account.sid, False) for account in self.configuration.accounts]
        return users + [(group.name, group.sid, True) for group in self.configuration.groups]

    def sid_of(self, principal: str) -> Sid | None:
        """Return the SID of "everyone", "user:NAME", "group:NAME" or "sid:S-1-…"; None if there is no such account."""
        kind, _, name = principal.partition(":")
        if kind == "everyone":
            return EVERYONE
        if kind == "sid":
            return Sid.parse(name)
        if kind == "user":
            account = self._find(name)
            return Sid.parse(account.sid) if account else None
        found = next((group for group in self.configuration.groups if group.name.casefold() == name.casefold()), None)
        return Sid.parse(found.sid) if found else None

    def spelling(self, user: str) -> str:
        """Return the name of an account as it is stored, "" for an unknown one."""
        account = self._find(user)
        return account.name if account is not None else ""

    def _find(self, user: str) -> AccountConfig | None:
        return self._accounts.get(user.partition("@")[0].casefold())
