"""Names shared by the message modules."""

from __future__ import annotations

from smbcore.wire.types import ANY_FILE_ID, FILE_ID_SIZE, file_id


def test_a_file_id_is_the_persistent_half_and_the_volatile_one() -> None:
    assert file_id(1, 0x0203) == bytes.fromhex("0100000000000000 0302000000000000")


def test_no_file_is_all_ones() -> None:
    assert len(ANY_FILE_ID) == FILE_ID_SIZE == 16
    assert set(ANY_FILE_ID) == {0xFF}
