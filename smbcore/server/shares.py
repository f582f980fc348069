"""Shares  [MS-SMB2 3.3.1.6]: configuration made live, replaced without disturbing who is connected."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

from smbcore.fsa.volume import Volume
from smbcore.nt.access import DELETE, FILE_ALL_ACCESS, FILE_GENERIC_EXECUTE, FILE_GENERIC_READ, FILE_GENERIC_WRITE
from smbcore.nt.sid import EVERYONE, Sid
from smbcore.nt.status import NtError, Status
from smbcore.server import space
from smbcore.server.personal import PersonalFolder, folder_of
from smbcore.wire.tree_connect import ShareCapabilities, ShareFlags, ShareType

if TYPE_CHECKING:
    from smbcore.nt.token import Token
    from smbcore.server.connection import SmbConnection
    from smbcore.state.configuration import ShareConfig

log = logging.getLogger(__name__)

READ_ACCESS: Final = FILE_GENERIC_READ | FILE_GENERIC_EXECUTE
CHANGE_ACCESS: Final = READ_ACCESS | FILE_GENERIC_WRITE | DELETE
_DIALECT_300: Final = 0x0300
LEVELS: Final = {"read": READ_ACCESS, "change": CHANGE_ACCESS, "full": FILE_ALL_ACCESS}


@dataclass(frozen=True, slots=True)
class Grant:
    """One line of a share's access list: a SID, and the access mask it gives (0 denies everything)."""

    sid: Sid
    access: int


class OpenVolume(Protocol):
    """Opens the folder of a share, or one user's folder in it.  Raises NtError, OSError, ValueError."""

    def __call__(self, share: ShareConfig, folder: PersonalFolder | None = None, /) -> Volume:
        """Return a new volume."""


class Share:
    """One live share.

    Owned by `ShareTable`. A volume is opened at first use and stays open while the share exists; a changed
    configuration is installed in place, so tree connects go on with it. Where every user has a folder, each of them is
    a volume of its own, and the share's folder one that no client sees.
    """

    __slots__ = ("_open_volume", "_volumes", "config", "grants", "name", "share_type")

    def __init__(self, config: ShareConfig, grants: Iterable[Grant], open_volume: OpenVolume) -> None:
        self.config = config
        self.name = config.name
        self.grants = tuple(grants)
        self.share_type = int(ShareType.PIPE if config.kind == "pipe" else ShareType.DISK)
        self._open_volume = open_volume
        self._volumes: dict[str, Volume] = {}

    @property
    def is_pipe(self) -> bool:
        """Whether this is IPC$."""
        return self.config.kind == "pipe"

    @property
    def stable_writes(self) -> bool:
        """Whether a change is on stable storage before it is answered."""
        return self.config.continuously_available

    @property
    def encryption_required(self) -> bool:
        """Whether only encrypted requests are served."""
        return self.config.encrypt

    @property
    def share_flags(self) -> int:
        """ShareFlags of the TREE_CONNECT response."""
        flags = ShareFlags.NO_CACHING if self.is_pipe else ShareFlags.MANUAL_CACHING
        if self.config.encrypt:
            flags |= ShareFlags.ENCRYPT_DATA
        if self.config.abe:
            flags |= ShareFlags.ACCESS_BASED_DIRECTORY_ENUM
        return int(flags)

    def capabilities(self, connection: SmbConnection) -> int:
        """Share capabilities for this connection; none below 3.0."""
        if connection.dialect < _DIALECT_300 or not self.config.continuously_available:
            return 0
        return int(ShareCapabilities.CONTINUOUS_AVAILABILITY)

    def maximal_access(self, token: Token) -> int:
        """Return what the access list gives `token`; a denying line beats all others, administrators get everything."""
        if self.is_pipe:
            return FILE_GENERIC_READ | FILE_GENERIC_WRITE | FILE_GENERIC_EXECUTE
        if token.guest and not self.config.guest_ok:
            return 0
        access = 0
        for grant in self.grants:
            if grant.sid == EVERYONE or grant.sid in token.sids:
                if not grant.access:
                    return 0
                access |= grant.access
        if self.config.read_only:
            access &= READ_ACCESS
        return access

    def folder_of(self, token: Token) -> PersonalFolder | None:
        """Return the user's own folder, None where all users see the whole share.  Raises ACCESS_DENIED for guests."""
        return folder_of(token) if self.config.options.personal_folders else None

    def volume(self, folder: PersonalFolder | None = None) -> Volume:
        """Return the volume of the share's folder, or of one user's folder in it, opened at the first call.

        Raises BAD_NETWORK_NAME where the folder cannot be used; the reason is logged.
        """
        name = "" if folder is None else folder.name
        volume = self._volumes.get(name)
        if volume is None:
            try:
                volume = self._open_volume(self.config) if folder is None else self._open_volume(self.config, folder)
            except (NtError, OSError, ValueError) as error:
                where = f"{self.config.path}/{name}" if name else self.config.path
                log.warning("share %s at %s cannot be used: %s", self.name, where, error)
                raise NtError(Status.BAD_NETWORK_NAME, f"{where}: {error}") from error
            self._volumes[name] = volume
            if volume.space is not None:
                volume.space.begin()
        return volume

    def replace(self, config: ShareConfig, grants: Iterable[Grant]) -> bool:
        """Install a changed configuration; False if the change needs a new share (another folder or kind)."""
        old = self.config
        if (old.path, old.kind) != (config.path, config.kind):
            return False
        if space.without_rules(old.options) != space.without_rules(config.options):
            return False
        self.config = config
        self.name = config.name
        self.grants = tuple(grants)
        for volume in self._volumes.values():
            _retune(volume, config)
        return True

    async def tidy(self) -> None:
        """Let the volumes that are in use remove some of what was left behind."""
        for volume in list(self._volumes.values()):
            await volume.tidy()

    async def close(self) -> None:
        """Release the volumes. Every tree connect has been closed before."""
        volumes, self._volumes = self._volumes, {}
        for volume in volumes.values():
            await volume.close()


def _retune(volume: Volume, config: ShareConfig) -> None:
    """Give an open volume what may change while it is in use; opens keep the access that they were granted."""
    volume.config = replace(volume.config, read_only=config.read_only, access_based_enumeration=config.abe)
    volume.read_only = config.read_only or volume.volume_info().read_only
    rules = space.rules(config.options)
    if rules != volume.config.space:
        volume.set_space_rules(rules)


class ShareTable:
    """The live shares, by name without regard to case."""

    __slots__ = ("_open_volume", "_shares")

    def __init__(self, open_volume: OpenVolume) -> None:
        self._open_volume = open_volume
        self._shares: dict[str, Share] = {}

    def __iter__(self) -> Iterator[Share]:
        return iter(self._shares.values())

    def find(self, name: str, _connection: SmbConnection | None = None) -> Share | None:
        """Return the enabled share of that name, None if there is none."""
        return self._shares.get(name.casefold())

    def load(self, configs: Iterable[tuple[ShareConfig, tuple[Grant, ...]]]) -> list[Share]:
        """Install the configured shares; return those that are gone or were replaced, for the caller to disconnect."""
        wanted = {config.name.casefold(): (config, grants) for config, grants in configs if config.enabled}
        gone = []
        for key, share in list(self._shares.items()):
            entry = wanted.get(key)
            if entry is None or not share.replace(*entry):
                gone.append(self._shares.pop(key))
        for key, (config, grants) in wanted.items():
            if key not in self._shares:
                self._shares[key] = Share(config, grants, self._open_volume)
        return gone

    async def close(self) -> None:
        """Release every volume."""
        for share in self._shares.values():
            await share.close()
        self._shares.clear()
