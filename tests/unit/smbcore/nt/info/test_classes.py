from __future__ import annotations

import pytest

from smbcore.nt.info import classes as c
from smbcore.nt.status import NtError, Status


def test_numbers_of_often_used_classes():
    """[MS-FSCC 2.4]"""
    assert (c.FILE_BASIC_INFORMATION, c.FILE_ALL_INFORMATION, c.FILE_ID_BOTH_DIRECTORY_INFORMATION) == (4, 18, 37)
    assert (c.FILE_ID_INFORMATION, c.FILE_DISPOSITION_INFORMATION_EX, c.FILE_RENAME_INFORMATION_EX) == (59, 64, 65)
    assert (c.FILE_NETWORK_OPEN_INFORMATION, c.FILE_STREAM_INFORMATION, c.FILE_NORMALIZED_NAME_INFORMATION) == (
        34,
        22,
        48,
    )


def test_numbers_are_unique():
    for prefix in ("FILE_FS_", "FILE_"):
        numbers = [
            v
            for k, v in vars(c).items()
            if k.startswith(prefix) and isinstance(v, int) and (prefix == "FILE_FS_" or not k.startswith("FILE_FS_"))
        ]
        assert len(numbers) == len(set(numbers))


@pytest.mark.parametrize(("info_class", "size"), [(4, 40), (5, 24), (18, 104), (22, 24), (34, 56), (37, 104), (3, 94)])
def test_fixed_sizes(info_class, size):
    assert c.fixed_size(info_class) == size


@pytest.mark.parametrize(("info_class", "size"), [(1, 24), (3, 24), (4, 8), (5, 16), (7, 32), (8, 64), (11, 28)])
def test_fixed_sizes_of_file_systems(info_class, size):
    assert c.fs_fixed_size(info_class) == size


@pytest.mark.parametrize("function", [c.fixed_size, c.fs_fixed_size])
def test_unknown_class(function):
    with pytest.raises(NtError) as caught:
        function(200)
    assert caught.value.status is Status.INVALID_INFO_CLASS


def test_buffer_rules():
    """[MS-SMB2 3.3.5.20.1]"""
    data = bytes(range(30))
    assert c.fit(data, 24, 30) == data
    with pytest.raises(NtError) as caught:
        c.fit(data, 24, 29)
    assert (caught.value.status, caught.value.data) == (Status.BUFFER_OVERFLOW, data[:29])
    with pytest.raises(NtError) as caught:
        c.fit(data, 24, 23)
    assert (caught.value.status, caught.value.data) == (Status.INFO_LENGTH_MISMATCH, b"\x1e\0\0\0")
