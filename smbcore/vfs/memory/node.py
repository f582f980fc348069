"""Open files, directories and streams of a memory volume."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

from smbcore.fsa.backend import Node, NodeInfo, StreamInfo
from smbcore.nt.attributes import (
    FILE_ATTRIBUTE_DIRECTORY,
    FILE_ATTRIBUTE_NORMAL,
    FILE_ATTRIBUTE_REPARSE_POINT,
    IO_REPARSE_TAG_SYMLINK,
)
from smbcore.nt.status import NtError, Status
from smbcore.vfs.common import (
    MAX_EXTENDED_ATTRIBUTES,
    MAX_OBJECT_METADATA,
    MAX_OFFSET,
    REPARSE,
    SYMLINK,
    ea_size,
    reparse_tag,
)
from smbcore.vfs.memory.data import CLUSTER
from smbcore.vfs.memory.objects import File, Stream

if TYPE_CHECKING:
    from smbcore.vfs.memory.backend import MemoryBackend

_COMPUTED = FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_NORMAL | FILE_ATTRIBUTE_REPARSE_POINT
"""Bits that follow from what the file is, never stored."""


def describe_file(file: File, stream: Stream) -> NodeInfo:
    """Return the metadata of `file` with the sizes of `stream`."""
    tag = IO_REPARSE_TAG_SYMLINK if file.target is not None else reparse_tag(file.metadata.get(REPARSE))
    attributes = file.attributes
    if file.is_directory:
        attributes |= FILE_ATTRIBUTE_DIRECTORY
    if tag:
        attributes |= FILE_ATTRIBUTE_REPARSE_POINT
    data = stream.data
    return NodeInfo(
        file_id=file.file_id,
        attributes=attributes,
        end_of_file=data.size,
        allocation_size=data.allocated,
        number_of_links=len(file.links) if file.links else int(file.is_directory),
        creation_time=file.creation_time,
        last_access_time=file.last_access_time,
        last_write_time=file.last_write_time,
        change_time=file.change_time,
        ea_size=ea_size(file.extended_attributes),
        reparse_tag=tag,
    )


class MemoryNode(Node):
    """One open file, directory or stream of a `MemoryBackend`."""

    __slots__ = ("_backend", "_file", "_open", "_stream", "is_directory", "key", "path", "stream")

    def __init__(self, backend: MemoryBackend, file: File, path: tuple[str, ...], stream: Stream) -> None:
        self._backend = backend
        self._file = file
        self._stream = stream
        self._open = True
        self.key: Hashable = file.file_id
        self.path = path
        self.stream = stream.name
        self.is_directory = file.is_directory and not stream.name

    @property
    def file(self) -> File:
        """The stored file; for the backend and for tests."""
        return self._file

    @property
    def data_stream(self) -> Stream:
        """The stored stream; for the backend."""
        return self._stream

    # -- metadata --
    def info(self) -> NodeInfo:
        self._check_open()
        return describe_file(self._file, self._stream)

    def set_times(
        self,
        *,
        creation: int | None = None,
        last_access: int | None = None,
        last_write: int | None = None,
        change: int | None = None,
    ) -> None:
        file = self._changing()
        if creation is not None:
            file.creation_time = creation
        if last_access is not None:
            file.last_access_time = last_access
        if last_write is not None:
            file.last_write_time = last_write
        if change is not None:
            file.change_time = change

    def set_attributes(self, attributes: int) -> None:
        self._changing().attributes = attributes & ~_COMPUTED

    def security(self) -> bytes | None:
        self._check_open()
        return self._file.security

    def set_security(self, descriptor: bytes) -> None:
        self._changing().security = bytes(descriptor)

    def extended_attributes(self) -> dict[bytes, bytes]:
        self._check_open()
        return dict(self._file.extended_attributes)

    def set_extended_attribute(self, name: bytes, value: bytes) -> None:
        file = self._changing()
        changed = {key: old for key, old in file.extended_attributes.items() if key != name.upper()}
        if value:
            changed[name.upper()] = bytes(value)
        if ea_size(changed) > MAX_EXTENDED_ATTRIBUTES:
            raise NtError(Status.EA_TOO_LARGE, f"{ea_size(changed)} bytes of EAs")
        file.extended_attributes = changed

    def object_metadata(self, name: str) -> bytes | None:
        self._check_open()
        if name == SYMLINK and self._file.target is not None:
            return self._file.target.encode("utf-8", "surrogatepass")
        return self._file.metadata.get(name)

    def set_object_metadata(self, name: str, value: bytes | None) -> None:
        file = self._changing()
        if value is None:
            file.metadata.pop(name, None)
        elif len(value) > MAX_OBJECT_METADATA:
            raise NtError(Status.INVALID_PARAMETER, f"object metadata {name!r} of {len(value)} bytes")
        else:
            file.metadata[name] = bytes(value)

    # -- data --
    async def read_into(self, offset: int, into: memoryview) -> int:
        self._check_data()
        return self._stream.data.read_into(offset, into)

    async def write(self, offset: int, data: bytes | memoryview) -> int:
        self._check_data()
        file = self._changing()
        length = len(data)
        if offset < 0 or offset + length > MAX_OFFSET:
            raise NtError(Status.INVALID_PARAMETER, f"write of {length} bytes at {offset}")
        self._backend.check_space(self._stream.data.new_clusters(offset, length) * CLUSTER)
        before = self._stream.data.cluster_count
        self._stream.data.write(offset, data)
        self._account(before)
        file.last_write_time = file.change_time
        return length

    async def flush(self) -> None:
        self._check_open()

    async def set_end_of_file(self, size: int) -> None:
        self._check_data()
        file = self._changing()
        if not 0 <= size <= MAX_OFFSET:
            raise NtError(Status.INVALID_PARAMETER, f"end of file {size}")
        before = self._stream.data.cluster_count
        self._stream.data.truncate(size)
        self._account(before)
        file.last_write_time = file.change_time

    async def set_allocation(self, size: int) -> None:
        self._check_data()
        self._changing()
        data = self._stream.data
        if size > data.allocated:
            self._backend.check_space(size - data.allocated)
            data.reserve(size)

    def transfer_descriptor(self) -> int | None:
        return None

    def main_size(self) -> int:
        self._check_open()
        return self._file.main.data.size

    async def zero_range(self, offset: int, beyond: int) -> None:
        self._check_data()
        file = self._changing()
        before = self._stream.data.cluster_count
        self._stream.data.zero(offset, beyond)
        self._account(before)
        file.last_write_time = file.change_time

    def allocated_ranges(self, offset: int, length: int) -> list[tuple[int, int]]:
        self._check_data()
        return self._stream.data.ranges(offset, length)

    async def copy_range(
        self, source: Node, source_offset: int, offset: int, length: int, *, clone: bool = False
    ) -> int:
        if clone:
            raise NtError(Status.NOT_SUPPORTED, "a memory volume shares no blocks")
        if not isinstance(source, MemoryNode):
            raise NtError(Status.NOT_SUPPORTED, "the source is on another volume")
        buffer = bytearray(max(0, min(length, source.data_stream.data.size - source_offset)))
        count = await source.read_into(source_offset, memoryview(buffer))
        await self.write(offset, memoryview(buffer)[:count])
        return count

    # -- streams --
    def streams(self) -> list[StreamInfo]:
        self._check_open()
        return [StreamInfo(s.name, s.data.size, s.data.allocated) for s in self._file.streams.values()]

    def open_stream(self, name: str, *, create: bool, exclusive: bool = False) -> tuple[Node, bool]:
        self._check_open()
        fold = self._backend.fold(name)
        found = self._file.streams.get(fold)
        if found is not None and exclusive:
            raise NtError(Status.OBJECT_NAME_COLLISION, f"stream {name!r} exists")
        created = found is None
        if found is None:
            if not create:
                raise NtError(Status.OBJECT_NAME_NOT_FOUND, f"no stream {name!r}")
            found = self._changing().streams[fold] = Stream(name)
        return self._backend.node(self._file, self.path, found), created

    # -- directory --
    async def names(self) -> list[str]:
        return [link.name for link in self._directory().children.values()]

    async def entries(self, names: Sequence[str]) -> list[tuple[str, NodeInfo]]:
        children = self._directory().children
        found = []
        for name in names:
            link = children.get(self._backend.fold(name))
            if link is not None:
                found.append((link.name, describe_file(link.file, link.file.main)))
        return found

    def short_name(self, name: str) -> str:
        link = self._directory().children.get(self._backend.fold(name))
        return "" if link is None else link.short

    def close(self) -> None:
        if self._open:
            self._open = False
            self._backend.node_closed()

    # -- helpers --
    def _account(self, before: int) -> None:
        """Tell the volume how many clusters a change took; files without a link count no more."""
        if self._file.links:
            self._backend.account(self._stream.data.cluster_count - before)

    def _check_open(self) -> None:
        if not self._open:
            raise NtError(Status.FILE_CLOSED, "the node was closed before")

    def _check_data(self) -> None:
        self._check_open()
        if self.is_directory:
            raise NtError(Status.INVALID_DEVICE_REQUEST, "a directory has no data")

    def _directory(self) -> File:
        self._check_open()
        if not self.is_directory:
            raise NtError(Status.INVALID_PARAMETER, "not a directory")
        return self._file

    def _changing(self) -> File:
        """Return the file for a change, its change time moved on."""
        self._check_open()
        self._backend.check_writable()
        self._file.change_time = self._backend.now()
        return self._file
