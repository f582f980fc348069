"""The configuration as the core uses it: frozen values, read in one transaction.

`load_configuration` is called at start and on every ReloadConfiguration; the core swaps the whole value.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from sqlalchemy import Connection, Engine, RowMapping, select

from smbcore.state.engine import reading
from smbcore.state.errors import ConfigurationError, KeyFileError
from smbcore.state.keyfile import KeyFile
from smbcore.state.options import OptionError, option, parse
from smbcore.state.quotas import MOST_BYTES, MOST_ENTRIES, parse_entries
from smbcore.state.schema import (
    account,
    group_,
    membership,
    setting,
    share,
    share_access,
)

DIALECTS = ("2.0.2", "2.1", "3.0", "3.0.2", "3.1.1")
ACCESS_LEVELS = ("read", "change", "full", "deny")
ROLES = ("administrator", "user")
SHARE_KINDS = ("disk", "pipe")


@dataclass(frozen=True, slots=True)
class ShareOptions:
    """What a share can be told beyond its columns; stored as JSON in share.options."""

    hide_dot_files: bool = option(False, "Show files whose name begins with a dot as hidden.")
    hide_files: tuple[str, ...] = option((), "Wildcard patterns of file names that are shown as hidden.", maximum=100)
    streams: bool = option(True, "Offer alternate data streams.")
    change_notify: bool = option(True, "Let clients watch directories for changes.")
    inotify: bool = option(
        True,
        "Report changes made on the server itself to clients that watch a directory.",
    )
    oplocks: bool = option(True, "Grant opportunistic locks, so that clients may cache.")
    leases: bool = option(True, "Grant leases, so that clients may cache across several handles.")
    durable: bool = option(True, "Grant durable handles, which survive a short loss of the connection.")
    delete_readonly: bool = option(False, "Let files with the read-only attribute be deleted.")
    case_sensitive: bool = option(False, "Tell names apart that differ only in case.")
    canonical_inheritance: bool = option(
        True, "Drop the mark of automatic inheritance from a list that a client sets without asking for it."
    )
    hidden_eas: tuple[str, ...] = option(
        (), "Names of extended attributes that clients neither see nor set.", maximum=100
    )
    keep_creation_time: bool = option(
        True, "Let a file that is made anew under a name keep the creation time of the one that had it seconds before."
    )
    personal_folders: bool = option(
        False, "Show every user only a folder of their own in the share's folder, made when they first connect."
    )
    kernel_oplocks: bool = option(
        False,
        "Let clients cache a file only while no program on the server itself has it open; that one waits for them.",
    )
    posix_locks: bool = option(
        False, "Let byte-range locks of clients and those of programs on the server itself exclude each other."
    )
    rename_beside_delete: bool = option(
        False,
        "Let files be renamed in a folder that a client has open for deletion, as newer versions of Windows do.",
    )
    delayed_write_time: bool = option(False, "Show the time of a write two seconds late, as older servers did.")
    size_limit_mib: int = option(
        0,
        "How many MiB all files together may take, named streams included; 0 for as many as the disk has.",
        minimum=0,
        maximum=1 << 40,
    )
    quota: str = option(
        "off",
        "Whether space is counted for each owner of files (track), and limited too (enforce).",
        choices=("off", "track", "enforce"),
    )
    quota_limit: int = option(
        -1,
        "How many bytes an owner without a limit of his own may take; -1 for any number.",
        minimum=-1,
        maximum=MOST_BYTES,
    )
    quota_threshold: int = option(
        -1,
        "From how many bytes on such an owner is shown as close to his limit; -1 for never.",
        minimum=-1,
        maximum=MOST_BYTES,
    )
    quota_entries: tuple[str, ...] = option(
        (),
        "Limits of single owners: SID, threshold and limit in bytes, time of the change; set with `quotas`.",
        maximum=MOST_ENTRIES,
    )

    def __post_init__(self) -> None:
        try:
            parse_entries(self.quota_entries)
        except ValueError as error:
            raise OptionError("quota_entries", str(error)) from error


@dataclass(frozen=True, slots=True)
class ShareAccess:
    """One line of a share's access list.

    principal  "everyone", "user:NAME", "group:NAME" or "sid:S-1-..."
    level      one of ACCESS_LEVELS; deny wins over everything else
    """

    principal: str
    level: str


@dataclass(frozen=True, slots=True)
class ShareConfig:
    """One share; `version` grows with every change. An empty access list admits nobody."""

    id: int
    name: str
    path: str
    comment: str
    kind: str
    purpose: str
    enabled: bool
    read_only: bool
    browsable: bool
    encrypt: bool
    abe: bool
    continuously_available: bool
    guest_ok: bool
    options: ShareOptions
    access: tuple[ShareAccess, ...]
    version: int


@dataclass(frozen=True, slots=True)
class AccountConfig:
    """One account with the SIDs of its groups; `nt_hash` is None when it cannot sign in over SMB.

    signing_required     its sessions refuse what is not signed
    encryption_required  its sessions refuse what is not encrypted
    """

    id: int
    name: str
    full_name: str
    sid: str
    role: str
    enabled: bool
    group_sids: tuple[str, ...]
    version: int
    nt_hash: bytes | None = field(default=None, repr=False)
    signing_required: bool = False
    encryption_required: bool = False


@dataclass(frozen=True, slots=True)
class GroupConfig:
    """One group with the names of its members."""

    id: int
    name: str
    sid: str
    comment: str
    members: tuple[str, ...]
    version: int


@dataclass(frozen=True, slots=True)
class Settings:
    """Server-wide settings, one row of the table `setting` each."""

    server_guid: str = option("", "The server's GUID, given once at initialisation.")
    machine_sid: str = option("", "The SID that all account SIDs begin with, given once at initialisation.")
    node_id: str = option("", "This node's UUID, given once at initialisation.")
    server_name: str = option("HOLDFAST", "The server's NetBIOS name, up to 15 characters.", maximum=15)
    workgroup: str = option("WORKGROUP", "The workgroup that the server appears in.", maximum=15)
    server_comment: str = option("Holdfast", "What network browsers show beside the server's name.", maximum=256)
    min_dialect: str = option("2.1", "The oldest SMB dialect that is spoken.", choices=DIALECTS)
    max_dialect: str = option("3.1.1", "The newest SMB dialect that is spoken.", choices=DIALECTS)
    signing_required: bool = option(True, "Refuse sessions whose messages are not signed.")
    encryption_offered: bool = option(True, "Encrypt for clients and shares that want it.")
    encryption_required: bool = option(False, "Refuse clients that cannot encrypt.")
    allow_anonymous: bool = option(False, "Let clients without a name reach IPC$.")
    allow_guest: bool = option(False, "Let unknown names in as guest, on shares that admit guests.")
    multichannel: bool = option(True, "Let a client spread one session over several connections.")
    max_io_size: int = option(
        8_388_608,
        "Largest read, write and transaction in bytes.",
        minimum=65_536,
        maximum=8_388_608,
    )
    max_sessions: int = option(4096, "Most sessions at a time.", minimum=1, maximum=65_536)
    session_lifetime_s: int = option(
        0,
        "After how many seconds a client has to prove again who its user is; 0 for never.",
        minimum=0,
        maximum=604_800,
    )
    durable_timeout_s: int = option(
        60,
        "How many seconds a disconnected durable handle is kept.",
        minimum=1,
        maximum=300,
    )
    max_away: int = option(
        16_384,
        "Most handles that are kept at a time for clients that have lost their connection; persistent ones are always.",
        minimum=0,
        maximum=1_000_000,
    )
    max_kept_per_client: int = option(
        4096,
        "Most durable, resilient and persistent handles of one client; it opens further files without keeping them.",
        minimum=0,
        maximum=1_000_000,
    )
    max_kept_per_user: int = option(
        8192,
        "Most durable, resilient and persistent handles of one user, over all clients.",
        minimum=0,
        maximum=1_000_000,
    )
    max_kept_per_session: int = option(
        4096,
        "Most durable, resilient and persistent handles of one session.",
        minimum=0,
        maximum=1_000_000,
    )
    max_unanswered_breaks: int = option(
        3,
        "After how many breaks in a row that it did not answer a client gets no more oplocks and leases until it"
        " answers one, or for five minutes; 0 for never.",
        minimum=0,
        maximum=1000,
    )
    break_retry_ms: int = option(
        1250,
        "Milliseconds after which a break that a connection does not take goes to the next one; 0: it is sent once,"
        " on the newest, as Windows does.",
        minimum=0,
        maximum=10_000,
    )
    break_timeout_s: int = option(
        35,
        "How many seconds a client has to answer an oplock or lease break.",
        minimum=1,
        maximum=120,
    )
    audit_days: int = option(
        400, "For how many days records of the audit log are kept; 0 for however long.", minimum=0, maximum=36_500
    )
    audit_records: int = option(
        500_000,
        "Most records of the audit log; beyond it the oldest go, however young.",
        minimum=10_000,
        maximum=100_000_000,
    )


IDENTITY_SETTINGS = frozenset({"server_guid", "machine_sid", "node_id"})
"""Settings that are written once and never changed."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """Everything the core is configured with, as of one moment."""

    settings: Settings
    shares: tuple[ShareConfig, ...]
    accounts: tuple[AccountConfig, ...]
    groups: tuple[GroupConfig, ...]
    _shares_by_name: Mapping[str, ShareConfig] = field(init=False, repr=False, compare=False)
    _accounts_by_name: Mapping[str, AccountConfig] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(
            self,
            "_shares_by_name",
            {item.name.casefold(): item for item in self.shares},
        )
        object.__setattr__(
            self,
            "_accounts_by_name",
            {item.name.casefold(): item for item in self.accounts},
        )

    def find_share(self, name: str) -> ShareConfig | None:
        """Return the share of that name, without regard to case."""
        return self._shares_by_name.get(name.casefold())

    def find_account(self, name: str) -> AccountConfig | None:
        """Return the account of that name, without regard to case."""
        return self._accounts_by_name.get(name.casefold())


def load_configuration(engine: Engine, keyfile: KeyFile) -> Configuration:
    """Read the whole configuration in one transaction.

    Errors:  ConfigurationError  a row holds an option that this program does not know or cannot use
             KeyFileError        a password cannot be read with this key
    """
    with reading(engine) as connection:
        return Configuration(
            load_settings(connection),
            load_shares(connection),
            load_accounts(connection, keyfile),
            load_groups(connection),
        )


def load_settings(connection: Connection) -> Settings:
    """Read the settings; those without a row have their default."""
    values: dict[str, Any] = {row.name: row.value for row in connection.execute(select(setting))}
    try:
        return parse(Settings, values, values)
    except OptionError as error:
        raise ConfigurationError(f"setting {error.option}: {error.message}") from error


def load_shares(connection: Connection, *conditions: Any) -> tuple[ShareConfig, ...]:
    """Read shares with their access lists, by name."""
    access: defaultdict[int, list[ShareAccess]] = defaultdict(list)
    for row in connection.execute(select(share_access).order_by(share_access.c.principal)):
        access[row.share_id].append(ShareAccess(row.principal, row.level))
    rows = connection.execute(select(share).where(*conditions).order_by(share.c.name_key)).mappings()
    return tuple(_share_config(row, access[row["id"]]) for row in rows)


def load_accounts(connection: Connection, keyfile: KeyFile | None = None) -> tuple[AccountConfig, ...]:
    """Read accounts by name; with a key file also their NT hashes."""
    groups: defaultdict[int, list[str]] = defaultdict(list)
    members = select(membership.c.account_id, group_.c.sid).join_from(membership, group_).order_by(group_.c.id)
    for row in connection.execute(members):
        groups[row.account_id].append(row.sid)
    rows = connection.execute(select(account).order_by(account.c.name_key)).mappings()
    return tuple(_account_config(row, groups[row["id"]], keyfile) for row in rows)


def load_groups(connection: Connection) -> tuple[GroupConfig, ...]:
    """Read groups with their members' names, by name."""
    members: defaultdict[int, list[str]] = defaultdict(list)
    names = select(membership.c.group_id, account.c.name).join_from(membership, account).order_by(account.c.name_key)
    for row in connection.execute(names):
        members[row.group_id].append(row.name)
    rows = connection.execute(select(group_).order_by(group_.c.name_key))
    return tuple(
        GroupConfig(row.id, row.name, row.sid, row.comment, tuple(members[row.id]), row.version) for row in rows
    )


_SHARE_COLUMNS = [
    "id",
    "name",
    "path",
    "comment",
    "kind",
    "purpose",
    "enabled",
    "read_only",
    "browsable",
    "encrypt",
    "abe",
    "continuously_available",
    "guest_ok",
    "version",
]


def _share_config(row: RowMapping, access: Iterable[ShareAccess]) -> ShareConfig:
    try:
        stored = cast("Mapping[str, Any]", row["options"])
        options = parse(ShareOptions, stored, stored)
    except OptionError as error:
        raise ConfigurationError(f"share {row['name']}, option {error.option}: {error.message}") from error
    columns = {name: row[name] for name in _SHARE_COLUMNS}
    return ShareConfig(**columns, options=options, access=tuple(access))


def _account_config(row: RowMapping, group_sids: Iterable[str], keyfile: KeyFile | None) -> AccountConfig:
    sealed = row["nt_hash_encrypted"]
    nt_hash = None
    if keyfile is not None and sealed is not None:
        try:
            nt_hash = keyfile.decrypt(sealed, row["sid"])
        except KeyFileError as error:
            raise KeyFileError(f"account {row['name']}: {error}") from error
    return AccountConfig(
        id=row["id"],
        name=row["name"],
        full_name=row["full_name"],
        sid=row["sid"],
        role=row["role"],
        enabled=row["enabled"],
        group_sids=tuple(group_sids),
        version=row["version"],
        nt_hash=nt_hash,
        signing_required=row["signing_required"],
        encryption_required=row["encryption_required"],
    )
