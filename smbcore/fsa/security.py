"""Security descriptors; parsed forms and decisions are kept at hand  [MS-FSA 2.1.5.1.2.1, 2.1.5.14, 2.1.5.17].

Backends return the identical bytes object for an unchanged descriptor, so its hash is computed once and a hit costs a
tuple and a look-up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smbcore.fsa import notify
from smbcore.nt import security as sec
from smbcore.nt.access import ACCESS_SYSTEM_SECURITY, READ_CONTROL, WRITE_DAC, WRITE_OWNER
from smbcore.nt.access_check import access_check, maximal_access
from smbcore.nt.errors import WireError
from smbcore.nt.inherit import inherit
from smbcore.nt.security import SecurityDescriptor
from smbcore.nt.status import NtError, Status
from smbcore.nt.token import SE_RESTORE, SE_SECURITY, Token

if TYPE_CHECKING:
    from smbcore.fsa.open import Open

_MOST_DESCRIPTORS = 1024
_MOST_DECISIONS = 8192
_MOST_INHERITED = 1024

_SACL_PARTS = sec.SACL_SECURITY_INFORMATION | sec.ATTRIBUTE_SECURITY_INFORMATION | sec.SCOPE_SECURITY_INFORMATION


class SecurityCache:
    """Parsed descriptors, maximal access and inherited descriptors of one volume; bounded, emptied when full.

    default    the descriptor of files that carry none
    canonical  see `VolumeConfig.canonical_inheritance`
    """

    __slots__ = ("_decisions", "_inherited", "_parsed", "canonical", "default")

    def __init__(self, default: bytes, *, canonical: bool = True) -> None:
        self.default = default
        self.canonical = canonical
        self._parsed: dict[bytes, SecurityDescriptor] = {}
        self._decisions: dict[tuple[bytes, Token], int] = {}
        self._inherited: dict[tuple[bytes, Token, bool], bytes] = {}

    def parse(self, descriptor: bytes) -> SecurityDescriptor:
        """Return the parsed form. An unreadable stored descriptor is FILE_CORRUPT_ERROR: nobody gets in by accident."""
        parsed = self._parsed.get(descriptor)
        if parsed is None:
            try:
                parsed = SecurityDescriptor.decode(descriptor)
            except WireError as error:
                raise NtError(Status.FILE_CORRUPT_ERROR, f"stored security descriptor: {error}") from error
            if len(self._parsed) >= _MOST_DESCRIPTORS:
                self._parsed.clear()
            self._parsed[descriptor] = parsed
        return parsed

    def maximal_access(self, descriptor: bytes | None, token: Token) -> int:
        """Return all that `descriptor` (None: the default) grants to `token`."""
        if descriptor is None:
            descriptor = self.default
        key = (descriptor, token)
        known = self._decisions.get(key)
        if known is None:
            known = maximal_access(self.parse(descriptor), token)
            if len(self._decisions) >= _MOST_DECISIONS:
                self._decisions.clear()
            self._decisions[key] = known
        return known

    def privileged(self, descriptor: bytes | None, token: Token, missing: int, *, backup_intent: bool) -> int:
        """Return what of `missing` the token's privileges grant."""
        if not token.privileges:
            return 0
        sd = self.parse(self.default if descriptor is None else descriptor)
        return access_check(sd, token, missing, backup_intent=backup_intent).granted & missing

    def inherited(self, parent: bytes | None, creator: bytes | None, token: Token, *, is_directory: bool) -> bytes:
        """Return the descriptor of a file created in a directory that has `parent`  [MS-DTYP 2.5.3.4].

        creator  what the client asked for, None for nothing.  Errors: INVALID_SECURITY_DESCR;  INVALID_OWNER;
        PRIVILEGE_NOT_HELD the client gives a SACL and may not.
        """
        if parent is None:
            parent = self.default
        if creator is not None:
            wanted = _decode(creator)
            check_owner(wanted, token)
            if wanted.sacl is not None and SE_SECURITY not in token.privileges:
                raise NtError(Status.PRIVILEGE_NOT_HELD, "a SACL without SeSecurityPrivilege")
            return inherit(self.parse(parent), wanted, token, is_directory).encode()
        key = (parent, token, is_directory)
        known = self._inherited.get(key)
        if known is None:
            known = inherit(self.parse(parent), None, token, is_directory).encode()
            if len(self._inherited) >= _MOST_INHERITED:
                self._inherited.clear()
            self._inherited[key] = known
        return known


def _decode(descriptor: bytes) -> SecurityDescriptor:
    try:
        return SecurityDescriptor.decode(descriptor)
    except WireError as error:
        raise NtError(Status.INVALID_SECURITY_DESCR, str(error)) from error


def check_owner(wanted: SecurityDescriptor, token: Token) -> None:
    """Raise INVALID_OWNER unless `token` may make the owner of `wanted` an owner."""
    owner = wanted.owner
    if owner is None or owner in token.sids or token.administrator:
        return
    if SE_RESTORE not in token.privileges:
        raise NtError(Status.INVALID_OWNER, f"{owner} cannot be made the owner")


def _access_to_query(security_information: int) -> int:
    """Return the access that reading these parts takes  [MS-FSA 2.1.5.14]."""
    needed = 0
    if security_information & ~_SACL_PARTS & ~sec.BACKUP_SECURITY_INFORMATION:
        needed |= READ_CONTROL
    if security_information & (_SACL_PARTS | sec.BACKUP_SECURITY_INFORMATION):
        needed |= ACCESS_SYSTEM_SECURITY
    return needed


def _access_to_set(security_information: int) -> int:
    """Return the access that writing these parts takes  [MS-FSA 2.1.5.17]."""
    needed = 0
    if security_information & (
        sec.OWNER_SECURITY_INFORMATION | sec.GROUP_SECURITY_INFORMATION | sec.LABEL_SECURITY_INFORMATION
    ):
        needed |= WRITE_OWNER
    if security_information & sec.DACL_SECURITY_INFORMATION:
        needed |= WRITE_DAC
    if security_information & (_SACL_PARTS | sec.BACKUP_SECURITY_INFORMATION):
        needed |= ACCESS_SYSTEM_SECURITY
    return needed


def query(opened: Open, security_information: int) -> bytes:
    """Return the self-relative descriptor with just the parts asked for  [MS-FSA 2.1.5.14].  Errors: ACCESS_DENIED."""
    opened.check_access(_access_to_query(security_information))
    cache = opened.volume.security
    stored = opened.node.security()
    sd = cache.parse(cache.default if stored is None else stored)
    return sec.select(sd, security_information).encode()


def change(opened: Open, security_information: int, data: bytes) -> None:
    """Set the named parts of the descriptor `data`  [MS-FSA 2.1.5.17].

    Errors: ACCESS_DENIED;  MEDIA_WRITE_PROTECTED;  INVALID_SECURITY_DESCR;  INVALID_OWNER;  INVALID_PRIMARY_GROUP;
            INVALID_ACL;  DISK_FULL too much for the new owner.
    """
    opened.check_access(_access_to_set(security_information))
    opened.check_writable_volume()
    node, space = opened.node, opened.volume.space
    old = node.security()
    changed = _changed(opened.volume.security, old, security_information, data, opened.token)
    if space is not None:
        space.check_owner(node, changed)
    node.set_security(changed)
    if space is not None:
        space.owner_changed(opened, old)
    opened.forget_info()
    opened.volume.content_changed(opened, notify.SECURITY)


def _changed(cache: SecurityCache, stored: bytes | None, security_information: int, data: bytes, token: Token) -> bytes:
    """Return the descriptor that results from setting the named parts of `data`."""
    wanted = _decode(data)
    if security_information & sec.OWNER_SECURITY_INFORMATION:
        check_owner(wanted, token)
    current = cache.parse(cache.default if stored is None else stored)
    return sec.merge(current, wanted, security_information, canonical=cache.canonical).encode()
