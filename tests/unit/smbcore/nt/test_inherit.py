from __future__ import annotations

import pytest

from smbcore.nt import access as a
from smbcore.nt import security as s
from smbcore.nt import sid as w
from smbcore.nt.inherit import inherit
from smbcore.nt.security import Ace, Acl, SecurityDescriptor
from smbcore.nt.sid import Sid
from smbcore.nt.token import Token

ANN = Sid.parse("S-1-5-21-1-2-3-1001")
TOKEN = Token(ANN, frozenset({w.EVERYONE}), primary_group=w.USERS)
OI, CI, NP, IO, ID = 1, 2, 4, 8, 0x10
PRESENT = s.SE_SELF_RELATIVE | s.SE_DACL_PRESENT
AI = s.SE_DACL_AUTO_INHERITED


def parent(*aces, control=0):
    return SecurityDescriptor(w.ADMINISTRATORS, w.SYSTEM, Acl(aces), None, PRESENT | control)


FLAGS = [
    # parent's flags, file's, directory's; None: not inherited  (smbtorture smb2.acls.INHERITANCE)
    (0, None, None),
    (OI, 0, OI | IO),
    (CI, None, CI),
    (OI | CI, 0, OI | CI),
    (NP, None, None),
    (NP | OI, 0, None),
    (NP | CI, None, 0),
    (NP | OI | CI, 0, 0),
    (IO, None, None),
    (IO | OI, 0, OI | IO),
    (IO | CI, None, CI),
    (IO | OI | CI, 0, OI | CI),
    (IO | NP | OI, 0, None),
    (IO | NP | CI, None, 0),
    (IO | NP | OI | CI, 0, 0),
]


@pytest.mark.parametrize(("flags", "file", "directory"), FLAGS)
@pytest.mark.parametrize("is_container", [False, True])
@pytest.mark.parametrize("automatic", [False, True])
def test_flags_handed_down(flags, file, directory, is_container, automatic):
    child = inherit(parent(Ace(0, flags, 0x2, w.EVERYONE), control=AI if automatic else 0), None, TOKEN, is_container)
    expected = directory if is_container else file
    if expected is None:
        assert child.dacl == s.default_dacl(ANN)
        assert child.control == PRESENT
    else:
        assert child.dacl == Acl((Ace(0, expected | (ID if automatic else 0), 0x2, w.EVERYONE),))
        assert child.control == PRESENT | (AI if automatic else 0)
    assert (child.owner, child.group) == (ANN, w.USERS)


def test_creator_owner_becomes_the_owner_and_goes_on_for_grandchildren():
    above = parent(Ace(0, OI | CI, 0x2, w.CREATOR_OWNER), Ace(0, OI | CI, 0x4, w.CREATOR_GROUP))
    assert inherit(above, None, TOKEN, is_container=False).dacl == Acl((Ace(0, 0, 2, ANN), Ace(0, 0, 4, w.USERS)))
    assert inherit(above, None, TOKEN, is_container=True).dacl == Acl(
        (
            Ace(0, 0, 0x2, ANN),
            Ace(0, OI | CI | IO, 0x2, w.CREATOR_OWNER),
            Ace(0, 0, 0x4, w.USERS),
            Ace(0, OI | CI | IO, 0x4, w.CREATOR_GROUP),
        )
    )


def test_creator_owner_without_propagation_leaves_only_the_owner():
    above = parent(Ace(0, CI | NP, 0x2, w.CREATOR_OWNER))
    assert inherit(above, None, TOKEN, is_container=True).dacl == Acl((Ace(0, 0, 0x2, ANN),))


def test_generic_rights_are_mapped_for_the_child_and_kept_for_grandchildren():
    above = parent(Ace(0, OI | CI | IO, a.GENERIC_ALL, w.EVERYONE))
    assert inherit(above, None, TOKEN, is_container=True).dacl == Acl(
        (Ace(0, 0, a.FILE_ALL_ACCESS, w.EVERYONE), Ace(0, OI | CI | IO, a.GENERIC_ALL, w.EVERYONE))
    )


def test_grandchildren_inherit_the_same_again():
    above = parent(Ace(0, OI | CI, a.GENERIC_READ, w.CREATOR_OWNER), control=AI)
    first = inherit(above, None, TOKEN, is_container=True)
    second = inherit(first, None, TOKEN, is_container=True)
    assert second.dacl == first.dacl


def test_root_without_parent_gets_the_default():
    sd = inherit(None, None, TOKEN, is_container=True)
    assert sd.dacl == s.default_dacl(ANN)
    assert sd.sacl is None


def test_creators_list_is_taken_as_it_is():
    own = SecurityDescriptor(None, None, Acl((Ace(0, 0, a.GENERIC_READ, ANN),)), None, PRESENT)
    child = inherit(parent(Ace(0, OI, 1, w.EVERYONE), control=AI), own, TOKEN, is_container=False)
    assert child.dacl == Acl((Ace(0, 0, a.FILE_GENERIC_READ, ANN),))
    assert child.control == PRESENT


def test_creators_list_is_combined_on_request():
    explicit, stale = Ace(1, 0, 2, ANN), Ace(0, ID, 4, ANN)
    control = PRESENT | s.SE_DACL_AUTO_INHERIT_REQ
    own = SecurityDescriptor(None, None, Acl((explicit, stale)), None, control)
    above = parent(Ace(0, OI, 1, w.EVERYONE), control=AI)
    child = inherit(above, own, TOKEN, is_container=False)
    assert child.dacl == Acl((explicit, Ace(0, ID, 1, w.EVERYONE)))
    assert child.control == PRESENT | AI
    own.control |= s.SE_DACL_PROTECTED
    child = inherit(above, own, TOKEN, is_container=False)
    assert child.dacl == own.dacl
    assert child.control == PRESENT | s.SE_DACL_PROTECTED


def test_creators_null_list_stays_null():
    for control in (PRESENT, PRESENT | s.SE_DACL_AUTO_INHERIT_REQ):
        own = SecurityDescriptor(control=control)
        assert inherit(parent(Ace(0, OI, 1, ANN)), own, TOKEN, is_container=False).dacl is None


def test_creators_owner_and_group():
    own = SecurityDescriptor(w.SYSTEM, w.GUESTS)
    child = inherit(parent(Ace(0, OI, 1, w.CREATOR_OWNER)), own, TOKEN, is_container=False)
    assert (child.owner, child.group) == (w.SYSTEM, w.GUESTS)
    assert child.dacl == Acl((Ace(0, 0, 1, w.SYSTEM),))


def test_audit_entries_keep_their_audit_flags():
    above = parent()
    above.sacl = Acl((Ace(2, OI | CI | 0xC0, 1, w.EVERYONE), Ace(2, 0xC0, 1, w.EVERYONE)))
    above.control |= s.SE_SACL_PRESENT | s.SE_SACL_AUTO_INHERITED
    child = inherit(above, None, TOKEN, is_container=False)
    assert child.sacl == Acl((Ace(2, 0xC0 | ID, 1, w.EVERYONE),))
    assert child.control & s.SE_SACL_AUTO_INHERITED
    own = SecurityDescriptor(sacl=Acl(), control=PRESENT | s.SE_SACL_PRESENT | s.SE_SACL_PROTECTED)
    assert inherit(above, own, TOKEN, is_container=False).sacl == Acl()
    own = SecurityDescriptor(sacl=Acl(), control=s.SE_SACL_PRESENT | s.SE_SACL_AUTO_INHERIT_REQ)
    assert inherit(above, own, TOKEN, is_container=False).sacl == child.sacl
