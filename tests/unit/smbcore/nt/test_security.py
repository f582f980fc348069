from __future__ import annotations

import pytest

from smbcore.nt import security as s
from smbcore.nt import sid as w
from smbcore.nt.access import FILE_ALL_ACCESS, GENERIC_READ
from smbcore.nt.errors import WireError
from smbcore.nt.security import Ace, Acl, SecurityDescriptor
from smbcore.nt.sid import Sid
from smbcore.nt.status import NtError, Status
from smbcore.nt.token import Token

USER = Sid.parse("S-1-5-21-1-2-3-1001")
FULL_FOR_EVERYONE = "00 03 1400 ff011f00 010100000000000100000000"

ACES = [
    (Ace(0, 3, 0x1F01FF, w.EVERYONE), FULL_FOR_EVERYONE),
    (Ace(1, 0, 0x00000002, w.ADMINISTRATORS), "01 00 1800 02000000 01020000000000052000000020020000"),
    (Ace(2, 0xC0, 0x1F01FF, w.EVERYONE), "02 c0 1400 ff011f00 010100000000000100000000"),
    (
        Ace(5, 0, 0x100, w.SYSTEM, b"", bytes.fromhex("01000000" + "11" * 16)),
        "05 00 2800 00010000 01000000" + "11" * 16 + "010100000000000512000000",
    ),
    (Ace(5, 0, 0x100, w.SYSTEM, b"", bytes(4)), "05 00 1800 00010000 00000000 010100000000000512000000"),
    (Ace(9, 0, 1, w.EVERYONE, b"artx"), "09 00 1800 01000000 010100000000000100000000 61727478"),
    (Ace(0x11, 0, 1, w.LOW_INTEGRITY), "11 00 1400 01000000 010100000000001000100000"),
    (Ace(0x77, 1, 0, w.NULL, b"12345678"), "77 01 0c00 3132333435363738"),
]


@pytest.mark.parametrize(("ace", "wire"), ACES)
def test_ace_both_ways(ace, wire, refuses_every_truncation):
    """[MS-DTYP 2.4.4]"""
    data = bytes.fromhex(wire)
    assert ace.encode() == data
    assert Ace.decode(data, 0, len(data)) == (ace, len(data))
    refuses_every_truncation(lambda part: Ace.decode(part, 0, len(part)), data)


def test_object_ace_without_types_gets_its_flags():
    assert Ace(5, 0, 1, w.EVERYONE).encode()[8:12] == bytes(4)


@pytest.mark.parametrize(
    "wire",
    [
        "00 00 0300",  # shorter than its header
        "00 00 0400",  # no mask
        "00 00 1300 ff011f00 0101000000000001000000",  # not a multiple of 4
        "05 00 0800 00010000",  # no object flags
        "05 00 0c00 00010000 03000000",  # GUIDs missing
    ],
)
def test_malformed_ace(wire):
    data = bytes.fromhex(wire)
    with pytest.raises(WireError):
        Ace.decode(data, 0, len(data))


def test_acl_both_ways(refuses_every_truncation):
    """[MS-DTYP 2.4.5]"""
    data = bytes.fromhex("0200 1c00 0100 0000" + FULL_FOR_EVERYONE)
    acl = Acl((Ace(0, 3, 0x1F01FF, w.EVERYONE),))
    assert acl.encode() == data
    assert Acl.decode(data) == acl
    refuses_every_truncation(Acl.decode, data)


def test_acl_revision_follows_its_entries():
    assert Acl((Ace(5, 0, 1, w.EVERYONE),)).encode()[0] == s.ACL_REVISION_DS


@pytest.mark.parametrize("wire", ["0100080000000000", "0200070000000000", "0200ffff00000000", "0200080001000000"])
def test_malformed_acl(wire):
    with pytest.raises(WireError):
        Acl.decode(bytes.fromhex(wire))


def test_acl_beyond_64_kib_is_refused():
    with pytest.raises(NtError) as caught:
        Acl((Ace(0, 0, 1, w.EVERYONE),) * 4000).encode()
    assert caught.value.status is Status.INVALID_ACL


SD_WIRE = (
    "0100 0480 30000000 40000000 00000000 14000000"
    "0200 1c00 0100 0000"
    + FULL_FOR_EVERYONE
    + "01020000000000052000000020020000"  # owner
    + "010100000000000512000000"  # group
)


def test_descriptor_both_ways(refuses_every_truncation):
    """[MS-DTYP 2.4.6]"""
    data = bytes.fromhex(SD_WIRE)
    sd = SecurityDescriptor(
        w.ADMINISTRATORS,
        w.SYSTEM,
        Acl((Ace(0, 3, 0x1F01FF, w.EVERYONE),)),
        None,
        s.SE_SELF_RELATIVE | s.SE_DACL_PRESENT,
    )
    assert sd.encode() == data
    assert SecurityDescriptor.decode(memoryview(data)) == sd
    refuses_every_truncation(SecurityDescriptor.decode, data)


def test_null_and_empty_dacl_differ():
    null = SecurityDescriptor(control=s.SE_DACL_PRESENT).encode()
    empty = SecurityDescriptor(dacl=Acl()).encode()
    assert null.hex() == "0100048000000000000000000000000000000000"
    assert SecurityDescriptor.decode(null).dacl is None
    assert SecurityDescriptor.decode(empty).dacl == Acl()
    assert SecurityDescriptor.decode(empty).control & s.SE_DACL_PRESENT


@pytest.mark.parametrize(
    "wire",
    [
        "0200048000000000000000000000000000000000",  # revision
        "0100040000000000000000000000000000000000",  # not self-relative
        "0100048008000000000000000000000000000000",  # owner inside the header
        "0100048000000000000000000000000014000000",  # DACL behind the end
    ],
)
def test_malformed_descriptor(wire):
    with pytest.raises(WireError):
        SecurityDescriptor.decode(bytes.fromhex(wire))


LABEL = Ace(s.SYSTEM_MANDATORY_LABEL_ACE_TYPE, 0, 1, w.LOW_INTEGRITY)
AUDIT = Ace(s.SYSTEM_AUDIT_ACE_TYPE, 0x40, 1, w.EVERYONE)
WHOLE = SecurityDescriptor(
    USER,
    w.USERS,
    Acl((Ace(0, 0, 1, w.EVERYONE),)),
    Acl((AUDIT, LABEL)),
    s.SE_SELF_RELATIVE | s.SE_DACL_PRESENT | s.SE_SACL_PRESENT | s.SE_DACL_AUTO_INHERITED | s.SE_DACL_PROTECTED,
)


def test_select_returns_only_what_was_asked_for():
    owner = s.select(WHOLE, s.OWNER_SECURITY_INFORMATION)
    assert (owner.owner, owner.group, owner.dacl, owner.sacl, owner.control) == (USER, None, None, None, 0x8000)
    dacl = s.select(WHOLE, s.GROUP_SECURITY_INFORMATION | s.DACL_SECURITY_INFORMATION)
    assert (dacl.owner, dacl.group, dacl.dacl) == (None, w.USERS, WHOLE.dacl)
    assert dacl.control == 0x8000 | s.SE_DACL_PRESENT | s.SE_DACL_AUTO_INHERITED | s.SE_DACL_PROTECTED
    assert s.select(WHOLE, s.SACL_SECURITY_INFORMATION).sacl == WHOLE.sacl
    label = s.select(WHOLE, s.LABEL_SECURITY_INFORMATION)
    assert label.sacl == Acl((LABEL,))
    assert label.control & s.SE_SACL_PRESENT


def test_merge_replaces_only_what_is_named():
    new = SecurityDescriptor(w.SYSTEM, w.GUESTS, Acl(), None, s.SE_DACL_PRESENT)
    merged = s.merge(WHOLE, new, s.OWNER_SECURITY_INFORMATION)
    assert (merged.owner, merged.group, merged.dacl, merged.control) == (w.SYSTEM, w.USERS, WHOLE.dacl, WHOLE.control)
    merged = s.merge(WHOLE, new, s.DACL_SECURITY_INFORMATION)
    assert (merged.owner, merged.dacl, merged.sacl) == (USER, Acl(), WHOLE.sacl)
    assert not merged.control & (s.SE_DACL_PROTECTED | s.SE_DACL_AUTO_INHERITED)
    assert WHOLE.owner == USER


@pytest.mark.parametrize(
    ("control", "stored"),
    [
        (s.SE_DACL_AUTO_INHERITED, 0),
        (s.SE_DACL_AUTO_INHERIT_REQ, 0),
        (s.SE_DACL_AUTO_INHERITED | s.SE_DACL_AUTO_INHERIT_REQ, s.SE_DACL_AUTO_INHERITED),
        (s.SE_DACL_PROTECTED, s.SE_DACL_PROTECTED),
    ],
)
def test_automatic_inheritance_is_stored_only_on_request(control, stored):
    """smbtorture smb2.acls.INHERITFLAGS"""
    new = SecurityDescriptor(dacl=Acl(), control=s.SE_DACL_PRESENT | control)
    merged = s.merge(SecurityDescriptor(), new, s.DACL_SECURITY_INFORMATION)
    assert merged.control == s.SE_SELF_RELATIVE | s.SE_DACL_PRESENT | stored


def test_merge_maps_generic_rights_of_effective_entries():
    effective, later = Ace(0, 0, GENERIC_READ, USER), Ace(0, 0xB, GENERIC_READ, USER)
    new = SecurityDescriptor(dacl=Acl((effective, later)), control=s.SE_DACL_PRESENT)
    merged = s.merge(WHOLE, new, s.DACL_SECURITY_INFORMATION)
    assert merged.dacl == Acl((Ace(0, 0, 0x120089, USER), later))


def test_setting_a_null_dacl():
    merged = s.merge(WHOLE, SecurityDescriptor(control=s.SE_DACL_PRESENT), s.DACL_SECURITY_INFORMATION)
    assert merged.dacl is None
    assert merged.control & s.SE_DACL_PRESENT


def test_setting_the_label_keeps_audit_entries():
    new_label = Ace(s.SYSTEM_MANDATORY_LABEL_ACE_TYPE, 0, 2, w.HIGH_INTEGRITY)
    merged = s.merge(WHOLE, SecurityDescriptor(sacl=Acl((new_label,))), s.LABEL_SECURITY_INFORMATION)
    assert merged.sacl == Acl((AUDIT, new_label))


def test_protection_by_security_information():
    dacl = s.DACL_SECURITY_INFORMATION
    new = SecurityDescriptor(dacl=Acl(), control=s.SE_DACL_PRESENT)
    protected = s.merge(WHOLE, new, dacl | s.PROTECTED_DACL_SECURITY_INFORMATION)
    assert protected.control & s.SE_DACL_PROTECTED
    free = s.merge(protected, new, dacl | s.UNPROTECTED_DACL_SECURITY_INFORMATION)
    assert not free.control & s.SE_DACL_PROTECTED


@pytest.mark.parametrize(
    ("information", "status"),
    [
        (s.OWNER_SECURITY_INFORMATION, Status.INVALID_OWNER),
        (s.GROUP_SECURITY_INFORMATION, Status.INVALID_PRIMARY_GROUP),
    ],
)
def test_missing_owner_or_group_cannot_be_set(information, status):
    with pytest.raises(NtError) as caught:
        s.merge(WHOLE, SecurityDescriptor(), information)
    assert caught.value.status is status


def test_default_descriptor_lets_owner_and_system_in():
    sd = s.default_for(Token(USER, primary_group=w.USERS))
    assert (sd.owner, sd.group) == (USER, w.USERS)
    assert sd.dacl == Acl((Ace(0, 0, FILE_ALL_ACCESS, USER), Ace(0, 0, FILE_ALL_ACCESS, w.SYSTEM)))
    assert SecurityDescriptor.decode(sd.encode()) == sd
