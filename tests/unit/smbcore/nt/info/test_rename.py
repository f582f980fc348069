from __future__ import annotations

import pytest

from smbcore.nt.info import rename as r

TABLE = [
    (r.RenameInformation("a\\b", 1), "01 00000000000000 0000000000000000 06000000 61005c006200"),
    (r.RenameInformation("a", 0), "00 00000000000000 0000000000000000 02000000 6100 0000"),
    (r.LinkInformation("abc"), "00 00000000000000 0000000000000000 06000000 610062006300"),
    (r.RenameInformationEx("abc", 0x43), "43000000 00000000 0000000000000000 06000000 610062006300"),
    (r.LinkInformationEx("abc", 1, 7), "01000000 00000000 0700000000000000 06000000 610062006300"),
]


@pytest.mark.parametrize(("value", "wire"), TABLE)
def test_both_ways(value, wire, goes_both_ways):
    """[MS-FSCC 2.4]"""
    goes_both_ways(value, wire, least=20 + 2 * len(value.name))


def test_any_nonzero_byte_means_replace():
    data = bytearray(r.RenameInformation("abc").encode())
    data[0] = 0xFF
    assert r.RenameInformation.decode(data).flags == r.FILE_RENAME_REPLACE_IF_EXISTS
    assert r.RenameInformation.decode(data).replace


def test_older_classes_send_no_other_flag():
    assert r.RenameInformation("abc", 0x43).encode()[0] == 1
    assert not r.RenameInformationEx("abc", 0x42).replace
