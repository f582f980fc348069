from __future__ import annotations

import pytest

from smbcore.nt.errors import WireError
from smbcore.nt.info import notify as n

CHANGES = [(n.FILE_ACTION_RENAMED_OLD_NAME, "a"), (n.FILE_ACTION_RENAMED_NEW_NAME, "d\\b")]
WIRE = bytes.fromhex("10000000 04000000 02000000 6100 0000 00000000 05000000 06000000 64005c006200")


def test_both_ways():
    """[MS-FSCC 2.7.1]"""
    assert n.encode_changes(CHANGES, 1000) == WIRE
    assert n.decode_changes(WIRE) == CHANGES
    for length in range(1, len(WIRE)):
        with pytest.raises(WireError):
            n.decode_changes(WIRE[:length])


def test_changes_that_do_not_fit():
    assert n.encode_changes(CHANGES, len(WIRE)) == WIRE
    assert n.encode_changes(CHANGES, len(WIRE) - 1) is None
    assert n.encode_changes(CHANGES, 0) is None


def test_no_changes():
    assert n.encode_changes([], 0) == b""
    assert n.decode_changes(b"") == []
