"""A folder for every user: shares with the option `personal_folders`.

The share's own folder holds one folder per account, made when its user first connects; it is all that the user sees of
the share. The name is the account's, in lower case, so that two accounts never share one. Characters that could mean
something to a file system are spelled as %XX, so that no name leads out of the share's folder, is hidden, or is one
that the server keeps its own data under. The folder belongs to its user; whoever else is to get in has to be let in by
an administrator, through another share.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from smbcore.nt.sddl import from_sddl
from smbcore.nt.status import NtError, Status

if TYPE_CHECKING:
    from smbcore.nt.sid import Sid
    from smbcore.nt.token import Token

_LONGEST: Final = 200
"""Bytes of a name as it is stored; file systems have 255."""
_SPELLED: Final = frozenset('"*/:<>?\\|%')


@dataclass(frozen=True, slots=True)
class PersonalFolder:
    """The folder of one user: its name in the share's folder, and whose it is."""

    name: str
    owner: Sid

    def security(self) -> bytes:
        """Return the descriptor of a new folder: its owner's, with administrators and the system let in."""
        rights = "".join(f"(A;OICI;FA;;;{who})" for who in (self.owner, "BA", "SY"))
        return from_sddl(f"O:{self.owner}G:BAD:P{rights}").encode()


def folder_of(token: Token) -> PersonalFolder:
    """Return the folder of a user.  Raises ACCESS_DENIED for guests and anonymous users, who are nobody."""
    if token.guest or token.anonymous or not token.name:
        raise NtError(Status.ACCESS_DENIED, "a personal folder takes an account")
    return PersonalFolder(folder_name(token.name), token.user)


def folder_name(account: str) -> str:
    """Return the name of the folder of an account; different accounts have different ones."""
    name = account.casefold()
    last = len(name) - 1
    spelled = "".join(_spell(c) if _means_something(c, at in (0, last)) else c for at, c in enumerate(name))
    raw = spelled.encode("utf-8", "surrogatepass")
    if len(raw) <= _LONGEST:
        return spelled
    digest = hashlib.sha256(raw).hexdigest()[:32]
    return f"{raw[: _LONGEST // 2].decode('utf-8', 'ignore')}%~{digest}"  # no spelled name has %~


def _means_something(character: str, at_an_end: bool) -> bool:
    """Tell whether a character is spelled out: a dot or blank only at an end, as in `..` and hidden names."""
    return character in _SPELLED or not character.isprintable() or (at_an_end and character in ". ")


def _spell(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))
