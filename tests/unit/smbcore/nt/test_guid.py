from __future__ import annotations

import pytest

from smbcore.nt import guid

TEXT = "00112233-4455-6677-8899-aabbccddeeff"
WIRE = bytes.fromhex("33221100554477668899aabbccddeeff")


def test_text_and_wire_order():
    assert guid.from_text(TEXT) == WIRE
    assert guid.from_text("{" + TEXT.upper() + "}") == WIRE
    assert guid.to_text(WIRE) == TEXT


def test_new_guids_are_random_version_four():
    first, second = guid.new_guid(), guid.new_guid()
    assert first != second
    assert len(first) == guid.SIZE
    assert guid.to_text(first)[14] == "4"


@pytest.mark.parametrize("text", ["", "xyz", TEXT[:-1]])
def test_malformed_text_is_refused(text):
    with pytest.raises(ValueError):
        guid.from_text(text)


def test_wrong_length_is_refused():
    with pytest.raises(ValueError):
        guid.to_text(WIRE[:-1])
