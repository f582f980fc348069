"""The side store: files in a hidden directory of the share for what extended attributes cannot hold.

    .holdfast-streams/<device>-<inode>/<name>

Large named streams and large extended attributes of a file live there. <device> is 0 for the file system of the share's
root, else the number that stands for it after every mount (`devices.py`). An inode number can come back as another file
after a removal that went past us, so nothing here is believed by its place alone: streams have random names that the
file's own index lists, and values begin with a random token that the file's own extended attribute repeats.

What was kept for a file that went past us stays behind. Each folder carries the kernel's handle of its file, and its
own: once the file's is stale the folder is nobody's (`sweeper.py`). A folder whose own handle is another one now came
here by a copy or with a snapshot, and says nothing about what there is.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence

from smbcore.vfs.posix import handles
from smbcore.vfs.posix.devices import Devices
from smbcore.vfs.posix.names import STREAM_STORE

_log = logging.getLogger(__name__)

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
_NAME = STREAM_STORE.encode()
_OWNER = "user.holdfast.owner"
_GONE = "gone-"
"""How the names of folders begin that are nobody's and wait for their removal."""


class SideStore:
    """The hidden directory of one share; made when it is first needed.

    root  descriptor of the share's root, owned by the caller;  devices  those below it
    """

    __slots__ = ("_devices", "_directory", "_root")

    def __init__(self, root: int, devices: Devices | None = None) -> None:
        self._root = root
        self._devices = Devices(os.fstat(root).st_dev) if devices is None else devices
        self._directory = -1
        self._open_existing()

    def close(self) -> None:
        """Release the descriptor; the root's is not used any more."""
        descriptor = self.detach()
        if descriptor >= 0:
            os.close(descriptor)

    def detach(self) -> int:
        """Do nothing any more; return the descriptor, -1 for none, to be closed when no thread is at work."""
        descriptor, self._directory, self._root = self._directory, -1, -1
        return descriptor

    def directory(self) -> int:
        """Return the descriptor of the store itself, made if need be."""
        if self._directory < 0:
            try:
                os.mkdir(_NAME, 0o700, dir_fd=self._root)
            except FileExistsError:
                _log.debug("the stream store was made by somebody else")
            self._open_existing()
            if self._directory < 0:
                raise FileNotFoundError(2, "the stream store vanished")
        return self._directory

    def open(self, descriptor: int, name: str, *, create: bool) -> int:
        """Open the side file `name` of the file open as `descriptor`, for reading and writing.

        `create` makes it, exclusively.
        """
        folder = self._folder(descriptor, create=create)
        try:
            return os.open(name, _FILE | (os.O_CREAT | os.O_EXCL if create else 0), 0o600, dir_fd=folder)
        finally:
            os.close(folder)

    def size(self, descriptor: int, name: str) -> int | None:
        """Return the size of a side file of the open file, None if there is no such."""
        try:
            folder = self._folder(descriptor, create=False)
        except FileNotFoundError:
            return None
        try:
            return os.stat(name, dir_fd=folder, follow_symlinks=False).st_size
        except FileNotFoundError:
            return None
        finally:
            os.close(folder)

    def size_of(self, device: int, inode: int, name: str) -> int | None:
        """Return the size of a side file by the file that it is of, None if there is no such; may run in the pool."""
        if self._directory < 0:
            return None
        try:
            place = f"{self._folder_name(device, inode)}/{name}"
            return os.stat(place, dir_fd=self._directory, follow_symlinks=False).st_size
        except FileNotFoundError:
            return None

    def load(self, descriptor: int, name: str, token: bytes) -> bytes | None:
        """Return the value saved with `token` under `name`, None if there is no such."""
        try:
            file = self.open(descriptor, _value_name(name), create=False)
        except FileNotFoundError:
            _log.warning("side file %s is missing", name)
            return None
        with os.fdopen(file, "rb") as stream:
            content = stream.read()
        if not content.startswith(token):
            _log.warning("side file %s belongs to another file", name)
            return None
        return content[len(token) :]

    def save(self, descriptor: int, name: str, token: bytes, value: bytes) -> None:
        """Save `value` with `token` under `name`; an older value is replaced in one step."""
        folder = self._folder(descriptor, create=True)
        temporary = "t" + os.urandom(8).hex()
        try:
            file = os.open(temporary, _FILE | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=folder)
            try:
                with os.fdopen(file, "wb") as stream:
                    stream.write(token + value)
                os.rename(temporary, _value_name(name), src_dir_fd=folder, dst_dir_fd=folder)
            except OSError:
                os.unlink(temporary, dir_fd=folder)
                raise
        finally:
            os.close(folder)

    def discard(self, descriptor: int, name: str) -> None:
        """Remove the value saved under `name`, if there is one."""
        self.unlink(descriptor, _value_name(name))

    def unlink(self, descriptor: int, name: str) -> None:
        """Remove a side file of the open file, if there is one."""
        try:
            folder = self._folder(descriptor, create=False)
        except FileNotFoundError:
            return
        try:
            os.unlink(name, dir_fd=folder)
        except FileNotFoundError:
            _log.debug("side file %s was gone already", name)
        finally:
            os.close(folder)

    def remove_all(self, device: int, inode: int) -> None:
        """Remove everything kept for a file that is gone."""
        if self._directory >= 0:
            _remove_folder(self._directory, self._folder_name(device, inode))

    # -- what went past us --
    def folders(self, after: str, most: int) -> list[str]:
        """Return the names of up to `most` folders behind `after` in the order of names, of any after the last one."""
        if self._directory < 0:
            return []
        listed = sorted(os.listdir(b"/proc/self/fd/%d" % self._directory))  # noqa: PTH208
        names = [os.fsdecode(name) for name in listed]
        return [name for name in names if name > after][:most] or names[:most]

    def orphans(self, names: Sequence[str]) -> list[str]:
        """Return those folders of `names` whose file is gone for good, as far as that can be proved; may run in the
        pool.
        """
        return [name for name in names if name.startswith(_GONE) or self._is_orphan(name)]

    def set_aside(self, name: str) -> str | None:
        """Take the folder `name` out of use if its file is still gone; return its new name. On the loop's thread, as
        everything that puts folders into use.
        """
        if name.startswith(_GONE):
            return name
        if self._directory < 0 or not self._is_orphan(name):
            return None
        aside = _GONE + os.urandom(8).hex()
        try:
            os.rename(name, aside, src_dir_fd=self._directory, dst_dir_fd=self._directory)
        except FileNotFoundError:
            return None
        return aside

    def remove_aside(self, name: str) -> None:
        """Remove a folder that was set aside; may run in the pool."""
        if self._directory >= 0:
            _remove_folder(self._directory, name)

    def _is_orphan(self, name: str) -> bool:
        try:
            folder = os.open(name, _DIRECTORY, dir_fd=self._directory)
        except OSError:
            return False
        try:
            carried = os.getxattr(folder, _OWNER)
            own = handles.handle_of(folder)
            if own is None or not carried.endswith(own):
                return False
            return handles.is_gone(folder, carried.removesuffix(own)) is True
        except OSError:
            return False
        finally:
            os.close(folder)

    def _claim(self, folder: int, descriptor: int) -> None:
        """Let the folder carry the handle of the file that it is for."""
        own, owner = handles.handle_of(folder), handles.handle_of(descriptor)
        if own is None or owner is None:
            return
        try:
            os.setxattr(folder, _OWNER, owner + own)
        except OSError as error:
            _log.debug("a side folder carries no handle: %s", error)

    def _open_existing(self) -> None:
        try:
            self._directory = os.open(_NAME, _DIRECTORY, dir_fd=self._root)
        except FileNotFoundError:
            self._directory = -1

    def _folder_name(self, device: int, inode: int, descriptor: int | None = None) -> str:
        return f"{self._devices.number(device, descriptor):x}-{inode:x}"

    def _folder(self, descriptor: int, *, create: bool) -> int:
        """Open the folder of the open file."""
        status = os.fstat(descriptor)
        name = self._folder_name(status.st_dev, status.st_ino, descriptor)
        if not create:
            if self._directory < 0:
                raise FileNotFoundError(2, "no stream store")
            return os.open(name, _DIRECTORY, dir_fd=self._directory)
        store = self.directory()
        try:
            os.mkdir(name, 0o700, dir_fd=store)
        except FileExistsError:
            _log.debug("side folder %s exists", name)
        folder = os.open(name, _DIRECTORY, dir_fd=store)
        if status.st_dev == self._devices.root:
            self._claim(folder, descriptor)
        return folder


def _remove_folder(store: int, name: str) -> None:
    """Remove a folder of the store with all that is in it; there may be none."""
    try:
        folder = os.open(name, _DIRECTORY, dir_fd=store)
    except FileNotFoundError:
        return
    try:
        for child in os.listdir(folder):  # noqa: PTH208 - a descriptor, not a path
            os.unlink(child, dir_fd=folder)
    finally:
        os.close(folder)
    os.rmdir(name, dir_fd=store)


def _value_name(name: str) -> str:
    """Return the file name for a saved value; a slash cannot be part of it."""
    return "x" + name.encode().hex()
