from __future__ import annotations

import pytest

from smbcore.nt.info import fs

TABLE = [
    (fs.VolumeInformation(1, 0x11223344, "ab"), "0100000000000000 44332211 04000000 00 00 61006200"),
    (fs.SizeInformation(10, 5, 8, 512), "0a00000000000000 0500000000000000 08000000 00020000"),
    (
        fs.FullSizeInformation(10, 5, 6, 8, 512),
        "0a00000000000000 0500000000000000 0600000000000000 08000000 00020000",
    ),
    (
        fs.FullSizeInformationEx(10, 6, 9, 5, 3, 1, 8, 512),
        (
            "0a00000000000000 0600000000000000 0000000000000000 0900000000000000 0500000000000000 0000000000000000"
            "0300000000000000 0100000000000000 0000000000000000 0000000000000000 0600000000000000 08000000 00020000"
        ),
    ),
    (fs.DeviceInformation(), "07000000 20000000"),
    (fs.AttributeInformation(0x4000F, "NTFS"), "0f000400 ff000000 08000000 4e00540046005300"),
    (fs.ControlInformation(flags=2), "00" * 24 + "ff" * 16 + "02000000 00000000"),
    (fs.ObjectIdInformation(b"\x11" * 16, b"\x22" * 48), "11" * 16 + "22" * 48),
    (fs.SectorSizeInformation(), "00020000 00100000 00100000 00100000 03000000 00000000 00000000"),
    (fs.LabelInformation("x"), "02000000 7800"),
]


@pytest.mark.parametrize(("value", "wire"), TABLE)
def test_both_ways(value, wire, goes_both_ways):
    """[MS-FSCC 2.5]"""
    goes_both_ways(value, wire)
