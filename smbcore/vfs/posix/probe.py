"""What the file system below a share can do, found out when the volume is opened."""

from __future__ import annotations

import errno
import logging
import os

from smbcore.nt.status import NtError, Status
from smbcore.vfs.posix import kernel, xattr

_log = logging.getLogger(__name__)
_BLOCK = 64 * 1024


def check_support(root: int, path: str) -> None:
    """Raise NtError with a sentence for the administrator unless the share's directory can carry what we keep.

    Errors: EAS_NOT_SUPPORTED no user extended attributes;  DEVICE_NOT_READY no /proc.
    """
    try:
        os.getxattr(root, xattr.PREFIX + "probe")
    except OSError as error:
        if error.errno == errno.EOPNOTSUPP:
            why = (
                f"the file system of {path} has no user extended attributes (mount it with user_xattr, or use another)"
            )
            raise NtError(Status.EAS_NOT_SUPPORTED, why) from error
        if error.errno != errno.ENODATA:
            raise
    try:
        os.stat(b"/proc/self/fd/%d" % root)  # noqa: PTH116 - a name of bytes
    except FileNotFoundError as error:
        raise NtError(Status.DEVICE_NOT_READY, "/proc is not mounted") from error


def can_clone(root: int) -> bool:
    """Tell whether files can share blocks, by trying with two nameless files."""
    opened: list[int] = []
    try:
        opened.append(_nameless(root))
        opened.append(_nameless(root))
        os.pwrite(opened[0], bytes(_BLOCK), 0)
        kernel.clone_range(opened[0], 0, opened[1], 0, _BLOCK)
    except OSError as error:
        _log.debug("no shared blocks: %s", error)
        return False
    else:
        return True
    finally:
        for descriptor in opened:
            os.close(descriptor)


def can_compress(root: int) -> bool:
    """Tell whether marked files are compressed: btrfs only, others keep the mark and do nothing."""
    if kernel.subvolume_created_ns(root) is None:
        return False
    try:
        tried = _nameless(root)
    except OSError:
        return False
    try:
        kernel.set_compression(tried, compressed=True)
        return kernel.is_compressed(tried)
    except OSError as error:
        _log.debug("no compression: %s", error)
        return False
    finally:
        os.close(tried)


def _nameless(root: int) -> int:
    return os.open(b".", os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600, dir_fd=root)
