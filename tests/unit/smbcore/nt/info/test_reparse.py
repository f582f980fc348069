from __future__ import annotations

import pytest

from smbcore.nt.errors import WireError
from smbcore.nt.info.reparse import MAXIMUM_REPARSE_DATA, MountPoint, ReparsePoint, SymbolicLink
from smbcore.nt.status import NtError, Status

SYMLINK = bytes.fromhex("0000 0200 0200 0400 01000000 6100 62006300")
MOUNT = bytes.fromhex("0000 0200 0400 0200 6100 0000 6200 0000")


def test_symbolic_link_both_ways(refuses_every_truncation):
    """[MS-FSCC 2.1.2.4]"""
    link = SymbolicLink("a", "bc", relative=True)
    assert link.encode() == SYMLINK
    assert SymbolicLink.decode(SYMLINK) == link
    refuses_every_truncation(SymbolicLink.decode, SYMLINK)


def test_mount_point_both_ways(refuses_every_truncation):
    """[MS-FSCC 2.1.2.5]"""
    mount = MountPoint("a", "b")
    assert mount.encode() == MOUNT
    assert MountPoint.decode(MOUNT) == mount
    refuses_every_truncation(MountPoint.decode, MOUNT, least=len(MOUNT) - 2)


@pytest.mark.parametrize(
    ("point", "wire"),
    [
        (SymbolicLink("a", "bc", relative=True).reparse_point(), "0c0000a0 1200 0000" + SYMLINK.hex()),
        (MountPoint("a", "b").reparse_point(), "030000a0 1000 0000" + MOUNT.hex()),
        (ReparsePoint(0x80000014, b"xyz"), "14000080 0300 0000 78797a"),
        (ReparsePoint(0x00000017, b"xyz", b"\x11" * 16), "17000000 0300 0000" + "11" * 16 + "78797a"),
    ],
)
def test_buffer_both_ways(point, wire, refuses_every_truncation):
    """[MS-FSCC 2.1.2.2, 2.1.2.3]"""
    data = bytes.fromhex(wire)
    assert point.encode() == data
    assert ReparsePoint.decode(data) == point
    refuses_every_truncation(ReparsePoint.decode, data)


def test_length_has_to_be_exact_and_limited():
    with pytest.raises(WireError):
        ReparsePoint.decode(bytes.fromhex("14000080 0300 0000 78797a00"))
    with pytest.raises(NtError) as caught:
        ReparsePoint(0x80000014, bytes(MAXIMUM_REPARSE_DATA)).encode()
    assert caught.value.status is Status.IO_REPARSE_DATA_INVALID
