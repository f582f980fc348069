"""Making, renaming, linking and removing names.

The directory of an existing link is opened by the node's path and the name in it is compared with the node's inode
before anything is done to it; a directory to put something into is the open node itself. Nothing here suspends
between a check and the act, except for building an index, after which the check is made.
"""

from __future__ import annotations

import errno
import logging
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from smbcore.nt.attributes import FILE_ATTRIBUTE_COMPRESSED, FILE_ATTRIBUTE_DIRECTORY, FILE_ATTRIBUTE_NORMAL
from smbcore.nt.filetime import from_unix_ns
from smbcore.nt.status import NtError, Status
from smbcore.vfs.posix import kernel, xattr
from smbcore.vfs.posix.errors import nt_error
from smbcore.vfs.posix.names import decode, encode, is_reserved
from smbcore.vfs.posix.node import PosixNode
from smbcore.vfs.posix.xattr import Stored

if TYPE_CHECKING:
    from smbcore.fsa.backend import Check
    from smbcore.vfs.posix.backend import PosixBackend
    from smbcore.vfs.posix.directory import NameChange

_log = logging.getLogger(__name__)

_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


async def create(
    backend: PosixBackend, parent: PosixNode, name: str, *, directory: bool, attributes: int, security: bytes | None
) -> PosixNode:
    """Do `Backend.create`; on failure nothing of the file is left."""
    raw = await _free_name(backend, parent, name)
    try:
        change = backend.name_change(parent.descriptor)
        descriptor = _make(backend, parent.descriptor, raw, directory=directory)
    except OSError as error:
        raise _parent_error(error, f"create {name!r}") from error
    try:
        status = _furnish(backend, descriptor, attributes, security)
        change.done(added=name)
    except OSError as error:
        made = os.fstat(descriptor)
        os.close(descriptor)
        _undo(parent.descriptor, raw, directory=directory)
        clean_up(backend, made)
        backend.indexes.drop(os.fstat(parent.descriptor))
        raise nt_error(error, f"create {name!r}") from error
    node = PosixNode(backend, descriptor, status, (*parent.path, name), writable=not directory)
    node.at_open = status
    return node


async def rename(
    backend: PosixBackend, node: PosixNode, new_parent: PosixNode, name: str, *, replace: bool, check: Check
) -> None:
    """Do `Backend.rename`."""
    raw, target = await _target(backend, new_parent, name)
    with _link_of(backend, node) as (directory, old):
        try:
            same_directory = _is_same(directory, new_parent.descriptor)
            if target is not None and not (same_directory and target == old):
                _check_replace(new_parent.descriptor, target, name, replace=replace)
                replaced = os.stat(target, dir_fd=new_parent.descriptor, follow_symlinks=False)
            else:
                target, replaced = None, None
            check(None if replaced is None else (replaced.st_dev, replaced.st_ino))
            leaving = backend.name_change(directory)
            entering = leaving if same_directory else backend.name_change(new_parent.descriptor)
            _move(directory, old, new_parent.descriptor, raw, target, node)
            _note_move(node, name, leaving, entering, target)
        except OSError as error:
            raise _parent_error(error, f"rename to {name!r}") from error
    if replaced is not None:
        clean_up(backend, replaced)
    left, node.path = node.path, (*new_parent.path, name)
    if node.is_directory:
        backend.directory_moved(left, node.path)


async def link(
    backend: PosixBackend, node: PosixNode, new_parent: PosixNode, name: str, *, replace: bool, check: Check
) -> None:
    """Do `Backend.link`."""
    backend.check_writable()
    if node.is_directory:
        raise NtError(Status.FILE_IS_A_DIRECTORY, "no hard links to directories")
    raw, target = await _target(backend, new_parent, name)
    replaced = None
    with _link_of(backend, node) as (directory, old):
        try:
            change = backend.name_change(new_parent.descriptor)
            if target is None:
                check(None)
                os.link(old, raw, src_dir_fd=directory, dst_dir_fd=new_parent.descriptor, follow_symlinks=False)
                change.done(added=name)
            else:
                _check_replace(new_parent.descriptor, target, name, replace=replace)
                if target == old and _is_same(directory, new_parent.descriptor):
                    return
                there = os.stat(target, dir_fd=new_parent.descriptor, follow_symlinks=False)
                check((there.st_dev, there.st_ino))
                if (there.st_dev, there.st_ino) != node.key:
                    replaced = there
                    _link_over(backend, (directory, old), new_parent.descriptor, target)
                if target != raw:
                    _rename_free(new_parent.descriptor, target, new_parent.descriptor, raw)
                change.done(removed=[decode(target)], added=name)
        except OSError as error:
            raise _parent_error(error, f"link {name!r}") from error
    if replaced is not None:
        clean_up(backend, replaced)


def remove(backend: PosixBackend, node: PosixNode) -> None:
    """Do `Backend.remove` for a file or directory."""
    backend.check_writable()
    with _link_of(backend, node) as (directory, name):
        try:
            status = os.fstat(node.descriptor)
            change = backend.name_change(directory)
            if node.is_directory:
                os.rmdir(name, dir_fd=directory)
            else:
                os.unlink(name, dir_fd=directory)
            change.done(removed=[node.path[-1]])
        except OSError as error:
            raise nt_error(error, f"remove {node.path[-1]!r}") from error
    clean_up(backend, status)


def clean_up(backend: PosixBackend, before: os.stat_result) -> None:
    """After a link is gone: drop what was kept beside the file if it was the last one.

    before  the status while the link existed
    """
    if stat.S_ISDIR(before.st_mode):
        backend.indexes.drop(before)
    elif before.st_nlink > 1:
        return
    backend.xattrs.forget((before.st_dev, before.st_ino))
    try:
        backend.side.remove_all(before.st_dev, before.st_ino)
    except OSError as error:
        # The file itself is gone, so the caller succeeded; what is left takes space and is harmless.
        _log.warning("side files of inode %d stay behind: %s", before.st_ino, error)


@contextmanager
def _link_of(backend: PosixBackend, node: PosixNode) -> Iterator[tuple[int, bytes]]:
    """Open the directory of the node's link and check that the name still is the node.

    Errors: OBJECT_NAME_NOT_FOUND the name is gone or another file;  ACCESS_DENIED the root.
    """
    backend.check_writable()
    if not node.path:
        raise NtError(Status.ACCESS_DENIED, "the root of a volume stays")
    raw = encode(node.path[-1])
    try:
        directory = backend.open_directory(node.path[:-1])
    except (OSError, NtError) as error:
        raise NtError(Status.OBJECT_NAME_NOT_FOUND, f"the directory of the link is gone: {error}") from error
    try:
        try:
            named = os.stat(raw, dir_fd=directory, follow_symlinks=False)
        except OSError as error:
            raise NtError(Status.OBJECT_NAME_NOT_FOUND, f"{node.path[-1]!r} is gone: {error.strerror}") from error
        if (named.st_dev, named.st_ino) != node.key:
            raise NtError(Status.OBJECT_NAME_NOT_FOUND, f"{node.path[-1]!r} is another file now")
        yield directory, raw
    finally:
        os.close(directory)


async def _target(backend: PosixBackend, parent: PosixNode, name: str) -> tuple[bytes, bytes | None]:
    """Return the encoded `name`, and the encoded real name of what has this name in any case, if anything.

    Errors: OBJECT_NAME_INVALID;  ACCESS_DENIED the stream store;  OBJECT_PATH_NOT_FOUND `parent` is no directory.
    """
    raw = _encoded(backend, parent, name)
    try:
        found = None if backend.case_sensitive else (await backend.index(parent.descriptor)).find(name)
        if found != name and _exists(parent.descriptor, raw):  # an exact name goes before one in another case
            return raw, raw
    except OSError as error:
        raise _parent_error(error, f"look for {name!r}") from error
    return raw, None if found is None else encode(found)


async def _free_name(backend: PosixBackend, parent: PosixNode, name: str) -> bytes:
    """Return the encoded `name` if the index knows nothing of this name in any case.

    Errors: as `_target`, OBJECT_NAME_COLLISION. Making the file must still refuse the very name: others may have it.
    """
    raw = _encoded(backend, parent, name)
    try:
        taken = not backend.case_sensitive and (await backend.index(parent.descriptor)).find(name) is not None
    except OSError as error:
        raise _parent_error(error, f"look for {name!r}") from error
    if taken:
        raise NtError(Status.OBJECT_NAME_COLLISION, f"{name!r} exists")
    return raw


def _encoded(backend: PosixBackend, parent: PosixNode, name: str) -> bytes:
    """Return `name` as the store spells it, if `parent` may take it.  Errors: as `_target`."""
    backend.check_writable()
    if is_reserved(name):
        raise NtError(Status.ACCESS_DENIED, "the stream store is nobody's")
    if not parent.is_directory:
        raise NtError(Status.OBJECT_PATH_NOT_FOUND, "the parent is no directory")
    return encode(name)


def _is_same(one: int, other: int) -> bool:
    """Tell whether two descriptors are of one file."""
    return os.path.sameopenfile(one, other)


def _exists(directory: int, raw: bytes) -> bool:
    try:
        os.stat(raw, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _check_replace(directory: int, target: bytes, name: str, *, replace: bool) -> None:
    if not replace:
        raise NtError(Status.OBJECT_NAME_COLLISION, f"{name!r} exists")
    if stat.S_ISDIR(os.stat(target, dir_fd=directory, follow_symlinks=False).st_mode):
        raise NtError(Status.ACCESS_DENIED, f"{name!r} is a directory")


def _make(backend: PosixBackend, parent: int, raw: bytes, *, directory: bool) -> int:
    """Make the file or directory exclusively and return its descriptor. Raises OSError."""
    if not directory:
        return os.open(raw, _CREATE, backend.file_mode, dir_fd=parent)
    os.mkdir(raw, backend.directory_mode, dir_fd=parent)
    try:
        return os.open(raw, _DIRECTORY, dir_fd=parent)
    except OSError:
        _undo(parent, raw, directory=True)
        raise


def _furnish(backend: PosixBackend, descriptor: int, attributes: int, security: bytes | None) -> os.stat_result:
    """Store attributes, creation time and security of a new file; return its status. Raises OSError."""
    status = os.fstat(descriptor)
    entry = backend.xattrs.entry((status.st_dev, status.st_ino))
    entry.load(None, -1)
    entry.attributes = attributes & ~(FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_NORMAL)
    entry.creation = from_unix_ns(status.st_mtime_ns)
    if backend.compresses:  # the file system may have inherited otherwise
        kernel.set_compression(descriptor, compressed=bool(attributes & FILE_ATTRIBUTE_COMPRESSED))
    backend.xattrs.put_record(descriptor, entry)
    if security is not None:
        backend.xattrs.set_value(descriptor, entry, xattr.SECURITY, bytes(security))
    status = os.fstat(descriptor)
    _settle(entry, security, status)
    return status


def _settle(entry: Stored, security: bytes | None, status: os.stat_result) -> None:
    """Make the cache entry of a new file good for `status`."""
    entry.security = security
    entry.security_known = True
    entry.stamp = status.st_ctime_ns


def _undo(parent: int, raw: bytes, *, directory: bool) -> None:
    """Remove a half-made file; the error that led here is the one to report."""
    try:
        if directory:
            os.rmdir(raw, dir_fd=parent)
        else:
            os.unlink(raw, dir_fd=parent)
    except OSError as error:
        _log.warning("a half-made file stays behind: %s", error)


def _move(directory: int, old: bytes, into: int, raw: bytes, target: bytes | None, node: PosixNode) -> None:
    """Rename, over `target` if there is one, whatever the case of its name. Raises OSError."""
    if target is None:
        _rename_free(directory, old, into, raw)
        return
    there = os.stat(target, dir_fd=into, follow_symlinks=False)
    if (there.st_dev, there.st_ino) == node.key:
        os.unlink(old, dir_fd=directory)  # two links of one file: rename(2) would leave both
    elif node.is_directory:
        # rename(2) puts no directory over a file; to swap them and remove the file loses neither on failure.
        kernel.renameat2(directory, old, into, target, kernel.RENAME_EXCHANGE)
        os.unlink(old, dir_fd=directory)
    else:
        os.rename(old, target, src_dir_fd=directory, dst_dir_fd=into)
    if target != raw:
        _rename_free(into, target, into, raw)


def _rename_free(directory: int, old: bytes, into: int, raw: bytes) -> None:
    """Rename to a name that must be free; to itself is no change. Raises OSError."""
    if old == raw and _is_same(directory, into):
        return
    try:
        kernel.renameat2(directory, old, into, raw, kernel.RENAME_NOREPLACE)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS) or _exists(into, raw):
            raise
        # EINVAL: the file system has no such flag, or a directory is to go below itself; the plain call tells which.
        os.rename(old, raw, src_dir_fd=directory, dst_dir_fd=into)


def _note_move(node: PosixNode, name: str, leaving: NameChange, entering: NameChange, target: bytes | None) -> None:
    """Bring the indexes up to date after a rename."""
    replaced = [] if target is None else [decode(target)]
    if leaving is entering:
        leaving.done(removed=[node.path[-1], *replaced], added=name)
    else:
        leaving.done(removed=[node.path[-1]])
        entering.done(removed=replaced, added=name)


def _link_over(backend: PosixBackend, link: tuple[int, bytes], into: int, target: bytes) -> None:
    """Put a link in the place of `target` in one step, by way of a name in the stream store. Raises OSError."""
    directory, old = link
    store = backend.side.directory()
    temporary = b"l" + os.urandom(8).hex().encode()
    os.link(old, temporary, src_dir_fd=directory, dst_dir_fd=store, follow_symlinks=False)
    try:
        os.rename(temporary, target, src_dir_fd=store, dst_dir_fd=into)
    except OSError:
        os.unlink(temporary, dir_fd=store)
        raise


def _parent_error(error: OSError, why: str) -> NtError:
    """Map an error about the directory that takes a name: that it is gone is OBJECT_PATH_NOT_FOUND."""
    if error.errno == errno.ENOENT:
        return NtError(Status.OBJECT_PATH_NOT_FOUND, f"{why}: the parent is gone")
    return nt_error(error, why)
