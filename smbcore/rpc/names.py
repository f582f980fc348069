"""Names of SIDs and SIDs of names, for lsarpc and samr: our accounts and the well-known ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from smbcore.nt import sid as sids
from smbcore.nt.sid import Sid
from smbcore.rpc.context import AccountName, PipeContext, SidUse

AUTHORITY: Final = "NT AUTHORITY"
BUILTIN: Final = "BUILTIN"

_GROUPS: Final[Mapping[Sid, tuple[str, str]]] = {
    sids.EVERYONE: ("", "Everyone"),
    sids.CREATOR_OWNER: ("", "CREATOR OWNER"),
    sids.CREATOR_GROUP: ("", "CREATOR GROUP"),
    sids.OWNER_RIGHTS: ("", "OWNER RIGHTS"),
    sids.DIALUP: (AUTHORITY, "DIALUP"),
    sids.NETWORK: (AUTHORITY, "NETWORK"),
    sids.BATCH: (AUTHORITY, "BATCH"),
    sids.INTERACTIVE: (AUTHORITY, "INTERACTIVE"),
    sids.SERVICE: (AUTHORITY, "SERVICE"),
    sids.ANONYMOUS: (AUTHORITY, "ANONYMOUS LOGON"),
    sids.PRINCIPAL_SELF: (AUTHORITY, "SELF"),
    sids.AUTHENTICATED_USERS: (AUTHORITY, "Authenticated Users"),
    sids.SYSTEM: (AUTHORITY, "SYSTEM"),
    sids.LOCAL_SERVICE: (AUTHORITY, "LOCAL SERVICE"),
    sids.NETWORK_SERVICE: (AUTHORITY, "NETWORK SERVICE"),
}
_ALIASES: Final[Mapping[Sid, str]] = {
    sids.ADMINISTRATORS: "Administrators",
    sids.USERS: "Users",
    sids.GUESTS: "Guests",
    sids.POWER_USERS: "Power Users",
    sids.BACKUP_OPERATORS: "Backup Operators",
}


def well_known() -> list[AccountName]:
    """Return every account that exists on every machine."""
    groups = [AccountName(domain, name, sid, SidUse.WELL_KNOWN_GROUP) for sid, (domain, name) in _GROUPS.items()]
    aliases = [AccountName(BUILTIN, name, sid, SidUse.ALIAS) for sid, name in _ALIASES.items()]
    return groups + aliases


def builtin_aliases() -> list[AccountName]:
    """Return the groups of the BUILTIN domain."""
    return [account for account in well_known() if account.use is SidUse.ALIAS]


def domain_sid(account: AccountName) -> Sid:
    """Return the SID of the domain that `account` belongs to; its own when it is a domain."""
    return account.sid if account.use is SidUse.DOMAIN else account.sid.domain


def all_names(context: PipeContext) -> list[AccountName]:
    """Return everything that has a name here: accounts, domains, well-known groups."""
    domains = [
        AccountName(context.server_name, context.server_name, context.machine_sid, SidUse.DOMAIN),
        AccountName(BUILTIN, BUILTIN, sids.BUILTIN, SidUse.DOMAIN),
        AccountName(AUTHORITY, AUTHORITY, Sid(5), SidUse.DOMAIN),
    ]
    return [*context.accounts(), *well_known(), *domains]


class Directory:
    """An index over `all_names`, made for one call."""

    __slots__ = ("_by_name", "_by_sid")

    def __init__(self, context: PipeContext) -> None:
        self._by_sid: dict[Sid, AccountName] = {}
        self._by_name: dict[str, AccountName] = {}
        for account in all_names(context):
            self._by_sid.setdefault(account.sid, account)
            self._by_name.setdefault(account.name.casefold(), account)
            if account.use is SidUse.DOMAIN:
                self._by_name.setdefault(f"{account.name}\\".casefold(), account)
            self._by_name.setdefault(f"{account.domain}\\{account.name}".casefold(), account)

    def find_sid(self, sid: Sid) -> AccountName | None:
        """Return who has `sid`."""
        return self._by_sid.get(sid)

    def find_name(self, name: str) -> AccountName | None:
        r"""Return who is called `name`: "DOMAIN\name", "name@anything", "name" or "DOMAIN\", any case.

        The empty name is the BUILTIN domain, as on Windows.
        """
        plain = name.casefold() or BUILTIN.casefold()
        found = self._by_name.get(plain)
        if found is None and "@" in plain:
            found = self._by_name.get(plain.partition("@")[0])
        return found
