"""A whole volume in memory: the reference for what a backend does, and the store that unit tests run on."""

from __future__ import annotations

import copy
import itertools
from collections import ChainMap
from collections.abc import Sequence

from smbcore.fsa.backend import Backend, Check, Node, Survey, VolumeInfo, unchecked
from smbcore.nt.attributes import FILE_ATTRIBUTE_DIRECTORY, FILE_ATTRIBUTE_NORMAL
from smbcore.nt.clock import Clock
from smbcore.nt.errors import WireError
from smbcore.nt.names import is_8dot3, stable_short_name, upcase
from smbcore.nt.security import SecurityDescriptor
from smbcore.nt.status import NtError, Status
from smbcore.vfs.common import MAX_LINK_HOPS, link_target
from smbcore.vfs.memory.data import CLUSTER
from smbcore.vfs.memory.node import MemoryNode
from smbcore.vfs.memory.objects import ROOT_ID, File, Link, Stream

_FIRST_TIME = 132_223_104_000_000_000
"""2020-01-01, where the built-in counter of a volume without a clock starts."""

_FORBIDDEN = frozenset('/\\:*?<>|"\0')


class MemoryBackend(Backend):
    """A volume that lives in this process and vanishes with it.

    clock           where times come from; without one, a counter that moves on by 100 ns with each use
    capacity        bytes for file data, DISK_FULL beyond
    case_sensitive  names match exactly only
    read_only       every change is MEDIA_WRITE_PROTECTED; may be switched at any time
    open_nodes      nodes not closed yet, for leak checks in tests
    """

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        capacity: int = 1 << 40,
        case_sensitive: bool = False,
        read_only: bool = False,
        label: str = "memory",
    ) -> None:
        self._clock = clock
        self._counter = itertools.count(_FIRST_TIME)
        self._capacity = capacity
        self._case_sensitive = case_sensitive
        self._label = label
        self._ids = itertools.count(ROOT_ID + 1)
        self._used_clusters = 0
        self.read_only = read_only
        self.open_nodes = 0
        now = self.now()
        self._root = File(ROOT_ID, True, now, 0, now, now, now)
        self._files: dict[int, File] = {ROOT_ID: self._root}
        self._snapshots: dict[int, dict[int, File]] = {}

    # -- snapshots --
    def take_snapshot(self, time: int) -> None:
        """Keep the volume as it is now as the snapshot of `time`."""
        self._snapshots[time] = copy.deepcopy(self._files)

    def snapshots(self) -> list[int]:
        return sorted(self._snapshots, reverse=True)

    def open_snapshot(self, time: int) -> Backend:
        files = self._snapshots.get(time)
        if files is None:
            raise NtError(Status.OBJECT_NAME_NOT_FOUND, f"no snapshot of {time:#x}")
        past = MemoryBackend(self._clock, case_sensitive=self._case_sensitive, read_only=True, label=self._label)
        past._files, past._root = files, files[ROOT_ID]
        return past

    # -- Backend --
    async def open(self, path: Sequence[str], *, writable: bool = False, follow: bool = True) -> Node:
        del writable  # every node of this store can write
        at = tuple(path)
        for _ in range(MAX_LINK_HOPS):
            real, file = self._walk(at)
            if file.target is None or not follow:
                return self.node(file, real, file.main)
            leads_to = link_target(real, file.target)
            if leads_to is None:
                break
            at = leads_to
        raise NtError(Status.STOPPED_ON_SYMLINK, "/".join(at))

    async def open_by_id(self, file_id: int) -> Node:
        if file_id in (0, 0xFFFF_FFFF_FFFF_FFFF):
            raise NtError(Status.INVALID_PARAMETER, "no file has this id")
        file = self._files.get(file_id)
        path = None if file is None else file.path()
        if file is None or path is None:
            raise NtError(Status.OBJECT_NAME_NOT_FOUND, f"no file with id {file_id:#x}")
        return self.node(file, path, file.main)

    async def create(
        self, parent: Node, name: str, *, directory: bool, attributes: int = 0, security: bytes | None = None
    ) -> Node:
        self.check_writable()
        into = self._directory(parent)
        if self.fold(name) in into.children or self.fold(name) in into.shorts:
            raise NtError(Status.OBJECT_NAME_COLLISION, f"{name!r} exists")
        now = self.now()
        kept = attributes & ~(FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_NORMAL)
        file = File(next(self._ids), directory, now, kept, now, now, now, None if security is None else bytes(security))
        self._files[file.file_id] = file
        self._add_link(into, name, file)
        return self.node(file, (*parent.path, name), file.main)

    async def rename(self, node: Node, new_parent: Node, name: str, *, replace: bool, check: Check = unchecked) -> None:
        self.check_writable()
        into = self._directory(new_parent)
        link = self._link_of(node)
        target = self._target(into, name, link, replace=replace)
        if self._is_below(into, link.file):
            raise NtError(Status.INVALID_PARAMETER, "a directory cannot move below itself")
        check(None if target is None else target.file.file_id)
        if target is not None:
            self._drop_link(target)
        self._detach(link)
        self._add_link(into, name, link.file)
        link.file.change_time = self.now()
        self._own(node).path = (*new_parent.path, name)

    async def rename_stream(self, node: Node, name: str, *, replace: bool) -> None:
        self.check_writable()
        own = self._own(node)
        file, stream = own.file, own.data_stream
        if file.streams.get(self.fold(stream.name)) is not stream:
            raise NtError(Status.OBJECT_NAME_NOT_FOUND, f"stream {stream.name!r} is gone")
        taken = file.streams.get(self.fold(name))
        if taken is not None and taken is not stream and not replace:
            raise NtError(Status.OBJECT_NAME_COLLISION, f"stream {name!r} exists")
        del file.streams[self.fold(stream.name)]
        if taken is not None and taken is not stream:
            self._give_clusters(taken)
        stream.name = own.stream = name
        file.streams[self.fold(name)] = stream

    async def link(self, node: Node, new_parent: Node, name: str, *, replace: bool, check: Check = unchecked) -> None:
        self.check_writable()
        if self._own(node).file.is_directory:
            raise NtError(Status.FILE_IS_A_DIRECTORY, "no hard links to directories")
        into = self._directory(new_parent)
        link = self._link_of(node)
        if into.children.get(self.fold(name)) is link:
            if replace:
                return
            raise NtError(Status.OBJECT_NAME_COLLISION, f"{name!r} exists")
        target = self._target(into, name, link, replace=replace)
        check(None if target is None else target.file.file_id)
        if target is not None:
            self._drop_link(target)
        self._add_link(into, name, link.file)
        link.file.change_time = self.now()

    async def remove(self, node: Node) -> None:
        self.check_writable()
        own = self._own(node)
        if node.stream:
            fold = self.fold(own.data_stream.name)
            if own.file.streams.get(fold) is not own.data_stream:
                raise NtError(Status.OBJECT_NAME_NOT_FOUND, f"stream {node.stream!r} is gone")
            del own.file.streams[fold]
            self._give_clusters(own.data_stream)
            return
        link = self._link_of(node)
        if link.file.children:
            raise NtError(Status.DIRECTORY_NOT_EMPTY, f"{link.name!r} has children")
        self._drop_link(link)

    async def is_empty(self, node: Node) -> bool:
        return not self._own(node).file.children

    def volume_info(self) -> VolumeInfo:
        free = max(0, self._capacity - self._used_clusters * CLUSTER)
        return VolumeInfo(
            label=self._label,
            serial=0x4D454D31,
            volume_id=0x4D454D31_00000001,
            creation_time=self._root.creation_time,
            total=self._capacity,
            free=free,
            available=free,
            cluster_size=CLUSTER,
            sector_size=512,
            case_sensitive=self._case_sensitive,
            read_only=self.read_only,
        )

    async def survey(self) -> Survey:
        survey = Survey(CLUSTER)
        for file in self._files.values():
            size = sum(survey.size_of(stream.data.size) for stream in (file.main, *file.streams.values()))
            if size:
                survey.add(file.file_id, size, _owner(file))
        return survey

    def close(self) -> None:
        self._files.clear()

    # -- for tests --
    def add_symlink(self, path: Sequence[str], target: str) -> None:
        """Put a symbolic link at `path` that holds `target` (with slashes)."""
        _, parent = self._walk(tuple(path[:-1]))
        now = self.now()
        file = File(next(self._ids), False, now, 0, now, now, now, target=target)
        self._files[file.file_id] = file
        self._add_link(parent, path[-1], file)

    # -- for the nodes --
    def node(self, file: File, path: tuple[str, ...], stream: Stream) -> MemoryNode:
        """Make a node for an open; the caller closes it."""
        self.open_nodes += 1
        return MemoryNode(self, file, path, stream)

    def node_closed(self) -> None:
        """Count a node as closed."""
        self.open_nodes -= 1

    def now(self) -> int:
        """Return the time for a time stamp, FILETIME."""
        return next(self._counter) if self._clock is None else self._clock.now()

    def fold(self, name: str) -> str:
        """Return the form of `name` under which it is matched."""
        return name if self._case_sensitive else upcase(name)

    def check_writable(self) -> None:
        """Raise MEDIA_WRITE_PROTECTED on a read-only volume."""
        if self.read_only:
            raise NtError(Status.MEDIA_WRITE_PROTECTED, "the volume is read-only")

    def check_space(self, size: int) -> None:
        """Raise DISK_FULL unless `size` more bytes fit."""
        if size and self._used_clusters * CLUSTER + size > self._capacity:
            raise NtError(Status.DISK_FULL, f"{size} bytes do not fit")

    def account(self, clusters: int) -> None:
        """Count `clusters` more (or, negative, fewer) as used."""
        self._used_clusters += clusters

    # -- helpers --
    def _walk(self, path: tuple[str, ...]) -> tuple[tuple[str, ...], File]:
        """Return the real names and the file at `path`."""
        at = self._root
        real: list[str] = []
        for depth, name in enumerate(path):
            missing = Status.OBJECT_NAME_NOT_FOUND if depth == len(path) - 1 else Status.OBJECT_PATH_NOT_FOUND
            if at.target is not None:
                raise NtError(Status.STOPPED_ON_SYMLINK, "/".join(real))
            if not at.is_directory:
                raise NtError(Status.OBJECT_PATH_NOT_FOUND, f"{at.links[0].name!r} is no directory")
            fold = self.fold(name)
            link = at.children.get(fold) or at.shorts.get(fold)
            if link is None:
                raise NtError(missing, f"no {name!r}")
            at = link.file
            real.append(link.name)
        return tuple(real), at

    def _own(self, node: Node) -> MemoryNode:
        if not isinstance(node, MemoryNode):
            raise NtError(Status.NOT_SAME_DEVICE, "a node of another volume")
        return node

    def _directory(self, node: Node) -> File:
        file = self._own(node).file
        if not file.is_directory or (not file.links and file is not self._root):
            raise NtError(Status.OBJECT_PATH_NOT_FOUND, "the parent is gone or no directory")
        return file

    def _link_of(self, node: Node) -> Link:
        """Return the link that `node` was opened by, verified."""
        file = self._own(node).file
        if not node.path:
            raise NtError(Status.ACCESS_DENIED, "the root of a volume stays")
        try:
            _, parent = self._walk(node.path[:-1])
        except NtError as error:
            raise NtError(Status.OBJECT_NAME_NOT_FOUND, "the directory of the link is gone") from error
        link = parent.children.get(self.fold(node.path[-1]))
        if link is None or link.file is not file:
            raise NtError(Status.OBJECT_NAME_NOT_FOUND, f"{node.path[-1]!r} is gone or another file")
        return link

    def _is_below(self, directory: File, top: File) -> bool:
        """Tell whether `directory` is `top` or lies below it."""
        at = directory
        while at is not top:
            if not at.links:
                return False
            at = at.links[0].parent
        return True

    def _target(self, into: File, name: str, link: Link, *, replace: bool) -> Link | None:
        """Return the link that `link` would replace at `name`, if any; raise as `rename` does."""
        target = into.children.get(self.fold(name))
        if target is None or target is link:
            return None
        if not replace:
            raise NtError(Status.OBJECT_NAME_COLLISION, f"{name!r} exists")
        if target.file.is_directory:
            raise NtError(Status.ACCESS_DENIED, f"{name!r} is a directory")
        return target

    def _add_link(self, parent: File, name: str, file: File) -> None:
        if (
            not name
            or name in (".", "..")
            or not _FORBIDDEN.isdisjoint(name)
            or len(name.encode("utf-8", "replace")) > 255
        ):
            raise NtError(Status.OBJECT_NAME_INVALID, f"{name!r}")
        short = "" if is_8dot3(name) else stable_short_name(name, ChainMap(parent.children, parent.shorts))
        link = Link(parent, name, short, file)
        parent.children[self.fold(name)] = link
        if short:
            parent.shorts[self.fold(short)] = link
        file.links.append(link)
        parent.last_write_time = parent.change_time = self.now()

    def _drop_link(self, link: Link) -> None:
        """Remove a link, and the file with its last one."""
        self._detach(link)
        file = link.file
        if not file.links:
            self._files.pop(file.file_id, None)
            for stream in (file.main, *file.streams.values()):
                self._give_clusters(stream)

    def _detach(self, link: Link) -> None:
        parent, file = link.parent, link.file
        del parent.children[self.fold(link.name)]
        if link.short:
            del parent.shorts[self.fold(link.short)]
        file.links.remove(link)
        parent.last_write_time = parent.change_time = file.change_time = self.now()

    def _give_clusters(self, stream: Stream) -> None:
        self._used_clusters -= stream.data.cluster_count


def _owner(file: File) -> bytes | None:
    """Return the SID of the owner, None where the file names none."""
    try:
        owner = None if file.security is None else SecurityDescriptor.decode(file.security).owner
    except WireError:
        return None
    return None if owner is None else owner.encode()
