from __future__ import annotations

from smbcore.nt import attributes as at


def test_every_named_attribute_is_valid():
    named = 0
    for name, value in vars(at).items():
        if name.startswith("FILE_ATTRIBUTE_"):
            assert at.VALID & value == value, name
            named |= value
    assert at.SETTABLE & ~named == 0


def test_letters():
    assert at.letters(0) == ""
    assert at.letters(at.FILE_ATTRIBUTE_READONLY | at.FILE_ATTRIBUTE_HIDDEN | at.FILE_ATTRIBUTE_DIRECTORY) == "RHD"
