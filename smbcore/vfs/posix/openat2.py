"""Opening below a root that nothing can leave.

The kernel resolves a whole path at once with RESOLVE_BENEATH, RESOLVE_NO_MAGICLINKS and RESOLVE_NO_SYMLINKS: no `..`,
no absolute path, no symbolic link and no rename during the walk leads out. Kernels without openat2 get a walk of single
components, each opened with O_NOFOLLOW relative to the one before. Either way a symbolic link is ELOOP.
"""

from __future__ import annotations

import errno
import os
import stat

from smbcore.vfs.posix import kernel

_RULES = kernel.RESOLVE_BENEATH | kernel.RESOLVE_NO_MAGICLINKS | kernel.RESOLVE_NO_SYMLINKS
_BASE = os.O_CLOEXEC | os.O_NOFOLLOW
_WALK = _BASE | os.O_PATH | os.O_DIRECTORY
_LONGEST = 4000
"""Bytes of a path that go to the kernel at once (PATH_MAX is 4096 with the NUL)."""
_TRIES = 8


class Resolver:
    """Opens paths below one directory.

    root          descriptor of the directory; owned by the caller
    use_openat2   False takes the component-wise walk from the start
    """

    __slots__ = ("_hows", "_use_openat2", "root")

    def __init__(self, root: int, *, use_openat2: bool = True) -> None:
        self.root = root
        self._use_openat2 = use_openat2
        self._hows: dict[int, kernel.OpenHow] = {}

    def open(self, path: bytes, flags: int) -> int:
        """Open `path` (encoded components joined by slashes, b"" for the root) and return the descriptor.

        Raises OSError: ELOOP at a symbolic link anywhere, unless `flags` has O_PATH and it is the last component; EXDEV
        for a path that would leave the root. O_CLOEXEC and O_NOFOLLOW are added.
        """
        if b"/" not in path and path != b"..":
            # One component cannot lead astray with O_NOFOLLOW, and os.open is cheaper than a call through ctypes.
            return _last(self.root, path or b".", flags | _BASE)
        if len(path) > _LONGEST:
            return self._open_long(path, flags)
        return self._open_from(self.root, path, flags)

    def _open_from(self, directory: int, path: bytes, flags: int) -> int:
        if not self._use_openat2:
            return walk(directory, path, flags | _BASE)
        how = self._hows.get(flags)
        if how is None:
            how = self._hows[flags] = kernel.OpenHow(flags | _BASE, _RULES)
        for _ in range(_TRIES):
            try:
                return kernel.openat2(directory, path, how)
            except OSError as error:
                if error.errno == errno.EAGAIN:  # a rename was under way while the kernel looked
                    continue
                if error.errno == errno.ENOSYS:
                    self._use_openat2 = False
                    return walk(directory, path, flags | _BASE)
                raise
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    def _open_long(self, path: bytes, flags: int) -> int:
        """Open a path that is too long for one call, piece by piece."""
        at, owned = self.root, -1
        try:
            while len(path) > _LONGEST:
                cut = path.rindex(b"/", 0, _LONGEST)
                at = self._open_from(at, path[:cut], os.O_PATH | os.O_DIRECTORY)
                if owned >= 0:
                    os.close(owned)
                owned, path = at, path[cut + 1 :]
            return self._open_from(at, path, flags)
        finally:
            if owned >= 0:
                os.close(owned)


def walk(directory: int, path: bytes, flags: int) -> int:
    """Open `path` below `directory` one component at a time, following nothing."""
    *way, last = path.split(b"/")
    if not last or b".." in way or last == b".." or b"" in way:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
    at, owned = directory, -1
    try:
        for name in way:
            at = _step(at, name)
            if owned >= 0:
                os.close(owned)
            owned = at
        return _last(at, last, flags | os.O_NOFOLLOW)
    finally:
        if owned >= 0:
            os.close(owned)


def _step(directory: int, name: bytes) -> int:
    """Open a directory on the way."""
    return _last(directory, name, _WALK)


def _last(directory: int, name: bytes, flags: int) -> int:
    """Open one component; with O_DIRECTORY too a symbolic link is ELOOP, as with openat2."""
    try:
        return os.open(name, flags, dir_fd=directory)
    except NotADirectoryError:
        if stat.S_ISLNK(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP)) from None
        raise
