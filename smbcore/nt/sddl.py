"""Security descriptors as text: SDDL  [MS-DTYP 2.5.1].

Covers owner, group, flags and entries of ordinary, object and audit types; conditions and
resource attributes are carried as `extra` bytes elsewhere and have no text form here.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import Final

from smbcore.nt import access, guid
from smbcore.nt import security as s
from smbcore.nt import sid as w
from smbcore.nt.security import Ace, Acl, SecurityDescriptor
from smbcore.nt.sid import Sid

_SIDS: Final = MappingProxyType(
    {
        "AN": w.ANONYMOUS,
        "AO": w.ACCOUNT_OPERATORS,
        "AU": w.AUTHENTICATED_USERS,
        "BA": w.ADMINISTRATORS,
        "BG": w.GUESTS,
        "BO": w.BACKUP_OPERATORS,
        "BU": w.USERS,
        "CG": w.CREATOR_GROUP,
        "CO": w.CREATOR_OWNER,
        "ED": w.ENTERPRISE_DOMAIN_CONTROLLERS,
        "HI": w.HIGH_INTEGRITY,
        "IU": w.INTERACTIVE,
        "LS": w.LOCAL_SERVICE,
        "LW": w.LOW_INTEGRITY,
        "ME": w.MEDIUM_INTEGRITY,
        "NO": w.NETWORK_CONFIGURATION_OPERATORS,
        "NS": w.NETWORK_SERVICE,
        "NU": w.NETWORK,
        "OW": w.OWNER_RIGHTS,
        "PO": w.PRINT_OPERATORS,
        "PS": w.PRINCIPAL_SELF,
        "PU": w.POWER_USERS,
        "RC": w.RESTRICTED_CODE,
        "RD": w.REMOTE_DESKTOP_USERS,
        "RE": w.REPLICATORS,
        "SI": w.SYSTEM_INTEGRITY,
        "SO": w.SERVER_OPERATORS,
        "SU": w.SERVICE,
        "SY": w.SYSTEM,
        "WD": w.EVERYONE,
    }
)
_SID_NAMES: Final = MappingProxyType({sid: name for name, sid in _SIDS.items()})

_TYPES: Final = MappingProxyType(
    {
        "A": s.ACCESS_ALLOWED_ACE_TYPE,
        "D": s.ACCESS_DENIED_ACE_TYPE,
        "AU": s.SYSTEM_AUDIT_ACE_TYPE,
        "AL": s.SYSTEM_ALARM_ACE_TYPE,
        "OA": s.ACCESS_ALLOWED_OBJECT_ACE_TYPE,
        "OD": s.ACCESS_DENIED_OBJECT_ACE_TYPE,
        "OU": s.SYSTEM_AUDIT_OBJECT_ACE_TYPE,
        "OL": s.SYSTEM_ALARM_OBJECT_ACE_TYPE,
        "ML": s.SYSTEM_MANDATORY_LABEL_ACE_TYPE,
    }
)
_TYPE_NAMES: Final = MappingProxyType({value: name for name, value in _TYPES.items()})

_FLAGS: Final = MappingProxyType(
    {
        "OI": s.OBJECT_INHERIT_ACE,
        "CI": s.CONTAINER_INHERIT_ACE,
        "NP": s.NO_PROPAGATE_INHERIT_ACE,
        "IO": s.INHERIT_ONLY_ACE,
        "ID": s.INHERITED_ACE,
        "SA": s.SUCCESSFUL_ACCESS_ACE_FLAG,
        "FA": s.FAILED_ACCESS_ACE_FLAG,
    }
)

_WHOLE_RIGHTS: Final = MappingProxyType(
    {
        "FA": access.FILE_ALL_ACCESS,
        "FR": access.FILE_GENERIC_READ,
        "FW": access.FILE_GENERIC_WRITE,
        "FX": access.FILE_GENERIC_EXECUTE,
    }
)
_WHOLE_NAMES: Final = MappingProxyType({mask: name for name, mask in _WHOLE_RIGHTS.items()})

_SINGLE_RIGHTS: Final = MappingProxyType(
    {
        "CC": 0x001,
        "DC": 0x002,
        "LC": 0x004,
        "SW": 0x008,
        "RP": 0x010,
        "WP": 0x020,
        "DT": 0x040,
        "LO": 0x080,
        "CR": 0x100,
        "SD": access.DELETE,
        "RC": access.READ_CONTROL,
        "WD": access.WRITE_DAC,
        "WO": access.WRITE_OWNER,
        "GA": access.GENERIC_ALL,
        "GX": access.GENERIC_EXECUTE,
        "GW": access.GENERIC_WRITE,
        "GR": access.GENERIC_READ,
    }
)
_RIGHTS: Final = MappingProxyType({**_SINGLE_RIGHTS, **_WHOLE_RIGHTS})

_ACL_FLAGS: Final = (
    ("P", s.SE_DACL_PROTECTED, s.SE_SACL_PROTECTED),
    ("AR", s.SE_DACL_AUTO_INHERIT_REQ, s.SE_SACL_AUTO_INHERIT_REQ),
    ("AI", s.SE_DACL_AUTO_INHERITED, s.SE_SACL_AUTO_INHERITED),
)
_NULL_ACL: Final = "NO_ACCESS_CONTROL"

_PART = re.compile(r"\s*([OGDS]):([^:()]*(?:\([^()]*\)\s*)*)(?=[OGDS]:|$)")
_ACE = re.compile(r"\(([^()]*)\)")
_ACE_FIELDS = 6


def to_sddl(sd: SecurityDescriptor) -> str:
    """Return the text form.

    Raises ValueError for entries that have none (unknown types, conditions).
    """
    text = ""
    if sd.owner is not None:
        text += f"O:{_sid_text(sd.owner)}"
    if sd.group is not None:
        text += f"G:{_sid_text(sd.group)}"
    if sd.dacl is not None or sd.control & s.SE_DACL_PRESENT:
        text += "D:" + _acl_text(sd.dacl, sd.control, 0)
    if sd.sacl is not None:
        text += "S:" + _acl_text(sd.sacl, sd.control, 1)
    return text


def from_sddl(text: str) -> SecurityDescriptor:
    """Parse the text form. Raises ValueError naming what is wrong."""
    sd = SecurityDescriptor()
    seen: set[str] = set()
    position = 0
    while position < len(text.rstrip()):
        match = _PART.match(text, position)
        if match is None or match[1] in seen:
            msg = f"SDDL not understood at {text[position : position + 20]!r}"
            raise ValueError(msg)
        seen.add(match[1])
        _apply_part(sd, match[1], match[2].strip())
        position = match.end()
    return sd


def _apply_part(sd: SecurityDescriptor, part: str, value: str) -> None:
    """Set one of owner, group, DACL, SACL from its text."""
    if part == "O":
        sd.owner = _parse_sid(value)
    elif part == "G":
        sd.group = _parse_sid(value)
    elif part == "D":
        sd.dacl, control = _parse_acl(value, 0)
        sd.control |= control | s.SE_DACL_PRESENT
    else:
        sd.sacl, control = _parse_acl(value, 1)
        sd.control |= control | s.SE_SACL_PRESENT


def _sid_text(sid: Sid) -> str:
    return _SID_NAMES.get(sid) or str(sid)


def _parse_sid(text: str) -> Sid:
    sid = _SIDS.get(text.upper())
    return sid if sid is not None else Sid.parse(text)


def _acl_text(acl: Acl | None, control: int, which: int) -> str:
    flags = "".join(name for name, *bits in _ACL_FLAGS if control & bits[which])
    if acl is None:
        return flags + _NULL_ACL
    return flags + "".join(_ace_text(ace) for ace in acl.aces)


def _ace_text(ace: Ace) -> str:
    kind = _TYPE_NAMES.get(ace.type)
    if kind is None or ace.extra.strip(b"\0"):
        msg = f"entry of type {ace.type:#x} has no text form"
        raise ValueError(msg)
    flags = "".join(name for name, bit in _FLAGS.items() if ace.flags & bit)
    object_type, inherited_type = _object_text(ace.object)
    rights = _mask_text(ace.mask)
    return f"({kind};{flags};{rights};{object_type};{inherited_type};{_sid_text(ace.sid)})"


def _object_text(data: bytes) -> tuple[str, str]:
    """Return the two GUIDs of an object entry's prefix, "" for absent ones."""
    if not data:
        return "", ""
    guids = [data[at : at + 16] for at in range(4, len(data), 16)]
    first = guid.to_text(guids.pop(0)) if data[0] & s.ACE_OBJECT_TYPE_PRESENT else ""
    second = guid.to_text(guids.pop(0)) if data[0] & s.ACE_INHERITED_OBJECT_TYPE_PRESENT else ""
    return first, second


def _mask_text(mask: int) -> str:
    """Return a mask as a whole right, as single rights, or in hex if those do not suffice."""
    whole = _WHOLE_NAMES.get(mask)
    if whole is not None:
        return whole
    names = [name for name, bit in _SINGLE_RIGHTS.items() if mask & bit]
    covered = sum(_SINGLE_RIGHTS[name] for name in names)
    return "".join(names) if covered == mask and mask else f"{mask:#x}"


def _parse_mask(text: str) -> int:
    """Parse rights: names in a row, or one number (0x hex, decimal)."""
    if text[:1].isdigit():
        return int(text, 16 if text[:2].lower() == "0x" else 10) & 0xFFFF_FFFF
    mask = 0
    for name in _pairs(text):
        if name not in _RIGHTS:
            msg = f"unknown right {name!r}"
            raise ValueError(msg)
        mask |= _RIGHTS[name]
    return mask


def _pairs(text: str) -> list[str]:
    compact = text.replace(" ", "").upper()
    return [compact[at : at + 2] for at in range(0, len(compact), 2)]


def _parse_acl(text: str, which: int) -> tuple[Acl | None, int]:
    """Return the list and its control bits; the text "NO_ACCESS_CONTROL" is a NULL list."""
    head, *_ = text.partition("(")
    flags = head.replace(" ", "").upper()
    is_null = flags.endswith(_NULL_ACL)
    flags = flags.removesuffix(_NULL_ACL)
    control = 0
    while flags:
        for name, *bits in _ACL_FLAGS:
            if flags.startswith(name):
                control |= bits[which]
                flags = flags.removeprefix(name)
                break
        else:
            msg = f"unknown list flags {flags!r}"
            raise ValueError(msg)
    if is_null:
        return None, control
    return Acl(tuple(_parse_ace(body) for body in _ACE.findall(text))), control


def _parse_ace(text: str) -> Ace:
    """Parse "type;flags;rights;object;inherited object;sid"."""
    fields = [part.strip() for part in text.split(";")]
    if len(fields) != _ACE_FIELDS or fields[0].upper() not in _TYPES:
        msg = f"entry not understood: ({text})"
        raise ValueError(msg)
    kind = _TYPES[fields[0].upper()]
    flags = 0
    for name in _pairs(fields[1]):
        if name not in _FLAGS:
            msg = f"unknown flag {name!r} in ({text})"
            raise ValueError(msg)
        flags |= _FLAGS[name]
    prefix = _object_prefix(fields[3], fields[4]) if kind in s.OBJECT_ACE_TYPES else b""
    return Ace(kind, flags, _parse_mask(fields[2]), _parse_sid(fields[5]), b"", prefix)


def _object_prefix(object_type: str, inherited_type: str) -> bytes:
    """Encode the part of an object entry before its SID."""
    flags = 0
    guids = b""
    if object_type:
        flags |= s.ACE_OBJECT_TYPE_PRESENT
        guids += guid.from_text(object_type)
    if inherited_type:
        flags |= s.ACE_INHERITED_OBJECT_TYPE_PRESENT
        guids += guid.from_text(inherited_type)
    return flags.to_bytes(4, "little") + guids
