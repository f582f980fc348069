"""What the file-system layer needs from below: the interface every volume backend implements.

A backend stores bytes, names and small per-file metadata; it knows nothing of share modes, oplocks, locks, access
checks or pending deletes (FSA has done all that before it calls down). Two implementations exist: `smbcore.vfs.posix`
and `smbcore.vfs.memory`; `smbcore.vfs.faulty` wraps either and injects errors.

Lock order and threads: every method is called on the event-loop thread. Methods that are plain `def` never wait for a
disk longer than a metadata look-up of a cached inode; `async def` methods may hand work to the I/O pool, and return
without suspending when the data is at hand.

Names are `str` components in the spelling of the caller; matching is case-insensitive, case-preserving unless the
volume says otherwise. Times are FILETIME (100 ns since 1601). Offsets and lengths are bytes from the start of the
stream.

Every method raises NtError and nothing else. Common to all: DISK_FULL (ENOSPC), QUOTA_EXCEEDED (EDQUOT),
MEDIA_WRITE_PROTECTED (EROFS), IO_DEVICE_ERROR (EIO), FILE_INVALID (ESTALE), ACCESS_DENIED (EACCES, EPERM),
TOO_MANY_OPENED_FILES (EMFILE, ENFILE); see `smbcore/vfs/posix/errors.py` for the table.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from smbcore.nt.status import NtError, Status

T = TypeVar("T")


@dataclass(slots=True)
class NodeInfo:
    """Metadata of one file or directory, as of one moment.

    file_id            64-bit, unique in the volume, stable while the file lives, never 0 or 2**64-1
    attributes         FILE_ATTRIBUTE_* without NORMAL; DIRECTORY set for directories; 0 for a plain file
    end_of_file        bytes (0 for directories);  allocation_size  bytes really allocated, multiple of the cluster
    number_of_links    hard links;  ea_size bytes of extended attributes as FileEaInformation counts them
    reparse_tag        IO_REPARSE_TAG_* or 0
    """

    file_id: int
    attributes: int
    end_of_file: int
    allocation_size: int
    number_of_links: int
    creation_time: int
    last_access_time: int
    last_write_time: int
    change_time: int
    ea_size: int = 0
    reparse_tag: int = 0


@dataclass(slots=True)
class StreamInfo:
    """One named data stream (`name` without colons or type)."""

    name: str
    end_of_file: int
    allocation_size: int


@dataclass(slots=True)
class VolumeInfo:
    """Static and space facts of a volume; sizes in bytes, `serial` 32 bits, `volume_id` 64 bits."""

    label: str
    serial: int
    volume_id: int
    creation_time: int
    total: int
    free: int
    available: int
    cluster_size: int
    sector_size: int
    supports_streams: bool = True
    supports_sparse: bool = True
    supports_reflink: bool = False
    supports_compression: bool = False
    case_sensitive: bool = False
    read_only: bool = False


class Survey:
    """What every file of a volume takes, by who owns it; compact, for there may be millions of files.

    Sizes are what `size_of` makes of the ends of the data streams, whether or not blocks are behind all of it. A file
    with several links counts once.
    """

    __slots__ = ("_ids", "_owner_numbers", "_owners", "_sizes", "cluster")

    def __init__(self, cluster: int) -> None:
        """Begin with nothing; `cluster` is the unit of sizes in bytes."""
        self.cluster = cluster
        self._ids = array("Q")
        self._sizes = array("Q")
        self._owner_numbers = array("L")
        self._owners: dict[bytes | None, int] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def size_of(self, end_of_file: int) -> int:
        """Return what a stream of this many bytes takes: whole clusters."""
        return -(-end_of_file // self.cluster) * self.cluster

    def add(self, file_id: int, size: int, owner: bytes | None) -> None:
        """Count a file that takes `size` bytes; `owner` is a SID as bytes, None where the file names none."""
        self._ids.append(file_id)
        self._sizes.append(size)
        self._owner_numbers.append(self._owners.setdefault(owner, len(self._owners)))

    def totals(self, without: Collection[int] = ()) -> dict[bytes | None, int]:
        """Return the bytes by owner, files of the ids `without` left out. A moment's work for a million files."""
        sums = [0] * len(self._owners)
        for file_id, size, number in zip(self._ids, self._sizes, self._owner_numbers, strict=True):
            if file_id not in without:
                sums[number] += size
        return dict(zip(self._owners, sums, strict=True))


Look = tuple[NodeInfo, bytes | None]
"""Metadata and security descriptor of one moment."""


@dataclass(slots=True, eq=False)
class LocalChange:
    """A change in an observed directory, made by whatever process.

    action           ADDED, REMOVED or MODIFIED;  path  real names from the volume's root
    attributes_only  MODIFIED: not the data
    renamed_to       REMOVED: it has this path now, which is observed too
    """

    ADDED: ClassVar = 1
    REMOVED: ClassVar = 2
    MODIFIED: ClassVar = 3

    action: int
    path: tuple[str, ...]
    is_directory: bool
    attributes_only: bool = False
    renamed_to: tuple[str, ...] | None = None


class Observation(ABC):
    """An observed directory or tree."""

    __slots__ = ()

    @abstractmethod
    def close(self) -> None:
        """Observe it no more. Idempotent; raises nothing."""


class HeldOutsideError(NtError):
    """A program outside of this server has to let go of the file first; it was asked to, and trying again may help."""


class Guard(ABC):
    """What keeps programs outside of this server from a file, see `Node.guard`."""

    __slots__ = ()

    @abstractmethod
    def release(self) -> None:
        """Let everybody have the file; whoever waits for it goes on. Idempotent; raises nothing."""


CLAIM_NONE, CLAIM_SHARED, CLAIM_EXCLUSIVE = range(3)
"""How a range of a file is claimed, see `Node.claim`."""


class Node(ABC):
    """A file, directory or named stream that is open in the backend. Owned by one FSA open, closed exactly once.

    key    identifies the *file* (not the stream) while any node of it is open: equal keys, same file
    path   real names from the volume's root to this node's link; () is the root. The backend updates it in `rename`;
           FSA updates it (`node.path = …`) on the other nodes that a rename moved.
    stream name of the named stream, "" for the main data stream or a directory
    """

    __slots__ = ()
    key: Hashable
    path: tuple[str, ...]
    stream: str
    is_directory: bool

    # -- metadata of the file (for a stream node too: the file that carries it) --
    @abstractmethod
    def info(self) -> NodeInfo:
        """Return fresh metadata; for a stream node the sizes are the stream's. One fstat and cached attributes."""

    def look(self) -> Look:
        """Return metadata and security descriptor of one moment; the first look at a node that was just opened may be
        what opening saw. As `info` and `security` otherwise.
        """
        return self.info(), self.security()

    @abstractmethod
    def set_times(
        self,
        *,
        creation: int | None = None,
        last_access: int | None = None,
        last_write: int | None = None,
        change: int | None = None,
    ) -> None:
        """Set the given times (None leaves one as it is). `change` is kept where the store can (xattr) else ignored."""

    @abstractmethod
    def set_attributes(self, attributes: int) -> None:
        """Store the settable FILE_ATTRIBUTE_* bits (READONLY HIDDEN SYSTEM ARCHIVE TEMPORARY OFFLINE
        NOT_CONTENT_INDEXED SPARSE_FILE COMPRESSED …); 0 clears all. A volume that supports compression compresses what
        is written from then on to a file with COMPRESSED.
        """

    @abstractmethod
    def security(self) -> bytes | None:
        """Return the stored self-relative security descriptor, None where the file has none.

        Returns the identical object while it did not change, so that callers may cache by it.
        """

    @abstractmethod
    def set_security(self, descriptor: bytes) -> None:
        """Store the self-relative security descriptor."""

    @abstractmethod
    def extended_attributes(self) -> dict[bytes, bytes]:
        """Return the EAs (names as stored, upper case ASCII)."""

    @abstractmethod
    def set_extended_attribute(self, name: bytes, value: bytes) -> None:
        """Set one EA; an empty value removes it.  Errors: EA_TOO_LARGE."""

    @abstractmethod
    def object_metadata(self, name: str) -> bytes | None:
        """Return a small private value kept with the file (object id, reparse data …), None if absent."""

    @abstractmethod
    def set_object_metadata(self, name: str, value: bytes | None) -> None:
        """Keep or (None) remove a small private value, at most 16 KiB."""

    # -- data --
    @abstractmethod
    async def read_into(self, offset: int, into: memoryview) -> int:
        """Fill `into` from `offset`; return the bytes read, short only at the end of the stream."""

    @abstractmethod
    async def write(self, offset: int, data: bytes | memoryview) -> int:
        """Write all of `data` at `offset` (extends, gap reads as zeros); return len(data).

        Errors: DISK_FULL with nothing promised about the bytes of this call.  FSA has checked access and locks.
        """

    @abstractmethod
    async def flush(self) -> None:
        """Return when data and metadata of this file are on stable storage."""

    @abstractmethod
    async def set_end_of_file(self, size: int) -> None:
        """Truncate or extend (with zeros) to `size`."""

    @abstractmethod
    async def set_allocation(self, size: int) -> None:
        """Reserve space up to `size` without changing the end of file (a hint; DISK_FULL if it cannot be had)."""

    @abstractmethod
    def transfer_descriptor(self) -> int | None:
        """Return an OS handle from which the main data may be sent without copying, None where there is none."""

    def can_send(self, offset: int, length: int) -> bool:
        """Tell whether `length` (> 0) bytes at `offset` are all there and leave through `transfer_descriptor` without
        waiting for a disk. False is always a right answer.
        """
        return False

    @abstractmethod
    def main_size(self) -> int:
        """Return the end of the file's main stream, whichever stream this node is open on; 0 for a directory."""

    @abstractmethod
    async def zero_range(self, offset: int, beyond: int) -> None:
        """Make [offset, beyond) read as zeros, deallocating where possible; never extends the file."""

    @abstractmethod
    def allocated_ranges(self, offset: int, length: int) -> list[tuple[int, int]]:
        """Return allocated (offset, length) pairs inside the range, ascending."""

    @abstractmethod
    async def copy_range(
        self, source: Node, source_offset: int, offset: int, length: int, *, clone: bool = False
    ) -> int:
        """Copy (or, with `clone`, share blocks of) `length` bytes from `source`; return the bytes copied.

        Errors: with clone NOT_SUPPORTED where the store cannot share blocks.
        """

    # -- programs outside of this server --
    def guard(self, wanted: Callable[[float], None]) -> Guard | None:
        """Keep them from opening the file unnoticed, so that its content may be cached; one guard per file at a time.

        wanted  called once, on the loop thread, when one of them wants the file: it waits until `release`, but not
                longer than the seconds that are given
        None where the store cannot do it, or somebody out there has the file open. This server opens, reads and writes
        the file as before.
        """
        return None

    def claim(self, offset: int, beyond: int, kind: int) -> bool:
        """Show them that this server holds [offset, beyond) of the file: CLAIM_NONE, CLAIM_SHARED or CLAIM_EXCLUSIVE.

        The newest claim of a byte counts, whichever node it came by; CLAIM_NONE of [0, 2**64) ends all of them. Returns
        False, and nothing is claimed, where one of them holds what excludes it; taking back always succeeds.
        """
        return True

    # -- streams --
    @abstractmethod
    def streams(self) -> list[StreamInfo]:
        """Return the named streams of this file or directory (without the main stream)."""

    @abstractmethod
    def open_stream(self, name: str, *, create: bool, exclusive: bool = False) -> tuple[Node, bool]:
        """Open named stream `name` (matched case-insensitively) of this file; return (node, created).

        Errors: OBJECT_NAME_NOT_FOUND absent and not create; OBJECT_NAME_COLLISION exists and exclusive.
        """

    # -- directory --
    @abstractmethod
    async def names(self) -> list[str]:
        """Return the names in this directory (without . and ..), in an order that is stable for this listing."""

    @abstractmethod
    async def entries(self, names: Sequence[str]) -> list[tuple[str, NodeInfo]]:
        """Return metadata for `names` of this directory, in their order, leaving out those that vanished."""

    @abstractmethod
    def short_name(self, name: str) -> str:
        """Return the 8.3 name of the child `name`, "" if it has none: it is itself a valid 8.3 name, or it went."""

    @abstractmethod
    def close(self) -> None:
        """Release the node. Idempotent; raises nothing."""


Check = Callable[[Hashable | None], None]
"""Decides once more whether a name may change, by the key of the file that is replaced, None where there is none."""


def unchecked(_replaced: Hashable | None) -> None:
    """Let a name change whatever it replaces."""


class Backend(ABC):
    """One volume: a tree of files under a root that no path, link or rename can leave."""

    @abstractmethod
    async def open(self, path: Sequence[str], *, writable: bool = False, follow: bool = True) -> Node:
        """Open the existing file or directory at `path` (components; () is the root).

        writable  data will be written through the node; a node opened without it still can, at a small cost later
        follow    False opens a symbolic link itself
        Each component matches exactly first, else case-insensitively (long name, then 8.3 name).
        Errors: OBJECT_NAME_NOT_FOUND last component absent;  OBJECT_PATH_NOT_FOUND an earlier one absent or no
                directory;
                STOPPED_ON_SYMLINK a symbolic link on the way (data = encoded by FSA; `why` names it), or a link that
                leaves the volume.
        Never opens devices, FIFOs or sockets for I/O: those give ACCESS_DENIED.
        """

    @abstractmethod
    async def open_by_id(self, file_id: int) -> Node:
        """Open by 64-bit file id.  Errors: INVALID_PARAMETER, OBJECT_NAME_NOT_FOUND, NOT_SUPPORTED."""

    @abstractmethod
    async def create(
        self, parent: Node, name: str, *, directory: bool, attributes: int = 0, security: bytes | None = None
    ) -> Node:
        """Create `name` in `parent`, exclusively, with its attributes and security in place before it can be seen as
        complete; opened writable.

        Errors: OBJECT_NAME_COLLISION something of that name (in any case) exists;
                OBJECT_PATH_NOT_FOUND parent is gone.
        """

    @abstractmethod
    async def rename(self, node: Node, new_parent: Node, name: str, *, replace: bool, check: Check = unchecked) -> None:
        """Move `node` (file or directory) to `name` under `new_parent`, atomically.

        check   called right before, so that nothing suspends between that and the move; what it raises is raised
        Errors: OBJECT_NAME_COLLISION name exists and not replace;  NOT_SAME_DEVICE;  ACCESS_DENIED replace and the
                target is a directory;  OBJECT_NAME_NOT_FOUND the link of `node` is gone.
        Before: FSA has checked access, sharing and opens of a replaced target.  A change of case only is allowed.
        After:  `node` stays valid, keeps its file id, `node.path` is the new path with `name` in the caller's case.
        """

    @abstractmethod
    async def rename_stream(self, node: Node, name: str, *, replace: bool) -> None:
        """Rename the named stream `node` to `name` (not "") within its file.

        Errors: OBJECT_NAME_COLLISION name exists and not replace;  OBJECT_NAME_NOT_FOUND the stream is gone.
        """

    @abstractmethod
    async def link(self, node: Node, new_parent: Node, name: str, *, replace: bool, check: Check = unchecked) -> None:
        """Make a hard link to `node`.  `check` and errors as `rename`; FILE_IS_A_DIRECTORY; TOO_MANY_LINKS."""

    @abstractmethod
    async def remove(self, node: Node) -> None:
        """Remove the link that `node` was opened by (or the named stream that it is).

        Errors: DIRECTORY_NOT_EMPTY;  OBJECT_NAME_NOT_FOUND the name is gone or now names another file (nothing is
                removed).
        """

    @abstractmethod
    async def is_empty(self, node: Node) -> bool:
        """Tell whether the directory has no entries."""

    @abstractmethod
    def volume_info(self) -> VolumeInfo:
        """Return the volume's facts with current space."""

    @abstractmethod
    async def survey(self) -> Survey:
        """Return what the files take, the snapshots left out; looks at every one of them, in the I/O pool.

        A file that changes meanwhile is counted as it was or as it is, one that comes or goes perhaps not at all.
        """

    async def in_background(self, work: Callable[[], T]) -> T:
        """Return what `work`, which touches nothing but its own data, returns; off the loop where there are threads."""
        return work()

    snapshot_folder: str = ""
    """The name at the root below which the snapshots lie; clients can read there and nothing else. "" for none."""

    def snapshots(self) -> list[int]:
        """Return the times of the volume's snapshots, FILETIME, the newest first. Volumes without any need not know."""
        return []

    def open_snapshot(self, time: int) -> Backend:
        """Return the volume as it was at `time`, one of `snapshots`; read-only, closed by the caller.

        Errors: OBJECT_NAME_NOT_FOUND there is no such snapshot (any more).
        """
        raise NtError(Status.OBJECT_NAME_NOT_FOUND, f"no snapshot of {time:#x}")

    def observe(
        self, path: tuple[str, ...], told: Callable[[list[LocalChange]], None], *, tree: bool
    ) -> Observation | None:
        """Tell of changes in the directory at `path` (real names), or in everything below it; None where the store
        cannot know of changes that went past it.

        told  called on the loop thread, always the same function; an empty list: changes were lost
        Errors: INSUFFICIENT_RESOURCES it could know, but the system lets it observe no more;  that of a path that is
                not there.
        """
        return None

    async def tidy(self) -> None:
        """Remove some of what files left behind that were removed past this server; called now and then."""
        return

    @abstractmethod
    def close(self) -> None:
        """Release the volume; every node has been closed before."""
