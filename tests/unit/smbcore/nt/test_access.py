from __future__ import annotations

import pytest

from smbcore.nt import access as a


@pytest.mark.parametrize(
    ("mask", "mapped"),
    [
        (a.GENERIC_READ, 0x00120089),
        (a.GENERIC_WRITE, 0x00120116),
        (a.GENERIC_EXECUTE, 0x001200A0),
        (a.GENERIC_ALL, 0x001F01FF),
        (a.GENERIC_READ | a.DELETE, 0x00130089),
        (a.MAXIMUM_ALLOWED, a.MAXIMUM_ALLOWED),
        (0, 0),
    ],
)
def test_generic_rights_of_files(mask, mapped):
    """[MS-SMB2 2.2.13.1]"""
    assert a.map_generic(mask) == mapped


def test_reserved_and_valid_bits_do_not_overlap():
    assert a.RESERVED & a.VALID == 0
    assert a.RESERVED | a.VALID == 0xFFFFFFFF


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (0, "none"),
        (a.FILE_ALL_ACCESS, "all"),
        (a.FILE_READ_DATA | a.FILE_WRITE_DATA | a.DELETE, "read+write+delete"),
        (a.FILE_ALL_ACCESS | a.ACCESS_SYSTEM_SECURITY, "all+system-security"),
        (0x0020_0001, "read+0x200000"),
    ],
)
def test_masks_in_words(mask, words):
    assert a.words(mask) == words
