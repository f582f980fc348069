"""Who may do what: the access check  [MS-DTYP 2.5.3.2].

Entries are taken in the order of the list; for each right the first entry that speaks of
it decides. Before the list come privileges and the owner's implied rights, so a deny
entry cannot take READ_CONTROL and WRITE_DAC from the owner; an OWNER_RIGHTS entry can,
because its presence ends the implication.

Conditions of callback entries are not evaluated: an allowing one then grants nothing, a
denying one denies. Object entries have no object tree to refer to on files: an
allowing one counts only without an object type, a denying one always.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from smbcore.nt import access
from smbcore.nt.access import (
    ACCESS_SYSTEM_SECURITY,
    FILE_ALL_ACCESS,
    GENERIC_RIGHTS,
    MAXIMUM_ALLOWED,
    READ_CONTROL,
    WRITE_DAC,
    WRITE_OWNER,
    map_generic,
)
from smbcore.nt.security import (
    ACCESS_ALLOWED_ACE_TYPE,
    ACCESS_ALLOWED_OBJECT_ACE_TYPE,
    ACCESS_DENIED_ACE_TYPE,
    ACCESS_DENIED_CALLBACK_ACE_TYPE,
    ACCESS_DENIED_CALLBACK_OBJECT_ACE_TYPE,
    ACCESS_DENIED_OBJECT_ACE_TYPE,
    ACE_OBJECT_TYPE_PRESENT,
    INHERIT_ONLY_ACE,
    Ace,
    SecurityDescriptor,
)
from smbcore.nt.sid import OWNER_RIGHTS
from smbcore.nt.status import Status
from smbcore.nt.token import (
    SE_BACKUP,
    SE_RESTORE,
    SE_SECURITY,
    SE_TAKE_OWNERSHIP,
    Token,
)

_OWNER_IMPLIED: Final = READ_CONTROL | WRITE_DAC

BACKUP_RIGHTS: Final = access.FILE_GENERIC_READ | access.FILE_TRAVERSE | ACCESS_SYSTEM_SECURITY
"""What SeBackupPrivilege grants to an open with backup intent  [MS-FSA 2.1.5.1]."""

RESTORE_RIGHTS: Final = access.FILE_GENERIC_WRITE | access.DELETE | WRITE_DAC | WRITE_OWNER | ACCESS_SYSTEM_SECURITY
"""What SeRestorePrivilege grants to an open with backup intent  [MS-FSA 2.1.5.1]."""

_DENYING: Final = frozenset(
    {
        ACCESS_DENIED_OBJECT_ACE_TYPE,
        ACCESS_DENIED_CALLBACK_ACE_TYPE,
        ACCESS_DENIED_CALLBACK_OBJECT_ACE_TYPE,
    }
)


class Source(Enum):
    """What decided over a right."""

    ACE = "ace"
    OWNER = "owner"
    PRIVILEGE = "privilege"
    NULL_DACL = "null-dacl"
    NOTHING = "nothing"


class Reason(NamedTuple):
    """Why the rights `mask` were granted or refused.

    detail  the privilege's name for PRIVILEGE, else ""
    position  place in the DACL for ACE, else -1;  ace  that entry
    NOTHING means that no entry spoke of these rights.
    """

    mask: int
    granted: bool
    source: Source
    detail: str = ""
    position: int = -1
    ace: Ace | None = None


@dataclass(slots=True)
class AccessDecision:
    """The outcome of an access check.

    granted  rights the open gets: the desired ones, or all there are for MAXIMUM_ALLOWED;
             only meaningful when nothing is missing
    missing  desired rights that were refused; 0 means access is allowed
    reasons  in the order in which they were found
    """

    granted: int
    missing: int
    reasons: list[Reason]

    @property
    def allowed(self) -> bool:
        """True when every desired right was granted."""
        return not self.missing

    @property
    def status(self) -> Status:
        """SUCCESS, PRIVILEGE_NOT_HELD when only ACCESS_SYSTEM_SECURITY lacks, or ACCESS_DENIED."""
        if not self.missing:
            return Status.SUCCESS
        if self.missing == ACCESS_SYSTEM_SECURITY:
            return Status.PRIVILEGE_NOT_HELD
        return Status.ACCESS_DENIED


def access_check(sd: SecurityDescriptor, token: Token, desired: int, *, backup_intent: bool = False) -> AccessDecision:
    """Decide over `desired` (generic bits and MAXIMUM_ALLOWED allowed).

    backup_intent  the open carries FILE_OPEN_FOR_BACKUP_INTENT, so that the backup and
                   restore privileges count
    """
    if desired & GENERIC_RIGHTS:
        desired = map_generic(desired)
    maximum = desired & MAXIMUM_ALLOWED
    desired &= ~MAXIMUM_ALLOWED
    reasons: list[Reason] = []
    granted = 0
    if token.privileges:
        granted = _privileged(token, desired, backup_intent, reasons)
    wanted = desired | FILE_ALL_ACCESS if maximum else desired
    granted |= _from_descriptor(sd, token, wanted & ~granted, reasons)
    missing = desired & ~granted
    if missing:
        refused = missing
        for reason in reasons:
            if not reason.granted:
                refused &= ~reason.mask
        if refused:
            reasons.append(Reason(refused, False, Source.NOTHING))
    if maximum:
        return AccessDecision(granted, missing or (0 if granted else MAXIMUM_ALLOWED), reasons)
    return AccessDecision(desired & ~missing, missing, reasons)


def maximal_access(sd: SecurityDescriptor, token: Token) -> int:
    """Return every right that the descriptor grants to `token`, without privileges."""
    return _from_descriptor(sd, token, FILE_ALL_ACCESS, [])


def _privileged(token: Token, desired: int, backup_intent: bool, reasons: list[Reason]) -> int:
    """Return the rights that the token's privileges grant."""
    held = token.privileges
    candidates = [
        (SE_SECURITY, desired & ACCESS_SYSTEM_SECURITY),
        (SE_TAKE_OWNERSHIP, desired & WRITE_OWNER),
    ]
    if backup_intent:
        candidates += [(SE_BACKUP, BACKUP_RIGHTS), (SE_RESTORE, RESTORE_RIGHTS)]
    granted = 0
    for privilege, rights in candidates:
        rights &= ~granted
        if rights and privilege in held:
            granted |= rights
            reasons.append(Reason(rights, True, Source.PRIVILEGE, privilege))
    return granted


def _from_descriptor(sd: SecurityDescriptor, token: Token, wanted: int, reasons: list[Reason]) -> int:
    """Walk the DACL for the rights `wanted`; return those granted."""
    wanted &= ~ACCESS_SYSTEM_SECURITY
    if sd.dacl is None:
        granted = wanted & FILE_ALL_ACCESS
        if granted:
            reasons.append(Reason(granted, True, Source.NULL_DACL))
        return granted
    aces = sd.dacl.aces
    sids = token.sids
    granted = 0
    owns = sd.owner in sids
    if owns and wanted & _OWNER_IMPLIED and not _has_owner_rights(aces):
        granted = wanted & _OWNER_IMPLIED
        reasons.append(Reason(granted, True, Source.OWNER))
    open_bits = wanted & ~granted
    for index, ace in enumerate(aces):
        if not open_bits:
            break
        if ace.flags & INHERIT_ONLY_ACE:
            continue
        sid = ace.sid
        if sid not in sids and not (owns and sid == OWNER_RIGHTS):
            continue
        mask = ace.mask
        bits = (map_generic(mask) if mask & GENERIC_RIGHTS else mask) & open_bits
        if not bits:
            continue
        verdict = _verdict(ace)
        if verdict is None:
            continue
        open_bits &= ~bits
        if verdict:
            granted |= bits
        reasons.append(Reason(bits, verdict, Source.ACE, "", index, ace))
    return granted


def _verdict(ace: Ace) -> bool | None:
    """True if the entry allows, False if it denies, None if it has no say."""
    kind = ace.type
    if kind == ACCESS_ALLOWED_ACE_TYPE:
        return True
    if kind == ACCESS_DENIED_ACE_TYPE or kind in _DENYING:
        return False
    if kind == ACCESS_ALLOWED_OBJECT_ACE_TYPE:
        return None if ace.object and ace.object[0] & ACE_OBJECT_TYPE_PRESENT else True
    return None


def _has_owner_rights(aces: tuple[Ace, ...]) -> bool:
    """Say whether an effective entry for OWNER_RIGHTS exists."""
    return any(ace.sid == OWNER_RIGHTS and not ace.flags & INHERIT_ONLY_ACE for ace in aces)
