"""errno to NTSTATUS."""

from __future__ import annotations

import errno

import pytest

from smbcore.nt.status import Status
from smbcore.vfs.posix.errors import STATUS_OF_ERRNO, nt_error


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (errno.ENOSPC, Status.DISK_FULL),
        (errno.EDQUOT, Status.QUOTA_EXCEEDED),
        (errno.EROFS, Status.MEDIA_WRITE_PROTECTED),
        (errno.EIO, Status.IO_DEVICE_ERROR),
        (errno.ESTALE, Status.FILE_INVALID),
        (errno.EPERM, Status.ACCESS_DENIED),
        (errno.ENFILE, Status.TOO_MANY_OPENED_FILES),
        (errno.ENOTEMPTY, Status.DIRECTORY_NOT_EMPTY),
        (errno.EXDEV, Status.NOT_SAME_DEVICE),
    ],
)
def test_the_contracts_statuses(number: int, status: Status) -> None:
    error = nt_error(OSError(number, "text"), "what was tried")
    assert error.status is status
    assert error.why == f"what was tried: text (errno {number})"


def test_every_status_is_an_error_and_the_unknown_is_one_too() -> None:
    assert all(status.is_error for status in STATUS_OF_ERRNO.values() if status is not Status.STOPPED_ON_SYMLINK)
    assert nt_error(OSError(9999, "?")).status is Status.UNEXPECTED_IO_ERROR
    assert nt_error(OSError("no number")).status is Status.UNEXPECTED_IO_ERROR
