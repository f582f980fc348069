"""The security descriptor of a new object  [MS-DTYP 2.5.3.4].

Differences to the document, both as Windows behaves: INHERITED_ACE and the AUTO_INHERITED
control bit appear on the child only when the parent's own list is marked AUTO_INHERITED
(smbtorture smb2.acls.INHERITFLAGS); a list given by the creator is taken as it is, and
the parent's entries are added only if it carries AUTO_INHERIT_REQ and is not protected
(smbtorture smb2.create.aclfile expects exactly the list it sent).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from smbcore.nt import security as s
from smbcore.nt.access import map_generic
from smbcore.nt.security import Ace, Acl, SecurityDescriptor
from smbcore.nt.sid import CREATOR_GROUP, CREATOR_OWNER, Sid
from smbcore.nt.token import Token

_INHERITABLE: Final = s.OBJECT_INHERIT_ACE | s.CONTAINER_INHERIT_ACE
_AUDIT_FLAGS: Final = s.SUCCESSFUL_ACCESS_ACE_FLAG | s.FAILED_ACCESS_ACE_FLAG


def inherit(
    parent: SecurityDescriptor | None,
    creator: SecurityDescriptor | None,
    token: Token,
    is_container: bool,
) -> SecurityDescriptor:
    """Compute the descriptor of an object that `token` creates below `parent`.

    parent        of the containing directory, None for a root
    creator       given with the create request, None if there was none
    is_container  True for a directory
    """
    owner = creator.owner if creator is not None and creator.owner is not None else token.user
    group = creator.group if creator is not None and creator.group is not None else token.primary_group
    result = SecurityDescriptor(owner, group)
    inherited = _Inherited(parent, owner, group, is_container)
    result.dacl = _compute_dacl(result, creator, inherited)
    result.sacl = _compute_sacl(result, creator, inherited)
    return result


class _Inherited:
    """What the parent passes on, computed per list when asked for."""

    __slots__ = ("_parent", "group", "is_container", "owner")

    def __init__(
        self,
        parent: SecurityDescriptor | None,
        owner: Sid,
        group: Sid,
        is_container: bool,
    ) -> None:
        self._parent = parent
        self.owner = owner
        self.group = group
        self.is_container = is_container

    def aces(self, *, sacl: bool) -> tuple[Ace, ...]:
        """Return the entries for the child, in the parent's order."""
        parent = self._parent
        acl = None if parent is None else parent.sacl if sacl else parent.dacl
        if acl is None:
            return ()
        mark = s.INHERITED_ACE if self.is_automatic(sacl=sacl) else 0
        return tuple(
            child
            for ace in acl.aces
            if ace.flags & _INHERITABLE and ace.has_sid
            for child in self._child_aces(ace, mark)
        )

    def is_automatic(self, *, sacl: bool) -> bool:
        """Say whether the parent's list is maintained by automatic inheritance."""
        bit = s.SE_SACL_AUTO_INHERITED if sacl else s.SE_DACL_AUTO_INHERITED
        return self._parent is not None and bool(self._parent.control & bit)

    def _child_aces(self, ace: Ace, mark: int) -> Iterator[Ace]:
        """Yield the zero to two entries that `ace` of the parent becomes."""
        audit = ace.flags & _AUDIT_FLAGS
        if not self.is_container:
            if ace.flags & s.OBJECT_INHERIT_ACE:
                yield self._effective(ace, audit | mark)
            return
        passed_on = 0 if ace.flags & s.NO_PROPAGATE_INHERIT_ACE else ace.flags & _INHERITABLE
        if not ace.flags & s.CONTAINER_INHERIT_ACE:
            # For files only: a directory hands it down without being touched itself.
            if passed_on:
                yield replace(ace, flags=audit | mark | passed_on | s.INHERIT_ONLY_ACE)
            return
        effective = self._effective(ace, audit | mark)
        if (effective.sid, effective.mask) == (ace.sid, ace.mask):
            yield replace(ace, flags=audit | mark | passed_on)
            return
        # Substituted or mapped here, but grandchildren need the original.
        yield effective
        if passed_on:
            yield replace(ace, flags=audit | mark | passed_on | s.INHERIT_ONLY_ACE)

    def _effective(self, ace: Ace, flags: int) -> Ace:
        """Return the entry as it acts on the child: real SIDs, file rights."""
        sid = ace.sid
        if sid == CREATOR_OWNER:
            sid = self.owner
        elif sid == CREATOR_GROUP:
            sid = self.group
        return replace(ace, flags=flags, mask=map_generic(ace.mask), sid=sid)


def _compute_dacl(
    result: SecurityDescriptor,
    creator: SecurityDescriptor | None,
    inherited: _Inherited,
) -> Acl | None:
    """Return the child's DACL and set its control bits."""
    result.control |= s.SE_DACL_PRESENT
    if creator is not None and creator.control & s.SE_DACL_PRESENT:
        protected = bool(creator.control & s.SE_DACL_PROTECTED)
        if protected:
            result.control |= s.SE_DACL_PROTECTED
        if protected or not creator.control & s.SE_DACL_AUTO_INHERIT_REQ:
            return s.map_acl(creator.dacl)
        result.control |= s.SE_DACL_AUTO_INHERITED
        return _combine(creator.dacl, inherited.aces(sacl=False))
    aces = inherited.aces(sacl=False)
    if not aces:
        return s.default_dacl(inherited.owner)
    if inherited.is_automatic(sacl=False):
        result.control |= s.SE_DACL_AUTO_INHERITED
    return Acl(aces)


def _compute_sacl(
    result: SecurityDescriptor,
    creator: SecurityDescriptor | None,
    inherited: _Inherited,
) -> Acl | None:
    """Return the child's SACL and set its control bits; there is no default one."""
    if creator is not None and creator.control & s.SE_SACL_PRESENT:
        result.control |= s.SE_SACL_PRESENT
        protected = bool(creator.control & s.SE_SACL_PROTECTED)
        if protected:
            result.control |= s.SE_SACL_PROTECTED
        if protected or not creator.control & s.SE_SACL_AUTO_INHERIT_REQ:
            return s.map_acl(creator.sacl)
        result.control |= s.SE_SACL_AUTO_INHERITED
        return _combine(creator.sacl, inherited.aces(sacl=True))
    aces = inherited.aces(sacl=True)
    if not aces:
        return None
    result.control |= s.SE_SACL_PRESENT
    if inherited.is_automatic(sacl=True):
        result.control |= s.SE_SACL_AUTO_INHERITED
    return Acl(aces)


def _combine(own: Acl | None, inherited: tuple[Ace, ...]) -> Acl | None:
    """Put the creator's explicit entries before the inherited ones; a NULL list stays NULL."""
    mapped = s.map_acl(own)
    if mapped is None:
        return None
    explicit = tuple(ace for ace in mapped.aces if not ace.flags & s.INHERITED_ACE)
    return Acl(explicit + inherited, mapped.revision)
