from __future__ import annotations

import pytest

from smbcore.nt.info import classes as c
from smbcore.nt.info import file as f

TIMES = "0100000000000000 0200000000000000 0300000000000000 0400000000000000"
TABLE = [
    (4, f.BasicInformation(1, 2, 3, 4, 0x20), TIMES + "20000000 00000000"),
    (4, f.BasicInformation(0, -1, -2, 0, 0), "00" * 8 + "ff" * 8 + "fe" + "ff" * 7 + "00" * 16),
    (
        5,
        f.StandardInformation(4096, 5, 2, delete_pending=True),
        "0010000000000000 0500000000000000 02000000 01 00 0000",
    ),
    (5, f.StandardInformation(0, 0, directory=True), "00" * 16 + "01000000 00 01 0000"),
    (54, f.StandardLinkInformation(1, 2, directory=True), "01000000 02000000 00 01 0000"),
    (6, f.InternalInformation(0xFFEEDDCCBBAA9988), "8899aabbccddeeff"),
    (7, f.EaInformation(9), "09000000"),
    (8, f.AccessInformation(0x120089), "89001200"),
    (14, f.PositionInformation(-1), "ff" * 8),
    (16, f.ModeInformation(2), "02000000"),
    (17, f.AlignmentInformation(0), "00000000"),
    (20, f.EndOfFileInformation(0x123456789), "8967452301000000"),
    (19, f.AllocationInformation(4096), "0010000000000000"),
    (39, f.ValidDataLengthInformation(1), "0100000000000000"),
    (13, f.DispositionInformation(1), "01"),
    (64, f.DispositionInformationEx(3), "03000000"),
    (71, f.CaseSensitiveInformation(1), "01000000"),
    (9, f.NameInformation("\\a"), "04000000 5c006100"),
    (21, f.NameInformation(""), "00000000"),
    (
        18,
        f.AllInformation(1, 2, 3, 4, 0x20, 4096, 5, 1, False, True, 6, 7, 0x1F01FF, 8, 9, 0, "\\a"),
        TIMES + "20000000 00000000"
        "0010000000000000 0500000000000000 01000000 00 01 0000"
        "0600000000000000 07000000 ff011f00 0800000000000000 09000000 00000000 04000000 5c006100",
    ),
    (
        34,
        f.NetworkOpenInformation(1, 2, 3, 4, 4096, 5, 0x10),
        TIMES + "0010000000000000 0500000000000000 10000000 00000000",
    ),
    (35, f.AttributeTagInformation(0x400, 0xA000000C), "00040000 0c0000a0"),
    (28, f.CompressionInformation(5, 2, 16, 12, 12), "0500000000000000 0200 10 0c 0c 000000"),
    (59, f.IdInformation(0x1122, f.file_id_128(0x33)), "2211000000000000 33" + "00" * 15),
    (23, f.PipeInformation(1, 0), "01000000 00000000"),
    (24, f.PipeLocalInformation(1, 2, 3, 4, 5, 6, 7, 8, 9, 10), "".join(f"{n:02x}000000" for n in range(1, 11))),
    (25, f.PipeRemoteInformation(1, 2), "0100000000000000 02000000"),
]


@pytest.mark.parametrize(("info_class", "value", "wire"), TABLE)
def test_both_ways(info_class, value, wire, goes_both_ways):
    """[MS-FSCC 2.4]"""
    goes_both_ways(value, wire)
    data = bytes.fromhex(wire)
    assert type(value).decode(data + b"more") == value
    fixed = c.fixed_size(info_class)
    assert fixed == len(data) or isinstance(value, f.NameInformation | f.AllInformation)


def test_answers_send_no_attributes_as_normal():
    assert f.BasicInformation(0, 0, 0, 0, 0).answer()[32] == 0x80
    assert f.BasicInformation(0, 0, 0, 0, 0).encode()[32] == 0
    assert f.BasicInformation(0, 0, 0, 0, 1).answer()[32] == 1
    assert f.NetworkOpenInformation(0, 0, 0, 0, 0, 0, 0).encode()[48] == 0x80
    assert f.AttributeTagInformation(0).encode()[0] == 0x80
    everything = f.AllInformation(0, 0, 0, 0, 0, 0, 0, 0, False, False, 0, 0, 0, 0, 0, 0, "")
    assert everything.encode()[32] == 0x80
    assert len(everything.encode()) == 100


def test_file_id_of_128_bits():
    assert f.decode_file_id_128(f.file_id_128(0x1122334455667788)) == 0x1122334455667788
