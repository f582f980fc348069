"""Who exists: the store of accounts as authentication sees it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from smbcore.nt.token import Token


@dataclass(frozen=True, slots=True)
class Identity:
    """Who logged on.

    name                 for people, as the store spells it
    token                what access checks look at
    signing_required     serve nothing that is not signed
    encryption_required  serve nothing that is not encrypted
    """

    name: str
    token: Token = field(repr=False)
    signing_required: bool = False
    encryption_required: bool = False


class Accounts(Protocol):
    """Looks accounts up. Called on the event loop: answers from memory, never waits.

    `domain` and `user` are what the client typed: any case, and `domain` may be empty, a workgroup, this server's
    name or the client's own; `user` may be `name@domain`. Which of these name the same account is the store's
    decision. A store without domains ignores `domain`.
    """

    def nt_hash(self, domain: str, user: str) -> bytes | None:
        """Return the 16-byte NT hash, or None if there is no such account or it has no password for NTLM.

        Disabled, locked and expired accounts answer as well: their state is told only to who knows the password.
        """
        ...

    def identity(self, domain: str, user: str) -> Identity | None:
        """Return who that is; asked only after the password was right. None if the account is gone meanwhile.

        Errors:  ACCOUNT_DISABLED, ACCOUNT_LOCKED_OUT, ACCOUNT_EXPIRED, PASSWORD_EXPIRED, INVALID_LOGON_HOURS ...
                 the account must not log on
        """
        ...
