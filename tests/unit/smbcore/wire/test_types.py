"""Names shared by the message modules."""

from __future__ import annotations

from smbcore.wire.types import ANY_FILE_ID, FILE_ID_SIZE


def test_no_file_is_all_ones() -> None:
    assert len(ANY_FILE_ID) == FILE_ID_SIZE == 16
    assert set(ANY_FILE_ID) == {0xFF}
