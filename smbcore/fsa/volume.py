"""A volume: the root of everything that is open on one backend  [MS-FSA 2.1.1.1].

Owns the opens, the file table, the watches and the security caches. Owned by the share that serves it; everything in
it is touched on the event-loop thread only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from smbcore.fsa import fs_information, notify, reparse
from smbcore.fsa.api import BreakListener, Caching, OpenParameters, OplockGrant, OplockLevel, VolumeConfig
from smbcore.fsa.backend import Backend, Node, NodeInfo, Observation, VolumeInfo
from smbcore.fsa.file_table import FileTable, StreamState
from smbcore.fsa.local_changes import LocalChanges
from smbcore.fsa.notify import Notifier
from smbcore.fsa.offload import TokenTable
from smbcore.fsa.open import Open
from smbcore.fsa.opening import open_file
from smbcore.fsa.security import SecurityCache
from smbcore.fsa.snapshots import Snapshots, names_snapshot
from smbcore.fsa.space import Space
from smbcore.fsa.space_rules import SpaceRules
from smbcore.fsa.tunnel import TunnelCache
from smbcore.nt import create as c
from smbcore.nt.access import (
    DELETE,
    FILE_APPEND_DATA,
    FILE_DELETE_CHILD,
    FILE_READ_DATA,
    FILE_WRITE_ATTRIBUTES,
    FILE_WRITE_DATA,
    FILE_WRITE_EA,
    WRITE_DAC,
    WRITE_OWNER,
)
from smbcore.nt.attributes import FILE_ATTRIBUTE_ARCHIVE, FILE_ATTRIBUTE_HIDDEN, FILE_ATTRIBUTE_SYSTEM
from smbcore.nt.clock import Clock
from smbcore.nt.names import Pattern, upcase
from smbcore.nt.status import NtError, Status
from smbcore.nt.token import Token

_CHANGES = (
    FILE_WRITE_DATA
    | FILE_APPEND_DATA
    | FILE_WRITE_EA
    | FILE_WRITE_ATTRIBUTES
    | FILE_DELETE_CHILD
    | DELETE
    | WRITE_DAC
    | WRITE_OWNER
)
_QUOTA_INDEX = "$EXTEND\\$QUOTA:$Q:$INDEX_ALLOCATION"
"""What clients open to ask for quotas: the root stands in for it."""
_QUOTA_ATTRIBUTES = FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_SYSTEM | FILE_ATTRIBUTE_ARCHIVE
_LEAVING_AS_IT_IS = frozenset({c.FILE_OPEN, c.FILE_OPEN_IF})


ChangeOfRules = Callable[[SpaceRules], SpaceRules]
"""Makes new rules of space of those there are, which may be called in any thread; raises NtError where it cannot."""

KeepRules = Callable[[ChangeOfRules], Awaitable[None]]
"""Changes the rules as they are stored, and lets the volume go by them; raises NtError where that cannot be."""


class Volume:
    """An NT volume over a backend.

    held_back  who waits for the clients of reserved opens
    opens      every open, for listing and for closing all;  reserved  those of them whose clients are away
    table      who has what open, by file
    passing    directories that something is being put into; they follow a rename like open ones
    notifier   the watches
    local      changes that other processes make
    tunnel     names that went lately;  tokens  what clients may copy by naming it
    compresses the store compresses files with the attribute COMPRESSED
    snapshots  the earlier versions of the volume;  is_snapshot  this is one of them, the one of `snapshot_time`
    space      what the files take, None where that need not be known
    keep_rules changes rules of space for a client, so that they outlive the volume; None where nothing does
    changes    counts changes of metadata or data, so that what was read before can be told from fresh
    read_only  every change is refused, by configuration or by the store
    """

    def __init__(self, backend: Backend, config: VolumeConfig, clock: Clock, tokens: TokenTable | None = None) -> None:
        """Make a volume; `backend` belongs to it from now on and is closed with it. Those that are to copy by token
        from one to the other share `tokens`.
        """
        facts = backend.volume_info()
        self.backend = backend
        self.config = config
        self.clock = clock
        self.table = FileTable()
        self.opens: set[Open] = set()
        self.reserved: set[Open] = set()
        self.held_back: list[asyncio.Future[bool]] = []
        self.passing: set[Node] = set()
        self.notifier = Notifier()
        self.security = SecurityCache(config.default_security, canonical=config.canonical_inheritance)
        self.local = LocalChanges(self)
        self.tunnel = TunnelCache()
        self.tokens = TokenTable(clock) if tokens is None else tokens
        self.snapshots = Snapshots(self)
        self.is_snapshot = False
        self.snapshot_time = 0
        self.snapshot_folder = backend.snapshot_folder
        self.changes = 0
        self.read_only = config.read_only or facts.read_only
        self.compresses = facts.supports_compression
        self.case_sensitive = facts.case_sensitive
        self.volume_id = facts.volume_id
        self.readable_access = ~_CHANGES
        self.delays_write_time = config.delayed_write_time > 0
        self.marks_hidden = config.hide_dot_files or bool(config.hide_files)
        self._hidden: list[Pattern] = [Pattern(name) for name in config.hide_files]
        self.space: Space | None = Space(self, config.space) if config.space.counts else None
        self.keep_rules: KeepRules | None = None
        self._directory_oplocks: dict[tuple[str, ...], StreamState] = {}
        self._observations: dict[StreamState, Observation | None] = {}

    # -- opening and closing --
    async def open_file(self, parameters: OpenParameters) -> Open:
        """Open or create a file, directory or stream  [MS-FSA 2.1.5.1].

        Waits for oplock breaks (at most `break_timeout` each); a cancelled wait leaves no trace.
        """
        if "$" in parameters.path and upcase(parameters.path) == _QUOTA_INDEX:
            opened = await open_file(self, replace(parameters, path=""))
            opened.extra_attributes = _QUOTA_ATTRIBUTES
            return opened
        if (parameters.timewarp or "@GMT-" in parameters.path) and self.names_snapshot(parameters):
            return await self.snapshots.open_file(parameters)
        return await open_file(self, parameters)

    def names_snapshot(self, p: OpenParameters) -> bool:
        """Tell whether an open is for a snapshot; a path below the snapshots' folder names a file there."""
        if self.is_snapshot:
            return False
        own = self.snapshot_folder and upcase(p.path.partition("\\")[0]) == upcase(self.snapshot_folder)
        return names_snapshot(p) and not own

    def of_snapshot(self, backend: Backend, time: int) -> Volume:
        """Return the volume of the snapshot of `time` (FILETIME) of this one."""
        past = Volume(backend, replace(self.config, read_only=True, space=SpaceRules()), self.clock, self.tokens)
        past.is_snapshot = True
        past.snapshot_time = time
        past.snapshots = self.snapshots
        return past

    def is_protected(self, path: tuple[str, ...]) -> bool:
        """Tell whether clients may only read at `path`: the folder of the snapshots and everything below."""
        return bool(path) and path[0].casefold() == self.snapshot_folder

    def grantable(self, path: tuple[str, ...]) -> int:
        """Return the access mask that the volume leaves for a file at `path`."""
        if (self.read_only and not self.is_snapshot) or (self.snapshot_folder and self.is_protected(path)):
            return self.readable_access
        return -1

    def check_open(self, p: OpenParameters, desired: int) -> None:
        """Check an open against the volume as a whole.

        Errors: TOO_MANY_OPENED_FILES;  MEDIA_WRITE_PROTECTED.
        """
        if len(self.opens) >= self.config.max_opens:
            raise NtError(Status.TOO_MANY_OPENED_FILES, f"{len(self.opens)} opens")
        changes = desired & _CHANGES or p.create_options & c.FILE_DELETE_ON_CLOSE
        if changes and self.read_only and not self.is_snapshot:
            raise NtError(Status.MEDIA_WRITE_PROTECTED, p.path)
        if self.config.hidden_eas and any(name.upper() in self.config.hidden_eas for name, _ in p.extended_attributes):
            raise NtError(Status.ACCESS_DENIED, "an EA that is not for clients")
        if self.read_only and p.create_disposition not in _LEAVING_AS_IT_IS:
            raise NtError(Status.MEDIA_WRITE_PROTECTED, p.path)

    def stop_on_reparse(self, node: Node, info: NodeInfo) -> None:
        """Refuse to open a reparse point as what it stands for  [MS-FSA 2.1.5.1, MS-SMB2 3.3.5.9]."""
        reparse.stop(node, info)

    async def close(self) -> None:
        """Close every open, the snapshots and the backend."""
        if not self.is_snapshot:
            await self.snapshots.close()
        if self.space is not None:
            await self.space.close()
        for opened in list(self.opens):
            await opened.close()
        self.backend.close()

    def keep_others_away(self, opened: Open, node: Node, stream: StreamState) -> Open:
        """Register an open of `stream`, on behalf of `opened`, that shares nothing; it takes over `node`."""
        access = FILE_READ_DATA | FILE_WRITE_DATA
        p = OpenParameters(opened.path, opened.token, access, 0, c.FILE_OPEN, 0)
        return Open(self, node, stream, p, access, c.FILE_OPENED, None)

    async def tidy(self) -> None:
        """Let the backend remove some of what was left behind; see `Backend.tidy`."""
        await self.backend.tidy()

    def opens_below(self, path: tuple[str, ...]) -> list[Open]:
        """Return the opens of anything inside of the directory at `path`."""
        depth = len(path)
        return [o for o in self.opens if not o.closed and len(o.node.path) > depth and o.node.path[:depth] == path]

    # -- oplocks --
    def grant_oplock(
        self, opened: Open, level: OplockLevel, caching: Caching, listener: BreakListener, key: bytes | None
    ) -> OplockGrant:
        """Grant an oplock as far as configuration and others allow  [MS-FSA 2.1.5.18]."""
        granular = level == OplockLevel.GRANULAR
        if not (self.config.leases if granular else self.config.oplocks) or level == OplockLevel.NONE:
            return OplockGrant(OplockLevel.NONE)
        wanted = int(caching)
        if opened.is_directory:
            if not granular:
                return OplockGrant(OplockLevel.NONE)
            wanted &= ~int(Caching.WRITE)
            if wanted and not self._observes(opened):
                return OplockGrant(OplockLevel.NONE)
        stream = opened.stream_state
        oplocks = stream.ensure_oplocks(self.clock, self.config.break_timeout)
        locked = stream.ranges is not None and bool(stream.ranges.ranges)
        guards = self.config.guards_caching and not opened.is_directory
        if guards and not opened.stream and not oplocks.guarded(opened.node):
            if not granular:
                return OplockGrant(OplockLevel.NONE)
            wanted = 0
        grant = oplocks.request(
            opened, level, wanted, listener, key, stream.opens, has_byte_ranges=locked, beside_writers=not guards
        )
        if guards:
            oplocks.relax()
        if opened.is_directory and grant.caching:
            self._directory_oplocks[opened.node.path] = stream
        return grant

    def _observes(self, opened: Open) -> bool:
        """See to it that what others do in a directory ends the caches of it; False where that cannot be had."""
        stream = opened.stream_state
        if stream not in self._observations:
            try:
                self._observations[stream] = self.local.observe(opened.node.path, tree=False)
            except NtError:
                return False
        return True

    def drop_oplock(self, opened: Open) -> None:
        """End what `opened`, which is unregistered, held."""
        oplocks = opened.stream_state.oplocks
        if oplocks is None:
            return
        oplocks.release(opened)
        if opened.is_directory and not oplocks.holders:
            path, stream = opened.node.path, opened.stream_state
            if self._directory_oplocks.get(path) is stream:  # and not of a new directory of that name
                del self._directory_oplocks[path]
            self.local.end(self._observations.pop(stream, None))

    # -- telling of changes --
    @property
    def observed(self) -> bool:
        """Whether anybody watches or caches a directory, so that changes have to be told."""
        return bool(self.notifier) or bool(self._directory_oplocks)

    def changed(
        self,
        changes: list[notify.Change],
        change_filter: int,
        key: bytes | None,
        *,
        local: bool = False,
        leases: bool = True,
    ) -> None:
        """Tell watchers and holders of directory leases that `changes` happened together.

        key  who caused them;  local  another process did, not we;  leases  False spares directory leases
        """
        if self.local.active and not local:
            self.local.expect(changes)
        if self.notifier:
            self.notifier.report(changes, change_filter)
        if leases and self._directory_oplocks:
            for parent in {path[:-1] for _, path, _ in changes if path}:
                stream = self._directory_oplocks.get(parent)
                if stream is not None and stream.oplocks is not None:
                    stream.oplocks.break_read_caching(key)

    def name_changed(self, path: tuple[str, ...], directory: bool, action: int, key: bytes | None) -> None:
        """Tell that a name came or went."""
        self.changes += 1
        if self.observed:
            self.changed([(action, path, "")], notify.DIR_NAME if directory else notify.FILE_NAME, key)

    def entry_changed(self, opened: Open, action: int) -> None:
        """Tell that the file of `opened` came or went."""
        directory = opened.is_directory
        self.name_changed(opened.node.path, directory, action, opened.parent_oplock_key)

    def content_changed(self, opened: Open, change_filter: int, *, leases: bool = True) -> None:
        """Tell that data or metadata behind `opened` changed; see `changed`."""
        if not self.observed:
            return
        stream = opened.node.stream
        if not stream:
            change = (notify.MODIFIED, opened.node.path, "")
            self.changed([change], change_filter, opened.parent_oplock_key, leases=leases)
            return
        if change_filter & notify.LAST_WRITE:
            change_filter |= notify.STREAM_WRITE
        if change_filter & notify.SIZE:
            change_filter |= notify.STREAM_SIZE
        change_filter &= ~(notify.LAST_WRITE | notify.SIZE)
        change = (notify.MODIFIED_STREAM, opened.node.path, f":{stream}:$DATA")
        self.changed([change], change_filter, opened.parent_oplock_key, leases=leases)

    def report(self, opened: Open, action: int, change_filter: int) -> None:
        """Tell that the stream of `opened` came or went."""
        self.changes += 1
        if self.observed:
            change = (action, opened.node.path, f":{opened.node.stream}:$DATA")
            self.changed([change], change_filter, opened.parent_oplock_key)

    def lost_track(self) -> None:
        """Let everybody who watches or caches a directory list it anew: others changed who knows what."""
        self.changes += 1
        self.notifier.overflow()
        for stream in list(self._directory_oplocks.values()):
            if stream.oplocks is not None:
                stream.oplocks.break_read_caching(None)

    def directory_moved(self, old: tuple[str, ...], new: tuple[str, ...]) -> None:
        """Let watches, leases and what is being put into it follow a renamed directory."""
        depth = len(old)
        for node in self.passing:
            if node.path[:depth] == old:
                node.path = new + node.path[depth:]  # type: ignore[misc]  # a slot of every implementation
        self.notifier.moved(old, new)
        stream = self._directory_oplocks.pop(old, None)
        if stream is not None:
            self._directory_oplocks[new] = stream

    # -- what listings and queries show --
    def hidden_mark(self, name: str) -> int:
        """Return HIDDEN for names that the share hides."""
        if self.config.hide_dot_files and name.startswith("."):
            return FILE_ATTRIBUTE_HIDDEN
        return FILE_ATTRIBUTE_HIDDEN if any(pattern.matches(name) for pattern in self._hidden) else 0

    def marked(self, path: tuple[str, ...], info: NodeInfo) -> NodeInfo:
        """Return `info` as clients see it."""
        if self.marks_hidden and path:
            info.attributes |= self.hidden_mark(path[-1])
        return info

    # -- the volume itself --
    def set_space_rules(self, rules: SpaceRules) -> None:
        """Install other rules of space; what is open goes on. Counting begins or ends with them."""
        self.config = replace(self.config, space=rules)
        space = self.space
        if space is not None and rules.counts:
            space.rules = rules
        elif rules.counts:
            self.space = Space(self, rules)
            self.space.begin()
        elif space is not None:
            self.space = None
            space.stop()
            for opened in self.opens:
                opened.stream_state.charge = None

    def volume_info(self) -> VolumeInfo:
        """Return the facts of the volume with current space."""
        return self.backend.volume_info()

    def query_fs_information(self, info_class: int, max_length: int, token: Token | None = None) -> bytes:
        """Return a file system information structure; see `fs_information.query`."""
        return fs_information.query(self, info_class, max_length, token)

    async def set_fs_information(self, opened: Open, info_class: int, data: bytes | memoryview) -> None:
        """Apply a file system information structure; see `fs_information.set_information`."""
        await fs_information.set_information(self, opened, info_class, bytes(data))
