from __future__ import annotations

import pytest

from smbcore.nt import access as a
from smbcore.nt import security as s
from smbcore.nt import sid as w
from smbcore.nt.access_check import BACKUP_RIGHTS, RESTORE_RIGHTS, Reason, Source, access_check, maximal_access
from smbcore.nt.security import Ace, Acl, SecurityDescriptor
from smbcore.nt.sid import Sid
from smbcore.nt.status import Status
from smbcore.nt.token import SE_BACKUP, SE_RESTORE, SE_SECURITY, SE_TAKE_OWNERSHIP, Token

ANN = Sid.parse("S-1-5-21-1-2-3-1001")
BOB = Sid.parse("S-1-5-21-1-2-3-1002")
STAFF = Sid.parse("S-1-5-21-1-2-3-2000")
R, W, X = a.FILE_READ_DATA, a.FILE_WRITE_DATA, a.FILE_EXECUTE
ALLOW, DENY = s.ACCESS_ALLOWED_ACE_TYPE, s.ACCESS_DENIED_ACE_TYPE


def allow(sid, mask, flags=0):
    return Ace(ALLOW, flags, mask, sid)


def deny(sid, mask, flags=0):
    return Ace(DENY, flags, mask, sid)


def sd(*aces, owner=BOB):
    return SecurityDescriptor(owner, w.USERS, Acl(aces), None, s.SE_DACL_PRESENT)


def ann(*privileges):
    return Token(ANN, frozenset({w.EVERYONE, STAFF}), frozenset(privileges))


CASES = [
    # (entries, desired, granted, missing)
    ([allow(ANN, R | W)], R, R, 0),
    ([allow(STAFF, R), allow(w.EVERYONE, W)], R | W, R | W, 0),
    ([allow(BOB, R)], R, 0, R),
    ([allow(ANN, R)], R | W, R, W),
    ([deny(STAFF, W), allow(ANN, R | W)], R | W, R, W),
    ([allow(ANN, R | W), deny(STAFF, W)], R | W, R | W, 0),
    ([deny(BOB, W), allow(ANN, W)], W, W, 0),
    ([allow(ANN, R, s.INHERIT_ONLY_ACE | s.OBJECT_INHERIT_ACE)], R, 0, R),
    ([deny(ANN, R, s.INHERIT_ONLY_ACE | s.OBJECT_INHERIT_ACE), allow(ANN, R)], R, R, 0),
    ([allow(ANN, a.GENERIC_READ)], a.GENERIC_READ, a.FILE_GENERIC_READ, 0),
    ([allow(ANN, a.GENERIC_ALL)], a.FILE_ALL_ACCESS, a.FILE_ALL_ACCESS, 0),
    ([], R, 0, R),
    ([], 0, 0, 0),
]


@pytest.mark.parametrize(("aces", "desired", "granted", "missing"), CASES)
def test_list_in_its_order(aces, desired, granted, missing):
    """[MS-DTYP 2.5.3.2]"""
    decision = access_check(sd(*aces), ann(), desired)
    assert (decision.granted, decision.missing) == (granted, missing)
    assert decision.allowed == (missing == 0)
    assert decision.status is (Status.ACCESS_DENIED if missing else Status.SUCCESS)


def test_null_dacl_grants_everything_and_empty_one_nothing():
    null = SecurityDescriptor(BOB, w.USERS, None, None, s.SE_DACL_PRESENT)
    assert access_check(null, ann(), a.FILE_ALL_ACCESS).allowed
    assert maximal_access(null, ann()) == a.FILE_ALL_ACCESS
    assert access_check(null, ann(), R).reasons == [Reason(R, True, Source.NULL_DACL)]
    assert maximal_access(sd(), ann()) == 0


def test_owner_may_read_and_change_permissions_whatever_the_list_says():
    own = sd(deny(ANN, a.FILE_ALL_ACCESS), owner=ANN)
    decision = access_check(own, ann(), a.READ_CONTROL | a.WRITE_DAC)
    assert decision.allowed
    assert decision.reasons == [Reason(a.READ_CONTROL | a.WRITE_DAC, True, Source.OWNER)]
    assert maximal_access(own, ann()) == a.READ_CONTROL | a.WRITE_DAC


def test_owner_by_group():
    assert access_check(sd(owner=STAFF), ann(), a.WRITE_DAC).allowed


def test_owner_rights_entry_replaces_the_implied_rights():
    own = sd(allow(w.OWNER_RIGHTS, a.READ_CONTROL), owner=ANN)
    assert access_check(own, ann(), a.READ_CONTROL).allowed
    assert access_check(own, ann(), a.WRITE_DAC).missing == a.WRITE_DAC


def test_owner_rights_entry_is_for_the_owner_alone_and_only_if_effective():
    other = sd(allow(w.OWNER_RIGHTS, R))
    assert not access_check(other, ann(), R).allowed
    inherit_only = sd(allow(w.OWNER_RIGHTS, 0, s.INHERIT_ONLY_ACE), owner=ANN)
    assert access_check(inherit_only, ann(), a.WRITE_DAC).allowed


def test_maximum_allowed():
    target = sd(deny(STAFF, W), allow(ANN, R | W | X), allow(w.EVERYONE, a.READ_CONTROL))
    decision = access_check(target, ann(), a.MAXIMUM_ALLOWED)
    assert (decision.granted, decision.missing) == (R | X | a.READ_CONTROL, 0)
    assert maximal_access(target, ann()) == decision.granted


def test_maximum_allowed_with_rights_that_must_be_there():
    target = sd(allow(ANN, R))
    assert access_check(target, ann(), a.MAXIMUM_ALLOWED | R).granted == R
    assert access_check(target, ann(), a.MAXIMUM_ALLOWED | W).missing == W


def test_maximum_allowed_of_nothing_is_refused():
    decision = access_check(sd(), ann(), a.MAXIMUM_ALLOWED)
    assert decision.missing == a.MAXIMUM_ALLOWED
    assert decision.status is Status.ACCESS_DENIED


def test_system_security_needs_the_privilege():
    target = sd(allow(ANN, 0xFFFFFFFF & ~a.GENERIC_RIGHTS))
    decision = access_check(target, ann(), R | a.ACCESS_SYSTEM_SECURITY)
    assert decision.missing == a.ACCESS_SYSTEM_SECURITY
    assert decision.status is Status.PRIVILEGE_NOT_HELD
    decision = access_check(target, ann(SE_SECURITY), R | a.ACCESS_SYSTEM_SECURITY)
    assert decision.allowed
    assert decision.reasons[0] == Reason(a.ACCESS_SYSTEM_SECURITY, True, Source.PRIVILEGE, SE_SECURITY)


def test_maximum_allowed_never_includes_system_security_by_the_list():
    assert not maximal_access(sd(allow(ANN, 0x0FFFFFFF)), ann()) & a.ACCESS_SYSTEM_SECURITY


def test_take_ownership():
    target = sd(deny(ANN, a.WRITE_OWNER))
    assert not access_check(target, ann(), a.WRITE_OWNER).allowed
    assert access_check(target, ann(SE_TAKE_OWNERSHIP), a.WRITE_OWNER).granted == a.WRITE_OWNER


@pytest.mark.parametrize(("privilege", "rights"), [(SE_BACKUP, BACKUP_RIGHTS), (SE_RESTORE, RESTORE_RIGHTS)])
def test_backup_and_restore_count_only_with_backup_intent(privilege, rights):
    token = ann(privilege)
    assert access_check(sd(), token, rights, backup_intent=True).granted == rights
    assert not access_check(sd(), token, rights).allowed
    assert not access_check(sd(), ann(), rights, backup_intent=True).allowed
    assert access_check(sd(), token, a.MAXIMUM_ALLOWED, backup_intent=True).granted == rights


@pytest.mark.parametrize(
    ("kind", "prefix", "allowed"),
    [
        (s.ACCESS_ALLOWED_CALLBACK_ACE_TYPE, b"", False),
        (s.ACCESS_ALLOWED_OBJECT_ACE_TYPE, b"", True),
        (s.ACCESS_ALLOWED_OBJECT_ACE_TYPE, bytes(4), True),
        (s.ACCESS_ALLOWED_OBJECT_ACE_TYPE, b"\1\0\0\0" + bytes(16), False),
        (s.ACCESS_ALLOWED_COMPOUND_ACE_TYPE, b"", False),
        (0x77, b"", False),
    ],
)
def test_unusual_entries_that_allow(kind, prefix, allowed):
    assert access_check(sd(Ace(kind, 0, R, ANN, b"", prefix)), ann(), R).allowed is allowed


@pytest.mark.parametrize(
    ("kind", "denies"),
    [
        (s.ACCESS_DENIED_CALLBACK_ACE_TYPE, True),
        (s.ACCESS_DENIED_OBJECT_ACE_TYPE, True),
        (s.ACCESS_DENIED_CALLBACK_OBJECT_ACE_TYPE, True),
        (s.SYSTEM_AUDIT_ACE_TYPE, False),
    ],
)
def test_unusual_entries_that_deny(kind, denies):
    target = sd(Ace(kind, 0, R, ANN), allow(ANN, R))
    assert access_check(target, ann(), R).allowed is not denies


def test_reasons_name_the_deciding_entry():
    first, second = deny(STAFF, W), allow(ANN, R | W)
    decision = access_check(sd(first, second), ann(), R | W | X)
    assert decision.reasons == [
        Reason(W, False, Source.ACE, "", 0, first),
        Reason(R, True, Source.ACE, "", 1, second),
        Reason(X, False, Source.NOTHING),
    ]
