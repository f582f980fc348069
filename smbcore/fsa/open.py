"""One open of a file, directory or stream, and everything that is done through it  [MS-FSA 2.1.1.6, 2.1.5].

Owned by its Volume (in `volume.opens`), made by `fsa.opening`, ended by `close`. This class holds the state and the
read and write paths; the other operations live in a module each.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

from smbcore.fsa import (
    copy,
    delete,
    directory,
    fsctl,
    locking,
    notify,
    query,
    quota,
    reserved,
    security,
    set_info,
    times,
)
from smbcore.fsa.api import (
    BreakListener,
    Caching,
    FileRange,
    LockElement,
    OpenParameters,
    OplockGrant,
    OplockLevel,
)
from smbcore.fsa.backend import Look, Node, NodeInfo
from smbcore.fsa.oplock import CACHING
from smbcore.fsa.sharing import SHARED_ACCESS
from smbcore.fsa.space import counting
from smbcore.fsa.times import StickyTimes
from smbcore.nt import attributes as fa
from smbcore.nt.access import FILE_APPEND_DATA, FILE_EXECUTE, FILE_READ_DATA, FILE_WRITE_DATA
from smbcore.nt.create import FILE_DELETE_ON_CLOSE, FILE_WRITE_THROUGH
from smbcore.nt.status import NtError, Status
from smbcore.nt.token import Token

if TYPE_CHECKING:
    from smbcore.fsa.file_table import FileState, StreamState
    from smbcore.fsa.oplock import Holder
    from smbcore.fsa.volume import Volume
    from smbcore.nt.sid import Sid

_READS = FILE_READ_DATA | FILE_EXECUTE
_WRITES = FILE_WRITE_DATA | FILE_APPEND_DATA
_MAX_OFFSET = 0x7FFF_FFFF_FFFF_FFFF
_FAR = 1 << 40
_APPEND = (-1, 0xFFFF_FFFF_FFFF_FFFF)


class Open:
    """An open; see the list of methods in `smbcore.fsa.api`.

    sharing_access   what of the granted access takes part in share modes
    mode             options that FileModeInformation shows and changes
    delete_on_close  made with DELETE_ON_CLOSE, so closing it marks the file for deletion
    posix_delete     the name goes when this open closes, whoever else has the file open
    holder           the oplock or lease that this open takes part in
    reserved         its client is away and was promised that nobody gets what this open keeps from others
    extra_attributes of a file that only stands for another; it shows no times then
    sticky           times that this open set and that its own changes must not touch
    told_at_close    changes that watchers hear of when this open closes, the notify flags  [MS-FSA 2.1.5.5]
    """

    __slots__ = (
        "_fresh_at",
        "_seen",
        "actor",
        "closed",
        "create_action",
        "create_options",
        "delete_on_close",
        "ea_index",
        "enumeration",
        "extra_attributes",
        "file",
        "granted_access",
        "holder",
        "is_directory",
        "mode",
        "node",
        "oplock_key",
        "parent_oplock_key",
        "position",
        "posix_delete",
        "quota_position",
        "reserved",
        "share_access",
        "sharing_access",
        "sticky",
        "stream_state",
        "token",
        "told_at_close",
        "volume",
        "watch",
        "writes",
    )

    def __init__(
        self,
        volume: Volume,
        node: Node,
        stream: StreamState,
        p: OpenParameters,
        granted: int,
        action: int,
        seen: Look | None,
    ) -> None:
        """Register an open that was granted. `seen` is of this moment, if it is at hand."""
        self.volume = volume
        self.node = node
        self.stream_state = stream
        self.file: FileState = stream.file
        self.token = self.actor = p.token
        self.granted_access: int = granted
        self.sharing_access = granted & SHARED_ACCESS
        self.share_access = p.share_access
        options = p.create_options
        self.create_options = options
        self.mode: int = options & query.MODE_BITS
        self.create_action = action
        self.oplock_key = p.oplock_key
        self.parent_oplock_key = p.parent_oplock_key
        self.is_directory = node.is_directory
        self.delete_on_close: bool = bool(options & FILE_DELETE_ON_CLOSE)
        self.posix_delete = False
        self.reserved = False
        self.position: int = 0
        self.closed: bool = False
        self.holder: Holder | None = None
        self.sticky: StickyTimes | None = None
        self.enumeration: directory.Enumeration | None = None
        self.watch: notify.Watch | None = None
        self.ea_index = 0
        self.quota_position: Sid | None = None
        self.told_at_close = 0
        self.extra_attributes: int = 0
        self.writes = 0
        self._seen = seen
        self._fresh_at = volume.changes
        stream.file.add(self, stream)
        volume.opens.add(self)

    def __repr__(self) -> str:
        return f"<Open {self.path!r} access={self.granted_access:#x}{' closed' if self.closed else ''}>"

    # -- what it is --
    @property
    def path(self) -> str:
        """The share-relative path with backslashes, without a stream."""
        return "\\".join(self.node.path)

    @property
    def stream(self) -> str:
        """The name of the named stream, "" for the main one."""
        return self.node.stream

    @property
    def file_key(self) -> Hashable:
        """What identifies the file among open ones."""
        return self.file.key

    @property
    def file_id(self) -> int:
        """The 64-bit id of the file."""
        seen = self._still_true()
        return (self.info() if seen is None else seen[0]).file_id

    @property
    def delete_pending(self) -> bool:
        """Whether the file (or stream) goes with its last open."""
        deleting = self.file.deleting
        return (deleting is not None and self.node.path in deleting) or self.stream_state.delete_pending

    @property
    def is_shared(self) -> bool:
        """Whether the file is open otherwise, too."""
        return self.file.count > 1

    @property
    def lock_count(self) -> int:
        """How many byte ranges this open holds."""
        ranges = self.stream_state.ranges
        return 0 if ranges is None else ranges.held_by(self)

    @property
    def maximal_access(self) -> int:
        """Everything that the file's descriptor grants this user, for MxAc."""
        seen = self._still_true()
        descriptor = self.node.security() if seen is None else seen[1]
        maximum = self.volume.security.maximal_access(descriptor, self.token)
        return maximum & self.volume.readable_access if self.volume.read_only else maximum

    def held_ranges(self) -> list[tuple[int, int, bool]]:
        """Return the byte ranges that this open holds, as (offset, length, exclusive) in the order of locking."""
        ranges = self.stream_state.ranges
        if ranges is None:
            return []
        return [(r.offset, r.end - r.offset, r.exclusive) for r in ranges.ranges if r.owner is self]

    def check_access(self, needed: int) -> None:
        """Raise ACCESS_DENIED unless all of `needed` was granted."""
        if needed & ~self.granted_access:
            raise NtError(Status.ACCESS_DENIED, f"{self.path!r} needs {needed:#x}, has {self.granted_access:#x}")

    def check_writable_volume(self) -> None:
        """Raise MEDIA_WRITE_PROTECTED on a read-only volume."""
        if self.volume.read_only:
            raise NtError(Status.MEDIA_WRITE_PROTECTED, self.path)

    # -- metadata --
    def info(self) -> NodeInfo:
        """Return fresh metadata; attributes without NORMAL, sizes of the stream."""
        seen = self._still_true()
        if seen is not None:
            self._seen = None  # good for the reply to the open, too old for any later request
            if not self.node.stream:
                return self._shown(seen[0])
        return self._shown(self.node.info())

    def closing_info(self) -> NodeInfo:
        """Return metadata as they will be when this open is closed."""
        if self.file.delayed is not None and self.writes:
            self.file.delayed.settle_at_close()
        return self.info()

    def _shown(self, info: NodeInfo) -> NodeInfo:
        if self.file.delayed is not None:
            info.last_write_time = self.file.delayed.shown
        if self.extra_attributes:
            info.attributes |= self.extra_attributes
            info.creation_time = info.last_access_time = info.last_write_time = info.change_time = 0
        volume = self.volume
        return volume.marked(self.node.path, info) if volume.marks_hidden else info

    def forget_info(self) -> None:
        """Note that metadata changed: nothing kept at hand is fresh any more."""
        self._seen = None
        self.volume.changes += 1

    def saw(self, seen: Look) -> None:
        """Keep what was seen of the file at this moment, for the reply to the open."""
        self._seen = seen
        self._fresh_at = self.volume.changes

    def _still_true(self) -> Look | None:
        """Return what opening saw, while nobody asked for metadata since and nothing changed on the volume."""
        return self._seen if self._fresh_at == self.volume.changes else None

    # -- data --
    async def read_into(self, offset: int, view: memoryview) -> int:
        """Fill `view` from `offset`; return the bytes read  [MS-FSA 2.1.5.3].

        Errors: ACCESS_DENIED;  END_OF_FILE nothing is there (unless nothing is asked for);  FILE_LOCK_CONFLICT;
                INVALID_PARAMETER a negative offset;  INVALID_DEVICE_REQUEST a directory.
        """
        length = len(view)
        self._check_read(offset, length)
        if not length:
            return 0
        ranges = self.stream_state.ranges
        if ranges is not None and ranges.ranges:
            ranges.check_read(self, offset, length)
        count = await self.node.read_into(offset, view)
        if not count:
            raise NtError(Status.END_OF_FILE, f"read at {offset:#x}")
        self.position = offset + count
        if self.sticky is not None:
            self.sticky.after_read(self.node)
        return count

    def range_to_send(self, offset: int, length: int) -> FileRange | None:
        """Return `length` (> 0) bytes at `offset` for sending them without a copy.

        None where only `read_into` can tell what there is to read: near the end, beside locked ranges, from a cold
        disk, where times have to be kept still. Errors as `read_into`.
        """
        self._check_read(offset, length)
        handle = self.transfer_descriptor() if self.sticky is None else None
        if handle is None or not self.node.can_send(offset, length):
            return None
        return FileRange(handle, offset, length)

    def _check_read(self, offset: int, length: int) -> None:
        if not self.granted_access & _READS:
            raise NtError(Status.ACCESS_DENIED, f"reading {self.path!r}")
        if self.is_directory:
            raise NtError(Status.INVALID_DEVICE_REQUEST, "reading a directory")
        if not 0 <= offset <= _MAX_OFFSET - length:
            raise NtError(Status.INVALID_PARAMETER, f"read at {offset:#x}")

    async def write(self, offset: int, data: bytes | memoryview, write_through: bool = False) -> int:
        """Write `data` at `offset`; return the bytes written  [MS-FSA 2.1.5.4].

        offset  -1 (or 2**64-1) appends, for an open that may only append
        Errors: ACCESS_DENIED;  FILE_LOCK_CONFLICT;  INVALID_PARAMETER;  INVALID_DEVICE_REQUEST;  those of the backend.
        """
        space = self.volume.space
        if space is not None and not space.counted:
            space = await counting(self.volume)
        if not self.granted_access & FILE_WRITE_DATA:
            offset = self._append_offset(offset)
        if self.is_directory:
            raise NtError(Status.INVALID_DEVICE_REQUEST, "writing a directory")
        length = len(data)
        if not 0 <= offset <= _MAX_OFFSET - length:
            raise NtError(Status.INVALID_PARAMETER, f"write at {offset:#x}")
        if not length:
            return 0
        if offset >= _FAR:
            self._check_room(offset + length)
        stream = self.stream_state
        if stream.ranges is not None and stream.ranges.ranges:
            stream.ranges.check_write(self, offset, length)
        oplocks = stream.oplocks
        if oplocks is not None and oplocks.holders:
            oplocks.break_all(self, self.oplock_key)
            if oplocks.settling:
                await oplocks.settled()
                return await self.write(offset, data, write_through)  # whatever was checked may have changed
        if not self.file.archive_known:
            self.set_archive()
        if self.volume.delays_write_time:
            times.before_write(self)
        count = await (self.node.write(offset, data) if space is None else space.write(self, offset, data))
        self.position = offset + count
        self.after_write()
        if write_through or self.mode & FILE_WRITE_THROUGH:
            await self.node.flush()
        return count

    def _check_room(self, end: int) -> None:
        """Refuse what could not be stored, before a store that makes holes everywhere accepts it  [MS-FSA 2.1.5.4].

        Errors: INVALID_PARAMETER beyond the largest file;  DISK_FULL more than there is, for a file that is not sparse.
        """
        if end > self.volume.config.max_file_size:
            raise NtError(Status.INVALID_PARAMETER, f"a file of {end:#x} bytes")
        info = self.node.info()
        grows = end - info.end_of_file
        if not info.attributes & fa.FILE_ATTRIBUTE_SPARSE_FILE and grows > self.volume.volume_info().available:
            raise NtError(Status.DISK_FULL, f"growing by {grows} bytes")

    def _append_offset(self, offset: int) -> int:
        """Return where an open that may only append writes."""
        if not self.granted_access & FILE_APPEND_DATA:
            raise NtError(Status.ACCESS_DENIED, f"writing {self.path!r}")
        end = self.node.info().end_of_file
        if offset in _APPEND:
            return end
        if offset < end:
            raise NtError(Status.ACCESS_DENIED, f"append-only, {offset:#x} is before the end")
        return offset

    async def prepare_change(self) -> None:
        """Do what precedes a change of the data: break caches of others, set ARCHIVE."""
        oplocks = self.stream_state.oplocks
        if oplocks is not None and oplocks.holders:
            await oplocks.break_all_first(self, self.oplock_key)
        if not self.file.archive_known:
            self.set_archive()

    def after_write(self) -> None:
        """Keep sticky times, tell watchers; called after every change of the data through this open."""
        volume = self.volume
        volume.changes += 1
        self.writes += 1
        if self.sticky is not None:
            self.sticky.after_write(self.node)
        if volume.observed:
            volume.local.touched(self.node.path)
            if self.writes == 1:
                volume.content_changed(self, notify.LAST_WRITE, leases=False)  # those follow at the close

    def set_archive(self) -> None:
        """Set ARCHIVE before the first change of the data  [MS-FSA 2.1.5.4]."""
        attributes = self.node.info().attributes
        if not attributes & fa.FILE_ATTRIBUTE_ARCHIVE:
            self.node.set_attributes(attributes & set_info.STORED | fa.FILE_ATTRIBUTE_ARCHIVE)
        self.file.archive_known = True

    async def flush(self) -> None:
        """Return when the data is on stable storage  [MS-FSA 2.1.5.7].

        Errors: ACCESS_DENIED unless open for writing.
        """
        if not self.granted_access & _WRITES:
            raise NtError(Status.ACCESS_DENIED, f"flushing {self.path!r}")
        await self.node.flush()
        times.settle_write_time(self)

    def transfer_descriptor(self) -> int | None:
        """Return an OS handle to send main data from, None where there is none or ranges are locked."""
        if self.node.stream or (self.stream_state.ranges is not None and self.stream_state.ranges.ranges):
            return None
        return self.node.transfer_descriptor()

    # -- byte ranges --
    async def lock(self, elements: list[LockElement], *, fail_immediately: bool) -> None:
        """Lock all of `elements` or none; see `locking.lock`."""
        await locking.lock(self, elements, fail_immediately=fail_immediately)

    def unlock(self, elements: list[LockElement]) -> None:
        """Unlock `elements` in order; see `locking.unlock`."""
        locking.unlock(self, elements)

    # -- information --
    def query_information(self, info_class: int, max_length: int, *, position: int = 0) -> bytes:
        """Return an information structure; see `query.query_information`."""
        return query.query_information(self, info_class, max_length, position=position)

    async def set_information(self, info_class: int, data: bytes | memoryview) -> None:
        """Apply an information structure; see `set_info.set_information`."""
        await set_info.set_information(self, info_class, bytes(data))

    def query_security(self, security_information: int) -> bytes:
        """Return parts of the descriptor; see `security.query`."""
        return security.query(self, security_information)

    def set_security(self, security_information: int, data: bytes | memoryview) -> None:
        """Change parts of the descriptor; see `security.change`."""
        security.change(self, security_information, bytes(data))

    def query_extended_attributes(
        self, names: list[bytes] | None, max_length: int, restart: bool = False, single: bool = False, index: int = 0
    ) -> bytes:
        """Return FILE_FULL_EA_INFORMATION entries; see `query.query_extended_attributes`."""
        return query.query_extended_attributes(self, names, max_length, restart=restart, single=single, index=index)

    async def query_quota(self, scan: quota.QuotaScan, max_length: int) -> bytes:
        """Return FILE_QUOTA_INFORMATION entries; see `quota.query`."""
        return await quota.query(self, scan, max_length)

    async def set_quota(self, data: bytes | memoryview) -> None:
        """Set what users may take; see `quota.set_entries`."""
        await quota.set_entries(self, bytes(data))

    # -- directories --
    async def query_directory(
        self,
        info_class: int,
        pattern: str,
        max_length: int,
        *,
        restart: bool = False,
        reopen: bool = False,
        single: bool = False,
        index: int = 0,
    ) -> bytes:
        """Return the next entries; see `directory.query_directory`."""
        return await directory.query_directory(
            self, info_class, pattern, max_length, restart=restart, reopen=reopen, single=single, index=index
        )

    async def change_notify(self, completion_filter: int, watch_tree: bool, max_length: int) -> list[notify.Event]:
        """Wait for changes in this directory; see `notify.change_notify`."""
        return await notify.change_notify(self, completion_filter, watch_tree, max_length)

    # -- control codes --
    async def fsctl(self, code: int, data: bytes | memoryview, max_output: int) -> bytes:
        """Run a file-system control; see `fsctl.run`."""
        return await fsctl.run(self, code, bytes(data), max_output)

    async def copy_chunks(
        self, source: Open, chunks: list[tuple[int, int, int]], *, require_read: bool = False
    ) -> tuple[int, int, int]:
        """Copy ranges of `source` into this open; see `copy.copy_chunks`."""
        return await copy.copy_chunks(self, source, chunks, require_read=require_read)

    async def duplicate_extents(self, source: Open, source_offset: int, offset: int, length: int) -> None:
        """Let this open share blocks of `source`; see `copy.duplicate_extents`."""
        await copy.duplicate_extents(self, source, source_offset, offset, length)

    # -- oplocks --
    @property
    def oplock(self) -> tuple[OplockLevel, Caching]:
        """What this open's oplock or lease is now."""
        holder = self.holder
        return (OplockLevel.NONE, Caching.NONE) if holder is None else (holder.level, CACHING[holder.caching])

    def request_oplock(
        self, level: OplockLevel, caching: Caching, listener: BreakListener, key: bytes | None = None
    ) -> OplockGrant:
        """Ask for an oplock or lease; grants what others allow, down to nothing  [MS-FSA 2.1.5.18]."""
        return self.volume.grant_oplock(self, level, caching, listener, key)

    def acknowledge_break(self, level: OplockLevel, caching: Caching = Caching.NONE) -> OplockGrant:
        """Answer a break  [MS-FSA 2.1.5.19]; see `Oplocks.acknowledge` for what it raises."""
        holder = self.holder
        if holder is None:
            status = Status.UNSUCCESSFUL if level == OplockLevel.GRANULAR else Status.INVALID_OPLOCK_PROTOCOL
            raise NtError(status, "no oplock held")
        return holder.oplocks.acknowledge(holder, level, int(caching))

    # -- a client that is away --
    def leave(self, listener: BreakListener, *, reserve: bool) -> None:
        """Go on without a client; see `reserved.leave`."""
        reserved.leave(self, listener, reserve=reserve)

    def rejoin(self, listener: BreakListener, token: Token) -> None:
        """The client is back; see `reserved.rejoin`."""
        reserved.rejoin(self, listener, token)

    def act_as(self, token: Token) -> None:
        """From now on requests come from the user of `token`: what is checked anew, is checked for them.

        What was granted stays granted, and privileges are those of whoever opened it, as MS-FSA has it (Open.Has...).
        A request that waits goes on for the user that it began with.
        """
        self.actor = token

    # -- the end --
    async def close(self) -> None:
        """Give everything back and run what deletion is due  [MS-FSA 2.1.5.5]. A second call does nothing."""
        if self.closed:
            return
        self.closed = True
        stream = self.stream_state
        if stream.ranges is not None:
            locking.release_all(self, stream.ranges)
        if self.watch is not None:
            self.volume.notifier.remove(self.node.path, self.watch)
            self.volume.local.end(self.watch.observation)
            self.watch.fail(Status.NOTIFY_CLEANUP)
        try:
            if self.delete_on_close or stream.delete_pending or self.file.deleting:
                await delete.on_close(self)
            elif self.told_at_close:
                self.volume.content_changed(self, self.told_at_close, leases=False)
            if stream.charge is not None and self.volume.space is not None:
                await self.volume.space.last_close(self)
        finally:
            self.discard()

    def discard(self) -> None:
        """Unregister and release the node, without any deletion."""
        self.closed = True
        stream = self.stream_state
        volume = self.volume
        volume.opens.discard(self)
        times.writer_closes(self)
        if stream.charge is not None and volume.space is not None:
            volume.space.closing(self)
        stream.changed += self.writes
        self.file.remove(self, stream)
        if self.reserved:
            reserved.release(self)
        if stream.oplocks is not None:
            volume.drop_oplock(self)
        if self.writes and volume.observed:
            volume.content_changed(self, notify.LAST_WRITE | notify.SIZE if self.writes > 1 else 0)
        self.node.close()

    async def undo_creation(self) -> None:
        """Take back a file that was created for this open, because giving it what was asked for failed; one that
        somebody else has open by now stays.
        """
        self.delete_on_close = not self.is_shared
        if self.node.stream and not self.is_shared:
            self.file.deleting = {self.node.path}
        await self.close()
