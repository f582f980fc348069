"""errno to NTSTATUS: one table for everything that the kernel may answer."""

from __future__ import annotations

import errno

from smbcore.fsa.backend import HeldOutsideError
from smbcore.nt.status import NtError, Status

STATUS_OF_ERRNO: dict[int, Status] = {
    errno.EPERM: Status.ACCESS_DENIED,
    errno.EACCES: Status.ACCESS_DENIED,
    errno.ENOENT: Status.OBJECT_NAME_NOT_FOUND,
    errno.ENOTDIR: Status.OBJECT_PATH_NOT_FOUND,
    errno.EISDIR: Status.FILE_IS_A_DIRECTORY,
    errno.EEXIST: Status.OBJECT_NAME_COLLISION,
    errno.ENOTEMPTY: Status.DIRECTORY_NOT_EMPTY,
    errno.ENAMETOOLONG: Status.OBJECT_NAME_INVALID,
    errno.EILSEQ: Status.OBJECT_NAME_INVALID,
    errno.ELOOP: Status.STOPPED_ON_SYMLINK,
    errno.EXDEV: Status.NOT_SAME_DEVICE,
    errno.EMLINK: Status.FILE_SYSTEM_LIMITATION,
    errno.ENOSPC: Status.DISK_FULL,
    errno.EDQUOT: Status.QUOTA_EXCEEDED,
    errno.EFBIG: Status.DISK_FULL,
    errno.EROFS: Status.MEDIA_WRITE_PROTECTED,
    errno.EIO: Status.IO_DEVICE_ERROR,
    errno.ENXIO: Status.ACCESS_DENIED,  # opening a socket, or a device without a driver
    errno.ENODEV: Status.ACCESS_DENIED,
    errno.ESTALE: Status.FILE_INVALID,
    errno.EMFILE: Status.TOO_MANY_OPENED_FILES,
    errno.ENFILE: Status.TOO_MANY_OPENED_FILES,
    errno.ENOMEM: Status.INSUFFICIENT_RESOURCES,
    errno.ENOBUFS: Status.INSUFFICIENT_RESOURCES,
    errno.EINVAL: Status.INVALID_PARAMETER,
    errno.EOVERFLOW: Status.INVALID_PARAMETER,
    errno.ERANGE: Status.INVALID_PARAMETER,
    errno.E2BIG: Status.EA_TOO_LARGE,
    errno.EBADF: Status.FILE_CLOSED,
    errno.ETXTBSY: Status.SHARING_VIOLATION,
    errno.EBUSY: Status.SHARING_VIOLATION,
    errno.EAGAIN: Status.SHARING_VIOLATION,  # a lease or mandatory lock of a local process
    errno.EOPNOTSUPP: Status.NOT_SUPPORTED,
    errno.ENOTTY: Status.NOT_SUPPORTED,
    errno.ENOSYS: Status.NOT_SUPPORTED,
    errno.ETIMEDOUT: Status.IO_TIMEOUT,
    errno.EUCLEAN: Status.DISK_CORRUPT_ERROR,
    errno.EBADMSG: Status.CRC_ERROR,
}


def nt_error(error: OSError, why: str = "") -> NtError:
    """Return the NtError for what the kernel answered; UNEXPECTED_IO_ERROR for an errno not in the table.

    HeldOutsideError where a lease of a local program is in the way, which was told to give it up.
    """
    number = error.errno or 0
    status = STATUS_OF_ERRNO.get(number, Status.UNEXPECTED_IO_ERROR)
    text = f"{error.strerror} (errno {number})"
    kind = HeldOutsideError if number == errno.EAGAIN else NtError
    return kind(status, f"{why}: {text}" if why else text)
