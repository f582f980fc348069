"""The identity that access checks look at  [MS-DTYP 2.5.2]."""

from __future__ import annotations

from smbcore.nt.sid import Sid

SE_SECURITY = "SeSecurityPrivilege"
SE_TAKE_OWNERSHIP = "SeTakeOwnershipPrivilege"
SE_BACKUP = "SeBackupPrivilege"
SE_RESTORE = "SeRestorePrivilege"
SE_CHANGE_NOTIFY = "SeChangeNotifyPrivilege"
SE_MANAGE_VOLUME = "SeManageVolumePrivilege"
SE_CREATE_SYMBOLIC_LINK = "SeCreateSymbolicLinkPrivilege"


class Token:
    """Who acts: a user, the groups it is in, and what it may do beyond access lists.

    Immutable by convention and compared by identity: a re-authentication makes a new
    token, and requests in flight keep the one they started with.

    user           the account's SID; also the owner of what it creates
    groups         SIDs of groups, well-known ones (EVERYONE, NETWORK ...) included
    privileges     names such as "SeSecurityPrivilege"
    name           for people and logs, "DOMAIN/user"
    sids           user and groups together; what access control entries are matched with
    primary_group  the group given to what it creates; the user's SID when not told
    """

    __slots__ = (
        "__weakref__",
        "administrator",
        "anonymous",
        "groups",
        "guest",
        "name",
        "primary_group",
        "privileges",
        "sids",
        "user",
    )

    def __init__(
        self,
        user: Sid,
        groups: frozenset[Sid] = frozenset(),
        privileges: frozenset[str] = frozenset(),
        name: str = "",
        *,
        anonymous: bool = False,
        guest: bool = False,
        administrator: bool = False,
        primary_group: Sid | None = None,
    ) -> None:
        self.user = user
        self.groups = groups
        self.privileges = privileges
        self.name = name
        self.anonymous = anonymous
        self.guest = guest
        self.administrator = administrator
        self.primary_group = primary_group if primary_group is not None else user
        self.sids = groups | {user}

    def __repr__(self) -> str:
        return f"Token({self.name or str(self.user)!r}, groups={len(self.groups)})"

    def has_privilege(self, privilege: str) -> bool:
        """Say whether the token holds `privilege`."""
        return privilege in self.privileges
