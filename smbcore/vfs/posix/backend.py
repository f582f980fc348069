"""A volume on a directory of a POSIX file system.

Theory of operation. Everything is relative to the descriptor of the share's root; `openat2.py` sees to it that no path
leaves it. `open` tries the names as they are spelled with one call and takes one fstat; only what is not found that way
is looked up component by component in the directories' indexes (`directory.py`). What NT keeps and POSIX has no place
for is in extended attributes (`xattr.py`), or beside the files in the side store (`store.py`, `streams.py`).

A symbolic link on the way is never followed. One at the end that stays in the volume is resolved here, by its text, and
opened like any other path, so a race with a swapped link ends at a refusal, not outside.
"""

from __future__ import annotations

import asyncio
import errno
import os
import stat
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from smbcore.fsa.backend import Backend, Check, LocalChange, Node, Observation, Survey, VolumeInfo, unchecked
from smbcore.nt.status import NtError, Status
from smbcore.vfs.common import MAX_LINK_HOPS, link_target
from smbcore.vfs.posix import changes, names, probe, snapshots, xattr
from smbcore.vfs.posix.claims import Claims
from smbcore.vfs.posix.devices import Devices
from smbcore.vfs.posix.directory import LARGE, DirectoryIndex, DirectoryIndexes, NameChange, Scan
from smbcore.vfs.posix.errors import nt_error
from smbcore.vfs.posix.file_ids import FileIds
from smbcore.vfs.posix.inotify import LocalObserver
from smbcore.vfs.posix.kernel import kernel_time_ns
from smbcore.vfs.posix.local_programs import LocalPrograms
from smbcore.vfs.posix.names import encode, is_reserved
from smbcore.vfs.posix.node import PosixNode
from smbcore.vfs.posix.openat2 import Resolver
from smbcore.vfs.posix.page_cache import PageCache
from smbcore.vfs.posix.pool import IoPool
from smbcore.vfs.posix.shared import SharedFiles
from smbcore.vfs.posix.store import SideStore
from smbcore.vfs.posix.streams import StreamNode, Streams
from smbcore.vfs.posix.survey import Walk
from smbcore.vfs.posix.sweeper import Sweeper

T = TypeVar("T")

_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY
_WRITE = os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY
_LINK = os.O_PATH
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY
_ALL_ONES = 0xFFFF_FFFF_FFFF_FFFF
_SCANS = 2
"""Tries to scan a directory while nothing changes it."""
_SNAPSHOT_WORKERS = 1


class PosixBackend(Backend):
    """One share's directory as a volume.

    root            the directory; followed if it is a link, everything below is not. A descriptor is taken over
    label           what clients see as the volume's name
    workers         threads for disk work
    programs        programs of this machine that take part in what clients cache; None where they do not
    case_sensitive  names match exactly only
    use_openat2     False forces the component-wise walk of old kernels
    now             the kernel's time in ns, for the trust in directory indexes

    Raises NtError: OBJECT_PATH_NOT_FOUND no such directory;  EAS_NOT_SUPPORTED the file system has no user extended
    attributes;  DEVICE_NOT_READY /proc is not mounted.
    """

    def __init__(
        self,
        root: str | os.PathLike[str] | int,
        *,
        label: str = "",
        read_only: bool = False,
        case_sensitive: bool = False,
        workers: int = 4,
        file_mode: int = 0o660,
        directory_mode: int = 0o770,
        use_openat2: bool = True,
        programs: LocalPrograms | None = None,
        now: Callable[[], int] = kernel_time_ns,
    ) -> None:
        try:
            self.root = root if isinstance(root, int) else os.open(root, _DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise NtError(Status.OBJECT_PATH_NOT_FOUND, f"share directory {root}: {error.strerror}") from error
        try:
            probe.check_support(self.root, str(root))
            facts = os.fstat(self.root)
            self.cluster_size = os.fstatvfs(self.root).f_frsize or 4096
            self._reflink = not read_only and probe.can_clone(self.root)
            self.compresses = not read_only and probe.can_compress(self.root)
            self.devices = Devices(facts.st_dev)
            self.side = SideStore(self.root, self.devices)
        except (OSError, NtError) as error:
            os.close(self.root)
            raise (nt_error(error, f"share directory {root}") if isinstance(error, OSError) else error) from error
        self.device = facts.st_dev
        self._serial = zlib.crc32(b"%d:%d" % (os.fstatvfs(self.root).f_fsid, facts.st_ino))
        self._label = label or Path(f"/proc/self/fd/{self.root}").readlink().name
        self._creation_time = xattr.birth_of(self.root, facts)
        self._resolver = Resolver(self.root, use_openat2=use_openat2)
        self.read_only = read_only
        self.case_sensitive = case_sensitive
        self.file_mode = file_mode
        self.directory_mode = directory_mode
        self.pool = IoPool(workers)
        self._survey_pool = IoPool(1)  # a count takes long, and is not to keep others waiting
        self.page_cache = PageCache()
        self.xattrs = xattr.XattrStore(self.side, now=now)
        self.indexes = DirectoryIndexes(now=now)
        self.ids = FileIds(self.pool, self.open_directory, self.file_id)
        self.streams = Streams(self)
        self.sweeper = Sweeper(self.side, self.pool)
        self.shared = None if programs is None else SharedFiles(self._resolver, programs)
        self.claims = Claims(self.shared)
        self._observer: LocalObserver | None = None

    # -- opening --
    async def open(self, path: Sequence[str], *, writable: bool = False, follow: bool = True) -> Node:
        at = tuple(path)
        flags = _WRITE if writable and not self.read_only else _READ
        for _ in range(MAX_LINK_HOPS):
            try:
                node = self._open_exact(at, flags)
            except FileNotFoundError:
                at = await self._find(at)
                try:
                    node = self._open_exact(at, flags)
                except OSError as error:
                    raise nt_error(error, "/".join(at)) from error
            except OSError as error:
                raise nt_error(error, "/".join(at)) from error
            if not node.is_link or not follow:
                return node
            at = self._leads_to(node)
        raise NtError(Status.STOPPED_ON_SYMLINK, "/".join(at))

    async def open_by_id(self, file_id: int) -> Node:
        if file_id in (0, _ALL_ONES):
            raise NtError(Status.INVALID_PARAMETER, "no file has this id")
        if file_id == self.file_id(self.device, os.fstat(self.root).st_ino):
            return await self.open(())
        node = self._open_if(self.ids.known(file_id), file_id)
        if node is None:
            try:
                node = self._open_if(await self.ids.find(file_id), file_id)
            except OSError as error:
                raise nt_error(error, "look for a file by its id") from error
        if node is None:
            raise NtError(Status.OBJECT_NAME_NOT_FOUND, f"no file with id {file_id:#x}")
        return node

    def open_raw(self, path: bytes, flags: int) -> int:
        """Open what is at `path` as the store spells it; may run in the pool. Raises OSError, NtError."""
        return self._resolver.open(path, flags)

    def open_directory(self, path: Sequence[str]) -> int:
        """Open a directory by its real names; the caller closes the descriptor. Raises OSError, NtError."""
        return self._resolver.open(_joined(path), _DIRECTORY)

    # -- changes of names: see changes.py --
    async def create(
        self, parent: Node, name: str, *, directory: bool, attributes: int = 0, security: bytes | None = None
    ) -> Node:
        into = self._own(parent)
        return await changes.create(self, into, name, directory=directory, attributes=attributes, security=security)

    async def rename(self, node: Node, new_parent: Node, name: str, *, replace: bool, check: Check = unchecked) -> None:
        await changes.rename(self, self._own(node), self._own(new_parent), name, replace=replace, check=check)

    async def rename_stream(self, node: Node, name: str, *, replace: bool) -> None:
        if not isinstance(node, StreamNode):
            raise NtError(Status.INVALID_PARAMETER, "not a stream")
        self.streams.rename(node, name, replace=replace)

    async def link(self, node: Node, new_parent: Node, name: str, *, replace: bool, check: Check = unchecked) -> None:
        await changes.link(self, self._own(node), self._own(new_parent), name, replace=replace, check=check)

    async def remove(self, node: Node) -> None:
        if isinstance(node, StreamNode):
            self.streams.remove(node)
            return
        changes.remove(self, self._own(node))

    async def is_empty(self, node: Node) -> bool:
        own = self._own(node)
        try:
            with os.scandir(b"/proc/self/fd/%d" % own.descriptor) as listed:
                return all(is_reserved(names.decode(entry.name)) for entry in listed)
        except FileNotFoundError:
            return True
        except OSError as error:
            raise nt_error(error, "look into directory") from error

    # -- the volume --
    def volume_info(self) -> VolumeInfo:
        try:
            space = os.fstatvfs(self.root)
        except OSError as error:
            raise nt_error(error, "volume") from error
        unit = space.f_frsize
        return VolumeInfo(
            label=self._label,
            serial=self._serial,
            volume_id=(self._serial << 32) | (space.f_fsid & 0xFFFF_FFFF),
            creation_time=self._creation_time,
            total=space.f_blocks * unit,
            free=space.f_bfree * unit,
            available=space.f_bavail * unit,
            cluster_size=self.cluster_size,
            sector_size=512,
            supports_reflink=self._reflink,
            supports_compression=self.compresses,
            case_sensitive=self.case_sensitive,
            read_only=self.read_only or bool(space.f_flag & os.ST_RDONLY),
        )

    # -- snapshots --
    snapshot_folder = snapshots.FOLDER

    async def survey(self) -> Survey:
        walk = Walk(self, (names.STREAM_STORE.encode(), self.snapshot_folder.encode()))
        work = asyncio.ensure_future(self._survey_pool.run(walk.run))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            walk.stop.set()
            await asyncio.wait([work])
            raise
        except OSError as error:
            raise nt_error(error, "count the files") from error

    async def in_background(self, work: Callable[[], T]) -> T:
        return await self._survey_pool.run(work)

    def snapshots(self) -> list[int]:
        try:
            return sorted(snapshots.find(self.root), reverse=True)
        except OSError as error:
            raise nt_error(error, "snapshots") from error

    def open_snapshot(self, time: int) -> Backend:
        try:
            way = snapshots.find(self.root).get(time)
            if way is None:
                raise NtError(Status.OBJECT_NAME_NOT_FOUND, f"no snapshot of {time:#x}")
            root = snapshots.open_at(self.root, way)
        except OSError as error:
            raise nt_error(error, "snapshot") from error
        return PosixBackend(
            root, label=self._label, read_only=True, case_sensitive=self.case_sensitive, workers=_SNAPSHOT_WORKERS
        )

    def observe(
        self, path: tuple[str, ...], told: Callable[[list[LocalChange]], None], *, tree: bool
    ) -> Observation | None:
        if self._observer is None:
            self._observer = LocalObserver(self._resolver, told)
        return self._observer.observe(path, tree=tree)

    async def tidy(self) -> None:
        if not self.read_only:
            await self.sweeper.run()

    def close(self) -> None:
        if self.root < 0:
            return
        if self._observer is not None:
            self._observer.close()
        self.claims.close()
        # It stays open while threads use it; nobody else may from now on, for its number will be another file's.
        root, self.root = self.root, -1
        self._resolver.root = -1
        used = [descriptor for descriptor in (root, self.side.detach()) if descriptor >= 0]
        self._survey_pool.shutdown()
        self.pool.shutdown(partial(self._survey_pool.shutdown, partial(_close_all, used)))

    def secure_root(self, descriptor: bytes) -> None:
        """Give the root this security descriptor unless it has one.  Raises NtError."""
        root = PosixNode(self, os.dup(self.root), os.fstat(self.root), (), writable=False)
        try:
            if root.security() is None:
                root.set_security(descriptor)
        finally:
            root.close()

    # -- for the nodes --
    def check_writable(self) -> None:
        """Raise MEDIA_WRITE_PROTECTED on a read-only volume."""
        if self.read_only:
            raise NtError(Status.MEDIA_WRITE_PROTECTED, "the volume is read-only")

    def file_id(self, device: int, inode: int, place: int | bytes | None = None) -> int:
        """Return the 64-bit id of a file; see `Devices.file_id`."""
        return inode if device == self.device else self.devices.file_id(device, inode, place)

    async def list_directory(self, directory: int) -> tuple[list[str], DirectoryIndex]:
        """Return the names in an open directory and their index, which is kept where nothing changed meanwhile."""
        try:
            known = self.indexes.valid(os.fstat(directory))
            remembered = None if known is None else known.listing()
            if known is not None and remembered is not None:
                return remembered, known
            listed, index, status, steady = await self._scan(directory)
        except OSError as error:
            raise nt_error(error, "list directory") from error
        if steady:
            self.indexes.keep(status, index)
        return listed, index

    async def index(self, directory: int) -> DirectoryIndex:
        """Return an index of the open directory, from a scan if there is no valid one. Raises OSError."""
        found = self.indexes.valid(os.fstat(directory))
        if found is not None:
            return found
        for _ in range(_SCANS):
            _, index, status, steady = await self._scan(directory)
            if steady:
                self.indexes.keep(status, index)
                break
        return index  # where it is busy: good for this one look-up, and not kept

    def name_change(self, directory: int) -> NameChange:
        """Begin a change of names of ours in the open directory. Raises OSError."""
        return NameChange(self.indexes, directory, self.xattrs)

    def directory_moved(self, old: tuple[str, ...], new: tuple[str, ...]) -> None:
        """Let those who observe a directory that was renamed here go on observing it."""
        if self._observer is not None:
            self._observer.moved(old, new)

    def short_name(self, directory: int, name: str) -> str:
        """Return the 8.3 name of a child; scans here and now if the index is not at hand, so list first."""
        try:
            index = self.indexes.valid(os.fstat(directory))
            if index is None:
                _, index, status, steady = self.indexes.scan(directory)
                if steady:
                    self.indexes.keep(status, index)
        except OSError as error:
            raise nt_error(error, "short name") from error
        return index.short(name) or ""

    # -- helpers --
    def _own(self, node: Node) -> PosixNode:
        if not isinstance(node, PosixNode) or node.backend is not self:
            raise NtError(Status.NOT_SAME_DEVICE, "a node of another volume")
        return node

    def _open_exact(self, path: tuple[str, ...], flags: int) -> PosixNode:
        """Open `path` as it is spelled; a symbolic link at its end comes back as itself. Raises OSError, NtError."""
        joined = _joined(path)
        try:
            opener = self._resolver.open if self.shared is None else self.shared.open
            descriptor = opener(joined, flags)
        except OSError as error:
            descriptor, flags = self._open_otherwise(joined, flags, error)
        status = os.fstat(descriptor)
        kind = status.st_mode & 0o170000
        if kind not in (stat.S_IFREG, stat.S_IFDIR) and not (kind == stat.S_IFLNK and flags & os.O_PATH):
            os.close(descriptor)
            raise NtError(Status.ACCESS_DENIED, f"{path[-1]!r} is a device, FIFO or socket")
        self.ids.note(self.file_id(status.st_dev, status.st_ino, descriptor), path)
        node = PosixNode(self, descriptor, status, path, writable=flags & os.O_RDWR != 0)
        node.at_open = status
        return node

    def _open_otherwise(self, joined: bytes, flags: int, error: OSError) -> tuple[int, int]:
        """Open what refused to be opened with `flags`: a directory for writing, a symbolic link."""
        if error.errno == errno.EISDIR and flags & os.O_RDWR:
            return self._resolver.open(joined, _READ), _READ
        if error.errno == errno.ELOOP:
            link = self._resolver.open(joined, _LINK)
            if stat.S_ISLNK(os.fstat(link).st_mode):
                return link, _LINK
            os.close(link)  # a file took its place meanwhile; a descriptor of this kind would read none of it
            return self._resolver.open(joined, flags), flags
        if error.errno == errno.EXDEV:
            raise NtError(Status.OBJECT_PATH_NOT_FOUND, "the path leaves the volume") from error
        raise error

    def _leads_to(self, link: PosixNode) -> tuple[str, ...]:
        """Return where a symbolic link leads, and close its node."""
        try:
            target = os.readlink(b"", dir_fd=link.descriptor)
        except OSError as error:
            raise nt_error(error, "read link") from error
        finally:
            link.close()
        plain = (b"", b".", b"..")
        text = "/".join(part.decode() if part in plain else names.decode(part) for part in target.split(b"/"))
        leads_to = link_target(link.path, text)
        if leads_to is None:
            raise NtError(Status.STOPPED_ON_SYMLINK, "/".join(link.path))
        return leads_to

    async def _find(self, path: tuple[str, ...]) -> tuple[str, ...]:
        """Return the real names of `path`, matched in any case.

        Errors: OBJECT_NAME_NOT_FOUND, OBJECT_PATH_NOT_FOUND, STOPPED_ON_SYMLINK.
        """
        if not path:
            raise NtError(Status.OBJECT_NAME_NOT_FOUND, "the root is gone")
        parent, name = path[:-1], path[-1]
        try:
            directory = self._open_way(parent)
            if directory is None:
                parent = await self._find_way(parent)
                directory = self.open_directory(parent)
            try:
                found = None if self.case_sensitive else (await self.index(directory)).find(name)
            finally:
                os.close(directory)
        except OSError as error:
            raise _path_error(error, "/".join(parent)) from error
        if found is None:
            raise NtError(Status.OBJECT_NAME_NOT_FOUND, f"no {name!r}")
        return (*parent, found)

    def _open_way(self, parent: tuple[str, ...]) -> int | None:
        """Open a directory as it is spelled, None if it is not found so."""
        try:
            return self.open_directory(parent)
        except FileNotFoundError:
            return None
        except NtError as error:
            raise _as_path(error) from error

    async def _find_way(self, parent: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return await self._find(parent)
        except NtError as error:
            raise _as_path(error) from error

    async def _scan(self, directory: int) -> Scan:
        if os.fstat(directory).st_size < LARGE:
            return self.indexes.scan(directory)
        return await self.pool.run(self.indexes.scan, directory)

    def _open_if(self, path: tuple[str, ...] | None, file_id: int) -> Node | None:
        """Open `path` if it still is the file with this id."""
        if path is None:
            return None
        try:
            node = self._open_exact(path, _READ)
        except (OSError, NtError):
            self.ids.forget(file_id)
            return None
        device, inode = os.fstat(node.descriptor)[2], os.fstat(node.descriptor)[1]
        if self.file_id(device, inode) == file_id:
            return node
        node.close()
        return None


def open_inner_folder(base: str, name: str) -> int:
    """Open the directory `name` in `base`, made if it is missing; return the descriptor. A link is not followed.

    Raises OSError.
    """
    raw = encode(name)
    directory = os.open(base, _DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(FileExistsError):
            os.mkdir(raw, 0o770, dir_fd=directory)
        return os.open(raw, _DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    finally:
        os.close(directory)


def _close_all(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _joined(path: Sequence[str]) -> bytes:
    """Return the store's path.  Errors: OBJECT_NAME_INVALID; OBJECT_NAME_NOT_FOUND for the stream store."""
    if len(path) == 1:
        name = path[0]
        if is_reserved(name):
            raise NtError(Status.OBJECT_NAME_NOT_FOUND, "the stream store is nobody's")
        return encode(name)
    for depth, name in enumerate(path, 1):
        if is_reserved(name):
            last = depth == len(path)
            missing = Status.OBJECT_NAME_NOT_FOUND if last else Status.OBJECT_PATH_NOT_FOUND
            raise NtError(missing, "the stream store is nobody's")
    return b"/".join(map(encode, path))


def _as_path(error: NtError) -> NtError:
    """Turn "not found" about a directory on the way into "path not found"."""
    if error.status is Status.OBJECT_NAME_NOT_FOUND:
        return NtError(Status.OBJECT_PATH_NOT_FOUND, error.why)
    return error


def _path_error(error: OSError, why: str) -> NtError:
    return _as_path(nt_error(error, why))
