"""Security descriptors, access control lists and entries  [MS-DTYP 2.4.4, 2.4.5, 2.4.6]."""

from __future__ import annotations

from dataclasses import dataclass, replace
from struct import Struct
from typing import Final, Self

from smbcore.nt import sid as well_known
from smbcore.nt.access import FILE_ALL_ACCESS, map_generic
from smbcore.nt.errors import WireError
from smbcore.nt.sid import Sid
from smbcore.nt.status import NtError, Status
from smbcore.nt.token import Token

# SECURITY_INFORMATION  [MS-DTYP 2.4.7].
OWNER_SECURITY_INFORMATION = 0x0000_0001
GROUP_SECURITY_INFORMATION = 0x0000_0002
DACL_SECURITY_INFORMATION = 0x0000_0004
SACL_SECURITY_INFORMATION = 0x0000_0008
LABEL_SECURITY_INFORMATION = 0x0000_0010
ATTRIBUTE_SECURITY_INFORMATION = 0x0000_0020
SCOPE_SECURITY_INFORMATION = 0x0000_0040
BACKUP_SECURITY_INFORMATION = 0x0001_0000
UNPROTECTED_SACL_SECURITY_INFORMATION = 0x1000_0000
UNPROTECTED_DACL_SECURITY_INFORMATION = 0x2000_0000
PROTECTED_SACL_SECURITY_INFORMATION = 0x4000_0000
PROTECTED_DACL_SECURITY_INFORMATION = 0x8000_0000

# SECURITY_DESCRIPTOR control bits.
SE_OWNER_DEFAULTED = 0x0001
SE_GROUP_DEFAULTED = 0x0002
SE_DACL_PRESENT = 0x0004
SE_DACL_DEFAULTED = 0x0008
SE_SACL_PRESENT = 0x0010
SE_SACL_DEFAULTED = 0x0020
SE_SERVER_SECURITY = 0x0040
SE_DACL_TRUSTED = 0x0080
SE_DACL_AUTO_INHERIT_REQ = 0x0100
SE_SACL_AUTO_INHERIT_REQ = 0x0200
SE_DACL_AUTO_INHERITED = 0x0400
SE_SACL_AUTO_INHERITED = 0x0800
SE_DACL_PROTECTED = 0x1000
SE_SACL_PROTECTED = 0x2000
SE_RM_CONTROL_VALID = 0x4000
SE_SELF_RELATIVE = 0x8000

_DACL_CONTROL: Final = (
    SE_DACL_PRESENT
    | SE_DACL_DEFAULTED
    | SE_DACL_TRUSTED
    | SE_DACL_AUTO_INHERIT_REQ
    | SE_DACL_AUTO_INHERITED
    | SE_DACL_PROTECTED
)
_SACL_CONTROL: Final = (
    SE_SACL_PRESENT | SE_SACL_DEFAULTED | SE_SACL_AUTO_INHERIT_REQ | SE_SACL_AUTO_INHERITED | SE_SACL_PROTECTED
)

# ACE types.
ACCESS_ALLOWED_ACE_TYPE = 0x00
ACCESS_DENIED_ACE_TYPE = 0x01
SYSTEM_AUDIT_ACE_TYPE = 0x02
SYSTEM_ALARM_ACE_TYPE = 0x03
ACCESS_ALLOWED_COMPOUND_ACE_TYPE = 0x04
ACCESS_ALLOWED_OBJECT_ACE_TYPE = 0x05
ACCESS_DENIED_OBJECT_ACE_TYPE = 0x06
SYSTEM_AUDIT_OBJECT_ACE_TYPE = 0x07
SYSTEM_ALARM_OBJECT_ACE_TYPE = 0x08
ACCESS_ALLOWED_CALLBACK_ACE_TYPE = 0x09
ACCESS_DENIED_CALLBACK_ACE_TYPE = 0x0A
ACCESS_ALLOWED_CALLBACK_OBJECT_ACE_TYPE = 0x0B
ACCESS_DENIED_CALLBACK_OBJECT_ACE_TYPE = 0x0C
SYSTEM_AUDIT_CALLBACK_ACE_TYPE = 0x0D
SYSTEM_ALARM_CALLBACK_ACE_TYPE = 0x0E
SYSTEM_AUDIT_CALLBACK_OBJECT_ACE_TYPE = 0x0F
SYSTEM_ALARM_CALLBACK_OBJECT_ACE_TYPE = 0x10
SYSTEM_MANDATORY_LABEL_ACE_TYPE = 0x11
SYSTEM_RESOURCE_ATTRIBUTE_ACE_TYPE = 0x12
SYSTEM_SCOPED_POLICY_ID_ACE_TYPE = 0x13

OBJECT_ACE_TYPES: Final = frozenset({0x05, 0x06, 0x07, 0x08, 0x0B, 0x0C, 0x0F, 0x10})
_SID_ACE_TYPES: Final = frozenset({0x00, 0x01, 0x02, 0x03, 0x09, 0x0A, 0x0D, 0x0E, 0x11, 0x12, 0x13})

ACE_OBJECT_TYPE_PRESENT = 0x1
ACE_INHERITED_OBJECT_TYPE_PRESENT = 0x2

# ACE flags.
OBJECT_INHERIT_ACE = 0x01
CONTAINER_INHERIT_ACE = 0x02
NO_PROPAGATE_INHERIT_ACE = 0x04
INHERIT_ONLY_ACE = 0x08
INHERITED_ACE = 0x10
SUCCESSFUL_ACCESS_ACE_FLAG = 0x40
FAILED_ACCESS_ACE_FLAG = 0x80

ACL_REVISION = 2
ACL_REVISION_DS = 4

_SD = Struct("<BBHIIII")  # Revision, Sbz1, Control, OffsetOwner, OffsetGroup, OffsetSacl, OffsetDacl
_ACL = Struct("<BBHHH")  # AclRevision, Sbz1, AclSize, AceCount, Sbz2
_ACE = Struct("<BBH")  # AceType, AceFlags, AceSize
_ACE_MASK = Struct("<BBHI")  # the same with Mask
_U32 = Struct("<I")
_MAX_ACL = 0xFFFF
_NO_OBJECT_TYPES = bytes(4)


@dataclass(slots=True)
class Ace:
    """One access control entry.

    type    ACCESS_ALLOWED_ACE_TYPE ...
    flags   inheritance and audit flags
    mask    access mask, generic bits allowed
    sid     whom it is for; NULL for an entry of unknown type
    extra   bytes behind the SID (condition, resource attribute); for an entry of unknown
            type everything behind the ACE header
    object  for object entries the part before the SID: flags and the GUIDs they announce
    """

    type: int
    flags: int
    mask: int
    sid: Sid
    extra: bytes = b""
    object: bytes = b""

    @property
    def has_sid(self) -> bool:
        """False for an entry of a type unknown here, kept only as bytes."""
        return self.type in _SID_ACE_TYPES or self.type in OBJECT_ACE_TYPES

    def encode(self) -> bytes:
        """Return the wire form, padded to 4 bytes."""
        if not self.has_sid:
            body = self.extra
            return _ACE.pack(self.type, self.flags, _ACE.size + len(body)) + body
        prefix = self.object
        if not prefix and self.type in OBJECT_ACE_TYPES:
            prefix = _NO_OBJECT_TYPES
        body = prefix + self.sid.encode() + self.extra
        body += bytes(-len(body) % 4)
        return _ACE_MASK.pack(self.type, self.flags, _ACE_MASK.size + len(body), self.mask) + body

    @classmethod
    def decode(cls, data: bytes, offset: int, end: int) -> tuple[Self, int]:
        """Decode the entry at `offset`, which may not reach beyond `end`.

        Returns the entry and the offset behind it. Raises WireError.
        """
        if end - offset < _ACE.size:
            msg = "ACE header cut off"
            raise WireError(msg)
        kind, flags, size = _ACE.unpack_from(data, offset)
        stop = offset + size
        if size < _ACE.size or size % 4 or stop > end:
            msg = f"ACE of {size} bytes in {end - offset}"
            raise WireError(msg)
        if kind not in _SID_ACE_TYPES and kind not in OBJECT_ACE_TYPES:
            return cls(kind, flags, 0, well_known.NULL, data[offset + _ACE.size : stop]), stop
        start = offset + _ACE_MASK.size
        if stop < start:
            msg = "ACE mask cut off"
            raise WireError(msg)
        mask = _U32.unpack_from(data, offset + _ACE.size)[0]
        prefix = _object_part(data, start, stop) if kind in OBJECT_ACE_TYPES else b""
        body = data[start + len(prefix) : stop]
        sid = Sid.decode(body)
        return cls(kind, flags, mask, sid, body[sid.size :], prefix), stop


def _object_part(data: bytes, start: int, stop: int) -> bytes:
    """Return the flags of an object ACE with the GUIDs that they announce."""
    if stop - start < _U32.size:
        msg = "object ACE cut off"
        raise WireError(msg)
    flags = _U32.unpack_from(data, start)[0]
    size = _U32.size + 16 * bool(flags & 1) + 16 * bool(flags & 2)
    if stop - start < size:
        msg = "object ACE GUIDs cut off"
        raise WireError(msg)
    return data[start : start + size]


@dataclass(slots=True)
class Acl:
    """An access control list; `aces` in the order they are evaluated."""

    aces: tuple[Ace, ...] = ()
    revision: int = ACL_REVISION

    def encode(self) -> bytes:
        """Return the wire form; NtError(INVALID_ACL) if it exceeds 64 KiB."""
        body = b"".join([ace.encode() for ace in self.aces])
        size = _ACL.size + len(body)
        if size > _MAX_ACL:
            raise NtError(Status.INVALID_ACL, f"ACL of {size} bytes")
        revision = self.revision
        if any(ace.type in OBJECT_ACE_TYPES for ace in self.aces):
            revision = ACL_REVISION_DS
        return _ACL.pack(revision, 0, size, len(self.aces), 0) + body

    @classmethod
    def decode(cls, data: bytes, offset: int = 0) -> Self:
        """Decode the list at `offset`. Raises WireError."""
        if offset < 0 or len(data) - offset < _ACL.size:
            msg = "ACL header cut off"
            raise WireError(msg)
        revision, _, size, count, _ = _ACL.unpack_from(data, offset)
        if revision not in (ACL_REVISION, ACL_REVISION_DS, 3):
            msg = f"ACL revision {revision}"
            raise WireError(msg)
        end = offset + size
        if size < _ACL.size or end > len(data):
            msg = f"ACL of {size} bytes in {len(data) - offset}"
            raise WireError(msg)
        position = offset + _ACL.size
        aces = []
        for _ in range(count):
            ace, position = Ace.decode(data, position, end)
            aces.append(ace)
        return cls(tuple(aces), revision)


@dataclass(slots=True)
class SecurityDescriptor:
    """Owner, group and access lists of an object; treated as immutable once made.

    dacl     None is a NULL DACL (everybody may do everything); an empty one lets nobody in
    control  SE_* bits; SE_DACL_PRESENT and SE_SACL_PRESENT are kept as given, because a
             present NULL list and an absent one differ when they are set
    """

    owner: Sid | None = None
    group: Sid | None = None
    dacl: Acl | None = None
    sacl: Acl | None = None
    control: int = SE_SELF_RELATIVE

    def encode(self) -> bytes:
        """Return the self-relative form; NtError(INVALID_ACL) if a list exceeds 64 KiB."""
        control = self.control | SE_SELF_RELATIVE
        parts: list[bytes] = []
        position = _SD.size
        offsets: list[int] = []
        for acl, present in (
            (self.sacl, SE_SACL_PRESENT),
            (self.dacl, SE_DACL_PRESENT),
        ):
            data = b"" if acl is None else acl.encode()
            control |= present if data else 0
            offsets.append(position if data else 0)
            parts.append(data)
            position += len(data)
        for sid in (self.owner, self.group):
            data = b"" if sid is None else sid.encode()
            offsets.append(position if data else 0)
            parts.append(data)
            position += len(data)
        sacl, dacl, owner, group = offsets
        return _SD.pack(1, 0, control, owner, group, sacl, dacl) + b"".join(parts)

    @classmethod
    def decode(cls, data: bytes | bytearray | memoryview) -> Self:
        """Decode a self-relative descriptor. Raises WireError."""
        data = bytes(data)
        if len(data) < _SD.size:
            msg = "security descriptor cut off"
            raise WireError(msg)
        revision, _, control, owner, group, sacl, dacl = _SD.unpack_from(data)
        if revision != 1 or not control & SE_SELF_RELATIVE:
            msg = f"security descriptor revision {revision}, control {control:#x}"
            raise WireError(msg)
        for offset in (owner, group, sacl, dacl):
            if 0 < offset < _SD.size:
                msg = f"security descriptor part at {offset}"
                raise WireError(msg)
        return cls(
            Sid.decode(data, owner) if owner else None,
            Sid.decode(data, group) if group else None,
            Acl.decode(data, dacl) if dacl and control & SE_DACL_PRESENT else None,
            Acl.decode(data, sacl) if sacl and control & SE_SACL_PRESENT else None,
            control,
        )


def select(sd: SecurityDescriptor, security_information: int) -> SecurityDescriptor:
    """Return the parts of `sd` that a query asks for  [MS-FSA 2.1.5].

    Label, attribute and scope entries live in the SACL and are filtered out of it when
    the whole of it is not asked for.
    """
    control = sd.control & ~(_DACL_CONTROL | _SACL_CONTROL)
    result = SecurityDescriptor(control=control)
    if security_information & OWNER_SECURITY_INFORMATION:
        result.owner = sd.owner
    if security_information & GROUP_SECURITY_INFORMATION:
        result.group = sd.group
    if security_information & DACL_SECURITY_INFORMATION:
        result.dacl = sd.dacl
        result.control |= sd.control & _DACL_CONTROL
    sacl = _select_sacl(sd.sacl, security_information)
    if security_information & SACL_SECURITY_INFORMATION or sacl is not None:
        result.sacl = sacl
        result.control |= sd.control & _SACL_CONTROL
    return result


_SACL_PARTS: Final = (
    (LABEL_SECURITY_INFORMATION, SYSTEM_MANDATORY_LABEL_ACE_TYPE),
    (ATTRIBUTE_SECURITY_INFORMATION, SYSTEM_RESOURCE_ATTRIBUTE_ACE_TYPE),
    (SCOPE_SECURITY_INFORMATION, SYSTEM_SCOPED_POLICY_ID_ACE_TYPE),
)


def _select_sacl(sacl: Acl | None, security_information: int) -> Acl | None:
    if sacl is None or security_information & SACL_SECURITY_INFORMATION:
        return sacl
    types = {kind for flag, kind in _SACL_PARTS if security_information & flag}
    aces = tuple(ace for ace in sacl.aces if ace.type in types)
    return Acl(aces, sacl.revision) if aces else None


def merge(
    current: SecurityDescriptor, new: SecurityDescriptor, security_information: int, *, canonical: bool = True
) -> SecurityDescriptor:
    """Return `current` with the parts of `new` that a set names  [MS-FSA 2.1.5].

    Generic rights of effective entries become file rights. A list counts as auto-inherited
    only when the client also asked for it (AUTO_INHERIT_REQ), unless not `canonical`; that
    bit is never stored.
    Raises NtError INVALID_OWNER or INVALID_PRIMARY_GROUP when the named SID is missing.
    """
    result = replace(current)
    if security_information & OWNER_SECURITY_INFORMATION:
        if new.owner is None:
            raise NtError(Status.INVALID_OWNER, "owner to be set is missing")
        result.owner = new.owner
    if security_information & GROUP_SECURITY_INFORMATION:
        if new.group is None:
            raise NtError(Status.INVALID_PRIMARY_GROUP, "group to be set is missing")
        result.group = new.group
    if security_information & DACL_SECURITY_INFORMATION:
        result.dacl = map_acl(new.dacl)
        result.control = _list_control(result.control, new.control, _DACL_CONTROL, SE_DACL_PRESENT, canonical)
    if security_information & SACL_SECURITY_INFORMATION:
        result.sacl = map_acl(new.sacl)
        result.control = _list_control(result.control, new.control, _SACL_CONTROL, SE_SACL_PRESENT, canonical)
    else:
        result.sacl = _merge_sacl_parts(result.sacl, new.sacl, security_information)
    result.control = _protection(result.control, security_information)
    return result


def _list_control(current: int, new: int, mine: int, present: int, canonical: bool) -> int:
    """Take over the control bits `mine` of a list that is being set."""
    request = mine & (SE_DACL_AUTO_INHERIT_REQ | SE_SACL_AUTO_INHERIT_REQ)
    inherited = mine & (SE_DACL_AUTO_INHERITED | SE_SACL_AUTO_INHERITED)
    taken = new & mine & ~request
    if canonical and not new & request:
        taken &= ~inherited
    return current & ~mine | taken | present


_PROTECTION: Final = (
    (PROTECTED_DACL_SECURITY_INFORMATION, SE_DACL_PROTECTED, 0),
    (PROTECTED_SACL_SECURITY_INFORMATION, SE_SACL_PROTECTED, 0),
    (UNPROTECTED_DACL_SECURITY_INFORMATION, 0, SE_DACL_PROTECTED),
    (UNPROTECTED_SACL_SECURITY_INFORMATION, 0, SE_SACL_PROTECTED),
)


def _protection(control: int, security_information: int) -> int:
    for flag, set_bits, clear_bits in _PROTECTION:
        if security_information & flag:
            control = control & ~clear_bits | set_bits
    return control


def _merge_sacl_parts(current: Acl | None, new: Acl | None, security_information: int) -> Acl | None:
    """Replace label, attribute or scope entries alone, as far as they are named."""
    types = {kind for flag, kind in _SACL_PARTS if security_information & flag}
    if not types:
        return current
    kept = tuple(ace for ace in (current.aces if current else ()) if ace.type not in types)
    added = tuple(ace for ace in (new.aces if new else ()) if ace.type in types)
    return Acl(kept + added) if kept or added else None


def map_acl(acl: Acl | None) -> Acl | None:
    """Return the list with generic rights mapped in its effective (not inherit-only) entries."""
    if acl is None:
        return None
    aces = tuple(
        ace
        if ace.flags & INHERIT_ONLY_ACE or map_generic(ace.mask) == ace.mask
        else replace(ace, mask=map_generic(ace.mask))
        for ace in acl.aces
    )
    return Acl(aces, acl.revision)


def default_dacl(owner: Sid) -> Acl:
    """Return the list for an object that inherits none: full access for owner and system."""
    return Acl(tuple(Ace(ACCESS_ALLOWED_ACE_TYPE, 0, FILE_ALL_ACCESS, sid) for sid in (owner, well_known.SYSTEM)))


def default_for(token: Token) -> SecurityDescriptor:
    """Return the descriptor of an object that `token` creates where nothing is inherited."""
    return SecurityDescriptor(
        token.user,
        token.primary_group,
        default_dacl(token.user),
        None,
        SE_SELF_RELATIVE | SE_DACL_PRESENT,
    )
