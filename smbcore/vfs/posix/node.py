"""An open file or directory of a POSIX volume: one descriptor, and what the file carries in extended attributes."""

from __future__ import annotations

import errno
import os
import stat
import struct
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from smbcore.fsa.backend import Guard, Look, Node, NodeInfo, StreamInfo
from smbcore.nt.attributes import (
    FILE_ATTRIBUTE_COMPRESSED,
    FILE_ATTRIBUTE_DIRECTORY,
    FILE_ATTRIBUTE_NORMAL,
    FILE_ATTRIBUTE_REPARSE_POINT,
)
from smbcore.nt.filetime import UNIX_EPOCH, to_unix_ns
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
from smbcore.vfs.posix import data, kernel, listing, xattr
from smbcore.vfs.posix.errors import nt_error
from smbcore.vfs.posix.xattr import Stored

if TYPE_CHECKING:
    from smbcore.vfs.posix.backend import PosixBackend
    from smbcore.vfs.posix.directory import DirectoryIndex

P = ParamSpec("P")
T = TypeVar("T")

_COMPUTED = FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_NORMAL | FILE_ATTRIBUTE_REPARSE_POINT
_EA_HEAD = struct.Struct("<BH")
_EA_VERSION = b"\x01"
_META_INLINE = b"\0"
INLINE_WRITE = 1024 * 1024
"""Longest write that goes to the page cache on the loop's thread."""
_INLINE_ALLOCATION = 16 * 1024 * 1024


class PosixNode(Node):
    """One open of a file, directory or (opened itself) symbolic link.

    key       (device, inode)
    descriptor, data_descriptor  of the file, and of the bytes (another one for a large stream)
    is_link   a symbolic link opened itself: it has information and a target, nothing else
    at_open   the status that opening took, for the first look that follows
    reserved  bytes that `set_allocation` reserved through this node
    """

    __slots__ = (
        "_busy",
        "_closing",
        "_listed",
        "_writable",
        "at_open",
        "backend",
        "data_descriptor",
        "descriptor",
        "is_directory",
        "is_link",
        "key",
        "path",
        "reserved",
        "stream",
    )

    def __init__(
        self, backend: PosixBackend, descriptor: int, status: os.stat_result, path: tuple[str, ...], *, writable: bool
    ) -> None:
        self.backend = backend
        self.descriptor = self.data_descriptor = descriptor
        self.key: Hashable = (status.st_dev, status.st_ino)
        self.path = path
        self.stream = ""
        mode = status.st_mode
        self.is_directory = stat.S_ISDIR(mode)
        self.is_link = stat.S_ISLNK(mode)
        self.reserved = 0
        self._busy = 0
        self._closing = False
        self._listed: DirectoryIndex | None = None
        self._writable = writable
        self.at_open: os.stat_result | None = None
        if backend.shared is not None and mode & 0o170000 == stat.S_IFREG:
            backend.shared.join(self, writable=writable)

    # -- metadata --
    def look(self) -> Look:
        status, self.at_open = self.at_open, None
        try:
            if status is None:
                status = os.fstat(self.descriptor)
            stored = self._stored(status)
            security = None if self.is_link else self.backend.xattrs.security(self.descriptor, stored)
        except OSError as error:
            raise nt_error(error, "info") from error
        return describe(self.backend, status, stored, self.reserved), security

    def info(self) -> NodeInfo:
        try:
            status = os.fstat(self.descriptor)
            stored = listing.linked(status) if self.is_link else self.backend.xattrs.current(self.descriptor, status)
        except OSError as error:
            raise nt_error(error, "info") from error
        return describe(self.backend, status, stored, self.reserved)

    def set_times(
        self,
        *,
        creation: int | None = None,
        last_access: int | None = None,
        last_write: int | None = None,
        change: int | None = None,
    ) -> None:
        self._check_change()

        def write(entry: Stored) -> None:
            if last_access is not None or last_write is not None:
                now = os.fstat(self.descriptor)
                access_ns = now.st_atime_ns if last_access is None else to_unix_ns(last_access)
                write_ns = now.st_mtime_ns if last_write is None else to_unix_ns(last_write)
                os.utime(self.descriptor, ns=(access_ns, write_ns))
            if creation is not None:
                entry.creation = creation
            if change is not None:
                entry.change = change
                entry.change_mtime = os.fstat(self.descriptor).st_mtime_ns // 100
            elif entry.change:
                entry.change_mtime = os.fstat(self.descriptor).st_mtime_ns // 100
            if creation is not None or change is not None or entry.change:
                self.backend.xattrs.put_record(self.descriptor, entry)

        self._change(write, "set times", keep_change_time=True)

    def set_attributes(self, attributes: int) -> None:
        self._check_change()

        def write(entry: Stored) -> None:
            if self.backend.compresses and (entry.attributes ^ attributes) & FILE_ATTRIBUTE_COMPRESSED:
                compressed = bool(attributes & FILE_ATTRIBUTE_COMPRESSED)
                kernel.set_compression(self.descriptor, compressed=compressed)
            entry.attributes = attributes & ~_COMPUTED
            entry.change = 0
            self.backend.xattrs.put_record(self.descriptor, entry)

        self._change(write, "set attributes")

    def security(self) -> bytes | None:
        if self.is_link:
            return None
        try:
            entry = self._stored(os.fstat(self.descriptor))
            return self.backend.xattrs.security(self.descriptor, entry)
        except OSError as error:
            raise nt_error(error, "security") from error

    def set_security(self, descriptor: bytes) -> None:
        self._check_change()
        kept = bytes(descriptor)

        def write(entry: Stored) -> None:
            self.backend.xattrs.set_value(self.descriptor, entry, xattr.SECURITY, kept)
            entry.security = kept
            entry.security_known = True

        self._change(write, "set security")

    def extended_attributes(self) -> dict[bytes, bytes]:
        if self.is_link:
            return {}
        try:
            entry = self._stored(os.fstat(self.descriptor))
            return decode_eas(self.backend.xattrs.value(self.descriptor, entry, xattr.EXTENDED))
        except OSError as error:
            raise nt_error(error, "EAs") from error

    def set_extended_attribute(self, name: bytes, value: bytes) -> None:
        self._check_change()
        changed = self.extended_attributes()
        changed.pop(name.upper(), None)
        if value:
            changed[name.upper()] = bytes(value)
        size = ea_size(changed)
        if size > MAX_EXTENDED_ATTRIBUTES or len(name) > 255:
            raise NtError(Status.EA_TOO_LARGE, f"{size} bytes of EAs")

        def write(entry: Stored) -> None:
            blob = encode_eas(changed) if changed else None
            self.backend.xattrs.set_value(self.descriptor, entry, xattr.EXTENDED, blob)
            if entry.ea_size != size:
                entry.ea_size = size
                self.backend.xattrs.put_record(self.descriptor, entry)

        self._change(write, "set EA")

    def object_metadata(self, name: str) -> bytes | None:
        try:
            if self.is_link:
                return os.readlink(b"", dir_fd=self.descriptor) if name == SYMLINK else None
            entry = self._stored(os.fstat(self.descriptor))
            raw = self.backend.xattrs.value(self.descriptor, entry, xattr.META + name)
        except OSError as error:
            raise nt_error(error, f"metadata {name}") from error
        return None if raw is None else raw[1:]

    def set_object_metadata(self, name: str, value: bytes | None) -> None:
        self._check_change()
        if value is not None and len(value) > MAX_OBJECT_METADATA:
            raise NtError(Status.INVALID_PARAMETER, f"object metadata {name!r} of {len(value)} bytes")

        def write(entry: Stored) -> None:
            kept = None if value is None else _META_INLINE + value
            self.backend.xattrs.set_value(self.descriptor, entry, xattr.META + name, kept)
            if name == REPARSE:
                entry.reparse_tag = reparse_tag(value)
                self.backend.xattrs.put_record(self.descriptor, entry)

        self._change(write, f"set metadata {name}")

    # -- data --
    async def read_into(self, offset: int, into: memoryview) -> int:
        try:
            count = data.read_cached(self.data_descriptor, offset, into)
            if count == len(into):
                return count
            if count < 0:
                count = 0
            elif offset + count >= os.fstat(self.data_descriptor).st_size:
                return count
            rest = into[count:]
            return count + await self._in_pool(data.read_all, offset + count, rest)
        except OSError as error:
            raise nt_error(error, "read") from error

    async def write(self, offset: int, data_: bytes | memoryview) -> int:
        length = len(data_)
        if offset < 0 or offset + length > MAX_OFFSET:
            raise NtError(Status.INVALID_PARAMETER, f"write of {length} bytes at {offset}")
        if not self._writable:
            self.make_writable()
        try:
            if length <= INLINE_WRITE:
                return data.write_all(self.data_descriptor, offset, data_)
            return await self._in_pool(data.write_all, offset, data_)
        except OSError as error:
            raise nt_error(error, "write") from error

    async def flush(self) -> None:
        try:
            await self._in_pool(os.fsync)
        except OSError as error:
            raise nt_error(error, "flush") from error

    async def set_end_of_file(self, size: int) -> None:
        if not 0 <= size <= MAX_OFFSET:
            raise NtError(Status.INVALID_PARAMETER, f"end of file {size}")
        self.make_writable()
        try:
            blocks = os.fstat(self.data_descriptor).st_blocks
            if blocks * 512 <= _INLINE_ALLOCATION:
                os.ftruncate(self.data_descriptor, size)
            else:
                await self._in_pool(os.ftruncate, size)
        except OSError as error:
            raise nt_error(error, "set end of file") from error

    async def set_allocation(self, size: int) -> None:
        self.make_writable()
        if size <= 0:
            return
        try:
            if size <= _INLINE_ALLOCATION:
                data.reserve(self.data_descriptor, size)
            else:
                await self._in_pool(data.reserve, size)
        except OSError as error:
            raise nt_error(error, "set allocation") from error
        self.reserved = size

    def transfer_descriptor(self) -> int | None:
        return None if self.is_directory or self.is_link else self.data_descriptor

    def can_send(self, offset: int, length: int) -> bool:
        try:
            return self.backend.page_cache.holds(self.data_descriptor, offset, length)
        except OSError as error:
            raise nt_error(error, "read") from error

    def main_size(self) -> int:
        try:
            status = os.fstat(self.descriptor)
        except OSError as error:
            raise nt_error(error, "size") from error
        return 0 if stat.S_ISDIR(status.st_mode) else status.st_size

    async def zero_range(self, offset: int, beyond: int) -> None:
        self.make_writable()
        try:
            await self._in_pool(data.zero, offset, beyond)
        except OSError as error:
            raise nt_error(error, "zero range") from error

    def allocated_ranges(self, offset: int, length: int) -> list[tuple[int, int]]:
        try:
            return data.allocated_ranges(self.data_descriptor, offset, length)
        except OSError as error:
            raise nt_error(error, "allocated ranges") from error

    async def copy_range(
        self, source: Node, source_offset: int, offset: int, length: int, *, clone: bool = False
    ) -> int:
        self.make_writable()
        origin = source.transfer_descriptor()
        if origin is None:
            return await self._copy_through_memory(source, source_offset, offset, length, clone=clone)
        copy = data.clone if clone else data.copy
        try:
            work = self.backend.pool.run(copy, origin, source_offset, self.data_descriptor, offset, length)
            return await self.held(source.held(work) if isinstance(source, PosixNode) else work)
        except OSError as error:
            if clone and error.errno in (errno.EXDEV, errno.ENOTTY, errno.EOPNOTSUPP):
                raise NtError(Status.NOT_SUPPORTED, "the file system shares no blocks here") from error
            raise nt_error(error, "copy") from error

    async def _copy_through_memory(
        self, source: Node, source_offset: int, offset: int, length: int, *, clone: bool
    ) -> int:
        """Copy from a node without a descriptor of its own (a small stream, another kind of volume)."""
        if clone:
            raise NtError(Status.NOT_SUPPORTED, "the source has no blocks to share")
        content = bytearray(max(0, min(length, source.info().end_of_file - source_offset)))
        count = await source.read_into(source_offset, memoryview(content))
        return await self.write(offset, memoryview(content)[:count])

    # -- programs outside of this server --
    def guard(self, wanted: Callable[[float], None]) -> Guard | None:
        shared = self.backend.shared
        return None if shared is None or self.is_directory or self.is_link else shared.guard(self, wanted)

    def claim(self, offset: int, beyond: int, kind: int) -> bool:
        try:
            return self.backend.claims.claim(self, offset, beyond, kind)
        except OSError as error:
            raise nt_error(error, "lock") from error

    # -- streams --
    def streams(self) -> list[StreamInfo]:
        return [] if self.is_link else self.backend.streams.list(self)

    def open_stream(self, name: str, *, create: bool, exclusive: bool = False) -> tuple[Node, bool]:
        if self.is_link:
            raise NtError(Status.OBJECT_NAME_NOT_FOUND, "a symbolic link has no streams")
        return self.backend.streams.open(self, name, create=create, exclusive=exclusive)

    # -- directory --
    async def names(self) -> list[str]:
        self._check_directory()
        listed, self._listed = await self.held(self.backend.list_directory(self.descriptor))
        return listed

    async def entries(self, names: Sequence[str]) -> list[tuple[str, NodeInfo]]:
        self._check_directory()
        try:
            return await self.held(listing.entries(self.backend, self.descriptor, names))
        except OSError as error:
            raise nt_error(error, "entries") from error

    def short_name(self, name: str) -> str:
        self._check_directory()
        short = None if self._listed is None else self._listed.short(name)
        return self.backend.short_name(self.descriptor, name) if short is None else short

    def close(self) -> None:
        if self._busy:
            self._closing = True
        elif self.descriptor >= 0:
            self._release()

    # -- helpers --
    async def _in_pool(self, function: Callable[Concatenate[int, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `function` with the data's descriptor in a thread."""
        return await self.held(self.backend.pool.run(function, self.data_descriptor, *args, **kwargs))

    async def held(self, work: Awaitable[T]) -> T:
        """Await what a thread does with the descriptors. A close meanwhile is put off until it is through: the
        numbers could be another file's, or a socket's, by the time that the thread uses them.
        """
        self._busy += 1
        try:
            return await work
        finally:
            self._busy -= 1
            if self._closing and not self._busy:
                self._closing = False
                self.close()

    def _release(self) -> None:
        if self.backend.shared is not None:
            self.backend.shared.leave(self)
        descriptor, self.descriptor, self.data_descriptor = self.descriptor, -1, -1
        os.close(descriptor)

    def make_writable(self) -> None:
        """Let the node write data; opens the same file again through /proc where it was opened for reading only.

        Errors: MEDIA_WRITE_PROTECTED, ACCESS_DENIED.
        """
        if self._writable:
            return
        if self.is_directory or self.is_link:
            raise NtError(Status.INVALID_DEVICE_REQUEST, "a directory has no data")
        self._check_change()
        try:
            if self.backend.shared is not None:
                self.backend.shared.make_writable(self)
                self._writable = True
                return
            flags = os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK
            again = os.open(b"/proc/self/fd/%d" % self.descriptor, flags)
            try:
                os.dup2(again, self.descriptor, inheritable=False)
            finally:
                os.close(again)
        except OSError as error:
            raise nt_error(error, "open for writing") from error
        self._writable = True

    def _stored(self, status: os.stat_result) -> Stored:
        """Return what the file carries, for a `status` just taken."""
        if self.is_link:
            return listing.linked(status)
        return self.backend.xattrs.current(self.descriptor, status)

    def _change(self, write: xattr.Write, what: str, *, keep_change_time: bool = False) -> None:
        """Change what the file carries; a change time that a client set ends with it."""
        xattrs = self.backend.xattrs

        def whole(entry: Stored) -> None:
            write(entry)
            if entry.change and not keep_change_time:
                entry.change = 0
                xattrs.put_record(self.descriptor, entry)

        try:
            before, after = xattrs.change(self.descriptor, whole)
        except OSError as error:
            raise nt_error(error, what) from error
        if stat.S_ISDIR(after.st_mode):
            self.backend.indexes.follow(before, after)

    def _check_change(self) -> None:
        if self.is_link:
            raise NtError(Status.NOT_SUPPORTED, "a symbolic link carries nothing")
        self.backend.check_writable()

    def _check_directory(self) -> None:
        if not self.is_directory:
            raise NtError(Status.INVALID_PARAMETER, "not a directory")


def describe(backend: PosixBackend, status: os.stat_result, stored: Stored, reserved: int = 0) -> NodeInfo:
    """Return the metadata of a file from its status and what it carries."""
    attributes = stored.attributes
    tag = stored.reparse_tag
    if tag:
        attributes |= FILE_ATTRIBUTE_REPARSE_POINT
    mtime = status.st_mtime_ns
    if stored.change and stored.change_mtime == mtime // 100:
        change = stored.change
    else:
        change = status.st_ctime_ns // 100 + UNIX_EPOCH
    if status.st_mode & 0o170000 == 0o040000:
        attributes |= FILE_ATTRIBUTE_DIRECTORY
        size = allocation = 0
        links = 1
    else:
        size = status.st_size
        links = status.st_nlink
        cluster = backend.cluster_size
        allocation = status.st_blocks * 512
        whole = -(-max(size, reserved) // cluster) * cluster
        # A block for extended attributes counts in st_blocks; it is none of the data's.
        if whole <= allocation <= whole + cluster:
            allocation = whole
    device = status.st_dev
    return NodeInfo(
        status.st_ino if device == backend.device else backend.file_id(device, status.st_ino),
        attributes,
        size,
        allocation,
        links,
        stored.creation,
        status.st_atime_ns // 100 + UNIX_EPOCH,
        mtime // 100 + UNIX_EPOCH,
        change,
        stored.ea_size,
        tag,
    )


def encode_eas(attributes: dict[bytes, bytes]) -> bytes:
    """Pack EAs into the blob that is stored."""
    parts = [_EA_VERSION]
    for name, value in attributes.items():
        parts += (_EA_HEAD.pack(len(name), len(value)), name, value)
    return b"".join(parts)


def decode_eas(blob: bytes | None) -> dict[bytes, bytes]:
    """Unpack a stored blob.  Errors: FILE_CORRUPT_ERROR."""
    found: dict[bytes, bytes] = {}
    if blob is None:
        return found
    at = 1
    if not blob.startswith(_EA_VERSION):
        raise NtError(Status.FILE_CORRUPT_ERROR, "stored EAs of an unknown version")
    while at < len(blob):
        if at + _EA_HEAD.size > len(blob):
            raise NtError(Status.FILE_CORRUPT_ERROR, "stored EAs are cut")
        name_length, value_length = _EA_HEAD.unpack_from(blob, at)
        at += _EA_HEAD.size
        found[blob[at : at + name_length]] = blob[at + name_length : at + name_length + value_length]
        at += name_length + value_length
    return found
