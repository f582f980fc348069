"""Named streams: small ones in extended attributes, larger ones in the side store.

The file's `user.holdfast.streams` lists them: name, a random id of 8 bytes, and where the data is. While nodes of a
stream are open they share one `Stream`, so that each sees at once what the others write.
"""

from __future__ import annotations

import errno
import os
import struct
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from smbcore.fsa.backend import Look, Node, NodeInfo, StreamInfo
from smbcore.nt.names import upcase
from smbcore.nt.status import NtError, Status
from smbcore.vfs.common import MAX_OFFSET
from smbcore.vfs.posix import data, xattr
from smbcore.vfs.posix.errors import nt_error
from smbcore.vfs.posix.node import PosixNode
from smbcore.vfs.posix.xattr import Stored

if TYPE_CHECKING:
    from smbcore.vfs.posix.backend import PosixBackend

INLINE_MAX = 3072
"""Longest stream that is tried in an extended attribute."""

_VERSION = b"\x01"
_ENTRY = struct.Struct("<B8sH")
_INLINE, _SIDE = 0, 1
_NO_ROOM = frozenset({errno.ENOSPC, errno.E2BIG, errno.ERANGE})


@dataclass(slots=True, eq=False)
class Stream:
    """One stream while it is listed or open.

    content     its bytes while they are small, None once they are in the side store
    descriptor  of the side file while open, -1 otherwise
    nodes       open nodes;  gone  removed from the file, lives on until they are closed
    """

    name: str
    identity: bytes
    in_side_store: bool
    content: bytearray | None = None
    descriptor: int = -1
    nodes: int = 0
    gone: bool = False

    @property
    def attribute(self) -> str:
        """Name of the extended attribute with the data."""
        return xattr.STREAM_DATA + self.identity.hex()

    @property
    def side_name(self) -> str:
        """Name of the side file with the data."""
        return "s" + self.identity.hex()


@dataclass(slots=True, eq=False)
class StreamTable:
    """The streams of one file: upper-cased name -> stream, in the order of creation."""

    streams: dict[str, Stream] = field(default_factory=dict)

    def encode(self) -> bytes | None:
        """Pack the index, None when it is empty."""
        if not self.streams:
            return None
        parts = [_VERSION]
        for stream in self.streams.values():
            name = stream.name.encode("utf-8", "surrogatepass")
            parts += (_ENTRY.pack(_SIDE if stream.in_side_store else _INLINE, stream.identity, len(name)), name)
        return b"".join(parts)

    @classmethod
    def decode(cls, raw: bytes | None) -> StreamTable:
        """Unpack an index.  Errors: FILE_CORRUPT_ERROR."""
        table = cls()
        if raw is None:
            return table
        if not raw.startswith(_VERSION):
            raise NtError(Status.FILE_CORRUPT_ERROR, "stream index of an unknown version")
        at = 1
        try:
            while at < len(raw):
                kind, identity, length = _ENTRY.unpack_from(raw, at)
                at += _ENTRY.size
                name = raw[at : at + length].decode("utf-8", "surrogatepass")
                at += length
                table.streams[upcase(name)] = Stream(name, identity, kind == _SIDE)
        except (struct.error, UnicodeDecodeError) as error:
            raise NtError(Status.FILE_CORRUPT_ERROR, "stream index is damaged") from error
        return table


class Streams:
    """The named streams of a volume's files."""

    __slots__ = ("_backend", "_tables")

    def __init__(self, backend: PosixBackend) -> None:
        self._backend = backend
        self._tables: dict[object, StreamTable] = {}

    def list(self, node: PosixNode) -> list[StreamInfo]:
        """Return the streams of the file that `node` is open on."""
        cluster = self._backend.cluster_size
        found = []
        try:
            for stream in self._table(node).streams.values():
                size = self._size(node, stream)
                if size is not None:
                    found.append(StreamInfo(stream.name, size, -(-size // cluster) * cluster))
        except OSError as error:
            raise nt_error(error, "streams") from error
        return found

    def open(self, node: PosixNode, name: str, *, create: bool, exclusive: bool) -> tuple[Node, bool]:
        """Open a stream of the file that `node` is open on, as the contract of `Node.open_stream` says."""
        try:
            table = self._table(node)
            stream = table.streams.get(upcase(name))
            if stream is not None and exclusive:
                raise NtError(Status.OBJECT_NAME_COLLISION, f"stream {name!r} exists")
            created = stream is None
            if stream is None:
                if not create:
                    raise NtError(Status.OBJECT_NAME_NOT_FOUND, f"no stream {name!r}")
                stream = self._create(node, table, name)
            elif stream.nodes == 0:
                self._load(node, stream)
            return StreamNode(self._backend, node, table, stream), created
        except OSError as error:
            raise nt_error(error, f"stream {name!r}") from error

    def remove(self, node: StreamNode) -> None:
        """Remove the stream that `node` is open on; open nodes keep their data."""
        stream, table = node.data_stream, node.table
        self._check_present(table, stream)
        self._backend.check_writable()
        del table.streams[upcase(stream.name)]

        def write(entry: Stored) -> None:
            self._put_index(node, entry, table)
            if not stream.in_side_store:
                self._backend.xattrs.set_value(node.descriptor, entry, stream.attribute, None)

        try:
            self.change(node, write)
            if stream.in_side_store:
                self._backend.side.unlink(node.descriptor, stream.side_name)
        except OSError as error:
            table.streams[upcase(stream.name)] = stream
            raise nt_error(error, f"remove stream {stream.name!r}") from error
        stream.gone = True

    def rename(self, node: StreamNode, name: str, *, replace: bool) -> None:
        """Give the stream another name, as the contract of `Backend.rename_stream` says."""
        stream, table = node.data_stream, node.table
        self._check_present(table, stream)
        self._backend.check_writable()
        taken = table.streams.get(upcase(name))
        if taken is not None and taken is not stream:
            if not replace:
                raise NtError(Status.OBJECT_NAME_COLLISION, f"stream {name!r} exists")
            self.remove(StreamNode.for_removal(node, taken))
        old = stream.name
        del table.streams[upcase(old)]
        stream.name = name
        table.streams[upcase(name)] = stream
        try:
            self.change(node, lambda entry: self._put_index(node, entry, table))
        except OSError as error:
            del table.streams[upcase(name)]
            stream.name = old
            table.streams[upcase(old)] = stream
            raise nt_error(error, f"rename stream {old!r}") from error
        node.stream = name

    def save(self, node: StreamNode) -> None:
        """Store the small content of a stream, or move it to the side store when it is too large. Raises OSError."""
        stream = node.data_stream
        content = stream.content
        if content is None or stream.gone:
            return
        if len(content) <= INLINE_MAX:
            try:
                self.change(node, lambda _: os.setxattr(node.descriptor, stream.attribute, content))
            except OSError as error:
                if error.errno not in _NO_ROOM:
                    raise
            else:
                return
        self.leave_attribute(node, content)

    def release(self, node: StreamNode) -> None:
        """Close one node's share of its stream."""
        stream = node.data_stream
        stream.nodes -= 1
        if stream.nodes == 0:
            stream.content = None
            if stream.descriptor >= 0:
                os.close(stream.descriptor)
                stream.descriptor = -1
        if not any(other.nodes for other in node.table.streams.values()) and self._tables.get(node.key) is node.table:
            del self._tables[node.key]

    def retain(self, node: StreamNode) -> None:
        """Count `node` as open on its stream and keep the table while it is."""
        node.data_stream.nodes += 1
        self._tables[node.key] = node.table

    def change(self, node: PosixNode, write: xattr.Write) -> None:
        """Change extended attributes of the carrying file. Raises OSError."""
        before, after = self._backend.xattrs.change(node.descriptor, write)
        self._backend.indexes.follow(before, after)

    # -- helpers --
    def _table(self, node: PosixNode) -> StreamTable:
        open_table = self._tables.get(node.key)
        if open_table is not None:
            return open_table
        xattrs = self._backend.xattrs
        entry = xattrs.current(node.descriptor, os.fstat(node.descriptor))
        return StreamTable.decode(xattrs.value(node.descriptor, entry, xattr.STREAMS))

    def _size(self, node: PosixNode, stream: Stream) -> int | None:
        """Return the size, None where the data is lost."""
        if stream.content is not None:
            return len(stream.content)
        if stream.descriptor >= 0:
            return os.fstat(stream.descriptor).st_size
        if stream.in_side_store:
            return self._backend.side.size(node.descriptor, stream.side_name)
        raw = xattr.read(node.descriptor, stream.attribute)
        return None if raw is None else len(raw)

    def _load(self, node: PosixNode, stream: Stream) -> None:
        if stream.in_side_store:
            stream.descriptor = self._backend.side.open(node.descriptor, stream.side_name, create=False)
            return
        raw = xattr.read(node.descriptor, stream.attribute)
        if raw is None:
            raise FileNotFoundError(errno.ENOENT, "the data of the stream is gone")
        stream.content = bytearray(raw)

    def _create(self, node: PosixNode, table: StreamTable, name: str) -> Stream:
        self._backend.check_writable()
        stream = Stream(name, os.urandom(8), in_side_store=False, content=bytearray())
        table.streams[upcase(name)] = stream

        def write(entry: Stored) -> None:
            try:
                os.setxattr(node.descriptor, stream.attribute, b"")
            except OSError as error:
                if error.errno not in _NO_ROOM:
                    raise
                stream.content, stream.in_side_store = None, True
                stream.descriptor = self._backend.side.open(node.descriptor, stream.side_name, create=True)
            self._put_index(node, entry, table)

        try:
            self.change(node, write)
        except OSError:
            del table.streams[upcase(name)]
            self._undo_create(node, stream)
            raise
        return stream

    def _undo_create(self, node: PosixNode, stream: Stream) -> None:
        """Remove the data of a stream that is in no index; the error that led here is the one to report."""
        with suppress(OSError):
            if stream.in_side_store:
                self._backend.side.unlink(node.descriptor, stream.side_name)
            else:
                os.removexattr(node.descriptor, stream.attribute)
        if stream.descriptor >= 0:
            os.close(stream.descriptor)

    def leave_attribute(self, node: StreamNode, content: bytearray) -> None:
        """Move a stream that grows from the extended attribute to the side store. Raises OSError."""
        side, stream = self._backend.side, node.data_stream
        descriptor = side.open(node.descriptor, stream.side_name, create=True)
        try:
            data.write_all(descriptor, 0, bytes(content))
            if stream.gone:
                side.unlink(node.descriptor, stream.side_name)
                stream.content, stream.descriptor = None, descriptor
                return
            stream.in_side_store = True

            def write(entry: Stored) -> None:
                self._put_index(node, entry, node.table)
                self._backend.xattrs.set_value(node.descriptor, entry, stream.attribute, None)

            self.change(node, write)
        except OSError:
            stream.in_side_store = False
            os.close(descriptor)
            side.unlink(node.descriptor, stream.side_name)
            raise
        stream.content, stream.descriptor = None, descriptor

    def _put_index(self, node: PosixNode, entry: Stored, table: StreamTable) -> None:
        self._backend.xattrs.set_value(node.descriptor, entry, xattr.STREAMS, table.encode())

    def _check_present(self, table: StreamTable, stream: Stream) -> None:
        if table.streams.get(upcase(stream.name)) is not stream:
            raise NtError(Status.OBJECT_NAME_NOT_FOUND, f"stream {stream.name!r} is gone")


class StreamNode(PosixNode):
    """One open of a named stream; metadata is the carrying file's."""

    __slots__ = ("data_stream", "table")

    def __init__(self, backend: PosixBackend, carrier: PosixNode, table: StreamTable, stream: Stream) -> None:
        descriptor = os.dup(carrier.descriptor)
        super().__init__(backend, descriptor, os.fstat(descriptor), carrier.path, writable=True)
        self.is_directory = False
        self.stream = stream.name
        self.table = table
        self.data_stream = stream
        backend.streams.retain(self)

    @classmethod
    def for_removal(cls, node: StreamNode, stream: Stream) -> StreamNode:
        """Make a borrowed node on another stream of the same file; it is not counted and must not be closed."""
        other = cls.__new__(cls)
        other.backend, other.descriptor, other.key = node.backend, node.descriptor, node.key
        other.table, other.data_stream, other.stream = node.table, stream, stream.name
        return other

    def look(self) -> Look:
        return self.info(), self.security()

    def info(self) -> NodeInfo:
        info = super().info()
        info.end_of_file = size = self._size()
        cluster = self.backend.cluster_size
        info.allocation_size = -(-max(size, self.reserved) // cluster) * cluster
        return info

    async def read_into(self, offset: int, into: memoryview) -> int:
        content = self._content()
        if content is None:
            return await super().read_into(offset, into)
        piece = content[offset : offset + len(into)]
        into[: len(piece)] = piece
        return len(piece)

    async def write(self, offset: int, data_: bytes | memoryview) -> int:
        content = self._content()
        length = len(data_)
        if content is not None and offset + length <= INLINE_MAX:
            before = bytes(content)
            content.extend(bytes(max(0, offset - len(content))))
            content[offset : offset + length] = data_
            self._save_or_restore(before)
            return length
        self._leave_attribute()
        return await super().write(offset, data_)

    async def flush(self) -> None:
        await super().flush()
        if self.data_descriptor != self.descriptor:
            self.data_descriptor = self.descriptor
            await super().flush()
            self._content()

    async def set_end_of_file(self, size: int) -> None:
        if not 0 <= size <= MAX_OFFSET:
            raise NtError(Status.INVALID_PARAMETER, f"end of file {size}")
        content = self._content()
        if content is not None and size <= INLINE_MAX:
            before = bytes(content)
            content.extend(bytes(max(0, size - len(content))))
            del content[size:]
            self._save_or_restore(before)
            return
        self._leave_attribute()
        await super().set_end_of_file(size)

    async def set_allocation(self, size: int) -> None:
        if self._content() is None:
            await super().set_allocation(size)
        else:
            self.reserved = size

    def transfer_descriptor(self) -> int | None:
        return None if self._content() is not None else self.data_descriptor

    async def zero_range(self, offset: int, beyond: int) -> None:
        content = self._content()
        if content is None:
            await super().zero_range(offset, beyond)
            return
        beyond = min(beyond, len(content))
        if offset < beyond:
            before = bytes(content)
            content[offset:beyond] = bytes(beyond - offset)
            self._save_or_restore(before)

    def allocated_ranges(self, offset: int, length: int) -> list[tuple[int, int]]:
        content = self._content()
        if content is None:
            return super().allocated_ranges(offset, length)
        end = min(offset + length, len(content))
        return [(offset, end - offset)] if offset < end else []

    async def copy_range(
        self, source: Node, source_offset: int, offset: int, length: int, *, clone: bool = False
    ) -> int:
        if clone:
            raise NtError(Status.NOT_SUPPORTED, "streams share no blocks")
        self._leave_attribute()
        return await super().copy_range(source, source_offset, offset, length)

    def make_writable(self) -> None:
        self._content()
        self._check_change()

    # -- helpers --
    def _release(self) -> None:
        self.backend.streams.release(self)
        super()._release()

    def _content(self) -> bytearray | None:
        """Return the bytes of a small stream; for a large one aim at its side file and return None."""
        stream = self.data_stream
        if stream.content is None:
            self.data_descriptor = stream.descriptor
        return stream.content

    def _size(self) -> int:
        content = self._content()
        try:
            return os.fstat(self.data_descriptor).st_size if content is None else len(content)
        except OSError as error:
            raise nt_error(error, "stream size") from error

    def _save_or_restore(self, before: bytes) -> None:
        """Store the small content; on failure everybody sees what was there before."""
        stream = self.data_stream
        try:
            self._check_change()
            self.backend.streams.save(self)
        except (OSError, NtError) as error:
            if stream.content is not None:
                stream.content[:] = before
            raise (nt_error(error, "stream") if isinstance(error, OSError) else error) from error

    def _leave_attribute(self) -> None:
        """Move a small stream to the side store because more is coming."""
        self._check_change()
        content = self._content()
        if content is not None:
            try:
                self.backend.streams.leave_attribute(self, content)
            except OSError as error:
                raise nt_error(error, "move stream") from error
            self._content()
