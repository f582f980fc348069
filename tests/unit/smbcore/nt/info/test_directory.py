from __future__ import annotations

import pytest

from smbcore.nt.attributes import FILE_ATTRIBUTE_REPARSE_POINT, IO_REPARSE_TAG_SYMLINK
from smbcore.nt.errors import WireError
from smbcore.nt.info import classes as c
from smbcore.nt.info.directory import CLASSES, DirectoryEntry, Packer, decode_entries, encode_entry
from smbcore.nt.status import NtError, Status

ENTRY = DirectoryEntry(
    "a.txt",
    "A~1.TXT",
    7,
    0x0101010101010101,
    0x0202020202020202,
    0x0303030303030303,
    0x0404040404040404,
    0x10,
    0x1000,
    0x20,
    0x55,
    0x6677,
    0,
)
COMMON = (
    "00000000 07000000 0101010101010101 0202020202020202 0303030303030303 0404040404040404"
    "1000000000000000 0010000000000000 20000000 0a000000"
)
NAME = "61002e00740078007400"
SHORT = "0e 00 41007e0031002e00540058005400" + "00" * 10
LAYOUTS = {
    c.FILE_DIRECTORY_INFORMATION: COMMON,
    c.FILE_FULL_DIRECTORY_INFORMATION: COMMON + "55000000",
    c.FILE_ID_FULL_DIRECTORY_INFORMATION: COMMON + "55000000 00000000 7766000000000000",
    c.FILE_BOTH_DIRECTORY_INFORMATION: COMMON + "55000000" + SHORT,
    c.FILE_ID_BOTH_DIRECTORY_INFORMATION: COMMON + "55000000" + SHORT + "0000 7766000000000000",
    c.FILE_NAMES_INFORMATION: "00000000 07000000 0a000000",
    c.FILE_ID_EXTD_DIRECTORY_INFORMATION: COMMON + "55000000 00000000 7766" + "00" * 14,
    c.FILE_ID_EXTD_BOTH_DIRECTORY_INFORMATION: COMMON + "55000000 00000000 7766" + "00" * 14 + SHORT,
    c.FILE_ID_64_EXTD_DIRECTORY_INFORMATION: COMMON + "55000000 00000000 7766000000000000",
    c.FILE_ID_64_EXTD_BOTH_DIRECTORY_INFORMATION: COMMON + "55000000 00000000 7766000000000000" + SHORT,
    c.FILE_ID_ALL_EXTD_DIRECTORY_INFORMATION: COMMON + "55000000 00000000 7766000000000000 7766" + "00" * 14,
    c.FILE_ID_ALL_EXTD_BOTH_DIRECTORY_INFORMATION: COMMON
    + "55000000 00000000 7766000000000000 7766"
    + "00" * 14
    + SHORT,
}


def test_every_class_is_in_the_table():
    assert set(LAYOUTS) == CLASSES


@pytest.mark.parametrize("info_class", sorted(CLASSES))
def test_layout_both_ways(info_class, refuses_every_truncation):
    """[MS-FSCC 2.4]"""
    data = bytes.fromhex(LAYOUTS[info_class] + NAME)
    assert encode_entry(info_class, ENTRY) == data
    assert len(data) == c.fixed_size(info_class) + 10
    (decoded,) = decode_entries(info_class, memoryview(data))
    assert encode_entry(info_class, decoded) == data
    assert decoded.name == ENTRY.name
    refuses_every_truncation(lambda part: part == b"" and _refuse() or decode_entries(info_class, part), data)


def _refuse():
    raise WireError("an empty list is legal and not what is tested")


def test_complete_entry_survives():
    (decoded,) = decode_entries(79, encode_entry(79, ENTRY))
    assert decoded == ENTRY


@pytest.mark.parametrize("info_class", sorted(CLASSES))
def test_packing(info_class):
    packer = Packer(info_class, 1 << 16)
    entries = [DirectoryEntry("x" * n, file_index=n) for n in range(1, 20)]
    assert all(packer.add(entry) for entry in entries)
    assert packer.count == 19
    data = packer.bytes()
    last = encode_entry(info_class, entries[-1])
    assert data.endswith(last)
    offset = 0
    while step := int.from_bytes(data[offset : offset + 4], "little"):
        assert step % 8 == 0
        offset += step
    assert data[offset:] == last
    assert [e.name for e in decode_entries(info_class, data)] == [e.name for e in entries]


def test_an_entry_that_does_not_fit_changes_nothing():
    first, second = DirectoryEntry("a"), DirectoryEntry("b")
    packer = Packer(c.FILE_NAMES_INFORMATION, 30)
    assert packer.add(first)
    before = packer.bytes()
    assert before == encode_entry(c.FILE_NAMES_INFORMATION, first)
    assert packer.add(second)
    packer = Packer(c.FILE_NAMES_INFORMATION, 29)
    assert packer.add(first)
    assert not packer.add(second)
    assert packer.bytes() == before
    assert packer.count == 1


def test_first_entry_may_not_fit():
    packer = Packer(c.FILE_NAMES_INFORMATION, 13)
    assert not packer.add(DirectoryEntry("a"))
    assert (packer.count, packer.bytes()) == (0, b"")


def test_plain_file_is_sent_as_normal():
    (decoded,) = decode_entries(1, encode_entry(1, DirectoryEntry("a")))
    assert decoded.attributes == 0x80


@pytest.mark.parametrize("info_class", [2, 3, 37, 38])
def test_older_classes_carry_the_reparse_tag_as_ea_size(info_class):
    entry = DirectoryEntry(
        "link", attributes=FILE_ATTRIBUTE_REPARSE_POINT, ea_size=5, reparse_tag=IO_REPARSE_TAG_SYMLINK
    )
    data = encode_entry(info_class, entry)
    assert data[64:68] == IO_REPARSE_TAG_SYMLINK.to_bytes(4, "little")
    (decoded,) = decode_entries(info_class, data)
    assert (decoded.reparse_tag, decoded.ea_size) == (IO_REPARSE_TAG_SYMLINK, 0)


def test_names_beyond_the_bmp_and_lone_surrogates():
    for name in ("\U0001f600", "\udc00", "ä"):
        (decoded,) = decode_entries(12, encode_entry(12, DirectoryEntry(name)))
        assert decoded.name == name


def test_empty_reply_has_no_entries():
    assert decode_entries(37, b"") == []


def test_short_name_longer_than_its_field():
    data = bytearray(encode_entry(3, ENTRY))
    data[68] = 26
    with pytest.raises(WireError):
        decode_entries(3, data)
    with pytest.raises(NtError):
        encode_entry(3, DirectoryEntry("a", "thirteen.char"))


@pytest.mark.parametrize("step", [1, 8, 22, 30])
def test_chain_that_overlaps_or_leaves_the_buffer(step):
    data = bytearray(encode_entry(12, DirectoryEntry("hello")) + bytes(8))
    data[0] = step
    with pytest.raises(WireError):
        decode_entries(12, data)


def test_other_classes_are_refused():
    for call in (lambda: Packer(4, 100), lambda: encode_entry(4, ENTRY), lambda: decode_entries(4, b"")):
        with pytest.raises(NtError) as caught:
            call()
        assert caught.value.status is Status.INVALID_INFO_CLASS
